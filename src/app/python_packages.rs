//! The Python packages of a dev shell: from a lockfile of the project, or locked in `devshell.lock` for `packages` in
//! the manifest and lists of requirements without digests.

mod permitted_builds;
mod requirement_faults;
mod resolve;
mod without_wheels;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use super::{
    conda_packages,
    missing_parts::{RUN_LOCK, Unlocked},
    optional_packages::{left_out_parts, optional_parts},
};
use crate::{
    builder::PythonPackages,
    lockfile::{
        AskedAddresses, EntryOrigin, LeftOutPart, LockedRequirement, Lockfile, PythonKey, PythonSet,
    },
    manifest::{DevShell, Located, Origin, PYTHON_LOCKS, PythonLockFormat, ShellName, Text},
    package::{PackageName, Version},
    project::{LOCKFILE, Project},
    python::{
        LockFiles, PythonLock, PythonRequirement, Selection, SelectionPart, admitted_packages,
        find_unmet, read_lock,
    },
    report::failure::Failure,
    util::word_lists::join_first,
};

pub use permitted_builds::{build_failed, new_builds};
pub use resolve::{FailedList, ResolvedPackages, fitting_minor, reduce_failed, resolve};

/// Returns the Python packages of a dev shell, if it has any.
pub fn of_shell(
    project: &Project,
    shell: &DevShell,
    lockfile: &Lockfile,
    unlocked: &Unlocked,
) -> Result<Option<PythonPackages>, Failure> {
    let python = &shell.python;
    let Some(place) = &python.place else {
        return Ok(None);
    };
    // `packages` can only join a list that devsh resolves itself.
    let is_resolved =
        lockfile_of(project, shell).is_some_and(|(locked, _)| !locked.loose.is_empty());
    if let (Some(lock), Some(package), false) = (&python.lock, python.packages.first(), is_resolved)
    {
        let failure = Failure::new(format!(
            "{} asks for packages, and those of the project come from `{}`",
            package.origin, lock.value
        ));
        return Err(if lock.origin.is_preset {
            let add = add_command(project, shell, lock, &package.value);
            let add = add.map_or_else(
                || "the tool that wrote the lockfile".to_owned(),
                |command| format!("`{command}`"),
            );
            failure.hint(format!(
                "remove `packages` there, and add `{}` to the project with {add}",
                package.value
            ))
        } else {
            failure.hint(format!(
                "remove `packages` there, or `lock` at {}",
                lock.origin
            ))
        });
    }
    if let Some(key) = key(project, shell)? {
        if let Some(failure) = unlocked.packages(&key) {
            return Err(failure.clone());
        }
        let fitting = fitting_set(project, lockfile, &key).map(Cow::Borrowed);
        let locked = fitting.or_else(|| earlier_set(project, lockfile, &key).map(Cow::Owned));
        return of_devshell_lock(project, shell, &key, locked.as_deref()).map(Some);
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
            Some("uv.lock") => failure
                .hint("make it with `uv lock`")
                .hint("if you have no uv, remove `lock` for now and run `devsh run -- uv lock`"),
            Some("poetry.lock") => failure.hint("make it with `poetry lock`"),
            Some("pdm.lock") => failure.hint("make it with `pdm lock`"),
            Some("Pipfile.lock") => failure.hint("make it with `pipenv lock`"),
            _ => failure,
        });
    };
    let selection = selection(shell, locked, &lock.value)?;
    Ok(Some(PythonPackages {
        builds: permitted_builds(project, shell),
        lock: PathBuf::from(&lock.value),
        locked: Arc::clone(locked),
        selection,
        project: files.project,
        build_settings: files.build_settings.clone(),
        without: BTreeSet::new(),
    }))
}

/// Returns how to add a package to the packages of a dev shell, if it has any.
pub fn describe_addition(project: &Project, shell: &DevShell, package: &str) -> Option<String> {
    let python = &shell.python;
    let Some(lock) = &python.lock else {
        let origin = &python.packages.first()?.origin;
        return Some(format!("a line in `packages` ({origin})"));
    };
    Some(match add_command(project, shell, lock, package) {
        Some(command) => format!("`{command}`"),
        None => format!("a line in `{}`", lock.value),
    })
}

/// Returns the command that adds a package to a project and its lockfile, if its format has one.
fn add_command(
    project: &Project,
    shell: &DevShell,
    lock: &Located<String>,
    package: &str,
) -> Option<String> {
    use PythonLockFormat::{Pdm, Pipfile, PipfileProject, Poetry, Project as Unlocked, Uv};
    let command = match PythonLockFormat::of(&lock.value)? {
        Uv | Unlocked => {
            let locked = lockfile_of(project, shell).map(|(locked, _)| locked);
            let groups = locked.map(|locked| &locked.default_groups);
            // A group that the dev shell does not have is of no use.
            let other = groups.filter(|groups| !groups.contains("dev"));
            match other.and_then(BTreeSet::first) {
                Some(group) => format!("uv add --group {group}"),
                None => "uv add --dev".to_owned(),
            }
        }
        Poetry => "poetry add --group dev".to_owned(),
        Pdm => "pdm add --dev".to_owned(),
        Pipfile | PipfileProject => "pipenv install --dev".to_owned(),
        _ => return None,
    };
    Some(format!("{command} {package}"))
}

/// Returns the Python lockfile of a dev shell and its name, if there is one.
fn lockfile_of<'p>(project: &'p Project, shell: &'p DevShell) -> Option<(&'p PythonLock, &'p str)> {
    let lock = shell.python.lock.as_ref()?;
    let locked = project.python(&lock.value)?.locked.as_ref()?;
    Some((locked, &lock.value))
}

/// Returns the packages that `devshell.lock` has for an earlier state of the requirements of a dev shell; nothing if
/// they have not changed.
pub fn earlier_of_shell(
    project: &Project,
    shell: &DevShell,
    lockfile: &Lockfile,
) -> Option<PythonPackages> {
    let key = key(project, shell).ok()??;
    if fitting_set(project, lockfile, &key).is_some() {
        return None;
    }
    let earlier = earlier_set(project, lockfile, &key)?;
    of_devshell_lock(project, shell, &key, Some(&earlier)).ok()
}

/// Returns the packages of a dev shell whose list of requirements `devshell.lock` has as `locked`; none if it lacks the
/// list.
fn of_devshell_lock(
    project: &Project,
    shell: &DevShell,
    key: &PythonKey,
    locked: Option<&PythonSet>,
) -> Result<PythonPackages, Failure> {
    let text = locked.map(PythonSet::to_requirements).unwrap_or_default();
    let files = LockFiles::single(Text::new("devshell.lock.txt", &text));
    let mut builds = permitted_builds(project, shell);
    let locked_builds = locked.into_iter().flat_map(|set| &set.builds);
    let permitted = locked_builds.filter(|name| project.build_permission().includes(name));
    builds.extend(permitted.cloned());
    let mut set = read_lock(&files)?;
    if let Some(loose) = set.loose.first() {
        let requirement = loose.requirement.as_str();
        return Err(
            Failure::new(format!("`{LOCKFILE}` has no digest of `{requirement}`"))
                .note("it was edited or merged wrongly")
                .hint("restore it, or lock the packages again with `devsh lock --upgrade`"),
        );
    }
    set.add_locked_options(&key.options);
    let lock = shell.python.lock.as_ref();
    let (mut digest, mut build_settings) = ([0; 32], None);
    let mut selection = Selection::default();
    if let (Some(lock), Some((own, name))) = (lock, lockfile_of(project, shell)) {
        // Directories in the list are installed as well.
        selection = self::selection(shell, own, name)?;
        if let Some(locked) = locked {
            let is_absent = |extra: &String| {
                let requirement = own.built_extra(extra);
                requirement.is_some_and(|one| locked.absent.contains(&one))
            };
            selection.extras.retain(|extra| !is_absent(extra));
            let optional = optional_parts(shell, own, &selection);
            for part in left_out_parts(optional, own, locked) {
                selection = selection.without(&part);
            }
        }
        set.add_directories(own);
        if let Some(files) = project.python(&lock.value) {
            digest = files.project;
            build_settings.clone_from(&files.build_settings);
        }
    }
    Ok(PythonPackages {
        builds,
        lock: PathBuf::from(lock.map_or(LOCKFILE, |lock| lock.value.as_str())),
        locked: Arc::new(set),
        selection,
        project: digest,
        build_settings,
        without: BTreeSet::new(),
    })
}

/// Returns the locked packages of a list, if they meet its requirements.
pub fn fitting_set<'l>(
    project: &Project,
    lockfile: &'l Lockfile,
    key: &PythonKey,
) -> Option<&'l PythonSet> {
    let set = lockfile.python.get(key)?;
    unmet(project, key, set).is_none().then_some(set)
}

/// Returns the packages that were locked for an earlier state of a list, if all of them are from places that the list
/// as it is now admits. Versions that it does not admit any more are left out: only the lockfile says that they were.
fn earlier_set(project: &Project, lockfile: &Lockfile, key: &PythonKey) -> Option<PythonSet> {
    let set = lockfile.python.get(earlier_key(project, lockfile, key)?)?;
    let asked = AskedAddresses::of(key);
    let mut packages = set.packages.iter();
    packages
        .all(|package| asked.check(package).is_ok())
        .then(|| admitted_packages(key, set))
}

/// Returns the packages of a list before it changed, with its requirements then.
pub fn earlier_packages(
    project: &Project,
    lockfile: &Lockfile,
    key: &PythonKey,
) -> Option<(PythonKey, PythonSet)> {
    let before = earlier_key(project, lockfile, key)?;
    Some((before.clone(), lockfile.python.get(before)?.clone()))
}

/// Returns the requirements of a list before it changed: of those that no dev shell has any more, the ones that have
/// most in common with it.
fn earlier_key<'l>(
    project: &Project,
    lockfile: &'l Lockfile,
    key: &PythonKey,
) -> Option<&'l PythonKey> {
    if lockfile.python.contains_key(key) {
        return None;
    }
    let asked = keys(project);
    let lines: BTreeSet<&str> = key.lines().collect();
    let left = lockfile.python.keys().filter(|key| !asked.contains(key));
    left.max_by_key(|key| key.lines().filter(|line| lines.contains(line)).count())
}

/// The most changed requirements that are named.
const SHOWN_CHANGES: usize = 4;

/// Returns the lines of a list that are new and those that are gone.
fn describe_changes(before: &PythonKey, now: &PythonKey) -> String {
    let (before, now): (BTreeSet<&str>, BTreeSet<&str>) =
        (before.lines().collect(), now.lines().collect());
    let added = now.difference(&before).map(|line| format!("+ `{line}`"));
    let removed = before.difference(&now).map(|line| format!("- `{line}`"));
    let changes: Vec<String> = added.chain(removed).collect();
    join_first(&changes, SHOWN_CHANGES)
}

/// Returns the failure for a list that has changed since its packages were locked; nothing if it never was locked.
pub fn changed_list(project: &Project, lockfile: &Lockfile, key: &PythonKey) -> Option<Failure> {
    let before = earlier_key(project, lockfile, key)?;
    let changes = describe_changes(before, key);
    // The changes come first: a prompt cuts the line.
    Some(Failure::new(format!("{changes} since `{LOCKFILE}`")).hint(RUN_LOCK))
}

fn unmet<'k>(project: &Project, key: &'k PythonKey, set: &PythonSet) -> Option<&'k str> {
    let optional = if set.left_out.is_empty() {
        BTreeSet::new()
    } else {
        optional_requirements(project, key)
    };
    find_unmet(key, set, &optional)
}

/// Returns the requirements of a list that only groups and extras have that no one named.
fn optional_requirements(project: &Project, key: &PythonKey) -> BTreeSet<String> {
    let shells = project.preview().shells.values();
    let same =
        shells.filter(|shell| matches!(self::key(project, shell), Ok(Some(own)) if own == *key));
    let optional = same.filter_map(|shell| {
        let (locked, lock) = lockfile_of(project, shell)?;
        let selection = selection(shell, locked, lock).ok()?;
        let parts = optional_parts(shell, locked, &selection);
        let kept = parts
            .iter()
            .fold(selection.clone(), |kept, part| kept.without(part));
        let needed = locked.loose(&kept);
        let mut all = locked.loose(&selection);
        all.retain(|one| !needed.contains(one));
        Some(all)
    });
    optional.flatten().collect()
}

/// Returns who says which packages of a dev shell `devshell.lock` has.
pub fn origin(project: &Project, shell: &DevShell, lockfile: &Lockfile) -> EntryOrigin {
    let key = key(project, shell).ok().flatten();
    let set = key.and_then(|key| fitting_set(project, lockfile, &key));
    set.map(|set| set.origin).unwrap_or_default()
}

/// Returns the packages of repositories that `devshell.lock` has for a dev shell, with their addresses and commits.
pub fn locked_commits(
    project: &Project,
    shell: &DevShell,
    lockfile: &Lockfile,
) -> Vec<(PackageName, String)> {
    let Ok(Some(key)) = key(project, shell) else {
        return Vec::new();
    };
    let set = lockfile.python.get(&key).cloned();
    let set = set.or_else(|| earlier_set(project, lockfile, &key));
    let packages = set.iter().flat_map(|set| &set.packages);
    packages.filter_map(LockedRequirement::repository).collect()
}

/// Returns the packages that the manifest lets run their own build.
fn builds(shell: &DevShell) -> BTreeSet<String> {
    let named = shell.python.build.iter();
    named.map(|one| one.value.clone()).collect()
}

/// Returns the packages that the manifest or the user names, and so lets run their own build. A locked list does not
/// name all of them: it does not know which wheels a Python cannot use.
fn permitted_builds(project: &Project, shell: &DevShell) -> BTreeSet<String> {
    let mut builds = builds(shell);
    builds.extend(project.build_permission().named().cloned());
    builds
}

fn no_lock(place: &Origin) -> Failure {
    let names: Vec<String> = PYTHON_LOCKS
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    Failure::new(format!(
        "{place} asks for Python packages, but there is no lockfile"
    ))
    .note(format!("the first of {} is used", names.join(", ")))
    .hint("make one with `uv lock`, or name packages of the index in `packages`")
}

/// Returns the groups and extras of a dev shell; the lockfile must have them.
fn selection(shell: &DevShell, locked: &PythonLock, lock: &str) -> Result<Selection, Failure> {
    let python = &shell.python;
    check_names("group", &python.groups, &locked.groups, lock, |name| {
        locked.groups.contains(name)
    })?;
    check_names("extra", &python.extras, &locked.extras, lock, |name| {
        locked.may_have_extra(name)
    })?;
    let names = |named: &[Located<String>]| -> BTreeSet<String> {
        named.iter().map(|one| one.value.clone()).collect()
    };
    let mut groups = names(&python.groups);
    if !python.groups_named {
        groups.extend(locked.default_groups.iter().cloned());
    }
    Ok(Selection {
        groups,
        extras: names(&python.extras),
    })
}

fn check_names(
    kind: &str,
    wanted: &[Located<String>],
    known: &BTreeSet<String>,
    lock: &str,
    may_exist: impl Fn(&str) -> bool,
) -> Result<(), Failure> {
    let Some(missing) = wanted.iter().find(|one| !may_exist(&one.value)) else {
        return Ok(());
    };
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let known = if names.is_empty() {
        format!("no {kind}s")
    } else {
        names.join(", ")
    };
    Err(lacks_name(kind, missing, lock).note(format!("it has {known}")))
}

/// Returns the failure for a group or extra that a manifest names and the project lacks.
fn lacks_name(kind: &str, named: &Located<String>, lock: &str) -> Failure {
    Failure::new(format!(
        "{} asks for the {kind} `{}`, which `{lock}` does not have",
        named.origin, named.value
    ))
}

/// Returns the requirements of a dev shell that `devshell.lock` must have, if any.
fn key(project: &Project, shell: &DevShell) -> Result<Option<PythonKey>, Failure> {
    let python = &shell.python;
    let mut key = match lockfile_of(project, shell) {
        Some((locked, lock)) if !locked.loose.is_empty() => {
            locked.key(&selection(shell, locked, lock)?)
        }
        _ => PythonKey::default(),
    };
    let named = python.packages.iter().map(|one| one.value.clone());
    key.requirements.extend(named);
    key.requirements.sort();
    key.requirements.dedup();
    Ok((!key.requirements.is_empty()).then_some(key))
}

/// The oldest Python of the dev shells that ask for a list of requirements.
struct OldestPython<'p> {
    /// A dev shell with this Python.
    shell: &'p ShellName,
    /// The numbers of its minor version (`3`, `12`); empty if it is not locked.
    python: Vec<u64>,
}

/// Returns every list of requirements that dev shells ask for.
///
/// A dev shell whose list cannot be determined has none here. [`check_lists`] and [`of_shell`] report it.
fn requested<'p>(
    project: &'p Project,
    lockfile: &Lockfile,
) -> BTreeMap<PythonKey, OldestPython<'p>> {
    let mut requested: BTreeMap<PythonKey, OldestPython<'_>> = BTreeMap::new();
    for (name, shell) in &project.preview().shells {
        if let Ok(Some(key)) = key(project, shell) {
            let python = python_numbers(shell, lockfile);
            // uv resolves for the oldest Python, and adds markers for newer ones.
            let is_older = |known: &OldestPython<'_>| {
                !python.is_empty() && (known.python.is_empty() || python < known.python)
            };
            if requested.get(&key).is_none_or(is_older) {
                let shell = name;
                requested.insert(key, OldestPython { shell, python });
            }
        }
    }
    requested
}

/// Checks that the list of requirements of each dev shell can be determined.
pub fn check_lists(project: &Project) -> Result<(), Failure> {
    for shell in project.preview().shells.values() {
        key(project, shell)?;
    }
    Ok(())
}

impl OldestPython<'_> {
    /// Returns the minor version (`3.12`); empty if it is not locked.
    fn version(&self) -> String {
        let numbers: Vec<String> = self.python.iter().map(u64::to_string).collect();
        numbers.join(".")
    }
}

/// Checks that the lockfiles have the groups and extras of every dev shell.
pub fn check_selections(project: &Project) -> Result<(), Failure> {
    for shell in project.preview().shells.values() {
        if let Some((locked, lock)) = lockfile_of(project, shell) {
            selection(shell, locked, lock)?;
        }
    }
    Ok(())
}

/// Returns every list of requirements that `devshell.lock` must have.
pub fn keys(project: &Project) -> BTreeSet<PythonKey> {
    let requested = requested(project, &Lockfile::default());
    requested.into_keys().collect()
}

/// Returns the locked version of the Python of a dev shell.
pub(super) fn python_version(shell: &DevShell, lockfile: &Lockfile) -> Option<Version> {
    let tools = shell.tools.iter();
    let pythons = tools.filter(|(tool, _)| tool.is_interpreter());
    let (tool, request) = pythons.min_by_key(|(tool, _)| tool.is_conda_python())?;
    if tool.is_conda_python() {
        return Some(conda_packages::locked_tool(lockfile, shell, tool)?.version);
    }
    Some(lockfile.locked(tool, request)?.version.clone())
}

fn python_numbers(shell: &DevShell, lockfile: &Lockfile) -> Vec<u64> {
    let version = python_version(shell, lockfile);
    let numbers = version.map(|version| version.release().to_vec());
    numbers.into_iter().flatten().take(2).collect()
}

/// Returns the problems of the locked packages, a line for each list.
pub fn problems(project: &Project, lockfile: &Lockfile) -> Vec<String> {
    let requested = requested(project, lockfile);
    let mut problems = Vec::new();
    let mut changed = BTreeSet::new();
    for (key, oldest) in &requested {
        let python = oldest.version();
        match lockfile.python.get(key) {
            None => problems.push(match earlier_key(project, lockfile, key) {
                Some(before) => {
                    changed.insert(before);
                    let shell = &project.preview().shells[oldest.shell];
                    let lock = shell.python.lock.as_ref();
                    let list = lock.map_or_else(
                        || "the list of packages".to_owned(),
                        |lock| format!("`{}`", lock.value),
                    );
                    format!("{list} has changed: {}", describe_changes(before, key))
                }
                None => format!("Python packages {} are not locked", first_words(key)),
            }),
            Some(set) if set.python != python => problems.push(format!(
                "Python packages {} are locked for Python {}, not {python}",
                first_words(key),
                set.python
            )),
            Some(set) => problems.extend(unmet(project, key, set).map(|requirement| {
                format!("the locked Python packages do not meet `{requirement}`")
            })),
        }
    }
    let superfluous = lockfile
        .python
        .keys()
        .filter(|key| !requested.contains_key(*key) && !changed.contains(key));
    problems.extend(superfluous.map(|key| {
        format!(
            "Python packages {} are locked, but no dev shell asks for them",
            first_words(key)
        )
    }));
    problems
}

fn first_words(key: &PythonKey) -> String {
    let first = key.requirements.iter().take(3);
    let mut words: Vec<String> = first.map(|one| format!("`{one}`")).collect();
    if key.requirements.len() > 3 {
        words.push("…".to_owned());
    }
    words.join(", ")
}

/// Returns the groups and extras of a dev shell that its locked packages leave out, each with the reason.
pub fn left_out(
    project: &Project,
    shell: &DevShell,
    lockfile: &Lockfile,
) -> Result<Vec<(SelectionPart, Failure)>, Failure> {
    let (Some(key), Some((locked, lock))) = (key(project, shell)?, lockfile_of(project, shell))
    else {
        return Ok(Vec::new());
    };
    let Some(set) = lockfile.python.get(&key) else {
        return Ok(Vec::new());
    };
    let selection = selection(shell, locked, lock)?;
    let parts = optional_parts(shell, locked, &selection);
    let parts = left_out_parts(parts, locked, set).into_iter();
    let with_reason = parts.map(|part| {
        let name = part.key();
        let known = set.left_out_parts.iter().find(|one| one.part == name);
        let reason = known.map_or_else(
            || "it does not resolve".to_owned(),
            |known| describe_left_out(project, shell, known),
        );
        (part, Failure::new(reason))
    });
    Ok(with_reason.collect())
}

fn describe_left_out(project: &Project, shell: &DevShell, part: &LeftOutPart) -> String {
    let LeftOutPart {
        requirement,
        reason,
        ..
    } = part;
    let Some(requirement) = requirement else {
        return reason.clone();
    };
    match requirement_faults::place_of(project, shell, requirement) {
        Some(origin) => format!("`{requirement}` {reason} ({origin})"),
        None => format!("`{requirement}` {reason}"),
    }
}

/// Returns a line for each group and extra that the locked packages of a project leave out: dev shells have most of them
/// in common.
pub fn left_out_lines(project: &Project, lockfile: &Lockfile) -> Vec<String> {
    let shells = project.preview().shells.values();
    let parts = shells.filter_map(|shell| left_out(project, shell, lockfile).ok());
    let parts: BTreeMap<String, Failure> = parts
        .flatten()
        .map(|(part, failure)| (part.to_string(), failure))
        .collect();
    let lines = parts.into_iter();
    lines
        .map(|(part, failure)| format!("{part} is left out: {}", failure.error))
        .collect()
}

/// Returns the packages that only groups and extras ask for that are left out.
pub fn left_out_packages(lockfile: &Lockfile) -> BTreeSet<PackageName> {
    let texts = lockfile.python.values().flat_map(|set| &set.left_out);
    let parsed = texts.filter_map(|text| text.parse::<PythonRequirement>().ok());
    parsed.map(|one| one.name).collect()
}
