//! Python applications as tools, by a real uv from an index of this process; no network.

use std::fs;

use crate::support::{
    Sandbox, Server, Tree,
    pypi::{self, Pure, serve_pure},
    require,
};

/// Returns a sandbox that takes packages from `server`, the real uv, and the machine's Python.
pub(crate) fn sandbox(server: &Server) -> Option<Sandbox> {
    let uv = require("uv")?;
    require("python3")?;
    // The tool uv is the real one behind a script, which is smaller to serve.
    let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", uv.display());
    pypi::serve_tool_as(server, ("uv", "0.9.9"), "uv", script.as_bytes());
    let sandbox = Sandbox::new().served_by(server);
    Some(sandbox.env("UV_PYTHON_INSTALL_MIRROR", "http://127.0.0.1:9/python"))
}

/// Returns a package of plain Python.
pub(crate) const fn pure<'a>(
    name: &'a str,
    version: &'a str,
    needs: &'a [&'a str],
    scripts: &'a [&'a str],
) -> Pure<'a> {
    Pure {
        name,
        version,
        needs,
        scripts,
    }
}

/// Serves two applications and what they need.
pub(crate) fn serve(server: &Server) {
    let needs: &[&str] = &["helper-lib>=1", "winonly; sys_platform == 'win32'"];
    let all = [
        pure("black", "25.1.0", needs, &["black", "blackd"]),
        pure("black", "26.1.0", needs, &["black", "blackd"]),
        pure("pre-commit", "4.0.0", &["helper-lib"], &["pre-commit"]),
        pure("helper-lib", "1.0", &["deep"], &["helper"]),
        pure("deep", "2.0", &[], &[]),
        pure("winonly", "1.0", &[], &[]),
    ];
    serve_pure(server, &all);
}

#[test]
fn an_application_is_locked_and_shows_its_own_scripts() {
    let server = Server::start();
    let Some(sandbox) = sandbox(&server) else {
        return;
    };
    serve(&server);
    // There is no python and no uv among the tools: they serve without being seen.
    let sandbox = sandbox.manifest("[tools]\nblack = \"25\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    for line in [
        "\"black==25.1.0\"",
        "\"deep==2.0\"",
        "\"helper-lib==1.0\"",
        "name = \"uv\"",
    ] {
        assert!(lockfile.contains(line), "{line} in\n{lockfile}");
    }
    assert!(!lockfile.contains("winonly"), "{lockfile}");
    let run = ["run", "--trust", "--", "black", "file.py"];
    assert_eq!(
        sandbox.devsh(&run).success().stdout,
        "black 25.1.0 file.py\n"
    );
    let script = "command -v blackd >/dev/null && ! command -v helper && ! command -v uv";
    let run = ["run", "--pure", "--trust", "--", "/bin/sh", "-c", script];
    sandbox.devsh(&run).success();
    sandbox.devsh(&["lock", "--check", "--trust"]).success();
    let before = Tree::of(&sandbox.data().join("store"));
    let run = ["run", "--offline", "--trust", "--", "blackd"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "black 25.1.0\n");
    Tree::of(&sandbox.data().join("store")).assert_unchanged_since(&before);
}

#[test]
fn projects_share_an_application_and_the_commands_know_it() {
    let server = Server::start();
    let Some(sandbox) = sandbox(&server) else {
        return;
    };
    serve(&server);
    let sandbox =
        sandbox.manifest("[tools]\npython = \"3\"\nblack = \"*\"\n\"pypi:pre-commit\" = \"4\"\n");
    sandbox.allow();
    let objects = |sandbox: &Sandbox| -> Vec<String> {
        let names = fs::read_dir(sandbox.data().join("store")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains("-black-")).collect()
    };
    assert_eq!(objects(&sandbox).len(), 1);
    let run = ["run", "--", "pre-commit"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "pre-commit 4.0.0\n");
    sandbox.write("devshell.toml", "[tools]\npython = \"3\"\nblack = \"25\"\n");
    sandbox.allow();
    assert_eq!(objects(&sandbox).len(), 2);
    let outdated = sandbox.devsh(&["outdated"]).success().stdout;
    assert!(
        outdated.contains("25.1.0") && outdated.contains("26.1.0"),
        "{outdated}"
    );
    let explained = sandbox.devsh(&["explain", "black"]).success().stdout;
    assert!(explained.contains("25.1.0"), "{explained}");
    sandbox.devsh(&["verify"]).success();
    sandbox.write("devshell.toml", "[tools]\npython = \"3\"\n");
    sandbox.allow();
    sandbox.devsh(&["gc"]).success();
    assert_eq!(objects(&sandbox).len(), 0);
    sandbox.devsh(&["add", "black"]).success();
    let manifest = fs::read_to_string(sandbox.project().join("devshell.toml")).unwrap();
    assert!(manifest.contains("black = \"26.1\""), "{manifest}");
    let run = ["run", "--", "black"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "black 26.1.0\n");
}

#[test]
fn what_is_missing_offline_is_named() {
    let server = Server::start();
    let Some(sandbox) = sandbox(&server) else {
        return;
    };
    serve(&server);
    let sandbox = sandbox.manifest("[tools]\nblack = \"25\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    let run = ["run", "--offline", "--trust", "--", "black"];
    let error = sandbox.devsh(&run).stderr;
    for line in [
        "black 25.1.0 black-25.1.0-py3-none-any.whl",
        "black 25.1.0 helper_lib-1.0-py3-none-any.whl",
        "hint: run `devsh sync` once without `--offline`",
    ] {
        assert!(error.contains(line), "{line} in\n{error}");
    }
    assert!(!error.contains("winonly"), "{error}");
}
