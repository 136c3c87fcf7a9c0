//! The choice of one version among the candidates for one request.

use super::{Error, Upgrade, explain};
use crate::{
    lockfile::{Application, LockedPackage, Lockfile},
    manifest::ToolRequest,
    package::{System, Tool},
    sources::{Candidate, CandidateKey, Index},
};

/// Returns the best candidate: a version that was locked already, else the newest one that runs on every machine, else the
/// newest one.
pub(super) fn choose(
    tool: &Tool,
    request: &ToolRequest,
    index: &Index,
    previous: &Lockfile,
    upgrade: &Upgrade,
    system: System,
) -> Result<LockedPackage, Error> {
    let candidates = index
        .candidates(&CandidateKey::of(tool, request))
        .ok_or_else(|| Error::NotAsked {
            tool: tool.clone(),
            origin: request.requirement.origin.clone(),
        })?;
    let locked = |candidate: &Candidate| {
        !upgrade.covers(tool)
            && previous.similar(tool, request).any(|(_, package)| {
                (&package.version, &package.build) == (&candidate.version, &candidate.build)
            })
    };
    let best = candidates
        .iter()
        .filter(|candidate| explain::reasons(request, candidate, system).is_empty())
        .max_by_key(|candidate| {
            let portable = candidate.glibc.is_empty();
            (
                locked(candidate),
                portable,
                &candidate.version,
                &candidate.build,
            )
        })
        .ok_or_else(|| explain::no_version(tool, request, candidates, system))?;
    let application = best.application.as_ref();
    Ok(LockedPackage {
        version: best.version.clone(),
        build: best.build.clone(),
        artifacts: best.artifacts.clone(),
        application: application.map(|python| Application {
            python: python.clone(),
            packages: Vec::new(),
        }),
    })
}
