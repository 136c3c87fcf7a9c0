//! Sizes of chosen artifacts that their source does not list.
//!
//! Best effort: an unknown size is left out, and a host that failed is not asked again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use url::Url;

use super::{
    PARALLEL, Sources,
    page_cache::{self, CachedDocument},
};
use crate::{
    lockfile::{Artifact, Lockfile},
    package::Digest,
    util::parallel,
};

/// The name of the sizes in the cache.
const CACHED: &str = "devsh:sizes";
/// The time for which they are used. A proxy can answer with the size of a page of its own.
const FRESH: Duration = Duration::from_hours(24);
/// Most sizes in the cache.
const MOST: usize = 10_000;

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
    if unsized_artifacts.is_empty() {
        return;
    }
    let mut cached = load(sources);
    let mut open = BTreeMap::new();
    for artifact in &mut unsized_artifacts {
        let asked = cached.get(&artifact.digest.hex()).copied().map(Some);
        match known.get(&artifact.digest).copied().or(asked) {
            Some(size) => artifact.size = size,
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
    let found = sizes.iter();
    let found = found.filter_map(|(digest, size)| Some((digest.hex(), (*size)?)));
    let before = cached.len();
    cached.extend(found);
    if cached.len() > before {
        store(sources, &cached);
    }
    for artifact in unsized_artifacts {
        artifact.size = artifact
            .size
            .or_else(|| sizes.get(&artifact.digest).copied().flatten());
    }
}

/// Returns the sizes that servers have sent before, by digest.
fn load(sources: Sources<'_>) -> BTreeMap<String, u64> {
    let key = Url::parse(CACHED).ok();
    let cached = key.and_then(|key| CachedDocument::load(sources.cache, &key));
    let fresh = cached.filter(|cached| cached.is_younger_than(FRESH, sources.now));
    let sizes = fresh.map(|cached: CachedDocument<BTreeMap<_, _>>| cached.content);
    let few = sizes.filter(|sizes| sizes.len() < MOST);
    few.unwrap_or_default()
}

fn store(sources: Sources<'_>, sizes: &BTreeMap<String, u64>) {
    if let Ok(key) = Url::parse(CACHED) {
        page_cache::store(sources, &key, None, sizes);
    }
}
