//! The Python packages without a wheel that may run their own build, because the user said so.
//!
//! A manifest can name such packages too, and then they are part of its approval. A project without a manifest names
//! none: `devsh allow` asks about each of them.

use std::collections::BTreeSet;

/// The packages that may run their own build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildPermission {
    /// Those with these normalised names.
    Named(BTreeSet<String>),
    /// All that the project's requirements lead to, for a command with `--trust`.
    All,
}

impl Default for BuildPermission {
    fn default() -> Self {
        Self::Named(BTreeSet::new())
    }
}

impl BuildPermission {
    /// Returns whether the package may run its own build.
    pub fn includes(&self, package: &str) -> bool {
        match self {
            Self::Named(names) => names.contains(package),
            Self::All => true,
        }
    }

    /// Returns the names that the user has permitted.
    pub fn named(&self) -> impl Iterator<Item = &String> {
        let names = match self {
            Self::Named(names) => Some(names),
            Self::All => None,
        };
        names.into_iter().flatten()
    }
}
