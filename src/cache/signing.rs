//! Signatures of records: ed25519 in the text form of Nix, `name-1:base64`.

use std::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};

use crate::package::{Invalid, cache_place::is_key_name};

/// A key with which records are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub name: String,
    bytes: [u8; 32],
}

/// A key with which records are signed.
pub struct SigningKey {
    name: String,
    pair: Ed25519KeyPair,
    seed: [u8; 32],
}

/// The signature of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name of the key.
    pub name: String,
    bytes: [u8; 64],
}

impl PublicKey {
    /// Returns whether `signature` is this key's signature of `message`.
    pub fn accepts(&self, message: &[u8], signature: &Signature) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.bytes);
        self.name == signature.name && key.verify(message, &signature.bytes).is_ok()
    }
}

impl SigningKey {
    /// Returns a new key.
    pub fn generate(name: &str) -> Result<Self, Invalid> {
        let broken = |_| Invalid::new("a random number of the system", name);
        let mut seed = [0; 32];
        let random = SystemRandom::new();
        ring::rand::SecureRandom::fill(&random, &mut seed).map_err(broken)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed);
        let pair = pair.map_err(|_| Invalid::new("a key", name))?;
        if !is_key_name(name) {
            return Err(Invalid::new("the name of a key (`team-1`)", name));
        }
        Ok(Self {
            name: name.to_owned(),
            pair,
            seed,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the key that checks what this one signs.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey {
            name: self.name.clone(),
            bytes,
        }
    }

    pub fn sign(&self, message: &[u8]) -> Signature {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.pair.sign(message).as_ref());
        Signature {
            name: self.name.clone(),
            bytes,
        }
    }

    /// Returns the text of the key, which is secret.
    pub fn secret_text(&self) -> String {
        let both = [&self.seed[..], self.pair.public_key().as_ref()].concat();
        format!("{}:{}", self.name, BASE64_STANDARD.encode(both))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.name)
    }
}

impl FromStr for SigningKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // The text is secret, so no error has it.
        let invalid = || Invalid::new("a secret key (`NAME:BASE64`)", "…");
        let (name, bytes): (String, [u8; 64]) = read(text.trim()).ok_or_else(invalid)?;
        let (seed, public) = bytes.split_at(32);
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public);
        Ok(Self {
            name,
            pair: pair.map_err(|_| invalid())?,
            seed: seed.try_into().map_err(|_| invalid())?,
        })
    }
}

impl FromStr for PublicKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let read = read(text.trim());
        let (name, bytes) =
            read.ok_or_else(|| Invalid::new("a public key (`NAME:BASE64`)", text))?;
        Ok(Self { name, bytes })
    }
}

impl FromStr for Signature {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let read = read(text);
        let (name, bytes) =
            read.ok_or_else(|| Invalid::new("a signature (`NAME:BASE64`)", text))?;
        Ok(Self { name, bytes })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{}",
            self.name,
            BASE64_STANDARD.encode(self.bytes)
        )
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{}",
            self.name,
            BASE64_STANDARD.encode(self.bytes)
        )
    }
}

fn read<const N: usize>(text: &str) -> Option<(String, [u8; N])> {
    let (name, encoded) = text.split_once(':')?;
    let bytes = BASE64_STANDARD.decode(encoded).ok()?.try_into().ok()?;
    is_key_name(name).then(|| (name.to_owned(), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_key_and_one_message() {
        let key = SigningKey::generate("team-1").unwrap();
        let again: SigningKey = key.secret_text().parse().unwrap();
        let signature: Signature = again.sign(b"one").to_string().parse().unwrap();
        let public: PublicKey = key.public().to_string().parse().unwrap();
        assert!(public.accepts(b"one", &signature));
        assert!(!public.accepts(b"two", &signature));
        let other = SigningKey::generate("team-1").unwrap().public();
        assert!(!other.accepts(b"one", &signature));
        let renamed = PublicKey {
            name: "team-2".to_owned(),
            ..public
        };
        assert!(!renamed.accepts(b"one", &signature));
    }

    #[test]
    fn a_key_of_nix_is_read() {
        // `nix key generate-secret --key-name test-1`, with the seed of RFC 8032, test 1.
        let public = "test-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let secret = "test-1:nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==";
        let key: SigningKey = secret.parse().unwrap();
        assert_eq!(key.public().to_string(), public);
        assert_eq!(key.secret_text(), secret);
        let signature = key.sign(b"").to_string();
        assert!(
            signature.starts_with("test-1:5VZDAMNgrHKQhuLMgG6CioSHfx64"),
            "{signature}"
        );
    }

    #[test]
    fn invalid_keys_are_refused_without_their_text() {
        for text in ["", "a", "a:", "a:AAAA", "../x:AAAA", ":AAAA"] {
            assert!(text.parse::<PublicKey>().is_err() && text.parse::<Signature>().is_err());
            let error = text.parse::<SigningKey>().unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains("AAAA"), "{error}");
        }
    }
}
