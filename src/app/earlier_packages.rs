//! Python packages that were locked for earlier states of a project. If such a state comes back, for example with
//! `git checkout`, nothing is resolved again: that can take a build of the project, which no prompt runs.

use std::path::{Path, PathBuf};

use crate::{
    lockfile::{self, Lockfile, PythonSets},
    project::Project,
    prompt::record::project_directory,
    util::files,
};

use super::{
    lockfiles::LockTarget,
    session::{Session, read_lockfile},
};

/// The file in the directory for the state of a project.
const FILE: &str = "earlier.lock";
/// The most lists of packages that it has: those of a few states with a few dev shells each.
const MAX_LISTS: usize = 12;

/// Adds the packages of earlier states that answer lists of the project that `previous` does not answer.
pub(super) fn restore(
    session: &Session<'_>,
    project: &Project,
    target: &LockTarget,
    previous: &mut Lockfile,
) {
    let Some(path) = path(session, project, target) else {
        return;
    };
    let mut earlier = read(&path);
    for key in target.own_keys() {
        if let Some(set) = earlier.remove(&key) {
            previous.python.entry(key).or_insert(set);
        }
    }
}

/// Keeps the packages that `before` has and `after` does not.
pub(super) fn keep(
    session: &Session<'_>,
    project: &Project,
    target: &LockTarget,
    before: &PythonSets,
    after: &PythonSets,
) {
    let Some(path) = path(session, project, target) else {
        return;
    };
    let replaced = before.iter().filter(|(key, _)| !after.contains_key(key));
    let replaced: Vec<_> = replaced.collect();
    if replaced.is_empty() {
        return;
    }
    let earlier = read(&path);
    let earlier = earlier.iter().filter(|(key, _)| !after.contains_key(key));
    let mut kept = Lockfile::default();
    for (key, set) in replaced.into_iter().chain(earlier).take(MAX_LISTS) {
        kept.python
            .entry(key.clone())
            .or_insert_with(|| set.clone());
    }
    // Without it, such a state is resolved again.
    let _made = path.parent().map(files::create_private_dir);
    let _kept = files::write_atomic(&path, lockfile::print(&kept).as_bytes());
}

fn path(session: &Session<'_>, project: &Project, target: &LockTarget) -> Option<PathBuf> {
    let state = &session.context.directories.state;
    (!target.personal).then(|| project_directory(state, project.root()).join(FILE))
}

fn read(path: &Path) -> PythonSets {
    let read = read_lockfile(path).ok().flatten();
    read.map(|lockfile| lockfile.python).unwrap_or_default()
}
