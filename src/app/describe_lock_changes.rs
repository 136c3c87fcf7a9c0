//! The changes of lockfiles behind a new build of a dev shell.

use crate::{
    manifest::ShellName,
    project::{LOCKFILE, Project},
    prompt::record::{LockedVersions, Record},
};

use super::{
    build_request::BuildInputs, lockfiles::joined_lockfile, missing_parts::Unlocked, programs,
    session::Session,
};

/// The most changed versions in a message.
const SHOWN_CHANGES: usize = 4;

/// Returns what lockfiles say about a dev shell: the version of each tool, and a digest for each lockfile.
pub fn locked_versions(project: &Project, inputs: &BuildInputs<'_>) -> LockedVersions {
    let tools = inputs.shell.tools.iter().filter_map(|(tool, request)| {
        let locked = inputs.lockfile.locked(tool, request)?;
        Some((tool.name.to_string(), locked.version.to_string()))
    });
    let lock = inputs.shell.python.lock.iter().filter_map(|lock| {
        let path = project.root().join(&lock.value);
        let digest = blake3::hash(project.closure().content(&path)?).to_hex();
        Some((lock.value.clone(), digest[..16].to_owned()))
    });
    let own = programs::digest_of_entries(inputs).map(|digest| (LOCKFILE.to_owned(), digest));
    LockedVersions {
        tools: tools.collect(),
        lockfiles: lock.chain(own).collect(),
    }
}

/// Returns the changes of lockfiles since a dev shell was built, in one line: `ruff 0.17.6 → 0.17.7, devshell.lock changed`.
pub fn describe(session: &Session<'_>, project: &Project, shell: &ShellName) -> Option<String> {
    let state = &session.context.directories.state;
    let before = Record::stored(state, project.root(), shell)?.versions;
    let joined = joined_lockfile(session, project).ok()?;
    // A lockfile without an answer to a request is behind the manifest; it has not changed itself. A command reports
    // its own changes.
    let is_news = joined.is_complete && !session.has_written_lockfile();
    let inputs = BuildInputs::new(project, shell, joined.lockfile, &Unlocked::default()).ok()?;
    let now = locked_versions(project, &inputs);
    let mut changes: Vec<String> = now
        .tools
        .iter()
        .filter_map(|(tool, version)| {
            let old = before.tools.get(tool).filter(|old| *old != version)?;
            Some(format!("{tool} {old} → {version}"))
        })
        .collect();
    if changes.len() > SHOWN_CHANGES {
        let more = changes.len() - SHOWN_CHANGES;
        changes.truncate(SHOWN_CHANGES);
        changes.push(format!("{more} more"));
    }
    let known = now.lockfiles.iter();
    let files: Vec<String> = known
        .filter(|(name, _)| is_news || *name != LOCKFILE)
        .filter_map(|(name, digest)| {
            let old = before.lockfiles.get(name)?;
            (old != digest).then(|| name.clone())
        })
        .collect();
    changes.extend((!files.is_empty()).then(|| format!("{} changed", files.join(" and "))));
    (!changes.is_empty()).then(|| changes.join(", "))
}
