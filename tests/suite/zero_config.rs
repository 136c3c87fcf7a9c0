//! Repositories without any devsh file: presets find their tools, and nothing is written into them.

use crate::support::{
    Sandbox, Server, Tree, cpython, for_each_shell, pypi::serve_tool, rust_dist::serve_release,
};

fn served() -> (Sandbox, Server) {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.3", "0.12.4", "0.13.0"]);
    serve_tool(&server, "uv", &["0.9.0"]);
    serve_release(&server, "1.95.0");
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"auto\"\n");
    (sandbox, server)
}

/// The names under which a machine usually has its Python.
const PYTHONS: &[&str] = &["python", "python3", "python3.11"];

#[test]
fn a_rust_repository_activates() {
    for_each_shell(|shell| {
        let (sandbox, _server) = served();
        sandbox.write(
            "Cargo.toml",
            "[package]\nname = \"plain\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        );
        sandbox.write("src/lib.rs", "//! Plain.\n");
        let repository = Tree::of(sandbox.project());
        sandbox.allow();
        Tree::of(sandbox.project()).assert_unchanged_since(&repository);
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        pty.enter();
        assert!(pty.run("rustc --version").starts_with("rustc 1.95.0"));
        assert!(pty.run("cargo --version").starts_with("cargo 1.95.0"));
        pty.leave();
        pty.snapshot().assert_restores(&before);
        Tree::of(sandbox.project()).assert_unchanged_since(&repository);
    });
}

#[test]
fn a_toolchain_file_wins() {
    let (sandbox, server) = served();
    serve_release(&server, "1.89.0");
    serve_release(&server, "1.95.0");
    sandbox.write(
        "Cargo.toml",
        "[package]\nname = \"plain\"\nversion = \"0.1.0\"\n",
    );
    sandbox.write(
        "rust-toolchain.toml",
        "[toolchain]\nchannel = \"1.89.0\"\ncomponents = [\"clippy\"]\n",
    );
    let run = ["run", "--trust", "--", "rustc", "--version"];
    assert!(
        sandbox
            .devsh(&run)
            .success()
            .stdout
            .starts_with("rustc 1.89.0")
    );
    let run = ["run", "--trust", "--", "cargo-clippy", "--version"];
    assert!(sandbox.devsh(&run).success().stdout.contains("1.89.0"));
}

#[test]
fn a_python_repository_of_a_real_layout_gets_its_pinned_tools() {
    let (sandbox, _server) = served();
    sandbox.host_python(PYTHONS, "3.11.7");
    sandbox.write(
        "pyproject.toml",
        "[project]\nname = \"plain\"\nversion = \"0.1.0\"\nrequires-python = \">=3.11\"\n",
    );
    sandbox.write("requirements-dev.txt", "ruff==0.12.3\n");
    sandbox.write(".python-version", "3.11.7\n");
    sandbox.write("src/plain/__init__.py", "\"\"\"Plain.\"\"\"\n");
    let repository = Tree::of(sandbox.project());
    sandbox.allow();
    let status = sandbox.devsh(&["status"]).success();
    assert!(status.stdout.contains("3.11.7"), "{status}");
    let run = ["run", "--", "ruff", "--version"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.12.3\n");
    let run = ["run", "--", "python", "--version"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "Python 3.11.7\n");
    Tree::of(sandbox.project()).assert_unchanged_since(&repository);
}

#[test]
fn a_repository_has_dev_test_and_lint() {
    let (sandbox, _server) = served();
    sandbox.write(
        "Cargo.toml",
        "[package]\nname = \"plain\"\nversion = \"0.1.0\"\n",
    );
    sandbox.allow();
    for shell in ["dev", "test", "lint"] {
        let run = [
            "run",
            "--shell",
            shell,
            "--",
            "sh",
            "-c",
            "echo $DEVSH_SHELL",
        ];
        assert_eq!(sandbox.devsh(&run).success().stdout, format!("{shell}\n"));
    }
}

#[test]
fn a_directory_without_known_files_is_not_a_project() {
    let sandbox = Sandbox::new();
    sandbox.write("notes.txt", "nothing\n");
    sandbox.devsh(&["allow"]).code(1).error(&["error: "]);
}

#[test]
fn a_byte_that_is_not_text_stops_nothing() {
    let (sandbox, _server) = served();
    let text = b"[project]\nname = \"a\"\nversion = \"1\"\nauthors = [{ name = \"\xe9\" }]\n";
    std::fs::write(sandbox.project().join("pyproject.toml"), text).unwrap();
    let outcome = sandbox.devsh(&["status"]).success();
    assert!(outcome.stdout.contains("ruff"), "{outcome}");
}

#[test]
fn two_presets_apply_together() {
    let (sandbox, server) = served();
    sandbox.host_python(PYTHONS, "3.11.7");
    cpython::serve(&server, "3.11.7", &cpython::tiny("3.11.7"));
    sandbox.write(
        "pyproject.toml",
        "[project]\nname = \"plain\"\nversion = \"0.1.0\"\nrequires-python = \"==3.11.*\"\n",
    );
    sandbox.write(
        "Cargo.toml",
        "[package]\nname = \"plain\"\nversion = \"0.1.0\"\n",
    );
    sandbox.allow();
    let run = [
        "run",
        "--",
        "sh",
        "-c",
        "python --version && rustc --version",
    ];
    let outcome = sandbox.devsh(&run).success();
    assert!(
        outcome.stdout.starts_with("Python 3.11.7\nrustc 1.95.0"),
        "{outcome}"
    );
}

#[test]
fn a_directory_with_the_name_of_a_file_has_no_effect() {
    let (sandbox, _server) = served();
    sandbox.write(
        "Cargo.toml",
        "[package]\nname = \"plain\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    for name in [".python-version", "package.json", "uv.lock"] {
        std::fs::create_dir(sandbox.project().join(name)).unwrap();
    }
    sandbox.devsh(&["lock", "--trust"]).success();
    let run = ["run", "--trust", "--", "cargo", "--version"];
    let cargo = sandbox.devsh(&run).success().stdout;
    assert!(cargo.starts_with("cargo 1.95.0"), "{cargo}");
}
