//! The reasons against candidates, and the candidates that an error names.

use std::cmp::Reverse;

use super::{Constraint, Error, Reason, Refusal};
use crate::{
    manifest::{Located, ToolRequest},
    package::{FREETHREADED, Requirement, System, Tool, Version},
    sources::{Candidate, ToolQuery, UnusedSupplier},
};

/// Most refused versions in an error.
const MOST_NAMED: usize = 4;

/// Returns the reasons against a candidate; none if it may be chosen.
pub(super) fn reasons(request: &ToolRequest, candidate: &Candidate, system: System) -> Vec<Reason> {
    let version = &candidate.version;
    let mut reasons = Vec::new();
    if !request.admits(version) {
        let compared = match request.requirement.value.channel() {
            Some(_) => version.final_release(),
            None => version.clone(),
        };
        reasons.extend(
            request
                .constraints()
                .filter(|one| !one.value.covers(&compared))
                .map(|one| Reason::NotAdmitted(constraint(one))),
        );
        if version.is_prerelease() && !request.requirement.value.names_prerelease() {
            reasons.push(Reason::Prerelease);
        }
    }
    // An exact version is the user's decision, also for a withdrawn release.
    let pinned = request
        .requirement
        .value
        .exact()
        .is_some_and(|exact| exact == *version);
    if let Some(reason) = &candidate.yanked
        && !pinned
    {
        reasons.push(Reason::Yanked(reason.clone()));
    }
    reasons.extend(candidate.held.map(Reason::Held));
    let python = candidate
        .application
        .iter()
        .filter(|_| candidate.unsupported);
    reasons.extend(python.map(|python| Reason::OtherPython(python.clone())));
    let rust = candidate.rust.iter().filter(|_| candidate.unsupported);
    reasons.extend(rust.map(|rust| Reason::NewerRust(rust.clone())));
    if !candidate.supports(system) {
        let missing = candidate.missing.get(&system);
        let glibc = candidate.glibc.get(&system).zip(candidate.glibc_limit);
        reasons.push(match (missing, glibc) {
            (Some(missing), _) => Reason::UnavailablePart {
                missing: missing.clone(),
                system,
            },
            (None, Some((needed, limit))) => Reason::Glibc {
                needed: *needed,
                limit,
            },
            (None, None) => Reason::NoArtifact(system),
        });
    }
    if let Some(expected) = request.requirement.value.digest() {
        let mut artifacts = candidate.artifacts.values().flatten();
        if artifacts.any(|artifact| artifact.digest != *expected) {
            let origin = request.requirement.origin.clone();
            reasons.push(Reason::OtherDigest(origin));
        }
    }
    reasons
}

/// Returns the error for bounds that exclude each other.
pub(super) fn contradiction(tool: &Tool, request: &ToolRequest) -> Error {
    Error::Contradiction {
        tool: tool.clone(),
        constraints: request.constraints().map(constraint).collect(),
    }
}

/// Returns the error for candidates that were all refused.
pub(super) fn no_version(
    sought: ToolQuery<'_>,
    candidates: &[Candidate],
    unused: &[UnusedSupplier],
) -> Error {
    let ToolQuery {
        tool,
        request,
        system,
        ..
    } = sought;
    let mut refused: Vec<Refusal> = candidates
        .iter()
        .map(|candidate| Refusal {
            version: candidate.version.clone(),
            reasons: reasons(request, candidate, system),
        })
        .collect();
    refused.sort_by(|a, b| b.version.cmp(&a.version));
    // If only a part is missing, the error is about the part, not about versions.
    let lacking = refused
        .iter()
        .find_map(|refusal| match &refusal.reasons[..] {
            [Reason::UnavailablePart { missing, .. }] => {
                Some((Box::new(refusal.version.clone()), missing.clone()))
            }
            _ => None,
        });
    if let Some((version, missing)) = lacking {
        let origin = request.requirement.origin.clone();
        return Error::UnavailablePart {
            tool: tool.clone(),
            version,
            missing,
            system,
            origin,
        };
    }
    Error::NoVersion {
        tool: tool.clone(),
        system,
        constraints: flavoured(request),
        oldest: oldest_if_older_is_asked(request, &refused),
        refused: closest(request, refused),
        unused: unused.to_vec(),
    }
}

/// Returns the oldest stable version if the requirement names a still older one.
fn oldest_if_older_is_asked(request: &ToolRequest, refused: &[Refusal]) -> Option<Version> {
    let stable = refused.iter().map(|one| &one.version);
    let oldest = stable.filter(|version| !version.is_prerelease()).min()?;
    let asked = first_version(request.requirement.value.as_str());
    let same_length = oldest.release().iter().take(asked.len());
    asked.iter().lt(same_length).then(|| oldest.clone())
}

/// Returns the versions that are most like what is asked for, nearest first, and the newest stable version.
fn closest(request: &ToolRequest, mut refused: Vec<Refusal>) -> Vec<Refusal> {
    let newest = refused
        .iter()
        .find(|refusal| !refusal.version.is_prerelease())
        .cloned();
    let all = request.constraints().map(|one| one.value.as_str());
    let all: Vec<&str> = all.collect();
    let versions: Vec<Version> = refused.iter().map(|one| one.version.clone()).collect();
    // The sort is stable: of equals the newer one stays first.
    refused.sort_by_key(|refusal| {
        let excluded = |reason: &Reason| match reason {
            Reason::NotAdmitted(bound) => Some(bound.requirement.clone()),
            _ => None,
        };
        let bounds: Vec<String> = refusal.reasons.iter().filter_map(excluded).collect();
        // A version is far from the bound that excludes it, also if it meets another one exactly.
        let asked: Vec<Vec<u64>> = if bounds.is_empty() {
            all.iter().map(|one| first_version(one)).collect()
        } else {
            bounds.iter().map(|one| first_version(one)).collect()
        };
        let distances = asked.iter().filter(|asked| !asked.is_empty());
        let distance = distances
            .map(|asked| distance(asked, refusal.version.release(), &versions))
            .min();
        (bounds.len(), refusal.reasons.len(), distance)
    });
    refused.truncate(MOST_NAMED);
    if let Some(newest) = newest
        && !refused.contains(&newest)
    {
        refused.pop();
        refused.push(newest);
    }
    refused
}

/// Returns the longest beginning (`20`, `0.12`) that a requirement and a version have in common.
pub fn common_line(requirement: &str, version: &Version) -> Option<String> {
    let asked = first_version(requirement);
    let both = asked.iter().zip(version.release());
    let equal = both.take_while(|(asked, found)| asked == found);
    let numbers: Vec<String> = equal.map(|(number, _)| number.to_string()).collect();
    (!numbers.is_empty()).then(|| numbers.join("."))
}

/// Returns the numbers of the first version in a requirement.
fn first_version(requirement: &str) -> Vec<u64> {
    let version = requirement.trim_start_matches(|one: char| !one.is_ascii_digit());
    let numbers = version.split('.').map(str::parse::<u64>);
    numbers.map_while(Result::ok).collect()
}

/// Returns how far a version is from one that is asked for: after how many equal numbers they differ, and by how much if
/// already the first differs, or if all `versions` are newer.
fn distance(asked: &[u64], release: &[u64], versions: &[Version]) -> (Reverse<usize>, u64) {
    let number = |numbers: &[u64], at: usize| numbers.get(at).copied().unwrap_or_default();
    let equal = (0..asked.len()).take_while(|at| number(asked, *at) == number(release, *at));
    let equal = equal.count();
    let is_too_old = versions.iter().all(|one| one.release() > asked);
    // Of a line that begins alike the newest is the most useful one.
    let apart = if equal == 0 || is_too_old {
        number(asked, equal).abs_diff(number(release, equal))
    } else {
        0
    };
    (Reverse(equal), apart)
}

/// Returns every bound; for python with the requested flavour, which other builds do not have.
fn flavoured(request: &ToolRequest) -> Vec<Constraint> {
    let mut constraints: Vec<Constraint> = request.constraints().map(constraint).collect();
    if request.components.iter().any(|one| one == FREETHREADED)
        && let Some(first) = constraints.first_mut()
    {
        first.requirement.push_str(", free-threaded");
    }
    constraints
}

fn constraint(bound: &Located<Requirement>) -> Constraint {
    Constraint {
        requirement: bound.value.as_str().to_owned(),
        origin: bound.origin.clone(),
    }
}
