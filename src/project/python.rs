//! What the Python files of a project can make devsh fetch or run, and what its environment depends on.
//!
//! A lockfile of the public index is data. Whatever else could bring in code when the environment is built
//! (other sources, the build system, uv's settings) is an input that the user approves.

use toml::{Table, Value};

use crate::{
    config::{PYPI, PYPI_FILES},
    manifest,
    wire::Writer,
};

use super::{
    Error,
    inputs::{Bytes, DATA_LIMIT, Inputs},
};

/// The files beside one Python lockfile, as they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonFiles {
    /// The lockfile, relative to the root.
    pub lock: String,
    /// What the environment depends on; nothing when there is no lockfile.
    pub digest: Option<[u8; 32]>,
    /// Whether the project itself, or a member of it, is installed.
    pub installs_project: bool,
    /// Packages from elsewhere than the public index, by name, with their sources.
    pub(super) foreign: Vec<(String, String)>,
}

/// Reads the files beside `lock`, a path below `root`.
pub(super) fn read(files: &mut Inputs, lock: &str) -> Result<PythonFiles, Error> {
    let folder = lock.rsplit_once('/').map_or("", |(folder, _)| folder);
    let name = |file: &str| {
        if folder.is_empty() {
            file.to_owned()
        } else {
            format!("{folder}/{file}")
        }
    };
    let table = |name: &str, bytes: &Bytes| {
        bytes.as_ref().map_or_else(
            || Ok(Table::new()),
            |bytes| manifest::parse_table(name, bytes),
        )
    };
    let pyproject = name("pyproject.toml");
    let project = table(&pyproject, &files.data(&pyproject, DATA_LIMIT)?)?;
    let locked = files.data(lock, DATA_LIMIT)?;
    let packages = table(lock, &locked)?;
    let building = tables(&project, &["build-system", "tool.uv"]);
    let settings = [name("uv.toml"), name("setup.py")];
    let settings = settings.map(|name| files.approved(&name));
    let mut writer = Writer::default();
    writer.bytes(locked.as_deref().unwrap_or_default());
    writer.bytes(&building);
    writer.bytes(tables(&project, &["project"]));
    for bytes in settings {
        writer.option(bytes?.as_ref(), Writer::bytes);
    }
    let foreign = foreign(&packages);
    let lines: Vec<String> = foreign
        .iter()
        .map(|(name, source)| format!("{name} {source}"))
        .collect();
    let listed = lines.join("\n");
    files.approve(
        &format!("{pyproject} (build-system, tool.uv)"),
        building.as_bytes(),
    );
    files.approve(&format!("{lock} (other sources)"), listed.as_bytes());
    Ok(PythonFiles {
        lock: lock.to_owned(),
        digest: locked.map(|_| *blake3::hash(&writer.into_bytes()).as_bytes()),
        installs_project: entries(&packages).any(is_local),
        foreign,
    })
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

fn entries(lockfile: &Table) -> impl Iterator<Item = &Table> {
    let packages = lockfile.get("package").and_then(Value::as_array);
    packages.into_iter().flatten().filter_map(Value::as_table)
}

/// Whether a package is a directory of the project that is built and installed.
fn is_local(package: &Table) -> bool {
    let source = package.get("source").and_then(Value::as_table);
    source.is_some_and(|source| source.contains_key("editable") || source.contains_key("directory"))
}

/// The packages that do not come, with digests, from the public index, and are not the project itself.
fn foreign(lockfile: &Table) -> Vec<(String, String)> {
    let mut foreign: Vec<_> = entries(lockfile)
        .filter(|package| !is_plain(package))
        .map(|package| {
            let name = package.get("name").and_then(Value::as_str).unwrap_or("?");
            let parts = ["source", "sdist", "wheels"]
                .into_iter()
                .filter_map(|key| package.get(key));
            let parts: Vec<String> = parts.map(ToString::to_string).collect();
            (name.to_owned(), parts.join(" "))
        })
        .collect();
    foreign.sort();
    foreign
}

fn is_plain(package: &Table) -> bool {
    let Some(source) = package.get("source").and_then(Value::as_table) else {
        return false;
    };
    let itself = ["virtual", "editable", "directory"];
    if itself
        .iter()
        .any(|kind| source.get(*kind).and_then(Value::as_str) == Some("."))
    {
        return true;
    }
    let index = source
        .get("registry")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let public = index.trim_end_matches('/') == PYPI.trim_end_matches('/');
    let wheels = package.get("wheels").and_then(Value::as_array);
    let mut files = wheels.into_iter().flatten().chain(package.get("sdist"));
    public
        && files.all(|file| {
            let text = |key: &str| file.get(key).and_then(Value::as_str).unwrap_or_default();
            text("url").starts_with(PYPI_FILES) && text("hash").starts_with("sha256:")
        })
}

#[cfg(test)]
mod tests {
    use super::{super::inputs::Closure, *};

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
wheels = [{ url = "https://files.pythonhosted.org/a.whl", hash = "sha256:00", size = 1 }]
"#;

    fn world(pyproject: &str, lock: &str) -> (PythonFiles, Closure) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("pyproject.toml"), pyproject).unwrap();
        std::fs::write(directory.path().join("uv.lock"), lock).unwrap();
        let mut inputs = Inputs::at(directory.path());
        let files = read(&mut inputs, "uv.lock").unwrap();
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
        assert_ne!(first.0.digest, second.0.digest);
        assert!(first.0.installs_project && first.0.foreign.is_empty());
    }

    #[test]
    fn whatever_else_brings_code_is_approved() {
        let first = world("[project]\n", LOCK);
        let elsewhere = LOCK.replace("https://files.pythonhosted.org/", "https://evil.example/");
        let unhashed = LOCK.replace("hash = \"sha256:00\", ", "");
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
