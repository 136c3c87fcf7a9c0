//! Removes tools from dev shells that the project's Python packages bring as well.

use std::collections::BTreeSet;

use super::python_files::PythonFiles;
use crate::{
    manifest::{self, Manifest, PythonRequest, presets::PresetNote},
    package::{PackageName, System, Version},
    python::{PythonLock, PythonRequirement, Selection, TargetEnvironment},
};

/// The Python for which the packages of a lockfile are looked up.
const PYTHON: &str = "3.13";

/// Removes groups and extras that only presets name and the project lacks, and applications that its packages bring.
///
/// `team` is the manifest without personal layers, which changes alike.
pub(super) fn dedupe_tools(
    manifest: &mut Manifest,
    team: Option<&mut Manifest>,
    files: &[PythonFiles],
    own_files: &BTreeSet<String>,
) -> Vec<PresetNote> {
    retain_known(manifest, files);
    if let Some(team) = team {
        retain_known(team, files);
        remove_provided(team, files, own_files);
    }
    remove_provided(manifest, files, own_files)
}

/// Removes the groups and extras that a preset names and the project lacks.
fn retain_known(manifest: &mut Manifest, files: &[PythonFiles]) {
    for shell in manifest.shells.values_mut() {
        let python = &mut shell.python;
        let lock = python.lock.as_ref().map(|lock| lock.value.as_str());
        let mut named = files
            .iter()
            .filter(|files| Some(files.lock.as_str()) == lock);
        if let Some(locked) = named.next().and_then(|files| files.locked.as_ref()) {
            python
                .groups
                .retain(|one| !one.origin.is_preset || locked.groups.contains(&one.value));
            python
                .extras
                .retain(|one| !one.origin.is_preset || locked.may_have_extra(&one.value));
        }
    }
}

/// Removes the applications that a dev shell's Python packages bring, with a note for each.
///
/// A loose requirement does not fulfil the requirement of a manifest, one of `own_files`.
fn remove_provided(
    manifest: &mut Manifest,
    files: &[PythonFiles],
    own_files: &BTreeSet<String>,
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
        let brought = brought(&shell.python, locked);
        shell.tools.retain(|tool, request| {
            let is_own = own_files.contains(&*request.requirement.origin.file);
            let there = tool.may_be_application()
                && brought.iter().any(|one| {
                    let fits = |version: &Version| request.admits(version);
                    one.name == tool.package
                        && one.version.as_ref().is_none_or(fits)
                        && !(one.is_loose && is_own)
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
    let names = |wanted: &[manifest::Located<String>]| -> BTreeSet<String> {
        wanted.iter().map(|one| one.value.clone()).collect()
    };
    let mut groups = names(&python.groups);
    groups.retain(|name| locked.groups.contains(name));
    if !python.groups_named {
        groups.extend(locked.default_groups.iter().cloned());
    }
    let mut extras = names(&python.extras);
    extras.retain(|name| locked.may_have_extra(name));
    Selection { groups, extras }
}

/// A package that a dev shell gets.
struct BroughtPackage {
    name: PackageName,
    version: Option<Version>,
    /// True if it is a requirement without an exact version.
    is_loose: bool,
}

fn brought(python: &PythonRequest, locked: &PythonLock) -> Vec<BroughtPackage> {
    let selection = selection(python, locked);
    // The result must be the same on every machine.
    let pins = PYTHON.parse().ok().and_then(|python: Version| {
        let target = TargetEnvironment::new(&python, System::LinuxX86_64);
        locked.select(&selection, &target).ok()
    });
    let pinned = pins.unwrap_or_default().packages.into_iter();
    let pinned = pinned.filter_map(|pin| {
        let version = pin.version.and_then(|version| version.parse().ok());
        Some(BroughtPackage {
            name: pin.name.parse().ok()?,
            version,
            is_loose: false,
        })
    });
    let loose = locked.loose(&selection).into_iter();
    let loose = loose.filter_map(|line| {
        Some(BroughtPackage {
            name: line.parse::<PythonRequirement>().ok()?.name,
            version: None,
            is_loose: true,
        })
    });
    pinned.chain(loose).collect()
}
