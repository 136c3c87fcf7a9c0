//! Repositories of real layouts, none of which knows devsh, on the real sources: `DEVSH_TEST_NETWORK=1` only.

use crate::support::{Tree, network};

use super::network::open;

/// A repository, where it is entered, and what its tools then say.
struct Layout {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    inside: &'static str,
    says: &'static [(&'static str, &'static str)],
}

/// Activates every layout in one home: they share a store.
fn activate(layouts: &[Layout]) {
    if !network() {
        return;
    }
    let sandbox = open();
    for layout in layouts {
        let root = sandbox.project().join(layout.name);
        for (name, text) in layout.files {
            sandbox.write(root.join(name), text);
        }
        let before = Tree::of(&root);
        let inside = root.join(layout.inside);
        let inside = inside.to_str().unwrap();
        for (command, expected) in layout.says {
            let mut run = vec!["-C", inside, "run", "--trust", "--"];
            run.extend(command.split(' '));
            let outcome = sandbox.devsh(&run).success();
            assert!(
                outcome.stdout.contains(expected),
                "{}: {command}\n{outcome}",
                layout.name
            );
        }
        // A repository that does not know devsh stays as it was.
        Tree::of(&root).assert_unchanged_since(&before);
    }
}

#[test]
fn python_layouts() {
    activate(&[
        Layout {
            name: "requirements and pre-commit",
            files: &[
                ("requirements.txt", "flask==3.0.0\n"),
                ("requirements-test.txt", "pytest\n"),
                ("setup.cfg", "[metadata]\nname = shop\n"),
                (".python-version", "3.11\n"),
                (
                    ".pre-commit-config.yaml",
                    "repos:\n- repo: https://github.com/astral-sh/ruff-pre-commit\n  rev: v0.12.3\n  hooks:\n  - id: ruff\n",
                ),
                ("shop/__init__.py", ""),
            ],
            inside: "shop",
            says: &[
                ("python --version", "Python 3.11."),
                ("ruff --version", "ruff 0.12.3"),
            ],
        },
        Layout {
            name: "poetry",
            files: &[
                (
                    "pyproject.toml",
                    "[tool.poetry]\nname = \"shop\"\nversion = \"1.0.0\"\n\n[tool.poetry.dependencies]\npython = \"^3.11\"\n\n\
                     [tool.poetry.group.dev.dependencies]\nruff = \"~0.11.0\"\n",
                ),
                ("src/shop/__init__.py", ""),
            ],
            inside: "src/shop",
            says: &[
                ("python --version", "Python 3."),
                ("ruff --version", "ruff 0.11."),
            ],
        },
        Layout {
            name: "a uv workspace without a lockfile",
            files: &[
                (
                    "pyproject.toml",
                    "[tool.uv.workspace]\nmembers = [\"packages/*\"]\n\n[tool.uv]\nrequired-version = \">=0.9,<0.10\"\n",
                ),
                (
                    "packages/core/pyproject.toml",
                    "[project]\nname = \"core\"\nversion = \"0.1.0\"\nrequires-python = \">=3.11\"\n",
                ),
            ],
            inside: "packages/core",
            says: &[
                ("uv --version", "uv 0.9."),
                ("python --version", "Python 3."),
            ],
        },
    ]);
}

#[test]
fn rust_layouts() {
    activate(&[
        Layout {
            name: "a workspace with a toolchain file",
            files: &[
                (
                    "Cargo.toml",
                    "[workspace]\nmembers = [\"crates/*\"]\nresolver = \"3\"\n",
                ),
                (
                    "rust-toolchain.toml",
                    "[toolchain]\nchannel = \"1.89.0\"\nprofile = \"minimal\"\n",
                ),
                (
                    "crates/one/Cargo.toml",
                    "[package]\nname = \"one\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
                ),
                ("crates/one/src/lib.rs", "//! One.\n"),
            ],
            inside: "crates/one/src",
            says: &[
                ("rustc --version", "rustc 1.89.0"),
                ("cargo clippy --version", "clippy 0.1.89"),
            ],
        },
        Layout {
            name: "a crate with the older name",
            files: &[
                (
                    "Cargo.toml",
                    "[package]\nname = \"one\"\nversion = \"0.1.0\"\nrust-version = \"1.85\"\n",
                ),
                ("rust-toolchain", "1.89.0\n"),
                ("src/lib.rs", "//! One.\n"),
            ],
            inside: "",
            says: &[("cargo --version", "cargo 1.89.0")],
        },
        Layout {
            name: "a crate that asdf pins",
            files: &[
                (
                    "Cargo.toml",
                    "[package]\nname = \"one\"\nversion = \"0.1.0\"\n",
                ),
                (".tool-versions", "rust 1.89.0\njust 1.40.0\n"),
                ("src/lib.rs", "//! One.\n"),
            ],
            inside: "src",
            says: &[
                ("rustc --version", "rustc 1.89.0"),
                ("just --version", "just 1.40.0"),
            ],
        },
    ]);
}

#[test]
fn node_layouts() {
    activate(&[
        Layout {
            name: "a line of long support",
            files: &[
                (".nvmrc", "lts/krypton\n"),
                (
                    "package.json",
                    "{\"name\": \"web\", \"engines\": {\"node\": \">=22\"}}",
                ),
                ("package-lock.json", "{\"lockfileVersion\": 3}"),
                ("src/index.js", ""),
            ],
            inside: "src",
            says: &[("node --version", "v24."), ("npm --version", "1")],
        },
        Layout {
            name: "a pnpm workspace",
            files: &[
                (
                    "package.json",
                    "{\"name\": \"all\", \"private\": true, \"packageManager\": \"pnpm@9.15.0\", \"engines\": {\"node\": \"^22 || ^24\"}}",
                ),
                ("pnpm-workspace.yaml", "packages: ['packages/*']\n"),
                ("packages/a/package.json", "{\"name\": \"a\"}"),
            ],
            inside: "packages/a",
            says: &[("pnpm --version", "9.15.0"), ("node --version", "v24.")],
        },
        Layout {
            name: "the first Yarn",
            files: &[
                (
                    "package.json",
                    "{\"name\": \"web\", \"workspaces\": [\"a\"], \"volta\": {\"node\": \"24.12.0\"}}",
                ),
                ("yarn.lock", "# yarn lockfile v1\n"),
                ("a/package.json", "{\"name\": \"a\"}"),
            ],
            inside: "a",
            says: &[("yarn --version", "1.22."), ("node --version", "v24.12.0")],
        },
    ]);
}

#[test]
fn go_layouts() {
    activate(&[
        Layout {
            name: "a module with a toolchain",
            files: &[
                (
                    "go.mod",
                    "module example.org/demo\n\ngo 1.24\n\ntoolchain go1.25.0\n",
                ),
                ("demo.go", "// Package demo is one.\npackage demo\n"),
            ],
            inside: "",
            says: &[("go version", "go1.25.0"), ("go env GOTOOLCHAIN", "local")],
        },
        Layout {
            name: "a workspace",
            files: &[
                ("go.work", "go 1.25\n\nuse (\n\t./a\n\t./b\n)\n"),
                ("a/go.mod", "module example.org/a\n\ngo 1.25\n"),
                ("a/a.go", "// Package a is one.\npackage a\n"),
                ("b/go.mod", "module example.org/b\n\ngo 1.24\n"),
                ("b/b.go", "// Package b is one.\npackage b\n"),
            ],
            inside: "a",
            says: &[("go version", "go1."), ("go list", "example.org/a")],
        },
        Layout {
            name: "a Go service with a web page",
            files: &[
                (".git/HEAD", "ref: refs/heads/main\n"),
                ("go.mod", "module example.org/demo\n\ngo 1.24\n"),
                (".go-version", "1.25.0\n"),
                (
                    "web/package.json",
                    "{\"devEngines\": {\"runtime\": {\"name\": \"node\", \"version\": \"^24\"}}}",
                ),
            ],
            inside: "web",
            says: &[("go version", "go1.25.0"), ("node --version", "v24.")],
        },
    ]);
}
