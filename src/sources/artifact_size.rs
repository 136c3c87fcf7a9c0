//! Sizes of chosen artifacts that their source does not list.
//!
//! Invariant: best effort. A size that cannot be had stays out; a host that failed is not asked again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use super::{Sources, parallel};
use crate::{
    lockfile::{Artifact, Lockfile},
    package::Digest,
};

/// Adds missing sizes to `lockfile`: from `previous` for the same content, else as the server tells.
///
/// What was locked without a size is not asked for again, so an unchanged lockfile needs no network.
pub fn measure(lockfile: &mut Lockfile, previous: &Lockfile, sources: Sources<'_>) {
    let known: BTreeMap<Digest, Option<u64>> = previous
        .packages
        .values()
        .flat_map(|package| package.artifacts.values().flatten())
        .map(|artifact| (artifact.digest, artifact.size))
        .collect();
    let mut unsized_ones: Vec<&mut Artifact> = lockfile
        .packages
        .values_mut()
        .flat_map(|package| package.artifacts.values_mut().flatten())
        .filter(|artifact| artifact.size.is_none())
        .collect();
    let mut open = BTreeMap::new();
    for artifact in &mut unsized_ones {
        match known.get(&artifact.digest) {
            Some(size) => artifact.size = *size,
            None => drop(open.insert(artifact.digest, sources.config.mirrored(&artifact.url))),
        }
    }
    let open: Vec<_> = open.into_iter().collect();
    let failed: Mutex<BTreeSet<String>> = Mutex::default();
    let failed = || failed.lock().unwrap_or_else(PoisonError::into_inner);
    let sizes = parallel(&open, |(digest, url)| {
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
    for artifact in unsized_ones {
        artifact.size = artifact
            .size
            .or_else(|| sizes.get(&artifact.digest).copied().flatten());
    }
}
