//! Programs of the npm registry: the versions of a package, and the dependencies of the chosen one.
//!
//! A candidate has the package's own tarball only. npm resolves the dependencies of the chosen version, and
//! `add_dependencies` takes the result from npm's lock: every tarball with its place below `node_modules`. So
//! the lockfile has the whole tree, and nothing is resolved during an installation.

mod package_lock;
mod packument;
mod platforms;
mod signatures;

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::{
    Candidate, Error, IndexPage, PageAnswer, Sources, lockable_address, release_age::time_seconds,
    unreachable,
};
use crate::{
    config,
    fetch::{self, anonymous},
    lockfile::{Artifact, EntryOrigin, LockKey, LockedPackage, Lockfile, NpmAddress},
    manifest::ToolRequest,
    package::{Digest, Invalid, PackageName, Source, System, Tool, Version, name_of_npm_place},
    util::redact::redact_url,
};
use packument::{Packument, VersionEntry};

pub use signatures::TarballSignature;
pub(super) use signatures::check as check_signatures;

/// The short form of a document, which lacks the publication times.
const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";
/// Largest accepted document, in bytes; the largest in use has some 40 MB.
const LIMIT: u64 = 256 << 20;

/// Returns every version of the package, with its own tarball for each system that it is for.
pub(super) fn candidates(tool: &Tool, sources: Sources<'_>) -> Result<Vec<Candidate>, Error> {
    let mut key = address(&tool.package, sources)?;
    key.set_fragment(sources.config.minimum_age(tool).map(|_| "days"));
    let days = sources.config.minimum_age(tool).is_some();
    let page = IndexPage {
        address: &address(&tool.package, sources)?,
        key: &key,
        accept: if days {
            "application/json"
        } else {
            ABBREVIATED
        },
        limit: LIMIT,
    };
    let answer = page.fetch(sources);
    let new = match answer.map_err(|error| failed(tool, sources, error))? {
        PageAnswer::Known(candidates) => return Ok(candidates),
        PageAnswer::New(new) => new,
    };
    let packument = parse(page.address, &new.body)?;
    // A package with nothing but deprecated versions can still be used.
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
        candidate.tags = packument.tags_of(text);
        let dist = &release.dist;
        let (tarball, integrity) = (&dist.tarball, dist.integrity.as_deref());
        if let Some(artifact) = artifact(tool.package.as_str(), tarball, integrity, sources)? {
            let systems = System::ALL.into_iter();
            let systems = systems.filter(|system| release.platforms.admit(*system));
            candidate.signatures = signatures::read(&tool.package, text, dist);
            candidate
                .artifacts
                .extend(systems.map(|system| (system, vec![artifact.clone()])));
        }
        candidates.push(candidate);
    }
    page.store(&new, sources, &candidates);
    Ok(candidates)
}

/// Keeps the version with the tag that a request names. For any other request removes the versions that are newer than
/// the one with the tag `latest`, if that one may be chosen.
pub(super) fn select_tagged(
    tool: &Tool,
    candidates: &mut Vec<Candidate>,
    request: &ToolRequest,
) -> Result<(), Error> {
    let tagged = |candidate: &Candidate, tag: &str| candidate.tags.iter().any(|one| one == tag);
    if let Some(tag) = request.requirement.value.channel() {
        if !candidates.iter().any(|one| tagged(one, tag)) {
            let known: BTreeSet<&String> = candidates.iter().flat_map(|one| &one.tags).collect();
            return Err(Error::UnknownTag {
                tool: tool.clone(),
                tag: tag.to_owned(),
                known: known.into_iter().cloned().collect(),
            });
        }
        candidates.retain(|candidate| tagged(candidate, tag));
        return Ok(());
    }
    let latest = candidates
        .iter()
        .find(|candidate| tagged(candidate, "latest"))
        .filter(|latest| request.admits(&latest.version) && latest.held.is_none())
        .map(|latest| latest.version.clone());
    if let Some(latest) = latest {
        candidates.retain(|candidate| candidate.version <= latest);
    }
    Ok(())
}

/// Returns the npm packages of `lockfile` whose dependencies npm has to resolve: those that are not as in `previous`.
///
/// A package without dependencies is whole with its own tarball, so no npm is needed for it.
pub fn unresolved(
    lockfile: &Lockfile,
    previous: &Lockfile,
    sources: Sources<'_>,
) -> Result<Vec<LockKey>, Error> {
    let mut open = Vec::new();
    for (key, package) in &lockfile.packages {
        let mut before = previous.packages.iter();
        let is_kept = before.any(|(other, locked)| other.tool == key.tool && locked == package);
        if key.tool.source != Source::Npm || is_kept {
            continue;
        }
        let packument = download(&key.tool, sources)?;
        let release = packument.release(package.version.as_str());
        if release.is_none_or(VersionEntry::has_dependencies) {
            open.push(key.clone());
        }
    }
    Ok(open)
}

/// Adds to `package` the tarballs of everything in `package_lock`, which npm wrote for it.
pub fn add_dependencies(
    tool: &Tool,
    package: &mut LockedPackage,
    package_lock: &str,
    sources: Sources<'_>,
) -> Result<(), Error> {
    let systems: Vec<System> = package.artifacts.keys().copied().collect();
    let nodes = package_lock::parse(package_lock, &systems).map_err(|message| {
        let place = "package-lock.json".to_owned();
        Error::Unreadable { place, message }
    })?;
    let mut artifacts: BTreeMap<System, Vec<Artifact>> = BTreeMap::new();
    for node in nodes {
        let refused = |reason: String| Error::Dependency {
            tool: tool.clone(),
            dependency: format!("{}@{}", node.place, node.version),
            reason,
        };
        let integrity = node.integrity.as_deref();
        let artifact = artifact(&node.place, &node.tarball, integrity, sources)?
            .ok_or_else(|| refused("the registry has no SHA-512 of it".to_owned()))?;
        // A dependency may name an address; a lockfile leads to known servers only.
        if !sources.config.trusts(&artifact.url) {
            let host = artifact.url.host_str().unwrap_or_default();
            return Err(refused(format!(
                "it comes from `{host}`, not from the registry"
            )));
        }
        let is_named = NpmAddress::at_registry(&artifact.url).is_some();
        if !is_named && !is_published(name_of_npm_place(&node.place), None, &artifact, sources)? {
            let reason = "its address does not name it, and the registry does not list this file";
            return Err(refused(reason.to_owned()));
        }
        for system in node.systems {
            artifacts.entry(system).or_default().push(artifact.clone());
        }
    }
    for parts in artifacts.values_mut() {
        parts.sort_by(|one, other| one.part.cmp(&other.part));
    }
    if !artifacts.contains_key(&sources.system) {
        return Err(Error::Dependency {
            tool: tool.clone(),
            dependency: format!("{}@{}", tool.package, package.version),
            reason: format!("a package that it requires is not for {}", sources.system),
        });
    }
    package.artifacts = artifacts;
    if let Some(verified) = &mut package.verified {
        verified.push_str(", of the package itself");
    }
    Ok(())
}

/// Returns whether the registry lists a tarball as one of a package, and of this version.
pub fn is_published(
    package: &str,
    version: Option<&Version>,
    tarball: &Artifact,
    sources: Sources<'_>,
) -> Result<bool, Error> {
    let Ok(package) = PackageName::npm(package) else {
        return Ok(false);
    };
    let tool = Tool {
        name: package.clone(),
        source: Source::Npm,
        package,
    };
    let packument = match download(&tool, sources) {
        Err(Error::UnknownPackage { .. }) => return Ok(false),
        packument => packument?,
    };
    let mut releases = packument.releases().filter(|(text, _)| {
        let parsed = text.parse::<Version>();
        version.is_none_or(|version| parsed.is_ok_and(|parsed| parsed == *version))
    });
    Ok(releases.any(|(_, release)| {
        let integrity = release.dist.integrity.as_deref().unwrap_or_default();
        Digest::from_integrity(integrity).is_ok_and(|digest| digest == tarball.digest)
    }))
}

/// Returns the newest npm of the major version 10 as a locked package, for a node that comes without npm.
///
/// npm 10 runs on every node from 18.17 on, and its tarball has all of its dependencies inside.
pub fn npm_itself(sources: Sources<'_>) -> Result<(Tool, LockedPackage), Error> {
    let npm: Tool = "npm:npm"
        .parse()
        .map_err(|invalid: Invalid| Error::Unreadable {
            place: "npm:npm".to_owned(),
            message: invalid.to_string(),
        })?;
    let usable = |candidate: &Candidate| {
        candidate.version.release().first() == Some(&10)
            && !candidate.version.is_prerelease()
            && candidate.yanked.is_none()
            && candidate.artifacts.contains_key(&sources.system)
    };
    let newest = candidates(&npm, sources)?
        .into_iter()
        .filter(usable)
        .max_by(|one, other| one.version.cmp(&other.version))
        .ok_or_else(|| unknown(&npm, sources))?;
    let locked = LockedPackage {
        origin: EntryOrigin::Chosen,
        version: newest.version,
        supplier: npm.unnamed_supplier(),
        build: None,
        checked: None,
        verified: None,
        artifacts: newest.artifacts,
        application: None,
    };
    Ok((npm, locked))
}

fn unknown(tool: &Tool, sources: Sources<'_>) -> Error {
    Error::UnknownPackage {
        tool: tool.clone(),
        host: sources.config.npm.host_str().unwrap_or_default().to_owned(),
    }
}

/// Returns the address of a package's document; the `/` of a scope is part of the name there.
fn address(package: &PackageName, sources: Sources<'_>) -> Result<Url, Error> {
    let registry = &sources.config.npm;
    let name = package.as_str().replace('/', "%2f");
    registry.join(&name).map_err(|error| Error::Unreadable {
        place: redact_url(registry).to_string(),
        message: error.to_string(),
    })
}

/// Downloads the document on a tool's package.
fn download(tool: &Tool, sources: Sources<'_>) -> Result<Packument, Error> {
    let url = address(&tool.package, sources)?;
    let body = sources.client.get(&url, ABBREVIATED, LIMIT);
    parse(&url, &body.map_err(|error| failed(tool, sources, error))?)
}

fn parse(address: &Url, body: &[u8]) -> Result<Packument, Error> {
    Packument::parse(body).map_err(|message| Error::Unreadable {
        place: redact_url(address).to_string(),
        message,
    })
}

fn failed(tool: &Tool, sources: Sources<'_>, error: fetch::Error) -> Error {
    match error {
        fetch::Error::Status {
            status: 404 | 410, ..
        } => unknown(tool, sources),
        error => unreachable(tool)(error),
    }
}

/// Returns a tarball at its place; nothing where the registry has no SHA-512 of it.
fn artifact(
    place: &str,
    tarball: &str,
    integrity: Option<&str>,
    sources: Sources<'_>,
) -> Result<Option<Artifact>, Error> {
    let Ok(digest) = Digest::from_integrity(integrity.unwrap_or_default()) else {
        return Ok(None);
    };
    let registry = anonymous(&sources.config.npm);
    // A mirror gives its own addresses; the lockfile has the public ones.
    let tarball = match tarball.strip_prefix(registry.as_str()) {
        Some(rest) => format!("{}{rest}", config::NPM),
        None => tarball.to_owned(),
    };
    let url = Url::parse(&tarball).map_err(|error| Error::Unreadable {
        place: redact_url(&registry).to_string(),
        message: error.to_string(),
    })?;
    let url = lockable_address(anonymous(&url))?;
    Ok(Some(Artifact {
        part: place.to_owned(),
        url,
        digest,
        size: None,
    }))
}

#[cfg(test)]
mod tests;
