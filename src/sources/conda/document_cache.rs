//! Documents of channels, kept on disk with their entity tags.
//!
//! A copy is used without a question for a few minutes, and at any age while devsh is offline. A shard has the name of
//! its digest, so its copy never gets old. A damaged copy counts as absent.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    fetch::{self, ChangedBody},
    package::Sha256,
    sources::{Sources, page_cache::seconds},
    util::{binary, files, hex},
};

/// The time for which a copy is used without asking the server.
const FRESH: Duration = Duration::from_mins(10);
/// Largest accepted document, in bytes.
const LIMIT: u64 = 512 << 20;
/// Counts changes of the format.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct CachedDocument {
    format: u32,
    /// The BLAKE3 of the address, which may hold a token.
    address: [u8; 32],
    /// The BLAKE3 of the body.
    digest: [u8; 32],
    /// Seconds since 1970.
    fetched: u64,
    etag: Option<String>,
    body: Vec<u8>,
}

/// Returns the document at `url`; `None` if the server has none.
pub(super) fn document(url: &Url, sources: Sources<'_>) -> Result<Option<Vec<u8>>, fetch::Error> {
    let url = sources.config.mirrored(url);
    let path = path(sources.cache, &url);
    let mut copy = load(&path, &url);
    if let Some(recent) = copy.take_if(|copy| {
        // A time in the future comes from a clock that was set back, so the age is unknown.
        let age = seconds(sources.now).checked_sub(copy.fetched);
        let fresh = sources.uses_recent_copies() && age.is_some_and(|age| age < FRESH.as_secs());
        fresh || sources.client.is_offline()
    }) {
        return Ok(recent.into_body());
    }
    let etag = copy.as_ref().and_then(|copy| copy.etag.as_deref());
    let (body, etag) = match (sources.client.fetch_changed(&url, "*/*", etag, LIMIT), copy) {
        (Ok(ChangedBody::New { body, etag }), _) => (body, etag),
        (Ok(ChangedBody::Current), Some(copy)) => (copy.body, copy.etag),
        (Ok(ChangedBody::Current), None) => return Ok(None),
        (Err(error), _) if is_absent(&error) => (Vec::new(), None),
        (Err(error), _) => return Err(error),
    };
    let document = CachedDocument {
        format: FORMAT,
        address: address(&url),
        digest: blake3::hash(&body).into(),
        fetched: seconds(sources.now),
        etag,
        body,
    };
    // A file of this machine needs no copy.
    if url.scheme() != "file" {
        store(&path, &binary::encode(&document));
    }
    Ok(document.into_body())
}

/// Returns the document at `url` that has this digest.
pub(super) fn addressed(
    url: &Url,
    digest: Sha256,
    sources: Sources<'_>,
) -> Result<Addressed, fetch::Error> {
    let name = hex::encode(digest.as_bytes());
    let path = sources.cache.join("conda").join("shards").join(name);
    if let Ok(Some(body)) = files::read_bounded(&path, LIMIT)
        && Sha256::of(&body) == digest
    {
        return Ok(Addressed::Whole(body));
    }
    let url = sources.config.mirrored(url);
    let body = sources.client.get(&url, "*/*", LIMIT)?;
    if Sha256::of(&body) != digest {
        return Ok(Addressed::OtherDigest);
    }
    if url.scheme() != "file" {
        store(&path, &body);
    }
    Ok(Addressed::Whole(body))
}

/// A document that is named by its digest.
pub(super) enum Addressed {
    Whole(Vec<u8>),
    OtherDigest,
}

impl CachedDocument {
    /// An empty body is the note that the server has no such document.
    fn into_body(self) -> Option<Vec<u8>> {
        (!self.body.is_empty()).then_some(self.body)
    }
}

/// Returns whether an error says that there is no such document.
fn is_absent(error: &fetch::Error) -> bool {
    match error {
        // Some servers answer 403 for a file that does not exist.
        fetch::Error::Status { status, .. } => matches!(status, 403 | 404 | 410),
        fetch::Error::Mirror(error) => files::is_absent(&error.source),
        _ => false,
    }
}

fn load(path: &Path, url: &Url) -> Option<CachedDocument> {
    let bytes = files::read_bounded(path, LIMIT + (1 << 20)).ok()??;
    let copy: CachedDocument = binary::decode(&bytes).ok()?;
    let usable = copy.format == FORMAT
        && copy.address == address(url)
        && copy.digest == *blake3::hash(&copy.body).as_bytes();
    usable.then_some(copy)
}

fn store(path: &Path, bytes: &[u8]) {
    let stored = files::create_private_dir(path.parent().unwrap_or(path))
        .and_then(|()| files::write_atomic(path, bytes));
    if let Err(error) = stored {
        tracing::debug!(%error, "document of a channel not cached");
    }
}

fn path(cache: &Path, url: &Url) -> PathBuf {
    let name = hex::encode(&address(url)[..16]);
    cache.join("conda").join("documents").join(name)
}

fn address(url: &Url) -> [u8; 32] {
    blake3::hash(url.as_str().as_bytes()).into()
}
