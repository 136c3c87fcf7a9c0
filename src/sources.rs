//! The sources of tools: which versions there are, and what to download for each.
//!
//! `fill` asks the sources for the requests that the lockfile does not answer. `Index` holds the answers in
//! memory, with public addresses only, and the choice of a version reads nothing else. `measure` adds the sizes
//! of the chosen artifacts. A source is one file or folder here, a value of `Source` and an arm in `ask`; a page for
//! contributors, `architecture.md`, has the steps.

mod artifact_size;
pub mod cargo;
mod checksums;
pub mod conda;
mod error;
mod fill;
pub mod github;
pub mod glibc;
mod go;
pub mod host;
mod node;
pub mod npm;
mod npm_platform;
mod page_cache;
pub mod pypi;
pub mod python;
mod release_age;
pub mod rust;
pub mod url;

use std::{collections::BTreeMap, fs::File, path::Path, time::SystemTime};

use ::url::Url;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    config::Config,
    fetch::{self, Client},
    lockfile::{Artifact, Lockfile, Upgrade, lockable, runs_on_any},
    manifest::ToolRequest,
    package::{Glibc, ReleaseOptions, Sha256, Supplier, System, Tool, Version},
    util::redact::redact_url,
};

use npm::TarballSignature;
use page_cache::{IndexPage, PageAnswer};

pub use artifact_size::measure;
pub use error::Error;
pub use fill::{Lookup, fill};
pub use release_age::{TooYoung, newest_allowed};

/// The versions that may be chosen, for each subject that was looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    offers: BTreeMap<CandidateKey, Vec<Candidate>>,
    unused: BTreeMap<CandidateKey, Vec<UnusedSupplier>>,
}

/// A supplier that was asked and does not serve, so the next one was asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnusedSupplier {
    pub supplier: Supplier,
    /// The cause, one line.
    pub reason: String,
    /// True if it was not reached, so it can serve later.
    pub may_pass: bool,
}

/// A request for a tool, and what its answer depends on.
#[derive(Debug, Clone, Copy)]
pub struct ToolQuery<'a> {
    pub tool: &'a Tool,
    pub request: &'a ToolRequest,
    pub previous: &'a Lockfile,
    pub upgrade: &'a Upgrade,
    pub system: System,
}

/// The key of a list of candidates: a tool with its parts, and the channel if the request names one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CandidateKey {
    pub tool: Tool,
    /// Components beyond the default ones, sorted.
    pub components: Vec<String>,
    /// Further compilation targets, sorted.
    pub targets: Vec<String>,
    /// Settings of the tool's releases.
    pub options: ReleaseOptions,
    /// The channel or npm tag; its versions are not the numbered releases.
    pub channel: Option<String>,
}

/// A version that a source offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub version: Version,
    /// Day of the channel manifest for rust, build date for python.
    pub build: Option<String>,
    /// The downloads, for each system that has every part; sorted by part.
    pub artifacts: BTreeMap<System, Vec<Artifact>>,
    /// Downloads whose digests the source's list does not have, and which are looked up for the chosen version only.
    pub undigested: BTreeMap<System, Url>,
    /// The origin of the digests and the checks that were made, if the source's list has no digests.
    pub checked: Option<String>,
    /// The signatures of the npm registry for the artifacts; they are checked for the chosen version only.
    pub signatures: Vec<TarballSignature>,
    /// The signature of the publisher that was checked.
    pub verified: Option<String>,
    /// The supplier that its publisher names, which is not in the list of the tool's suppliers.
    #[serde(skip)]
    pub supplier: Option<Supplier>,
    /// The position of the package it belongs to in the list of the tool's suppliers.
    #[serde(skip)]
    pub rank: usize,
    /// Parts that the request names and that do not exist, for each system that lacks one.
    #[serde(skip)]
    pub missing: BTreeMap<System, UnavailablePart>,
    /// The reason of the source for withdrawing the version; may be empty. `None` for one that it offers.
    pub yanked: Option<String>,
    /// Publication time in seconds since 1970, if the source gives one.
    pub released: Option<u64>,
    /// The tags that name this version (npm's `latest` and `next`).
    pub tags: Vec<String>,
    /// The Pythons that it runs on (`>=3.10`), if it is a Python application.
    pub application: Option<String>,
    /// The oldest rust that compiles it, if it is a crate whose publisher names one.
    pub rust: Option<Version>,
    /// True if it runs on none of the chosen Pythons, or none of the chosen toolchains compiles it.
    #[serde(skip)]
    pub unsupported: bool,
    /// Set where the settings ask for a minimum age that the version does not have.
    #[serde(skip)]
    pub held: Option<TooYoung>,
    /// The glibc that its artifact needs, for each system where that is more than every machine has.
    pub glibc: BTreeMap<System, Glibc>,
    /// The newest glibc that an artifact may need, if it needs more than that.
    #[serde(skip)]
    pub glibc_limit: Option<Glibc>,
}

/// A part that a request names and that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnavailablePart {
    /// The component, or `rust-std-<target>` for a target.
    pub part: String,
    /// The component or target with the most similar name, if one is similar.
    pub near: Option<String>,
}

impl Candidate {
    /// Returns a version without artifacts.
    pub const fn new(version: Version) -> Self {
        Self {
            version,
            build: None,
            artifacts: BTreeMap::new(),
            undigested: BTreeMap::new(),
            checked: None,
            signatures: Vec::new(),
            verified: None,
            supplier: None,
            rank: 0,
            missing: BTreeMap::new(),
            yanked: None,
            released: None,
            tags: Vec::new(),
            application: None,
            rust: None,
            unsupported: false,
            held: None,
            glibc: BTreeMap::new(),
            glibc_limit: None,
        }
    }

    /// Returns whether there is something to download for a system.
    pub fn supports(&self, system: System) -> bool {
        self.artifacts.contains_key(&system) || self.undigested.contains_key(&system)
    }

    /// Returns the systems for which there is something to download.
    pub fn systems(&self) -> Vec<System> {
        let systems = System::ALL.into_iter();
        systems.filter(|system| self.supports(*system)).collect()
    }
}

/// The settings and the client with which sources are asked.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    pub config: &'a Config,
    pub client: &'a Client,
    /// devsh's cache directory.
    pub cache: &'a Path,
    pub now: SystemTime,
    /// The system that the chosen version must support.
    pub system: System,
    pub cache_use: CacheUse,
}

/// The copies of a server's list in the cache that are used without asking the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUse {
    /// Those that were fetched a short time ago.
    Recent,
    /// None: the server is asked whether its list has changed.
    Revalidate,
}

impl Sources<'_> {
    /// Returns these sources without recent copies.
    #[must_use]
    pub const fn revalidating(self) -> Self {
        Self {
            cache_use: CacheUse::Revalidate,
            ..self
        }
    }

    fn uses_recent_copies(&self) -> bool {
        self.cache_use == CacheUse::Recent
    }
}

/// Returns an address that a lockfile may have.
fn lockable_address(url: Url) -> Result<Url, Error> {
    if lockable(&url) {
        Ok(url)
    } else {
        Err(Error::Insecure {
            url: redact_url(&url),
        })
    }
}

/// Downloads a file whose digest is published nowhere, and returns its digest and its size in bytes.
///
/// The file for this system stays in the cache for the installation, unless `check` refuses it.
fn computed_digest(
    tool: &Tool,
    url: &Url,
    system: System,
    sources: Sources<'_>,
    check: impl FnOnce(&File) -> Result<(), Error>,
) -> Result<(Sha256, u64), Error> {
    let directory = sources.cache.join("downloads");
    let in_fetch = |source| Error::Fetch {
        tool: tool.clone(),
        source: Box::new(source),
    };
    let measured = sources.client.measure(url, &directory).map_err(in_fetch)?;
    check(measured.file())?;
    let (digest, size) = (measured.digest, measured.size);
    if system == sources.system {
        measured.keep(&directory).map_err(in_fetch)?;
    }
    Ok((digest, size))
}

impl CandidateKey {
    /// Returns the key of the candidates for `request`.
    pub fn of(tool: &Tool, request: &ToolRequest) -> Self {
        Self {
            tool: tool.clone(),
            components: request.components.clone(),
            targets: request.targets.clone(),
            options: request.options.clone(),
            channel: request.requirement.value.channel().map(ToOwned::to_owned),
        }
    }
}

impl Index {
    /// Adds candidates; a version that is in the list already stays unchanged.
    pub fn offer(&mut self, subject: CandidateKey, candidates: Vec<Candidate>) {
        let offers = self.offers.entry(subject).or_default();
        offers.extend(candidates);
        // The sort is stable: of equal ones the first one stays. One whose digests are known is the better one.
        let open = |one: &Candidate| !one.undigested.is_empty();
        offers.sort_by(|a, b| {
            let order = (&b.version, &b.build).cmp(&(&a.version, &a.build));
            order.then((a.rank, open(a)).cmp(&(b.rank, open(b))))
        });
        offers.dedup_by(|later, first| {
            (&later.version, &later.build, later.rank) == (&first.version, &first.build, first.rank)
        });
    }

    /// Adds the suppliers of a tool that do not serve.
    fn set_aside(&mut self, subject: CandidateKey, unused: Vec<UnusedSupplier>) {
        let all = self.unused.entry(subject).or_default();
        for one in unused {
            if !all.contains(&one) {
                all.push(one);
            }
        }
    }

    /// Returns the suppliers that were asked and do not serve.
    pub fn unused(&self, subject: &CandidateKey) -> &[UnusedSupplier] {
        self.unused.get(subject).map_or(&[], Vec::as_slice)
    }

    /// Marks the crates that none of these toolchains compiles; returns whether there is one.
    pub fn hold_to_toolchains(&mut self, toolchains: &[Version]) -> bool {
        let mut any = false;
        for candidate in self.offers.values_mut().flatten() {
            if let Some(oldest) = &candidate.rust {
                candidate.unsupported = !cargo::compiles_with_any(oldest, toolchains);
                any |= candidate.unsupported;
            }
        }
        any
    }

    /// Marks the applications that run on none of these Pythons.
    pub fn hold_to(&mut self, pythons: &[Version]) {
        for candidate in self.offers.values_mut().flatten() {
            if let Some(wanted) = &candidate.application {
                candidate.unsupported = !runs_on_any(wanted, pythons);
            }
        }
    }

    /// Returns the candidates, newest first; nothing if the subject was not looked up.
    pub fn candidates(&self, subject: &CandidateKey) -> Option<&[Candidate]> {
        self.offers.get(subject).map(Vec::as_slice)
    }
}

/// Returns the body of a document of a source.
fn get(
    tool: &Tool,
    url: &Url,
    accept: &str,
    limit: u64,
    sources: Sources<'_>,
) -> Result<Vec<u8>, Error> {
    let answer = sources.client.get(url, accept, limit);
    answer.map_err(unreachable(tool))
}

/// Returns the error for a tool whose source gave no answer.
fn unreachable(tool: &Tool) -> impl Fn(fetch::Error) -> Error + '_ {
    |source| Error::Fetch {
        tool: tool.clone(),
        source: Box::new(source),
    }
}

/// Returns the error for an answer that is not in its format.
fn unreadable(place: &Url, message: &str) -> Error {
    Error::Unreadable {
        place: redact_url(place).to_string(),
        message: message.to_owned(),
    }
}

/// The list of all releases that a publisher serves as one JSON document.
struct ReleaseList<'a, R> {
    address: &'a Url,
    /// Longest accepted document, in bytes.
    limit: u64,
    /// Returns the version of a release, if devsh can use it.
    candidate: fn(&R) -> Option<Candidate>,
}

impl<R: DeserializeOwned> ReleaseList<'_, R> {
    /// Returns the versions.
    fn read(&self, tool: &Tool, sources: Sources<'_>) -> Result<Vec<Candidate>, Error> {
        let list = self.address;
        let page = IndexPage {
            address: list,
            key: list,
            accept: "application/json",
            limit: self.limit,
        };
        let new = match page.fetch(sources).map_err(unreachable(tool))? {
            PageAnswer::Known(candidates) => return Ok(candidates),
            PageAnswer::New(new) => new,
        };
        let releases: Vec<R> = serde_json::from_slice(&new.body)
            .map_err(|error| unreadable(list, &error.to_string()))?;
        let candidates: Vec<Candidate> = releases.iter().filter_map(self.candidate).collect();
        if candidates.is_empty() {
            return Err(unreadable(list, "it lists no version"));
        }
        page.store(&new, sources, &candidates);
        Ok(candidates)
    }
}

/// Questions asked at the same time.
const PARALLEL: usize = 8;

#[cfg(test)]
mod tests;
