//! Groups and extras that no one named: a preset chose them by their name, or they are the project's default. A dev
//! shell does without those that do not resolve.

use std::collections::BTreeSet;

use crate::{
    lockfile::{LeftOutPart, PythonKey, PythonSet},
    manifest::{DevShell, Located},
    python::{PythonLock, Selection, SelectionPart},
};

/// Returns the groups and extras of a dev shell that no manifest names.
pub(super) fn optional_parts(
    shell: &DevShell,
    locked: &PythonLock,
    selection: &Selection,
) -> Vec<SelectionPart> {
    let python = &shell.python;
    let is_named = |list: &[Located<String>], name: &String| {
        let mut named = list.iter().filter(|one| !one.origin.is_preset);
        named.any(|one| one.value == *name)
    };
    // The default groups of a lockfile that a manifest asks for are asked for, too.
    let has_preset = python.place.as_ref().is_some_and(|place| place.is_preset);
    let is_optional = |part: &SelectionPart| match part {
        SelectionPart::Group(name) => {
            let is_default = locked.default_groups.contains(name) && !has_preset;
            !is_default && !is_named(&python.groups, name)
        }
        SelectionPart::Extra(name) => !is_named(&python.extras, name),
    };
    selection.parts().filter(is_optional).collect()
}

/// Returns the parts whose requirements `set` leaves out.
pub(super) fn left_out_parts(
    parts: Vec<SelectionPart>,
    locked: &PythonLock,
    set: &PythonSet,
) -> Vec<SelectionPart> {
    let is_left_out = |part: &SelectionPart| {
        let mut requirements = locked.loose(&part.clone().into()).into_iter();
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

impl WholeList<'_> {
    /// Returns the list for `selection`, with the packages that the manifest adds.
    fn reduced_to(&self, selection: &Selection) -> PythonKey {
        let own = self.locked.key(self.selection).requirements;
        let added = self.key.requirements.iter();
        let added = added.filter(|one| !own.contains(one));
        let mut key = self.locked.key(selection);
        key.requirements.extend(added.cloned());
        key.requirements.sort();
        key.requirements.dedup();
        key
    }
}

/// Resolves a list without the parts that do not resolve with the rest; nothing if the rest does not resolve either.
///
/// `explain` takes the failure of a part and the requirements that only the part has.
pub(super) fn reduce<E>(
    whole: WholeList<'_>,
    parts: &[SelectionPart],
    mut compile: impl FnMut(&PythonKey) -> Result<PythonSet, E>,
    explain: impl Fn(&SelectionPart, &E, &BTreeSet<&str>) -> LeftOutPart,
) -> Option<PythonSet> {
    let mut kept = parts
        .iter()
        .fold(whole.selection.clone(), |kept, part| kept.without(part));
    let mut list = whole.reduced_to(&kept);
    let mut packages = None;
    if !list.requirements.is_empty() {
        packages = Some(compile(&list).ok()?);
    }
    let mut left_out_parts = Vec::new();
    for part in parts {
        let more = kept.with(part);
        let longer = whole.reduced_to(&more);
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
                let more = longer.requirements.iter();
                let more = more.filter(|one| !list.requirements.contains(one));
                let more = more.map(String::as_str).collect();
                left_out_parts.push(explain(part, &failure, &more));
            }
        }
    }
    let left_out = whole.key.requirements.iter();
    let left_out = left_out.filter(|one| !list.requirements.contains(one));
    Some(PythonSet {
        left_out: left_out.cloned().collect(),
        left_out_parts,
        ..packages?
    })
}
