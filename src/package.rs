//! Types of toolchains: names, versions, requirements, digests and systems.
//!
//! Invariant: constructors check; code that holds a value does not check it again.

pub mod cache_place;
pub mod catalogue;
pub mod conda;
pub mod digest;
pub mod minisign_key;
pub mod name;
mod npm_range;
pub mod platform_words;
mod program_name;
pub mod registry_key;
pub mod release_option;
pub mod source;
pub mod system;
mod system_set;
pub mod version;
mod version_sets;
pub mod wheel;

pub use cache_place::{CachePlace, S3Place};
pub use conda::{
    CONDA, CONDA_FORGE, CondaChannel, CondaFloors, CondaRequirement, MacosVersion, OLDEST_KERNEL,
    conda_package_of,
};
pub use digest::{Digest, Hasher, Sha256, is_commit, shorten_digest};
pub use minisign_key::MinisignKey;
pub use name::{
    FREETHREADED, PROFILE, PROFILES, PackageName, Tool, is_npm_place, name_of_npm_place,
};
pub use npm_range::join_bounds;
pub use program_name::ProgramName;
pub use registry_key::RegistryKey;
pub use release_option::{ReleaseName, ReleaseOption, ReleaseOptions};
pub use source::{Source, Supplier};
pub use system::{System, describe_systems};
pub use system_set::SystemSet;
pub use version::{LONGEST_REQUIREMENT, Requirement, Version};
pub use version_sets::{compatible, implied, intersection, version_sets, write_version_set};
pub use wheel::{Glibc, PlatformRank, PythonRank, WheelName};

/// A text that is not a valid value of a domain type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {expected}")]
pub struct Invalid {
    /// The expected kind of value, with its article ("a version").
    pub expected: &'static str,
    pub found: String,
    /// The type, for hints.
    pub kind: InvalidKind,
}

/// The domain types whose invalid values have hints of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidKind {
    Source,
    Requirement,
    Other,
}

impl Invalid {
    pub fn new(expected: &'static str, found: &str) -> Self {
        Self {
            expected,
            found: found.to_owned(),
            kind: InvalidKind::Other,
        }
    }

    /// Returns the error for a word that is not the name of a source.
    pub fn source(found: &str) -> Self {
        Self {
            kind: InvalidKind::Source,
            ..Self::new("a source", found)
        }
    }

    /// Returns the error for a text that is not a version requirement.
    pub fn requirement(found: &str) -> Self {
        Self {
            kind: InvalidKind::Requirement,
            ..Self::new("a version requirement", found)
        }
    }
}
