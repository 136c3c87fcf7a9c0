//! The Python files of a project: its lockfile, and the inputs that decide which code an installation runs.
//!
//! A lockfile of the public index is data. Everything else that can bring in code when the environment is built
//! (other sources, the build system, uv's settings) is a fact that the user approves.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    manifest::{
        self, ErrorKind, Manifest, Needs, Node, PYTHON_LOCKS, PythonLockFormat, Text, group_lists,
        presets::{PresetNote, WorkspaceMembers},
    },
    python::{
        ForeignPackage, LockFiles, PythonLock, WheelMinors, build_settings, decode_list,
        included_lists, named_directories, read_lock, source_directories,
    },
    util::{address::variable_names, paths::join_text, redact::redact_for_approval},
};

use super::{
    approval_summary::{Fact, Facts},
    build_inputs::{InputCollector, parse_text},
    members,
    reader::{Error, Inputs},
};

/// The file that is read if there is no lockfile.
const PROJECT: &str = "pyproject.toml";
/// The file of pipenv, which is read if that names no requirements.
const PIPFILE: &str = "Pipfile";
/// The files of setuptools, which are read if there is none of the others.
const SETUP: [&str; 2] = ["setup.cfg", "setup.py"];
/// Most lists of requirements that are read for one lockfile.
const MAX_LISTS: usize = 64;
/// Most words in these lists together. A list of 500 packages with the digests of all their files has 50,000.
const LIST_WORDS: usize = 100_000;

/// One Python lockfile and the files in its directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonFiles {
    /// The lockfile, relative to the root.
    pub lock: String,
    /// Its content; `None` if there is no lockfile.
    pub locked: Option<Arc<PythonLock>>,
    /// A digest of the files that decide what the installed project is.
    pub project: [u8; 32],
    /// The settings of uv for the build of the project.
    pub build_settings: Option<String>,
    /// The facts that the user approves: code that runs in builds, and packages that are not from the public index.
    pub(super) facts: Facts,
    /// The Pythons for which its packages have wheels.
    pub(super) wheels: WheelMinors,
    /// The build packages that compile native code of the project.
    pub compilers: BTreeSet<&'static str>,
    /// The names of the programs that installed directories declare.
    pub scripts: BTreeSet<String>,
}

/// Finds the lockfile for dev shells that ask for Python packages and name neither a lockfile nor packages.
///
/// Without a lockfile it is the project's own file: `pyproject.toml` if it declares the requirements, `Pipfile`,
/// `setup.cfg` or `setup.py`.
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
        // Every looked-up file is watched, so a new lockfile is noticed.
        let name = match &found {
            Some(name) => name,
            None => found.insert(find_lock(files)?),
        };
        python.lock = name.map(|name| manifest::Located {
            value: name.to_owned(),
            origin,
        });
    }
    Ok(())
}

fn find_lock(files: &mut Inputs) -> Result<Option<&'static str>, Error> {
    let found = PYTHON_LOCKS.into_iter().find(|name| files.exists(name));
    if found.is_some() {
        return Ok(found);
    }
    let project = parse_text(PROJECT, &files.data(PROJECT)?)?;
    let needs = project.as_ref().map(manifest::needs).transpose()?;
    let is_known = matches!(needs, Some(Needs::Listed | Needs::Built(_)));
    if is_known {
        return Ok(Some(PROJECT));
    }
    if files.exists(PIPFILE) {
        return Ok(Some(PIPFILE));
    }
    Ok(find_setup(files, "")?.map(|(file, _)| file))
}

/// Reads `lock` and the files in its directory, for dev shells with `groups`.
pub(super) fn read(
    files: &mut Inputs,
    lock: &str,
    groups: &BTreeSet<String>,
) -> Result<PythonFiles, Error> {
    let folder = lock.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut inputs = InputCollector::new(files);
    let project = inputs.add_directory(folder)?;
    let digest = inputs.digest();
    let locked = read_lockfile(inputs.files, lock, groups, project, digest)?;
    let (mut compilers, mut scripts) = (BTreeSet::new(), BTreeSet::new());
    if let Some(locked) = &locked {
        let installed = locked.directories();
        inputs.add_installed(lock, folder, &installed)?;
        compilers = inputs.compilers(folder, &installed);
        scripts = inputs.scripts(folder, &installed);
    }
    let (project, mut facts) = inputs.finish();
    let within = |name: &str| join_text(folder, name);
    let uv = files.data(&within("uv.toml"))?;
    let pyproject = files.data(&within(PROJECT))?;
    let build_settings = build_settings(uv.as_deref(), pyproject.as_deref());
    let bytes = files.data(lock)?;
    let wheels = bytes.map(|bytes| WheelMinors::read(&String::from_utf8_lossy(&bytes)));
    let wheels = wheels.unwrap_or_default();
    let foreign = locked.as_ref().map(PythonLock::foreign).unwrap_or_default();
    let mut sources: BTreeMap<String, Vec<ForeignPackage>> = BTreeMap::new();
    for package in foreign {
        sources
            .entry(package.name.clone())
            .or_default()
            .push(package);
    }
    for (name, packages) in sources {
        let named = packages.iter().map(|one| one.source.to_string());
        let mut text = named.collect::<Vec<_>>().join(", ");
        let mut words = vec![&*name];
        if let [
            ForeignPackage {
                directory: Some(place),
                ..
            },
        ] = &*packages
        {
            words.extend(["in", place]);
            // The name of the fact says where it is, so the text only says how it is used.
            if let Some(kind) = text.strip_suffix(&**place) {
                text = kind.trim_end().to_owned();
            }
        }
        words.extend(["of", lock]);
        let meaning = format!("{packages:?}");
        let fact = Fact::meaning(shown_source(&text), meaning.as_bytes(), lock);
        facts.add("python package", &words, fact)?;
    }
    Ok(PythonFiles {
        lock: lock.to_owned(),
        locked: locked.map(Arc::new),
        project,
        build_settings,
        facts,
        wheels,
        compilers,
        scripts,
    })
}

/// Returns the text of a source, with the variables of the user that uv puts into it.
fn shown_source(text: &str) -> String {
    let names: BTreeSet<&str> = variable_names(text).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let note = match names.as_slice() {
        [] => String::new(),
        [name] => format!("  (sends your variable {name})"),
        names => format!("  (sends your variables {})", names.join(", ")),
    };
    redact_for_approval(text) + &note
}

fn read_lockfile(
    files: &mut Inputs,
    lock: &str,
    groups: &BTreeSet<String>,
    project: Option<Text>,
    inputs: String,
) -> Result<Option<PythonLock>, Error> {
    let format = PythonLockFormat::of(lock);
    let is_list = format == Some(PythonLockFormat::Requirements);
    let bytes = files.data(lock)?;
    let text = match &bytes {
        Some(bytes) if is_list => Some(decode_list(lock, bytes)),
        _ => parse_text(lock, &bytes)?,
    };
    let Some(text) = text else {
        return Ok(None);
    };
    let mut all = LockFiles {
        project,
        inputs,
        ..LockFiles::single(text)
    };
    if is_list {
        read_lists(files, lock, groups, &mut all)?;
        let folder = lock.rsplit_once('/').map_or("", |(folder, _)| folder);
        all.setup_name = find_setup(files, folder)?.map(|(_, name)| name);
    } else if let Some(PythonLockFormat::Setup | PythonLockFormat::Project) = format {
        let folder = lock.rsplit_once('/').map_or("", |(folder, _)| folder);
        let list = join_text(folder, "requirements.txt");
        read_lists(files, &list, groups, &mut all)?;
    }
    if format == Some(PythonLockFormat::Project) {
        let text = all.lock.clone();
        read_sources(files, &text, &mut all)?;
    }
    Ok(Some(read_lock(&all)?))
}

/// Returns which of `setup.cfg` and `setup.py` in a directory names the project, and the name.
fn find_setup(files: &mut Inputs, folder: &str) -> Result<Option<(&'static str, String)>, Error> {
    for file in SETUP {
        let path = join_text(folder, file);
        let setup = parse_text(&path, &files.data(&path)?)?;
        if let Some(name) = setup.as_ref().and_then(manifest::setup_name) {
            return Ok(Some((file, name)));
        }
    }
    Ok(None)
}

/// The number of words in the lists of requirements of a lockfile.
#[derive(Debug, Default)]
struct ListSize(usize);

impl ListSize {
    /// Adds a list that is not parsed yet.
    fn add(&mut self, list: &Text) -> Result<(), Error> {
        self.0 += list.as_str().split_ascii_whitespace().count();
        if self.0 > LIST_WORDS {
            let message = format!(
                "the lists of requirements have more than {LIST_WORDS} words together, and devsh reads no more"
            );
            return Err(list.error(0..0, ErrorKind::PythonLock(message)).into());
        }
        Ok(())
    }
}

/// Reads the lists of the groups, whose names follow that of the list `main`, and every included list.
fn read_lists(
    files: &mut Inputs,
    main: &str,
    groups: &BTreeSet<String>,
    all: &mut LockFiles,
) -> Result<(), Error> {
    let mut size = ListSize::default();
    let mut pending = Vec::new();
    if main == &**all.lock.file() {
        size.add(&all.lock)?;
        pending.push(main.to_owned());
    }
    for group in groups {
        let mut names = group_lists(main, group).into_iter();
        if let Some(name) = names.find(|name| files.exists(name)) {
            all.groups.insert(group.clone(), name.clone());
            pending.push(name);
        }
    }
    while let Some(name) = pending.pop() {
        // A list outside of the project does not belong to it.
        if all.lists.contains_key(&name) || name.starts_with("..") || all.lists.len() >= MAX_LISTS {
            continue;
        }
        let Some(text) = files.data(&name)?.map(|bytes| decode_list(&name, &bytes)) else {
            continue;
        };
        if name != main {
            size.add(&text)?;
        }
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let included = included_lists(&text).into_iter();
        pending.extend(included.map(|other| join_text(folder, &other)));
        read_directories(files, &text, all)?;
        all.lists.insert(name, text);
    }
    Ok(())
}

/// Reads the `pyproject.toml` of each directory that a list installs.
fn read_directories(files: &mut Inputs, list: &Text, all: &mut LockFiles) -> Result<(), Error> {
    let main = all.lock.file().to_string();
    let folder = main.rsplit_once('/').map_or("", |(folder, _)| folder);
    for path in named_directories(list) {
        let directory = join_text(folder, &path);
        if all.directories.contains_key(&directory) || all.directories.len() >= MAX_LISTS {
            continue;
        }
        let name = join_text(&directory, PROJECT);
        if let Some(text) = parse_text(&name, &files.data(&name)?)? {
            read_sources(files, &text, all)?;
            all.directories.insert(directory, text);
        }
    }
    Ok(())
}

/// Reads the `pyproject.toml` of each directory that `[tool.uv.sources]` names, and of the workspace's members if it names
/// one, and of the directories that those name.
fn read_sources(files: &mut Inputs, project: &Text, all: &mut LockFiles) -> Result<(), Error> {
    let mut pending = vec![project.clone()];
    while let Some(text) = pending.pop() {
        let mut named = source_directories(&text)?;
        if named.has_members {
            let name = text.file().to_string();
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            let members = workspace_members(&text);
            let found = members::directories(&files.root().join(folder), &members).0;
            let found = found.iter().map(|one| join_text(folder, one));
            named.directories.extend(found);
        }
        for directory in named.directories {
            let name = join_text(&directory, PROJECT);
            let is_known = all.directories.contains_key(&directory);
            if is_known || directory.starts_with("..") || all.directories.len() >= MAX_LISTS {
                continue;
            }
            if let Some(text) = parse_text(&name, &files.data(&name)?)? {
                pending.push(text.clone());
                all.directories.insert(directory, text);
            }
        }
    }
    Ok(())
}

/// Returns the patterns of `[tool.uv.workspace]`.
fn workspace_members(text: &Text) -> WorkspaceMembers {
    let root = text.toml();
    let patterns = |key: &str| -> Vec<String> {
        let nodes = root.iter().flat_map(|root| root.select(key));
        let texts = nodes.flat_map(Node::elements).filter_map(Node::text);
        texts.map(str::to_owned).collect()
    };
    WorkspaceMembers {
        workspace: text.file().to_string(),
        include: patterns("tool.uv.workspace.members"),
        exclude: patterns("tool.uv.workspace.exclude"),
        manifest: PROJECT.to_owned(),
    }
}

/// Returns the notes on parts of the lockfiles that devsh cannot follow.
pub(super) fn notes(all: &[PythonFiles]) -> Vec<PresetNote> {
    let locks = all.iter().filter_map(|files| files.locked.as_ref());
    let notes = locks.flat_map(|lock| &lock.notes);
    let notes: BTreeSet<PresetNote> = notes
        .map(|note| PresetNote {
            origin: note.origin.clone(),
            message: note.value.clone(),
            tool: None,
        })
        .collect();
    notes.into_iter().collect()
}

/// Returns the Python lockfiles that a manifest names, with every group that dev shells ask for.
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
    use crate::project::reader::ProjectFiles;

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

    fn read_project(pyproject: &str, lock: &str) -> (PythonFiles, ProjectFiles) {
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
        let first = read_project("[project]\nname = \"app\"\n", LOCK);
        let second = read_project(
            "[project]\nname = \"app\"\n[tool.ruff]\n# x\n",
            &LOCK.replace("\"3\"", "\"4\""),
        );
        assert_eq!(first.0.facts, second.0.facts);
        assert_eq!(first.0.project, second.0.project);
        assert_ne!(first.0.locked, second.0.locked);
        assert!(
            !first
                .0
                .facts
                .names()
                .any(|name| name.starts_with("python package"))
        );
        assert!(first.0.locked.unwrap().installs_project());
    }

    #[test]
    fn other_sources_of_code_need_approval() {
        let first = read_project("[project]\n", LOCK);
        let elsewhere = LOCK.replace("https://files.pythonhosted.org/", "https://evil.example/");
        let unhashed = LOCK.replace(
            "hash = \"sha256:0000000000000000000000000000000000000000000000000000000000000000\", ",
            "",
        );
        let git = LOCK.replace(
            "registry = \"https://pypi.org/simple\"",
            "git = \"https://evil.example#0123456789abcdef0123456789abcdef01234567\"",
        );
        let lookalike = LOCK.replace("pythonhosted.org/", "pythonhosted.org.evil.example/");
        for lock in [elsewhere, unhashed, git, lookalike] {
            let other = read_project("[project]\n", &lock);
            assert_ne!(first.0.facts, other.0.facts, "{lock}");
            let name = "python package idna of uv.lock";
            assert!(other.0.facts.get(name).is_some());
        }
        for pyproject in [
            "[build-system]\nrequires = []\n",
            "[tool.uv]\ncache-dir = \".\"\n",
        ] {
            let other = read_project(pyproject, LOCK);
            assert_ne!(first.0.facts, other.0.facts, "{pyproject}");
        }
    }
}
