//! The directories that are installed as packages: the files that decide which code their installation runs, and the
//! metadata of the package.
//!
//! Invariant: the files that decide over code are facts that the user approves, alike for the project itself, a member of
//! its workspace and a path dependency. The work is bounded for every lockfile.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use toml::{Table, Value};

use crate::{
    manifest::{self, ErrorKind, Text},
    util::{digest_input::DigestInput, paths::join_text, redact::redact_for_approval},
};

use super::{
    approval_summary::{Fact, Facts, fact_name, key_path},
    build_packages::{BuildPackages, UvBuildSettings, can_read_settings},
    dotted_keys::{find, remove_all},
    in_tree_code::{ENTRY_POINTS, NamedBackend, build_entry_points, is_metadata},
    reader::{Bytes, Error, Inputs},
};

const PYPROJECT: &str = "pyproject.toml";
/// The keys of `pyproject.toml` that say nothing about any build.
const OTHER_KEYS: &[&str] = &["dependency-groups", "tool.hatch.envs", "tool.hatch.publish"];
/// The tables below `tool` that say nothing about a build, unless one of its packages reads them. If code of a build is not
/// known, every other table counts: backends and their plugins have tables of their own.
const OTHER_TABLES: &[&str] = &[
    "autoflake",
    "bandit",
    "basedpyright",
    "black",
    "bumpversion",
    "codespell",
    "commitizen",
    "coverage",
    "deptry",
    "devsh",
    "docformatter",
    "inline-snapshot",
    "interrogate",
    "isort",
    "mypy",
    "nox",
    "pixi",
    "poe",
    "pydocstyle",
    "pylint",
    "pyrefly",
    "pyright",
    "pytest",
    "pytype",
    "ruff",
    "semantic_release",
    "taskipy",
    "towncrier",
    "tox",
    "ty",
    "typos",
    "vulture",
    "yapf",
];
/// The keys that decide only which other packages are needed. An editable install stays as it is when they change.
const DEPENDENCY_KEYS: &[&str] = &[
    "project.dependencies",
    "project.optional-dependencies",
    "tool.pdm.dev-dependencies",
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
/// The keys that describe the package. They decide over no code of its build, so they are no facts.
const METADATA_KEYS: &[&str] = &[
    "project.authors",
    "project.classifiers",
    "project.dependencies",
    "project.description",
    "project.entry-points",
    "project.gui-scripts",
    "project.keywords",
    "project.license",
    "project.license-files",
    "project.maintainers",
    "project.name",
    "project.optional-dependencies",
    "project.readme",
    "project.requires-python",
    "project.scripts",
    "project.urls",
    "project.version",
    "tool.pdm.dev-dependencies",
    "tool.poetry.authors",
    "tool.poetry.classifiers",
    "tool.poetry.dependencies",
    "tool.poetry.description",
    "tool.poetry.dev-dependencies",
    "tool.poetry.documentation",
    "tool.poetry.extras",
    "tool.poetry.group",
    "tool.poetry.homepage",
    "tool.poetry.keywords",
    "tool.poetry.license",
    "tool.poetry.maintainers",
    "tool.poetry.name",
    "tool.poetry.plugins",
    "tool.poetry.readme",
    "tool.poetry.repository",
    "tool.poetry.scripts",
    "tool.poetry.urls",
    "tool.poetry.version",
];
/// The tables whose keys are the programs that the package brings.
const SCRIPT_TABLES: [&str; 3] = [
    "project.gui-scripts",
    "project.scripts",
    "tool.poetry.scripts",
];
/// The files that can have settings of a build, except `pyproject.toml`.
const SETTINGS_FILES: [&str; 2] = [UV_SETTINGS, "hatch.toml"];
const UV_SETTINGS: &str = "uv.toml";
/// The files that builds run, or read as a program, if they exist. Setuptools takes code from any part of `setup.cfg`.
const CODE_FILES: [&str; 7] = [
    "CMakeLists.txt",
    "build.rs",
    "hatch_build.py",
    "meson.build",
    "pdm_build.py",
    "setup.cfg",
    "setup.py",
];
/// The keys of `hatch.toml` that its build backend does not read.
const HATCH_KEYS: &[&str] = &["envs", "publish"];
/// Keys whose file a build writes or reads as text, by their last words.
const TEXT_KEYS: &[&str] = &[
    "description-file",
    "description_file",
    "dynamic.version.file",
    "dynamic.readme.file",
    "dynamic.description.file",
    "dynamic.dependencies.file",
    "fancy-pypi-readme.fragments.path",
    "license.file",
    "readme",
    "readme.file",
    "version-file",
    "version_file",
    "write-to",
    "write_to",
];
/// The tables with the version of the package, and the sources of it that run the file they name.
const VERSION_TABLES: [&str; 3] = ["tool.hatch.version", "tool.pdm.version", "version"];
const VERSION_CODE: [&str; 2] = ["code", "call"];
/// Most scripts of one directory.
const MAX_SCRIPTS: usize = 64;
/// Most directories of one lockfile; their files are read at a prompt, before any approval.
const MAX_DIRECTORIES: usize = 512;
/// Most bytes of their files together.
const MAX_BYTES: usize = 16 << 20;

/// Collects the build inputs of directories.
pub(super) struct InputCollector<'f> {
    pub(super) files: &'f mut Inputs,
    input: DigestInput,
    facts: Facts,
    /// The bytes of all files that were read.
    size: usize,
    /// The settings of uv in the first directory.
    uv: Option<UvBuildSettings>,
    /// The directories whose build compiles native code, with the package that does it.
    compiled: BTreeMap<String, &'static str>,
    /// The names of the programs that each directory declares.
    scripts: BTreeMap<String, BTreeSet<String>>,
}

/// A file with settings of a build.
struct SettingsFile {
    /// Its path, relative to the root.
    name: String,
    /// Its place in `SETTINGS_FILES`.
    file: &'static str,
    table: Table,
}

/// A file whose code runs in a build.
struct CodeFile {
    /// Its path, relative to the root.
    name: String,
    bytes: Arc<[u8]>,
}

impl<'f> InputCollector<'f> {
    pub(super) fn new(files: &'f mut Inputs) -> Self {
        Self {
            files,
            input: DigestInput::default(),
            facts: Facts::new(),
            size: 0,
            uv: None,
            compiled: BTreeMap::new(),
            scripts: BTreeMap::new(),
        }
    }

    /// Returns the packages that compile native code to install directories of the lockfile in `folder`.
    pub(super) fn compilers(
        &self,
        folder: &str,
        installed: &BTreeSet<&str>,
    ) -> BTreeSet<&'static str> {
        let places = installed.iter().map(|path| join_text(folder, path));
        let found = places.filter_map(|place| self.compiled.get(&place));
        found.copied().collect()
    }

    /// Returns the names of the programs that directories of the lockfile in `folder` declare.
    pub(super) fn scripts(&self, folder: &str, installed: &BTreeSet<&str>) -> BTreeSet<String> {
        let places = installed.iter().map(|path| join_text(folder, path));
        let found = places.filter_map(|place| self.scripts.get(&place));
        found.flatten().cloned().collect()
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
        let bytes = self.read(&pyproject)?;
        let mut project = match &bytes {
            Some(bytes) => manifest::parse_table(&pyproject, bytes)?,
            None => Table::new(),
        };
        remove_all(&mut project, OTHER_KEYS);
        let tables = SCRIPT_TABLES
            .iter()
            .filter_map(|key| find(&project, key)?.as_table());
        let scripts = tables.flat_map(|table| table.keys().cloned()).collect();
        self.scripts.insert(folder.to_owned(), scripts);
        let mut files = Vec::new();
        for file in SETTINGS_FILES {
            let name = within(folder, file);
            let bytes = self.read(&name)?;
            self.input.option(bytes.as_ref(), DigestInput::bytes);
            if let Some(bytes) = bytes {
                let mut table = manifest::parse_table(&name, &bytes)?;
                if file != UV_SETTINGS {
                    remove_all(&mut table, HATCH_KEYS);
                }
                files.push(SettingsFile { name, file, table });
            }
        }
        let packages = self.build_packages(&project, &files);
        if let Some(compiler) = packages.compiler() {
            self.compiled.insert(folder.to_owned(), compiler);
        }
        let has_plugins = self.add_entry_points(folder, &NamedBackend::of(&project))?;
        let mut installed = counted_settings(&project, &packages);
        let mut code = self.code_files(folder, &installed, &files)?;
        let can_read = |file: &CodeFile| can_read_settings(&file.bytes);
        if packages.are_all_known() && (has_plugins || code.iter().any(can_read)) {
            installed = counted_settings(&project, &packages.and_others());
            code = self.code_files(folder, &installed, &files)?;
        }
        let mut settings = installed.clone();
        remove_all(&mut installed, DEPENDENCY_KEYS);
        self.input.bytes(installed.to_string());
        remove_all(&mut settings, METADATA_KEYS);
        self.add_settings(&pyproject, "", &Value::Table(settings))?;
        for SettingsFile { name, table, .. } in files {
            self.add_settings(&name, "", &Value::Table(table))?;
        }
        for CodeFile { name, bytes } in code {
            self.input.bytes(&name);
            self.input.bytes(&bytes);
            self.size += bytes.len();
            self.add_code(&name, &bytes)?;
        }
        parse_text(&pyproject, &bytes)
    }

    /// Finds the packages that build the project of a directory. The settings of the first directory, which has the
    /// lockfile, count for the others too.
    fn build_packages(&mut self, project: &Table, files: &[SettingsFile]) -> BuildPackages {
        let mut uv = self.uv.clone().unwrap_or_default();
        let own = files.iter().filter(|one| one.file == UV_SETTINGS);
        let own = own.map(|one| &one.table);
        let in_project = find(project, "tool.uv").and_then(Value::as_table);
        for table in own.chain(in_project) {
            uv.add(table);
        }
        let mut hatch = files.iter().filter(|one| one.file != UV_SETTINGS);
        let packages = BuildPackages::of(project, hatch.next().map(|one| &one.table), &uv);
        self.uv.get_or_insert(uv);
        packages
    }

    /// Reads the files with code of the build of a directory.
    fn code_files(
        &mut self,
        folder: &str,
        project: &Table,
        files: &[SettingsFile],
    ) -> Result<Vec<CodeFile>, Error> {
        let mut found = self.backend_files(folder, &NamedBackend::of(project));
        let mut settings = project.clone();
        remove_all(&mut settings, METADATA_KEYS);
        let mut folders = BTreeSet::from([folder.to_owned()]);
        let tables = files.iter().map(|one| &one.table).chain([&settings]);
        for named in tables.flat_map(named_files) {
            let name = within(folder, &named);
            // Every other name is watched, so a new file is noticed.
            if self.files.root().join(&name).is_dir() {
                folders.insert(name);
            } else if self.files.exists(&name) {
                let around = name.rsplit_once('/').map_or("", |(around, _)| around);
                folders.insert(around.to_owned());
                found.insert(name);
            }
        }
        for folder in folders {
            let names = CODE_FILES.map(|file| within(&folder, file));
            found.extend(names.into_iter().filter(|name| self.is_file(name)));
        }
        if found.len() > MAX_SCRIPTS {
            let message = format!(
                "its build names {} files, and devsh reads at most {MAX_SCRIPTS}",
                found.len()
            );
            return Err(self.too_much(&within(folder, PYPROJECT), message));
        }
        let mut code = Vec::new();
        for name in found {
            if let Some(bytes) = self.files.data(&name)? {
                code.push(CodeFile { name, bytes });
            }
        }
        Ok(code)
    }

    /// Returns the files of a build backend in the project, and of the packages around it.
    fn backend_files(&mut self, folder: &str, backend: &NamedBackend<'_>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for place in backend.places() {
            let inner = join_text(folder, &place.folder);
            let names = self.files.names(&inner).into_iter();
            let modules = names.filter(|name| place.is_module(name));
            let candidates = modules.chain([place.source()]);
            let candidates = candidates.map(|name| within(&inner, &name));
            found.extend(candidates.filter(|name| self.is_file(name)));
        }
        found
    }

    /// Adds the plugins of the build that metadata in the project names. Returns whether there are any.
    fn add_entry_points(
        &mut self,
        folder: &str,
        backend: &NamedBackend<'_>,
    ) -> Result<bool, Error> {
        let places = backend.places().len() + backend.import_directories().len();
        if places > MAX_SCRIPTS {
            let message = format!(
                "its build backend can be in {places} places, and devsh reads at most {MAX_SCRIPTS}"
            );
            return Err(self.too_much(&within(folder, PYPROJECT), message));
        }
        let mut has_plugins = false;
        for inner in backend.import_directories() {
            let inner = join_text(folder, &inner);
            let names = self.files.names(&inner).into_iter();
            for metadata in names.filter(|name| is_metadata(name)) {
                let name = format!("{}/{ENTRY_POINTS}", within(&inner, &metadata));
                let bytes = self.read(&name)?.unwrap_or_default();
                let plugins = build_entry_points(&bytes);
                // A build leaves metadata of the project itself, which changes nothing.
                if !plugins.is_empty() {
                    has_plugins = true;
                    self.input.list(plugins.iter(), DigestInput::bytes);
                    let text = plugins.join(", ");
                    let fact = Fact::meaning(text.clone(), text.as_bytes(), &name);
                    self.facts.add("build plugins", &[&name], fact)?;
                }
            }
        }
        Ok(has_plugins)
    }

    /// Returns whether a file exists, which is watched.
    fn is_file(&mut self, name: &str) -> bool {
        !self.files.root().join(name).is_dir() && self.files.exists(name)
    }

    fn read(&mut self, name: &str) -> Result<Bytes, Error> {
        let bytes = self.files.data(name)?;
        self.size += bytes.as_ref().map_or(0, |bytes| bytes.len());
        Ok(bytes)
    }

    /// Adds each setting of a table of settings. An empty table can also have an effect.
    fn add_settings(&mut self, file: &str, path: &str, value: &Value) -> Result<(), Error> {
        if let Value::Table(table) = value
            && (!table.is_empty() || path.is_empty())
        {
            for (key, value) in table {
                self.add_settings(file, &key_path(path, key), value)?;
            }
            return Ok(());
        }
        let mut shown = value.clone();
        hide_addresses(&mut shown);
        let text = match shown {
            Value::String(text) => text,
            shown => shown.to_string(),
        };
        let fact = Fact::meaning(text, value.to_string().as_bytes(), file);
        let name = format!("{} {path}", fact_name("build setting", &[file]));
        Ok(self.facts.insert(name, fact)?)
    }

    /// Adds a file whose code runs.
    fn add_code(&mut self, file: &str, bytes: &[u8]) -> Result<(), Error> {
        let lines = bytes.split(|byte| *byte == b'\n').count();
        let digest = &blake3::hash(bytes).to_hex()[..8];
        let text = format!("{lines} lines, {digest}");
        let fact = Fact::meaning(text, bytes, file);
        Ok(self.facts.add("build code", &[file], fact)?)
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
        let before = self.size;
        for place in &places {
            self.add_directory(place)?;
            if self.size - before > MAX_BYTES {
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

/// Returns the settings that count for a build by these packages.
fn counted_settings(project: &Table, packages: &BuildPackages) -> Table {
    let mut counted = project.clone();
    let tools = counted.get_mut("tool").and_then(Value::as_table_mut);
    if let Some(tools) = tools {
        tools.retain(|table, _| {
            let is_read = packages.read(table);
            is_read.unwrap_or_else(|| !OTHER_TABLES.contains(&table))
        });
        if tools.is_empty() {
            counted.remove("tool");
        }
    }
    counted
}

/// Returns the texts of build settings that can name a file with code: every text with any ending, and the scripts in
/// lists.
fn named_files(settings: &Table) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let top = settings.iter();
    let mut pending: Vec<(String, &Value)> =
        top.map(|(key, value)| (key_path("", key), value)).collect();
    while let Some((path, value)) = pending.pop() {
        match value {
            Value::Table(table) => {
                let source = table.get("source").and_then(Value::as_str);
                let is_text = VERSION_TABLES.contains(&&*path)
                    && !source.is_some_and(|source| VERSION_CODE.contains(&source));
                if !is_text {
                    let inner = table.iter();
                    pending.extend(inner.map(|(key, value)| (key_path(&path, key), value)));
                }
            }
            Value::Array(list) => {
                let scripts = list
                    .iter()
                    .filter_map(Value::as_str)
                    .filter(|text| is_script(text));
                names.extend(scripts.map(|text| join_text("", text)));
                let tables = list.iter().filter(|one| one.is_table());
                pending.extend(tables.map(|one| (path.clone(), one)));
            }
            Value::String(text) if is_path(text) && !is_text_key(&path) => {
                names.insert(join_text("", text));
            }
            _ => {}
        }
    }
    names
}

fn is_text_key(path: &str) -> bool {
    let mut keys = TEXT_KEYS.iter();
    keys.any(|key| path == *key || path.ends_with(&format!(".{key}")))
}

fn is_script(text: &str) -> bool {
    is_path(text) && Path::new(text).extension().is_some_and(|end| end == "py")
}

/// Returns whether a text can be the path of a file of the project.
fn is_path(text: &str) -> bool {
    (1..=4096).contains(&text.len()) && !text.starts_with('/') && !text.contains('\0')
}

/// Hides what may be secret in the texts of a setting that are addresses, also behind the name of a requirement. Every
/// other text can be a command, of which nothing may be hidden.
fn hide_addresses(value: &mut Value) {
    match value {
        Value::String(text) => {
            let address = text
                .rsplit_once(" @ ")
                .map_or(&**text, |(_, address)| address);
            let plain = |one: char| one.is_ascii_alphanumeric() || ":/.@_%+=?#~,-[]".contains(one);
            if address.chars().all(plain) {
                *text = redact_for_approval(text);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(hide_addresses),
        Value::Table(table) => table
            .iter_mut()
            .for_each(|(_, value)| hide_addresses(value)),
        _ => {}
    }
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
            ("packages/a/setup.cfg", "[metadata]\n", true),
            (
                "packages/a/hatch.toml",
                "[version]\nsource = 'code'\n",
                true,
            ),
            ("packages/a/meson.build", "project('a')\n", true),
            (
                "packages/a/pyproject.toml",
                "[tool.setuptools.dynamic.version]\nattr = 'a.v'\n",
                true,
            ),
            (
                "packages/a/pyproject.toml",
                "build-system.requires = ['odd']\n[tool.new-backend.hook]\n",
                true,
            ),
            (
                "packages/a/pyproject.toml",
                "project.dynamic = ['version']\n",
                true,
            ),
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
    fn every_file_that_a_setting_names_needs_approval() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let lock = LOCK.replace("directory = \"../lib\"", "virtual = \"lib\"");
        fs::create_dir(root.join("src")).unwrap();
        for (file, settings, named, approval) in [
            (
                "pyproject.toml",
                "tool.poetry.build.script = 'make it'",
                "make it",
                true,
            ),
            (
                "pyproject.toml",
                "tool.hatch.version = { source = 'code', path = 'v.txt' }",
                "v.txt",
                true,
            ),
            (
                "pyproject.toml",
                "tool.hatch.version.path = 'src/v.py'",
                "src/v.py",
                false,
            ),
            (
                "pyproject.toml",
                "tool.uv.build-backend.hooks = ['h.py']",
                "h.py",
                true,
            ),
            (
                "pyproject.toml",
                "tool.setuptools.package-dir = { '' = 'src' }",
                "src/a.py",
                false,
            ),
            (
                "pyproject.toml",
                "tool.setuptools_scm.version_file = 'src/v.py'",
                "src/v.py",
                false,
            ),
            (
                "hatch.toml",
                "[build.hooks.custom]\npath = 'tools.d'\n",
                "tools.d",
                true,
            ),
            (
                "hatch.toml",
                "[build.hooks.custom]\npath = '[h]=k;@.py'\n",
                "[h]=k;@.py",
                true,
            ),
        ] {
            // With a package that devsh does not know, every table counts.
            let system = "build-system.requires = ['odd']\n";
            let system = if file == "pyproject.toml" { system } else { "" };
            fs::write(root.join(file), format!("{system}{settings}")).unwrap();
            let (first, before) = read(root, &lock).unwrap();
            fs::write(root.join(named), "x = 1\n").unwrap();
            let (second, _) = read(root, &lock).unwrap();
            assert_eq!(first.facts != second.facts, approval, "{settings}");
            let path = root.join(named);
            let is_watched = before.watched().iter().any(|one| one.path == path);
            assert_eq!(is_watched, approval, "{settings}");
            fs::remove_file(path).unwrap();
            fs::remove_file(root.join(file)).unwrap();
        }
        // A file past the limit is not left out silently.
        let names: Vec<String> = (0..=super::MAX_SCRIPTS)
            .map(|one| format!("'s{one}.py'"))
            .collect();
        for name in &names {
            fs::write(root.join(name.trim_matches('\'')), "").unwrap();
        }
        let settings = format!("tool.uv.scripts = [{}]", names.join(", "));
        fs::write(root.join("pyproject.toml"), settings).unwrap();
        let error = read(root, &lock).unwrap_err().to_string();
        assert!(error.contains("names 65 files"), "{error}");
    }

    #[test]
    fn only_addresses_are_hidden_in_settings() {
        for (setting, is_shown) in [
            ("'echo https://h.example/a?x;touch${IFS}y'", true),
            ("'https://h.example/a?x&touch'", true),
            ("'https://h.example/a?$(touch)'", true),
            ("'https://u:secret@h.example/a'", false),
            ("'a @ https://u:secret@h.example/a.whl'", false),
            ("[{ url = 'https://u:secret@h.example/a' }]", false),
        ] {
            let table: toml::Table = format!("x = {setting}").parse().unwrap();
            let mut value = table["x"].clone();
            super::hide_addresses(&mut value);
            assert_eq!(value == table["x"], is_shown, "{value}");
            assert!(!value.to_string().contains("secret"), "{value}");
        }
    }

    #[test]
    fn only_tables_that_a_build_reads_need_approval() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
        let system = |requires: &str| {
            format!(
                "[build-system]\nrequires = ['hatchling'{requires}]\nbuild-backend = 'hatchling.build'\n"
            )
        };
        let changes = |requires: &str, table: &str| {
            let with = |value: u8| format!("{}[{table}]\nx = {value}\n", system(requires));
            write("pyproject.toml", &with(1));
            let (first, _) = read(root, LOCK).unwrap();
            write("pyproject.toml", &with(2));
            let (second, _) = read(root, LOCK).unwrap();
            let changes = first.facts != second.facts;
            assert_eq!(changes, first.project != second.project, "{table}");
            changes
        };
        for (requires, table, approval) in [
            ("", "tool.odd", false),
            ("", "tool.markdown.lint", false),
            ("", "tool.hatch.build", true),
            ("", "tool.uv", true),
            ("", "tool.mypy", false),
            ("", "top", true),
            (", 'odd-plugin'", "tool.odd", true),
            (", 'odd-plugin'", "tool.mypy", false),
            (", 'hatch-mypyc'", "tool.mypy", true),
            (", 'hatch-vcs'", "tool.setuptools_scm", true),
        ] {
            assert_eq!(changes(requires, table), approval, "{requires} {table}");
        }
        // Code of the project that can read the file itself.
        write("hatch_build.py", "print('a version')\n");
        assert!(!changes("", "tool.odd"));
        write("hatch_build.py", "open('pyproject.toml')\n");
        assert!(changes("", "tool.odd"));
        assert!(!changes("", "tool.ruff"));
        fs::remove_file(root.join("hatch_build.py")).unwrap();
        // A member is built with the packages that the settings of the workspace choose.
        let member = |value: u8| format!("{}[tool.odd]\nx = {value}\n", system(""));
        for (uv, approval) in [
            ("", false),
            ("[tool.uv.sources]\nhatchling = { path = 'h' }\n", true),
            ("[tool.uv.extra-build-dependencies]\na = ['h']\n", true),
        ] {
            write("pyproject.toml", &format!("{}{uv}", system("")));
            fs::create_dir_all(root.join("packages/a")).unwrap();
            write("packages/a/pyproject.toml", &member(1));
            let (first, _) = read(root, LOCK).unwrap();
            write("packages/a/pyproject.toml", &member(2));
            let (second, _) = read(root, LOCK).unwrap();
            assert_eq!(first.facts != second.facts, approval, "{uv}");
        }
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
