//! The choice of one version among the candidates for one request.

use std::cmp::Reverse;

use super::{Error, reasons};
use crate::{
    lockfile::{Application, EntryOrigin, LockedPackage},
    package::Tool,
    sources::{Candidate, CandidateKey, Index, ToolQuery},
};

/// Returns the position of the best candidate: a version that was locked already, else one of the first supplier that has
/// any, and of these the newest one that runs on every machine, else the newest one.
pub fn best(sought: ToolQuery<'_>, candidates: &[Candidate]) -> Option<usize> {
    let ToolQuery {
        tool,
        request,
        previous,
        upgrade,
        system,
    } = sought;
    let locked = |candidate: &Candidate| {
        !upgrade.covers(tool)
            && previous.similar(tool, request).any(|(_, package)| {
                (&package.version, &package.build) == (&candidate.version, &candidate.build)
                    && tool.supplier_rank(&package.supplier) == Some(candidate.rank)
            })
    };
    let usable = candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| reasons::reasons(request, candidate, system).is_empty());
    let best = usable.max_by_key(|(_, candidate)| {
        (
            locked(candidate),
            Reverse(candidate.rank),
            candidate.glibc.is_empty(),
            &candidate.version,
            &candidate.build,
        )
    });
    best.map(|(position, _)| position)
}

/// Returns the candidate that `best` chooses from an index.
pub fn chosen<'i>(sought: ToolQuery<'_>, index: &'i Index) -> Result<&'i Candidate, Error> {
    let ToolQuery { tool, request, .. } = sought;
    let key = CandidateKey::of(tool, request);
    let candidates = index.candidates(&key).ok_or_else(|| Error::NotAsked {
        tool: tool.clone(),
        origin: request.requirement.origin.clone(),
    })?;
    best(sought, candidates)
        .and_then(|position| candidates.get(position))
        .ok_or_else(|| reasons::no_version(sought, candidates, index.unused(&key)))
}

/// Returns the lock entry for a candidate of a tool.
pub(super) fn locked_package(tool: &Tool, candidate: &Candidate) -> LockedPackage {
    let ranked = || tool.suppliers().into_iter().nth(candidate.rank);
    let supplier = candidate.supplier.clone().or_else(ranked);
    let application = candidate.application.as_ref();
    LockedPackage {
        origin: EntryOrigin::Chosen,
        version: candidate.version.clone(),
        supplier: supplier.unwrap_or_else(|| tool.unnamed_supplier()),
        build: candidate.build.clone(),
        checked: candidate.checked.clone(),
        verified: candidate.verified.clone(),
        artifacts: candidate.artifacts.clone(),
        application: application.map(|python| Application {
            python: python.clone(),
            packages: Vec::new(),
        }),
    }
}
