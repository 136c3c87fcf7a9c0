//! Names of store objects: a digest of their sources, then name and version for people.

use std::fmt;

use super::{BuiltObject, Object, Recipe};
use crate::{
    package::{PackageName, Version},
    util::digest_input::DigestInput,
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
        let mut input = DigestInput::default();
        input.number(FORMAT);
        input.bytes(object.name.as_str());
        input.bytes(object.version.as_str());
        input.bytes(object.recipe.as_str());
        input.list(object.artifacts.iter(), |input, artifact| {
            input.bytes(&artifact.part);
            input.bytes(artifact.digest.as_bytes());
        });
        // Objects of other recipes have had no such part.
        if object.recipe == Recipe::Release {
            for option in object.layout.iter() {
                input.bytes(option.to_string());
            }
        }
        Self::new(input, object.name, object.version)
    }

    /// Returns where a built object belongs.
    pub fn of_built(built: &BuiltObject<'_>) -> Self {
        let mut input = DigestInput::default();
        input.number(FORMAT);
        input.bytes(built.name.as_str());
        input.bytes(built.version.as_str());
        input.bytes(built.recipe.as_str());
        input.bytes(built.key);
        Self::new(input, built.name, built.version)
    }

    fn new(input: DigestInput, name: &PackageName, version: &Version) -> Self {
        let digest = blake3::hash(&input.into_bytes()).to_hex();
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
    pub const ALL: [Self; 12] = [
        Self::Python,
        Self::Rust,
        Self::Wheel,
        Self::Environment,
        Self::BuiltWheel,
        Self::Npm,
        Self::CondaPackage,
        Self::CondaPrefix,
        Self::NpmPlatform,
        Self::Toolchain,
        Self::Release,
        Self::Crate,
    ];

    /// Returns the name that goes into digests and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Rust => "rust",
            Self::Wheel => "wheel",
            Self::Environment => "environment",
            Self::BuiltWheel => "built-wheel",
            Self::Npm => "npm",
            Self::CondaPackage => "conda",
            Self::CondaPrefix => "conda-prefix",
            Self::NpmPlatform => "npm-platform",
            Self::Toolchain => "toolchain",
            Self::Release => "release",
            Self::Crate => "crate",
        }
    }
}
