//! The Python packages of a dev shell: which lockfile, which of its groups and extras.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use crate::{
    builder::PythonPackages,
    lockfile::{Lockfile, PythonKey, PythonSet},
    manifest::{DevShell, Located, Origin, PYTHON_LOCKS, Text},
    project::{LOCKFILE, Project},
    python::{self, Files, PythonLock, Selection},
    report::failure::Failure,
};

use super::python_closure;
use crate::report::hints;

/// Returns the packages that a dev shell wants, if it wants any.
pub fn of(
    project: &Project,
    shell: &DevShell,
    lockfile: &Lockfile,
) -> Result<Option<PythonPackages>, Failure> {
    let python = &shell.python;
    let Some(place) = &python.place else {
        return Ok(None);
    };
    if let (Some(lock), Some(package)) = (&python.lock, python.packages.first()) {
        return Err(Failure::new(format!(
            "{} asks for packages, and {} names a lockfile",
            package.origin, lock.origin
        ))
        .hint("keep one of them"));
    }
    if let Some(key) = python_closure::key(project, shell)? {
        return closed(project, shell, &key, lockfile).map(Some);
    }
    if python.packages.is_empty() && python.lock.is_none() {
        return Err(no_lock(place));
    }
    let Some(lock) = &python.lock else {
        return Ok(None);
    };
    let files = project.python(&lock.value);
    let Some((files, locked)) = files.and_then(|files| Some((files, files.locked.as_ref()?)))
    else {
        let failure = Failure::new(format!("there is no `{}`", lock.value))
            .note(format!("{} takes the Python packages from it", lock.origin));
        return Err(match lock.value.rsplit('/').next() {
            Some("uv.lock") => failure.hint("make it with `uv lock`").hint(
                "without a uv of your own leave `lock` out once, and run `devsh run -- uv lock`",
            ),
            Some("poetry.lock") => failure.hint("make it with `poetry lock`"),
            Some("Pipfile.lock") => failure.hint("make it with `pipenv lock`"),
            _ => failure,
        });
    };
    let selection = selection(shell, locked, &lock.value)?;
    Ok(Some(PythonPackages {
        lock: PathBuf::from(&lock.value),
        locked: Arc::clone(locked),
        selection,
        project: files.project,
    }))
}

/// Returns the lockfile of a dev shell and its name, if there is one.
pub fn locked<'p>(project: &'p Project, shell: &'p DevShell) -> Option<(&'p PythonLock, &'p str)> {
    let lock = shell.python.lock.as_ref()?;
    let locked = project.python(&lock.value)?.locked.as_ref()?;
    Some((locked, &lock.value))
}

/// Returns the packages that `devshell.lock` has for a list; nothing is installed of what it lacks.
fn closed(
    project: &Project,
    shell: &DevShell,
    key: &PythonKey,
    lockfile: &Lockfile,
) -> Result<PythonPackages, Failure> {
    let text = lockfile
        .python
        .get(key)
        .map(PythonSet::to_requirements)
        .unwrap_or_default();
    let files = Files {
        lock: Text::new("devshell.lock.txt", &text),
        project: None,
        lists: BTreeMap::new(),
        groups: BTreeMap::new(),
    };
    let mut set = python::read(&files).map_err(|error| hints::content(&error))?;
    let lock = shell.python.lock.as_ref();
    let mut digest = [0; 32];
    let mut selection = Selection::default();
    if let (Some(lock), Some((own, name))) = (lock, locked(project, shell)) {
        // The directories that a list names are installed beside what is locked.
        selection = self::selection(shell, own, name)?;
        set.take_directories(own);
        digest = project
            .python(&lock.value)
            .map(|files| files.project)
            .unwrap_or_default();
    }
    Ok(PythonPackages {
        lock: PathBuf::from(lock.map_or(LOCKFILE, |lock| lock.value.as_str())),
        locked: Arc::new(set),
        selection,
        project: digest,
    })
}

fn no_lock(place: &Origin) -> Failure {
    let names: Vec<String> = PYTHON_LOCKS
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    Failure::new(format!(
        "{place} wants Python packages, and there is no lockfile for them"
    ))
    .note(format!("the first of {} is used", names.join(", ")))
    .hint("make one with `uv lock`, or name packages of the index in `packages`")
}

/// Returns the groups and extras that a dev shell wants, all of which the lockfile has.
pub fn selection(shell: &DevShell, locked: &PythonLock, lock: &str) -> Result<Selection, Failure> {
    let python = &shell.python;
    let groups = checked("group", &python.groups, &locked.groups, lock)?;
    Ok(Selection {
        groups: if python.groups_named {
            groups
        } else {
            locked.default_groups.clone()
        },
        extras: checked("extra", &python.extras, &locked.extras, lock)?,
    })
}

fn checked(
    kind: &str,
    wanted: &[Located<String>],
    known: &BTreeSet<String>,
    lock: &str,
) -> Result<BTreeSet<String>, Failure> {
    for one in wanted {
        if !known.contains(&one.value) {
            let failure = Failure::new(format!(
                "{} wants {kind} `{}`, and `{lock}` has no such {kind}",
                one.origin, one.value
            ));
            let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            return Err(if names.is_empty() {
                failure.note(format!("it has no {kind}s"))
            } else {
                failure.note(format!("it has {}", names.join(", ")))
            });
        }
    }
    Ok(wanted.iter().map(|one| one.value.clone()).collect())
}
