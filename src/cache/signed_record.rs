//! The signed record of a built object in a cache.
//!
//! The first line is the signature, the rest is what is signed, as JSON. Its bytes are checked before they are read.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::signing::{PublicKey, Signature, SigningKey};
use crate::package::Sha256;

/// The form of records and of packed trees. Another form has another key.
const HEADER: &str = "devsh-object-1";
/// The longest accepted record, in bytes.
pub const LIMIT: u64 = 4 << 20;

/// The statement that a signer makes about an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedRecord {
    /// The name of the object in the store.
    pub object: String,
    /// The digest of the list of its files, as they are packed.
    pub tree: String,
    /// The unpacked bytes.
    pub size: u64,
    /// The SHA-256 of the packed tree.
    pub blob: String,
    /// The bytes of the packed tree.
    pub blob_size: u64,
    /// The system of the builder (`x86_64-linux`).
    pub platform: String,
    /// The builder's glibc, if the object has programs that were linked with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glibc: Option<String>,
    /// The inputs for people.
    pub inputs: Vec<String>,
    /// Links to other objects, each with its target below the store; they are not packed.
    pub links: BTreeMap<String, String>,
    /// Files in which the placeholder is replaced by the path of the store.
    pub relocated: BTreeSet<String>,
}

impl SharedRecord {
    /// Returns the signed text.
    pub fn sign(&self, key: &SigningKey) -> serde_json::Result<Vec<u8>> {
        let body = serde_json::to_string_pretty(self)?;
        let signature = key.sign(&message(&body));
        Ok(format!("{HEADER} {signature}\n{body}\n").into_bytes())
    }

    /// Reads a text that one of the keys signed.
    pub fn verify(text: &[u8], keys: &[PublicKey]) -> Option<(Self, String)> {
        let text = std::str::from_utf8(text).ok()?;
        let (first, body) = text.split_once('\n')?;
        let signature: Signature = first
            .strip_prefix(HEADER)?
            .strip_prefix(' ')?
            .parse()
            .ok()?;
        let body = body.strip_suffix('\n')?;
        let message = message(body);
        let known = keys.iter().any(|key| key.accepts(&message, &signature));
        known.then_some(())?;
        Some((serde_json::from_str(body).ok()?, signature.name))
    }

    /// Returns the digest of the packed tree.
    pub fn blob_digest(&self) -> Option<Sha256> {
        self.blob.parse().ok()
    }
}

fn message(body: &str) -> Vec<u8> {
    format!("{HEADER}\n{body}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> SharedRecord {
        SharedRecord {
            object: "0-a-1".to_owned(),
            tree: "t".to_owned(),
            size: 1,
            blob: "b".to_owned(),
            blob_size: 2,
            platform: "x86_64-linux".to_owned(),
            glibc: None,
            inputs: vec!["idna 3.10".to_owned()],
            links: BTreeMap::new(),
            relocated: BTreeSet::new(),
        }
    }

    #[test]
    fn every_byte_of_a_record_is_signed() {
        let key = SigningKey::generate("team-1").unwrap();
        let keys = [key.public()];
        let text = record().sign(&key).unwrap();
        assert_eq!(
            SharedRecord::verify(&text, &keys),
            Some((record(), "team-1".to_owned()))
        );
        assert_eq!(SharedRecord::verify(&text, &[]), None);
        let other = SigningKey::generate("team-1").unwrap();
        assert_eq!(SharedRecord::verify(&text, &[other.public()]), None);
        for at in 0..text.len() {
            for changed in [text[at] ^ 1, text[at] ^ 0x20, b' '] {
                let mut damaged = text.clone();
                damaged[at] = changed;
                // Base64 has no unused bits in 64 bytes that a decoder would ignore.
                if damaged != text {
                    assert_eq!(SharedRecord::verify(&damaged, &keys), None, "byte {at}");
                }
            }
            assert_eq!(SharedRecord::verify(&text[..at], &keys), None);
        }
    }
}
