//! Newer versions that are held back by `minimum-release-age`. Pure.

use super::{Reason, reasons};
use crate::{
    lockfile::Lockfile,
    manifest::NamedRequest,
    package::{System, Tool, Version},
    sources::{CandidateKey, Index, TooYoung},
};

/// A published version that may not be chosen yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    pub tool: Tool,
    /// The version that is locked instead.
    pub locked: Version,
    /// The newest version that is held back.
    pub newer: Version,
    pub held: TooYoung,
}

/// Returns the versions that are held back for `requests`, in their order, for the tools in `index`.
pub fn held_back(
    requests: &[NamedRequest],
    index: &Index,
    lockfile: &Lockfile,
    system: System,
) -> Vec<HeldBack> {
    let of_one = |NamedRequest { tool, request }: &NamedRequest| {
        let locked = &lockfile.locked(tool, request)?.version;
        let candidates = index.candidates(&CandidateKey::of(tool, request))?;
        // They are sorted, newest first.
        let newer = candidates.iter().find(|candidate| {
            let reasons = reasons::reasons(request, candidate, system);
            candidate.version > *locked && matches!(reasons[..], [Reason::Held(_)])
        })?;
        Some(HeldBack {
            tool: tool.clone(),
            locked: locked.clone(),
            newer: newer.version.clone(),
            held: newer.held?,
        })
    };
    requests.iter().filter_map(of_one).collect()
}
