//! The lockfile: for every request the chosen version, and for every system the artifacts.
//!
//! Invariant: a lockfile holds nothing of a machine: no path, no mirror, no time. Same content, same bytes.

use std::collections::BTreeMap;

use crate::{
    manifest::ToolRequest,
    package::{Sha256, System, Tool, Version},
};

/// Every locked package, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lockfile {
    /// The locked packages by what was asked for.
    pub packages: BTreeMap<LockKey, LockedPackage>,
}

/// What was asked for: two dev shells that ask for the same share one locked package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockKey {
    /// The tool.
    pub tool: Tool,
    /// The requirement as text, with all floors (`3.12, >=3.11`).
    pub requirement: String,
    /// Components asked for, sorted.
    pub components: Vec<String>,
    /// Targets asked for, sorted.
    pub targets: Vec<String>,
}

/// A tool at one version, with what to download for each system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    /// The chosen version.
    pub version: Version,
    /// Day of the channel manifest (`2025-08-07`) for rust, build date for python.
    pub build: Option<String>,
    /// What to download, for each system that has it, sorted by system and then part.
    pub artifacts: BTreeMap<System, Vec<Artifact>>,
}

/// One file to download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Which part of the tool (`rustc`, `clippy`); empty for a tool of one artifact.
    pub part: String,
    /// The public address, never a mirror's.
    pub url: url::Url,
    /// The digest of the whole file.
    pub sha256: Sha256,
    /// The size in bytes, where the source tells it.
    pub size: Option<u64>,
}

impl LockKey {
    /// Returns the key under which the answer to `request` is locked.
    pub fn for_request(tool: &Tool, request: &ToolRequest) -> Self {
        let mut requirement = request.requirement.value.as_str().to_owned();
        for floor in &request.floors {
            requirement.push_str(", ");
            requirement.push_str(floor.value.as_str());
        }
        Self {
            tool: tool.clone(),
            requirement,
            components: request.components.clone(),
            targets: request.targets.clone(),
        }
    }
}

impl Lockfile {
    /// Returns the locked package that answers `request`.
    pub fn locked(&self, tool: &Tool, request: &ToolRequest) -> Option<&LockedPackage> {
        self.packages.get(&LockKey::for_request(tool, request))
    }
}
