//! The Python packages of a dev shell: which lockfile, which of its groups and extras.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use crate::{
    builder::PythonPackages,
    failure::Failure,
    manifest::{DevShell, Located, Origin, PYTHON_LOCKS},
    project::Project,
    pylock::{PythonLock, Selection},
};

/// Returns the packages that a dev shell wants, if it wants any.
pub(super) fn of(project: &Project, shell: &DevShell) -> Result<Option<PythonPackages>, Failure> {
    let python = &shell.python;
    let Some(place) = &python.place else {
        return Ok(None);
    };
    let Some(lock) = &python.lock else {
        return Err(no_lock(place));
    };
    let files = project.python(&lock.value);
    let Some((files, locked)) = files.and_then(|files| Some((files, files.locked.as_ref()?)))
    else {
        let failure = Failure::new(format!("there is no `{}`", lock.value))
            .note(format!("{} takes the Python packages from it", lock.origin));
        return Err(match lock.value.rsplit('/').next() {
            Some("uv.lock") => failure.hint("make it with `uv lock`"),
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
fn selection(shell: &DevShell, locked: &PythonLock, lock: &str) -> Result<Selection, Failure> {
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
