//! The source `github`: releases of a repository, from the releases API of GitHub or of an Enterprise server.
//!
//! The list of releases has the names, sizes and, for newer releases, the digests of all assets. For an asset without
//! one, the digest comes from a file of the same release (`checksums.txt`, `tool.tar.gz.sha256`); without such a file
//! devsh downloads the asset and computes it, and the lockfile says that.

mod asset_choice;
mod checksum_file;
mod release_list;

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode_str;
use url::Url;

use super::{
    Candidate, Error, Sources,
    checksums::{self, digest_of},
    computed_digest, get,
};
use crate::{
    lockfile::{Artifact, lockable},
    manifest::ToolRequest,
    package::{Digest, ReleaseName, ReleaseOptions, Sha256, System, Tool, Version},
    util::redact::redact_url,
};
use asset_choice::ReleaseFiles;
use release_list::{Asset, Release};

/// The origin of digests that GitHub computed.
const LISTED: &str = "digests of the list of releases";

/// Returns the releases of the repository, with the asset for each system; the newest first.
///
/// More pages are read until one has a release that the request admits.
pub(super) fn candidates(
    tool: &Tool,
    request: &ToolRequest,
    sources: Sources<'_>,
) -> Result<Vec<Candidate>, Error> {
    let options = request.release_options(tool);
    let repository = tool.package.as_str();
    let mut all = Vec::new();
    for number in 1..=release_list::PAGES {
        let page = release_list::page(tool, repository, number, sources)?;
        let is_last = page.is_last;
        let mut found = false;
        for release in &page.releases {
            let Some(candidate) = candidate(release, repository, &options, request) else {
                continue;
            };
            found |= request.admits(&candidate.version) && candidate.supports(sources.system);
            all.push(candidate);
        }
        if found || is_last {
            break;
        }
    }
    Ok(all)
}

/// Returns the versions of a repository's releases without their assets, for a tool that is published elsewhere.
pub(super) fn versions(
    tool: &Tool,
    repository: &str,
    request: &ToolRequest,
    sources: Sources<'_>,
) -> Result<Vec<Candidate>, Error> {
    let options = request.release_options(tool);
    let mut all = Vec::new();
    for number in 1..=release_list::PAGES {
        let page = release_list::page(tool, repository, number, sources)?;
        let releases = page.releases.iter();
        let versions =
            releases.filter_map(|release| version(release, repository, &options, request));
        let before = all.len();
        all.extend(versions);
        let found = all[before..]
            .iter()
            .any(|candidate: &Candidate| request.admits(&candidate.version));
        if found || page.is_last {
            break;
        }
    }
    Ok(all)
}

/// Returns the version of a release; nothing for a draft, a tag of another kind, or a pre-release that is not named.
fn version(
    release: &Release,
    repository: &str,
    options: &ReleaseOptions,
    request: &ToolRequest,
) -> Option<Candidate> {
    let version: Version = version_of_tag(&release.tag, repository, options.tag_prefix())?
        .parse()
        .ok()?;
    let named = request
        .requirement
        .value
        .exact()
        .is_some_and(|exact| exact == version);
    if release.prerelease && !version.is_prerelease() && !named {
        return None;
    }
    let mut candidate = Candidate::new(version);
    candidate.released = release.published;
    Some(candidate)
}

fn candidate(
    release: &Release,
    repository: &str,
    options: &ReleaseOptions,
    request: &ToolRequest,
) -> Option<Candidate> {
    let mut candidate = version(release, repository, options, request)?;
    let version = candidate.version.as_str().to_owned();
    for (system, asset) in chosen_assets(release, repository, &version, options) {
        add_asset(&mut candidate, system, asset);
    }
    if candidate.undigested.is_empty() {
        candidate.checked = Some(LISTED.to_owned());
    }
    Some(candidate)
}

/// Adds the asset for a system, if its address is safe.
fn add_asset(candidate: &mut Candidate, system: System, asset: &Asset) {
    // The assets of an old release can be replaced.
    let times = candidate.released.zip(asset.updated);
    candidate.released = times.map(|(released, updated)| released.max(updated));
    match asset.digest {
        Some(digest) => {
            let artifacts = artifact(asset, digest).map(|artifact| (system, vec![artifact]));
            candidate.artifacts.extend(artifacts);
        }
        None => drop(candidate.undigested.insert(system, asset.url.clone())),
    }
}

/// Returns the asset for each system that has one.
fn chosen_assets<'r>(
    release: &'r Release,
    repository: &str,
    version: &str,
    options: &ReleaseOptions,
) -> BTreeMap<System, &'r Asset> {
    let names: Vec<&str> = release
        .assets
        .iter()
        .map(|asset| asset.name.as_str())
        .collect();
    let files = ReleaseFiles {
        names: &names,
        repository,
        version,
    };
    let systems = System::ALL.into_iter().filter_map(|system| {
        let expanded = expected_asset(options, version, &release.tag, system);
        let chosen = match &expanded {
            Some(name) => Some(name.as_str()),
            // Names for some systems say that the others have no asset.
            None if options.names_assets() => None,
            None => files.choose(system),
        };
        let asset = release
            .assets
            .iter()
            .find(|asset| Some(asset.name.as_str()) == chosen)?;
        Some((system, asset))
    });
    systems.collect()
}

fn artifact(asset: &Asset, digest: Digest) -> Option<Artifact> {
    lockable(&asset.url).then(|| Artifact {
        part: String::new(),
        url: asset.url.clone(),
        digest,
        size: asset.size,
    })
}

/// Returns whether a locked file is of the release and, if the settings name an asset, the file that they choose.
///
/// `tool` is the repository. A lockfile needs no approval, and a repository may have releases of several products.
pub fn is_chosen(
    tool: &Tool,
    request: &ToolRequest,
    version: &Version,
    system: System,
    url: &Url,
) -> bool {
    let options = request.release_options(tool);
    let tag = release_list::tag_of_asset(url);
    let named = version_of_tag(&tag, tool.package.as_str(), options.tag_prefix());
    if named.and_then(|named| named.parse().ok()).as_ref() != Some(version) {
        return false;
    }
    let file = url.path_segments().and_then(|mut names| names.next_back());
    let file = percent_decode_str(file.unwrap_or_default()).decode_utf8_lossy();
    expected_asset(&options, version.as_str(), &tag, system)
        .map_or_else(|| !options.names_assets(), |expected| expected == file)
}

/// Returns the file that the settings name for a system.
fn expected_asset(
    options: &ReleaseOptions,
    version: &str,
    tag: &str,
    system: System,
) -> Option<String> {
    let name = options.asset(system)?;
    let release = ReleaseName {
        version,
        tag,
        system,
    };
    Some(options.expand(name, &release).unwrap_or_default())
}

/// Returns the version that a tag names. Without a prefix in the settings it is all of the tag, or follows `v`, the
/// repository's name, or both.
fn version_of_tag<'t>(tag: &'t str, repository: &str, prefix: Option<&str>) -> Option<&'t str> {
    let begins_well = |rest: &&str| rest.starts_with(|first: char| first.is_ascii_digit());
    if let Some(prefix) = prefix {
        return tag.strip_prefix(prefix).filter(begins_well);
    }
    let name = repository.rsplit('/').next().unwrap_or_default();
    let own = tag
        .get(..name.len())
        .filter(|start| start.eq_ignore_ascii_case(name))
        .and_then(|_| tag[name.len()..].strip_prefix(['-', '_', '/', '@']));
    let rest = own.unwrap_or(tag);
    let rest = rest.strip_prefix(['v', 'V']).unwrap_or(rest);
    Some(rest).filter(begins_well)
}

/// A file of a release that is named elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReleaseFile {
    pub(super) tag: String,
    pub(super) name: String,
}

/// Returns the candidate with these files, for each system the first one that the release has; nothing if no release has
/// one for this system.
pub(super) fn named_files(
    tool: &Tool,
    wanted: &BTreeMap<System, Vec<ReleaseFile>>,
    candidate: &Candidate,
    sources: Sources<'_>,
) -> Result<Option<Candidate>, Error> {
    let own = wanted.get(&sources.system).into_iter().flatten();
    let mut tags: Vec<&str> = own.map(|file| file.tag.as_str()).collect();
    let mut seen = BTreeSet::new();
    tags.retain(|tag| seen.insert(*tag));
    let below = sources.config.releases_of(tool.package.as_str());
    for tag in tags {
        let release = match release_list::release(tool, tag, sources) {
            Err(Error::UnknownRepository { .. }) => continue,
            other => other?,
        };
        let mut complete = candidate.clone();
        // The files of a release can be younger than what names them.
        let times = candidate.released.zip(release.published);
        complete.released = times.map(|(named, published)| named.max(published));
        for (system, files) in wanted {
            let mut files = files.iter().filter(|file| file.tag == tag);
            let asset = files.find_map(|file| {
                let mut assets = release.assets.iter();
                assets.find(|asset| {
                    // A renamed repository has its files at other addresses.
                    asset.name == file.name && asset.url.as_str().starts_with(&below)
                })
            });
            if let Some(asset) = asset {
                add_asset(&mut complete, *system, asset);
            }
        }
        if complete.supports(sources.system) {
            return add_digests(tool, complete, &release, sources).map(Some);
        }
    }
    Ok(None)
}

/// Returns the candidate with the digests of its assets.
pub(super) fn with_digests(
    tool: &Tool,
    candidate: &Candidate,
    sources: Sources<'_>,
) -> Result<Candidate, Error> {
    let Some(first) = candidate.undigested.values().next() else {
        return Ok(candidate.clone());
    };
    let tag = release_list::tag_of_asset(first);
    let release = release_list::release(tool, &tag, sources)?;
    add_digests(tool, candidate.clone(), &release, sources)
}

fn add_digests(
    tool: &Tool,
    mut complete: Candidate,
    release: &Release,
    sources: Sources<'_>,
) -> Result<Candidate, Error> {
    if complete.undigested.is_empty() {
        complete.checked = Some(LISTED.to_owned());
        return Ok(complete);
    }
    let mut sums = ChecksumFiles::new(tool, release, sources);
    let mut origins: Vec<String> = Vec::new();
    for (system, url) in std::mem::take(&mut complete.undigested) {
        let Some(asset) = release.assets.iter().find(|asset| asset.url == url) else {
            continue;
        };
        let (digest, size, origin) = if let Some((digest, file)) = sums.digest(&asset.name)? {
            (
                digest,
                asset.size,
                format!("digests of `{file}` of the release"),
            )
        } else {
            let (digest, size) = computed_digest(tool, &url, system, sources, |_| Ok(()))?;
            let origin = "digests computed from the downloads, because the release has none";
            (digest, Some(size), origin.to_owned())
        };
        if !origins.contains(&origin) {
            origins.push(origin);
        }
        let found = Asset {
            size,
            ..asset.clone()
        };
        let artifact = artifact(&found, digest.into()).ok_or_else(|| Error::Insecure {
            url: redact_url(&url),
        })?;
        complete.artifacts.insert(system, vec![artifact]);
    }
    complete.checked = Some(origins.join(", "));
    Ok(complete)
}

/// The files of digests of one release, each read once.
struct ChecksumFiles<'a> {
    tool: &'a Tool,
    release: &'a Release,
    sources: Sources<'a>,
    texts: BTreeMap<String, String>,
}

impl<'a> ChecksumFiles<'a> {
    const fn new(tool: &'a Tool, release: &'a Release, sources: Sources<'a>) -> Self {
        Self {
            tool,
            release,
            sources,
            texts: BTreeMap::new(),
        }
    }

    /// Returns the digest that a file of the release gives for `asset`, and the name of the file.
    fn digest(&mut self, asset: &str) -> Result<Option<(Sha256, String)>, Error> {
        let names = self.release.assets.iter().map(|asset| asset.name.as_str());
        for file in checksum_file::candidates(asset, names) {
            if !self.texts.contains_key(&file) {
                let found = self.release.assets.iter().find(|one| one.name == file);
                let Some(found) = found else { continue };
                let text = self.download(&found.url)?;
                self.texts.insert(file.clone(), text);
            }
            let text = &self.texts[&file];
            if let Some(digest) = digest_of(asset, &file, text) {
                return Ok(Some((digest, file)));
            }
        }
        Ok(None)
    }

    fn download(&self, url: &Url) -> Result<String, Error> {
        let body = get(self.tool, url, "*/*", checksums::LIMIT, self.sources)?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_name_versions() {
        for (tag, repository, prefix, expected) in [
            ("v2.62.0", "cli/cli", None, Some("2.62.0")),
            ("14.1.1", "BurntSushi/ripgrep", None, Some("14.1.1")),
            ("jq-1.7.1", "jqlang/jq", None, Some("1.7.1")),
            ("bun-v1.3.0", "oven-sh/bun", None, Some("1.3.0")),
            (
                "kustomize/v5.7.0",
                "kubernetes-sigs/kustomize",
                None,
                Some("5.7.0"),
            ),
            ("kyaml/v0.20.0", "kubernetes-sigs/kustomize", None, None),
            ("release-cli-0.9.3", "tamasfe/taplo", None, None),
            (
                "release-cli-0.9.3",
                "tamasfe/taplo",
                Some("release-cli-"),
                Some("0.9.3"),
            ),
            ("v1.0.0", "a/b", Some("cli/v"), None),
            ("nightly", "neovim/neovim", None, None),
            ("é1", "a/b", None, None),
        ] {
            assert_eq!(version_of_tag(tag, repository, prefix), expected, "{tag}");
        }
    }
}
