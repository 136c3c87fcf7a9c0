//! The sources of tools: which versions there are, and what to download for each.
//!
//! `fill` asks the sources for the requests that the lockfile does not answer. `Index` holds the answers in
//! memory, with public addresses only, and the choice of a version reads nothing else. `measure` adds the sizes
//! of the chosen artifacts. A source is one file or folder here, a value of [`Source`] and an arm in
//! `questions` and `ask`.

mod artifact_size;
mod error;
pub mod glibc;
pub mod host;
pub mod npm;
mod page_cache;
pub mod pypi;
pub mod python;
mod release_age;
pub mod rust;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use crate::{
    config::Config,
    fetch::Client,
    lockfile::{Artifact, LockKey, Lockfile, Upgrade, runs_on_any},
    manifest::ToolRequest,
    package::{Glibc, Source, System, Tool, Version},
    util::parallel,
};

pub use artifact_size::measure;
pub use error::Error;
pub use release_age::{TooYoung, newest_allowed};

/// The versions that may be chosen, for each subject that was looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    offers: BTreeMap<CandidateKey, Vec<Candidate>>,
}

/// The key of a list of candidates: a tool with its parts, and the channel if the request names one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CandidateKey {
    pub tool: Tool,
    /// Components beyond the default ones, sorted.
    pub components: Vec<String>,
    /// Further compilation targets, sorted.
    pub targets: Vec<String>,
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
    /// Parts that the request names and that do not exist, for each system that lacks one.
    #[serde(skip)]
    pub missing: BTreeMap<System, MissingPart>,
    /// Why the source withdrew the version, if it did; may be empty.
    pub yanked: Option<String>,
    /// Publication time in seconds since 1970, if the source gives one.
    pub released: Option<u64>,
    /// The tags that name this version (npm's `latest` and `next`).
    pub tags: Vec<String>,
    /// The Pythons that it runs on (`>=3.10`), if it is a Python application.
    pub application: Option<String>,
    /// Whether it is an application that runs on none of the chosen Pythons.
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
pub struct MissingPart {
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
            missing: BTreeMap::new(),
            yanked: None,
            released: None,
            tags: Vec::new(),
            application: None,
            unsupported: false,
            held: None,
            glibc: BTreeMap::new(),
            glibc_limit: None,
        }
    }
}

/// How the sources are reached.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    pub config: &'a Config,
    pub client: &'a Client,
    /// devsh's cache directory.
    pub cache: &'a Path,
    pub now: SystemTime,
    /// The system that the chosen version must support.
    pub system: System,
}

impl CandidateKey {
    /// Returns the key of the candidates for `request`.
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
    /// Adds candidates; a version that is in the list already stays unchanged.
    pub fn offer(&mut self, subject: CandidateKey, candidates: Vec<Candidate>) {
        let offers = self.offers.entry(subject).or_default();
        offers.extend(candidates);
        // The sort is stable: of equal ones the first one stays.
        offers.sort_by(|a, b| (&b.version, &b.build).cmp(&(&a.version, &a.build)));
        offers.dedup_by(|later, first| {
            (&later.version, &later.build) == (&first.version, &first.build)
        });
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

/// One question to one source.
enum Question<'a> {
    Python {
        tool: &'a Tool,
        flavour: &'a [String],
        use_cache: bool,
    },
    /// All requests together: they share channel manifests.
    Rust(Vec<rust::ToolchainRequest<'a>>),
    Pypi {
        tool: &'a Tool,
        /// Whether a cached page will do; not for an upgrade.
        use_cache: bool,
    },
    Npm {
        tool: &'a Tool,
        use_cache: bool,
    },
}

/// Asks the sources for everything that `previous` does not answer, and for nothing else.
///
/// A request that contradicts itself is left out: no version fits, and the choice reports it.
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
    let answers = parallel::map(PARALLEL, &questions, |question| ask(question, sources));
    for (question, answer) in questions.iter().zip(answers) {
        let answer = answer?;
        match question {
            Question::Rust(toolchains) => {
                for (toolchain, mut candidates) in toolchains.iter().zip(answer) {
                    release_age::hold(&mut candidates, toolchain.tool, sources);
                    index.offer(
                        CandidateKey::of(toolchain.tool, toolchain.request),
                        candidates,
                    );
                }
            }
            Question::Python { tool, .. }
            | Question::Pypi { tool, .. }
            | Question::Npm { tool, .. } => {
                let mut candidates: Vec<Candidate> = answer.into_iter().flatten().collect();
                release_age::hold(&mut candidates, tool, sources);
                glibc::check(&mut candidates, sources);
                for (_, request) in open.values().filter(|(asked, request)| {
                    asked == tool && question.covers(&request.components)
                }) {
                    let mut candidates = candidates.clone();
                    if tool.source == Source::Npm {
                        npm::select_tagged(tool, &mut candidates, request)?;
                    }
                    index.offer(CandidateKey::of(tool, request), candidates);
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
    let rust: Vec<rust::ToolchainRequest<'_>> = open
        .values()
        .filter(|(tool, _)| tool.source == Source::Rust)
        .map(|(tool, request)| rust::ToolchainRequest {
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
        use_cache: !upgrade.covers(tool),
    };
    let mut questions: Vec<Question<'_>> = pythons.into_iter().map(python).collect();
    if !rust.is_empty() {
        questions.push(Question::Rust(rust));
    }
    questions.extend(tools(Source::Pypi).into_iter().map(|tool| Question::Pypi {
        tool,
        use_cache: !upgrade.covers(tool),
    }));
    questions.extend(tools(Source::Npm).into_iter().map(|tool| Question::Npm {
        tool,
        use_cache: !upgrade.covers(tool),
    }));
    questions
}

impl Question<'_> {
    /// Returns whether the answer serves a request with these components.
    fn covers(&self, components: &[String]) -> bool {
        match self {
            Self::Python { flavour, .. } => *flavour == components,
            _ => true,
        }
    }
}

/// Returns a list of candidates for each request of the question: one list from the sources that list all
/// versions.
fn ask(question: &Question<'_>, sources: Sources<'_>) -> Result<Vec<Vec<Candidate>>, Error> {
    match question {
        Question::Python {
            tool,
            flavour,
            use_cache,
        } => python::candidates(tool, flavour, sources, *use_cache).map(|all| vec![all]),
        Question::Rust(toolchains) => rust::candidates(toolchains, sources),
        Question::Pypi { tool, use_cache } => {
            pypi::candidates(tool, sources, *use_cache).map(|all| vec![all])
        }
        Question::Npm { tool, use_cache } => {
            npm::candidates(tool, sources, *use_cache).map(|all| vec![all])
        }
    }
}

/// Questions asked at the same time.
const PARALLEL: usize = 8;

#[cfg(test)]
mod tests;
