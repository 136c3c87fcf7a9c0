//! Tests of the readers, each on a lockfile as its own tool writes it, and of what is chosen from it.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{manifest::Text, package::System};

mod flat;
mod optional;

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn files(name: &str, text: &str, project: &str) -> LockFiles {
    LockFiles {
        inputs: String::new(),
        setup_name: None,
        lock: Text::new(name, text),
        project: (!project.is_empty()).then(|| Text::new("pyproject.toml", project)),
        lists: BTreeMap::new(),
        groups: BTreeMap::new(),
        directories: BTreeMap::new(),
    }
}

fn lock(name: &str, text: &str, project: &str) -> PythonLock {
    read_lock(&files(name, text, project))
        .unwrap_or_else(|error| panic!("{}: {error}", error.origin()))
}

fn fault(name: &str, text: &str) -> String {
    let error = read_lock(&files(name, text, "[project]\n")).unwrap_err();
    format!("{}: {error}", error.origin())
}

fn assert_faults(table: &[(&str, &str, &str)]) {
    for (name, text, expected) in table {
        let found = fault(name, text);
        assert!(found.starts_with(expected), "{found}");
    }
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Returns `name==version` of what is chosen, and the directories.
fn chosen(lock: &PythonLock, python: &str, groups: &[&str], extras: &[&str]) -> Vec<String> {
    let selection = Selection {
        groups: set(groups),
        extras: set(extras),
    };
    let on = TargetEnvironment::new(&python.parse().unwrap(), System::LinuxX86_64);
    let pins = lock.select(&selection, &on).unwrap();
    let packages = pins.packages.iter().map(|pin| match &pin.version {
        Some(version) => format!("{}=={version}", pin.name),
        None => pin.name.clone(),
    });
    let directories = pins.directories.iter().map(|path| format!("-e {path}"));
    packages.chain(directories).collect()
}

fn uv() -> String {
    let index = "source = { registry = \"https://pypi.org/simple\" }";
    let wheel = |name: &str| {
        format!(
            "wheels = [{{ url = \"https://files.pythonhosted.org/{name}.whl\", hash = \"{A}\", size = 1 }}]"
        )
    };
    let package = |name: &str, version: &str, more: &str| {
        let wheel = wheel(name);
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{index}\n{more}{wheel}\n\n"
        )
    };
    [
        "version = 1\nrevision = 3\nrequires-python = \">=3.10\"\n\n[manifest]\nmembers = [\"app\", \"core\"]\n\n".to_owned(),
        "[[package]]\nname = \"app\"\nversion = \"1\"\nsource = { editable = \".\" }\ndependencies = [\n    { name = \"click\" },\n    { name = \"core\" },\n    { name = \"numpy\", version = \"1.26\", marker = \"python_full_version < '3.12'\" },\n    { name = \"numpy\", version = \"2.1\", marker = \"python_full_version >= '3.12'\" },\n]\n[package.optional-dependencies]\nserve = [{ name = \"uvicorn\", extra = [\"standard\"] }]\n[package.dev-dependencies]\ndev = [{ name = \"pytest\" }]\nlint = [{ name = \"ruff\" }]\n\n".to_owned(),
        "[[package]]\nname = \"core\"\nversion = \"1\"\nsource = { editable = \"core\" }\ndependencies = [{ name = \"idna\" }]\n[package.dev-dependencies]\nown = [{ name = \"ruff\" }]\n\n".to_owned(),
        package("click", "8.1", "dependencies = [{ name = \"colorama\", marker = \"sys_platform == 'win32'\" }]\n"),
        package("colorama", "0.4", ""),
        package("idna", "3", ""),
        package("numpy", "1.26", "resolution-markers = [\"python_full_version < '3.12'\"]\n"),
        package("numpy", "2.1", ""),
        package("pytest", "8", "dependencies = [{ name = \"numpy\", version = \"2.1\", marker = \"python_full_version >= '3.12'\" }]\n"),
        package("ruff", "0.12", ""),
        package("uvicorn", "0.30", "").replace("\n\n", "\n[package.optional-dependencies]\nstandard = [{ name = \"idna\" }, { name = \"uvloop\", marker = \"sys_platform != 'win32'\" }]\n\n"),
        package("uvloop", "0.19", ""),
    ]
    .concat()
}

#[test]
fn uv_locks_are_walked_by_groups_extras_and_markers() {
    let lock = lock("uv.lock", &uv(), "[project]\nname = \"app\"\n");
    assert_eq!(lock.groups, set(&["dev", "lint"]));
    assert_eq!(lock.default_groups, set(&["dev"]));
    assert!(lock.installs_project());
    let base = ["click==8.1", "idna==3", "numpy==1.26", "-e .", "-e core"];
    assert_eq!(chosen(&lock, "3.11.4", &[], &[]), base);
    assert_eq!(
        chosen(&lock, "3.12.0", &["dev"], &["serve"]),
        [
            "click==8.1",
            "idna==3",
            "numpy==2.1",
            "pytest==8",
            "uvicorn==0.30",
            "uvloop==0.19",
            "-e .",
            "-e core"
        ]
    );
    let pins = lock
        .select(
            &Selection::default(),
            &TargetEnvironment::new(&"3.11".parse().unwrap(), System::LinuxX86_64),
        )
        .unwrap();
    assert!(
        pins.hashed()
            .starts_with(&format!("click==8.1 --hash={A}\nidna==3 "))
    );
    let foreign = lock.foreign();
    assert_eq!(foreign.len(), 1);
    assert_eq!(
        (&*foreign[0].name, &*foreign[0].source.to_string()),
        ("core", "editable core")
    );
}

#[test]
fn default_groups_are_the_project_s_own() {
    let named = lock(
        "uv.lock",
        &uv(),
        "[tool.uv]\ndefault-groups = [\"lint\", \"gone\"]\n",
    );
    assert_eq!(named.default_groups, set(&["lint"]));
    let all = lock("uv.lock", &uv(), "[tool.uv]\ndefault-groups = \"all\"\n");
    assert_eq!(all.default_groups, set(&["dev", "lint"]));
}

#[test]
fn packages_of_other_servers_in_a_uv_lock_are_foreign() {
    for (from, to, word) in [
        (
            "https://files.pythonhosted.org/click.whl",
            "https://evil.example/click.whl",
            "evil.example",
        ),
        (
            "registry = \"https://pypi.org/simple\"",
            "registry = \"https://pypi.org.evil.example/simple\"",
            "evil",
        ),
        (
            "registry = \"https://pypi.org/simple\"",
            "git = \"https://evil.example/x?rev=v1#0123456789abcdef0123456789abcdef01234567\"",
            "0123456789abcdef0123456789abcdef01234567",
        ),
        (
            "registry = \"https://pypi.org/simple\"",
            "url = \"https://evil.example/x.whl\"",
            "evil",
        ),
    ] {
        let text = uv().replacen(from, to, 1);
        let lock = lock("uv.lock", &text, "");
        let foreign = lock.foreign();
        let click = foreign.iter().find(|one| one.name == "click").unwrap();
        assert!(click.source.to_string().contains(word), "{click:?}");
    }
    let git = uv().replacen(
        "registry = \"https://pypi.org/simple\"",
        "git = \"https://h.example/x?subdirectory=p&rev=v1#0123456789abcdef0123456789abcdef01234567\"",
        1,
    );
    let pins = lock("uv.lock", &git, "")
        .select(
            &Selection::default(),
            &TargetEnvironment::new(&"3.11".parse().unwrap(), System::LinuxX86_64),
        )
        .unwrap();
    assert_eq!(
        pins.repositories(),
        "click @ git+https://h.example/x@0123456789abcdef0123456789abcdef01234567#subdirectory=p\n"
    );
}

#[test]
fn conflicting_groups_are_distinguished_as_uv_marks_them() {
    let text = uv().replace(
        "{ name = \"click\" },",
        "{ name = \"click\", marker = \"extra == 'group-3-app-dev'\" },",
    );
    let lock = lock("uv.lock", &text, "");
    assert!(chosen(&lock, "3.11", &["dev"], &[]).contains(&"click==8.1".to_owned()));
    assert!(!chosen(&lock, "3.11", &["lint"], &[]).contains(&"click==8.1".to_owned()));
}

fn poetry(groups: bool) -> String {
    let package = |name: &str, version: &str, group: &str, more: &str| {
        let group = if groups {
            format!("groups = [{group}]\n")
        } else {
            String::new()
        };
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\ndescription = \"\"\noptional = false\npython-versions = \">=3.8\"\n{group}files = [\n    {{file = \"{name}.whl\", hash = \"{A}\"}},\n]\n{more}\n"
        )
    };
    let marked = |text: &str| {
        if groups {
            text.to_owned()
        } else {
            String::new()
        }
    };
    [
        package("click", "8.1.7", "\"main\", \"dev\"", "\n[package.dependencies]\ncolorama = {version = \"*\", markers = \"platform_system == \\\"Windows\\\"\"}\n"),
        package("colorama", "0.4.6", "\"main\", \"dev\"", "").replace("files =", &(marked("markers = {main = \"platform_system == \\\"Windows\\\"\", dev = \"sys_platform == \\\"win32\\\"\"}\n") + "files =")),
        package("iniconfig", "2.0.0", "\"docs\"", ""),
        package("pluggy", "1.5.0", "\"dev\"", ""),
        package("pytest", "8.3.4", "\"dev\"", "\n[package.dependencies]\npluggy = \">=1.5,<2\"\n"),
        package("redis", "5.2.1", "\"main\"", "\n[package.extras]\nhiredis = [\"hiredis (>=3.0.0,<3.0.1 || >3.0.1) ; python_version > \\\"3\\\"\"]\n").replace("files =", &(marked("markers = \"extra == \\\"cache\\\"\"\n") + "files =")),
        "[extras]\ncache = [\"redis\"]\n\n[metadata]\nlock-version = \"2.1\"\npython-versions = \"^3.11\"\ncontent-hash = \"x\"\n".to_owned(),
    ]
    .concat()
}

const POETRY: &str = r#"
[tool.poetry]
name = "shelf"
[tool.poetry.dependencies]
python = "^3.11"
click = "^8"
redis = { version = "^5", optional = true }
[tool.poetry.extras]
cache = ["redis"]
[tool.poetry.group.dev.dependencies]
pytest = "^8"
[tool.poetry.group.docs]
optional = true
[tool.poetry.group.docs.dependencies]
iniconfig = "*"
[build-system]
requires = ["poetry-core"]
"#;

#[test]
fn poetry_locks_are_read_with_and_without_groups() {
    for groups in [true, false] {
        let lock = lock("poetry.lock", &poetry(groups), POETRY);
        assert_eq!(lock.groups, set(&["dev", "docs"]));
        assert_eq!(lock.default_groups, set(&["dev"]));
        assert_eq!(
            chosen(&lock, "3.11.4", &[], &[]),
            ["click==8.1.7", "-e ."],
            "{groups}"
        );
        assert_eq!(
            chosen(&lock, "3.11.4", &["dev"], &["cache"]),
            [
                "click==8.1.7",
                "pluggy==1.5.0",
                "pytest==8.3.4",
                "redis==5.2.1",
                "-e ."
            ]
        );
        assert_eq!(
            chosen(&lock, "3.11.4", &["docs"], &[])[1],
            "iniconfig==2.0.0"
        );
        assert_eq!(lock.foreign(), []);
    }
    let plain = lock(
        "poetry.lock",
        &poetry(true),
        &POETRY.replace("name = \"shelf\"", "package-mode = false"),
    );
    assert!(!plain.installs_project());
}

#[test]
fn the_sources_of_a_poetry_lock_are_foreign() {
    let source = |text: &str| {
        poetry(true).replacen(
            "\n[package.dependencies]",
            &format!("\n[package.source]\n{text}\n[package.dependencies]"),
            1,
        )
    };
    let git = lock(
        "poetry.lock",
        &source(
            "type = \"git\"\nurl = \"https://h.example/c.git\"\nreference = \"main\"\nresolved_reference = \"0123456789abcdef0123456789abcdef01234567\"\n",
        ),
        POETRY,
    );
    assert!(git.foreign()[0].source.to_string().contains("h.example"));
    let on = TargetEnvironment::new(&"3.11".parse().unwrap(), System::LinuxX86_64);
    let pins = git.select(&Selection::default(), &on).unwrap();
    assert_eq!(
        pins.repositories(),
        "click @ git+https://h.example/c.git@0123456789abcdef0123456789abcdef01234567\n"
    );
    let legacy = lock(
        "poetry.lock",
        &source("type = \"legacy\"\nurl = \"https://i.example/simple\"\nreference = \"own\"\n"),
        POETRY,
    );
    let pins = legacy.select(&Selection::default(), &on).unwrap();
    assert_eq!(pins.hashed(), "", "its own index is searched");
    assert_eq!(legacy.foreign()[0].name, "click");
}

#[test]
fn faults_have_a_place() {
    let table = [
        (
            "uv.lock",
            "version = 2\n",
            "uv.lock:1: its format is version 2",
        ),
        (
            "uv.lock",
            "version = 1\n[[package]]\nname = \"a\"\n",
            "uv.lock:2: a package has no `source`",
        ),
        (
            "uv.lock",
            "version = 1\n<<<<<<< HEAD\n",
            "uv.lock:2: has conflict markers of Git: finish the merge first",
        ),
        (
            "uv.lock",
            "version = 1\n[[package]]\nname = \"a b\"\nsource = { virtual = \".\" }\n",
            "uv.lock:3: `a b` is not a package name",
        ),
        (
            "uv.lock",
            "version = 1\n[[package]]\nname = \"a\"\nsource = { url = \"-e x\" }\n",
            "uv.lock:4: `url` must be one word",
        ),
    ];
    assert_faults(&table);
}

#[test]
fn faults_of_lists_have_a_place() {
    let table = [
        (
            "poetry.lock",
            "[[package]]\nname = \"a\"\nversion = \"1\"\nfiles = []\n",
            "poetry.lock:1: `a` has no digests",
        ),
        (
            "requirements.txt",
            "a==1\nb ==\n",
            "requirements.txt:2: `b ==` is not a requirement",
        ),
        (
            "requirements.txt",
            "a==1 --hash=md5:1\n",
            "requirements.txt:1: `md5:1` is not a digest",
        ),
        (
            "requirements.txt",
            "--config-settings x\n",
            "requirements.txt:1: devsh does not support the option `--config-settings`",
        ),
        (
            "requirements.txt",
            "-r gone.txt\n",
            "requirements.txt:1: `gone.txt` cannot be read",
        ),
        (
            "conda.lock",
            "",
            "conda.lock:1: not a lockfile that devsh reads",
        ),
    ];
    assert_faults(&table);
}

#[test]
fn a_lock_with_too_many_choices_is_an_error() {
    // Each version needs all versions, for each extra.
    let names = 0..200;
    let extras: Vec<String> = names.clone().map(|at| format!("\"e{at}\"")).collect();
    let versions: Vec<String> = names
        .clone()
        .map(|at| {
            let needs = names
                .clone()
                .map(|at| format!("{{ name = \"p\", extra = [\"e{at}\"] }}"));
            let needs: Vec<String> = needs.collect();
            format!(
                "[[package]]\nname = \"p\"\nversion = \"{at}\"\nsource = {{ registry = \"https://pypi.org/simple\" }}\n\
                 dependencies = [{}]\nwheels = [{{ url = \"https://f/p-{at}-py3-none-any.whl\", hash = \"{A}\" }}]\n",
                needs.join(", ")
            )
        })
        .collect();
    let text = format!(
        "version = 1\nrequires-python = \">=3.9\"\n[[package]]\nname = \"core\"\nversion = \"1\"\n\
         source = {{ editable = \".\" }}\ndependencies = [{{ name = \"p\", extra = [{}] }}]\n{}",
        extras.join(", "),
        versions.concat()
    );
    let lock = lock("uv.lock", &text, "");
    let on = TargetEnvironment::new(&"3.11".parse().unwrap(), System::LinuxX86_64);
    let error = lock.select(&Selection::default(), &on).unwrap_err();
    assert_eq!(error, SelectionError::Tangled);
}

#[test]
fn a_lock_without_a_needed_part_is_an_error() {
    let lock = lock(
        "uv.lock",
        &uv().replace("name = \"idna\"\nversion", "name = \"other\"\nversion"),
        "",
    );
    let on = TargetEnvironment::new(&"3.11".parse().unwrap(), System::LinuxX86_64);
    let missing = lock.select(&Selection::default(), &on).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "is incomplete: `core` depends on `idna`, which is missing"
    );
}
