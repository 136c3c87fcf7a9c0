//! Names of store objects: a digest of their sources, then name and version for people.

use std::fmt;

use super::{BuiltObject, Object, Recipe};
use crate::{
    package::{PackageName, Version},
    util::codec::Writer,
};

/// The format of objects. A new number makes new objects next to the old ones.
const FORMAT: u64 = 3;

/// The name of one object's directory below the store: `<digest>-<name>-<version>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StorePath(String);

impl StorePath {
    /// Returns where `object` belongs.
    ///
    /// The digest covers the format, name, version, recipe and every artifact's part and digest, so
    /// it is known before anything is downloaded.
    pub fn of(object: &Object<'_>) -> Self {
        let mut writer = Writer::default();
        writer.number(FORMAT);
        writer.bytes(object.name.as_str());
        writer.bytes(object.version.as_str());
        writer.bytes(object.recipe.as_str());
        writer.list(object.artifacts.iter(), |writer, artifact| {
            writer.bytes(&artifact.part);
            writer.bytes(artifact.digest.as_bytes());
        });
        Self::new(writer, object.name, object.version)
    }

    /// Returns where a built object belongs.
    pub fn of_built(built: &BuiltObject<'_>) -> Self {
        let mut writer = Writer::default();
        writer.number(FORMAT);
        writer.bytes(built.name.as_str());
        writer.bytes(built.version.as_str());
        writer.bytes(built.recipe.as_str());
        writer.bytes(built.key);
        Self::new(writer, built.name, built.version)
    }

    fn new(writer: Writer, name: &PackageName, version: &Version) -> Self {
        let digest = blake3::hash(&writer.into_bytes()).to_hex();
        Self(format!("{}-{}-{version}", &digest[..32], name.file_name()))
    }

    /// Returns the name as text; it is one safe path component.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the digest at the front.
    pub fn digest(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Recipe {
    /// All recipes.
    pub const ALL: [Self; 5] = [
        Self::Python,
        Self::Rust,
        Self::Wheel,
        Self::Environment,
        Self::Npm,
    ];

    /// Returns the name that goes into digests and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Rust => "rust",
            Self::Wheel => "wheel",
            Self::Environment => "environment",
            Self::Npm => "npm",
        }
    }
}
