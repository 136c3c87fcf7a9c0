//! The real sources: run with `DEVSH_TEST_NETWORK=1` only, and named so that CI can pick them.

use std::{fs, path::Path};

use crate::support::{
    HostShell, Sandbox, Tree, for_each_shell, network, repository, sandbox::write,
};

/// Returns a sandbox that uses the public sources and what the machine has of Python and Rust.
pub(crate) fn open() -> Sandbox {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut sandbox = Sandbox::new();
    let mut own = sandbox.root().join("bin").into_os_string();
    own.push(":");
    own.push(path);
    for source in [
        "UV_DEFAULT_INDEX",
        "RUSTUP_DIST_SERVER",
        "UV_PYTHON_INSTALL_MIRROR",
        "NPM_CONFIG_REGISTRY",
    ] {
        sandbox = sandbox.env_remove(source);
    }
    for name in [
        "HTTPS_PROXY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "PYENV_ROOT",
        "RUSTUP_HOME",
        "CARGO_HOME",
    ] {
        if let Some(value) = std::env::var_os(name) {
            sandbox = sandbox.env(name, value);
        }
    }
    let home = std::env::var_os("HOME").unwrap_or_default();
    for (name, below) in [
        ("RUSTUP_HOME", ".rustup"),
        ("CARGO_HOME", ".cargo"),
        ("PYENV_ROOT", ".pyenv"),
    ] {
        let path = Path::new(&home).join(below);
        if path.exists() && std::env::var_os(name).is_none() {
            sandbox = sandbox.env(name, path);
        }
    }
    sandbox.env("PATH", own)
}

/// Copies an example into the sandbox's project directory.
pub(crate) fn copy_example(sandbox: &Sandbox, name: &str) {
    let example = repository().join("examples").join(name);
    for path in Tree::of(&example).paths() {
        let from = example.join(path);
        if from.is_file() && !path.contains("target/") && !path.contains("__pycache__") {
            write(&sandbox.project().join(path), &fs::read(&from).unwrap());
        }
    }
}

#[test]
fn ruff_and_uv_come_from_the_index() {
    if !network() {
        return;
    }
    let sandbox = open().manifest("[tools]\nruff = \"0.12.3\"\nuv = \"0.9\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    let run = ["run", "--locked", "--trust", "--", "ruff", "--version"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.12.3\n");
    let before = Tree::of(sandbox.root());
    assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.12.3\n");
    Tree::of(sandbox.root()).assert_unchanged_since(&before);
    let run = ["run", "--locked", "--trust", "--", "uv", "--version"];
    assert!(sandbox.devsh(&run).success().stdout.starts_with("uv 0.9."));
}

#[test]
fn the_fastapi_example_works_in_every_shell() {
    if !network() {
        return;
    }
    for_each_shell(|shell| {
        let sandbox = open();
        copy_example(&sandbox, "fastapi");
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        pty.enter();
        assert!(pty.run("python --version").starts_with("Python 3.11."));
        assert!(pty.run("ruff --version").starts_with("ruff 0.17."));
        assert!(
            pty.run("pytest -q -p no:cacheprovider")
                .contains("8 passed")
        );
        let imports = "python -c 'import fastapi, uvicorn, httpx, pydantic, pytest; print(1)'";
        assert_eq!(pty.run(imports), "1\n");
        assert!(pty.run("pre-commit --version").starts_with("pre-commit "));
        pty.leave();
        pty.snapshot().assert_restores(&before);
        if shell == HostShell::Bash {
            for command in [
                &["black", "--check", "."][..],
                &["ruff", "check", "--no-cache", "."],
            ] {
                let mut run = vec!["run", "--shell", "lint", "--"];
                run.extend(command);
                sandbox.devsh(&run).success();
            }
            let run = [
                "run",
                "--shell",
                "test",
                "--",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
            ];
            sandbox.devsh(&run).success();
        }
    });
}

#[test]
fn the_lockfiles_of_poetry_and_pip_are_installed() {
    if !network() {
        return;
    }
    for (name, more) in [
        ("poetry", &["shelf"][..]),
        ("requirements", &["pytest", "--version"]),
    ] {
        let sandbox = open();
        let fixture = repository().join("tests/fixtures/python").join(name);
        for path in Tree::of(&fixture).paths() {
            let from = fixture.join(path);
            if from.is_file() {
                write(&sandbox.project().join(path), &fs::read(&from).unwrap());
            }
        }
        sandbox.write(
            "devshell.toml",
            "[tools]\npython = \"3.11\"\n[python]\nvenv-link = true\n",
        );
        let mut run = vec![
            "run",
            "--trust",
            "--",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
        ];
        let outcome = sandbox.devsh(&run).success();
        assert!(outcome.stdout.contains("1 passed"), "{outcome}");
        assert!(sandbox.project().join(".venv/bin/python").exists());
        run.truncate(3);
        run.extend(more);
        sandbox.devsh(&run).success();
        let install = ["run", "--trust", "--", "pip", "install", "idna"];
        sandbox
            .devsh(&install)
            .code(1)
            .error(&["`poetry add NAME`"]);
    }
}

#[test]
fn packages_without_a_lockfile_are_pinned() {
    if !network() {
        return;
    }
    let manifest = "[tools]\npython = \"3.11\"\n[python]\npackages = [\"idna<3.10\"]\n";
    let sandbox = open().manifest(manifest);
    let show = [
        "run",
        "--trust",
        "--",
        "python",
        "-c",
        "import idna; print(idna.__version__)",
    ];
    let first = sandbox.devsh(&show).success().stdout;
    assert!(first.starts_with("3."), "{first}");
    let lock = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    assert!(lock.contains("[[python]]\nrequirements = [\"idna<3.10\"]\npython = \"3.11\"\n"));
    sandbox.devsh(&["lock", "--trust", "--check"]).success();
    sandbox.allow();
    sandbox.devsh(&["run", "--offline", "--", "true"]).success();
    sandbox.write("devshell.toml", manifest.replace("idna<3.10", "idna"));
    let stale = sandbox.devsh(&["lock", "--trust", "--check"]).code(1);
    stale.error(&[
        "does not fit",
        "packages has changed: + `idna`, - `idna<3.10`",
    ]);
    // Locked versions that still fit stay.
    assert_eq!(sandbox.devsh(&show).success().stdout, first);
    sandbox.devsh(&["lock", "--trust", "--upgrade"]).success();
    assert_ne!(sandbox.devsh(&show).success().stdout, first);
}

#[test]
fn the_rust_example_is_tested_and_linted() {
    if !network() {
        return;
    }
    let sandbox = open();
    copy_example(&sandbox, "rust-crate");
    for command in [
        &["cargo", "test", "--offline"][..],
        &["cargo", "clippy", "--offline", "--", "-D", "warnings"],
        &["cargo", "fmt", "--check"],
    ] {
        let mut run = vec!["run", "--trust", "--"];
        run.extend(command);
        sandbox.devsh(&run).success();
    }
    let run = ["run", "--trust", "--", "rustc", "--version"];
    assert!(
        sandbox
            .devsh(&run)
            .success()
            .stdout
            .starts_with("rustc 1.95.")
    );
}

#[test]
fn the_mixed_example_has_both_languages() {
    if !network() {
        return;
    }
    let sandbox = open();
    copy_example(&sandbox, "mixed");
    let run = [
        "run",
        "--trust",
        "--",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
    ];
    let outcome = sandbox.devsh(&run).success();
    assert!(outcome.stdout.contains("2 passed"), "{outcome}");
}

#[test]
fn the_node_example_is_tested_and_linted() {
    if !network() {
        return;
    }
    let sandbox = open();
    copy_example(&sandbox, "node");
    let run = ["run", "--trust", "--locked", "--", "npm", "test"];
    let outcome = sandbox.devsh(&run).success();
    assert!(outcome.stdout.contains("pass 2"), "{outcome}");
    let lint = ["prettier", "--check", "src", "test"];
    let mut run = vec!["run", "--trust", "--locked", "--shell", "lint", "--"];
    run.extend(lint);
    sandbox.devsh(&run).success();
}

#[test]
fn the_go_example_is_tested_and_vetted() {
    if !network() {
        return;
    }
    let sandbox = open();
    copy_example(&sandbox, "go");
    for command in [&["go", "test", "./..."][..], &["go", "vet", "./..."]] {
        let mut run = vec!["run", "--trust", "--locked", "--"];
        run.extend(command);
        sandbox.devsh(&run).success();
    }
}

#[test]
fn the_dev_shells_match_those_of_a_flake() {
    if !network() {
        return;
    }
    let sandbox = open();
    copy_example(&sandbox, "flake");
    let lock = fs::read(sandbox.project().join("devshell.lock")).unwrap();
    let inside = |shell: &str, script: &str| {
        let run = ["run", "--trust", "--shell", shell, "--", "sh", "-c", script];
        sandbox.devsh(&run).success().stdout
    };
    let found = inside(
        "dev",
        "python -c 'import fastapi, uvicorn' && just --version && echo ${SERVICE_CONFIG##*/} $DATABASE_URL",
    );
    assert!(found.starts_with("just 1."), "{found}");
    assert!(
        found.ends_with("dev.toml postgres://localhost/service\n"),
        "{found}"
    );
    let found = inside("test", "pytest --version && echo ${SERVICE_CONFIG##*/}");
    assert!(found.starts_with("pytest ") && found.ends_with("test.toml\n"));
    let found = inside(
        "lint",
        "ruff --version && shellcheck --version && taplo --version && ! command -v just",
    );
    assert!(found.starts_with("ruff 0.12."), "{found}");
    let kept = fs::read(sandbox.project().join("devshell.lock")).unwrap();
    assert!(kept == lock, "the committed lockfile fits");
}
