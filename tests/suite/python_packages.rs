//! Python environments of projects, by a real uv from an index of this process; no network.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    applications::{pure, sandbox, serve},
    background::until,
    reliability::strace::{PROMPT, strace},
    support::{
        HostShell, Sandbox, Server, Tree,
        archive::{gzip, sha256, tar},
        cpython, for_each_shell,
        pypi::{
            serve_outdated_wheels, serve_program, serve_pure, serve_source_archive, serve_tagged,
            serve_tool, serve_tool_files,
        },
        require,
        sandbox::DEVSH,
    },
};

/// A build backend of the project's own: it makes an editable wheel, and notes that it ran.
const BACKEND: &str = r#"import os, zipfile

open(os.path.join(os.environ["HOME"], "ran"), "w").close()


def build_editable(directory, settings=None, metadata=None):
    name = "demo-1.0-py3-none-any.whl"
    information = "demo-1.0.dist-info/"
    tags = "Wheel-Version: 1.0\nGenerator: demo\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.writestr("demo.pth", os.path.join(os.getcwd(), "src") + "\n")
        wheel.writestr(information + "METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
        wheel.writestr(information + "WHEEL", tags)
        names = ["demo.pth", information + "METADATA", information + "WHEEL", information + "RECORD"]
        wheel.writestr(information + "RECORD", "".join(one + ",,\n" for one in names))
    return name


build_wheel = build_editable
"#;

const PROJECT: &str = r#"[project]
name = "demo"
version = "1.0"
dependencies = ["helper-lib>=1", "winonly; sys_platform == 'win32'"]

[dependency-groups]
dev = ["tester"]

[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"#;

/// Runs the program of the package `tester` with these options of `devsh run`.
#[track_caller]
fn assert_tester_runs(sandbox: &Sandbox, options: &[&str]) {
    let run = [&["run"], options, &["--", "tester", "x"]].concat();
    assert_eq!(sandbox.devsh(&run).success().stdout, "tester 1.0 x\n");
}

/// Returns a sandbox with what a repository of Python gets.
pub(crate) fn repository(server: &Server) -> Option<Sandbox> {
    let sandbox = sandbox(server)?;
    serve(server);
    serve_tool(server, "ruff", &["0.12.4"]);
    serve_pure(server, &[pure("tester", "1.0", &[], &["tester"])]);
    Some(sandbox.env("PYTHONDONTWRITEBYTECODE", "1"))
}

/// Runs Python in the dev shell and returns what it prints.
fn python(sandbox: &Sandbox, code: &str) -> String {
    sandbox
        .devsh(&["run", "--", "python", "-c", code])
        .success()
        .stdout
}

#[test]
fn packages_are_installed_while_another_tool_is_downloaded() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let sandbox = sandbox.manifest(
        "[tools]\npython = \"*\"\nuv = \"*\"\nruff = \"0.12\"\n[python]\npackages = [\"tester\"]\n",
    );
    sandbox.devsh(&["lock", "--trust"]).success();
    server.requests();
    let archive = server.paths("ruff-0.12.4");
    for path in &archive {
        server.hold(path);
    }
    let mut syncing = sandbox
        .command(DEVSH)
        .args(["sync", "--trust"])
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_mins(1);
    // The archive of ruff ends only after this.
    while !server
        .requests()
        .iter()
        .any(|one| one.contains("tester-1.0"))
    {
        assert!(Instant::now() < until, "the packages wait for ruff");
        thread::sleep(Duration::from_millis(5));
    }
    server.release();
    assert!(syncing.wait().unwrap().success());
    assert_tester_runs(&sandbox, &["--trust"]);
}

/// Returns whether the store has an object whose name begins with this.
fn is_stored(sandbox: &Sandbox, name: &str) -> bool {
    let store = fs::read_dir(sandbox.home().join(".local/share/devsh/store"));
    let names = store.into_iter().flatten().flatten();
    names
        .map(|object| object.file_name().to_string_lossy().into_owned())
        .any(|object| object.contains(name))
}

#[test]
fn packages_are_for_the_first_python_even_if_another_one_comes_first() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let Some((version, archive)) = cpython::repackaged() else {
        return;
    };
    // The other one cannot install any package.
    let other = "3.99.0";
    cpython::serve_archives(
        &server,
        &[(&version, "", archive), (other, "", cpython::tiny(other))],
    );
    let digest = sha256(&server.content(&server.paths("tester-1.0")[0]));
    sandbox.write(
        "requirements.txt",
        format!("tester==1.0 --hash=sha256:{digest}\n"),
    );
    let sandbox = sandbox
        .config("tools-from = \"managed\"\n")
        .env(
            "UV_PYTHON_DOWNLOADS_JSON_URL",
            format!("{}/list.json", server.address()),
        )
        .manifest(&format!(
            "[tools]\npython = [\"{version}\", \"3.99\"]\nuv = \"*\"\n[python]\nlock = \"requirements.txt\"\n"
        ));
    sandbox.devsh(&["lock", "--trust"]).success();
    server.hold(&format!("/builds/{version}.tar.gz"));
    let mut syncing = sandbox
        .command(DEVSH)
        .args(["sync", "--trust"])
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_mins(1);
    while !is_stored(&sandbox, other) {
        assert!(Instant::now() < until, "no Python is unpacked");
        thread::sleep(Duration::from_millis(5));
    }
    server.release();
    assert!(syncing.wait().unwrap().success());
    assert_tester_runs(&sandbox, &["--trust"]);
}

#[test]
fn a_terminal_shows_the_installation_of_packages() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let sandbox = sandbox
        .manifest("[tools]\npython = \"*\"\nuv = \"*\"\n[python]\npackages = [\"tester\"]\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    let wheels = server.paths("tester-1.0");
    for path in &wheels {
        server.hold(path);
    }
    let mut pty = sandbox.shell(HostShell::Bash);
    // Half of the wheel is there, so the bar is drawn until the rest comes.
    pty.begin_until(
        "TERM=xterm devsh -C project sync --trust",
        "installing 1 python package",
    );
    server.release();
    let seen = pty.finish();
    assert!(seen.contains("dev is ready"), "{seen}");
    assert!(!seen.contains("100%"), "{seen}");
}

#[test]
fn a_package_without_a_wheel_costs_only_itself() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_source_archive(&server, "archived", "1.0");
    let digest = |file: &str| sha256(&server.content(&server.paths(file)[0]));
    let wheels = format!("tester==1.0 --hash=sha256:{}\n", digest("tester-1.0"));
    let list = format!(
        "archived==1.0 --hash=sha256:{}\n{wheels}",
        sha256(b"not an archive"),
    );
    let sandbox = sandbox
        .manifest("[tools]\npython = \"*\"\nuv = \"*\"\n[python]\nlock = \"requirements.txt\"\n");
    // The host's tools are here, so the first build is that of the list without the package.
    sandbox.write("requirements.txt", &wheels);
    sandbox.allow();
    sandbox.write("requirements.txt", list);
    sandbox.devsh(&["run", "--", "tester"]).error(&[
        "`archived` of `requirements.txt` has no wheel",
        "`devsh allow` asks whether it may run its own build",
        "write `build = [\"archived\"]` below `[python]` in `devshell.toml`",
    ]);
    assert_tester_runs(&sandbox, &["--partial"]);
    let status = sandbox.devsh(&["status"]).success();
    for text in [
        "a Python package: `archived` of `requirements.txt` has no wheel",
        "`devsh allow` asks whether it may run its own build",
        "2 of requirements.txt",
    ] {
        assert!(status.stdout.contains(text), "{text} in {status}");
    }
    assert!(!status.stderr.contains("tries it again"), "{status}");
    // The user permits it by its name. A build that fails costs no more.
    let allowed = sandbox.devsh(&["allow", "--yes"]);
    for text in [
        "+ python build archived  runs its own build: it has no wheel",
        "`archived` of `requirements.txt` cannot be built",
    ] {
        assert!(allowed.stderr.contains(text), "{text} in {allowed}");
    }
    assert_tester_runs(&sandbox, &["--partial"]);
    let manifest = "[tools]\npython = \"*\"\nuv = \"*\"\n[python]\nlock = \"requirements.txt\"\nbuild = [\"archived\"]\n";
    sandbox.write("devshell.toml", manifest);
    let allowed = sandbox.devsh(&["allow", "--yes"]);
    for text in [
        "`archived` of `requirements.txt` cannot be built",
        "of the host replaces the locked 3.14.7\n",
        "hint: install Python 3.14 on this machine, then run `devsh sync`",
    ] {
        assert!(allowed.stderr.contains(text), "{text} in {allowed}");
    }
    assert_tester_runs(&sandbox, &["--partial"]);
}

#[test]
fn packages_that_need_the_locked_python_are_named_if_the_host_replaces_it() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_tagged(&server, ("native", "1.0"), "cp314-abi3-any");
    let project = "[project]\nname = \"demo\"\nversion = \"1\"\ndependencies = [\"helper-lib\"]\n";
    serve_pure(&server, &[pure("second", "1.0", &[], &["second"])]);
    sandbox.program("second", "#!/bin/sh\n");
    sandbox.write("pyproject.toml", project.replace("helper-lib", "tester"));
    sandbox.allow();
    assert_tester_runs(&sandbox, &[]);
    // A program that hides one of the host is asked about, also if the dev shell lacks a package.
    sandbox.write(
        "pyproject.toml",
        project.replace("[\"helper-lib", "[\"native\", \"second\", \"tester"),
    );
    let allowed = sandbox.devsh(&["allow", "--yes"]);
    for text in [
        "program of Python packages  second, before ",
        "error: `native` of `pyproject.toml` is locked for Python 3.14.7, and 3.11",
        "of the host replaces it\n",
        "note: cannot get `python` 3.14.7: cannot reach",
        "hint: install Python 3.14 on this machine, then run `devsh sync`",
    ] {
        assert!(allowed.stderr.contains(text), "{text} in {allowed}");
    }
    assert!(!allowed.stderr.contains("wheel"), "{allowed}");
    assert_tester_runs(&sandbox, &["--partial"]);

    let sandbox = sandbox.manifest("presets = [\"python\"]\n[tools]\npython = \"3.14\"\n");
    let allowed = sandbox.devsh(&["allow", "--yes"]);
    let text = "the packages of `pyproject.toml` need `python`, which is missing\n";
    assert!(allowed.stderr.contains(text), "{allowed}");
    assert!(!allowed.stderr.contains("devsh add python"), "{allowed}");
}

#[test]
fn a_package_without_a_wheel_and_a_group_that_fails_are_both_named() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_source_archive(&server, "archived", "1.0");
    let digest = |file: &str| sha256(&server.content(&server.paths(file)[0]));
    let address = server.address();
    let lock = |tester: &str, helper: &str| {
        let package = |name: &str, version: &str, files: &str| {
            format!(
                "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\
                 source = {{ registry = \"https://pypi.org/simple\" }}\n{files}\n"
            )
        };
        let wheel = |file: &str, digest: &str| {
            let path = server.paths(file)[0].clone();
            format!("wheels = [{{ url = \"{address}{path}\", hash = \"sha256:{digest}\" }}]")
        };
        let archive = format!(
            "sdist = {{ url = \"{address}/files/archived-1.0.tar.gz\", hash = \"sha256:{}\" }}",
            sha256(b"not an archive")
        );
        format!(
            "version = 1\n[[package]]\nname = \"demo\"\nversion = \"1\"\nsource = {{ virtual = \".\" }}\n\
             dependencies = [{{ name = \"tester\" }}]\n[package.dev-dependencies]\n\
             dev = [{{ name = \"archived\" }}]\nlint = [{{ name = \"helper-lib\" }}]\n{}{}{}",
            package("archived", "1.0", &archive),
            package("helper-lib", "1.0", &wheel("helper_lib-1.0", helper)),
            package("tester", "1.0", &wheel("tester-1.0", tester)),
        )
    };
    let (right, wrong) = (digest("tester-1.0"), sha256(b"another file"));
    sandbox.write(
        "pyproject.toml",
        "[project]\nname = \"demo\"\nversion = \"1\"\ndependencies = [\"tester\"]\n\
         [dependency-groups]\ndev = [\"archived\"]\nlint = [\"helper-lib\"]\n",
    );
    let sandbox = sandbox.manifest(
        "[tools]\npython = \"*\"\nuv = \"*\"\n[python]\nlock = \"uv.lock\"\ngroups = [\"dev\", \"lint\"]\n",
    );
    let archived = "a Python package: `archived` of `uv.lock` cannot be built";
    for (tester, others) in [(&right, "group `lint`: "), (&wrong, "Python packages: ")] {
        sandbox.write("uv.lock", lock(tester, &wrong));
        sandbox.devsh(&["allow", "--yes"]);
        let status = sandbox.devsh(&["status"]).success().stdout;
        for text in [archived, others] {
            assert!(status.contains(text), "{text} in {status}");
        }
    }
    sandbox.write("uv.lock", lock(&right, &wrong));
    sandbox.devsh(&["allow", "--yes"]);
    assert_tester_runs(&sandbox, &["--partial"]);
}

#[test]
fn status_counts_packages_and_explain_says_what_needs_one() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let digest = |file: &str| sha256(&server.content(&server.paths(file)[0]));
    let source = format!("{{ registry = \"{}/simple\" }}", server.address());
    let package = |name: &str, version: &str, more: &str| {
        let file = format!("{}-{version}", name.replace('-', "_"));
        let path = server.paths(&file)[0].clone();
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = {source}\n{more}\
             wheels = [{{ url = \"{}{path}\", hash = \"sha256:{}\" }}]\n",
            server.address(),
            digest(&file)
        )
    };
    let lock = format!(
        "version = 1\n[[package]]\nname = \"demo\"\nversion = \"1\"\nsource = {{ virtual = \".\" }}\n\
         dependencies = [{{ name = \"helper-lib\" }}]\n\
         [package.dev-dependencies]\ndev = [{{ name = \"tester\" }}]\n{}{}{}",
        package("deep", "2.0", ""),
        package(
            "helper-lib",
            "1.0",
            "dependencies = [{ name = \"deep\" }]\n"
        ),
        package("tester", "1.0", ""),
    );
    sandbox.write("uv.lock", lock);
    let project = "[project]\nname = \"demo\"\nversion = \"1\"\ndependencies = [\"helper-lib\"]\n\
        [dependency-groups]\ndev = [\"tester\"]\n";
    sandbox.write("pyproject.toml", project);
    sandbox.allow();
    let status = sandbox.devsh(&["status"]).success().stdout;
    assert!(
        status.contains("packages     3 of uv.lock, groups dev\n"),
        "{status}"
    );
    for (name, needed_by) in [
        ("deep", "needed by `helper-lib`"),
        ("Helper_.Lib", "needed by the project"),
        ("tester", "needed by the group `dev`"),
    ] {
        let explained = sandbox.devsh(&["explain", name]).success().stdout;
        for text in ["Python package of `uv.lock`", needed_by] {
            assert!(explained.contains(text), "{text} in {explained}");
        }
    }
}

#[test]
fn programs_of_every_dev_shell_are_approved_with_the_project() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    // A script of a package that hides a program of the user needs an approval.
    sandbox.program("tester", "#!/bin/sh\n");
    let project = "[project]\nname = \"demo\"\nversion = \"1\"\ndependencies = [\"helper-lib\"]\n\
        [dependency-groups]\ndev = [\"deep\"]\ntest = [\"tester\"]\n";
    sandbox.write("pyproject.toml", project);
    sandbox.allow();
    assert_tester_runs(&sandbox, &["--shell", "test"]);
    let missing = sandbox.devsh(&["run", "--", "tester-of-no-one"]).code(127);
    missing.error(&["no command `tester-of-no-one` in dev shell `dev`"]);
}

#[test]
fn a_project_without_a_lockfile_gets_its_named_packages() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    sandbox.write("pyproject.toml", PROJECT);
    sandbox.write("backend.py", BACKEND);
    sandbox.write("src/demo.py", "import deep, helper_lib\n");
    let before = Tree::of(sandbox.project());
    let ran = sandbox.home().join("ran");
    sandbox.devsh(&["status"]).success();
    assert!(!sandbox.devsh(&["run", "--", "true"]).status.success());
    assert!(
        !ran.exists(),
        "nothing of the project runs before it is allowed"
    );
    sandbox.allow();
    assert!(ran.exists());
    let place = python(&sandbox, "import demo; print(demo.__file__)");
    assert_eq!(place, "~/project/src/demo.py\n");
    assert_tester_runs(&sandbox, &[]);
    // A repository that does not know devsh stays as it is, and what is built is not built again.
    Tree::of(sandbox.project()).assert_unchanged_since(&before);
    server.requests();
    sandbox.devsh(&["sync"]).success();
    assert_eq!(server.requests(), Vec::<String>::new());
    sandbox.devsh(&["lock"]).success();
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    for line in [
        "requirements = [\"helper-lib>=1\", \"tester\"",
        "helper-lib==1.0",
    ] {
        assert!(lockfile.contains(line), "{line} in\n{lockfile}");
    }
}

/// Checks that a project without a lockfile that devsh reads gets its packages, those for development too.
fn assert_installed(file: &str, text: &str) {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_tool(&server, "pdm", &["2.26.0"]);
    serve_tool(&server, "poetry", &["2.2.1"]);
    sandbox.write(file, text);
    let before = Tree::of(sandbox.project());
    sandbox.allow();
    assert_eq!(python(&sandbox, "import deep, helper_lib; print(1)"), "1\n");
    assert_tester_runs(&sandbox, &[]);
    Tree::of(sandbox.project()).assert_unchanged_since(&before);
    sandbox.devsh(&["init"]).success();
    let manifest = fs::read_to_string(sandbox.project().join("devshell.toml")).unwrap();
    assert!(manifest.contains("presets = [\"python\"]"), "{manifest}");
    sandbox.devsh(&["lock", "--check"]).success();
    assert_tester_runs(&sandbox, &[]);
}

#[test]
fn a_pipfile_without_a_lockfile_is_resolved() {
    assert_installed(
        "Pipfile",
        "[packages]\nhelper-lib = \">=1\"\nwinonly = { version = \"*\", sys_platform = \"== 'win32'\" }\n\
         [dev-packages]\ntester = \"*\"\n",
    );
}

#[test]
fn poetry_without_a_lockfile_is_resolved() {
    assert_installed(
        "pyproject.toml",
        "[tool.poetry.dependencies]\nhelper-lib = \"^1.0\"\n[tool.poetry.group.dev.dependencies]\ntester = \"*\"\n",
    );
}

#[test]
fn pdm_without_a_lockfile_is_resolved() {
    assert_installed(
        "pyproject.toml",
        "[project]\nname = \"x\"\nversion = \"1\"\ndependencies = [\"helper-lib\"]\n\
         [tool.pdm.dev-dependencies]\ntest = [\"tester\"]\n",
    );
}

#[test]
fn the_project_stays_importable_when_its_packages_change() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    sandbox.write("pyproject.toml", PROJECT);
    sandbox.write("backend.py", BACKEND);
    sandbox.write("src/demo.py", "");
    sandbox.allow();
    let ran = sandbox.home().join("ran");
    fs::remove_file(&ran).unwrap();
    // Other packages: the editable install stays as it is.
    let other = PROJECT.replace("\"helper-lib>=1\"", "\"helper-lib>=1\", \"deep\"");
    sandbox.write("pyproject.toml", &other);
    sandbox.devsh(&["watch", "--once"]).success();
    assert!(!ran.exists(), "no code of the project runs");
    let imports = [
        "run",
        "--offline",
        "--",
        "python",
        "-c",
        "import demo, deep",
    ];
    sandbox.devsh(&imports).success();
    // Another version of the project: only a build that the user asks for runs its code, and the earlier one serves.
    sandbox.write(
        "pyproject.toml",
        other.replace("version = \"1.0\"", "version = \"1.1\""),
    );
    let watched = sandbox.devsh(&["watch", "--once"]);
    assert!(!ran.exists(), "{watched}");
    let status = sandbox.devsh(&["status"]).stdout;
    let earlier = "an earlier build of it is used until `devsh sync` builds it again";
    assert!(status.contains(earlier), "{status}");
    for_each_shell(|shell| {
        let mut pty = sandbox.shell(shell);
        pty.enter();
        let shown = pty.type_line("python -c 'import demo, deep; print(40 + 2)'");
        assert!(shown.contains("42"), "{shown}");
    });
    assert!(!ran.exists(), "no prompt runs code of the project");
    sandbox.devsh(&imports).success();
    assert!(ran.exists());
    let status = sandbox.devsh(&["status"]).success().stdout;
    assert!(!status.contains(earlier), "{status}");
    // A build that fails costs the project only.
    sandbox.write("backend.py", "raise SystemExit('broken backend')\n");
    sandbox
        .devsh(&["allow"])
        .code(1)
        .error(&["cannot build the project itself"]);
    let deep = ["run", "--partial", "--", "python", "-c", "import deep"];
    let partial = sandbox.devsh(&deep).success();
    assert!(
        partial.stderr.contains("missing: the project itself: "),
        "{partial}"
    );
}

#[test]
fn the_project_stays_importable_after_commands_that_add() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_program(&server, "rust-just", "just", &["1.41.2"]);
    serve_pure(&server, &[pure("late", "1.0", &[], &[])]);
    // `uv add` writes the index of the user into the project, which is a setting of builds.
    let index = format!(
        "[[tool.uv.index]]\nurl = \"{}/simple\"\ndefault = true\n",
        server.address()
    );
    sandbox.write("pyproject.toml", format!("{PROJECT}\n{index}"));
    sandbox.write("backend.py", BACKEND);
    sandbox.write("src/demo.py", "");
    sandbox.allow();
    let ran = sandbox.home().join("ran");
    fs::remove_file(&ran).unwrap();
    let imports = |names: &str| {
        let code = format!("import {names}");
        for_each_shell(|shell| {
            let mut pty = sandbox.shell(shell);
            let entered = pty.enter();
            let shown = pty.type_line(&format!("python -c '{code}; print(40 + 2)'"));
            assert!(shown.contains("42"), "{names}: {entered}{shown}");
        });
    };
    for (words, names) in [
        (&["uv", "lock"][..], "demo, helper_lib"),
        (
            &["uv", "add", "--no-sync", "late"],
            "demo, helper_lib, late",
        ),
    ] {
        sandbox.devsh(&[&["run", "--"], words].concat()).success();
        assert!(!ran.exists(), "{words:?} builds nothing");
        // Packages of another index than the public one need an approval.
        sandbox.allow();
        imports(names);
        assert!(!ran.exists(), "{words:?} needs no build of the project");
    }
    sandbox.devsh(&["init"]).success();
    sandbox.devsh(&["add", "just"]).success();
    imports("demo, helper_lib, late");
    assert!(!ran.exists(), "a tool needs no build of the project");
    sandbox.devsh(&["run", "--", "just", "--version"]).success();
}

#[test]
fn pip_reads_and_explains_how_to_change() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let sandbox = sandbox
        .manifest("[tools]\npython = \"3\"\nuv = \"*\"\n[python]\npackages = [\"helper-lib\"]\n");
    sandbox.allow();
    let pip =
        |words: &[&str]| sandbox.devsh(&[&["run", "--", "python", "-m", "pip"], words].concat());
    let listed = pip(&["list", "--format=json"]).success().stdout;
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let has = |name: &str| listed.iter().any(|one| one["name"] == name);
    assert!(has("helper_lib") && has("deep"), "{listed:?}");
    assert!(pip(&["--version"]).success().stdout.starts_with("pip "));
    assert!(
        pip(&["show", "helper-lib"])
            .success()
            .stdout
            .contains("Version: 1.0")
    );
    pip(&["check"]).success();
    pip(&["config", "list"]).success();
    let bare = sandbox
        .devsh(&["run", "--", "pip", "freeze"])
        .success()
        .stdout;
    assert!(bare.contains("helper_lib==1.0"), "{bare}");
    for words in [
        &["install", "x"][..],
        &["--proxy", "a", "install", "x"],
        &["uninstall", "-y", "deep"],
    ] {
        let refused = pip(words).code(1);
        for text in [
            "cannot change this environment",
            "uv add NAME",
            "a line in `requirements.txt`",
        ] {
            assert!(refused.stderr.contains(text), "{refused}");
        }
    }
}

/// Writes a project of setuptools' form: `setup.cfg` names it, and its build reports what it needs.
fn write_setup_cfg(sandbox: &Sandbox) {
    let version = "Version: 1.0\\n";
    let metadata = format!(
        "{version}Requires-Dist: helper-lib>=1\\nProvides-Extra: test\\nRequires-Dist: tester; extra == 'test'\\n"
    );
    sandbox.write("backend.py", BACKEND.replace(version, &metadata));
    sandbox.write(
        "pyproject.toml",
        "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n",
    );
    sandbox.write(
        "setup.cfg",
        "[metadata]\nname = demo\n\n[options]\ninstall_requires =\n    helper-lib>=1\n\n\
         [options.extras_require]\ntest =\n    tester\n",
    );
    sandbox.write("src/demo.py", "import helper_lib\n");
}

/// A project without metadata that can be read.
const SETUP_PY: &str = "from setuptools import setup\n\nneeds = open(\"needs.txt\").read().split()\n\
    setup(name=\"demo\", install_requires=needs)\n";

/// Writes the same project with a `setup.py` in place of its `setup.cfg`.
fn write_setup_py(sandbox: &Sandbox) {
    write_setup_cfg(sandbox);
    fs::remove_file(sandbox.project().join("setup.cfg")).unwrap();
    sandbox.write("setup.py", SETUP_PY);
}

#[test]
fn a_list_of_development_requirements_next_to_a_setup_cfg_is_installed() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    write_setup_cfg(&sandbox);
    sandbox.write("requirements-dev.txt", "-e .\n-r requirements/more.txt\n");
    sandbox.write("requirements/more.txt", "tester==1.0\n");
    sandbox.allow();
    assert_eq!(python(&sandbox, "import demo; print(1)"), "1\n");
    assert_tester_runs(&sandbox, &[]);
    sandbox.devsh(&["lock"]).success();
    sandbox.devsh(&["lock", "--check"]).success();

    // The list is watched.
    sandbox.write("requirements/more.txt", "deep\n");
    sandbox.devsh(&["lock", "--check"]).code(1);
    sandbox.allow();
    let code = "import importlib.util as u; print(u.find_spec('tester'))";
    assert_eq!(python(&sandbox, code), "None\n");

    // A list that does not resolve any more changes nothing: the packages of before stay.
    sandbox.write("requirements/more.txt", "tester==99\n");
    let cause =
        "`tester==99` matches no version on the index, the newest is 1.0 (requirements/more.txt:1)";
    for words in ["allow", "lock", "sync"] {
        sandbox.devsh(&[words]).code(1).error(&[cause]);
    }
    let code = "import demo, deep; print(1)";
    let run = ["run", "--partial", "--", "python", "-c", code];
    assert_eq!(sandbox.devsh(&run).success().stdout, "1\n");
}

#[test]
fn a_list_of_development_requirements_next_to_a_pyproject_is_installed() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let project = "[project]\nname = \"demo\"\nversion = \"1\"\ndependencies = []\n\
        [project.optional-dependencies]\nmore = [\"deep\"]\n";
    sandbox.write("pyproject.toml", project);
    sandbox.write("requirements-dev.txt", "-e .[more]\ntester==1.0\n");
    sandbox.write("requirements/test.txt", "helper-lib\n");
    sandbox.allow();
    assert_tester_runs(&sandbox, &[]);
    let code = "import deep, importlib.util as u; print(u.find_spec('helper_lib') is not None)";
    for (shell, expected) in [("dev", "False\n"), ("test", "True\n")] {
        let run = ["run", "--shell", shell, "--", "python", "-c", code];
        assert_eq!(sandbox.devsh(&run).success().stdout, expected, "{shell}");
    }
    // A group of the project itself decides.
    let group = "[dependency-groups]\ndev = [\"helper-lib\"]\n";
    sandbox.write("pyproject.toml", format!("{project}{group}"));
    sandbox.allow();
    let code = "import helper_lib, importlib.util as u; print(u.find_spec('tester'))";
    assert_eq!(python(&sandbox, code), "None\n");

    // Without a project of its own the list is named.
    sandbox.write("pyproject.toml", "[tool.ruff]\n");
    let status = sandbox.devsh(&["status"]).success();
    let hint = "requirements-dev.txt:1: its packages are not installed: write `lock = \"requirements-dev.txt\"` below \
                `[python]` in `devshell.toml`";
    assert!(status.stdout.contains(hint), "{status}");
}

#[test]
fn extras_of_a_setup_cfg_serve_the_dev_shells_of_that_name() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    write_setup_cfg(&sandbox);
    sandbox.allow();
    let code = "import demo, importlib.util as u; print(u.find_spec('tester') is not None)";
    for (shell, expected) in [("dev", "False\n"), ("test", "True\n")] {
        let run = ["run", "--shell", shell, "--", "python", "-c", code];
        assert_eq!(sandbox.devsh(&run).success().stdout, expected, "{shell}");
    }
    // A list of requirements can name an extra, too.
    sandbox.write("dev-requirements.txt", "-e .[test]\n");
    sandbox.allow();
    assert_eq!(python(&sandbox, code), "True\n");
}

#[test]
fn a_personal_tool_leaves_the_packages_of_the_team_alone() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    sandbox.write("requirements.txt", "helper-lib\n");
    sandbox.allow();
    sandbox.devsh(&["add", "--personal", "ruff@0.12"]).success();
    let projects = sandbox.home().join(".config/devsh/projects");
    let project = fs::read_dir(projects).unwrap().next().unwrap().unwrap();
    let lock = project.path().join("devshell.local.lock");
    let text = fs::read_to_string(&lock).unwrap();
    assert!(!text.contains("[[python]]"), "{text}");
    assert_eq!(python(&sandbox, "import helper_lib; print(1)"), "1\n");
    // Packages of one person are for the Python of the team.
    let manifest = project.path().join("devshell.toml");
    fs::write(&manifest, "[python]\npackages = [\"tester\"]\n").unwrap();
    sandbox.allow();
    assert_tester_runs(&sandbox, &[]);
    let text = fs::read_to_string(&lock).unwrap();
    assert!(text.contains("python = \"3."), "{text}");
    let status = sandbox.devsh(&["status"]).success().stdout;
    assert!(
        !sandbox.project().join("devshell.lock").exists(),
        "{status}"
    );
}

#[test]
fn a_build_of_the_project_leaves_a_lockfile_that_fits() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    write_setup_py(&sandbox);
    sandbox.allow();
    // Setuptools writes it next to the code.
    sandbox.write(
        "demo.egg-info/entry_points.txt",
        "[console_scripts]\ndemo = demo:main\n",
    );
    let status = sandbox.devsh(&["status", "--json"]).success().stdout;
    assert!(status.contains("\"lockfile_fits\": true"), "{status}");
}

/// A build whose dependencies only its code knows.
#[test]
fn packages_of_a_setup_py_come_from_its_build() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    write_setup_py(&sandbox);
    let ran = sandbox.home().join("ran");
    sandbox.devsh(&["status"]).success();
    sandbox.devsh(&["lock"]).code(3);
    assert!(!ran.exists(), "nothing runs before it is allowed");
    sandbox.allow();
    assert_eq!(python(&sandbox, "import demo, deep; print(1)"), "1\n");

    // A list that names the project brings the same.
    sandbox.write("requirements.txt", "tester==1.0\n-e .\n");
    sandbox.allow();
    assert_eq!(python(&sandbox, "import demo, deep; print(1)"), "1\n");
    assert_tester_runs(&sandbox, &[]);
}

#[test]
fn git_for_a_package_is_not_a_program_of_the_project() {
    let server = Server::start();
    let (Some(sandbox), Some(_)) = (repository(&server), require("git")) else {
        return;
    };
    let package = sandbox.home().join("package");
    fs::create_dir(&package).unwrap();
    fs::write(package.join("backend.py"), BACKEND).unwrap();
    fs::write(package.join("pyproject.toml"), PROJECT).unwrap();
    let script =
        "git init -q -b main . && git add -A && git -c user.name=n -c user.email=e commit -q -m x";
    let mut command = sandbox.command("sh");
    command.args(["-c", script]).current_dir(&package);
    sandbox.outcome(&mut command).success();
    let requirement = format!("demo @ git+file://{}@main\n", package.display());
    sandbox.write("requirements.txt", requirement);
    let ran = sandbox.root().join("ran");
    let program = format!("#!/bin/sh\n: >'{}'\nexit 1\n", ran.display());
    sandbox.write(".venv/bin/git", program);
    let place = sandbox.project().join(".venv/bin/git");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    let own = &sandbox.environment()[OsStr::new("PATH")];
    let first = [place.parent().unwrap().to_owned()].into_iter();
    let path = std::env::join_paths(first.chain(std::env::split_paths(own))).unwrap();
    let sandbox = sandbox.env("PATH", path).manifest(
        "[tools]\npython = \"*\"\n[python]\nlock = \"requirements.txt\"\nbuild = [\"demo\"]\n",
    );
    sandbox.allow();
    assert_eq!(python(&sandbox, "import helper_lib; print(1)"), "1\n");
    assert!(!ran.exists());
}

#[test]
fn a_project_without_dependencies_is_installed() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    sandbox.write("backend.py", BACKEND);
    let dependencies = "dependencies = [\"helper-lib>=1\", \"winonly; sys_platform == 'win32'\"]\n";
    let groups = "[dependency-groups]\ndev = [\"tester\"]\n";
    let project = PROJECT.replace(dependencies, "").replace(groups, "");
    sandbox.write("pyproject.toml", project);
    sandbox.write("src/demo.py", "");
    sandbox.allow();
    assert_eq!(python(&sandbox, "import demo; print(1)"), "1\n");

    // A line that is half typed asks nothing and takes nothing away.
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.enter();
    sandbox.write("pyproject.toml", "[project]\nname = \"demo\n");
    let shown = pty.type_line("true");
    assert!(
        shown.contains("pyproject.toml:2: not valid TOML"),
        "{shown}"
    );
    assert_eq!(pty.run("python -c 'import demo; print(1)'"), "1\n");
    sandbox
        .devsh(&["run", "--", "python"])
        .error(&["not valid TOML", "pyproject.toml:2"]);
    // Nobody approves the project as it is without the file.
    sandbox
        .devsh(&["allow", "--yes"])
        .code(1)
        .error(&["not valid TOML", "pyproject.toml:2"]);
    assert_eq!(pty.run("python -c 'import demo; print(1)'"), "1\n");
}

/// Reverts an allowed `setup.py` and waits until the prompt has loaded its packages again, with a lockfile that then fits
/// or not.
fn revert_setup_py(sandbox: &Sandbox, fits: bool) {
    write_setup_py(sandbox);
    // What was allowed for a repository stays allowed.
    sandbox.write(".git/HEAD", "ref: refs/heads/main\n");
    sandbox.write(".git/config", "");
    sandbox.write(".git/objects/keep", "");
    sandbox.write(".git/refs/keep", "");
    sandbox.allow();
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.enter();
    pty.run("python -c 'import demo, deep'");
    // The dependencies of the first state are not those of the second one.
    sandbox.write("setup.py", SETUP_PY.replace("needs)", "[])"));
    sandbox.allow();
    pty.type_line("true");
    let ran = sandbox.home().join("ran");
    fs::remove_file(&ran).expect("the project was built");
    sandbox.write("setup.py", SETUP_PY);
    pty.type_line("true");
    let status = until(sandbox, |status| {
        let is_ready = status["ready"] == true && status["building"].is_null();
        is_ready && status["lockfile_fits"] == fits
    });
    assert_eq!(status["missing_parts"], serde_json::json!([]), "{status}");
    assert!(!ran.exists(), "nothing is built again");
    pty.run("python -c 'import demo, deep; print(1)'");
}

/// A dev shell has its own Python and packages in place of all those that the shims of pyenv stand for.
#[test]
fn a_script_of_pyenv_is_replaced_without_a_question() {
    let server = Server::start();
    for (shims, asks) in [(".pyenv/shims", false), (".asdf/shims", true)] {
        let Some(sandbox) = repository(&server) else {
            return;
        };
        let shims = sandbox.home().join(shims);
        fs::create_dir_all(&shims).unwrap();
        fs::write(shims.join("other"), "#!/bin/sh\n").unwrap();
        let own = &sandbox.environment()[OsStr::new("PATH")];
        let path = [shims].into_iter().chain(std::env::split_paths(own));
        let path = std::env::join_paths(path).unwrap();
        let sandbox = sandbox.env("PATH", path);
        sandbox.write("requirements.txt", "tester\n");
        sandbox.allow();
        let newer = [pure("tester", "2.0", &[], &["tester", "other"])];
        serve_pure(&server, &newer);
        sandbox.devsh(&["lock", "--upgrade"]).success();
        let run = sandbox.devsh(&["run", "--", "other"]);
        if asks {
            run.code(3).error(&["`other` of `Python packages`"]);
        } else {
            assert_eq!(run.success().stdout, "tester 2.0\n");
        }
    }
}

#[test]
fn a_reverted_build_of_the_project_comes_back_by_itself() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    revert_setup_py(&sandbox, true);
    assert_eq!(python(&sandbox, "import demo, deep; print(1)"), "1\n");
}

#[test]
fn a_reverted_build_comes_back_although_the_lockfile_of_the_team_does_not_fit() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let sandbox = sandbox.manifest("presets = [\"python\"]\n");
    // A prompt writes nothing into the project.
    revert_setup_py(&sandbox, false);
    let ran = sandbox.home().join("ran");
    sandbox.devsh(&["lock"]).success();
    assert!(!ran.exists(), "nothing is built again");
    assert_eq!(python(&sandbox, "import demo, deep; print(1)"), "1\n");
    // `devsh lock` keeps what it replaces too.
    sandbox.write("setup.py", SETUP_PY.replace("needs)", "[])"));
    sandbox.devsh(&["lock"]).success();
    assert!(!ran.exists(), "nothing is built again");
}

#[test]
fn extras_that_only_the_build_knows_come_from_it() {
    let server = Server::start();
    let dynamic =
        "[project]\nname = \"demo\"\nversion = \"1.0\"\ndynamic = [\"optional-dependencies\"]\n";
    for (file, text) in [
        ("setup.py", "setup(name=\"demo\")\n"),
        ("pyproject.toml", dynamic),
    ] {
        let Some(sandbox) = repository(&server) else {
            return;
        };
        write_setup_cfg(&sandbox);
        let built = fs::read_to_string(sandbox.project().join("pyproject.toml")).unwrap();
        fs::remove_file(sandbox.project().join("setup.cfg")).unwrap();
        let text = match file {
            "setup.py" => text.to_owned(),
            _ => format!("{built}{text}"),
        };
        sandbox.write(file, text);
        sandbox.allow();
        let code = "import demo, importlib.util as u; print(u.find_spec('tester') is not None)";
        for (shell, expected) in [("dev", "False\n"), ("test", "True\n")] {
            let run = ["run", "--shell", shell, "--", "python", "-c", code];
            let outcome = sandbox.devsh(&run).success();
            assert_eq!(outcome.stdout, expected, "{file} {shell}");
        }
        // The build has no extra `dev`.
        let status = sandbox.devsh(&["status"]).success();
        let packages = format!(" of {file}\n");
        assert!(status.stdout.contains(&packages), "{status}");
        sandbox.devsh(&["lock"]).success();
        sandbox.devsh(&["lock", "--check"]).success();

        let manifest =
            |extra: &str| format!("[tools]\npython = \"*\"\n[python]\nextras = [\"{extra}\"]\n");
        let sandbox = sandbox.manifest(&manifest("test"));
        sandbox.allow();
        assert_eq!(python(&sandbox, code), "True\n", "{file}");
        let sandbox = sandbox.manifest(&manifest("nope"));
        let outcome = sandbox.devsh(&["lock", "--trust"]);
        outcome.error(&[
            &format!("devshell.toml:4 asks for the extra `nope`, which `{file}` does not have"),
            "the build of the project does not report it",
        ]);
    }
}

/// Returns a build backend that waits for the file `go` in the home directory.
fn waiting_backend() -> String {
    let begin = "def build_editable(directory, settings=None, metadata=None):\n";
    let wait = "    import time\n    while not os.path.exists(os.environ[\"HOME\"] + \"/go\"):\n        time.sleep(0.01)\n";
    BACKEND.replace(begin, &format!("{begin}{wait}"))
}

#[test]
fn tools_and_packages_are_loaded_while_the_project_is_compiled() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_pure(&server, &[pure("cffi", "1.0", &[], &[])]);
    sandbox.write("backend.py", waiting_backend());
    let project = PROJECT.replace("requires = []", "requires = [\"cffi\"]");
    sandbox.write("pyproject.toml", project);
    sandbox.write("src/demo.py", "import helper_lib\n");
    let mut allowing = sandbox.command(DEVSH);
    allowing.args(["allow", "--yes"]).stderr(Stdio::piped());
    let mut allowing = allowing.spawn().unwrap();
    let lines = BufReader::new(allowing.stderr.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    assert!(lines.any(|line| line.contains("installing the project compiles it with cffi")));
    assert!(lines.any(|line| line.contains("other shells can use the tools and packages")));
    let export = ["export", "bash", "--nonce", "1", "--loaded", ""];
    let loaded = sandbox.devsh(&export).success();
    assert!(loaded.stdout.contains("/envs/"), "{loaded}");
    let missing = "missing: the project itself: its build has not ended yet";
    assert!(loaded.stderr.contains(missing), "{loaded}");
    let command = ["python", "-c", "print(1)"];
    let run = sandbox.devsh(&[&["run", "--partial", "--"], &command[..]].concat());
    let run = run.success();
    assert_eq!(run.stdout, "1\n");
    assert_eq!(run.stderr, format!("warning: {missing}\n"));
    // They stay after Ctrl-C.
    let id = allowing.id().to_string();
    let interrupted = Command::new("kill").args(["-INT", &id]).status();
    assert!(interrupted.unwrap().success());
    for _ in lines {}
    assert!(!allowing.wait().unwrap().success());
    let loaded = sandbox.devsh(&export).success();
    assert!(loaded.stdout.contains("/envs/"), "{loaded}");
    assert!(loaded.stderr.contains(missing), "{loaded}");
    fs::write(sandbox.home().join("go"), "").unwrap();
    sandbox.devsh(&["sync"]).success();
    let loaded = sandbox.devsh(&export).success();
    assert!(!loaded.stderr.contains("missing"), "{loaded}");
    assert_eq!(python(&sandbox, "import demo; print(1)"), "1\n");
}

#[test]
fn a_long_build_of_the_project_says_how_to_stop_it() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    sandbox.write("backend.py", waiting_backend());
    sandbox.write("pyproject.toml", PROJECT);
    sandbox.write("src/demo.py", "import helper_lib\n");
    let mut allowing = sandbox.command(DEVSH);
    allowing.args(["allow", "--yes"]).stderr(Stdio::piped());
    let mut allowing = allowing.spawn().unwrap();
    let mut lines = BufReader::new(allowing.stderr.take().unwrap()).lines();
    let told = lines.find(|line| line.as_ref().unwrap().contains("still building"));
    let line = "devsh: the project: still building; Ctrl-C stops it until `devsh sync`, the approval stays";
    assert_eq!(told.unwrap().unwrap(), line);
    fs::write(sandbox.home().join("go"), "").unwrap();
    for line in lines {
        line.unwrap();
    }
    assert!(allowing.wait().unwrap().success());
    assert_eq!(python(&sandbox, "import demo; print(1)"), "1\n");
}

#[test]
fn build_code_that_changes_before_its_build_does_not_run() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let other = BACKEND.replace("\"ran\"", "\"other\"");
    assert_ne!(other, BACKEND);
    let ran = sandbox.home().join("other");
    let error = "`backend.py` has changed since devsh read it";
    let sandbox = sandbox.manifest("presets = [\"python\"]\n[tools]\nruff = \"0.12\"\n");
    sandbox.write("pyproject.toml", PROJECT);
    sandbox.write("src/demo.py", "");
    sandbox.write("backend.py", BACKEND);
    sandbox.devsh(&["lock", "--trust"]).success();

    // During a download.
    server.requests();
    for path in server.paths("ruff-0.12.4") {
        server.hold(&path);
    }
    let mut syncing = sandbox.command(DEVSH);
    syncing.args(["sync", "--trust"]).stderr(Stdio::piped());
    let syncing = syncing.spawn().unwrap();
    server.wait_for("ruff-0.12.4");
    sandbox.write("backend.py", &other);
    server.release();
    let done = syncing.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(told.contains(error), "{told}");
    assert!(!ran.exists(), "{told}");

    // Between the list and the answer.
    sandbox.write("backend.py", BACKEND);
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.enter();
    pty.begin_until("devsh allow", "Allow? [Y/n]");
    sandbox.write("backend.py", &other);
    pty.press("y\r");
    let told = pty.finish();
    let error = "has changed since its requests were shown";
    assert!(told.contains(error), "{told}");
    assert!(!ran.exists(), "{told}");
    sandbox.devsh(&["run", "--", "true"]).code(3);
    sandbox.allow();
    assert!(ran.exists(), "it was approved");
}

#[test]
fn an_application_next_to_packages_names_the_command_that_adds_it_to_them() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_pure(&server, &[pure("second", "1.0", &[], &["second"])]);
    let sandbox = sandbox.manifest("presets = [\"python\"]\n");
    sandbox.write(
        "pyproject.toml",
        PROJECT.replace("[build-system]", "[tool.none]"),
    );
    sandbox.allow();
    let added = sandbox.devsh(&["add", "pypi:second"]).success();
    let note = "devsh: `pypi:second` cannot import the project or its packages; `uv add --dev second` adds it to them\n";
    assert!(added.stderr.contains(note), "{added}");
    assert_eq!(added.stderr.matches("devshell.lock").count(), 1, "{added}");
    // A package that is only a program imports nothing.
    serve_program(&server, "rust-just", "just", &["1.40.0"]);
    let added = sandbox.devsh(&["add", "just"]).success();
    assert!(!added.stderr.contains("import"), "{added}");
}

#[test]
fn packages_of_the_manifest_join_those_that_devsh_resolves_for_the_project() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    write_setup_cfg(&sandbox);
    let sandbox = sandbox.manifest("presets = [\"python\"]\n\n[python]\npackages = [\"tester\"]\n");
    sandbox.write("requirements-test.txt", "bounded==99\n");
    sandbox.allow();
    assert_eq!(python(&sandbox, "import demo; print(1)"), "1\n");
    assert_tester_runs(&sandbox, &[]);
    // They also stay in a dev shell whose group does not resolve.
    assert_tester_runs(&sandbox, &["--shell", "test"]);

    // The packages of a lockfile are complete.
    sandbox.write(
        "pylock.toml",
        "lock-version = \"1.0\"\ncreated-by = \"x\"\npackages = []\n",
    );
    let refused = sandbox.devsh(&["allow", "--yes"]);
    refused.error(&["devshell.toml:4 asks for packages", "`pylock.toml`"]);
}

#[test]
fn dependencies_that_only_the_build_knows_come_from_it_after_the_approval() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let project = PROJECT.replace(
        "dependencies = [\"",
        "dynamic = [\"dependencies\"]\n[tool.none]\nx = [\"",
    );
    let backend = |needed: &str| {
        let version = "Version: 1.0\\n";
        let metadata = format!("{version}Requires-Dist: {needed}\\n");
        BACKEND.replace(version, &metadata)
    };
    sandbox.write("pyproject.toml", project);
    sandbox.write("backend.py", backend("helper-lib>=1"));
    sandbox.write("src/demo.py", "import deep, helper_lib\n");
    let ran = sandbox.home().join("ran");
    sandbox.devsh(&["status"]).success();
    sandbox.devsh(&["lock"]).code(3);
    assert!(
        !ran.exists(),
        "nothing of the project runs before it is allowed"
    );
    sandbox.allow();
    assert_eq!(python(&sandbox, "import demo; print(1)"), "1\n");
    assert_tester_runs(&sandbox, &[]);
    // A change of the build is approved, and then asked again.
    sandbox.write("backend.py", backend("deep"));
    sandbox.allow();
    let code = "import importlib.util as u; print(u.find_spec('helper_lib'))";
    assert_eq!(python(&sandbox, code), "None\n");
    sandbox.devsh(&["lock"]).success();
    sandbox.devsh(&["lock", "--check"]).success();

    // A build that fails costs the packages only.
    sandbox.write("backend.py", "raise SystemExit(1)\n");
    let outcome = sandbox.devsh(&["lock", "--trust"]).success();
    let warning = "no Python packages are locked, because the build of the project fails";
    assert!(outcome.stderr.contains(warning), "{outcome}");
}

#[test]
fn packages_of_a_manifest_are_pinned_and_installed() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let sandbox = sandbox
        .manifest("[tools]\npython = \"3\"\nuv = \"*\"\n[python]\npackages = [\"helper-lib\"]\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    sandbox.allow();
    let code = "import helper_lib, deep; helper_lib.main(); deep.main()";
    assert_eq!(python(&sandbox, code), "helper-lib 1.0\ndeep 2.0\n");
    sandbox.devsh(&["run", "--", "helper"]).success();
    sandbox.devsh(&["lock", "--check"]).success();
    // Without a digest nothing is installed, and nothing counts as up to date.
    let path = sandbox.project().join("devshell.lock");
    let whole = fs::read_to_string(&path).unwrap();
    let lines = whole
        .lines()
        .map(|line| match line.split_once("sha256 = [") {
            Some((before, _)) if line.contains("deep==2.0") => format!("{before}sha256 = [] }},\n"),
            _ => format!("{line}\n"),
        });
    let without: String = lines.collect();
    assert_ne!(without, whole);
    fs::write(&path, without).unwrap();
    sandbox
        .devsh(&["run", "--", "true"])
        .error(&["a list of digests", "devshell.lock"]);
}

#[test]
fn a_lockfile_of_uv_is_installed_and_brings_its_applications() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let Some(uv) = require("uv") else { return };
    sandbox.write(
        "pyproject.toml",
        "[project]\nname = \"demo\"\nversion = \"1.0\"\nrequires-python = \">=3.9\"\n\
         dependencies = [\"helper-lib\"]\n\n[dependency-groups]\ndev = [\"black==25.1.0\"]\n\n[tool.black]\n",
    );
    let locked = sandbox
        .command(uv)
        .args(["lock", "--quiet"])
        .output()
        .unwrap();
    assert!(
        locked.status.success(),
        "{}",
        String::from_utf8_lossy(&locked.stderr)
    );
    sandbox.allow();
    assert_eq!(python(&sandbox, "import helper_lib, deep; print(1)"), "1\n");
    let run = ["run", "--", "black"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "black 25.1.0\n");
    // It is there once: with the packages, not as a tool.
    let names = fs::read_dir(sandbox.data().join("store")).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.any(|name| name.contains("-black-")));
    let explained = sandbox.devsh(&["explain", "black"]).success().stdout;
    assert!(
        explained.contains("comes with the packages of `uv.lock`"),
        "{explained}"
    );
}

#[test]
fn builds_find_the_tools_of_the_dev_shell() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    sandbox.write("pyproject.toml", PROJECT);
    let look = "import os, shutil\n\
                open(os.environ['HOME'] + '/found', 'w').write(shutil.which('ruff') or '')\n";
    sandbox.write("backend.py", format!("{look}{BACKEND}"));
    sandbox.allow();
    let found = fs::read_to_string(sandbox.home().join("found")).unwrap();
    let ruff = Path::new(&found);
    assert!(ruff.starts_with(sandbox.data().join("store")), "{found}");
}

#[test]
fn members_of_a_workspace_are_approved_and_followed() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let member = "[project]\nname = \"demo\"\nversion = \"1.0\"\n[build-system]\nrequires = []\n\
                  build-backend = \"backend\"\nbackend-path = [\".\"]\n";
    sandbox.write(
        "pyproject.toml",
        "[project]\nname = \"app\"\nversion = \"1\"\nrequires-python = \">=3.9\"\ndependencies = [\"demo\"]\n\
         [tool.uv.workspace]\nmembers = [\"packages/*\"]\n",
    );
    sandbox.write(
        "uv.lock",
        "version = 1\nrequires-python = \">=3.9\"\n[manifest]\nmembers = [\"app\", \"demo\"]\n\
         [[package]]\nname = \"app\"\nversion = \"1\"\nsource = { virtual = \".\" }\n\
         dependencies = [{ name = \"demo\" }]\n\
         [[package]]\nname = \"demo\"\nversion = \"1.0\"\nsource = { editable = \"packages/a\" }\n",
    );
    sandbox.write("packages/a/pyproject.toml", member);
    sandbox.write("packages/a/backend.py", BACKEND);
    sandbox.write("packages/a/src/demo.py", "");
    sandbox.allow();
    let ran = sandbox.home().join("ran");
    fs::remove_file(&ran).expect("the member was built");
    for (name, text) in [
        ("packages/a/setup.py", "x = 1\n".to_owned()),
        (
            "packages/a/pyproject.toml",
            member.replace("requires = []", "requires = [\"deep\"]"),
        ),
    ] {
        sandbox.write(name, &text);
        let outcome = sandbox.devsh(&["sync"]);
        outcome.error(&["has changed since you allowed it"]);
        assert!(!ran.exists(), "{name} runs before it is approved");
        fs::remove_file(sandbox.project().join("packages/a/setup.py")).ok();
    }
    // Metadata of the member needs no approval, and the code of its build does.
    let scripts = "[project.scripts]\nhello = \"demo:main\"\n";
    sandbox.write("packages/a/pyproject.toml", format!("{member}{scripts}"));
    let backend = BACKEND.replace(
        "names = [",
        "wheel.writestr(information + \"entry_points.txt\", \"[console_scripts]\\nhello = demo:main\\n\")\n        \
         names = [information + \"entry_points.txt\", ",
    );
    sandbox.write(
        "packages/a/src/demo.py",
        "def main():\n    print('hello')\n",
    );
    sandbox.devsh(&["sync"]).success();
    sandbox.write("packages/a/backend.py", backend);
    sandbox
        .devsh(&["sync"])
        .code(3)
        .error(&["has changed since you allowed it: `packages/a/backend.py`"]);
    sandbox.allow();
    let run = ["run", "--", "hello"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "hello\n");
}

#[test]
fn constraints_bound_the_packages_of_a_list() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let versions = ["1.0", "2.0", "3.0"].map(|version| pure("bounded", version, &[], &[]));
    serve_pure(&server, &versions);
    serve_pure(&server, &[pure("tester", "1.0", &["bounded"], &["tester"])]);
    sandbox.write("requirements.txt", "-c constraints.txt\ntester\n");
    sandbox.write("constraints.txt", "bounded<3\n");
    sandbox.allow();
    let bounded = "import bounded; bounded.main()";
    assert_eq!(python(&sandbox, bounded), "bounded 2.0\n");
    sandbox.devsh(&["lock"]).success();
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    assert!(
        lockfile.contains("constraints = [\"bounded<3\"]"),
        "{lockfile}"
    );
    sandbox.devsh(&["lock", "--check"]).success();
    // A lockfile alone does not leave them.
    let place = sandbox.project().join("devshell.lock");
    let digest = |version: &str| {
        let path = format!("/files/bounded-{version}-py3-none-any.whl");
        sha256(&server.content(&path))
    };
    let moved = lockfile.replace("\"bounded==2.0\"", "\"bounded==3.0\"");
    let moved = moved.replace(&digest("2.0"), &digest("3.0"));
    assert_ne!(moved, lockfile);
    fs::write(&place, moved).unwrap();
    sandbox
        .devsh(&["lock", "--check"])
        .code(1)
        .error(&["the locked Python packages do not meet `bounded<3`"]);
    assert_eq!(python(&sandbox, bounded), "bounded 2.0\n");
    assert_eq!(fs::read_to_string(&place).unwrap(), lockfile);
    // The bounds are part of what is asked for.
    sandbox.write("constraints.txt", "bounded==1.0\n");
    assert!(!sandbox.devsh(&["lock", "--check"]).status.success());
    sandbox.devsh(&["lock"]).success();
    assert_eq!(python(&sandbox, bounded), "bounded 1.0\n");
}

/// Runs devsh, and checks each Python that it or uv starts: it is isolated, except for the approved build of the project,
/// and it never opens a `.pth` file of an installed package.
fn assert_isolated_pythons(sandbox: &Sandbox, words: &[&str]) -> usize {
    let Some(strace) = strace() else {
        return 0;
    };
    let log = sandbox.root().join("tmp/strace");
    let output = sandbox
        .command(&strace)
        .args(["-f", "-qq", "-s", "4096", "-o"])
        .arg(&log)
        .args(["-e", "trace=execve,open,openat"])
        .arg(DEVSH)
        .args(words)
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    let calls = fs::read(&log).unwrap();
    let mut pythons = BTreeMap::new();
    for call in String::from_utf8_lossy(&calls).lines() {
        let Some((process, call)) = call.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        if call.starts_with("execve(") && call.ends_with("= 0") {
            let program = call.split('"').nth(1).unwrap_or_default();
            let name = program.rsplit('/').next().unwrap_or_default();
            if !name.starts_with("python") {
                pythons.remove(process);
                continue;
            }
            let is_isolated = call.contains("\"-I\", \"-S\", ");
            // uv asks an environment about itself before it installs anything there.
            let is_question = call.contains("\"-I\", ") && call.contains("get_interpreter_info");
            let is_build = program.contains("/uv/builds-v0/");
            assert!(is_isolated || is_question || is_build, "{words:?}: {call}");
            pythons.insert(process.to_owned(), call.to_owned());
        }
        if let Some(python) = pythons.get(process) {
            let opens_code = call.starts_with("open") && call.contains("canary.pth\"");
            assert!(!opens_code, "{words:?}: {python} opens {call}");
        }
    }
    pythons.len()
}

#[test]
fn builds_never_run_code_of_installed_packages() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let code = "import os; open(os.environ.get('HOME', '/tmp') + '/canary', 'a').write('ran')\n";
    let canary = &[
        ("canary.pth", code.as_bytes(), false),
        ("canary.py", b"x = 1\n".as_slice(), false),
        ("odd.py", b"this is not Python\n".as_slice(), false),
    ];
    serve_tool_files(&server, ("canary", "1.0"), canary);
    serve_pure(
        &server,
        &[pure("watched", "1.0", &["canary"], &["watched"])],
    );
    sandbox.write("pyproject.toml", PROJECT.replace("helper-lib>=1", "canary"));
    sandbox.write("backend.py", BACKEND);
    let sandbox = sandbox.manifest("[tools]\npython = \"3\"\n\"pypi:watched\" = \"1\"\n[python]\n");
    let mut pythons = 0;
    for words in [
        &["allow", "--yes"][..],
        &["sync"],
        &["watch", "--once"],
        &["status"],
    ] {
        pythons += assert_isolated_pythons(&sandbox, words);
    }
    assert!(pythons > 0 || strace().is_none());
    sandbox.devsh(&["verify"]).success();
    assert!(
        sandbox.home().join("ran").exists(),
        "the project was installed"
    );
    let ran = sandbox.home().join("canary");
    assert!(!ran.exists(), "a build started Python in an environment");
    // Python of the dev shell runs it, as in any environment, from bytecode.
    let cached = python(&sandbox, "import canary; print(canary.__cached__)");
    assert!(
        fs::metadata(
            cached
                .trim()
                .replacen('~', &sandbox.home().to_string_lossy(), 1)
        )
        .is_ok()
    );
    assert!(ran.exists());
    fs::remove_file(&ran).unwrap();
    sandbox.devsh(&["run", "--", "watched"]).success();
    assert!(ran.exists());
}

#[test]
fn a_lockfile_does_not_leave_the_requirements() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let versions = ["2.0", "1.0"].map(|version| pure("tester", version, &[], &["tester"]));
    serve_pure(&server, &versions);
    let manifest = "[tools]\npython = \"3\"\n[python]\npackages = [\"tester==2.0\"]\n";
    let sandbox = sandbox.manifest(manifest);
    sandbox.allow();
    let place = sandbox.project().join("devshell.lock");
    let text = fs::read_to_string(&place).unwrap();
    let digest = |version: &str| {
        let path = format!("/files/tester-{version}-py3-none-any.whl");
        sha256(&server.content(&path))
    };
    let moved = text
        .replace(
            "requirement = \"tester==2.0\"",
            "requirement = \"tester==1.0\"",
        )
        .replace(&digest("2.0"), &digest("1.0"));
    assert_ne!(moved, text);
    for changed in [
        moved,
        text.replace("requirement = \"tester==", "requirement = \"deep=="),
    ] {
        fs::write(&place, changed).unwrap();
        sandbox
            .devsh(&["lock", "--check"])
            .code(1)
            .error(&["the locked Python packages do not meet `tester==2.0`"]);
        let ran = sandbox.devsh(&["run", "--", "tester"]).success();
        assert_eq!(ran.stdout, "tester 2.0\n");
        assert_eq!(fs::read_to_string(&place).unwrap(), text);
    }
}

#[test]
fn a_script_of_a_package_that_hides_a_program_needs_approval() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let sandbox = sandbox.manifest("[tools]\npython = \"3\"\n[python]\npackages = [\"tester\"]\n");
    sandbox.allow();
    let run = |name: &str| sandbox.devsh(&["run", "--", name]);
    run("tester").success();
    // A name that hides nothing asks nothing.
    let scripts: [&[&str]; 2] = [&["tester", "fresh"], &["tester", "fresh", "ls"]];
    let packages = [("2.0", scripts[0]), ("3.0", scripts[1])];
    for (version, scripts) in packages {
        serve_pure(&server, &[pure("tester", version, &[], scripts)]);
        sandbox.devsh(&["lock", "--upgrade"]).success();
        let outcome = run("fresh");
        if version == "2.0" {
            assert_eq!(outcome.success().stdout, "tester 2.0\n");
        } else {
            let error = "has programs that you have not approved: `ls` of `Python packages`";
            outcome.code(3).error(&[error]);
        }
    }
    let shown = sandbox.devsh(&["allow"]).success().stderr;
    assert!(
        shown.contains("program of Python packages  ls, before /"),
        "{shown}"
    );
    assert_eq!(run("ls").success().stdout, "tester 3.0\n");
}

#[test]
fn a_script_that_hides_a_program_of_another_path_needs_approval() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let sandbox = sandbox.manifest("[tools]\npython = \"3\"\n[python]\npackages = [\"tester\"]\n");
    sandbox.allow();
    serve_pure(&server, &[pure("tester", "2.0", &[], &["tester", "fresh"])]);
    sandbox.devsh(&["lock", "--upgrade"]).success();
    let run = |path: &OsStr, arguments: &[&str]| {
        let mut command = sandbox.command(DEVSH);
        sandbox.outcome(command.args(arguments).env("PATH", path))
    };
    let short = &sandbox.environment()[OsStr::new("PATH")];
    let fresh = ["run", "--", "fresh"];
    assert_eq!(run(short, &fresh).success().stdout, "tester 2.0\n");
    // Another terminal has more on its `PATH`.
    let own = sandbox.program("more/fresh", "#!/bin/sh\necho own\n");
    let mut long = own.parent().unwrap().as_os_str().to_owned();
    long.push(":");
    long.push(short);
    let error = "has programs that you have not approved: `fresh` of `Python packages`";
    run(&long, &fresh).code(3).error(&[error]);
    let prompt = run(&long, &PROMPT).success();
    assert!(prompt.stderr.contains(error), "{prompt:?}");
    // The first terminal goes on.
    assert_eq!(run(short, &fresh).success().stdout, "tester 2.0\n");
    run(&long, &["allow"]).success();
    assert_eq!(run(&long, &fresh).success().stdout, "tester 2.0\n");
}

/// Writes a project that is installed with these scripts, and a backend that takes them from `pyproject.toml`.
fn write_scripts(sandbox: &Sandbox, scripts: &[&str]) {
    let lines: Vec<String> = scripts
        .iter()
        .map(|name| format!("{name} = \"demo:main\"\n"))
        .collect();
    let project = "[project]\nname = \"demo\"\nversion = \"1.0\"\n[build-system]\nrequires = []\n\
                   build-backend = \"backend\"\nbackend-path = [\".\"]\n[project.scripts]\n";
    sandbox.write("pyproject.toml", format!("{project}{}", lines.concat()));
    let backend = BACKEND.replace(
        "names = [",
        "scripts = open(\"pyproject.toml\").read().partition(\"[project.scripts]\")[2].replace('\"', '')\n        \
         wheel.writestr(information + \"entry_points.txt\", \"[console_scripts]\" + scripts)\n        \
         names = [information + \"entry_points.txt\", ",
    );
    sandbox.write("backend.py", backend);
    sandbox.write("src/demo.py", "def main():\n    print('demo')\n");
    sandbox.write(
        "uv.lock",
        "version = 1\nrequires-python = \">=3.9\"\n[[package]]\nname = \"demo\"\nversion = \"1.0\"\n\
         source = { editable = \".\" }\n",
    );
}

#[test]
fn a_script_of_the_project_that_hides_a_program_needs_approval() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    // Its own script hides nothing and asks nothing.
    write_scripts(&sandbox, &["shop"]);
    let shown = sandbox.devsh(&["allow"]).success().stderr;
    assert!(!shown.contains("program of"), "{shown}");
    let run = |name: &str| sandbox.devsh(&["run", "--", name]);
    assert_eq!(run("shop").success().stdout, "demo\n");
    write_scripts(&sandbox, &["shop", "ls"]);
    let error = "has programs that you have not approved: `ls` of `local packages`";
    run("shop").code(3).error(&[error]);
    let shown = sandbox.devsh(&["allow"]).success().stderr;
    assert!(
        shown.contains("program of local packages  ls, before /"),
        "{shown}"
    );
    assert_eq!(run("ls").success().stdout, "demo\n");
    // The first approval names what the files declare, in the only question.
    let Some(other) = repository(&server) else {
        return;
    };
    write_scripts(&other, &["shop", "ls"]);
    let shown = other.devsh(&["allow", "--show"]).success().stderr;
    assert!(
        shown.contains("program of local packages  ls, before /"),
        "{shown}"
    );
    let mut pty = other.shell(HostShell::Bash);
    pty.enter();
    pty.begin_until("devsh allow", "Allow? [Y/n]");
    pty.press("y\r");
    let allowed = pty.finish();
    assert!(!allowed.contains("Allow?"), "{allowed}");
    assert_eq!(pty.run("ls"), "demo\n");
    // A program that is new later is a question of its own.
    write_scripts(&other, &["shop", "ls", "cat"]);
    pty.begin_until("devsh allow", "Allow? [Y/n]");
    pty.press("n\r");
    let refused = pty.finish();
    for text in [
        "error: these programs of `~/project` were not allowed",
        "note: the project itself is allowed, but no dev shell with them is loaded",
        "hint: `devsh allow` asks again",
    ] {
        assert!(refused.contains(text), "{text} in {refused}");
    }
    let status = pty.run("devsh status");
    assert!(
        status.contains("not allowed  `cat` of `local packages`"),
        "{status}"
    );
    drop(pty);
    let shown = other.devsh(&["allow"]).success().stderr;
    for text in [
        "programs of packages would come before your own of the same name:",
        "program of local packages  cat, before /",
    ] {
        assert!(shown.contains(text), "{text} in {shown}");
    }
    let outcome = other.devsh(&["run", "--", "ls"]);
    assert_eq!(outcome.success().stdout, "demo\n");
}

#[test]
fn a_build_of_the_project_runs_no_bytecode_of_the_project() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    write_scripts(&sandbox, &["shop"]);
    sandbox.allow();
    python(
        &sandbox,
        "import importlib.util, py_compile\n\
         open('evil.py', 'w').write(\"open('evil', 'w')\\n\" + open('backend.py').read())\n\
         mode = py_compile.PycInvalidationMode.UNCHECKED_HASH\n\
         place = importlib.util.cache_from_source('backend.py')\n\
         py_compile.compile('evil.py', cfile=place, invalidation_mode=mode)",
    );
    let bytecode = sandbox.project().join("__pycache__");
    let before = fs::read_dir(&bytecode).unwrap().count();
    let ran = sandbox.home().join("ran");
    fs::remove_file(&ran).expect("the project was built");
    write_scripts(&sandbox, &["shop", "other"]);
    sandbox.devsh(&["run", "--", "other"]).success();
    assert!(ran.exists(), "the project was not built again");
    assert!(!sandbox.project().join("evil").exists(), "bytecode ran");
    assert_eq!(fs::read_dir(&bytecode).unwrap().count(), before);
}

#[test]
fn a_lock_runs_no_uv_of_another_server() {
    let (server, other) = (Server::start(), Server::start());
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let manifest = "[tools]\npython = \"3\"\n[python]\npackages = [\"tester\"]\n";
    let sandbox = sandbox.manifest(manifest);
    sandbox.allow();
    let place = sandbox.project().join("devshell.lock");
    let lockfile = fs::read_to_string(&place).unwrap();
    let entries = lockfile.split("\n[[tool]]\n").map(|entry| {
        if entry.starts_with("name = \"uv\"") {
            entry.replace(server.address(), other.address())
        } else {
            entry.to_owned()
        }
    });
    let changed = entries.collect::<Vec<_>>().join("\n[[tool]]\n");
    assert_ne!(changed, lockfile);
    fs::write(&place, changed).unwrap();
    sandbox.write(
        "devshell.toml",
        manifest.replace("\"tester\"", "\"tester\", \"deep\""),
    );
    sandbox
        .devsh(&["lock", "--trust"])
        .error(&["which is not a source that you trust"]);
    assert_eq!(other.requests(), [""; 0]);
}

#[test]
fn a_directory_is_the_one_that_was_approved() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    for directory in ["lib[x]", "lib${HOME}", "lib a", "lib%20a"] {
        sandbox.write(
            "pyproject.toml",
            "[project]\nname = \"app\"\nversion = \"1\"\nrequires-python = \">=3.9\"\ndependencies = [\"demo\"]\n",
        );
        sandbox.write(
            "uv.lock",
            format!(
                "version = 1\nrequires-python = \">=3.9\"\n\
                 [[package]]\nname = \"app\"\nversion = \"1\"\nsource = {{ virtual = \".\" }}\n\
                 dependencies = [{{ name = \"demo\" }}]\n\
                 [[package]]\nname = \"demo\"\nversion = \"1.0\"\nsource = {{ editable = '{directory}' }}\n"
            ),
        );
        for (place, mark) in [(directory, "the directory"), ("lib", "another one")] {
            sandbox.write(
                format!("{place}/pyproject.toml"),
                "[project]\nname = \"demo\"\nversion = \"1.0\"\n[build-system]\nrequires = []\n\
                 build-backend = \"backend\"\nbackend-path = [\".\"]\n",
            );
            sandbox.write(format!("{place}/backend.py"), BACKEND);
            sandbox.write(
                format!("{place}/src/demo.py"),
                format!("print(\"{mark}\")\n"),
            );
        }
        sandbox.allow();
        assert_eq!(
            python(&sandbox, "import demo"),
            "the directory\n",
            "{directory}"
        );
    }
}

#[test]
fn settings_of_uv_outside_of_the_approval_change_nothing() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let elsewhere = "index-url = \"http://127.0.0.1:9/other/\"\n[pip]\nresolution = \"lowest\"\n";
    // Above the project, above devsh's own directories, and the user's.
    for place in [
        sandbox.root().join("uv.toml"),
        sandbox.home().join("uv.toml"),
        sandbox.home().join(".config/uv/uv.toml"),
    ] {
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, elsewhere).unwrap();
    }
    let sandbox = sandbox
        .env("UV_VENV_SEED", "1")
        .env("UV_RESOLUTION", "lowest")
        .env("UV_EXTRA_INDEX_URL", "http://127.0.0.1:9/extra/")
        .env("UV_CONFIG_FILE", "/nowhere/uv.toml")
        .env("PIP_INDEX_URL", "http://127.0.0.1:9/pip/");
    let versions = ["1.0", "2.0"].map(|version| pure("bounded", version, &[], &[]));
    serve_pure(&server, &versions);
    sandbox.write(
        "pyproject.toml",
        PROJECT.replace("helper-lib>=1", "bounded"),
    );
    sandbox.write("backend.py", BACKEND);
    sandbox.allow();
    let code = "import bounded; bounded.main()";
    assert_eq!(python(&sandbox, code), "bounded 2.0\n");
    let stores = fs::read_dir(sandbox.data().join("store")).unwrap();
    let object = stores
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("python-packages"))
        .unwrap();
    assert!(!Tree::of(&object).paths().any(|path| path.contains("/pip/")));
}

/// Serves a source archive whose build makes `ran`, and whose wheel makes `canary`, in the home directory; returns its
/// digest.
fn serve_evil(server: &Server) -> String {
    let about = "[project]\nname = \"evil\"\nversion = \"1.0\"\ndynamic = [\"dependencies\"]\n\
        [build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";
    let backend = BACKEND
        .replace("demo", "evil")
        .replace(
            "build_wheel = ",
            "def get_requires_for_build_wheel(settings=None):\n    return []\n\n\nbuild_wheel = ",
        )
        // Its build would again run code of a package.
        .replace(
            "os.path.join(os.getcwd(), \"src\") + \"\\n\"",
            "\"import os; open(os.environ.get('HOME', '/tmp') + '/canary', 'a').write('ran')\\n\"",
        );
    assert!(backend.contains("/canary"));
    let sdist = gzip(&tar(
        &[
            ("evil-1.0/pyproject.toml", about.as_bytes(), false),
            ("evil-1.0/backend.py", backend.as_bytes(), false),
            (
                "evil-1.0/PKG-INFO",
                b"Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n",
                false,
            ),
        ],
        &[],
    ));
    let digest = sha256(&sdist);
    let page = serde_json::json!({
        "name": "evil",
        "meta": { "api-version": "1.1" },
        "versions": ["1.0"],
        "files": [{
            "filename": "evil-1.0.tar.gz",
            "url": format!("{}/files/evil-1.0.tar.gz", server.address()),
            "hashes": { "sha256": digest },
            "size": sdist.len(),
            "upload-time": "2026-01-01T00:00:00.000000Z",
        }],
    });
    server.serve("/simple/evil/", page.to_string());
    server.serve("/files/evil-1.0.tar.gz", sdist);
    digest
}

#[test]
fn a_source_archive_is_built_only_if_the_manifest_names_it() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let digest = serve_evil(&server);
    let manifest = "[tools]\npython = \"3\"\nuv = \"*\"\n[python]\nlock = \"requirements.txt\"\n";
    let sandbox = sandbox.manifest(manifest);
    sandbox.write("requirements.txt", "helper-lib\n");
    sandbox.allow();
    let ran = sandbox.home().join("ran");
    let refused = |command: &[&str], message: &str| {
        sandbox.devsh(command).error(&[message, "`build = [\""]);
        assert!(!ran.exists(), "{command:?} built a package");
    };
    sandbox.write("requirements.txt", "helper-lib\nevil\n");
    for command in [&["lock"][..], &["run", "--", "true"], &["sync"]] {
        refused(command, "`evil` has no wheel (requirements.txt:2)");
    }
    let locked = format!("evil==1.0 --hash=sha256:{digest}\n");
    sandbox.write("requirements.txt", &locked);
    refused(&["sync"], "evil");
    // An option of the list is data too.
    for option in ["--no-binary evil", "--no-binary :all:"] {
        sandbox.write("requirements.txt", format!("{option}\n{locked}"));
        refused(&["sync"], "`evil` must be built from source");
    }
    for list in [&*locked, "helper-lib\nevil\n"] {
        sandbox.write("requirements.txt", list);
        sandbox.write("devshell.toml", format!("{manifest}build = [\"evil\"]\n"));
        let allowed = sandbox.devsh(&["allow"]).success().stderr;
        assert!(allowed.contains("python build evil"), "{allowed}");
        fs::remove_file(&ran).expect("it was built");
        // Only Python of the dev shell runs it.
        for words in [&["sync"][..], &["watch", "--once"], &["verify"]] {
            sandbox.devsh(words).success();
        }
        let canary = sandbox.home().join("canary");
        assert!(!canary.exists(), "{list}");
        python(&sandbox, "");
        fs::remove_file(&canary).expect("it was installed");
        sandbox.write("devshell.toml", manifest);
        sandbox.allow();
    }
}

#[test]
fn only_wheels_of_admitted_versions_for_python_3_count() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_outdated_wheels(&server, "outdated");
    for list in ["outdated>=1.1\n", "outdated==1.1\n"] {
        sandbox.write("requirements.txt", "helper-lib\n");
        sandbox.allow();
        sandbox.write("requirements.txt", list);
        let hint = "`devsh allow` asks whether `outdated` may run its own build";
        sandbox.devsh(&["lock"]).error(&[hint]);
    }
}

#[test]
fn a_changed_list_keeps_the_locked_packages_and_names_the_change() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let manifest = "[tools]\npython = \"3\"\nuv = \"*\"\n[python]\nlock = \"requirements.txt\"\n";
    let sandbox = sandbox.manifest(manifest);
    sandbox.write("requirements.txt", "tester\nhelper-lib\n");
    sandbox.allow();
    let lockfile = || fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    let before = lockfile();
    sandbox.write("requirements.txt", "tester\nblack>=26\n");
    // It builds as a prompt does, which writes no file of the project.
    sandbox.devsh(&["watch", "--once"]);
    assert_eq!(lockfile(), before);
    let mut pty = sandbox.shell(HostShell::Bash);
    let entered = pty.enter();
    let change = "missing: changes of `requirements.txt`: + `black>=26`, - `helper-lib` since \
                  `devshell.lock`; run `devsh lock`";
    assert!(entered.contains(change), "{entered}");
    assert!(pty.run("tester x").contains("tester 1.0 x"));
    drop(pty);
    let status = sandbox.devsh(&["status"]).success();
    for text in ["3 of requirements.txt", "run `devsh lock`"] {
        assert!(status.stdout.contains(text), "{text} in {status}");
    }
    assert!(!status.stdout.contains("next try"), "{status}");
    let check = sandbox.devsh(&["lock", "--check"]).code(1);
    let change = "`requirements.txt` has changed: + `black>=26`, - `helper-lib`\n";
    assert!(check.stderr.contains(change), "{check}");
    sandbox.devsh(&["lock"]).success();
    sandbox
        .devsh(&["run", "--", "black", "--version"])
        .success();
    let status = sandbox.devsh(&["status"]).success();
    assert!(!status.stdout.contains("missing"), "{status}");
}

#[test]
fn an_earlier_list_brings_no_package_from_another_place() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let manifest = "[tools]\npython = \"3\"\nuv = \"*\"\n[python]\nlock = \"requirements.txt\"\n";
    let sandbox = sandbox.manifest(manifest);
    sandbox.write("requirements.txt", "tester\n");
    sandbox.allow();
    let path = sandbox.project().join("devshell.lock");
    let text = fs::read_to_string(&path).unwrap();
    // Someone who changes only the two files names an address in both.
    let wheel = &server.paths("helper_lib-1.0")[0];
    let address = format!("helper-lib @ {}{wheel}", server.address());
    let text = text.replace(
        "requirements = [\"tester\"]",
        &format!("requirements = [\"{address}\"]"),
    );
    let text = text.replace("\"tester==1.0\"", &format!("\"{address}\""));
    assert!(text.contains("helper-lib @"), "{text}");
    fs::write(&path, text).unwrap();
    sandbox.write("requirements.txt", "tester\nblack\n");
    server.requests();
    sandbox.devsh(&["watch", "--once"]);
    let requests = server.requests();
    let is_asked = requests.iter().any(|request| request.ends_with(wheel));
    assert!(!is_asked, "{requests:?}");
}

#[test]
fn an_earlier_list_brings_no_version_that_the_list_excludes() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let versions = ["2.0", "1.0"].map(|version| pure("tester", version, &[], &["tester"]));
    serve_pure(&server, &versions);
    let manifest = "[tools]\npython = \"3\"\nuv = \"*\"\n[python]\nlock = \"requirements.txt\"\n";
    let sandbox = sandbox.manifest(manifest);
    sandbox.write("requirements.txt", "tester==1.0\nhelper-lib\n");
    sandbox.allow();
    sandbox.write("requirements.txt", "tester>=2\nhelper-lib\n");
    sandbox.devsh(&["watch", "--once"]);
    let mut pty = sandbox.shell(HostShell::Bash);
    let entered = pty.enter();
    assert!(entered.contains("- `tester==1.0`"), "{entered}");
    pty.run("python -c 'import helper_lib'");
    let shown = pty.run("tester x || echo none");
    assert!(shown.contains("none"), "{shown}");
    drop(pty);
    let ran = sandbox.devsh(&["run", "--", "tester", "x"]).success();
    assert_eq!(ran.stdout, "tester 2.0 x\n");
}

#[test]
fn a_package_without_a_wheel_is_built_after_a_question() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_evil(&server);
    sandbox.write("requirements.txt", "helper-lib\n");
    sandbox.allow();
    sandbox.write("requirements.txt", "helper-lib\nevil\n");
    let ran = sandbox.home().join("ran");
    let hint = "`devsh allow` asks whether `evil` may run its own build";
    for words in [&["lock"][..], &["sync"], &["run", "--", "true"]] {
        sandbox.devsh(words).error(&[hint]);
    }
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.enter();
    let asked = pty.answer_question("devsh allow", "Allow? [Y/n]", "n");
    assert!(asked.contains("python build evil"), "{asked}");
    assert!(!ran.exists(), "nothing was built without a yes");
    assert!(
        pty.run("ruff --version").contains("0.12.4"),
        "the tools are loaded"
    );
    pty.answer_question("devsh allow", "Allow? [Y/n]", "y");
    fs::remove_file(&ran).expect("it was built");
    pty.run("true");
    pty.run("python -c 'import helper_lib'");
    drop(pty);
    // The lockfile names the package, but gives no permission.
    sandbox.devsh(&["lock"]).success();
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    assert!(lockfile.contains("builds = [\"evil\"]\n"), "{lockfile}");
    let Some(other) = repository(&server) else {
        return;
    };
    other.write("requirements.txt", "helper-lib\n");
    other.allow();
    for name in ["requirements.txt", "devshell.lock"] {
        let text = fs::read_to_string(sandbox.project().join(name)).unwrap();
        other.write(name, text);
    }
    let ran = other.home().join("ran");
    other.devsh(&["sync"]).code(1);
    other.devsh(&["watch", "--once"]).code(1);
    assert!(!ran.exists(), "a lockfile is no permission");
    let asked = other.devsh(&["allow", "--yes"]).success().stderr;
    assert!(asked.contains("python build evil"), "{asked}");
    assert!(ran.exists(), "it was built");
}

#[test]
fn a_prompt_uses_packages_that_were_built_before() {
    for_each_shell(|shell| {
        let server = Server::start();
        let Some(sandbox) = repository(&server) else {
            return;
        };
        let evil = format!("evil==1.0 --hash=sha256:{}\n", serve_evil(&server));
        let wheel = |file: &str, pin: &str| {
            let digest = sha256(&server.content(&server.paths(file)[0]));
            format!("{pin} --hash=sha256:{digest}\n")
        };
        let deep = wheel("deep-2.0", "deep==2.0");
        sandbox.write("requirements.txt", format!("{evil}{deep}"));
        sandbox.devsh(&["allow", "--yes"]).success();
        let ran = sandbox.home().join("ran");
        fs::remove_file(&ran).expect("it was built");
        let mut pty = sandbox.shell(shell);
        pty.enter();
        let tester = wheel("tester-1.0", "tester==1.0");
        sandbox.write("requirements.txt", format!("{evil}{deep}{tester}"));
        pty.type_line("true");
        until(&sandbox, |status| {
            status["building"].is_null() && status["ready"] == true
        });
        pty.type_line("true");
        assert_eq!(pty.run("tester x").trim(), "tester 1.0 x");
        let code = "from importlib.metadata import version; print(version(\"evil\"))";
        assert_eq!(pty.run(&format!("python -c '{code}'")).trim(), "1.0");
        let status = sandbox.devsh(&["status", "--json"]).success().stdout;
        assert!(status.contains("\"missing_parts\": []"), "{status}");
        assert!(!ran.exists(), "no prompt builds a package");
    });
}

#[test]
fn an_old_build_backend_of_poetry_names_the_new_one() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let project = PROJECT.replace("\"backend\"", "\"poetry.masonry.api\"");
    sandbox.write("pyproject.toml", project);
    sandbox.write("poetry/masonry/api.py", "");
    let hint = "replace both lines of `[build-system]`: `requires = [\"poetry-core\"]`, \
                `build-backend = \"poetry.core.masonry.api\"`";
    let allowed = sandbox.devsh(&["allow", "--yes"]).code(1);
    assert!(
        allowed.stderr.contains(&format!("hint: {hint}\n")),
        "{allowed}"
    );
    let status = sandbox.devsh(&["status"]).success().stdout;
    let words = status.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(hint), "{status}");
    assert!(
        !status.contains("next try"),
        "no prompt builds the project: {status}"
    );
}

#[test]
fn programs_of_the_first_packages_ask_no_question_of_their_own() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_evil(&server);
    serve_pure(&server, &[pure("second", "1.0", &[], &["second"])]);
    for name in ["tester", "second"] {
        sandbox.program(name, "#!/bin/sh\n");
    }
    sandbox.write(
        "pyproject.toml",
        "[project]\nname = \"demo\"\nversion = \"1\"\ndependencies = [\"evil\", \"tester\"]\n\
         [dependency-groups]\ntest = [\"second\"]\n",
    );
    // The first build has no packages, because one of them has no wheel.
    let allowed = sandbox.devsh(&["allow", "--yes"]).success().stderr;
    assert!(allowed.contains("python build evil"), "{allowed}");
    assert!(!allowed.contains("program of"), "{allowed}");
    assert_tester_runs(&sandbox, &[]);
    let run = ["run", "--shell", "test", "--", "second"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "second 1.0\n");
    // A later version does not bring a program that no one has approved.
    serve_pure(&server, &[pure("second", "2.0", &[], &["second", "ls"])]);
    sandbox.devsh(&["lock", "--upgrade"]).success();
    sandbox.devsh(&run).code(3).error(&[
        "has programs that you have not approved: `ls` of `Python packages`",
        "note: programs on your own PATH have these names",
    ]);
}

const JUST: [&str; 4] = ["run", "--", "just", "--version"];

/// Allows a project with these requirements and the tool `just`, and takes the tool away. The package `stand-in` has a
/// script of the same name.
fn with_tool_that_goes(server: &Server, sandbox: &Sandbox, requirements: &str) {
    serve_program(server, "rust-just", "just", &["1.40.0"]);
    serve_pure(server, &[pure("stand-in", "1.0", &[], &["just"])]);
    sandbox.write("requirements.txt", requirements);
    sandbox.write(".tool-versions", "just 1.40.0\n");
    sandbox.allow();
    assert_eq!(sandbox.devsh(&JUST).success().stdout, "just 1.40.0\n");
    fs::remove_file(sandbox.project().join(".tool-versions")).unwrap();
}

#[test]
fn a_script_in_place_of_a_tool_that_is_gone_needs_approval() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    with_tool_that_goes(&server, &sandbox, "tester\n");
    sandbox.write("requirements.txt", "tester\nstand-in\n");
    sandbox.devsh(&JUST).code(3).error(&[
        "has programs that you have not approved: `just` of `Python packages`",
        "or tools that you approved and that are gone",
    ]);
    // A change by devsh itself does not approve the script.
    sandbox.devsh(&["add", "ruff@0.12"]);
    sandbox.devsh(&JUST).code(3);
    let allowed = sandbox.devsh(&["allow", "--yes"]).success().stderr;
    assert!(
        allowed.contains("program of Python packages  just"),
        "{allowed}"
    );
    let stand_in = "stand-in 1.0 --version\n";
    assert_eq!(sandbox.devsh(&JUST).success().stdout, stand_in);
}

#[test]
fn a_script_that_a_tool_hid_needs_approval_when_the_tool_goes() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    with_tool_that_goes(&server, &sandbox, "stand-in\n");
    let error = "has programs that you have not approved: `just` of `Python packages`";
    sandbox.devsh(&JUST).code(3).error(&[error]);
}

#[test]
fn a_package_of_a_package_without_a_wheel_is_built_after_a_question() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_evil(&server);
    serve_pure(
        &server,
        &[
            pure("middle", "1.0", &["inner"], &[]),
            pure("inner", "1.0", &["evil"], &[]),
        ],
    );
    sandbox.write("requirements.txt", "helper-lib\n");
    sandbox.allow();
    sandbox.write("requirements.txt", "helper-lib\nmiddle\n");
    let ran = sandbox.home().join("ran");
    let hint = "`devsh allow` asks whether `evil` may run its own build";
    sandbox.devsh(&["lock"]).code(1).error(&[hint]);
    assert!(!ran.exists(), "nothing was built before the approval");
    let allowed = sandbox.devsh(&["allow", "--yes"]).success();
    assert!(allowed.stderr.contains("python build evil"), "{allowed}");
    assert!(ran.exists(), "it was built");
    let versions =
        "from importlib.metadata import version; print(version('middle'), version('evil'))";
    assert_eq!(python(&sandbox, versions), "1.0 1.0\n");
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock"));
    assert!(
        lockfile.is_err(),
        "a project without a manifest keeps its own files"
    );
    sandbox.devsh(&["lock", "--upgrade"]).success();
    sandbox.devsh(&["lock", "--check"]).success();
}

#[test]
fn the_first_lockfile_of_a_followed_project_asks_nothing() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let Some(uv) = require("uv") else { return };
    let sandbox = sandbox.manifest("presets = [\"python\"]\n");
    sandbox.write(
        "pyproject.toml",
        "[project]\nname = \"demo\"\nversion = \"1.0\"\nrequires-python = \">=3.9\"\n\
         dependencies = [\"helper-lib\"]\n",
    );
    sandbox.allow();
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.enter();
    let locked = sandbox.command(uv).args(["lock", "--quiet"]).status();
    assert!(locked.unwrap().success());
    // Packages of the public index ask nothing; those of another one do.
    let lock = fs::read_to_string(sandbox.project().join("uv.lock")).unwrap();
    let address = server.address();
    let lock = lock
        .replace(&format!("{address}/simple"), "https://pypi.org/simple")
        .replace(address, "https://files.pythonhosted.org/packages");
    sandbox.write("uv.lock", lock);
    let seen = pty.type_line("true");
    let is_unloaded = seen.contains("left") || seen.contains("has changed");
    assert!(!is_unloaded, "{seen}");
    let shown = sandbox.devsh(&["allow", "--show"]).success();
    assert_eq!(shown.stderr, "");
}

/// Serves version 9 of `private-lib` to everyone, and version 1 from another server.
fn confusing(public: &Server) -> Server {
    let private = Server::start();
    serve_pure(public, &[pure("private-lib", "9.0", &[], &[])]);
    serve_pure(&private, &[pure("private-lib", "1.0", &[], &[])]);
    private
}

const PRIVATE: &str = "import private_lib; private_lib.main()";

#[test]
fn packages_come_from_the_index_that_the_project_declares() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let private = confusing(&server);
    let url = format!("{}/simple", private.address());
    let project = |settings: &str| {
        format!(
            "[project]\nname = \"demo\"\nversion = \"1\"\ndependencies = [\"private-lib\"]\n{settings}\n"
        )
    };
    for (name, text) in [
        (
            "requirements.txt",
            format!("--index-url {url}\nprivate-lib\n"),
        ),
        (
            "requirements.txt",
            format!("--extra-index-url \"{url}\"\nprivate-lib\n"),
        ),
        (
            "pyproject.toml",
            project(&format!(
                "[[tool.uv.index]]\nname = \"own\"\nurl = \"{url}\""
            )),
        ),
    ] {
        sandbox.write(name, &text);
        sandbox.allow();
        assert_eq!(python(&sandbox, PRIVATE), "private-lib 1.0\n", "{text}");
        // A changed lockfile cannot take the package of the same name from the public index.
        sandbox.devsh(&["lock"]).success();
        let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
        let forged = forge(&lockfile, &server, &private);
        sandbox.write("devshell.lock", forged);
        let outcome = sandbox.devsh(&["run", "--", "python", "-c", PRIVATE]);
        assert!(!outcome.stdout.contains("9.0"), "{outcome}");
        fs::remove_file(sandbox.project().join("devshell.lock")).unwrap();
        fs::remove_file(sandbox.project().join(name)).unwrap();
    }
}

/// Replaces the version and digest of the private `private-lib` by those that everyone gets.
fn forge(text: &str, public: &Server, private: &Server) -> String {
    let [own, other] = [("1.0", private), ("9.0", public)].map(|(version, server)| {
        sha256(&server.content(&format!("/files/private_lib-{version}-py3-none-any.whl")))
    });
    let forged = text.replace("1.0", "9.0").replace(&own, &other);
    assert_ne!(forged, text);
    forged
}

#[test]
fn packages_come_from_the_index_that_the_lockfile_names() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_tool(&server, "pipenv", &["2026.0.0"]);
    serve_tool(&server, "poetry", &["2.2.1"]);
    let private = confusing(&server);
    serve_pure(&private, &[pure("other-lib", "2.0", &[], &[])]);
    let url = format!("{}/simple", private.address());
    let digest = |server: &Server, file: &str| {
        sha256(&server.content(&format!("/files/{file}-py3-none-any.whl")))
    };
    let own = digest(&private, "private_lib-1.0");
    let other = digest(&private, "other_lib-2.0");
    let poetry = format!(
        "[[package]]\nname = \"private-lib\"\nversion = \"1.0\"\noptional = false\npython-versions = \"*\"\n\
         files = [{{ file = \"x\", hash = \"sha256:{own}\" }}]\n\
         [package.source]\ntype = \"legacy\"\nurl = \"{url}\"\nreference = \"own\"\n"
    );
    let pipenv = |index: &str| {
        format!(
            "{{ \"_meta\": {{ \"sources\": [\n\
             {{ \"name\": \"own\", \"url\": \"{url}\" }},\n\
             {{ \"name\": \"pypi\", \"url\": \"https://pypi.org/simple\" }} ] }},\n\"default\": {{\n\
             \"other-lib\": {{ \"version\": \"==2.0\", \"index\": \"own\", \"hashes\": [ \"sha256:{other}\" ] }},\n\
             \"private-lib\": {{ \"version\": \"==1.0\", {index}\"hashes\": [ \"sha256:{own}\" ] }} }} }}"
        )
    };
    for (name, text) in [
        ("poetry.lock", poetry),
        ("Pipfile.lock", pipenv("\"index\": \"own\", ")),
        ("Pipfile.lock", pipenv("")),
    ] {
        let (project, table) = match name {
            "poetry.lock" => (
                "pyproject.toml",
                "[tool.poetry.dependencies]\nprivate-lib = \"*\"\n",
            ),
            _ => (
                "Pipfile",
                "[packages]\nprivate-lib = \"*\"\nother-lib = \"*\"\n",
            ),
        };
        sandbox.write(project, table);
        sandbox.write(name, &text);
        sandbox.allow();
        assert_eq!(python(&sandbox, PRIVATE), "private-lib 1.0\n", "{text}");
        // The digest is that of a file that only the public index has. A lockfile moves versions without a question.
        sandbox.write(name, forge(&text, &server, &private));
        let outcome = sandbox.devsh(&["run", "--", "python", "-c", PRIVATE]);
        assert!(!outcome.stdout.contains("9.0"), "{outcome}");
        assert!(!outcome.stderr.contains("has changed"), "{outcome}");
        fs::remove_file(sandbox.project().join(name)).unwrap();
        fs::remove_file(sandbox.project().join(project)).unwrap();
    }
}

#[test]
fn bounds_of_uv_count_without_a_lockfile() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let versions = ["4.0", "5.0", "9.0"].map(|version| pure("bounded", version, &[], &[]));
    serve_pure(&server, &versions);
    serve_pure(&server, &[pure("strict", "1.0", &["bounded>=9"], &[])]);
    let project = |dependency: &str, setting: &str| {
        format!(
            "[project]\nname = \"demo\"\nversion = \"1\"\ndependencies = [\"{dependency}\"]\n[tool.uv]\n{setting}\n"
        )
    };
    let code = "import bounded; bounded.main()";
    for (dependency, setting, expected) in [
        (
            "bounded",
            "constraint-dependencies = [\"bounded<5\"]",
            "bounded 4.0\n",
        ),
        (
            "strict",
            "override-dependencies = [\"bounded==5.0\"]",
            "bounded 5.0\n",
        ),
    ] {
        sandbox.write("pyproject.toml", project(dependency, setting));
        sandbox.allow();
        assert_eq!(python(&sandbox, code), expected, "{setting}");
    }
}

#[test]
fn places_in_a_list_are_installed_with_what_they_need() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_pure(
        &server,
        &[
            pure("direct", "1.0", &[], &[]),
            pure("local", "1.0", &["deep"], &[]),
        ],
    );
    let wheel = server.content("/files/local-1.0-py3-none-any.whl");
    fs::create_dir_all(sandbox.project().join("my wheels")).unwrap();
    let place = "my wheels/local-1.0-py3-none-any.whl";
    fs::write(sandbox.project().join(place), wheel).unwrap();
    let project = PROJECT.replace(
        "[dependency-groups]\ndev",
        "[project.optional-dependencies]\ndev",
    );
    sandbox.write("pyproject.toml", &project);
    sandbox.write("backend.py", BACKEND);
    sandbox.write("src/demo.py", "");
    let direct = format!("{}/files/direct-1.0-py3-none-any.whl", server.address());
    sandbox.write(
        "requirements.txt",
        format!("-e .[dev]\ndirect @ {direct}\n./{place}\n"),
    );
    sandbox.allow();
    let code = "import demo, helper_lib, tester, direct, local, deep; print(1)";
    assert_eq!(python(&sandbox, code), "1\n");
    sandbox.devsh(&["lock"]).success();
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    let line = "local @ file://${PROJECT_ROOT}/my%20wheels/local-1.0-py3-none-any.whl";
    assert!(lockfile.contains(line), "{lockfile}");
    sandbox.devsh(&["lock", "--check"]).success();
    // A lockfile alone cannot add an address, or name a variable.
    let other = Server::start();
    let sandbox = sandbox.env("TOKEN", "secret");
    for place in [
        "${TOKEN}/deep.whl",
        "deep.whl#==2.0",
        "deep.whl#${TOKEN}==2.0",
    ] {
        for separator in [" @ ", "@", " @", "@ "] {
            let forged = lockfile.replace(
                "requirement = \"deep==2.0\"",
                &format!(
                    "requirement = \"deep{separator}{}/{place}\"",
                    other.address()
                ),
            );
            assert_ne!(forged, lockfile);
            sandbox.write("devshell.lock", forged);
            let outcome = sandbox.devsh(&["sync"]);
            outcome.error(&["a package from an address that `requirements` has"]);
        }
    }
    assert_eq!(other.requests(), [""; 0]);
    // Or take a package of an index in place of one with an address, or leave out what is needed.
    let own = format!("requirement = \"direct @ {direct}\"");
    let line = lockfile.lines().find(|line| line.contains(&own)).unwrap();
    let left_out = format!("left-out = [\"direct @ {direct}\"]\npackages = [");
    for forged in [
        lockfile.replace(&own, "requirement = \"direct==1.0\""),
        lockfile
            .replace(line, "")
            .replace("packages = [", &left_out),
    ] {
        sandbox.write("devshell.lock", forged);
        let outcome = sandbox.devsh(&["run", "--locked", "--", "true"]);
        outcome.error(&["do not meet `direct @ "]);
    }
}

#[test]
fn data_files_of_packages_are_below_the_prefix() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_tool_files(
        &server,
        ("datafiles", "1.0"),
        &[
            ("datafiles-1.0.data/data/share/datafiles/a.txt", b"a", false),
            ("datafiles-1.0.data/data/etc/datafiles.conf", b"b", false),
        ],
    );
    let sandbox = sandbox
        .manifest("[tools]\npython = \"3\"\nuv = \"*\"\n[python]\npackages = [\"datafiles\"]\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    sandbox.allow();
    let code = "import pathlib, sys; root = pathlib.Path(sys.prefix); \
        print((root / 'share/datafiles/a.txt').read_text(), (root / 'etc/datafiles.conf').read_text())";
    assert_eq!(python(&sandbox, code), "a b\n");
    sandbox.devsh(&["verify"]).success();
}

#[test]
fn a_package_that_no_index_has_costs_the_packages_only() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    sandbox.write(
        "pyproject.toml",
        "[project]\nname = \"demo\"\nversion = \"1\"\ndependencies = [\"nowhere>=2\"]\n[tool.ruff]\n",
    );
    let outcome = sandbox.devsh(&["allow"]).code(1);
    assert!(outcome.stderr.contains("nowhere"), "{outcome}");
    sandbox.devsh(&["run", "--", "ruff"]).code(125);
    let partial = sandbox.devsh(&["run", "--partial", "--", "ruff"]).success();
    let line = "missing: Python packages: `nowhere>=2` is not on the index (pyproject.toml:4)\n";
    assert!(partial.stderr.contains(line), "{partial}");
    assert!(!sandbox.devsh(&["lock"]).status.success());
}

#[test]
fn a_python_that_no_source_has_is_the_only_cause() {
    for lists in [
        &["requirements.txt"][..],
        &["requirements-dev.txt", "setup.cfg"],
    ] {
        let server = Server::start();
        let Some(sandbox) = repository(&server) else {
            return;
        };
        write_setup_cfg(&sandbox);
        for list in ["requirements.txt", "requirements-dev.txt"] {
            if lists.contains(&list) {
                sandbox.write(list, "tester\n");
            }
        }
        sandbox.allow();
        sandbox.write(".python-version", "3.6\n");
        sandbox.devsh(&["watch", "--once"]).code(1);
        let status = sandbox.devsh(&["status"]).success().stdout;
        assert!(status.contains("no version of `python`"), "{status}");
        // Only a change of the file helps.
        for text in ["devsh add python", "next try"] {
            assert!(!status.contains(text), "{text} in {status}");
        }
    }
}

#[test]
fn a_tool_whose_servers_are_down_does_not_cost_the_packages() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let sandbox = sandbox
        .env("NODEJS_ORG_MIRROR", "http://127.0.0.1:9/node")
        .env("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9/npm");
    sandbox.write("requirements.txt", "helper-lib>=1\n");
    sandbox.write("package.json", "{\"engines\": {\"node\": \">=99\"}}\n");
    let allowed = sandbox.devsh(&["allow"]).code(1);
    assert!(
        allowed.stderr.contains("cannot reach `127.0.0.1`"),
        "{allowed}"
    );
    let code = [
        "run",
        "--partial",
        "--",
        "python",
        "-c",
        "import helper_lib, deep",
    ];
    let partial = sandbox.devsh(&code).success();
    let lines: Vec<&str> = partial
        .stderr
        .lines()
        .filter(|line| line.contains("missing"))
        .collect();
    assert_eq!(lines.len(), 1, "{partial}");
    assert!(
        lines[0].contains("missing: `node`: cannot reach"),
        "{partial}"
    );
    for_each_shell(|shell| {
        let mut pty = sandbox.shell(shell);
        let seen = pty.enter();
        assert!(seen.contains("missing: `node`: cannot reach"), "{seen}");
        assert_eq!(pty.run("python -c 'import deep; print(1)'").trim(), "1");
    });
}

#[test]
fn an_extra_that_no_one_named_costs_only_itself() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_source_archive(&server, "archived", "1.0");
    let project = "[project]\nname = \"demo\"\nversion = \"1\"\ndependencies = [\"helper-lib\"]\n\
        [project.optional-dependencies]\ndev = [\"archived\"]\n\
        [dependency-groups]\ndev = [\"tester\"]\n";
    sandbox.write("pyproject.toml", project);
    let allowed = sandbox.devsh(&["allow"]).success();
    let line = "the extra `dev` is left out: `archived` has no wheel (pyproject.toml:6)\n";
    assert!(allowed.stderr.contains(line), "{allowed}");
    python(&sandbox, "import helper_lib, tester");
    let status = sandbox.devsh(&["status"]).success().stdout;
    let line = "extra `dev`: `archived` has no wheel (pyproject.toml:6)";
    assert!(status.contains(line), "{status}");
    assert!(
        status.contains("packages     3 of pyproject.toml, groups dev\n"),
        "{status}"
    );
    sandbox.devsh(&["lock"]).success();
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    assert!(
        lockfile.contains("left-out = [\"archived\"]\n"),
        "{lockfile}"
    );
    sandbox.devsh(&["lock", "--check"]).success();
    // Once it resolves, it is locked without other changes.
    serve_pure(&server, &[pure("archived", "2.0", &[], &[])]);
    let upgraded = sandbox.devsh(&["lock"]).success();
    assert!(upgraded.stderr.contains("archived  2.0"), "{upgraded}");
    python(&sandbox, "import archived");
    // A part that the manifest names must resolve.
    serve_source_archive(&server, "archived", "3.0");
    let manifest = "[tools]\npython = \"3\"\nuv = \"*\"\n[python]\nlock = \"pyproject.toml\"\nextras = [\"dev\"]\n";
    sandbox.write("devshell.toml", manifest);
    sandbox.write("pyproject.toml", project.replace("archived", "archived>=3"));
    sandbox
        .devsh(&["lock", "--trust"])
        .error(&["cannot resolve python packages"]);
}

#[test]
fn an_older_python_serves_packages_without_newer_wheels() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_tagged(&server, ("old", "1.0"), "cp311-cp311-manylinux_2_17_x86_64");
    sandbox.write("requirements.txt", "old==1.0\nhelper-lib\n");
    let locked = sandbox.devsh(&["lock", "--trust"]).success();
    assert!(
        locked.stderr.contains("`python` 3.11.")
            && locked
                .stderr
                .contains("is the newest for which the Python packages resolve"),
        "{locked}"
    );
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    for line in ["\nversion = \"3.11.", "python = \"3.11\"\n", "old==1.0"] {
        assert!(lockfile.contains(line), "{line} in\n{lockfile}");
    }
    // It stays until the packages change.
    let again = sandbox.devsh(&["lock", "--trust"]).success();
    assert!(!again.stderr.contains("is the newest"), "{again}");
    sandbox.devsh(&["lock", "--check", "--trust"]).success();
    // A package without any wheel does not change that.
    serve_source_archive(&server, "archived", "1.0");
    sandbox.write("requirements.txt", "old==1.0\nhelper-lib\narchived\n");
    let built = sandbox
        .devsh(&["lock", "--trust"])
        .error(&["Failed to fetch: [SERVER]/files/archived-1.0.tar.gz"]);
    assert!(!built.stderr.contains("is the newest"), "{built}");
    sandbox.write(
        "requirements.txt",
        "old==1.0\nhelper-lib\ntester\narchived\n",
    );
    fs::remove_file(sandbox.project().join("devshell.lock")).unwrap();
    let first = sandbox.devsh(&["lock", "--trust"]);
    assert!(first.stderr.contains("`python` 3.11."), "{first}");
    sandbox.write("requirements.txt", "old==1.0\nhelper-lib\n");
    // A version that the project names stays.
    sandbox.write(".python-version", "3.13\n");
    sandbox.devsh(&["lock", "--trust"]).error(&[
        "`old==1.0` has no wheel for Python 3.13, but for 3.11 (requirements.txt:1)",
        "hint: write `3.11` at .python-version:1\n",
    ]);
}

/// Only a build says what the project itself needs, and it is not asked before the Python is chosen.
#[test]
fn an_older_python_serves_a_group_without_newer_wheels() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_tagged(&server, ("old", "1.0"), "cp311-cp311-manylinux_2_17_x86_64");
    write_setup_cfg(&sandbox);
    sandbox.write("requirements-dev.txt", "tester\nold==1.0\n");
    let locked = sandbox.devsh(&["lock", "--trust"]).success();
    let line = "is the newest for which the Python packages resolve";
    assert!(
        locked.stderr.contains("`python` 3.11.") && locked.stderr.contains(line),
        "{locked}"
    );
    assert!(!locked.stderr.contains("left out"), "{locked}");
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    assert!(lockfile.contains("old==1.0"), "{lockfile}");
    // A version that the project names stays, and the reason names the other one.
    let Some(sandbox) = repository(&server) else {
        return;
    };
    sandbox.write(".python-version", "3.13\n");
    sandbox.write("requirements.txt", "helper-lib\n");
    sandbox.write("requirements-dev.txt", "tester\nold==1.0\n");
    let locked = sandbox.devsh(&["lock", "--trust"]).success();
    let line = "the group `dev` is left out: `old==1.0` has no wheel for Python 3.13, but for 3.11 \
                (requirements-dev.txt:2)\n";
    assert!(locked.stderr.contains(line), "{locked}");
}

#[test]
fn a_package_for_other_systems_stops_nothing() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    serve_source_archive(&server, "archived", "1.0");
    let list = "helper-lib\narchived; platform_python_implementation == 'PyPy'\n\
        archived; sys_platform == 'win32'\n";
    sandbox.write("requirements.txt", list);
    sandbox.devsh(&["lock", "--trust"]).success();
}

#[test]
fn sources_of_uv_count_without_a_lockfile() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let wheel = format!("{}/files/tester-1.0-py3-none-any.whl", server.address());
    let project = format!(
        "[project]\nname = \"app\"\nversion = \"1\"\ndependencies = [\"lib-a>=1\", \"tester\", \"member\"]\n\
         [tool.uv.sources]\nlib-a = {{ path = \"libs/a\", editable = true }}\n\
         tester = {{ url = \"{wheel}\" }}\nmember = {{ workspace = true }}\n\
         [tool.uv.workspace]\nmembers = [\"packages/*\"]\n"
    );
    sandbox.write("pyproject.toml", &project);
    for (directory, name, needs) in [
        ("libs/a", "lib_a", "\"helper-lib\""),
        ("packages/m", "member", "\"deep\""),
    ] {
        let own = PROJECT.replace("\"demo\"", &format!("\"{name}\"")).replace(
            "\"helper-lib>=1\", \"winonly; sys_platform == 'win32'\"",
            needs,
        );
        sandbox.write(format!("{directory}/pyproject.toml"), &own);
        sandbox.write(
            format!("{directory}/backend.py"),
            BACKEND.replace("demo", name),
        );
        sandbox.write(format!("{directory}/src/{name}.py"), "");
    }
    let allowed = sandbox.devsh(&["allow"]).success();
    let fact = "python package tester of pyproject.toml  [SERVER]/files/tester-1.0";
    assert!(allowed.stderr.contains(fact), "{allowed}");
    python(&sandbox, "import lib_a, helper_lib, member, deep");
    assert_tester_runs(&sandbox, &[]);
    // A source that names nothing is said.
    sandbox.write("pyproject.toml", project.replace("libs/a", "libs/b"));
    sandbox.allow();
    let status = sandbox.devsh(&["status"]).success();
    assert!(
        status
            .stdout
            .contains("`libs/b` has no `pyproject.toml`, so it is not installed"),
        "{status}"
    );
}

#[test]
fn a_colon_in_a_path_is_an_error() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let sandbox = sandbox.manifest("[env]\nPATH = { prepend = [\"./bin\"] }\n");
    let place = sandbox.home().join("c:d");
    fs::create_dir(&place).unwrap();
    let manifest = sandbox.project().join("devshell.toml");
    fs::copy(manifest, place.join("devshell.toml")).unwrap();
    let run = ["run", "--trust", "--", "true"];
    let mut command = sandbox.command(DEVSH);
    let outcome = sandbox.outcome(command.args(run).current_dir(&place));
    outcome.error(&["`./bin` cannot be an entry of `PATH` (devshell.toml:2)"]);
    let data = sandbox.home().join("a:b");
    let sandbox = sandbox.env("XDG_DATA_HOME", data.to_str().unwrap());
    sandbox.devsh(&run).error(&["cannot be on PATH"]);
}

/// Returns the file with the bytecode of a module of an installed package.
fn bytecode(sandbox: &Sandbox, module: &str) -> PathBuf {
    let code = format!("import {module}; print({module}.__cached__)");
    let home = sandbox.home();
    let path = python(sandbox, &code);
    PathBuf::from(path.trim().replacen('~', &home.to_string_lossy(), 1))
}

#[test]
fn modules_are_compiled_in_the_background() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let sandbox =
        sandbox.manifest("[tools]\npython = \"3\"\n[python]\npackages = [\"helper-lib\"]\n");
    sandbox.allow();
    // Python itself writes none here.
    let file = bytecode(&sandbox, "helper_lib");
    let end = Instant::now() + Duration::from_mins(1);
    while !file.exists() {
        assert!(Instant::now() < end, "no {}", file.display());
        thread::sleep(Duration::from_millis(20));
    }
    sandbox.devsh(&["verify"]).success();
}

#[test]
fn a_part_of_another_member_is_not_needed() {
    let server = Server::start();
    let Some(sandbox) = repository(&server) else {
        return;
    };
    let manifest =
        "[tools]\nruff = \"0.12\"\npython = \"3\"\n[python]\nlock = \"backend/requirements.txt\"\n";
    let sandbox = sandbox.manifest(manifest);
    sandbox.write("backend/requirements.txt", "no-such-package==1.0\n");
    sandbox.write(
        "frontend/package.json",
        "{\"dependencies\": {\"vite\": \"1\"}}\n",
    );
    sandbox.write("frontend/pnpm-lock.yaml", "");
    sandbox.devsh(&["allow"]).code(1);
    let run = |directory: &str, program: &str| {
        sandbox.devsh(&["-C", directory, "run", "--", program, "--version"])
    };
    let ran = run("frontend", "ruff").success();
    assert_eq!((&*ran.stdout, &*ran.stderr), ("ruff 0.12.4\n", ""));
    for directory in [".", "backend", "backend/deep"] {
        fs::create_dir_all(sandbox.project().join(directory)).unwrap();
        let failed = run(directory, "ruff").code(125);
        assert!(failed.stderr.contains("no-such-package"), "{failed}");
    }
    // A program of a package of the member.
    run("frontend", "vite").code(127).error(&[
        "`vite` is a package of `frontend/package.json`: `devsh -C frontend run -- pnpm install`, then `",
    ]);
}
