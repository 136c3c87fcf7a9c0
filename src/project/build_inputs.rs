//! The directories that are installed as packages: the files that decide which code their installation runs, and the
//! metadata of the package.
//!
//! Invariant: the files that decide over code need approval, alike for the project itself, a member of its workspace
//! and a path dependency. The work is bounded, whatever a lockfile names.

use std::collections::BTreeSet;

use toml::Table;

use crate::{
    manifest::{self, ErrorKind, Text},
    util::{codec::Writer, paths::join_text},
};

use super::reader::{Bytes, Error, Inputs};

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
/// Other files that take part in a build.
const OTHER_FILES: [&str; 3] = ["uv.toml", "setup.py", "setup.cfg"];
/// Most directories of one lockfile; their files are read at a prompt, before any approval.
const MAX_DIRECTORIES: usize = 512;
/// Most bytes of their files together.
const MAX_BYTES: usize = 16 << 20;

/// Collects the build inputs of directories.
pub(super) struct InputCollector<'f> {
    pub(super) files: &'f mut Inputs,
    writer: Writer,
}

impl<'f> InputCollector<'f> {
    pub(super) fn new(files: &'f mut Inputs) -> Self {
        Self {
            files,
            writer: Writer::default(),
        }
    }

    /// Returns the digest of all inputs.
    pub(super) fn digest(self) -> [u8; 32] {
        *blake3::hash(&self.writer.into_bytes()).as_bytes()
    }

    /// Adds the inputs of a directory; those that decide which code runs need approval. Returns its
    /// `pyproject.toml`.
    pub(super) fn add_directory(&mut self, folder: &str) -> Result<Option<Text>, Error> {
        let pyproject = within(folder, PYPROJECT);
        let bytes = self.files.data(&pyproject)?;
        let project = match &bytes {
            Some(bytes) => manifest::parse_table(&pyproject, bytes)?,
            None => Table::new(),
        };
        let building = tables(&project, BUILD_TABLES);
        self.writer.bytes(&building);
        self.writer.bytes(tables(&project, METADATA_TABLES));
        for file in OTHER_FILES {
            let name = within(folder, file);
            // Most of `setup.cfg` are settings of other tools, so it needs no approval.
            let bytes = if file == "setup.cfg" {
                self.files.data(&name)?
            } else {
                self.files.approved(&name)?
            };
            self.writer.option(bytes.as_ref(), Writer::bytes);
        }
        self.files.approve(
            &format!("{pyproject} (build-system, tool.uv)"),
            building.as_bytes(),
        );
        parse_text(&pyproject, &bytes)
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
pub(super) fn parse_text(name: &str, bytes: &Bytes) -> Result<Option<Text>, Error> {
    let bytes = bytes.as_ref();
    Ok(bytes
        .map(|bytes| Text::from_bytes(name, bytes))
        .transpose()?)
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
    let table = |name: &&str| {
        let mut keys = name.split('.');
        let first = keys.next().and_then(|key| file.get(key))?;
        let value = keys.try_fold(first, |value, key| value.get(key))?;
        Some(format!("{name} = {value}\n"))
    };
    names.iter().filter_map(table).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

    use super::super::{
        Error,
        python_files::{self, PythonFiles},
    };
    use crate::project::reader::{Closure, Inputs};

    const LOCK: &str = "version = 1\n[manifest]\nmembers = [\"app\", \"a\"]\n[[package]]\nname = \"app\"\n\
        version = \"1\"\nsource = { virtual = \".\" }\ndependencies = [{ name = \"a\" }]\n[[package]]\n\
        name = \"a\"\nversion = \"1\"\nsource = { editable = \"packages/a\" }\n[[package]]\nname = \"lib\"\n\
        version = \"1\"\nsource = { directory = \"../lib\" }\n";

    fn read(root: &Path, lock: &str) -> Result<(PythonFiles, Closure), Error> {
        fs::write(root.join("uv.lock"), lock).unwrap();
        let mut inputs = Inputs::at(root);
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
            let (files, after) = read(&root, LOCK).unwrap();
            assert_eq!(before.approved() != after.approved(), approval, "{name}");
            assert_ne!(first.project, files.project, "{name}: {text}");
            let path = root.join(name);
            assert!(
                before.watched().iter().any(|one| one.path == path),
                "{name}"
            );
            fs::remove_file(path).unwrap();
        }
        // Other directories do not matter.
        fs::write(root.join("packages/b/setup.py"), "x = 1\n").unwrap();
        let (files, after) = read(&root, LOCK).unwrap();
        assert_eq!(before.approved(), after.approved());
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
