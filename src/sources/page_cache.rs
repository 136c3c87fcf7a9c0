//! Documents of sources, cached on disk: only what devsh needs of them.
//!
//! A document is used for a few minutes without a question. Then the server is asked whether it has changed, if it names
//! the versions of its documents (`ETag`). A cached document that is damaged or for another address counts as absent, and
//! a failed write never fails a command.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;

use super::{Candidate, Sources};
use crate::{
    fetch::{self, ChangedBody},
    util::files,
};

/// The time for which a document is used without asking its server.
pub(super) const FRESH: Duration = Duration::from_mins(10);
/// Largest accepted file, in bytes.
const LIMIT: u64 = 64 << 20;
/// Counts changes of the format.
const FORMAT: u32 = 9;

/// A document as it is cached.
#[derive(Serialize, Deserialize)]
pub(super) struct CachedDocument<T> {
    format: u32,
    /// The BLAKE3 of the address, which may hold a password.
    address: [u8; 32],
    /// Seconds since 1970.
    fetched: u64,
    /// Names this version of the document: its entity tag or its digest.
    pub(super) version: Option<String>,
    pub(super) content: T,
}

impl<T: DeserializeOwned> CachedDocument<T> {
    /// Returns the cached document of an address.
    pub(super) fn load(cache: &Path, address: &Url) -> Option<Self> {
        let address = digest(address);
        let bytes = files::read_bounded(&path(cache, address), LIMIT).ok()??;
        let cached: Self = postcard::from_bytes(&bytes).ok()?;
        let usable = cached.format == FORMAT && cached.address == *address.as_bytes();
        usable.then_some(cached)
    }

    /// Returns whether the server was asked within this time.
    pub(super) fn is_younger_than(&self, age: Duration, now: SystemTime) -> bool {
        // A time in the future comes from a clock that was set back, so the age is unknown.
        let own = seconds(now).checked_sub(self.fetched);
        own.is_some_and(|own| own < age.as_secs())
    }
}

/// Caches a document of which the server has just confirmed this version.
pub(super) fn store<T: Serialize>(
    sources: Sources<'_>,
    address: &Url,
    version: Option<&str>,
    content: T,
) {
    let digest = digest(address);
    let path = path(sources.cache, digest);
    let cached = CachedDocument {
        format: FORMAT,
        address: *digest.as_bytes(),
        fetched: seconds(sources.now),
        version: version.map(ToOwned::to_owned),
        content,
    };
    let Ok(bytes) = postcard::to_stdvec(&cached) else {
        return;
    };
    let stored = files::create_private_dir(path.parent().unwrap_or(sources.cache))
        .and_then(|()| files::write_atomic(&path, &bytes));
    if let Err(error) = stored {
        tracing::debug!(%error, "document not cached");
    }
}

/// A page with the versions of a tool.
#[derive(Clone, Copy)]
pub(super) struct IndexPage<'a> {
    pub(super) address: &'a Url,
    /// The address with a fragment, if one document is read in several ways.
    pub(super) key: &'a Url,
    pub(super) accept: &'a str,
    /// Longest accepted page, in bytes.
    pub(super) limit: u64,
}

/// The answer to a request for a page.
pub(super) enum PageAnswer {
    /// The cached versions are current.
    Known(Vec<Candidate>),
    /// The page has to be read.
    New(NewPage),
}

/// A page that was not cached.
pub(super) struct NewPage {
    pub(super) body: Vec<u8>,
    etag: Option<String>,
}

impl IndexPage<'_> {
    /// Returns the page, from the cache if `sources` allow it.
    pub(super) fn fetch(&self, sources: Sources<'_>) -> Result<PageAnswer, fetch::Error> {
        let cached = CachedDocument::<Vec<Candidate>>::load(sources.cache, self.key);
        let etag = match cached {
            Some(cached)
                if sources.uses_recent_copies() && cached.is_younger_than(FRESH, sources.now) =>
            {
                return Ok(PageAnswer::Known(cached.content));
            }
            Some(CachedDocument {
                version: Some(etag),
                content,
                ..
            }) => Some((etag, content)),
            _ => None,
        };
        let name = etag.as_ref().map(|(etag, _)| etag.as_str());
        let answer = sources
            .client
            .fetch_changed(self.address, self.accept, name, self.limit)?;
        match (answer, etag) {
            (ChangedBody::Current, Some((etag, content))) => {
                store(sources, self.key, Some(&etag), &content);
                Ok(PageAnswer::Known(content))
            }
            (ChangedBody::Current, None) => Ok(PageAnswer::New(NewPage {
                body: Vec::new(),
                etag: None,
            })),
            (ChangedBody::New { body, etag }, _) => Ok(PageAnswer::New(NewPage { body, etag })),
        }
    }

    /// Caches the versions of a new page.
    pub(super) fn store(&self, page: &NewPage, sources: Sources<'_>, candidates: &[Candidate]) {
        store(sources, self.key, page.etag.as_deref(), candidates);
    }
}

fn digest(address: &Url) -> blake3::Hash {
    blake3::hash(address.as_str().as_bytes())
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
    use crate::sources::tests::World;

    #[test]
    fn pages_are_used_for_ten_minutes() {
        let world = World::new([].into(), true);
        let page: Url = "https://index.example/simple/ruff/".parse().unwrap();
        let other: Url = "https://other.example/simple/ruff/".parse().unwrap();
        let sources = world.sources();
        let candidates: Vec<Candidate> = super::super::python::compiled_in(false).unwrap();
        let candidates: Vec<Candidate> = candidates
            .into_iter()
            .map(|candidate| Candidate {
                yanked: Some("x".to_owned()),
                application: Some(">=3.9".to_owned()),
                ..candidate
            })
            .collect();
        let load = |address| CachedDocument::<Vec<Candidate>>::load(sources.cache, address);
        assert!(load(&page).is_none());
        store(sources, &page, Some("\"1\""), &candidates);
        let cached = load(&page).unwrap();
        assert_eq!(cached.content, candidates);
        assert_eq!(cached.version.as_deref(), Some("\"1\""));
        let minutes = |count| Duration::from_mins(count);
        assert!(cached.is_younger_than(FRESH, sources.now + minutes(9)));
        assert!(!cached.is_younger_than(FRESH, sources.now + minutes(10)));
        assert!(!cached.is_younger_than(FRESH, sources.now - minutes(1)));
        assert!(load(&other).is_none());
        let file = path(sources.cache, digest(&page));
        let whole = std::fs::read(&file).unwrap();
        for end in (0..whole.len()).step_by(997) {
            std::fs::write(&file, &whole[..end]).unwrap();
            assert!(load(&page).is_none(), "{end}");
        }
    }
}
