//! Wheels of a lockfile that devsh installs itself; no network.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    python_packages::repository,
    support::{Sandbox, Server, archive::Member, pypi::serve_tool_files, require},
};

const PROJECT: &str = "[project]\nname = \"demo\"\nversion = \"1.0\"\n\
     requires-python = \">=3.9\"\ndependencies = [\"kinds\", \"helper-lib\"]\n";
const MANIFEST: &str = "[tools]\npython = \"*\"\nuv = \"*\"\n[python]\nlock = \"uv.lock\"\n";

/// The members of a wheel that has every kind of file.
const KINDS: [Member<'_>; 9] = [
    (
        "kinds/__init__.py",
        b"class App:\n    @staticmethod\n    def run():\n        print('kinds')\n",
        false,
    ),
    ("kinds/__pycache__/old.cpython-37.pyc", b"old", false),
    ("kinds/a, \"b\".txt", b"text", false),
    ("kinds-1.0.data/purelib/kinds_pure.py", b"X = 1\n", false),
    ("kinds-1.0.data/platlib/kinds_plat.py", b"X = 2\n", false),
    (
        "kinds-1.0.data/scripts/kinds-python",
        b"#!python\nimport kinds_plat, sys\nprint(kinds_plat.X, sys.argv[1])\n",
        true,
    ),
    (
        "kinds-1.0.data/scripts/kinds-sh",
        b"#!/bin/sh\necho shell\n",
        true,
    ),
    ("kinds-1.0.data/data/share/kinds/data.txt", b"data", false),
    ("kinds-1.0.data/headers/kinds.h", b"// header\n", false),
];
const ENTRY_POINTS: &[u8] =
    b"[console_scripts]\n# a comment\nkinds = kinds:App.run [extra]\n[other]\nnone = kinds:none\n";

/// Serves `kinds` with these files more.
fn serve_kinds(server: &Server, more: &[Member<'_>]) {
    let entry_points = [("kinds-1.0.dist-info/entry_points.txt", ENTRY_POINTS, false)];
    let members = [&KINDS[..], &entry_points, more].concat();
    serve_tool_files(server, ("kinds", "1.0"), &members);
}

/// Returns a project whose `uv.lock` uv wrote.
fn locked(server: &Server) -> Option<Sandbox> {
    let sandbox = repository(server)?.manifest(MANIFEST);
    let uv = require("uv")?;
    sandbox.write("pyproject.toml", PROJECT);
    let locked = sandbox.command(uv).args(["lock", "--quiet"]).status();
    assert!(locked.unwrap().success());
    sandbox.devsh(&["lock", "--trust"]).success();
    server.requests();
    Some(sandbox)
}

/// Returns the output of a command in the dev shell.
fn run(sandbox: &Sandbox, command: &[&str]) -> String {
    let run = [&["run", "--trust", "--"], command].concat();
    sandbox.devsh(&run).success().stdout
}

/// Returns the store object with the packages.
fn packages(sandbox: &Sandbox) -> PathBuf {
    let store = fs::read_dir(sandbox.data().join("store")).unwrap();
    let mut objects = store.map(|entry| entry.unwrap().path());
    let is_packages = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.contains("-python-packages-")
    };
    objects.find(is_packages).unwrap()
}

/// Returns the content of all files below a directory but those that depend on the installer.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut pending) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_own = name.starts_with('.')
                || name.starts_with("python")
                || ["__pycache__", "INSTALLER", "RECORD", "pyvenv.cfg"].contains(&&*name);
            if path.is_dir() && !["__pycache__", "lib64"].contains(&&*name) {
                pending.push(path);
            } else if !is_own && !path.is_dir() {
                let below = path.strip_prefix(root).unwrap();
                found.insert(below.display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_wheels_of_a_lockfile_are_installed_as_uv_installs_them() {
    let server = Server::start();
    serve_kinds(&server, &[]);
    let Some(sandbox) = locked(&server) else {
        return;
    };
    sandbox.devsh(&["sync", "--trust"]).success();
    let requests = server.requests();
    let asked = |part: &str| requests.iter().any(|one| one.contains(part));
    assert!(asked("kinds-1.0-py3"), "{requests:?}");
    assert!(!asked("/simple/kinds"), "uv asks for pages: {requests:?}");

    assert_eq!(run(&sandbox, &["kinds"]), "kinds\n");
    assert_eq!(run(&sandbox, &["kinds-python", "x"]), "2 x\n");
    assert_eq!(run(&sandbox, &["kinds-sh"]), "shell\n");
    assert_eq!(run(&sandbox, &["helper", "x"]), "helper-lib 1.0 x\n");
    // Every file is there with the digest of the record.
    let check = "import base64, hashlib, importlib.metadata as metadata
for file in metadata.files('kinds'):
    if file.hash:
        digest = hashlib.sha256(file.read_binary()).digest()
        assert base64.urlsafe_b64encode(digest).decode().rstrip('=') == file.hash.value, file
print(len(metadata.files('kinds')), metadata.distribution('kinds').read_text('INSTALLER'))";
    let checked = run(&sandbox, &["python", "-c", check]);
    assert_eq!(checked, "15 devsh\n\n");

    let own = files(&packages(&sandbox));
    let other = sandbox.home().join("other");
    let uv = require("uv").unwrap();
    let minor = run(
        &sandbox,
        &[
            "python",
            "-c",
            "import sys; print('%d.%d' % sys.version_info[:2])",
        ],
    );
    for arguments in [
        &["venv", "--quiet", "--relocatable", "--python", minor.trim()][..],
        &[
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "kinds",
            "helper-lib",
            "deep",
            "--python",
        ],
    ] {
        let made = sandbox
            .command(uv.clone())
            .args(arguments)
            .arg(&other)
            .status();
        assert!(made.unwrap().success());
    }
    let mut theirs = files(&other);
    theirs.retain(|path, _| {
        !path.starts_with("bin/activate")
            && !path.starts_with("bin/deactivate")
            && !["bin/pydoc.bat", "CACHEDIR.TAG"].contains(&&**path)
            && !path.ends_with("virtualenv.py")
            && !path.ends_with("_virtualenv.pth")
    });
    let names =
        |files: &BTreeMap<String, Vec<u8>>| -> Vec<String> { files.keys().cloned().collect() };
    assert_eq!(names(&own), names(&theirs));
    for (path, content) in &own {
        // uv's scripts have lines for Windows.
        if *content != theirs[path] {
            let text = String::from_utf8_lossy(&theirs[path]);
            assert!(
                path.starts_with("bin/") && text.contains("-script.pyw"),
                "{path}"
            );
        }
    }
}

#[test]
fn packages_with_different_files_of_one_name_are_left_to_uv() {
    let server = Server::start();
    serve_kinds(&server, &[("helper_lib.py", b"X = 1\n", false)]);
    let Some(sandbox) = locked(&server) else {
        return;
    };
    sandbox.devsh(&["sync", "--trust"]).success();
    let requests = server.requests();
    // uv asks for a part of the file first, and devsh never does.
    let asked = requests
        .iter()
        .any(|one| one.starts_with("HEAD /files/kinds"));
    assert!(asked, "uv installs nothing: {requests:?}");
    assert_eq!(run(&sandbox, &["kinds-sh"]), "shell\n");
}

#[test]
fn a_new_lockfile_downloads_only_new_wheels() {
    let server = Server::start();
    serve_kinds(&server, &[]);
    let Some(sandbox) = locked(&server) else {
        return;
    };
    sandbox.devsh(&["sync", "--trust"]).success();
    sandbox.write(
        "pyproject.toml",
        PROJECT.replace("\"helper-lib\"", "\"helper-lib\", \"tester\""),
    );
    let uv = require("uv").unwrap();
    let locked = sandbox.command(uv).args(["lock", "--quiet"]).status();
    assert!(locked.unwrap().success());
    server.requests();
    sandbox.devsh(&["sync", "--trust"]).success();
    let requests = server.requests();
    let files: Vec<&String> = requests.iter().filter(|one| one.contains(".whl")).collect();
    assert!(
        matches!(&files[..], [only] if only.contains("tester-1.0")),
        "{requests:?}"
    );
    assert_eq!(run(&sandbox, &["tester", "x"]), "tester 1.0 x\n");
}

#[test]
fn a_wheel_with_other_content_is_an_error() {
    let server = Server::start();
    serve_kinds(&server, &[]);
    let Some(sandbox) = locked(&server) else {
        return;
    };
    serve_kinds(&server, &[("kinds/more.py", b"X = 3\n", false)]);
    let failed = sandbox.devsh(&["sync", "--trust"]).code(1);
    let failed = failed.error(&["bytes instead of", "kinds-1.0-py3"]);
    assert!(!failed.stderr.contains("has no wheel"), "{failed}");
}
