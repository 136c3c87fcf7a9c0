//! Index pages cached on disk for a few minutes: only what devsh needs of them.
//!
//! A page that is damaged, old or for another address counts as absent, and a failed write never fails a
//! command.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use url::Url;

use super::Candidate;
use crate::util::files;

/// The time for which a page is used.
const FRESH: Duration = Duration::from_mins(10);
/// Largest accepted file, in bytes.
const LIMIT: u64 = 64 << 20;
/// Counts changes of the format.
const FORMAT: u32 = 6;

#[derive(Serialize, Deserialize)]
struct CachedPage {
    format: u32,
    /// The BLAKE3 of the address, which may hold a password.
    address: [u8; 32],
    /// Seconds since 1970.
    fetched: u64,
    candidates: Vec<Candidate>,
}

/// Returns the candidates of `page`, if they were fetched a short time ago.
pub(super) fn load(cache: &Path, page: &Url, now: SystemTime) -> Option<Vec<Candidate>> {
    load_within(FRESH, cache, page, now)
}

/// Returns the candidates of `page`, if they were fetched within this time.
pub(super) fn load_within(
    fresh: Duration,
    cache: &Path,
    page: &Url,
    now: SystemTime,
) -> Option<Vec<Candidate>> {
    let address = blake3::hash(page.as_str().as_bytes());
    let bytes = files::read_bounded(&path(cache, address), LIMIT).ok()??;
    let cached: CachedPage = postcard::from_bytes(&bytes).ok()?;
    // A time in the future comes from a clock that was set back, so the age is unknown.
    let age = seconds(now).checked_sub(cached.fetched)?;
    let usable =
        cached.format == FORMAT && cached.address == *address.as_bytes() && age < fresh.as_secs();
    usable.then_some(cached.candidates)
}

/// Caches the candidates of `page`.
pub(super) fn store(cache: &Path, page: &Url, now: SystemTime, candidates: &[Candidate]) {
    let address = blake3::hash(page.as_str().as_bytes());
    let path = path(cache, address);
    let cached = CachedPage {
        format: FORMAT,
        address: *address.as_bytes(),
        fetched: seconds(now),
        candidates: candidates.to_vec(),
    };
    let Ok(bytes) = postcard::to_stdvec(&cached) else {
        return;
    };
    let stored = files::create_private_dir(path.parent().unwrap_or(cache))
        .and_then(|()| files::write_atomic(&path, &bytes));
    if let Err(error) = stored {
        tracing::debug!(%error, "page not cached");
    }
}

fn path(cache: &Path, address: blake3::Hash) -> PathBuf {
    cache.join("index").join(&address.to_hex()[..32])
}

pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_cached_for_ten_minutes() {
        let cache = tempfile::tempdir().unwrap();
        let page: Url = "https://index.example/simple/ruff/".parse().unwrap();
        let other: Url = "https://other.example/simple/ruff/".parse().unwrap();
        let now = UNIX_EPOCH + Duration::from_hours(500_000);
        let candidates: Vec<Candidate> = super::super::python::compiled_in(false).unwrap();
        let candidates: Vec<Candidate> = candidates
            .into_iter()
            .map(|candidate| Candidate {
                yanked: Some("x".to_owned()),
                application: Some(">=3.9".to_owned()),
                ..candidate
            })
            .collect();
        assert_eq!(load(cache.path(), &page, now), None);
        store(cache.path(), &page, now, &candidates);
        let minutes = |count| Duration::from_mins(count);
        assert_eq!(
            load(cache.path(), &page, now + minutes(9)),
            Some(candidates)
        );
        assert_eq!(load(cache.path(), &page, now + minutes(10)), None);
        assert_eq!(load(cache.path(), &page, now - minutes(1)), None);
        assert_eq!(load(cache.path(), &other, now), None);
        let file = path(cache.path(), blake3::hash(page.as_str().as_bytes()));
        let whole = std::fs::read(&file).unwrap();
        for end in (0..whole.len()).step_by(997) {
            std::fs::write(&file, &whole[..end]).unwrap();
            assert_eq!(load(cache.path(), &page, now), None, "{end}");
        }
    }
}
