//! Repositories with real layouts, and the tools that are detected.

use std::{fs, sync::Arc};

use tempfile::TempDir;

use super::*;
use crate::manifest::{DevShell, Manifest, merge};

/// A lockfile of `uv lock`, without most wheels.
const UV_LOCK: &str = r#"version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "demo-app"
version = "0.1.0"
source = { editable = "." }
dependencies = [
    { name = "idna" },
]

[package.dev-dependencies]
dev = [
    { name = "ruff" },
]

[package.metadata]
requires-dist = [{ name = "idna", specifier = ">=3" }]

[package.metadata.requires-dev]
dev = [{ name = "ruff", specifier = ">=0.12,<0.13" }]

[[package]]
name = "idna"
version = "3.10"
source = { registry = "https://pypi.org/simple" }
sdist = { url = "https://files.pythonhosted.org/packages/idna-3.10.tar.gz", hash = "sha256:12f6", size = 190490, upload-time = "2024-09-15T18:07:39.745Z" }

[[package]]
name = "ruff"
version = "0.12.12"
source = { registry = "https://pypi.org/simple" }
wheels = [
    { url = "https://files.pythonhosted.org/packages/ruff-0.12.12-py3-none-linux_armv6l.whl", hash = "sha256:de1c", size = 12116602, upload-time = "2025-09-04T16:49:18.892Z" },
]
"#;

const PYPROJECT: &str = r#"[project]
name = "demo-app"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["idna>=3"]

[project.optional-dependencies]
web = ["uvicorn[standard]>=0.30"]

[dependency-groups]
dev = [{ include-group = "lint" }, "pytest"]
lint = ["ruff>=0.12,<0.13"]
Tests = ["pytest"]

[tool.ruff]
required-version = ">=0.11"
"#;

fn project(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn found(files: &[(&str, &str)]) -> Result<(Detection, Manifest), String> {
    let root = project(files);
    let detection = detect(&mut Inputs::at(root.path()), SoughtPresets::OfRoot).map_err(
        |error| match error {
            Error::File(error) => format!("{}: {error}", error.path.ends_with("uv.lock")),
            Error::Exposed(error) => error.to_string(),
            Error::Collision(error) => error.to_string(),
            Error::Content(error) => format!("{}: {error}", error.origin()),
        },
    )?;
    let manifest = merge(&detection.layers).unwrap();
    Ok((detection, manifest))
}

fn shell<'m>(manifest: &'m Manifest, name: &str) -> &'m DevShell {
    &manifest.shells[&name.parse().unwrap()]
}

/// A tool's requirement and floors, each with its place.
fn asked(manifest: &Manifest, tool: &str) -> String {
    let request = &shell(manifest, "dev").tools[&tool.parse().unwrap()];
    let origin = request.requirement.origin.to_string();
    // The line in a preset does not matter here.
    let origin = match origin.strip_prefix("preset ") {
        Some(preset) => format!("preset {}", preset.split(':').next().unwrap()),
        None => origin,
    };
    let version = format!("{} {origin}", request.requirement.value);
    let floors = request.floors.iter();
    let floors = floors.map(|floor| format!(" & {} {}", floor.value, floor.origin));
    std::iter::once(version).chain(floors).collect()
}

fn groups(manifest: &Manifest, name: &str) -> Vec<String> {
    let groups = shell(manifest, name).python.groups.iter();
    groups.map(|group| group.value.clone()).collect()
}

#[test]
fn a_uv_project() {
    let (detection, manifest) = found(&[
        ("pyproject.toml", PYPROJECT),
        ("uv.lock", UV_LOCK),
        (".python-version", "# team\n3.12\n"),
        (
            ".pre-commit-config.yaml",
            "repos:\n- repo: https://github.com/astral-sh/ruff-pre-commit\n  rev: v0.9.0\n",
        ),
        ("src/demo_app/__init__.py", ""),
    ])
    .unwrap();
    assert_eq!(detection.presets, ["pre-commit", "python"]);
    assert_eq!(
        asked(&manifest, "python"),
        "3.12 .python-version:2 & >=3.11 pyproject.toml:4"
    );
    assert_eq!(
        asked(&manifest, "ruff"),
        "==0.12.12 uv.lock:32 & >=0.11 pyproject.toml:16"
    );
    assert_eq!(asked(&manifest, "uv"), "* preset python");
    let lock = shell(&manifest, "dev").python.lock.clone().unwrap();
    assert_eq!(lock.value, "uv.lock");
    assert_eq!(lock.origin.file, Arc::from("preset python"));
    // The project's own default groups come on top.
    assert!(groups(&manifest, "dev").is_empty());
    assert_eq!(groups(&manifest, "test"), ["tests"]);
    assert_eq!(groups(&manifest, "lint"), ["lint"]);
    let watched = |name: &str| detection.files.iter().any(|path| path.ends_with(name));
    for name in [
        "uv.lock",
        ".python-versions",
        "ruff.toml",
        "Cargo.toml",
        "setup.py",
    ] {
        assert!(watched(name), "{name}");
    }
    assert!(!watched("src") && detection.files.is_sorted());
}

const PRE_COMMIT: &str = "repos:
- repo: https://github.com/pre-commit/pre-commit-hooks
  rev: v5.0.0
- repo: https://github.com/astral-sh/ruff-pre-commit.git
  rev: v0.12.1
  hooks: [{ id: ruff }]
";

const GROUP: &str = "[dependency-groups]\ndev = [\n    'pytest',\n    'ruff~=0.11.0',\n]\n";

/// Files with their request for ruff.
#[rustfmt::skip]
const RUFF: &[(&[(&str, &str)], &str)] = &[
    (&[("pyproject.toml", PYPROJECT)], ">=0.12,<0.13 pyproject.toml:12 & >=0.11 pyproject.toml:16"),
    (&[("pyproject.toml", GROUP)], "~=0.11.0 pyproject.toml:4"),
    (&[("pyproject.toml", GROUP), (".pre-commit-config.yaml", PRE_COMMIT)], "~=0.11.0 pyproject.toml:4"),
    (&[("setup.py", ""), (".pre-commit-config.yaml", PRE_COMMIT)], "==0.12.1 .pre-commit-config.yaml:5"),
    (&[("setup.py", ""), (".pre-commit-config.yaml", "repos:\n- repo: x/ruff-pre-commit\n  rev: 0f3a1c\n")], "* preset python"),
    (&[("setup.py", ""), ("ruff.toml", "required-version = '0.12'\n")], "* preset python & 0.12 ruff.toml:1"),
    (&[("pyproject.toml", "[tool.poetry.group.lint.dependencies]\nruff = '^0.12'\n")], "^0.12 pyproject.toml:2"),
    (&[("pyproject.toml", "[project.optional-dependencies]\nlint = ['ruff==0.12.3']\n")], "==0.12.3 pyproject.toml:2"),
    (&[("pyproject.toml", "[tool.uv]\ndev-dependencies = ['Ruff ==0.12.3']\n")], "==0.12.3 pyproject.toml:2"),
];

#[test]
fn versions_come_from_the_first_file_that_names_one() {
    for (files, expected) in RUFF {
        assert_eq!(
            asked(&found(files).unwrap().1, "ruff"),
            *expected,
            "{files:?}"
        );
    }
}

#[test]
fn every_preset_of_the_folder_is_built_in() {
    let folder = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/shells")).unwrap();
    let files = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = files
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "toml"))
        // The catalogue of tools is no preset.
        .filter(|name| name != "tools.toml")
        .collect();
    let presets = presets::all().unwrap();
    let names = presets
        .iter()
        .map(|preset| format!("{}.toml", preset.name()));
    assert_eq!(files, names.collect());
}

#[test]
fn python_versions_and_floors() {
    for (files, expected) in [
        (
            &[(".python-version", "pypy3.10\n3.13.1\n")][..],
            "3.13.1 .python-version:2",
        ),
        (
            &[
                (".python-version", "my-venv\n"),
                (".python-versions", "3.12\n3.13\n"),
            ],
            "3.12 .python-versions:1",
        ),
        (
            &[(".python-version", "cpython-3.12.4\n")],
            "3.12.4 .python-version:1",
        ),
        (
            &[(
                "pyproject.toml",
                "[tool.poetry.dependencies]\npython = '^3.11'\n",
            )],
            "* preset python & ^3.11 pyproject.toml:2",
        ),
        (
            &[(
                "pyproject.toml",
                "[tool.poetry.dependencies]\npython = '~3.11'\n",
            )],
            "* preset python & ~3.11 pyproject.toml:2",
        ),
        (
            &[(
                "pyproject.toml",
                "[tool.poetry.dependencies]\npython = '*'\n",
            )],
            "* preset python",
        ),
        (&[("requirements.txt", "fastapi\n")], "* preset python"),
    ] {
        assert_eq!(
            asked(&found(files).unwrap().1, "python"),
            expected,
            "{files:?}"
        );
    }
}

#[test]
fn poetry_s_own_bounds() {
    for (files, expected) in [
        (
            &[(
                "pyproject.toml",
                "[tool.poetry.dependencies]\npython = '>=3.11 <3.13'\n",
            )][..],
            "* preset python & >=3.11,<3.13 pyproject.toml:2",
        ),
        (
            &[
                (
                    "pyproject.toml",
                    "[tool.poetry.dependencies]\npython = '^3.11 || ^3.12'\n",
                ),
                (".python-version", "3.12\n"),
            ],
            "3.12 .python-version:1 & ^3.11 || ^3.12 pyproject.toml:2",
        ),
    ] {
        assert_eq!(
            asked(&found(files).unwrap().1, "python"),
            expected,
            "{files:?}"
        );
    }
}

#[test]
fn groups_need_a_lockfile_or_a_project_that_names_its_needs() {
    let (_, manifest) = found(&[("pyproject.toml", "[tool.ruff]\n")]).unwrap();
    assert!(groups(&manifest, "test").is_empty());
    let (_, manifest) = found(&[("pyproject.toml", PYPROJECT)]).unwrap();
    assert_eq!(groups(&manifest, "test"), ["tests"]);
    assert!(shell(&manifest, "dev").python.lock.is_some());
    let old = "[tool.uv]\ndev-dependencies = ['pytest']\n";
    let (_, manifest) = found(&[("pyproject.toml", old), ("uv.lock", "version = 1\n")]).unwrap();
    // The project's own default groups apply to `dev`.
    assert!(groups(&manifest, "dev").is_empty());
    assert!(!shell(&manifest, "dev").python.groups_named);
}

#[test]
fn cargo_projects() {
    let workspace = "[workspace]\nmembers = ['a']\n[workspace.package]\nrust-version = '1.80'\n";
    let member = "[package]\nname = 'a'\nrust-version = { workspace = true }\n";
    let channel = "[toolchain]\nchannel = '1.89.0'\ncomponents = ['rust-src', 'clippy']\ntargets = ['wasm32-unknown-unknown']\n";
    for (files, expected) in [
        (
            &[("Cargo.toml", workspace), ("a/Cargo.toml", member)][..],
            "* preset rust & >=1.80 Cargo.toml:4",
        ),
        (&[("Cargo.toml", member)], "* preset rust"),
        (
            &[
                ("Cargo.toml", "[package]\nrust-version = '1.80.1'\n"),
                ("rust-toolchain.toml", channel),
            ],
            "1.89.0 rust-toolchain.toml:2 & >=1.80.1 Cargo.toml:2",
        ),
        (
            &[
                ("rust-toolchain", "nightly-2026-10-01\n"),
                ("rust-toolchain.toml", channel),
            ],
            "nightly-2026-10-01 rust-toolchain:1",
        ),
    ] {
        let (detection, manifest) = found(files).unwrap();
        assert_eq!(asked(&manifest, "rust"), expected, "{files:?}");
        assert_eq!(detection.presets, ["rust"]);
    }
    let (_, manifest) = found(&[("rust-toolchain.toml", channel)]).unwrap();
    let rust = &shell(&manifest, "lint").tools[&"rust".parse().unwrap()];
    assert_eq!(rust.components, ["clippy", "rust-src", "rustfmt"]);
    assert_eq!(rust.targets, ["wasm32-unknown-unknown"]);
}

#[test]
fn a_repository_with_both() {
    let (detection, manifest) =
        found(&[("Cargo.toml", "[package]\n"), ("pyproject.toml", "")]).unwrap();
    assert_eq!(detection.presets, ["python", "rust"]);
    for name in ["dev", "test", "lint"] {
        let tools: Vec<String> = shell(&manifest, name)
            .tools
            .keys()
            .map(ToString::to_string)
            .collect();
        assert_eq!(tools, ["python", "ruff", "rust", "uv"]);
    }
}

#[test]
fn nothing_known_is_nothing_found() {
    let (detection, manifest) = found(&[("README.md", "")]).unwrap();
    assert!(detection.layers.is_empty() && detection.presets.is_empty());
    assert!(!detection.files.is_empty());
    assert!(shell(&manifest, "dev").tools.is_empty());
}

/// The notes of a repository, each with its place.
fn notes(files: &[(&str, &str)]) -> Vec<String> {
    let (detection, _) = found(files).unwrap();
    let notes = detection.notes.iter();
    notes
        .map(|note| format!("{}: {}", note.origin, note.message))
        .collect()
}

#[test]
fn a_file_that_cannot_be_used_is_a_note() {
    for (files, expected) in [
        (
            &[("pyproject.toml", "[project\n")][..],
            "pyproject.toml:1: not valid TOML: ",
        ),
        (
            &[("Cargo.toml", "[package]\nname = \n")],
            "Cargo.toml:2: not valid TOML: ",
        ),
        (
            &[("pyproject.toml", "[project]\nrequires-python = '=>3'\n")],
            "pyproject.toml:2: `=>3` is not a version requirement",
        ),
        (
            &[
                ("setup.py", ""),
                (".pre-commit-config.yaml", "repos: [\n- x\n"),
            ],
            ".pre-commit-config.yaml:2: not valid YAML: ",
        ),
        (
            &[("uv.lock", "version = 1\n<<<<<<< HEAD\n=======\n>>>>>>> x\n")],
            "uv.lock:2: has conflict markers of Git",
        ),
        (
            &[(".python-version", "\n3.13d\n")],
            ".python-version:2: `3.13d` asks for a debug build of Python, which devsh does not support yet",
        ),
        (
            &[(".python-version", "system\n")],
            ".python-version:1: `system` is not a version of CPython",
        ),
        (
            &[(".python-version", "pypy3.10 3.11.7 3.12.1\n")],
            ".python-version:1: `3.12.1` yields to `3.11.7`, the first version",
        ),
        (
            &[(".nvmrc", "iojs\n")],
            ".nvmrc:1: `iojs` is not an npm version or range",
        ),
        (
            &[("rust-toolchain.toml", "[toolchain]\npath = '/opt/rust'\n")],
            "rust-toolchain.toml:2: `path` in a toolchain file",
        ),
        (
            &[("mise.toml", "[tools]\nnode = { path = '/opt/node' }\n")],
            "mise.toml:2: `node` names no version that can be locked",
        ),
        (
            &[
                (
                    ".pre-commit-config.yaml",
                    "repos:\n- repo: https://x/psf/black\n  rev: 7c55798a78262d14b2074abf623d8a992ebb70d4\n",
                ),
                ("setup.py", ""),
            ],
            ".pre-commit-config.yaml:3: `7c55798a78262d14b2074abf623d8a992ebb70d4` is not a version: it is a commit",
        ),
    ] {
        let notes = notes(files);
        let told = notes.iter().any(|note| note.starts_with(expected));
        assert!(told, "{expected}: {notes:?}");
    }
    let (directory, _) = found(&[("uv.lock/x", "")]).unwrap();
    assert_eq!(directory.presets, [""; 0], "a directory is no lockfile");
}

#[test]
fn a_byte_that_is_not_text_stops_nothing() {
    let root = project(&[]);
    let bytes = b"[project]\nauthors = [{ name = \"\xff\" }]\nrequires-python = '>=3.9'\n";
    fs::write(root.path().join("pyproject.toml"), bytes).unwrap();
    let detection = detect(&mut Inputs::at(root.path()), SoughtPresets::OfRoot).unwrap();
    let manifest = merge(&detection.layers).unwrap();
    assert_eq!(
        asked(&manifest, "python"),
        "* preset python & >=3.9 pyproject.toml:3"
    );
}

#[test]
fn versions_of_real_repositories() {
    let sha = "7c55798a78262d14b2074abf623d8a992ebb70d4";
    let hash = format!("10.1.0+sha512.{}", "0a".repeat(64));
    let frozen = format!(
        "repos:\n- repo: https://github.com/astral-sh/ruff-pre-commit\n  rev: {sha}  # frozen: v0.16.2\n"
    );
    let hashed = format!("{{\"packageManager\": \"pnpm@{hash}\"}}");
    let pinned = format!("{hash} package.json:1");
    for (tool, files, expected) in [
        (
            "python",
            &[(".python-version", "3.11.7 3.12.1\n")][..],
            "3.11.7 .python-version:1",
        ),
        (
            "python",
            &[(".python-version", "pypy3.10\n3.12\n")],
            "3.12 .python-version:2",
        ),
        (
            "python",
            &[(".python-version", "3.11.7/envs/web\n")],
            "3.11.7 .python-version:1",
        ),
        (
            "python",
            &[(
                "setup.cfg",
                "[metadata]\nname = x\n[options]\npython_requires =\n    >=3.9\n",
            )],
            "* preset python & >=3.9 setup.cfg:5",
        ),
        (
            "python",
            &[("setup.cfg", "[options]\npython-requires: >=3.9, <4\n")],
            "* preset python & >=3.9,<4 setup.cfg:2",
        ),
        (
            "python",
            &[("setup.py", "setup(\n    python_requires='>=3.9, <4',\n)\n")],
            "* preset python & >=3.9,<4 setup.py:2",
        ),
        (
            "python",
            &[("requirements.txt", ""), ("runtime.txt", "python-3.11.4\n")],
            "3.11.4 runtime.txt:1",
        ),
        (
            "python",
            &[
                ("requirements.txt", ""),
                ("runtime.txt", "python-3.11.4\n"),
                (".tool-versions", "python 3.12.1\n"),
            ],
            "3.12.1 .tool-versions:1",
        ),
        (
            "python",
            &[
                ("requirements.txt", ""),
                ("runtime.txt", "words of another tool\n"),
            ],
            "* preset python",
        ),
        (
            "go",
            &[("go.mod", "module x\n\ngo 1.22.5\n\ntoolchain go1.22.6\n")],
            "~1.22.6 go.mod:5 & >=1.22.5 go.mod:3",
        ),
        (
            "ruff",
            &[("setup.py", ""), (".pre-commit-config.yaml", &frozen)],
            "==0.16.2 .pre-commit-config.yaml:3",
        ),
        (
            "ruff",
            &[("requirements.txt", "ruff==0.12.11\n")],
            "==0.12.11 requirements.txt:1",
        ),
        (
            "pnpm",
            &[(
                "package.json",
                "{\"packageManager\":\"pnpm@9.1.0\",\"devEngines\":{\"packageManager\":{\"name\":\"pnpm\",\"version\":\">=9\"}}}",
            )],
            "9.1.0 package.json:1",
        ),
        ("pnpm", &[("package.json", &hashed)], &pinned),
        (
            "node",
            &[(
                "package.json",
                "{\"engines\":{\"node\":\"18\"},\"engines\":{\"node\":\"22\"}}",
            )],
            "* preset node & 22 package.json:1",
        ),
        (
            "node",
            &[(".config/mise.toml", "[tools]\nnode = { prefix = '22' }\n")],
            "22 .config/mise.toml:2",
        ),
        (
            "rust",
            &[(
                "mise.toml",
                "[tools]\nrust = [{ version = '1.89' }, { version = 'nightly' }]\n",
            )],
            "1.89 mise.toml:2",
        ),
        (
            "npm:typescript",
            &[("mise.toml", "[tools]\n'npm:typescript' = 'next'\n")],
            "next mise.toml:2",
        ),
        ("just", &[("justfile", "")], "* justfile:1"),
        ("typos", &[("_typos.toml", "")], "* _typos.toml:1"),
        ("cmake", &[("CMakeLists.txt", "")], "* CMakeLists.txt:1"),
        (
            "pypi:tox",
            &[("setup.py", ""), ("tox.ini", "")],
            "* tox.ini:1",
        ),
        (
            "pypi:nox",
            &[("setup.py", ""), ("noxfile.py", "")],
            "* noxfile.py:1",
        ),
        // The first directory decides; another one that needs another version is only noted.
        (
            "python",
            &[
                ("package.json", "{}"),
                ("src/a/setup.py", ""),
                ("src/a/.python-version", "3.11\n"),
                ("src/b/setup.py", ""),
                ("src/b/.python-version", "3.10\n"),
            ],
            "3.11 src/a/.python-version:1",
        ),
        (
            "python",
            &[
                ("package.json", "{}"),
                ("docs/requirements.txt", ""),
                ("docs/.python-version", "3.8"),
                ("python/.python-version", "3.12\n"),
            ],
            "3.12 python/.python-version:1",
        ),
        (
            "node",
            &[
                ("setup.py", ""),
                ("{{cookiecutter.slug}}/package.json", "{}"),
                ("web/.nvmrc", "22\n"),
            ],
            "22 web/.nvmrc:1",
        ),
    ] {
        let (_, manifest) = found(files).unwrap();
        let origin = asked(&manifest, tool);
        assert_eq!(origin, expected, "{files:?}");
    }
}

#[test]
fn tools_that_a_repository_does_not_use() {
    let black = "version = 1\n[[package]]\nname = \"black\"\nversion = \"25.1.1.dev0\"\nsource = { git = \"https://github.com/psf/black?rev=1\" }\n";
    let yarn = "{\"packageManager\":\"yarn@1.22.22\",\"devEngines\":{\"packageManager\":{\"name\":\"yarn\",\"version\":\">=1\"}}}";
    let newer = yarn.replace("1.22.22", "4.1.0");
    for (tool, files) in [
        (
            "pdm",
            &[(
                "pyproject.toml",
                "[build-system]\nrequires=['pdm-backend']\n[tool.pdm]\nversion={source='file',path='d.py'}\n",
            )][..],
        ),
        ("black", &[("pyproject.toml", ""), ("uv.lock", black)]),
        ("npm:@yarnpkg/cli-dist", &[("package.json", yarn)]),
        ("yarn", &[("package.json", &newer)]),
        (
            "node",
            &[
                ("setup.py", ""),
                ("{{cookiecutter.slug}}/package.json", "{}"),
            ],
        ),
    ] {
        let (_, manifest) = found(files).unwrap();
        let tools = &shell(&manifest, "dev").tools;
        assert!(
            !tools.contains_key(&tool.parse().unwrap()),
            "{tool} {files:?}"
        );
    }
}
