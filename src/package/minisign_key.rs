//! Keys with which publishers sign downloads, in the form of minisign.

use std::{fmt, io::Read, str::FromStr};

use minisign_verify::{PublicKey, Signature};

use super::Invalid;

/// A public key of minisign (`RWS…`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MinisignKey(String);

impl MinisignKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks that `signature`, the text of a `.minisig` file, is this key's signature of everything that `content` has,
    /// and of no file with another name than `file_name`; the error is one line.
    pub fn check(
        &self,
        mut content: impl Read,
        file_name: &str,
        signature: &str,
    ) -> Result<(), String> {
        let in_words = |error: minisign_verify::Error| error.to_string();
        let key = PublicKey::from_base64(&self.0).map_err(in_words)?;
        let signature = Signature::decode(signature).map_err(in_words)?;
        let mut verifier = key.verify_stream(&signature).map_err(in_words)?;
        let mut buffer = vec![0; 1 << 17];
        loop {
            match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => verifier.update(&buffer[..count]),
                Err(error) => return Err(error.to_string()),
            }
        }
        verifier.finalize().map_err(in_words)?;
        // An older release has a true signature, too.
        let mut fields = signature.trusted_comment().split('\t');
        match fields.find_map(|field| field.strip_prefix("file:")) {
            Some(signed) if signed != file_name => Err(format!("it is of the file `{signed}`")),
            _ => Ok(()),
        }
    }
}

impl FromStr for MinisignKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match PublicKey::from_base64(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(Invalid::new("a public key of minisign (`RW…`)", text)),
        }
    }
}

impl fmt::Display for MinisignKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_signature_of_the_key_is_accepted() {
        let key: MinisignKey = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
            .parse()
            .unwrap();
        let signature = "untrusted comment: signature from minisign secret key\n\
            RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n\
            trusted comment: timestamp:1633700835\tfile:test\tprehashed\n\
            wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==\n";
        assert_eq!(key.check(&b"test"[..], "test", signature), Ok(()));
        let of_another_file = Err("it is of the file `test`".to_owned());
        assert_eq!(
            key.check(&b"test"[..], "test-2", signature),
            of_another_file
        );
        assert!(key.check(&b"Test"[..], "test", signature).is_err());
        let other: MinisignKey = "RWSGOq2NVecA2UPNdBUZykf1CCb147pkmdtYxgb3Ti+JO/wCYvhbAb/U"
            .parse()
            .unwrap();
        assert!(other.check(&b"test"[..], "test", signature).is_err());
        // The last line is a signature of the one before it and of the trusted comment.
        let other_comment = signature.replace("1633700835", "1633700836");
        let other_signature = signature.replace("wLMD", "wLME");
        for damaged in ["", "x", &other_comment, &other_signature] {
            assert!(key.check(&b"test"[..], "test", damaged).is_err());
        }
        assert!("RWQf".parse::<MinisignKey>().is_err());
    }
}
