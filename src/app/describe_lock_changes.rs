//! The changes of lockfiles behind a new build of a dev shell.

use crate::{
    manifest::ShellName,
    project::{LOCKFILE, Project},
    prompt::record::{LockedVersions, Record},
    util::word_lists::{in_backticks, join_with_and},
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

/// Returns the changes of lockfiles since a dev shell was built, in one line: ``ruff 0.17.6 → 0.17.7, `uv.lock` changed``.
pub fn describe(session: &Session<'_>, project: &Project, shell: &ShellName) -> Option<String> {
    let state = &session.context.directories.state;
    let record = Record::stored(state, project.root(), shell)?;
    let before = &record.versions;
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
    let others = known.filter(|(name, digest)| {
        let old = before.lockfiles.get(*name);
        old.is_some_and(|old| old != *digest)
    });
    let files: Vec<String> = others
        .flat_map(|(name, _)| match &**name {
            LOCKFILE if is_news => changed_lockfiles(session, project, &record),
            LOCKFILE => Vec::new(),
            name => vec![name.to_owned()],
        })
        .collect();
    let files = in_backticks(files);
    changes.extend((!files.is_empty()).then(|| format!("{} changed", join_with_and(&files))));
    (!changes.is_empty()).then(|| changes.join(", "))
}

/// Returns the lockfiles of devsh that have changed since a record was made.
fn changed_lockfiles(session: &Session<'_>, project: &Project, record: &Record) -> Vec<String> {
    let paths = session.lockfile_paths(&project.place);
    let changed = paths.iter().filter(|path| {
        let mut watched = record.watched.iter();
        watched.any(|file| file.path == **path && !file.is_unchanged())
    });
    let names = changed.map(|path| match path.strip_prefix(project.root()) {
        Ok(name) => name.display().to_string(),
        Err(_) => session.display(path),
    });
    names.collect()
}
