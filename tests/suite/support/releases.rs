//! Releases of repositories in the format of GitHub's API, made in memory.

use std::io::Write as _;

use serde_json::{Value, json};

use super::{
    Server,
    archive::{Member, sha256},
};

/// A release of a repository.
pub(crate) struct GithubRelease<'a> {
    pub(crate) tag: &'a str,
    pub(crate) prerelease: bool,
    /// Names and contents.
    pub(crate) assets: Vec<(String, Vec<u8>)>,
    /// True if the list has the digests.
    pub(crate) digests: bool,
    /// When its assets were replaced, if they were.
    pub(crate) replaced: Option<&'a str>,
}

/// When every release was published.
const PUBLISHED: &str = "2026-08-01T10:00:00Z";

impl<'a> GithubRelease<'a> {
    /// Returns a release whose list has digests.
    pub(crate) fn new(tag: &'a str, assets: &[(&str, &[u8])]) -> Self {
        let assets = assets.iter();
        Self {
            tag,
            prerelease: false,
            assets: assets
                .map(|(name, content)| ((*name).to_owned(), content.to_vec()))
                .collect(),
            digests: true,
            replaced: None,
        }
    }
}

/// Serves the releases of a repository, the newest first, a hundred on each page.
pub(crate) fn serve_releases(server: &Server, repository: &str, releases: &[GithubRelease<'_>]) {
    let mut all: Vec<Value> = Vec::new();
    for release in releases {
        let assets: Vec<Value> = release
            .assets
            .iter()
            .map(|(name, content)| {
                let path = format!("/{repository}/releases/download/{}/{name}", release.tag);
                server.serve(&path, content.clone());
                let digest = release
                    .digests
                    .then(|| format!("sha256:{}", sha256(content)));
                json!({
                    "name": name, "state": "uploaded", "size": content.len(), "digest": digest,
                    "updated_at": release.replaced.unwrap_or(PUBLISHED),
                    "url": format!("{}/api/repos/{repository}/releases/assets/{name}", server.address()),
                    "browser_download_url": format!("{}{path}", server.address()),
                })
            })
            .collect();
        let document = json!({
            "tag_name": release.tag, "draft": false, "prerelease": release.prerelease,
            "published_at": PUBLISHED, "assets": assets,
        });
        let path = format!("/api/repos/{repository}/releases/tags/{}", release.tag);
        server.serve(&path, document.to_string());
        all.push(document);
    }
    for (number, page) in all.chunks(100).enumerate() {
        let query = format!("per_page=100&page={}", number + 1);
        let path = format!("/api/repos/{repository}/releases?{query}");
        server.serve(&path, Value::from(page.to_vec()).to_string());
    }
    if all.len().is_multiple_of(100) {
        let query = format!("per_page=100&page={}", all.len() / 100 + 1);
        server.serve(&format!("/api/repos/{repository}/releases?{query}"), "[]");
    }
}

/// Returns a zip archive.
pub(crate) fn zip(members: &[Member<'_>]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (path, content, program) in members {
        let mode = if *program { 0o755 } else { 0o644 };
        let options = zip::write::SimpleFileOptions::default().unix_permissions(mode);
        writer.start_file(*path, options).expect("memory takes all");
        writer.write_all(content).expect("memory takes all");
    }
    writer.finish().expect("memory takes all").into_inner()
}

/// Compresses as `.bz2`.
pub(crate) fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

/// Compresses as `.zst`.
pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("memory takes all")
}
