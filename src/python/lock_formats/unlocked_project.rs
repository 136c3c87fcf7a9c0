//! A project with a `pyproject.toml` and without a lockfile: its requirements, those that only its build knows, and the
//! lists of requirements next to it.

use super::{
    LockFiles,
    built_metadata::{add_metadata, metadata_of},
    pyproject::read,
    requirements::read_groups,
};
use crate::{
    manifest::{Error, ErrorKind, Needs, is_dynamic, needs},
    python::{lock::PythonLock, scope::Scope},
};

/// The field of `[project]` with the extras.
const EXTRAS: &str = "optional-dependencies";

/// Reads a project that takes the place of a lockfile; all of its requirements must be in the file.
pub(super) fn read_project(files: &LockFiles) -> Result<PythonLock, Error> {
    let (file, directories) = (&files.lock, &files.directories);
    let needs = needs(file)?;
    if let Needs::Unknown(why) = needs {
        let kind = ErrorKind::PythonLock(why.value);
        return Err(file.error_at(&why.origin, "", kind));
    }
    let mut lock = read(file, directories)?;
    if let Needs::Built(name) = needs {
        let metadata = metadata_of(file, &name, &files.inputs);
        add_metadata(&mut lock, file, &metadata, None, Scope::Always)?;
        if is_dynamic(&file.toml()?, EXTRAS) {
            lock.built_extras = Some(metadata);
        }
    }
    add_group_lists(files, &mut lock)?;
    Ok(lock)
}

/// Adds the lists of requirements of groups (`requirements-dev.txt`) that the project itself does not have.
fn add_group_lists(files: &LockFiles, lock: &mut PythonLock) -> Result<(), Error> {
    let mut files = files.clone();
    files
        .groups
        .retain(|group, _| !lock.groups.contains(group) && !lock.extras.contains(group));
    if files.groups.is_empty() {
        return Ok(());
    }
    let lists = read_groups(&files)?;
    lock.default_groups
        .extend(lists.lock.groups.get("dev").cloned());
    lock.add_all(lists.lock);
    for (scope, extra) in lists.extras {
        match lock.built_extras.clone() {
            Some(metadata) if !lock.extras.contains(&extra) => {
                add_metadata(lock, &files.lock, &metadata, Some(&extra), scope)?;
            }
            _ => {
                let extras = lock.includes.entry(scope).or_default();
                extras.insert(Scope::Extra(extra));
            }
        }
    }
    Ok(())
}
