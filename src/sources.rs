//! What the sources offer: versions and their artifacts, in memory.
//!
//! `fill` asks the sources for what the lockfile does not answer yet, `Index` holds what they said,
//! `measure` adds sizes to what was chosen. Invariant: choosing looks at the `Index` alone, and artifacts
//! in it have public addresses.

mod artifact_size;
mod error;
pub mod host;
mod npm;
mod page_cache;
pub mod pypi;
pub mod python;
mod release_age;
pub mod rust;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::SystemTime,
};

use url::Url;

use crate::{
    config::Config,
    fetch::Client,
    lockfile::{Artifact, LockKey, Lockfile, Upgrade, runs_on_any},
    manifest::ToolRequest,
    package::{Source, System, Tool, Version},
};

pub use artifact_size::measure;
pub use error::Error;
pub use npm::complete;
pub use release_age::{Held, newest_allowed};
use release_age::{day_seconds, time_seconds};

/// The versions that may be chosen, for each subject that was looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    offers: BTreeMap<Subject, Vec<Candidate>>,
}

/// What candidates are listed for: a tool with its parts, and the channel if one is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The tool.
    pub tool: Tool,
    /// Components beyond the default ones, sorted.
    pub components: Vec<String>,
    /// Further compilation targets, sorted.
    pub targets: Vec<String>,
    /// The channel, which lists other versions than the numbered releases.
    pub channel: Option<String>,
}

/// A version that a source offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The version.
    pub version: Version,
    /// Day of the channel manifest for rust, build date for python.
    pub build: Option<String>,
    /// What to download, for each system that has every part; sorted by part.
    pub artifacts: BTreeMap<System, Vec<Artifact>>,
    /// Parts that were asked for and do not exist, for each system that lacks one.
    pub missing: BTreeMap<System, MissingPart>,
    /// Why the source withdrew the version, if it did; may be empty.
    pub yanked: Option<String>,
    /// Since when it is out, in seconds since 1970, if the source tells.
    pub released: Option<u64>,
    /// The Pythons that it runs on (`>=3.10`), if it is a Python application.
    pub application: Option<String>,
    /// Whether it is an application that runs on no Python that is chosen.
    pub unsupported: bool,
    /// Why it may not be chosen yet, where the settings ask for a minimum age.
    pub held: Option<Held>,
}

/// A part that was asked for and does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingPart {
    /// The component, or `rust-std-<target>` for a target.
    pub part: String,
    /// The component or target whose name is most like it, if one is.
    pub near: Option<String>,
}

impl Candidate {
    /// Returns a version that has nothing to download yet.
    pub const fn new(version: Version) -> Self {
        Self {
            version,
            build: None,
            artifacts: BTreeMap::new(),
            missing: BTreeMap::new(),
            yanked: None,
            released: None,
            application: None,
            unsupported: false,
            held: None,
        }
    }
}

/// Where to ask, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The user's settings.
    pub config: &'a Config,
    /// The network.
    pub client: &'a Client,
    /// The user's cache directory.
    pub cache: &'a Path,
    /// The time.
    pub now: SystemTime,
    /// The system that must be able to use the choice.
    pub system: System,
}

impl Subject {
    /// Returns what candidates for `request` are listed under.
    pub fn of(tool: &Tool, request: &ToolRequest) -> Self {
        Self {
            tool: tool.clone(),
            components: request.components.clone(),
            targets: request.targets.clone(),
            channel: request.requirement.value.channel().map(ToOwned::to_owned),
        }
    }
}

impl Index {
    /// Adds candidates; one that is there already stays as it is.
    pub fn offer(&mut self, subject: Subject, candidates: Vec<Candidate>) {
        let offers = self.offers.entry(subject).or_default();
        for candidate in candidates {
            let known = |other: &Candidate| {
                (&other.version, &other.build) == (&candidate.version, &candidate.build)
            };
            if !offers.iter().any(known) {
                offers.push(candidate);
            }
        }
        offers.sort_by(|a, b| (&b.version, &b.build).cmp(&(&a.version, &a.build)));
    }

    /// Marks the applications that run on none of these Pythons.
    pub fn hold_to(&mut self, pythons: &[Version]) {
        for candidate in self.offers.values_mut().flatten() {
            if let Some(wanted) = &candidate.application {
                candidate.unsupported = !runs_on_any(wanted, pythons);
            }
        }
    }

    /// Returns the candidates, newest first, or nothing when the subject was not looked up.
    pub fn candidates(&self, subject: &Subject) -> Option<&[Candidate]> {
        self.offers.get(subject).map(Vec::as_slice)
    }
}

/// One question to one source.
enum Question<'a> {
    Python {
        tool: &'a Tool,
        flavour: &'a [String],
        kept: bool,
    },
    /// All of them at once: they share channel manifests.
    Rust(Vec<rust::Wanted<'a>>),
    Pypi {
        tool: &'a Tool,
        /// Whether a page kept from a short time ago does; not for who asks for the newest.
        kept: bool,
    },
    Npm {
        tool: &'a Tool,
        kept: bool,
    },
}

/// Asks the sources for everything that `previous` does not answer; no source is asked for anything else.
///
/// Requests that contradict themselves are left out: no answer could help, and choosing tells why.
pub fn fill(
    requests: &[(Tool, ToolRequest)],
    previous: &Lockfile,
    upgrade: &Upgrade,
    sources: Sources<'_>,
) -> Result<Index, Error> {
    let mut open: BTreeMap<LockKey, (&Tool, &ToolRequest)> = BTreeMap::new();
    for (tool, request) in requests {
        let kept = previous
            .kept(tool, request, upgrade, sources.system)
            .is_some();
        if !kept && !request.is_contradictory() {
            open.insert(LockKey::for_request(tool, request), (tool, request));
        }
    }
    let mut index = Index::default();
    let questions = questions(&open, previous, upgrade);
    let answers = parallel(&questions, |question| ask(question, sources));
    for (question, answer) in questions.iter().zip(answers) {
        let answer = answer?;
        match question {
            Question::Rust(wanted) => {
                for (wanted, mut candidates) in wanted.iter().zip(answer) {
                    release_age::hold(&mut candidates, wanted.tool, (sources.config, sources.now));
                    index.offer(Subject::of(wanted.tool, wanted.request), candidates);
                }
            }
            Question::Python { tool, .. }
            | Question::Pypi { tool, .. }
            | Question::Npm { tool, .. } => {
                let mut candidates: Vec<Candidate> = answer.into_iter().flatten().collect();
                release_age::hold(&mut candidates, tool, (sources.config, sources.now));
                for (_, request) in open.values().filter(|(asked, request)| {
                    asked == tool && question.is_about(&request.components)
                }) {
                    let mut candidates = candidates.clone();
                    if tool.source == Source::Npm {
                        npm::prefer_latest(&mut candidates, request);
                    }
                    index.offer(Subject::of(tool, request), candidates);
                }
            }
        }
    }
    Ok(index)
}

fn questions<'a>(
    open: &BTreeMap<LockKey, (&'a Tool, &'a ToolRequest)>,
    previous: &'a Lockfile,
    upgrade: &Upgrade,
) -> Vec<Question<'a>> {
    let tools = |source: Source| -> BTreeSet<&'a Tool> {
        open.values()
            .map(|(tool, _)| *tool)
            .filter(|tool| tool.source == source)
            .collect()
    };
    let rust: Vec<rust::Wanted<'_>> = open
        .values()
        .filter(|(tool, _)| tool.source == Source::Rust)
        .map(|(tool, request)| rust::Wanted {
            tool,
            request,
            preferred: previous
                .similar(tool, request)
                .filter(|_| !upgrade.covers(tool))
                .map(|(_, package)| package)
                .collect(),
        })
        .collect();
    let pythons: BTreeSet<(&Tool, &[String])> = open
        .values()
        .filter(|(tool, _)| tool.source == Source::Python)
        .map(|(tool, request)| (*tool, &*request.components))
        .collect();
    let python = |(tool, flavour)| Question::Python {
        tool,
        flavour,
        kept: !upgrade.covers(tool),
    };
    let mut questions: Vec<Question<'_>> = pythons.into_iter().map(python).collect();
    if !rust.is_empty() {
        questions.push(Question::Rust(rust));
    }
    questions.extend(tools(Source::Pypi).into_iter().map(|tool| Question::Pypi {
        tool,
        kept: !upgrade.covers(tool),
    }));
    questions.extend(tools(Source::Npm).into_iter().map(|tool| Question::Npm {
        tool,
        kept: !upgrade.covers(tool),
    }));
    questions
}

impl Question<'_> {
    /// Returns whether the answer is one for a request with these components.
    fn is_about(&self, components: &[String]) -> bool {
        match self {
            Self::Python { flavour, .. } => *flavour == components,
            _ => true,
        }
    }
}

/// Returns a list of candidates for each request of the question; one for the sources that list all.
fn ask(question: &Question<'_>, sources: Sources<'_>) -> Result<Vec<Vec<Candidate>>, Error> {
    match question {
        Question::Python {
            tool,
            flavour,
            kept,
        } => python::candidates(tool, flavour, sources, *kept).map(|all| vec![all]),
        Question::Rust(wanted) => rust::candidates(wanted, sources),
        Question::Pypi { tool, kept } => {
            pypi::candidates(tool, sources, *kept).map(|all| vec![all])
        }
        Question::Npm { tool, kept } => npm::candidates(tool, sources, *kept).map(|all| vec![all]),
    }
}

/// Most questions asked at the same time.
const PARALLEL: usize = 8;

/// Runs `work` for every item in a few threads and returns the results in the order of the items.
pub(crate) fn parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if let [only] = items {
        return vec![work(only)];
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut results = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else {
                break results;
            };
            results.push((at, work(item)));
        }
    };
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..items.len().min(PARALLEL))
            .map(|_| scope.spawn(worker))
            .collect();
        let joined = threads.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        joined.flatten().collect()
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Returns an address as it may be shown and kept: without user name, password and fragment.
fn anonymous(mut url: Url) -> Url {
    // Only an address without a host refuses this, and such an address has no credentials.
    let _refused = url.set_username("").and_then(|()| url.set_password(None));
    url.set_fragment(None);
    url
}

#[cfg(test)]
mod tests;
