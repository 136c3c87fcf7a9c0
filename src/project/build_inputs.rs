//! The directories that become packages of an environment: what runs when they are installed, and what they
//! then are.
//!
//! Invariant: what decides over code is approved for each of them in the same way, be it the project itself, a
//! member of its workspace or a directory beside it; and the work is bounded whatever a lockfile names.

use std::collections::BTreeSet;

use toml::Table;

use crate::{
    manifest::{self, ErrorKind, Text},
    util::{codec::Writer, paths::join_text},
};

use super::{
    python::text,
    reader::{Error, Inputs},
};

/// The tables of `pyproject.toml` that decide which code runs when the project is built.
const BUILDING: &[&str] = &[
    "build-system",
    "tool.uv",
    "tool.hatch.build",
    "tool.hatch.metadata",
    "tool.pdm.build",
    "tool.poetry.build",
    "tool.setuptools",
];
/// The tables that say what the project is when it is installed.
const DESCRIBING: &[&str] = &["project", "tool.poetry"];
/// The files beside it that have a part in that.
const BESIDE: [&str; 3] = ["uv.toml", "setup.py", "setup.cfg"];
/// How many directories one lockfile may name; their files are read at a prompt, before any approval.
const DIRECTORIES: usize = 512;
/// How much they may say together, in bytes.
const BYTES: usize = 16 << 20;

/// Approves what runs when the directory `folder` is installed, and writes what it is. Returns its
/// `pyproject.toml`.
pub(super) fn directory(
    files: &mut Inputs,
    folder: &str,
    writer: &mut Writer,
) -> Result<Option<Text>, Error> {
    let pyproject = within(folder, "pyproject.toml");
    let bytes = files.data(&pyproject)?;
    let project = match &bytes {
        Some(bytes) => manifest::parse_table(&pyproject, bytes)?,
        None => Table::new(),
    };
    let building = tables(&project, BUILDING);
    writer.bytes(&building);
    writer.bytes(tables(&project, DESCRIBING));
    for file in BESIDE {
        let name = within(folder, file);
        // What `setup.cfg` says is mostly settings of other tools.
        let bytes = if file == "setup.cfg" {
            files.data(&name)?
        } else {
            files.approved(&name)?
        };
        writer.option(bytes.as_ref(), Writer::bytes);
    }
    files.approve(
        &format!("{pyproject} (build-system, tool.uv)"),
        building.as_bytes(),
    );
    text(&pyproject, &bytes)
}

/// Does the same for the directories at `paths` that the lockfile `lock` installs, relative to its `folder`.
pub(super) fn directories(
    files: &mut Inputs,
    (lock, folder): (&str, &str),
    paths: &BTreeSet<&str>,
    writer: &mut Writer,
) -> Result<(), Error> {
    let own = join_text(folder, "");
    let mut places: BTreeSet<String> = paths.iter().map(|path| join_text(folder, path)).collect();
    // The project itself was looked at first, whether it is installed or not.
    places.remove(&own);
    if places.len() > DIRECTORIES {
        let message = format!(
            "it installs {} directories, and devsh reads at most {DIRECTORIES}",
            places.len()
        );
        return Err(too_much(files, lock, message));
    }
    let mut size = 0;
    for place in &places {
        directory(files, place, writer)?;
        for file in ["pyproject.toml"].iter().chain(&BESIDE) {
            // Each file is read once, so this is what was read.
            let bytes = files.data(&within(place, file))?;
            size += bytes.map_or(0, |bytes| bytes.len());
        }
        if size > BYTES {
            let message = format!(
                "the build files of the directories that it installs have more than {BYTES} bytes"
            );
            return Err(too_much(files, lock, message));
        }
    }
    Ok(())
}

fn too_much(files: &mut Inputs, lock: &str, message: String) -> Error {
    let said = files.data(lock).ok().flatten();
    let text = text(lock, &said).ok().flatten();
    let text = text.unwrap_or_else(|| Text::new(lock, ""));
    text.error(0..0, ErrorKind::PythonLock(message)).into()
}

fn within(folder: &str, file: &str) -> String {
    if folder.is_empty() {
        file.to_owned()
    } else {
        format!("{folder}/{file}")
    }
}

/// The named tables of a file in one normal form, so that other edits and comments make no difference.
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
        python::{self, PythonFiles},
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
        let files = python::read(&mut inputs, "uv.lock", &groups)?;
        Ok((files, inputs.close()))
    }

    #[test]
    fn every_directory_that_is_installed_is_approved() {
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
        // What is not installed has no part in it.
        fs::write(root.join("packages/b/setup.py"), "x = 1\n").unwrap();
        let (files, after) = read(&root, LOCK).unwrap();
        assert_eq!(before.approved(), after.approved());
        assert_eq!(first.project, files.project);
    }

    #[test]
    fn directories_are_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let mut lock = "version = 1\n".to_owned();
        for number in 0..=super::DIRECTORIES {
            let _infallible = write!(
                lock,
                "[[package]]\nname = \"a{number}\"\nsource = {{ editable = \"a{number}\" }}\n"
            );
        }
        let Error::Content(error) = read(directory.path(), &lock).unwrap_err() else {
            panic!("no error with a place");
        };
        assert_eq!(error.origin().to_string(), "uv.lock:1");
        let said = "it installs 513 directories, and devsh reads at most 512";
        assert_eq!(error.to_string(), said);

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
