//! The lock entries that the user approved: the names that they bring need no question.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    lockfile::{LockedPackage, Lockfile},
    manifest::DevShell,
    package::{Source, Tool},
    project::{Project, approval::ApprovedPrograms},
    report::failure::Failure,
    util::digest_input::DigestInput,
};

use super::session::Session;

/// The digests of lock entries, by the list that their names belong to.
pub(super) type EntryDigests = BTreeMap<String, BTreeSet<[u8; 16]>>;

/// The name under which conda packages are listed that no requested one needs.
pub(super) const CONDA_PACKAGES: &str = "conda packages";

/// Returns whether the names of a list come from a lock entry that was approved.
pub(super) fn has_approved_entry(
    approved: &ApprovedPrograms,
    list: &str,
    entries: &EntryDigests,
) -> bool {
    let approved = approved.entries.get(list);
    entries.get(list).is_some_and(|digests| {
        approved.is_some_and(|approved| !digests.is_empty() && digests.is_subset(approved))
    })
}

/// Returns the conda packages whose code may run although no requested one needs them; `None` admits all.
pub(super) fn approved_conda(
    session: &Session<'_>,
    project: &Project,
    shell: &DevShell,
    lockfile: &Lockfile,
) -> Result<Option<BTreeSet<String>>, Failure> {
    let is_conda = |tool: &Tool| tool.source == Source::Conda;
    if !shell.tools.keys().any(is_conda) {
        return Ok(None);
    }
    // A rule or `--trust` allows every content.
    let Some(root) = project.approved_at().filter(|_| !session.options.trust) else {
        return Ok(None);
    };
    let approved = session.decisions.programs(root)?.unwrap_or_default();
    let entries = EntryDigests::from([(CONDA_PACKAGES.to_owned(), conda_digests(shell, lockfile))]);
    if has_approved_entry(&approved, CONDA_PACKAGES, &entries) {
        return Ok(None);
    }
    Ok(Some(
        approved
            .names
            .get(CONDA_PACKAGES)
            .cloned()
            .unwrap_or_default(),
    ))
}

/// Returns the digests of the conda packages of a dev shell.
fn conda_digests(shell: &DevShell, lockfile: &Lockfile) -> BTreeSet<[u8; 16]> {
    let tools = shell.tools.iter();
    let conda = tools.filter(|(tool, _)| tool.source == Source::Conda);
    conda
        .filter_map(|(tool, request)| Some(artifacts_digest(lockfile.locked(tool, request)?)))
        .collect()
}

pub(super) fn artifacts_digest(locked: &LockedPackage) -> [u8; 16] {
    let mut input = DigestInput::default();
    input.list(locked.artifacts.iter(), |input, (system, artifacts)| {
        input.bytes(system.as_str());
        input.list(artifacts.iter(), |input, artifact| {
            input.bytes(&artifact.part);
            input.bytes(artifact.digest.as_bytes());
        });
    });
    short_digest(input)
}

pub(super) fn short_digest(input: DigestInput) -> [u8; 16] {
    let digest = blake3::hash(&input.into_bytes());
    std::array::from_fn(|at| digest.as_bytes()[at])
}
