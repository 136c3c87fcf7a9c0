//! What the Python files of a project can make devsh fetch or run, and what its environment depends on.
//!
//! A lockfile of the public index is data. Whatever else could bring in code when the environment is built
//! (other sources, the build system, uv's settings) is an input that the user approves.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    manifest::{self, Manifest, Needs, PYTHON_LOCKS, PythonLockFormat, Text},
    python::{self, PythonLock},
    util::{codec::Writer, paths::join_text},
};

use super::{
    build_inputs,
    reader::{Bytes, Error, Inputs},
};

/// What a project without a lockfile names its needs in.
const PROJECT: &str = "pyproject.toml";
/// Most lists of requirements that one list may lead to.
const LISTS: usize = 64;

/// The files beside one Python lockfile, as they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonFiles {
    /// The lockfile, relative to the root.
    pub lock: String,
    /// What it says; nothing when there is no lockfile.
    pub locked: Option<Arc<PythonLock>>,
    /// What an installed project depends on beside the lockfile.
    pub project: [u8; 32],
    /// Packages from elsewhere than the public index, by name, with their sources.
    pub(super) foreign: Vec<(String, String)>,
}

/// Finds the lockfile for dev shells that want Python packages and name neither a lockfile nor packages.
///
/// Without one the project's own `pyproject.toml` does, if it says what the project needs.
pub(super) fn find(files: &mut Inputs, manifest: &mut Manifest) -> Result<(), Error> {
    let mut found = None;
    for shell in manifest.shells.values_mut() {
        let python = &mut shell.python;
        if python.lock.is_some() || !python.packages.is_empty() {
            continue;
        }
        let Some(origin) = python.place.clone() else {
            continue;
        };
        // Each one looked at is watched: a lockfile that appears counts.
        let name = match &found {
            Some(name) => name,
            None => found.insert(lock_of(files)?),
        };
        python.lock = name.map(|name| manifest::Located {
            value: name.to_owned(),
            origin,
        });
    }
    Ok(())
}

fn lock_of(files: &mut Inputs) -> Result<Option<&'static str>, Error> {
    let found = PYTHON_LOCKS.into_iter().find(|name| files.exists(name));
    if found.is_some() || files.exists("pdm.lock") {
        return Ok(found);
    }
    let project = text(PROJECT, &files.data(PROJECT)?)?;
    let needs = project.as_ref().map(manifest::needs).transpose()?;
    Ok((needs == Some(Needs::Listed)).then_some(PROJECT))
}

/// Reads the files beside `lock`, a path below `root`, for dev shells that want `groups`.
pub(super) fn read(
    files: &mut Inputs,
    lock: &str,
    groups: &BTreeSet<String>,
) -> Result<PythonFiles, Error> {
    let folder = lock.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut writer = Writer::default();
    let project = build_inputs::directory(files, folder, &mut writer)?;
    let locked = locked(files, lock, groups, project)?;
    if let Some(locked) = &locked {
        let paths = locked.directories();
        build_inputs::directories(files, (lock, folder), &paths, &mut writer)?;
    }
    let foreign = locked.as_ref().map(PythonLock::foreign).unwrap_or_default();
    let lines = foreign
        .iter()
        .map(|(name, source)| format!("{name} {source}"));
    let listed = lines.collect::<Vec<_>>().join("\n");
    files.approve(&format!("{lock} (other sources)"), listed.as_bytes());
    Ok(PythonFiles {
        lock: lock.to_owned(),
        locked: locked.map(Arc::new),
        project: *blake3::hash(&writer.into_bytes()).as_bytes(),
        foreign,
    })
}

fn locked(
    files: &mut Inputs,
    lock: &str,
    groups: &BTreeSet<String>,
    project: Option<Text>,
) -> Result<Option<PythonLock>, Error> {
    let Some(text) = text(lock, &files.data(lock)?)? else {
        return Ok(None);
    };
    let mut all = python::Files {
        lock: text,
        project,
        lists: BTreeMap::new(),
        groups: BTreeMap::new(),
    };
    if PythonLockFormat::of(lock) == Some(PythonLockFormat::Requirements) {
        lists(files, groups, &mut all)?;
    }
    Ok(Some(python::read(&all)?))
}

/// Reads the lists of the groups, and every list that is included.
fn lists(
    files: &mut Inputs,
    groups: &BTreeSet<String>,
    all: &mut python::Files,
) -> Result<(), Error> {
    let main = all.lock.file().to_string();
    let mut pending = vec![main.clone()];
    for group in groups {
        let mut names = group_lists(&main, group).into_iter();
        if let Some(name) = names.find(|name| files.exists(name)) {
            all.groups.insert(group.clone(), name.clone());
            pending.push(name);
        }
    }
    while let Some(name) = pending.pop() {
        // A list outside of the project is nobody's who works on it.
        if all.lists.contains_key(&name) || name.starts_with("..") || all.lists.len() >= LISTS {
            continue;
        }
        let Some(text) = text(&name, &files.data(&name)?)? else {
            continue;
        };
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let included = python::includes(&text).into_iter();
        pending.extend(included.map(|other| join_text(folder, &other)));
        all.lists.insert(name, text);
    }
    Ok(())
}

/// Where the list of a group may be, beside the list at `main`.
fn group_lists(main: &str, group: &str) -> Vec<String> {
    let (folder, name) = main.rsplit_once('/').unwrap_or(("", main));
    let stem = name.strip_suffix(".txt").unwrap_or(name);
    let mut names = vec![
        format!("{stem}-{group}.txt"),
        format!("{stem}_{group}.txt"),
        format!("{group}-{stem}.txt"),
        format!("{stem}.{group}.txt"),
        format!("{stem}/{group}.txt"),
    ];
    if folder.ends_with(stem) || folder.ends_with("requirements") {
        names.push(format!("{group}.txt"));
    }
    let full = names.iter().map(|name| join_text(folder, name));
    full.collect()
}

pub(super) fn text(name: &str, bytes: &Bytes) -> Result<Option<Text>, Error> {
    let bytes = bytes.as_ref();
    Ok(bytes
        .map(|bytes| Text::from_bytes(name, bytes))
        .transpose()?)
}

/// The Python lockfiles that a manifest names, each once, with every group wanted of it.
pub(super) fn locks(manifest: &Manifest) -> BTreeMap<String, BTreeSet<String>> {
    let mut locks: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for shell in manifest.shells.values() {
        if let Some(lock) = &shell.python.lock {
            let groups = locks.entry(lock.value.clone()).or_default();
            groups.insert("dev".to_owned());
            groups.extend(shell.python.groups.iter().map(|group| group.value.clone()));
        }
    }
    locks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::reader::Closure;

    const LOCK: &str = r#"
version = 1
[[package]]
name = "app"
version = "1"
source = { editable = "." }
[[package]]
name = "idna"
version = "3"
source = { registry = "https://pypi.org/simple" }
wheels = [{ url = "https://files.pythonhosted.org/a.whl", hash = "sha256:0000000000000000000000000000000000000000000000000000000000000000", size = 1 }]
"#;

    fn world(pyproject: &str, lock: &str) -> (PythonFiles, Closure) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("pyproject.toml"), pyproject).unwrap();
        std::fs::write(directory.path().join("uv.lock"), lock).unwrap();
        let mut inputs = Inputs::at(directory.path());
        let groups = BTreeSet::from(["dev".to_owned()]);
        let files = read(&mut inputs, "uv.lock", &groups).unwrap();
        (files, inputs.close())
    }

    #[test]
    fn a_lockfile_of_the_public_index_is_data() {
        let first = world("[project]\nname = \"app\"\n", LOCK);
        let second = world(
            "[project]\nname = \"app\"\n[tool.ruff]\n# x\n",
            &LOCK.replace("\"3\"", "\"4\""),
        );
        assert_eq!(first.1.approved(), second.1.approved());
        assert_eq!(first.0.project, second.0.project);
        assert_ne!(first.0.locked, second.0.locked);
        assert!(first.0.foreign.is_empty());
        assert!(first.0.locked.unwrap().installs_project());
    }

    #[test]
    fn whatever_else_brings_code_is_approved() {
        let first = world("[project]\n", LOCK);
        let elsewhere = LOCK.replace("https://files.pythonhosted.org/", "https://evil.example/");
        let unhashed = LOCK.replace(
            "hash = \"sha256:0000000000000000000000000000000000000000000000000000000000000000\", ",
            "",
        );
        let git = LOCK.replace(
            "registry = \"https://pypi.org/simple\"",
            "git = \"https://evil.example\"",
        );
        let lookalike = LOCK.replace("pythonhosted.org/", "pythonhosted.org.evil.example/");
        for lock in [elsewhere, unhashed, git, lookalike] {
            let other = world("[project]\n", &lock);
            assert_ne!(first.1.approved(), other.1.approved(), "{lock}");
            assert_eq!(other.0.foreign[0].0, "idna");
        }
        for pyproject in [
            "[build-system]\nrequires = []\n",
            "[tool.uv]\ncache-dir = \".\"\n",
        ] {
            let other = world(pyproject, LOCK).1;
            assert_ne!(first.1.approved(), other.approved(), "{pyproject}");
        }
    }
}
