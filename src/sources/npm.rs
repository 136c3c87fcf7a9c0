//! Programs of the npm registry: the versions of a package, and everything that one version needs.
//!
//! A candidate has the package's own tarball only. `complete` adds the tarballs of what the chosen version
//! needs, each at its place below `node_modules`, so the lockfile is the whole tree and nothing is
//! resolved when it is installed.

mod packument;
mod tree;

use std::collections::BTreeMap;

use url::Url;

use super::{
    Candidate, Error, Sources, anonymous, page_cache, parallel, release_age, time_seconds,
};
use crate::{
    config, fetch,
    lockfile::{Artifact, Lockfile, Upgrade, lockable},
    manifest::ToolRequest,
    package::{Digest, PackageName, Source, System, Tool, Version},
};
use packument::{Packument, Release};
use tree::Tree;

/// What the registry is asked for where the days of releases are not needed.
const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";
/// Longest accepted document, in bytes; the longest in use has some 40 MB.
const LIMIT: u64 = 256 << 20;

/// Returns every version of the package, with its own tarball for each system that it is for.
pub(super) fn candidates(
    tool: &Tool,
    sources: Sources<'_>,
    kept: bool,
) -> Result<Vec<Candidate>, Error> {
    let mut key = address(&tool.package, sources)?;
    key.set_fragment(sources.config.minimum_age(tool).map(|_| "days"));
    if kept && let Some(candidates) = page_cache::load(sources.cache, &key, sources.now) {
        return Ok(candidates);
    }
    let packument =
        download(tool, &tool.package, sources)?.ok_or_else(|| Error::UnknownPackage {
            tool: tool.clone(),
            host: sources.config.npm.host_str().unwrap_or_default().to_owned(),
        })?;
    let latest = packument.latest().and_then(|text| text.parse().ok());
    // A package whose every version is deprecated is used all the same.
    let abandoned = packument
        .releases()
        .all(|(_, release)| release.deprecated.is_some());
    let mut candidates = Vec::new();
    for (text, release) in packument.releases() {
        let Ok(version) = text.parse::<Version>() else {
            continue;
        };
        let mut candidate = Candidate::new(version);
        candidate.released = packument.time(text).and_then(time_seconds);
        candidate.yanked = release.deprecated.clone().filter(|_| !abandoned);
        // The registry's own choice is told by a mark that no day is: see `prefer_latest`.
        candidate.build = (latest.as_ref() == Some(&candidate.version)).then(|| LATEST.to_owned());
        if let Some(artifact) = artifact(tool.package.as_str(), release, sources)? {
            for system in release.systems() {
                candidate.artifacts.insert(system, vec![artifact.clone()]);
            }
        }
        candidates.push(candidate);
    }
    page_cache::store(sources.cache, &key, sources.now, &candidates);
    Ok(candidates)
}

/// Marks the version that the registry calls the latest one.
const LATEST: &str = "latest";

/// Takes out what is newer than the version that the registry calls the latest, if that one will do.
pub(super) fn prefer_latest(candidates: &mut Vec<Candidate>, request: &ToolRequest) {
    let latest = candidates
        .iter()
        .find(|candidate| candidate.build.is_some())
        .filter(|latest| request.admits(&latest.version) && latest.held.is_none())
        .map(|latest| latest.version.clone());
    for candidate in candidates.iter_mut() {
        candidate.build = None;
    }
    if let Some(latest) = latest {
        candidates.retain(|candidate| candidate.version <= latest);
    }
}

/// Adds to every npm package of `lockfile` what it needs: as locked before, else as the registry has it now.
pub fn complete(
    lockfile: &mut Lockfile,
    previous: &Lockfile,
    upgrade: &Upgrade,
    sources: Sources<'_>,
) -> Result<(), Error> {
    for (key, package) in &mut lockfile.packages {
        if key.tool.source != Source::Npm {
            continue;
        }
        let before = previous
            .packages
            .iter()
            .find(|(other, locked)| other.tool == key.tool && locked.version == package.version)
            .map(|(_, locked)| locked);
        if let Some(before) = before
            && !upgrade.covers(&key.tool)
        {
            package.artifacts.clone_from(&before.artifacts);
            continue;
        }
        let systems: Vec<System> = package.artifacts.keys().copied().collect();
        package.artifacts = closure(&key.tool, package.version.as_str(), &systems, sources)?;
        if !package.artifacts.contains_key(&sources.system) {
            return Err(Error::Dependency {
                tool: key.tool.clone(),
                dependency: key.tool.package.to_string(),
                through: String::new(),
                reason: format!("something that it needs is not for {}", sources.system),
            });
        }
    }
    Ok(())
}

/// Returns the tarballs of a version and of everything that it needs, for each system.
fn closure(
    tool: &Tool,
    version: &str,
    systems: &[System],
    sources: Sources<'_>,
) -> Result<BTreeMap<System, Vec<Artifact>>, Error> {
    let limit = release_age::limit(tool, sources.config, sources.now);
    let mut known: BTreeMap<PackageName, Packument> = BTreeMap::new();
    let mut tree = Tree::new(tool, version, systems, limit);
    loop {
        let wanted = tree.unknown(&known);
        if wanted.is_empty() {
            break;
        }
        let answers = parallel(&wanted, |name| download(tool, name, sources));
        for (name, answer) in wanted.iter().zip(answers) {
            // A name that nobody has is told by whoever needs it.
            known.insert(name.clone(), answer?.unwrap_or_default());
        }
        tree.grow(&known)?;
    }
    let mut artifacts: BTreeMap<System, Vec<Artifact>> = BTreeMap::new();
    for (place, node) in tree.finish() {
        let release = known
            .get(&node.package)
            .and_then(|packument| packument.release(&node.version));
        let artifact = match release {
            Some(release) => artifact(&place, release, sources)?,
            None => None,
        };
        let artifact = artifact.ok_or_else(|| Error::Dependency {
            tool: tool.clone(),
            dependency: format!("{}@{}", node.package, node.version),
            through: String::new(),
            reason: "the registry has no SHA-512 of it".to_owned(),
        })?;
        for system in node.systems {
            artifacts.entry(system).or_default().push(artifact.clone());
        }
    }
    for parts in artifacts.values_mut() {
        parts.sort_by(|one, other| one.part.cmp(&other.part));
    }
    Ok(artifacts)
}

/// Returns the address of a package's document; the `/` of a scope is part of the name there.
fn address(package: &PackageName, sources: Sources<'_>) -> Result<Url, Error> {
    let registry = &sources.config.npm;
    let name = package.as_str().replace('/', "%2f");
    registry.join(&name).map_err(|error| Error::Unreadable {
        place: anonymous(registry.clone()).to_string(),
        message: error.to_string(),
    })
}

/// Downloads a package's document; nothing when the registry has none.
fn download(
    tool: &Tool,
    package: &PackageName,
    sources: Sources<'_>,
) -> Result<Option<Packument>, Error> {
    let url = address(package, sources)?;
    let days = sources.config.minimum_age(tool).is_some();
    let accept = if days {
        "application/json"
    } else {
        ABBREVIATED
    };
    match sources.client.get(&url, accept, LIMIT) {
        Ok(body) => Packument::parse(&body)
            .map(Some)
            .map_err(|message| Error::Unreadable {
                place: anonymous(url).to_string(),
                message,
            }),
        Err(fetch::Error::Status {
            status: 404 | 410, ..
        }) => Ok(None),
        Err(source) => Err(Error::Fetch {
            tool: tool.clone(),
            source: Box::new(source),
        }),
    }
}

/// Returns the tarball of a release at its place; nothing where the registry has no SHA-512 of it.
fn artifact(
    place: &str,
    release: &Release,
    sources: Sources<'_>,
) -> Result<Option<Artifact>, Error> {
    let integrity = release.dist.integrity.as_deref().unwrap_or_default();
    let Ok(digest) = Digest::from_integrity(integrity) else {
        return Ok(None);
    };
    let registry = anonymous(sources.config.npm.clone());
    // A mirror gives its own addresses; the lockfile has the public ones.
    let tarball = match release.dist.tarball.strip_prefix(registry.as_str()) {
        Some(rest) => format!("{}{rest}", config::NPM),
        None => release.dist.tarball.clone(),
    };
    let url = Url::parse(&tarball).map_err(|error| Error::Unreadable {
        place: registry.to_string(),
        message: error.to_string(),
    })?;
    let url = anonymous(url);
    if !lockable(&url) {
        return Err(Error::Insecure { url });
    }
    Ok(Some(Artifact {
        part: place.to_owned(),
        url,
        digest,
        size: None,
    }))
}

#[cfg(test)]
mod tests;
