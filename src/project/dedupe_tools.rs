//! Removes tools from dev shells that the project's Python packages bring as well.

use std::collections::BTreeSet;

use super::{locate::ProjectKind, python_files::PythonFiles};
use crate::{
    manifest::{self, Manifest, PythonRequest, presets::PresetNote},
    package::{PackageName, System, Version},
    python::{PythonLock, PythonRequirement, Selection, TargetEnvironment},
};

/// The Python for which the packages of a lockfile are looked up.
const PYTHON: &str = "3.13";

/// Removes groups that only presets name and the project lacks, and applications that its packages bring.
///
/// `team` is the manifest without personal layers, which changes alike.
pub(super) fn dedupe_tools(
    manifest: &mut Manifest,
    team: Option<&mut Manifest>,
    files: &[PythonFiles],
    kind: ProjectKind,
) -> Vec<PresetNote> {
    let detected = kind == ProjectKind::Detected;
    if detected {
        retain_groups(manifest, files);
    }
    if let Some(team) = team {
        remove_provided(team, files, detected);
    }
    remove_provided(manifest, files, detected)
}

/// Keeps only the groups that the project has.
fn retain_groups(manifest: &mut Manifest, files: &[PythonFiles]) {
    for shell in manifest.shells.values_mut() {
        let python = &mut shell.python;
        let lock = python.lock.as_ref().map(|lock| lock.value.as_str());
        let mut named = files
            .iter()
            .filter(|files| Some(files.lock.as_str()) == lock);
        if let Some(locked) = named.next().and_then(|files| files.locked.as_ref()) {
            python
                .groups
                .retain(|group| locked.groups.contains(&group.value));
        }
    }
}

/// Removes the applications that a dev shell's Python packages bring, with a note for each.
///
/// A loose requirement brings an application only if `detected`; a manifest's own requirement must be fulfilled.
fn remove_provided(
    manifest: &mut Manifest,
    files: &[PythonFiles],
    detected: bool,
) -> Vec<PresetNote> {
    let mut notes = Vec::new();
    for shell in manifest.shells.values_mut() {
        let Some(lock) = shell.python.lock.as_ref().map(|lock| lock.value.as_str()) else {
            continue;
        };
        let mut named = files.iter().filter(|files| files.lock == lock);
        let Some(locked) = named.next().and_then(|files| files.locked.as_ref()) else {
            continue;
        };
        let applications = shell.tools.keys().filter(|tool| tool.may_be_application());
        if applications.count() == 0 {
            continue;
        }
        let brought = brought(&shell.python, locked, detected);
        shell.tools.retain(|tool, request| {
            let there = tool.may_be_application()
                && brought.iter().any(|(name, version)| {
                    let fits = |version: &Version| request.admits(version);
                    *name == tool.package && version.as_ref().is_none_or(fits)
                });
            if there {
                notes.push(PresetNote {
                    origin: request.requirement.origin.clone(),
                    message: format!("`{tool}` comes with the packages of `{lock}`"),
                    tool: Some(tool.clone()),
                });
            }
            !there
        });
    }
    notes.sort();
    notes.dedup();
    notes
}

/// Returns the groups and extras of a dev shell that its lockfile has.
pub(super) fn selection(python: &PythonRequest, locked: &PythonLock) -> Selection {
    let known = |wanted: &[manifest::Located<String>], known: &BTreeSet<String>| {
        let names = wanted.iter().map(|one| one.value.clone());
        names.filter(|name| known.contains(name)).collect()
    };
    Selection {
        groups: if python.groups_named {
            known(&python.groups, &locked.groups)
        } else {
            locked.default_groups.clone()
        },
        extras: known(&python.extras, &locked.extras),
    }
}

/// Returns the packages that a dev shell gets, each with its version if it is pinned.
fn brought(
    python: &PythonRequest,
    locked: &PythonLock,
    detected: bool,
) -> Vec<(PackageName, Option<Version>)> {
    let selection = selection(python, locked);
    // The result must be the same on every machine.
    let pins = PYTHON.parse().ok().and_then(|python: Version| {
        let target = TargetEnvironment::new(&python, System::LinuxX86_64);
        locked.select(&selection, &target).ok()
    });
    let pinned = pins.unwrap_or_default().packages.into_iter();
    let pinned = pinned.filter_map(|pin| {
        let version = pin.version.and_then(|version| version.parse().ok());
        Some((pin.name.parse().ok()?, version))
    });
    let loose = locked.loose(&selection).into_iter().filter(|_| detected);
    let loose = loose.filter_map(|line| Some((line.parse::<PythonRequirement>().ok()?.name, None)));
    pinned.chain(loose).collect()
}
