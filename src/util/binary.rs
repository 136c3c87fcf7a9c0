//! The binary form of devsh's private files and of `DEVSH_DIFF`: `postcard`, read to the end.

use serde::{Serialize, de::DeserializeOwned};

/// Bytes that are cut short, too long, or hold an impossible value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the data is damaged")]
pub struct Damaged;

/// Returns a value as bytes.
pub fn encode(value: &impl Serialize) -> Vec<u8> {
    // Serialization to a vector fails only for types that no private file holds, such as lists of unknown length.
    postcard::to_stdvec(value).unwrap_or_default()
}

/// Reads a value that fills the whole input.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Damaged> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(Damaged),
    }
}

/// Reads a value at the beginning of the input.
pub fn decode_head<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Damaged> {
    postcard::from_bytes(bytes).map_err(|_| Damaged)
}

/// Serializes a path as bytes: the form of serde is text, which not every path is.
pub mod path {
    use std::{
        ffi::OsString,
        path::{Path, PathBuf},
    };

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes a path.
    pub fn serialize<S: Serializer>(
        path: impl AsRef<Path>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        path.as_ref().as_os_str().serialize(serializer)
    }

    /// Reads a path.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        OsString::deserialize(deserializer).map(PathBuf::from)
    }
}

/// Serializes a list of paths as `path` does.
pub mod paths {
    use std::{
        ffi::{OsStr, OsString},
        path::PathBuf,
    };

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes paths.
    pub fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
        let paths: Vec<&OsStr> = paths.iter().map(|path| path.as_os_str()).collect();
        paths.serialize(serializer)
    }

    /// Reads paths.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<PathBuf>, D::Error> {
        let paths = Vec::<OsString>::deserialize(deserializer)?;
        Ok(paths.into_iter().map(PathBuf::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Paths {
        #[serde(with = "path")]
        one: PathBuf,
        #[serde(with = "paths")]
        more: Vec<PathBuf>,
    }

    #[test]
    fn paths_round_trip_and_nothing_may_follow() {
        let path = PathBuf::from(OsStr::from_bytes(b"/a\xff\n"));
        let value = Paths {
            one: path.clone(),
            more: vec![path, PathBuf::new()],
        };
        let mut bytes = encode(&value);
        assert_eq!(decode::<Paths>(&bytes).as_ref(), Ok(&value));
        for end in 0..bytes.len() {
            assert_eq!(decode::<Paths>(&bytes[..end]), Err(Damaged));
        }
        bytes.push(0);
        assert_eq!(decode::<Paths>(&bytes), Err(Damaged));
        assert_eq!(decode_head::<Paths>(&bytes), Ok(value));
    }
}
