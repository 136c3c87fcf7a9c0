//! The list of releases in the API's format, cached on disk with its `ETag`.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    fetch::{self, ChangedBody},
    package::{Digest, Sha256, Tool},
    sources::{Error, Sources, release_age::time_seconds},
    util::{files, redact::redact_url},
};

/// Most pages that are read for one tool.
pub(super) const PAGES: u32 = 20;
/// Releases of one page; the API's maximum.
const PAGE_SIZE: usize = 100;
/// Largest accepted page, in bytes; large ones have 10 MB.
const LIMIT: u64 = 64 << 20;
/// The time for which a page is used without asking the server.
const FRESH: Duration = Duration::from_mins(10);
/// The form of the API's answers.
const ACCEPT: &str = "application/vnd.github+json";
/// Counts changes of the cached form.
const FORMAT: u32 = 2;

/// One release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Release {
    /// The name of its tag.
    pub(super) tag: String,
    pub(super) prerelease: bool,
    /// Publication time in seconds since 1970.
    pub(super) published: Option<u64>,
    pub(super) assets: Vec<Asset>,
}

/// One file of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asset {
    pub(super) name: String,
    pub(super) url: Url,
    /// In bytes.
    pub(super) size: Option<u64>,
    pub(super) digest: Option<Digest>,
    /// When it was uploaded, or replaced later, in seconds since 1970.
    pub(super) updated: Option<u64>,
}

/// A part of the list.
#[derive(Debug)]
pub(super) struct ReleasePage {
    pub(super) releases: Vec<Release>,
    pub(super) is_last: bool,
}

#[derive(Deserialize)]
struct ApiRelease {
    tag_name: String,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    prerelease: bool,
    published_at: Option<String>,
    #[serde(default)]
    assets: Vec<ApiAsset>,
}

#[derive(Deserialize)]
struct ApiAsset {
    name: String,
    browser_download_url: Url,
    size: Option<u64>,
    digest: Option<String>,
    updated_at: Option<String>,
}

impl From<ApiRelease> for Release {
    fn from(release: ApiRelease) -> Self {
        let asset = |asset: ApiAsset| Asset {
            digest: asset
                .digest
                .and_then(|digest| digest.strip_prefix("sha256:")?.parse::<Sha256>().ok())
                .map(Digest::from),
            updated: asset.updated_at.as_deref().and_then(time_seconds),
            name: asset.name,
            url: asset.browser_download_url,
            size: asset.size,
        };
        Self {
            tag: release.tag_name,
            prerelease: release.prerelease,
            published: release.published_at.as_deref().and_then(time_seconds),
            assets: release.assets.into_iter().map(asset).collect(),
        }
    }
}

/// A page as it is cached.
#[derive(Serialize, Deserialize)]
struct CachedList {
    format: u32,
    /// The BLAKE3 of the address.
    address: [u8; 32],
    /// Seconds since 1970.
    fetched: u64,
    etag: Option<String>,
    /// The number of releases on the page, with drafts.
    count: usize,
    releases: Vec<Release>,
}

/// Returns a page of the list, counted from 1.
pub(super) fn page(
    tool: &Tool,
    repository: &str,
    number: u32,
    sources: Sources<'_>,
) -> Result<ReleasePage, Error> {
    let path = format!("repos/{repository}/releases?per_page={PAGE_SIZE}&page={number}");
    let url = api(&path, sources)?;
    let cached = CachedList::load(sources.cache, &url);
    let now = seconds(sources.now);
    if let Some(cached) = &cached
        && sources.uses_recent_copies()
        && now
            .checked_sub(cached.fetched)
            .is_some_and(|age| age < FRESH.as_secs())
    {
        return Ok(cached.page());
    }
    let etag = cached.as_ref().and_then(|cached| cached.etag.as_deref());
    let answer = sources.client.fetch_changed(&url, ACCEPT, etag, LIMIT);
    let list = match (
        answer.map_err(|error| failed(tool, repository, sources, error))?,
        cached,
    ) {
        (ChangedBody::Current, Some(cached)) => CachedList {
            fetched: now,
            ..cached
        },
        (ChangedBody::Current, None) => return Err(unreadable(&url, "it sent no list")),
        (ChangedBody::New { body, etag }, _) => {
            let list: Vec<ApiRelease> = serde_json::from_slice(&body)
                .map_err(|error| unreadable(&url, &error.to_string()))?;
            let count = list.len();
            let published = list.into_iter().filter(|release| !release.draft);
            CachedList {
                format: FORMAT,
                address: address(&url),
                fetched: now,
                etag,
                count,
                releases: published.map(Release::from).collect(),
            }
        }
    };
    list.store(sources.cache, &url);
    Ok(list.page())
}

/// Returns the release of a tag.
pub(super) fn release(tool: &Tool, tag: &str, sources: Sources<'_>) -> Result<Release, Error> {
    let repository = tool.package.as_str();
    let mut url = api(&format!("repos/{repository}/releases/tags/"), sources)?;
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(tag);
    }
    let body = sources
        .client
        .get(&url, ACCEPT, LIMIT)
        .map_err(|error| failed(tool, repository, sources, error))?;
    let release: ApiRelease =
        serde_json::from_slice(&body).map_err(|error| unreadable(&url, &error.to_string()))?;
    Ok(release.into())
}

/// Returns the tag in the address of an asset: `…/releases/download/TAG/NAME`.
pub(super) fn tag_of_asset(url: &Url) -> String {
    let path = url.path();
    let below = path
        .split_once("/releases/download/")
        .map(|(_, below)| below);
    let tag = below
        .and_then(|below| below.rsplit_once('/'))
        .map(|(tag, _)| tag);
    percent_decode_str(tag.unwrap_or_default())
        .decode_utf8_lossy()
        .into_owned()
}

fn api(path: &str, sources: Sources<'_>) -> Result<Url, Error> {
    let base = &sources.config.github;
    base.join(path)
        .map_err(|error| unreadable(base, &error.to_string()))
}

fn failed(tool: &Tool, repository: &str, sources: Sources<'_>, error: fetch::Error) -> Error {
    match error {
        fetch::Error::Status {
            status: 404 | 410, ..
        } => Error::UnknownRepository {
            tool: tool.clone(),
            repository: repository.to_owned(),
            host: sources
                .config
                .github
                .host_str()
                .unwrap_or_default()
                .to_owned(),
        },
        source => Error::Fetch {
            tool: tool.clone(),
            source: Box::new(source),
        },
    }
}

fn unreadable(url: &Url, message: &str) -> Error {
    Error::Unreadable {
        place: redact_url(url).to_string(),
        message: message.to_owned(),
    }
}

impl CachedList {
    fn page(&self) -> ReleasePage {
        ReleasePage {
            releases: self.releases.clone(),
            is_last: self.count < PAGE_SIZE,
        }
    }

    /// Returns the cached page; a damaged one counts as absent.
    fn load(cache: &Path, url: &Url) -> Option<Self> {
        let bytes = files::read_bounded(&place(cache, url), LIMIT).ok()??;
        let cached: Self = postcard::from_bytes(&bytes).ok()?;
        (cached.format == FORMAT && cached.address == address(url)).then_some(cached)
    }

    /// Caches the page; a failed write never fails a command.
    fn store(&self, cache: &Path, url: &Url) {
        let place = place(cache, url);
        let Ok(bytes) = postcard::to_stdvec(self) else {
            return;
        };
        let stored = files::create_private_dir(place.parent().unwrap_or(cache))
            .and_then(|()| files::write_atomic(&place, &bytes));
        if let Err(error) = stored {
            tracing::debug!(%error, "page not cached");
        }
    }
}

fn address(url: &Url) -> [u8; 32] {
    *blake3::hash(url.as_str().as_bytes()).as_bytes()
}

fn place(cache: &Path, url: &Url) -> PathBuf {
    let name = blake3::hash(url.as_str().as_bytes()).to_hex();
    cache.join("index").join(&name[..32])
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_read_from_the_address() {
        for (url, expected) in [
            (
                "https://github.com/cli/cli/releases/download/v2.6/gh.tar.gz",
                "v2.6",
            ),
            (
                "https://github.com/a/b/releases/download/kustomize%2Fv5/x.tar.gz",
                "kustomize/v5",
            ),
            (
                "https://github.com/a/b/releases/download/x%2Bbuild/y",
                "x+build",
            ),
            ("https://example.com/y", ""),
        ] {
            assert_eq!(tag_of_asset(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn a_release_is_read_as_the_api_writes_it() {
        let text = r#"[{
            "url": "https://api.github.com/repos/cli/cli/releases/1", "id": 1,
            "tag_name": "v2.62.0", "name": "GitHub CLI 2.62.0", "draft": false, "prerelease": false,
            "created_at": "2024-11-14T16:00:00Z", "published_at": "2024-11-14T16:05:12Z",
            "assets": [
                { "id": 2, "name": "gh_2.62.0_linux_amd64.tar.gz", "state": "uploaded", "size": 12,
                  "created_at": "2024-11-14T16:05:08Z", "updated_at": "2024-11-14T16:05:10Z",
                  "digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                  "browser_download_url": "https://github.com/cli/cli/releases/download/v2.62.0/gh_2.62.0_linux_amd64.tar.gz" },
                { "name": "old.zip", "size": 3, "digest": null,
                  "browser_download_url": "https://github.com/cli/cli/releases/download/v2.62.0/old.zip" }
            ] }]"#;
        let releases: Vec<ApiRelease> = serde_json::from_str(text).unwrap();
        let release = Release::from(releases.into_iter().next().unwrap());
        assert_eq!(release.tag, "v2.62.0");
        assert_eq!(release.published, Some(1_731_600_312));
        assert_eq!(release.assets[0].digest, Some(Sha256::of(b"").into()));
        assert_eq!(release.assets[0].updated, Some(1_731_600_310));
        assert_eq!(release.assets[1].digest, None);
    }
}
