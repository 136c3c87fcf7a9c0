//! The source `rust`: toolchains, from channel manifests of the dist server.
//!
//! The server has no list of versions, so the requirement decides which manifests are read: an exact version is
//! one manifest, a prefix begins at its own minor version, and any other requirement begins at stable and goes
//! down.

mod manifest;

use std::{collections::BTreeMap, rc::Rc};

use manifest::{ChannelManifest, ManifestContent};

use super::{
    Candidate, Error, Sources,
    page_cache::{self, CachedDocument, FRESH},
    release_age,
};
use crate::{
    fetch,
    lockfile::LockedPackage,
    manifest::ToolRequest,
    package::{Sha256, System, Tool, Version},
    util::{files, redact::redact_url},
};

/// One request, with the locked packages that may answer it.
pub(super) struct ToolchainRequest<'a> {
    pub(super) tool: &'a Tool,
    pub(super) request: &'a ToolRequest,
    /// Locked packages with an admitted version; they are looked up first.
    pub(super) preferred: Vec<&'a LockedPackage>,
}

/// The name of a manifest on the server: `1.89`, or `nightly` with a day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct RustChannel {
    name: String,
    date: Option<String>,
}

impl RustChannel {
    fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            date: None,
        }
    }

    /// Reads `nightly` or `nightly-2026-10-30`.
    fn parse(text: &str) -> Self {
        let (name, date) = match text.split_once('-') {
            Some((name, date)) => (name, Some(date.to_owned())),
            None => (text, None),
        };
        Self {
            name: name.to_owned(),
            date,
        }
    }

    fn path(&self) -> String {
        let date = self
            .date
            .as_ref()
            .map(|date| format!("{date}/"))
            .unwrap_or_default();
        format!("dist/{date}channel-rust-{}.toml", self.name)
    }
}

/// Largest accepted manifest, in bytes; the largest in use has 1 MB.
const LIMIT: u64 = 32 << 20;

/// Returns for each request the versions that were looked up, with one that satisfies it if there is any.
pub(super) fn candidates(
    wanted: &[ToolchainRequest<'_>],
    sources: Sources<'_>,
) -> Result<Vec<Vec<Candidate>>, Error> {
    let mut read: BTreeMap<RustChannel, Option<Rc<ChannelManifest>>> = BTreeMap::new();
    let mut load = |tool: &Tool, channel: &RustChannel| {
        if let Some(known) = read.get(channel) {
            return Ok(known.clone());
        }
        let manifest = read_channel(tool, channel, sources)?.map(Rc::new);
        read.insert(channel.clone(), manifest.clone());
        Ok(manifest)
    };
    wanted
        .iter()
        .map(|wanted| {
            let mut search = ToolchainSearch {
                wanted,
                system: sources.system,
                host: sources.config.rust.host_str().unwrap_or_default(),
                load: &mut |channel| load(wanted.tool, channel),
                limit: release_age::limit(wanted.tool, sources.config, sources.now),
                found: Vec::new(),
                asked: 0,
            };
            search.run()?;
            Ok(search.found)
        })
        .collect()
}

/// Returns a manifest that fits its `.sha256` file; nothing if the server has no such manifest.
///
/// Reading the text takes half a second, so its content is cached under the digest.
fn read_channel(
    tool: &Tool,
    channel: &RustChannel,
    sources: Sources<'_>,
) -> Result<Option<ChannelManifest>, Error> {
    let unreadable = |message: String| Error::Unreadable {
        place: channel.path(),
        message,
    };
    let address = |path: &str| {
        sources
            .config
            .rust
            .join(path)
            .map_err(|error| unreadable(error.to_string()))
    };
    let get = |path: &str, limit| match sources.client.get(&address(path)?, "*/*", limit) {
        Ok(body) => Ok(Some(body)),
        Err(fetch::Error::Status {
            status: 404 | 410, ..
        }) => Ok(None),
        // A mirror in a directory.
        Err(fetch::Error::File(error)) if files::is_absent(&error.source) => Ok(None),
        Err(source) => Err(Error::Fetch {
            tool: tool.clone(),
            source: Box::new(source),
        }),
    };
    let path = channel.path();
    let key = address(&path)?;
    let cached = CachedDocument::<ManifestContent>::load(sources.cache, &key);
    let fresh = |one: &CachedDocument<_>| {
        sources.uses_recent_copies() && one.is_younger_than(FRESH, sources.now)
    };
    let cached = match cached {
        Some(cached) if fresh(&cached) => {
            let manifest = ChannelManifest::of(cached.content, &sources.config.rust);
            return manifest.map(Some).map_err(unreadable);
        }
        cached => cached,
    };
    let Some(digest) = get(&format!("{path}.sha256"), 4096)? else {
        return Ok(None);
    };
    let digest = String::from_utf8_lossy(&digest);
    let expected: Sha256 = digest
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .parse()
        .map_err(|error| unreadable(format!("{error}")))?;
    let version = expected.to_string();
    if let Some(cached) = cached.filter(|cached| cached.version.as_ref() == Some(&version)) {
        page_cache::store(sources, &key, Some(&version), &cached.content);
        let manifest = ChannelManifest::of(cached.content, &sources.config.rust);
        return manifest.map(Some).map_err(unreadable);
    }
    let Some(body) = get(&path, LIMIT)? else {
        return Ok(None);
    };
    let received = Sha256::of(&body);
    if received != expected {
        let url = Box::new(redact_url(&address(&path)?));
        return Err(Error::Digest {
            url,
            expected: expected.into(),
            received: received.into(),
        });
    }
    let text = String::from_utf8_lossy(&body);
    let manifest = ChannelManifest::parse(&text, &sources.config.rust).map_err(unreadable)?;
    page_cache::store(sources, &key, Some(&version), manifest.content());
    Ok(Some(manifest))
}

/// Most manifests that are read for one request.
const MOST: u32 = 60;
/// Days that the search for a complete nightly goes back.
const DAYS: u32 = 21;
/// Greater than any minor version for many years.
const CEILING: u64 = 999;
/// Greater than every patch version so far.
const PATCHES: u64 = 20;

/// Returns a manifest, or nothing if the server has none of that name.
type Load<'a> = &'a mut dyn FnMut(&RustChannel) -> Result<Option<Rc<ChannelManifest>>, Error>;

/// The search for a version that satisfies one request.
struct ToolchainSearch<'a> {
    wanted: &'a ToolchainRequest<'a>,
    system: System,
    host: &'a str,
    load: Load<'a>,
    /// The latest allowed publication time, in seconds since 1970.
    limit: Option<u64>,
    found: Vec<Candidate>,
    asked: u32,
}

impl ToolchainSearch<'_> {
    fn run(&mut self) -> Result<(), Error> {
        let request = self.wanted.request;
        if self.preferred()? {
            return Ok(());
        }
        if let Some(channel) = request.requirement.value.channel() {
            return match self.take(&RustChannel::parse(channel))? {
                Some((_, true)) => Ok(()),
                Some((_, false)) => self.earlier_days(&RustChannel::parse(channel)),
                None => Err(self.unknown(channel)),
            };
        }
        if let Some(exact) = request.requirement.value.exact() {
            let numbers = |at: usize| exact.release().get(at).copied().unwrap_or_default();
            let name = format!("{}.{}.{}", numbers(0), numbers(1), numbers(2));
            if self.take(&RustChannel::new(name))?.is_none() {
                // Only for the error, which names the nearest versions.
                let minor = format!("{}.{}", numbers(0), numbers(1));
                self.take(&RustChannel::new(minor))?;
                self.stable()?;
            }
            return Ok(());
        }
        self.descend()
    }

    /// Looks up the locked packages; returns whether one satisfies the request.
    fn preferred(&mut self) -> Result<bool, Error> {
        let wanted = self.wanted;
        let channel = wanted
            .request
            .requirement
            .value
            .channel()
            .map(RustChannel::parse);
        for package in &wanted.preferred {
            let manifest = match (&channel, &package.build) {
                (Some(channel), date @ Some(_)) => RustChannel {
                    name: channel.name.clone(),
                    date: date.clone(),
                },
                _ if package.version.is_prerelease() => continue,
                _ => RustChannel::new(package.version.as_str()),
            };
            if self
                .take(&manifest)?
                .is_some_and(|(_, satisfies)| satisfies)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Goes down from the newest version that the request admits.
    fn descend(&mut self) -> Result<(), Error> {
        let Some(mut minor) = (0..=CEILING).rev().find(|minor| self.possible(*minor)) else {
            // Only for the error, which names the available versions.
            return self.stable().map(drop);
        };
        let mut stable = None;
        while self.asked < MOST {
            let newest = match &stable {
                Some((version, satisfies)) if minor_of(version) == minor => {
                    Some((version.clone(), *satisfies))
                }
                _ if minor == CEILING || !self.possible(minor) => None,
                _ => self.take(&RustChannel::new(format!("1.{minor}")))?,
            };
            match newest {
                Some((_, true)) => return Ok(()),
                Some((newest, false)) if self.patches(&newest)? => return Ok(()),
                // Not released yet, or too old for a manifest.
                None if stable.is_none() => {
                    let (version, satisfies) = self.stable()?;
                    let newest = minor_of(&version);
                    stable = Some((version, satisfies));
                    if newest < minor {
                        minor = newest;
                        continue;
                    }
                }
                _ => {}
            }
            let Some(below) = minor.checked_sub(1) else {
                break;
            };
            minor = below;
        }
        Ok(())
    }

    /// Goes back day by day from a nightly or beta without a requested part, as rustup does.
    fn earlier_days(&mut self, channel: &RustChannel) -> Result<(), Error> {
        let newest = self.found.last().and_then(|found| found.build.clone());
        if channel.date.is_some() || channel.name == "stable" {
            return Ok(());
        }
        let mut day = newest;
        for _ in 0..DAYS {
            day = day.as_deref().and_then(release_age::day_before);
            let Some(date) = day.clone() else {
                break;
            };
            let channel = RustChannel {
                name: channel.name.clone(),
                date: Some(date),
            };
            if self.take(&channel)?.is_some_and(|(_, satisfies)| satisfies) {
                break;
            }
        }
        Ok(())
    }

    fn stable(&mut self) -> Result<(Version, bool), Error> {
        self.take(&RustChannel::new("stable"))?
            .ok_or_else(|| self.unknown("stable"))
    }

    fn unknown(&self, channel: &str) -> Error {
        Error::UnknownChannel {
            channel: channel.to_owned(),
            host: self.host.to_owned(),
        }
    }

    /// Looks up the older patch versions of a minor version; returns whether one satisfies the request.
    fn patches(&mut self, newest: &Version) -> Result<bool, Error> {
        let &[major, minor, newest] = newest.release() else {
            return Ok(false);
        };
        for patch in (0..newest).rev() {
            let name = format!("{major}.{minor}.{patch}");
            let admitted = name
                .parse()
                .is_ok_and(|version| self.wanted.request.admits(&version));
            if admitted
                && self
                    .take(&RustChannel::new(name))?
                    .is_some_and(|(_, satisfies)| satisfies)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns whether the request admits some patch version of `1.minor`.
    fn possible(&self, minor: u64) -> bool {
        (0..=PATCHES).any(|patch| {
            let version = format!("1.{minor}.{patch}").parse();
            version.is_ok_and(|version| self.wanted.request.admits(&version))
        })
    }

    /// Reads a manifest; returns its version and whether that satisfies the request.
    fn take(&mut self, channel: &RustChannel) -> Result<Option<(Version, bool)>, Error> {
        self.asked += 1;
        let Some(manifest) = (self.load)(channel)? else {
            return Ok(None);
        };
        let request = self.wanted.request;
        let candidate = manifest
            .candidate(&request.components, &request.targets)
            .map_err(|message| Error::Unreadable {
                place: channel.path(),
                message,
            })?;
        let old_enough = self
            .limit
            .is_none_or(|limit| candidate.released.is_some_and(|released| released <= limit));
        let satisfies = request.admits(&candidate.version)
            && candidate.artifacts.contains_key(&self.system)
            && old_enough;
        let version = candidate.version.clone();
        let is_same = |one: &Candidate| (&one.version, &one.build) == (&version, &candidate.build);
        if !self.found.iter().any(is_same) {
            self.found.push(candidate);
        }
        Ok(Some((version, satisfies)))
    }
}

fn minor_of(version: &Version) -> u64 {
    version.release().get(1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
