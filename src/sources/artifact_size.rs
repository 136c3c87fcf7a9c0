//! Sizes of chosen artifacts that their source does not list.
//!
//! Best effort: an unknown size is left out, and a host that failed is not asked again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use super::{PARALLEL, Sources};
use crate::{
    lockfile::{Artifact, Lockfile},
    package::Digest,
    util::parallel,
};

/// Adds missing sizes to `lockfile`: from `previous` for the same content, else from the server.
///
/// An artifact that was locked without a size is not asked for again: an unchanged lockfile needs no network.
pub fn measure(lockfile: &mut Lockfile, previous: &Lockfile, sources: Sources<'_>) {
    let known: BTreeMap<Digest, Option<u64>> = previous
        .packages
        .values()
        .flat_map(|package| package.artifacts.values().flatten())
        .map(|artifact| (artifact.digest, artifact.size))
        .collect();
    let mut unsized_artifacts: Vec<&mut Artifact> = lockfile
        .packages
        .values_mut()
        .flat_map(|package| package.artifacts.values_mut().flatten())
        .filter(|artifact| artifact.size.is_none())
        .collect();
    let mut open = BTreeMap::new();
    for artifact in &mut unsized_artifacts {
        match known.get(&artifact.digest) {
            Some(size) => artifact.size = *size,
            None => drop(open.insert(artifact.digest, sources.config.mirrored(&artifact.url))),
        }
    }
    let open: Vec<_> = open.into_iter().collect();
    let failed: Mutex<BTreeSet<String>> = Mutex::default();
    let failed = || failed.lock().unwrap_or_else(PoisonError::into_inner);
    let sizes = parallel::map(PARALLEL, &open, |(digest, url)| {
        let host = url.host_str().unwrap_or_default();
        if failed().contains(host) {
            return (*digest, None);
        }
        let answer = sources.client.size(url);
        if let Err(error) = &answer {
            tracing::debug!(%error, "no size");
            if error.is_about_host() {
                failed().insert(host.to_owned());
            }
        }
        (*digest, answer.ok().flatten())
    });
    let sizes: BTreeMap<_, _> = sizes.into_iter().collect();
    for artifact in unsized_artifacts {
        artifact.size = artifact
            .size
            .or_else(|| sizes.get(&artifact.digest).copied().flatten());
    }
}
