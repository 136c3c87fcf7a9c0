//! Chooses a version for every request. Pure.
//!
//! `solver` chooses one, `explain` tells why there is none. Tools stand alone, so each request is answered
//! by itself. Invariant: the answer depends on the set of requests, never on their order, and resolving
//! from its own lockfile changes nothing.

mod explain;
mod held;
mod solver;

use std::collections::BTreeMap;

use crate::{
    lockfile::{LockKey, Lockfile},
    manifest::{Origin, ToolRequest},
    package::{System, Tool, Version},
    sources::{Index, MissingPart, TooYoung},
};

pub use crate::lockfile::Upgrade;
pub use held::{HeldBack, held_back};

/// A request that no version answers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bounds exclude each other, whatever versions there are.
    #[error("the requirements on `{tool}` contradict each other")]
    Contradiction {
        /// The tool.
        tool: Tool,
        /// Every bound, the requirement first.
        constraints: Vec<Constraint>,
    },
    /// No version meets every bound and can be used on this system.
    #[error("no version of `{tool}` satisfies every requirement")]
    NoVersion {
        /// The tool.
        tool: Tool,
        /// The system that must be able to use it.
        system: System,
        /// Every bound, the requirement first.
        constraints: Vec<Constraint>,
        /// The versions that came closest, newest first; empty when the source has none at all.
        refused: Vec<Refusal>,
    },
    /// The one version that is wanted lacks a part on this system.
    #[error("`{tool}` {version} has no `{}` for {system}", .missing.part)]
    MissingPart {
        /// The tool.
        tool: Tool,
        /// The version that satisfies every bound.
        version: Box<Version>,
        /// The part.
        missing: MissingPart,
        /// The system.
        system: System,
        /// Where the tool is asked for.
        origin: Origin,
    },
    /// The lockfile has no answer and no source was asked.
    #[error("`{tool}` is not locked")]
    NotAsked {
        /// The tool.
        tool: Tool,
        /// Where it is asked for.
        origin: Origin,
    },
}

/// A bound on a version and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// The bound as written.
    pub requirement: String,
    /// Where.
    pub origin: Origin,
}

/// A version that was not chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The version.
    pub version: Version,
    /// Why; never empty.
    pub reasons: Vec<Reason>,
}

/// Why a version was not chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A bound excludes it.
    #[error("not admitted by {} (`{}`)", .0.origin, .0.requirement)]
    NotAdmitted(Constraint),
    /// The requirement does not ask for pre-releases.
    #[error("a pre-release")]
    Prerelease,
    /// The source withdrew it.
    #[error("withdrawn by its publisher{}", because(.0))]
    Yanked(String),
    /// It came out a short time ago, and the settings ask for older ones.
    #[error("{0}")]
    Held(TooYoung),
    /// It is a Python application, and no Python that is chosen is one of those that it runs on.
    #[error("for Python {0} only")]
    OtherPython(String),
    /// A part does not exist.
    #[error("no `{}` for {system}", .missing.part)]
    MissingPart {
        /// The part.
        missing: MissingPart,
        /// The system.
        system: System,
    },
    /// There is nothing to download.
    #[error("no artifact for {0}")]
    NoArtifact(System),
}

fn because(reason: &str) -> String {
    let line = reason.lines().next().unwrap_or_default();
    if line.is_empty() {
        String::new()
    } else {
        format!(": {line}")
    }
}

/// Returns the lockfile that answers every request for `system`, changing `previous` as little as it can.
pub fn resolve(
    requests: &[(Tool, ToolRequest)],
    index: &Index,
    previous: &Lockfile,
    upgrade: &Upgrade,
    system: System,
) -> Result<Lockfile, Error> {
    let mut asked: BTreeMap<LockKey, (&Tool, &ToolRequest)> = BTreeMap::new();
    for (tool, request) in requests {
        let (_, known) = asked
            .entry(LockKey::for_request(tool, request))
            .or_insert((tool, request));
        // Of several places that ask the same the first is named.
        if request.requirement.origin < known.requirement.origin {
            *known = request;
        }
    }
    let packages = asked.into_iter().map(|(key, (tool, request))| {
        if request.is_contradictory() {
            return Err(explain::contradiction(tool, request));
        }
        let package = match previous.kept(tool, request, upgrade, system) {
            Some(kept) => kept.clone(),
            None => solver::choose(tool, request, index, previous, (upgrade, system))?,
        };
        Ok((key, package))
    });
    Ok(Lockfile {
        packages: packages.collect::<Result<_, _>>()?,
        extends: previous.extends.clone(),
        ..Lockfile::default()
    })
}

/// Returns every version that the source has, newest first, each with what speaks against it.
pub fn refusals(tool: &Tool, request: &ToolRequest, index: &Index, system: System) -> Vec<Refusal> {
    let candidates = index.candidates(&crate::sources::Subject::of(tool, request));
    let mut all: Vec<Refusal> = candidates
        .unwrap_or_default()
        .iter()
        .map(|candidate| Refusal {
            version: candidate.version.clone(),
            reasons: explain::reasons(request, candidate, system),
        })
        .collect();
    all.sort_by(|one, other| other.version.cmp(&one.version));
    all
}

#[cfg(test)]
mod tests;
