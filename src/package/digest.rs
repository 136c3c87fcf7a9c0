//! Digests of artifacts, in the forms of lockfiles and indexes.

use std::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Invalid;
use crate::util::hex;

/// Returns whether a text is a whole commit of Git, with SHA-1 or SHA-256.
pub fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The SHA-256 of an artifact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Returns the digest with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Returns the digest of everything that `reader` has.
    pub fn read(mut reader: impl std::io::Read) -> std::io::Result<Self> {
        use sha2::Digest as _;
        let (mut hasher, mut buffer) = (sha2::Sha256::new(), vec![0; 1 << 17]);
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(Self(hasher.finalize().into())),
                count => hasher.update(&buffer[..count]),
            }
        }
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Sha256 {
    type Err = Invalid;

    /// Parses 64 hexadecimal digits of either case.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("a SHA-256 (64 hexadecimal digits)", text);
        hex::decode(text).map(Self).ok_or_else(invalid)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{self}")
    }
}

/// The text between a version and its SHA-512.
const BEHIND_VERSION: &str = "+sha512.";
/// The digits of such a SHA-512 that a listing shows.
const SHOWN_DIGITS: usize = 8;

/// Returns a text in which the SHA-512 behind a version is cut short.
pub fn shorten_digest(text: &str) -> String {
    let Some((before, after)) = text.split_once(BEHIND_VERSION) else {
        return text.to_owned();
    };
    let end = after.find(|one: char| !one.is_ascii_hexdigit());
    let (digits, rest) = after.split_at(end.unwrap_or(after.len()));
    match digits.get(..SHOWN_DIGITS) {
        Some(shown) if shown.len() < digits.len() => {
            format!("{before}{BEHIND_VERSION}{shown}…{rest}")
        }
        _ => text.to_owned(),
    }
}

/// The digest of an artifact, in the kind that its source publishes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Digest {
    /// A SHA-256: the Python index, python-build-standalone, the Rust dist server.
    Sha256(Sha256),
    /// A SHA-512: the npm registry.
    Sha512([u8; 64]),
}

impl Digest {
    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(digest) => digest.as_bytes(),
            Self::Sha512(bytes) => bytes,
        }
    }

    /// Returns the digest in hexadecimal, fit to be a file's name.
    pub fn hex(&self) -> String {
        hex::encode(self.as_bytes())
    }

    /// Returns the subresource integrity form of a SHA-512 (`sha512-<base64>`), as npm writes it.
    pub fn integrity(&self) -> Option<String> {
        match self {
            Self::Sha256(_) => None,
            Self::Sha512(bytes) => Some(format!("sha512-{}", BASE64_STANDARD.encode(bytes))),
        }
    }

    /// Parses the SHA-512 of a subresource integrity text, which may hold other digests as well.
    pub fn from_integrity(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("an integrity with a SHA-512 (`sha512-…`)", text);
        let encoded = text
            .split_ascii_whitespace()
            .find_map(|one| one.strip_prefix("sha512-"))
            .ok_or_else(invalid)?;
        let encoded = encoded.split('?').next().unwrap_or_default();
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| invalid())?;
        bytes.try_into().map(Self::Sha512).map_err(|_| invalid())
    }

    /// Splits the SHA-512 from a version, behind which Corepack writes it (`10.1.0+sha512.…`).
    pub(super) fn split_from(version: &str) -> (String, Option<Self>) {
        let whole = || (version.to_owned(), None);
        let Some((before, rest)) = version.split_once(BEHIND_VERSION) else {
            return whole();
        };
        let Some((digits, after)) = rest.split_at_checked(128) else {
            return whole();
        };
        match hex::decode(digits) {
            Some(bytes) => (format!("{before}{after}"), Some(Self::Sha512(bytes))),
            None => whole(),
        }
    }

    /// Returns the text that is written behind a version.
    pub(super) fn behind_version(&self) -> String {
        format!("{BEHIND_VERSION}{}", self.hex())
    }

    /// Returns a hasher for a digest of this kind.
    pub fn hasher(&self) -> Hasher {
        match self {
            Self::Sha256(_) => Hasher::Sha256(sha2::Digest::new()),
            Self::Sha512(_) => Hasher::Sha512(sha2::Digest::new()),
        }
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Digest {
    /// The number of bytes decides the kind.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        if let Ok(sha256) = <[u8; 32]>::try_from(bytes.as_slice()) {
            return Ok(Self::Sha256(Sha256(sha256)));
        }
        let sha512 = <[u8; 64]>::try_from(bytes.as_slice());
        sha512
            .map(Self::Sha512)
            .map_err(|_| de::Error::invalid_length(bytes.len(), &"32 or 64 bytes"))
    }
}

impl From<Sha256> for Digest {
    fn from(digest: Sha256) -> Self {
        Self::Sha256(digest)
    }
}

impl fmt::Display for Digest {
    /// Writes the kind, a colon and hexadecimal digits.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Sha256(_) => "sha256",
            Self::Sha512(_) => "sha512",
        };
        write!(formatter, "{kind}:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Computes a digest piece by piece.
#[derive(Debug, Clone)]
pub enum Hasher {
    /// A SHA-256.
    Sha256(sha2::Sha256),
    /// A SHA-512.
    Sha512(sha2::Sha512),
}

impl Hasher {
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => sha2::Digest::update(hasher, bytes),
            Self::Sha512(hasher) => sha2::Digest::update(hasher, bytes),
        }
    }

    /// Returns the digest of all bytes so far.
    pub fn finish(&self) -> Digest {
        match self {
            Self::Sha256(hasher) => {
                Digest::Sha256(Sha256(sha2::Digest::finalize(hasher.clone()).into()))
            }
            Self::Sha512(hasher) => Digest::Sha512(sha2::Digest::finalize(hasher.clone()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_round_trip() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sha256::of(b"").to_string(), empty);
        assert_eq!(empty.parse::<Sha256>().unwrap(), Sha256::of(b""));
        assert_eq!(
            empty.to_uppercase().parse::<Sha256>().unwrap(),
            Sha256::of(b"")
        );
        for bad in [
            "",
            "e3",
            &empty[1..],
            &empty.replace('e', "g"),
            &format!("+{}", &empty[1..]),
        ] {
            assert!(bad.parse::<Sha256>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_digest_behind_a_version_is_cut_short() {
        let text = format!("10.1.0+sha512.{},>=9", "0a".repeat(64));
        assert_eq!(shorten_digest(&text), "10.1.0+sha512.0a0a0a0a…,>=9");
        for text in ["10.1.0", "10.1.0+sha512.0a0a", "10.1.0+sha512."] {
            assert_eq!(shorten_digest(text), text);
        }
    }

    #[test]
    fn integrity_round_trips() {
        let empty = "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
        let digest = Digest::from_integrity(&format!("sha1-abc= {empty}?option")).unwrap();
        assert_eq!(digest.integrity().as_deref(), Some(empty));
        let hasher = digest.hasher();
        assert_eq!(hasher.finish(), digest);
        assert!(digest.to_string().starts_with("sha512:cf83e1357eefb8bd"));
        for bad in ["", "sha1-abc=", "sha512-abc=", "sha512-", "sha512"] {
            assert!(Digest::from_integrity(bad).is_err(), "{bad:?}");
        }
    }
}
