//! Checks the addresses of a lockfile, which needs no approval.

use std::collections::BTreeSet;

use url::{Position, Url};

use crate::{
    config::{climbs, is_file_of_public_index},
    lockfile::{Artifact, LockedPackage},
    package::{Source, Supplier, Tool, WheelName},
    report::{failure::Failure, hints},
    sources::{self, pypi},
    util::redact::redact_url,
};

use super::{query_versions, session::Session};

/// Fails if one of these artifacts of a lockfile is on a server that is not one of the supplier's.
///
/// Some indexes lead to the files of the public one, and colleagues may lock with it. Such a file is used if the
/// user's index has a file with the same digest, which it is asked for.
pub(super) fn refuse_untrusted<'a>(
    session: &Session<'_>,
    artifacts: impl IntoIterator<Item = (&'a Supplier, &'a Artifact)>,
) -> Result<(), Failure> {
    let config = session.config()?;
    for (supplier, artifact) in artifacts {
        if config.trusts_artifact(supplier, &artifact.url)
            || supplier.source == Source::Pypi && is_listed_by_index(session, artifact)?
        {
            continue;
        }
        return Err(hints::untrusted(&redact_url(&artifact.url)));
    }
    Ok(())
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
