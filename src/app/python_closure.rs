//! Python packages that are locked in `devshell.lock`: those of `packages` in the manifest, and lists of
//! requirements without digests.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    builder::{Request, Wanted},
    lockfile::{LockKey, LockedRequirement, Lockfile, PythonKey, PythonSet, PythonSets, Upgrade},
    manifest::{DevShell, ShellName, Text},
    package::{Source, Tool},
    project::{Project, approval::Standing},
    python::pinned,
    report::failure::Failure,
    sources::newest_allowed,
};

use super::{python_packages, python_tools::with_uv, session::Work};
use crate::report::hints;

/// What a dev shell wants to be locked, if it wants any.
pub fn key(project: &Project, shell: &DevShell) -> Result<Option<PythonKey>, Failure> {
    let python = &shell.python;
    let mut key = PythonKey::default();
    if python.packages.is_empty() {
        let Some((locked, lock)) = python_packages::locked(project, shell) else {
            return Ok(None);
        };
        if locked.loose.is_empty() {
            return Ok(None);
        }
        let selection = python_packages::selection(shell, locked, lock)?;
        key.requirements = locked.loose(&selection);
        key.constraints = locked.constraints(&selection);
    } else {
        let named = python.packages.iter();
        key.requirements = named.map(|one| one.value.clone()).collect();
    }
    for list in [&mut key.requirements, &mut key.constraints] {
        list.sort();
        list.dedup();
    }
    Ok((!key.requirements.is_empty()).then_some(key))
}

/// Every list that is wanted, with the oldest Python that it is for and a dev shell that has this one.
fn wanted<'p>(
    project: &'p Project,
    lockfile: &Lockfile,
) -> Result<BTreeMap<PythonKey, (&'p ShellName, String)>, Failure> {
    let mut wanted: BTreeMap<PythonKey, (&ShellName, Vec<u64>)> = BTreeMap::new();
    for (name, shell) in &project.preview().shells {
        if let Some(key) = key(project, shell)? {
            let python = python(shell, lockfile);
            // What the oldest one can have, uv chooses with conditions for the newer ones.
            let older = |present: &(&ShellName, Vec<u64>)| {
                !python.is_empty() && (present.1.is_empty() || python < present.1)
            };
            if wanted.get(&key).is_none_or(older) {
                wanted.insert(key, (name, python));
            }
        }
    }
    let written = wanted.into_iter().map(|(key, (name, python))| {
        let words: Vec<String> = python.iter().map(u64::to_string).collect();
        (key, (name, words.join(".")))
    });
    Ok(written.collect())
}

/// Returns every list that is wanted.
pub fn keys(project: &Project) -> Result<BTreeSet<PythonKey>, Failure> {
    Ok(wanted(project, &Lockfile::default())?.into_keys().collect())
}

/// The numbers of the minor version of the Python of a dev shell; none if it is not locked.
fn python(shell: &DevShell, lockfile: &Lockfile) -> Vec<u64> {
    let mut tools = shell.tools.iter();
    let found = tools.find(|(tool, _)| tool.source == Source::Python);
    let locked = found.and_then(|(tool, request)| lockfile.locked(tool, request));
    let numbers = locked.map(|locked| locked.version.release().iter().take(2).copied());
    numbers.into_iter().flatten().collect()
}

/// Returns what is wrong with the locked packages, a line for each list.
pub fn problems(project: &Project, lockfile: &Lockfile) -> Result<Vec<String>, Failure> {
    let wanted = wanted(project, lockfile)?;
    let mut problems = Vec::new();
    for (key, (_, python)) in &wanted {
        match lockfile.python.get(key) {
            None => problems.push(format!("Python packages {} are not locked", shown(key))),
            Some(set) if set.python != *python => problems.push(format!(
                "Python packages {} are locked for Python {}, not {python}",
                shown(key),
                set.python
            )),
            Some(_) => {}
        }
    }
    let superfluous = lockfile
        .python
        .keys()
        .filter(|key| !wanted.contains_key(*key));
    problems.extend(superfluous.map(|key| {
        format!(
            "Python packages {} are locked and nothing asks for them",
            shown(key)
        )
    }));
    Ok(problems)
}

fn shown(key: &PythonKey) -> String {
    let first = key.requirements.iter().take(3);
    let mut words: Vec<String> = first.map(|one| format!("`{one}`")).collect();
    if key.requirements.len() > 3 {
        words.push("…".to_owned());
    }
    words.join(", ")
}

/// Returns the packages that answer the project, keeping what is locked and fits.
pub fn resolve(
    work: &Work<'_>,
    project: &Project,
    lockfile: &Lockfile,
    ((previous, upgrade), only): ((&Lockfile, &Upgrade), &BTreeSet<PythonKey>),
) -> Result<PythonSets, Failure> {
    let mut sets = PythonSets::new();
    for (key, (name, python)) in wanted(project, lockfile)? {
        if !only.contains(&key) {
            continue;
        }
        let same = previous.python.get(&key).filter(|set| set.python == python);
        let set = match same {
            Some(set) if *upgrade != Upgrade::All => set.clone(),
            _ => {
                // What is locked for almost the same is the best to start from.
                let alike = |other: &&PythonKey| {
                    let asked = key.requirements.iter();
                    asked.filter(|one| other.requirements.contains(one)).count()
                };
                let near = previous.python.keys().max_by_key(alike);
                let near = near.and_then(|key| previous.python.get(key));
                let near = near.filter(|_| *upgrade != Upgrade::All);
                compile(work, project, lockfile, (name, &key, near), python)?
            }
        };
        sets.insert(key, set);
    }
    Ok(sets)
}

/// Whether packages may be built to learn what they depend on: not for a manifest that has changed since the
/// approval, such as after an upgrade of the files that it stands on.
fn may_build(work: &Work<'_>, project: &Project) -> Result<bool, Failure> {
    let standing = project.standing(&work.decisions);
    Ok(work.trust || standing.map_err(|error| hints::file(&error))? == Standing::Allowed)
}

fn compile(
    work: &Work<'_>,
    project: &Project,
    lockfile: &Lockfile,
    (name, key, previous): (&ShellName, &PythonKey, Option<&PythonSet>),
    python: String,
) -> Result<PythonSet, Failure> {
    let shell = crate::app::session::dev_shell(project.preview(), name)?;
    let tools = shell
        .tools
        .iter()
        .filter(|(tool, _)| matches!(tool.name.as_str(), "python" | "uv"));
    let tools = tools.map(|(tool, request)| Wanted {
        hidden: false,
        tool,
        request,
        locked: lockfile.packages.get(&LockKey::for_request(tool, request)),
    });
    // Packages are exempt from the minimum age together, as the source `pypi`.
    let config = work.config()?;
    let all: Option<Tool> = "pypi:python-packages".parse().ok();
    let newest = all.and_then(|all| newest_allowed(&all, &config, work.context.now));
    let builds = may_build(work, project)?;
    let text = with_uv(work, tools.collect(), |builder, request| {
        let request = Request {
            build_project: builds,
            ..request.clone()
        };
        let oldest = (!python.is_empty()).then_some(&*python);
        builder.compile(&request, (key, oldest), (previous, newest.as_deref()))
    })?;
    let lines =
        pinned(&Text::new("the answer of uv", &text)).map_err(|error| hints::content(&error))?;
    let mut packages: Vec<LockedRequirement> = lines
        .into_iter()
        .map(|(requirement, digests)| LockedRequirement {
            requirement,
            sha256: digests
                .iter()
                .filter_map(|digest| digest.strip_prefix("sha256:"))
                .map(str::to_owned)
                .collect(),
        })
        .collect();
    packages.sort();
    Ok(PythonSet { python, packages })
}
