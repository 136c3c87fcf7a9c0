//! The vocabulary of toolchains: names, versions, requirements, digests and systems. Pure.
//!
//! Invariant: every type here is checked when it is made, so code that holds one need not check again.

pub mod digest;
pub mod name;
pub mod system;
pub mod version;
mod version_sets;
pub mod wheel;

pub use digest::{Digest, Hasher, Sha256};
pub use name::{FREETHREADED, PROFILE, PROFILES, PackageName, Source, Tool, is_npm_place};
pub use system::System;
pub use version::{LONGEST_REQUIREMENT, Requirement, Version};
pub use version_sets::{compatible, implied, intersection, version_sets, write_version_set};
pub use wheel::WheelName;

/// A text that is not a valid value of a domain type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {expected}")]
pub struct Invalid {
    /// What the text was meant to be, with its article ("a version").
    pub expected: &'static str,
    /// The text as found.
    pub found: String,
}

impl Invalid {
    /// Returns the error for `found` where `expected` was wanted.
    pub fn new(expected: &'static str, found: &str) -> Self {
        Self {
            expected,
            found: found.to_owned(),
        }
    }
}
