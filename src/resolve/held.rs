//! Newer versions that would have been chosen but for the minimum age of releases. Pure.

use super::{Reason, explain};
use crate::{
    lockfile::Lockfile,
    manifest::ToolRequest,
    package::{System, Tool, Version},
    sources::{Index, Subject, TooYoung},
};

/// A version that is out and may not be chosen yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// The tool.
    pub tool: Tool,
    /// The version that is locked in its place.
    pub locked: Version,
    /// The newest version that is held back.
    pub newer: Version,
    /// Since when it is out, and what is asked for.
    pub held: TooYoung,
}

/// Returns what is held back for `requests`, as far as `index` was asked; sorted as the requests are.
pub fn held_back(
    requests: &[(Tool, ToolRequest)],
    index: &Index,
    lockfile: &Lockfile,
    system: System,
) -> Vec<HeldBack> {
    let of_one = |(tool, request): &(Tool, ToolRequest)| {
        let locked = &lockfile.locked(tool, request)?.version;
        let candidates = index.candidates(&Subject::of(tool, request))?;
        // They come newest first.
        let newer = candidates.iter().find(|candidate| {
            let reasons = explain::reasons(request, candidate, system);
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
