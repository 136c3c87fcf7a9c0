//! Chooses a version for every request. Pure.
//!
//! `choose` takes the newest version without a reason against it, and `explain` finds these reasons. Tools do not
//! depend on each other, so each request is answered alone. The answer depends on the set of requests, not on their
//! order, and a second run from its own lockfile changes nothing.

mod choose;
mod held;
mod reasons;

use std::collections::BTreeMap;

use crate::{
    lockfile::{LockKey, Lockfile},
    manifest::{NamedRequest, Origin, ToolRequest},
    package::{Glibc, System, Tool, Version},
    sources::{Index, TooYoung, ToolQuery, UnavailablePart, UnusedSupplier},
};

pub use crate::lockfile::Upgrade;
pub use choose::{best, chosen};
pub use held::{HeldBack, held_back};
pub use reasons::common_line;

/// A request that no version answers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bounds exclude each other.
    #[error("the requirements on `{tool}` contradict each other")]
    Contradiction {
        tool: Tool,
        /// Every bound, the requirement first.
        constraints: Vec<Constraint>,
    },
    /// No version satisfies every bound and supports this system.
    #[error("no version of `{tool}` satisfies every requirement")]
    NoVersion {
        tool: Tool,
        system: System,
        /// Every bound, the requirement first.
        constraints: Vec<Constraint>,
        /// The closest versions, nearest first; empty if the source has no version.
        refused: Vec<Refusal>,
        /// The oldest version, if what is asked for is older still.
        oldest: Option<Version>,
        /// The suppliers that do not have it, if the tool has several.
        unused: Vec<UnusedSupplier>,
    },
    /// The right version lacks a part on this system.
    #[error("`{tool}` {version} has no `{}` for {system}", .missing.part)]
    UnavailablePart {
        tool: Tool,
        /// The version that satisfies every bound.
        version: Box<Version>,
        missing: UnavailablePart,
        system: System,
        /// The place of the request.
        origin: Origin,
    },
    /// The lockfile has no answer and no source was asked.
    #[error("`{tool}` is not locked")]
    NotAsked {
        tool: Tool,
        /// The place of the request.
        origin: Origin,
    },
}

impl Error {
    /// Returns the tool that has no version.
    pub const fn tool(&self) -> &Tool {
        match self {
            Self::Contradiction { tool, .. }
            | Self::NoVersion { tool, .. }
            | Self::UnavailablePart { tool, .. }
            | Self::NotAsked { tool, .. } => tool,
        }
    }
}

/// A bound on a version with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// The bound as written.
    pub requirement: String,
    pub origin: Origin,
}

/// A version that was not chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub version: Version,
    /// Never empty.
    pub reasons: Vec<Reason>,
}

/// The reason why a version was not chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A bound excludes it.
    #[error("not admitted by {} (`{}`)", .0.origin, .0.requirement)]
    NotAdmitted(Constraint),
    /// The requirement does not ask for pre-releases.
    #[error("a pre-release")]
    Prerelease,
    /// Its publisher withdrew it.
    #[error("withdrawn by its publisher{}", because(.0))]
    Yanked(String),
    /// It is younger than `minimum-release-age`.
    #[error("{0}")]
    Held(TooYoung),
    /// It is a Python application that runs on none of the chosen Pythons.
    #[error("for Python {0} only")]
    OtherPython(String),
    /// No chosen toolchain compiles the crate.
    #[error("it needs rust {0}")]
    NewerRust(Version),
    /// A part does not exist.
    #[error("no `{}` for {system}", .missing.part)]
    UnavailablePart {
        missing: UnavailablePart,
        system: System,
    },
    /// Its archive is not the one that a version file names.
    #[error("another archive than the SHA-512 at {0}")]
    OtherDigest(Origin),
    /// Its programs need a newer glibc.
    #[error("for glibc {needed} and later, and {limit} is the newest that a tool may need")]
    Glibc { needed: Glibc, limit: Glibc },
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

/// Returns the lockfile that answers every request for `system`, with as few changes to `previous` as possible.
pub fn resolve(
    requests: &[NamedRequest],
    index: &Index,
    previous: &Lockfile,
    upgrade: &Upgrade,
    system: System,
) -> Result<Lockfile, Error> {
    let mut asked: BTreeMap<LockKey, (&Tool, &ToolRequest)> = BTreeMap::new();
    for NamedRequest { tool, request } in requests {
        let (_, known) = asked
            .entry(LockKey::for_request(tool, request))
            .or_insert((tool, request));
        // Of several places with the same request, errors name the first.
        if request.requirement.origin < known.requirement.origin {
            *known = request;
        }
    }
    let packages = asked.into_iter().map(|(key, (tool, request))| {
        if request.is_contradictory() {
            return Err(reasons::contradiction(tool, request));
        }
        let sought = ToolQuery {
            tool,
            request,
            previous,
            upgrade,
            system,
        };
        let package = match previous.kept(tool, request, upgrade, system) {
            Some(kept) => kept.clone(),
            None => choose::locked_package(tool, chosen(sought, index)?),
        };
        Ok((key, package))
    });
    Ok(Lockfile {
        packages: packages.collect::<Result<_, _>>()?,
        extends: previous.extends.clone(),
        image_bases: previous.image_bases.clone(),
        ..Lockfile::default()
    })
}

/// Returns every version of the source, newest first, with the reasons against it.
pub fn refusals(tool: &Tool, request: &ToolRequest, index: &Index, system: System) -> Vec<Refusal> {
    let candidates = index.candidates(&crate::sources::CandidateKey::of(tool, request));
    let mut all: Vec<Refusal> = candidates
        .unwrap_or_default()
        .iter()
        .map(|candidate| Refusal {
            version: candidate.version.clone(),
            reasons: reasons::reasons(request, candidate, system),
        })
        .collect();
    all.sort_by(|one, other| other.version.cmp(&one.version));
    all
}

#[cfg(test)]
mod tests;
