//! Checks the addresses of a lockfile, which needs no approval.

use std::collections::BTreeSet;

use url::{Position, Url};

use crate::{
    config::{climbs, is_file_of_public_index},
    lockfile::{Artifact, LockedPackage, NpmAddress, wheel_name},
    package::{CondaChannel, Source, Supplier, System, Tool, WheelName, name_of_npm_place},
    report::{failure::Failure, hints},
    sources::{self, npm, pypi},
    util::redact::redact_url,
};

use super::{query_versions, session::Session};

/// An artifact of a lockfile, with the tool that it is of.
#[derive(Clone, Copy)]
pub(super) struct LockedArtifact<'a> {
    pub(super) tool: &'a Tool,
    pub(super) package: &'a LockedPackage,
    pub(super) artifact: &'a Artifact,
}

impl<'a> LockedArtifact<'a> {
    /// Returns the artifacts of a locked tool for a system.
    pub(super) fn all(
        tool: &'a Tool,
        package: &'a LockedPackage,
        system: System,
    ) -> impl Iterator<Item = Self> {
        let artifacts = package.artifacts.get(&system).into_iter().flatten();
        artifacts.map(move |artifact| Self {
            tool,
            package,
            artifact,
        })
    }

    /// Returns whether this is a package of one of these conda channels. The manifest, which was approved, names them.
    pub(super) fn is_of(&self, channels: &[CondaChannel]) -> bool {
        self.package.supplier.source == Source::Conda
            && channels
                .iter()
                .any(|channel| channel.has(&self.artifact.url))
    }
}

/// Fails if one of these artifacts of a lockfile is on a server that is not one of the supplier's, or at the address of
/// another package.
///
/// Some indexes lead to the files of the public one, and colleagues may lock with it. Such a file is used if the
/// user's index has a file with the same digest, which it is asked for.
pub(super) fn refuse_untrusted<'a>(
    session: &Session<'_>,
    artifacts: impl IntoIterator<Item = LockedArtifact<'a>>,
) -> Result<(), Failure> {
    let config = session.config()?;
    for one in artifacts {
        let (supplier, artifact) = (&one.package.supplier, one.artifact);
        let is_trusted = config.trusts_artifact(supplier, &artifact.url)
            || supplier.source == Source::Pypi && is_listed_by_index(session, artifact)?;
        if !is_trusted {
            return Err(hints::untrusted(&redact_url(&artifact.url)));
        }
        if !is_at_own_address(session, one)? {
            let (tool, version) = (one.tool, &one.package.version);
            let url = redact_url(&artifact.url);
            return Err(hints::other_address(tool, version, &artifact.part, &url));
        }
    }
    Ok(())
}

/// Returns whether an artifact is at the address of its package and version. Anyone can publish at most sources, and the
/// names inside of an archive are those that its publisher likes.
///
/// The archives of the other sources are all of one publisher, or those who build and unpack them compare the address.
fn is_at_own_address(session: &Session<'_>, one: LockedArtifact<'_>) -> Result<bool, Failure> {
    let LockedPackage {
        supplier, version, ..
    } = one.package;
    let url = &one.artifact.url;
    match supplier.source {
        Source::Npm | Source::NpmPlatform => is_npm_package(session, one),
        // The wheels of an application have the names in their addresses.
        Source::Pypi if one.package.application.is_none() => {
            let file = wheel_name(url);
            let wheel = file.as_deref().and_then(WheelName::parse);
            Ok(wheel
                .is_some_and(|wheel| wheel.name == supplier.package && wheel.version == *version))
        }
        _ => Ok(true),
    }
}

/// Returns whether the package at this place published the tarball. If the address does not show it, devsh asks the
/// registry.
fn is_npm_package(session: &Session<'_>, one: LockedArtifact<'_>) -> Result<bool, Failure> {
    let (supplier, artifact) = (&one.package.supplier, one.artifact);
    let is_tool = if supplier.source == Source::Npm {
        artifact.part == supplier.package.as_str()
    } else {
        // Node.js brings npm, whose version is another one.
        artifact.part != "npm"
    };
    let version = is_tool.then_some(&one.package.version);
    let name = name_of_npm_place(&artifact.part);
    if let Some(address) = NpmAddress::at_registry(&artifact.url) {
        let may_be_alias = supplier.source == Source::Npm && !is_tool;
        // The packages tell which one they ask for under another name.
        if may_be_alias
            || address.name == name
                && version.is_none_or(|version| address.has_version(version.as_str()))
        {
            return Ok(true);
        }
    }
    let client = session.client()?;
    let sources = query_versions::sources(session, &client)?;
    Ok(npm::is_published(name, version, artifact, sources)?)
}

/// Asks the user's index whether it has a wheel of the public index.
fn is_listed_by_index(session: &Session<'_>, artifact: &Artifact) -> Result<bool, Failure> {
    let url = &artifact.url;
    let file = url.path_segments().and_then(|mut names| names.next_back());
    let Some(wheel) = file.and_then(WheelName::parse) else {
        return Ok(false);
    };
    if !is_file_of_public_index(url) || climbs(url) {
        return Ok(false);
    }
    let client = session.client()?;
    let sources = query_versions::sources(session, &client)?;
    match pypi::files(&wheel.name, sources) {
        Err(sources::Error::UnknownPackage { .. }) => Ok(false),
        files => Ok(files?
            .iter()
            .any(|file| file.artifact.digest == artifact.digest)),
    }
}

/// Returns the places of prebuilt programs that a crate names: a repository, or the part of the addresses before the
/// version. They are empty if the crate is compiled.
pub(super) fn places_of_crate(tool: &Tool, locked: &LockedPackage) -> BTreeSet<String> {
    if !is_named_by_crate(tool, &locked.supplier) {
        return BTreeSet::new();
    }
    if locked.supplier.source == Source::Github {
        return BTreeSet::from([locked.supplier.to_string()]);
    }
    let artifacts = locked.artifacts.values().flatten();
    let place = |url: &Url| {
        if climbs(url) {
            return redact_url(url).to_string();
        }
        let (server, path) = (&url[..Position::BeforePath], url.path());
        let before = path.split_once(locked.version.as_str());
        let before = before.map_or(path, |(before, _)| before);
        let directory = before.rfind('/').map_or(before, |at| &before[..=at]);
        format!("{server}{directory}")
    };
    artifacts.map(|artifact| place(&artifact.url)).collect()
}

/// Returns whether a supplier is none that devsh knows for the tool: a crate names it.
pub(super) fn is_named_by_crate(tool: &Tool, supplier: &Supplier) -> bool {
    tool.supplier_rank(supplier).is_some() && !tool.suppliers().contains(supplier)
}
