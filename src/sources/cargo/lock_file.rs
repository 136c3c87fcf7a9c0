//! The `Cargo.lock` of a crate: the exact crates that it is built with.

use serde::Deserialize;

use super::crate_file;
use crate::{
    lockfile::Artifact,
    package::{PackageName, Sha256, Version},
};

/// The registry of the public index, as `Cargo.lock` names it.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// The same by the address of the sparse index.
const SPARSE: &str = "sparse+https://index.crates.io/";

/// A `Cargo.lock` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockFileError {
    #[error("its `Cargo.lock` cannot be read: {0}")]
    Unreadable(String),
    /// A dependency from a repository or another registry.
    #[error(
        "its `Cargo.lock` has `{name}` from `{source_name}`, and devsh builds crates of the public registry only"
    )]
    OtherSource { name: String, source_name: String },
    /// A dependency whose name or version cannot be used.
    #[error("its `Cargo.lock` has the crate `{}`", name.escape_debug())]
    NoName { name: String },
    /// A dependency without a usable digest.
    #[error("its `Cargo.lock` has no digest for `{name}`")]
    NoDigest { name: String },
}

#[derive(Deserialize)]
struct LockFile {
    #[serde(default)]
    package: Vec<LockedCrate>,
}

#[derive(Deserialize)]
struct LockedCrate {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

/// Returns the crates that a `Cargo.lock` names, without the crate that it belongs to. The part of each is its directory
/// (`anyhow-1.0.100`).
pub fn dependencies(text: &str) -> Result<Vec<Artifact>, LockFileError> {
    let lock: LockFile = toml::from_str(text).map_err(|error| {
        let message = error.message().lines().next().unwrap_or_default();
        LockFileError::Unreadable(message.to_owned())
    })?;
    let mut all = Vec::new();
    for one in lock.package {
        let Some(source) = one.source else { continue };
        if ![REGISTRY, SPARSE].contains(&source.as_str()) {
            return Err(LockFileError::OtherSource {
                name: one.name,
                source_name: source,
            });
        }
        let digest = one.checksum.and_then(|text| text.parse::<Sha256>().ok());
        // The part is a directory.
        if one.name.parse::<PackageName>().is_err() || one.version.parse::<Version>().is_err() {
            return Err(LockFileError::NoName { name: one.name });
        }
        let file = digest.and_then(|digest| crate_file(&one.name, &one.version, digest));
        let part = format!("{}-{}", one.name, one.version);
        let file = file.ok_or(LockFileError::NoDigest { name: one.name })?;
        all.push(Artifact { part, ..file });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_have_digests_and_addresses() {
        let digest = "b".repeat(64);
        let text = |source: &str, digest: &str| {
            format!(
                "version = 4\n[[package]]\nname = \"tool\"\nversion = \"1.0.0\"\ndependencies = [\"dep\"]\n\
                 [[package]]\nname = \"dep\"\nversion = \"0.1.0+wasi\"\nsource = \"{source}\"\n{digest}"
            )
        };
        let checksum = format!("checksum = \"{digest}\"\n");
        let found = dependencies(&text(REGISTRY, &checksum)).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].part, "dep-0.1.0+wasi");
        assert_eq!(
            found[0].url.as_str(),
            "https://static.crates.io/crates/dep/0.1.0+wasi/download"
        );
        let error = |text: &str| dependencies(text).unwrap_err().to_string();
        let git = error(&text("git+https://example.com/dep#abc", ""));
        assert!(
            git.contains("`dep` from `git+https://example.com/dep#abc`"),
            "{git}"
        );
        assert!(error(&text(REGISTRY, "")).contains("no digest for `dep`"));
        let escaping = text(REGISTRY, &checksum).replace("name = \"dep\"", "name = \"../../dep\"");
        assert!(error(&escaping).contains("the crate `../../dep`"));
        assert!(error("package = 1").contains("cannot be read"));
        assert!(dependencies("version = 4\n").unwrap().is_empty());
    }
}
