//! The directories that are installed as packages: the files that decide which code their installation runs, and the
//! metadata of the package.
//!
//! Invariant: the files that decide over code are facts that the user approves, alike for the project itself, a member of
//! its workspace and a path dependency. The work is bounded, whatever a lockfile names.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use toml::{Table, Value};

use crate::{
    manifest::{self, ErrorKind, Text},
    util::{digest_input::DigestInput, paths::join_text, redact::redact_text},
};

use super::{
    approval_summary::{Fact, Facts},
    reader::{Bytes, Error, Inputs},
};

const PYPROJECT: &str = "pyproject.toml";
/// The tables of `pyproject.toml` that decide which code runs when the project is built.
const BUILD_TABLES: &[&str] = &[
    "build-system",
    "tool.uv",
    "tool.hatch.build",
    "tool.hatch.metadata",
    "tool.pdm.build",
    "tool.poetry.build",
    "tool.setuptools",
];
/// The tables with the metadata of the package.
const METADATA_TABLES: &[&str] = &["project", "tool.poetry"];
/// The parts of these tables that decide only which other packages are needed. An editable install stays as it is
/// when they change.
const DEPENDENCY_TABLES: &[&str] = &[
    "project.dependencies",
    "project.optional-dependencies",
    "tool.poetry.dependencies",
    "tool.poetry.dev-dependencies",
    "tool.poetry.extras",
    "tool.poetry.group",
    "tool.uv.conflicts",
    "tool.uv.constraint-dependencies",
    "tool.uv.default-groups",
    "tool.uv.dev-dependencies",
    "tool.uv.override-dependencies",
    "tool.uv.sources",
    "tool.uv.workspace",
];
/// Other files that take part in a build.
const OTHER_FILES: [&str; 3] = [UV_SETTINGS, "setup.py", SETUP_SETTINGS];
const UV_SETTINGS: &str = "uv.toml";
const SETUP_SETTINGS: &str = "setup.cfg";
/// The scripts that build backends run if they exist.
const BACKEND_SCRIPTS: [(&str, &str); 3] = [
    ("tool.hatch.build", "hatch_build.py"),
    ("tool.hatch.metadata", "hatch_build.py"),
    ("tool.pdm.build", "pdm_build.py"),
];
/// Most scripts of one directory.
const MAX_SCRIPTS: usize = 16;
/// Most directories of one lockfile; their files are read at a prompt, before any approval.
const MAX_DIRECTORIES: usize = 512;
/// Most bytes of their files together.
const MAX_BYTES: usize = 16 << 20;

/// Collects the build inputs of directories.
pub(super) struct InputCollector<'f> {
    pub(super) files: &'f mut Inputs,
    input: DigestInput,
    facts: Facts,
}

impl<'f> InputCollector<'f> {
    pub(super) fn new(files: &'f mut Inputs) -> Self {
        Self {
            files,
            input: DigestInput::default(),
            facts: Facts::new(),
        }
    }

    /// Returns the digest of all inputs, and the facts about those that decide which code runs.
    pub(super) fn finish(self) -> ([u8; 32], Facts) {
        let digest = *blake3::hash(&self.input.into_bytes()).as_bytes();
        (digest, self.facts)
    }

    /// Returns a short digest of the inputs so far.
    pub(super) fn digest(&self) -> String {
        let bytes = self.input.clone().into_bytes();
        blake3::hash(&bytes).to_hex()[..16].to_owned()
    }

    /// Adds the inputs of a directory. Returns its `pyproject.toml`.
    pub(super) fn add_directory(&mut self, folder: &str) -> Result<Option<Text>, Error> {
        let pyproject = within(folder, PYPROJECT);
        let bytes = self.files.data(&pyproject)?;
        let project = match &bytes {
            Some(bytes) => manifest::parse_table(&pyproject, bytes)?,
            None => Table::new(),
        };
        let mut installed = project.clone();
        for name in DEPENDENCY_TABLES {
            remove(&mut installed, name);
        }
        self.input.bytes(tables(&installed, BUILD_TABLES));
        self.input.bytes(tables(&installed, METADATA_TABLES));
        for name in BUILD_TABLES {
            if let Some(value) = find(&project, name) {
                self.add_settings(&pyproject, name, value);
            }
        }
        for file in OTHER_FILES {
            let name = within(folder, file);
            let bytes = self.files.data(&name)?;
            self.input.option(bytes.as_ref(), DigestInput::bytes);
            match (file, bytes) {
                (UV_SETTINGS, Some(bytes)) => self.add_uv_settings(&name, &bytes),
                // Most of `setup.cfg` are settings of other tools.
                (SETUP_SETTINGS, Some(bytes)) => self.add_setup_settings(&name, &bytes),
                (_, Some(bytes)) => self.add_code(&name, &bytes),
                (_, None) => {}
            }
        }
        for name in build_scripts(&project) {
            let name = within(folder, &name);
            let bytes = self.files.data(&name)?;
            self.input.option(bytes.as_ref(), DigestInput::bytes);
            if let Some(bytes) = bytes {
                self.add_code(&name, &bytes);
            }
        }
        parse_text(&pyproject, &bytes)
    }

    /// Adds each setting of a table of settings.
    fn add_settings(&mut self, file: &str, name: &str, value: &Value) {
        if let Value::Table(table) = value {
            for (key, value) in table {
                let name = if name.is_empty() {
                    key.clone()
                } else {
                    format!("{name}.{key}")
                };
                self.add_settings(file, &name, value);
            }
            return;
        }
        let text = match value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        let fact = Fact::meaning(redact_text(&text), value.to_string().as_bytes(), file);
        self.facts
            .insert(format!("build setting {file} {name}"), fact);
    }

    fn add_uv_settings(&mut self, file: &str, bytes: &[u8]) {
        match manifest::parse_table(file, bytes) {
            Ok(table) => self.add_settings(file, "", &Value::Table(table)),
            // uv reports it.
            Err(_) => self.add_code(file, bytes),
        }
    }

    /// Adds the settings of setuptools that name packages to run or servers to ask.
    fn add_setup_settings(&mut self, file: &str, bytes: &[u8]) {
        let (mut section, mut key) = (String::new(), String::new());
        let mut settings = BTreeMap::<String, String>::new();
        for line in String::from_utf8_lossy(bytes).lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = trimmed
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                (section, key) = (name.trim().to_ascii_lowercase(), String::new());
                continue;
            }
            // A line with indentation continues the value.
            let value = if line.starts_with([' ', '\t']) && !key.is_empty() {
                trimmed
            } else {
                let (name, value) = trimmed.split_once(['=', ':']).unwrap_or((trimmed, ""));
                key = name.trim().to_ascii_lowercase().replace('-', "_");
                value.trim()
            };
            let runs = ["easy_install", "global", "command"].contains(&section.as_str())
                || section == "options" && key == "setup_requires"
                || section == "options.entry_points" && key.starts_with("distutils");
            if runs {
                let known = settings.entry(format!("{section}.{key}")).or_default();
                if !known.is_empty() {
                    known.push(' ');
                }
                known.push_str(value);
            }
        }
        for (name, value) in settings {
            let fact = Fact::meaning(redact_text(&value), value.as_bytes(), file);
            self.facts
                .insert(format!("build setting {file} {name}"), fact);
        }
    }

    /// Adds a file whose code runs.
    fn add_code(&mut self, file: &str, bytes: &[u8]) {
        let lines = bytes.split(|byte| *byte == b'\n').count();
        let digest = &blake3::hash(bytes).to_hex()[..8];
        let text = format!("{lines} lines, {digest}");
        let fact = Fact::meaning(text, bytes, file);
        self.facts.insert(format!("build code {file}"), fact);
    }

    /// Adds the directories that the lockfile `lock` installs, relative to its directory `folder`.
    pub(super) fn add_installed(
        &mut self,
        lock: &str,
        folder: &str,
        paths: &BTreeSet<&str>,
    ) -> Result<(), Error> {
        let mut places: BTreeSet<String> =
            paths.iter().map(|path| join_text(folder, path)).collect();
        // The project itself is added first, installed or not.
        places.remove(&join_text(folder, ""));
        if places.len() > MAX_DIRECTORIES {
            let message = format!(
                "it installs {} directories, and devsh reads at most {MAX_DIRECTORIES}",
                places.len()
            );
            return Err(self.too_much(lock, message));
        }
        let mut size = 0;
        for place in &places {
            let fact = Fact::new("is installed", lock);
            self.facts.insert(format!("local package {place}"), fact);
            self.add_directory(place)?;
            for file in [PYPROJECT].iter().chain(&OTHER_FILES) {
                // Each file is read once, so these are the same bytes.
                let bytes = self.files.data(&within(place, file))?;
                size += bytes.map_or(0, |bytes| bytes.len());
            }
            if size > MAX_BYTES {
                let message = format!(
                    "the build files of the directories that it installs have more than {MAX_BYTES} bytes"
                );
                return Err(self.too_much(lock, message));
            }
        }
        Ok(())
    }

    fn too_much(&mut self, lock: &str, message: String) -> Error {
        let bytes = self.files.data(lock).ok().flatten();
        let text = parse_text(lock, &bytes).ok().flatten();
        let text = text.unwrap_or_else(|| Text::new(lock, ""));
        text.error(0..0, ErrorKind::PythonLock(message)).into()
    }
}

/// Returns a file that was read as text; `None` if it does not exist.
///
/// A wrong byte in a TOML file, in the name of an author for example, does not matter for anything that is read here.
pub(super) fn parse_text(name: &str, bytes: &Bytes) -> Result<Option<Text>, Error> {
    let read = |bytes: &Arc<[u8]>| match Path::new(name).extension() {
        Some(extension) if extension == "toml" => Ok(Text::lossy(name, bytes)),
        _ => Text::from_bytes(name, bytes),
    };
    Ok(bytes.as_ref().map(read).transpose()?)
}

fn within(folder: &str, file: &str) -> String {
    if folder.is_empty() {
        file.to_owned()
    } else {
        format!("{folder}/{file}")
    }
}

/// Returns the named tables of a file in one normal form, without comments and formatting.
fn tables(file: &Table, names: &[&str]) -> String {
    let table = |name: &&str| Some(format!("{name} = {}\n", find(file, name)?));
    names.iter().filter_map(table).collect()
}

/// Returns the value at a dotted key.
fn find<'t>(file: &'t Table, name: &str) -> Option<&'t Value> {
    let mut keys = name.split('.');
    let first = keys.next().and_then(|key| file.get(key))?;
    keys.try_fold(first, |value, key| value.get(key))
}

/// Removes the value at a dotted key, and the tables around it that are empty then.
fn remove(file: &mut Table, name: &str) {
    let Some((first, rest)) = name.split_once('.') else {
        file.remove(name);
        return;
    };
    if let Some(Value::Table(table)) = file.get_mut(first) {
        remove(table, rest);
        if table.is_empty() {
            file.remove(first);
        }
    }
}

/// Returns the scripts of the project that its build runs, relative to its directory.
fn build_scripts(project: &Table) -> BTreeSet<String> {
    let mut scripts = BTreeSet::new();
    for (table, script) in BACKEND_SCRIPTS {
        if find(project, table).is_some() {
            scripts.insert(script.to_owned());
        }
    }
    for table in BUILD_TABLES.iter().filter_map(|name| find(project, name)) {
        let mut rest = vec![table];
        while let Some(value) = rest.pop() {
            match value {
                Value::Table(table) => rest.extend(table.values()),
                Value::Array(list) => rest.extend(list),
                Value::String(text) if is_script(text) => {
                    scripts.insert(join_text("", text));
                }
                _ => {}
            }
        }
    }
    // A backend that is a module of the project itself.
    let backend = find(project, "build-system.build-backend").and_then(Value::as_str);
    let paths = find(project, "build-system.backend-path").and_then(Value::as_array);
    let module = backend.map(|backend| backend.split(':').next().unwrap_or(backend));
    let module = module.map(|module| module.trim().replace('.', "/"));
    for path in paths.into_iter().flatten().filter_map(Value::as_str) {
        if let Some(module) = &module {
            let place = join_text(path, module);
            scripts.extend([format!("{place}.py"), format!("{place}/__init__.py")]);
        }
    }
    scripts.into_iter().take(MAX_SCRIPTS).collect()
}

fn is_script(text: &str) -> bool {
    Path::new(text).extension().is_some_and(|end| end == "py") && !text.contains('*')
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

    use super::super::{
        Error,
        python_files::{self, PythonFiles},
    };
    use crate::project::reader::{Inputs, OutsideRule, ProjectFiles};

    const LOCK: &str = "version = 1\n[manifest]\nmembers = [\"app\", \"a\"]\n[[package]]\nname = \"app\"\n\
        version = \"1\"\nsource = { virtual = \".\" }\ndependencies = [{ name = \"a\" }]\n[[package]]\n\
        name = \"a\"\nversion = \"1\"\nsource = { editable = \"packages/a\" }\n[[package]]\nname = \"lib\"\n\
        version = \"1\"\nsource = { directory = \"../lib\" }\n";

    fn read(root: &Path, lock: &str) -> Result<(PythonFiles, ProjectFiles), Error> {
        fs::write(root.join("uv.lock"), lock).unwrap();
        let mut inputs = Inputs::at(root);
        inputs.open_outside(OutsideRule::All);
        let groups = BTreeSet::from(["dev".to_owned()]);
        let files = python_files::read(&mut inputs, "uv.lock", &groups)?;
        Ok((files, inputs.close()))
    }

    #[test]
    fn every_installed_directory_needs_approval() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("project");
        for place in ["packages/a", "packages/b", "../lib"] {
            fs::create_dir_all(root.join(place)).unwrap();
        }
        let (first, before) = read(&root, LOCK).unwrap();
        for (name, text, approval) in [
            ("packages/a/setup.py", "x = 1\n", true),
            ("packages/a/uv.toml", "offline = true\n", true),
            ("packages/a/setup.cfg", "[metadata]\n", false),
            (
                "packages/a/pyproject.toml",
                "[build-system]\nrequires = []\n",
                true,
            ),
            (
                "packages/a/pyproject.toml",
                "[project.scripts]\nhello = 'a:main'\n",
                false,
            ),
            ("../lib/setup.py", "x = 1\n", true),
        ] {
            fs::write(root.join(name), text).unwrap();
            let (files, _) = read(&root, LOCK).unwrap();
            assert_eq!(first.facts != files.facts, approval, "{name}");
            assert_ne!(first.project, files.project, "{name}: {text}");
            let path = root.join(name);
            assert!(
                before.watched().iter().any(|one| one.path == path),
                "{name}"
            );
            fs::remove_file(path).unwrap();
        }
        // Dependencies do not change what is installed.
        let path = root.join("packages/a/pyproject.toml");
        fs::write(&path, "[project]\nname = 'a'\n").unwrap();
        let (bare, _) = read(&root, LOCK).unwrap();
        let dependencies =
            "[project]\nname = 'a'\ndependencies = ['idna']\n[tool.uv]\ndev-dependencies = ['x']\n";
        fs::write(&path, dependencies).unwrap();
        let (files, _) = read(&root, LOCK).unwrap();
        assert_eq!(bare.project, files.project);
        fs::remove_file(path).unwrap();
        // Other directories do not matter.
        fs::write(root.join("packages/b/setup.py"), "x = 1\n").unwrap();
        let (files, _) = read(&root, LOCK).unwrap();
        assert_eq!(first.facts, files.facts);
        assert_eq!(first.project, files.project);
    }

    #[test]
    fn directories_are_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let mut lock = "version = 1\n".to_owned();
        for number in 0..=super::MAX_DIRECTORIES {
            let _infallible = write!(
                lock,
                "[[package]]\nname = \"a{number}\"\nsource = {{ editable = \"a{number}\" }}\n"
            );
        }
        let Error::Content(error) = read(directory.path(), &lock).unwrap_err() else {
            panic!("no error with a place");
        };
        assert_eq!(error.origin().to_string(), "uv.lock:1");
        let message = "it installs 513 directories, and devsh reads at most 512";
        assert_eq!(error.to_string(), message);

        let big = "#".repeat(1 << 20);
        let mut lock = "version = 1\n".to_owned();
        for number in 0..32 {
            let place = directory.path().join(format!("a{number}"));
            fs::create_dir(&place).unwrap();
            fs::write(place.join("setup.py"), &big).unwrap();
            let _infallible = write!(
                lock,
                "[[package]]\nname = \"a{number}\"\nsource = {{ editable = \"a{number}\" }}\n"
            );
        }
        let error = read(directory.path(), &lock).unwrap_err().to_string();
        assert!(error.contains("more than 16777216 bytes"), "{error}");
    }
}
