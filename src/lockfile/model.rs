//! The content of a lockfile: for every request the chosen version, and for every system the artifacts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    application::Application, conda::CondaSets, entry_origin::EntryOrigin, image_base::ImageBases,
    pin::ExtendsPins, python::PythonSets,
};
use crate::{
    manifest::{NamedRequest, ToolRequest},
    package::{Digest, ReleaseOptions, Supplier, System, Tool, Version},
};

/// Every locked package, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lockfile {
    /// The locked packages by their requests.
    pub packages: BTreeMap<LockKey, LockedPackage>,
    /// Python packages by their requirements.
    pub python: PythonSets,
    /// Conda packages by their requirements.
    pub conda: CondaSets,
    /// The fetched files that the manifest extends.
    pub extends: ExtendsPins,
    /// The bases of container images.
    pub image_bases: ImageBases,
}

/// A request: two dev shells with the same request share one locked package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockKey {
    pub tool: Tool,
    /// The requirement as text, with all floors (`3.12, >=3.11`).
    pub requirement: String,
    /// Requested components, sorted.
    pub components: Vec<String>,
    /// Requested targets, sorted.
    pub targets: Vec<String>,
    /// Settings of the tool's releases.
    pub options: ReleaseOptions,
}

/// A tool at one version, with what to download for each system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    pub origin: EntryOrigin,
    /// The chosen version.
    pub version: Version,
    /// The package that serves the tool; every artifact is of this one.
    pub supplier: Supplier,
    /// Day of the channel manifest (`2025-08-07`) for rust, build date for python.
    pub build: Option<String>,
    /// The origin of the digests and the checks that were made, if the source's list has no digests.
    pub checked: Option<String>,
    /// The signature of the publisher that was checked when the version was locked.
    pub verified: Option<String>,
    /// The downloads for each system that has them, sorted by system and then part.
    pub artifacts: BTreeMap<System, Vec<Artifact>>,
    /// Set if it is a Python application.
    pub application: Option<Application>,
}

/// One file to download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The part of the tool: a component (`clippy`), for npm its place below `node_modules`, of a Python
    /// application the wheel's name; empty for a tool of one artifact.
    pub part: String,
    /// The public address, never that of a mirror.
    pub url: Url,
    /// The digest of the whole file.
    pub digest: Digest,
    /// The size in bytes, if the source gives one.
    pub size: Option<u64>,
}

impl fmt::Display for LockKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` {}", self.tool, self.requirement)?;
        let parts = self.components.iter().chain(&self.targets);
        for (position, part) in parts.enumerate() {
            write!(
                formatter,
                "{} {part}",
                if position == 0 { " with" } else { "," }
            )?;
        }
        Ok(())
    }
}

impl LockKey {
    /// Returns the key of the locked package that answers `request`.
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
            options: request.options.clone(),
        }
    }
}

impl LockedPackage {
    /// Returns whether another entry has the same content, whoever says it.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let origin = other.origin;
        let own = Self {
            origin,
            ..self.clone()
        };
        own == *other
    }

    /// Returns whether the artifacts have the digests that the manifest gives, if it gives any.
    pub fn has_digests_of(&self, options: &ReleaseOptions) -> bool {
        let mut artifacts = self.artifacts.iter();
        !options.has_digests()
            || artifacts.all(|(system, artifacts)| {
                let given = options.sha256(*system).map(Digest::from);
                artifacts
                    .iter()
                    .all(|one| given.as_ref() == Some(&one.digest))
            })
    }
}

impl Lockfile {
    /// Returns the locked package that answers `request`. A lockfile cannot replace the digests of the manifest.
    pub fn locked(&self, tool: &Tool, request: &ToolRequest) -> Option<&LockedPackage> {
        let package = self.packages.get(&LockKey::for_request(tool, request));
        package.filter(|package| package.has_digests_of(&request.options))
    }

    /// Returns the locked package that still answers `request`, so no source has to be asked.
    ///
    /// This is the package of the same request, else the newest one of another request on the same tool that
    /// fits: a changed requirement changes the version only where it must.
    pub fn kept(
        &self,
        tool: &Tool,
        request: &ToolRequest,
        upgrade: &Upgrade,
        system: System,
    ) -> Option<&LockedPackage> {
        let fits = |package: &LockedPackage| {
            request.admits(&package.version)
                && package.artifacts.contains_key(&system)
                && package.has_digests_of(&request.options)
        };
        if upgrade.covers(tool) {
            return None;
        }
        let key = LockKey::for_request(tool, request);
        let same = self.packages.get(&key).filter(|package| fits(package));
        same.or_else(|| {
            self.similar(tool, request)
                .filter(|(other, package)| {
                    other.components == key.components
                        && other.targets == key.targets
                        && other.options == key.options
                        && fits(package)
                })
                .map(|(_, package)| package)
                .max_by_key(|package| (&package.version, &package.build))
        })
    }

    /// Returns the lockfile for requests that have changed since, as far as their locked versions still answer them.
    #[must_use]
    pub fn carried_over(&self, requests: &[NamedRequest], system: System) -> Self {
        let mut carried = self.clone();
        let (mut asked, mut changed) = (BTreeSet::new(), BTreeSet::new());
        for NamedRequest { tool, request } in requests {
            let key = LockKey::for_request(tool, request);
            let kept = self.kept(tool, request, &Upgrade::None, system);
            // An entry that does not fit hides none that does.
            if let Some(package) = kept.filter(|kept| self.packages.get(&key) != Some(kept)) {
                carried.packages.insert(key.clone(), package.clone());
                changed.insert(tool);
            }
            asked.insert(key);
        }
        let packages = &mut carried.packages;
        packages.retain(|key, _| asked.contains(key) || !changed.contains(&key.tool));
        carried
    }

    /// Returns the locked packages of `tool` whose version answers `request`, with any parts.
    ///
    /// Only a package that was locked for a channel answers a request for this channel.
    pub fn similar<'a, 'b>(
        &'a self,
        tool: &'b Tool,
        request: &'b ToolRequest,
    ) -> impl Iterator<Item = (&'a LockKey, &'a LockedPackage)> {
        self.packages.iter().filter(move |(key, package)| {
            let channel = request.requirement.value.channel();
            let asked = key.requirement.split(", ").next();
            key.tool == *tool
                && (channel.is_none() || channel == asked)
                && request.admits(&package.version)
        })
    }
}

/// The tools that get the newest version that their requirements admit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Upgrade {
    /// Locked versions that still fit stay.
    #[default]
    None,
    All,
    Tools(BTreeSet<Tool>),
}

impl Upgrade {
    pub fn covers(&self, tool: &Tool) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Tools(tools) => tools.contains(tool),
        }
    }
}

/// A difference between a lockfile and the requests of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// A request that is not locked.
    #[error("{0} is not locked")]
    Missing(LockKey),
    /// A request whose locked version does not meet it.
    #[error("{key} is locked at {version}, which does not meet it")]
    Unfit { key: LockKey, version: Version },
    /// A locked package with another digest than the manifest gives.
    #[error("{0} is locked with another `sha256` than the manifest gives")]
    OtherDigest(LockKey),
    /// A locked package that nothing asks for.
    #[error("{0} is locked and nothing asks for it")]
    Superfluous(LockKey),
}

/// Returns the differences between `lockfile` and `requests`, sorted; none if it is up to date.
pub fn stale(requests: &[NamedRequest], lockfile: &Lockfile) -> Vec<Stale> {
    let asked: BTreeMap<LockKey, &ToolRequest> = requests
        .iter()
        .map(|NamedRequest { tool, request }| (LockKey::for_request(tool, request), request))
        .collect();
    let unanswered = asked.iter().filter_map(|(key, request)| {
        let Some(package) = lockfile.packages.get(key) else {
            return Some(Stale::Missing(key.clone()));
        };
        if !package.has_digests_of(&key.options) {
            return Some(Stale::OtherDigest(key.clone()));
        }
        (!request.admits(&package.version)).then(|| Stale::Unfit {
            key: key.clone(),
            version: package.version.clone(),
        })
    });
    let superfluous = lockfile
        .packages
        .keys()
        .filter(|key| !asked.contains_key(key));
    unanswered
        .chain(superfluous.cloned().map(Stale::Superfluous))
        .collect()
}
