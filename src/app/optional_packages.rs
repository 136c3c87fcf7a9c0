//! Groups and extras that no one named: a preset chose them by their name, or they are the project's default. A dev
//! shell does without those that do not resolve.

use crate::{
    lockfile::{LockedRequirement, PythonKey, PythonSet},
    manifest::{DevShell, Located},
    python::{PythonLock, Selection},
    report::failure::Failure,
};

use super::missing_parts::one_line;

/// A group or extra that no one named.
#[derive(Debug)]
pub(super) struct OptionalPart {
    /// The part in words: the extra `dev`.
    pub name: String,
    selection: Selection,
}

/// The packages of a list without the parts that do not resolve.
#[derive(Debug)]
pub(super) struct ReducedPackages {
    pub packages: Vec<LockedRequirement>,
    /// The requirements that are left out, sorted.
    pub left_out: Vec<String>,
    /// A line for each part that is left out.
    pub notes: Vec<String>,
}

/// Returns the groups and extras of a dev shell that no manifest names.
pub(super) fn optional_parts(
    shell: &DevShell,
    locked: &PythonLock,
    selection: &Selection,
) -> Vec<OptionalPart> {
    let python = &shell.python;
    let is_named = |list: &[Located<String>], name: &String| {
        let mut named = list.iter().filter(|one| !one.origin.is_preset);
        named.any(|one| one.value == *name)
    };
    // The default groups of a lockfile that a manifest asks for are asked for, too.
    let has_preset = python.place.as_ref().is_some_and(|place| place.is_preset);
    let groups = selection.groups.iter().filter(|name| {
        let is_default = locked.default_groups.contains(*name) && !has_preset;
        !is_default && !is_named(&python.groups, name)
    });
    let extras = selection.extras.iter();
    let extras = extras.filter(|name| !is_named(&python.extras, name));
    let groups = groups.map(|name| OptionalPart {
        name: format!("the group `{name}`"),
        selection: Selection {
            groups: [name.clone()].into(),
            ..Selection::default()
        },
    });
    let extras = extras.map(|name| OptionalPart {
        name: format!("the extra `{name}`"),
        selection: Selection {
            extras: [name.clone()].into(),
            ..Selection::default()
        },
    });
    groups.chain(extras).collect()
}

/// Returns the parts whose requirements `set` leaves out.
pub(super) fn left_out_parts(
    parts: Vec<OptionalPart>,
    locked: &PythonLock,
    set: &PythonSet,
) -> Vec<OptionalPart> {
    let is_left_out = |part: &OptionalPart| {
        let mut requirements = locked.loose(&part.selection).into_iter();
        requirements.any(|one| set.left_out.contains(&one))
    };
    parts.into_iter().filter(is_left_out).collect()
}

/// The list that does not resolve as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct WholeList<'a> {
    pub key: &'a PythonKey,
    pub locked: &'a PythonLock,
    pub selection: &'a Selection,
}

/// Resolves a list without the parts that do not resolve with the rest; nothing if the rest does not resolve either.
pub(super) fn reduce(
    whole: WholeList<'_>,
    parts: &[OptionalPart],
    mut compile: impl FnMut(&PythonKey) -> Result<Vec<LockedRequirement>, Failure>,
) -> Option<ReducedPackages> {
    let WholeList {
        key,
        locked,
        selection,
    } = whole;
    let mut kept = selection.clone();
    for part in parts {
        kept.groups
            .retain(|one| !part.selection.groups.contains(one));
        kept.extras
            .retain(|one| !part.selection.extras.contains(one));
    }
    let mut list = locked.key(&kept);
    let mut packages = None;
    if !list.requirements.is_empty() {
        packages = Some(compile(&list).ok()?);
    }
    let mut notes = Vec::new();
    for part in parts {
        let mut more = kept.clone();
        more.groups.extend(part.selection.groups.iter().cloned());
        more.extras.extend(part.selection.extras.iter().cloned());
        let longer = locked.key(&more);
        if longer == list {
            kept = more;
            continue;
        }
        match compile(&longer) {
            Ok(resolved) => {
                packages = Some(resolved);
                kept = more;
                list = longer;
            }
            Err(failure) => {
                notes.push(format!("{} is left out: {}", part.name, one_line(&failure)));
            }
        }
    }
    let left_out = key.requirements.iter();
    let left_out = left_out.filter(|one| !list.requirements.contains(one));
    Some(ReducedPackages {
        left_out: left_out.cloned().collect(),
        packages: packages?,
        notes,
    })
}
