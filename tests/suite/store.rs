//! `devsh du` and `devsh gc`: disk usage by project, and removal of unused entries.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::support::{
    Pty, Random, Sandbox, Server, for_each_shell,
    pypi::{serve_tool, serve_tool_as},
    sandbox::{DEVSH, Outcome},
};

/// A sandbox whose project has one tool, built and allowed.
pub(crate) fn built(server: &Server) -> Sandbox {
    serve_tool(server, "ruff", &["0.12.3", "0.12.4"]);
    serve_tool(server, "taplo", &["0.9.0"]);
    let sandbox = Sandbox::new()
        .served_by(server)
        .config("tools-from = \"managed\"\n")
        .manifest("[tools]\nruff = \"==0.12.3\"\n\"pypi:taplo\" = \"0.9\"\n");
    sandbox.allow();
    sandbox
}

pub(crate) fn objects(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.data().join("store")).unwrap();
    let mut paths: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'))
        .collect();
    paths.sort();
    paths
}

pub(crate) fn object(sandbox: &Sandbox, name: &str) -> PathBuf {
    let mut found = objects(sandbox).into_iter();
    found
        .find(|path| path.to_str().unwrap().contains(name))
        .unwrap_or_else(|| panic!("no {name} in the store"))
}

pub(crate) fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome}"))
}

#[test]
fn du_counts_shared_objects_once() {
    let server = Server::start();
    let sandbox = built(&server);
    let other = sandbox.home().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(
        other.join("devshell.toml"),
        "[tools]\nruff = \"==0.12.3\"\n",
    )
    .unwrap();
    sandbox.devsh(&["allow", "-C", "../other"]).success();
    let usage = json(&sandbox.devsh(&["du", "--json"]).success());
    let number = |value: &Value| value.as_u64().unwrap();
    let (first, second) = (&usage["projects"][0], &usage["projects"][1]);
    assert_eq!(first["root"], "~/project");
    assert_eq!(
        number(&usage["total_bytes"]),
        number(&first["own_bytes"]) + number(&second["own_bytes"]) + number(&usage["shared_bytes"])
    );
    assert!(number(&usage["shared_bytes"]) > 0);
    assert_eq!(number(&usage["unused_bytes"]), 0);
    let text = sandbox.devsh(&["du"]).success().stdout;
    assert!(
        text.contains("~/project\n") && text.contains("~/other\n"),
        "{text}"
    );
    let text = sandbox.devsh(&["du", "--objects"]).success().stdout;
    let row = text.lines().find(|line| line.contains("  ruff-0.12.3  "));
    assert!(
        row.is_some_and(|row| row.contains("         2  █")),
        "{text}"
    );
}

#[test]
fn gc_forgets_projects_that_are_gone() {
    let server = Server::start();
    let sandbox = built(&server);
    fs::rename(sandbox.project(), sandbox.home().join("gone")).unwrap();
    let run = |command: &str| {
        let mut process = sandbox.command(DEVSH);
        let output = process.arg(command).current_dir(sandbox.home()).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let doctor = run("doctor");
    assert!(
        doctor.contains("1 dev shells of projects that are gone"),
        "{doctor}"
    );
    run("gc");
    let doctor = run("doctor");
    assert!(doctor.contains("no leftovers"), "{doctor}");
}

#[test]
fn gc_removes_unused_objects() {
    let server = Server::start();
    let sandbox = built(&server);
    let outcome = sandbox.devsh(&["gc"]).success();
    assert!(
        outcome.stdout.starts_with("nothing to remove; "),
        "{outcome}"
    );
    sandbox.write("devshell.toml", "[tools]\nruff = \"==0.12.4\"\n");
    sandbox.allow();
    assert_eq!(objects(&sandbox).len(), 3);
    let before = fs::read_dir(sandbox.data().join("envs")).unwrap().count();
    let dry = json(&sandbox.devsh(&["gc", "--dry-run", "--json"]).success());
    assert_eq!(objects(&sandbox).len(), 3);
    // Recently used entries stay with these limits.
    for budget in [["--older-than", "1h"], ["--keep-size", "1G"]] {
        let outcome = sandbox.devsh(&["gc", budget[0], budget[1]]).success();
        assert!(
            outcome.stdout.starts_with("nothing to remove; "),
            "{outcome}"
        );
    }
    let report = json(&sandbox.devsh(&["gc", "--json"]).success());
    assert_eq!(report["removed"], dry["removed"]);
    assert_eq!(objects(&sandbox).len(), 1);
    let after = fs::read_dir(sandbox.data().join("envs")).unwrap().count();
    assert!(after < before);
    let outcome = sandbox.devsh(&["run", "--", "ruff", "--version"]);
    assert_eq!(outcome.success().stdout, "ruff 0.12.4\n");
    sandbox.devsh(&["deny"]).success();
    sandbox.devsh(&["gc", "--keep-size", "0"]).success();
    assert_eq!(objects(&sandbox).len(), 0);
    sandbox.allow();
    let outcome = sandbox.devsh(&["run", "--", "ruff", "--version"]);
    assert_eq!(outcome.success().stdout, "ruff 0.12.4\n");
    sandbox.devsh(&["gc", "--older-than", "soon"]).code(2);
}

#[test]
fn gc_keeps_the_configured_part() {
    let server = Server::start();
    let managed = "tools-from = \"managed\"\n";
    let sandbox = built(&server);
    sandbox.write("devshell.toml", "[tools]\nruff = \"==0.12.4\"\n");
    sandbox.allow();
    let sandbox = sandbox.config(&format!("{managed}[gc]\nolder-than = \"1 day\"\n"));
    let outcome = sandbox.devsh(&["gc"]).success();
    assert!(
        outcome.stdout.starts_with("nothing to remove; "),
        "{outcome}"
    );
    assert_eq!(objects(&sandbox).len(), 3);
    let du = sandbox.devsh(&["du"]).success().stdout;
    assert!(du.contains("keeps it, as the settings say"), "{du}");
    let sandbox = sandbox.config(&format!("{managed}[gc]\nkeep-size = \"0\"\n"));
    let du = sandbox.devsh(&["du"]).success().stdout;
    assert!(du.contains("unused; `devsh gc` frees it"), "{du}");
    let outcome = sandbox.devsh(&["gc", "--dry-run"]).success();
    assert!(outcome.stdout.contains("would free"), "{outcome}");
    // The command line overrides the settings.
    sandbox.devsh(&["gc", "--older-than", "1h"]).success();
    assert_eq!(objects(&sandbox).len(), 3);
    sandbox.devsh(&["gc"]).success();
    assert_eq!(objects(&sandbox).len(), 1);
    let sandbox = sandbox.config(&format!("{managed}[gc]\nkeep-size = \"much\"\n"));
    let outcome = sandbox.devsh(&["gc"]).code(1);
    outcome.error(&["`much` in `gc.keep-size` is not a size", "\"20G\""]);
}

#[test]
fn an_installation_without_room_does_not_start() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let server = Server::start();
    // Bytes that no format makes smaller.
    let content = Random::new(1).bytes(&(0..=255).collect::<Vec<u8>>(), 3 << 20);
    serve_tool_as(&server, ("big", "1.0"), "big", &content);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest("[tools]\n\"pypi:big\" = \"1\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    server.requests();
    let script = "mkdir -p \"$XDG_DATA_HOME\" && mount -t tmpfs -o size=1m tmpfs \"$XDG_DATA_HOME\" && exec devsh allow";
    let mut command = sandbox.command("unshare");
    let outcome = sandbox.outcome(command.args(["-m", "sh", "-c", script]));
    if outcome.stderr.starts_with("unshare: ") {
        eprintln!("skipped: {}", outcome.stderr);
        return;
    }
    let outcome = outcome.code(1);
    outcome.error(&[
        "`big` needs at least 3.",
        "MiB in `",
        "devsh/store",
        "KiB are free",
        "devsh gc",
    ]);
    assert_eq!(
        server.requests(),
        [] as [String; 0],
        "nothing was asked for"
    );
}

#[test]
fn gc_keeps_the_loaded_dev_shell() {
    for_each_shell(|shell| {
        let server = Server::start();
        let sandbox = built(&server);
        let mut terminal: Pty = sandbox.shell(shell);
        terminal.enter();
        assert_eq!(terminal.run("ruff --version").trim(), "ruff 0.12.3");
        // The project is denied behind the shell's back, which has not asked since.
        sandbox.devsh(&["deny"]).success();
        sandbox.devsh(&["gc"]).success();
        assert_eq!(objects(&sandbox).len(), 2);
        // It leaves at its next prompt, and with it the last user.
        terminal.leave();
        sandbox.devsh(&["gc"]).success();
        assert_eq!(objects(&sandbox).len(), 0);
    });
}

#[test]
fn gc_keeps_the_dev_shell_of_a_running_command() {
    let server = Server::start();
    let sandbox = built(&server);
    let mut command = sandbox.command(DEVSH);
    command.args(["run", "--", "sh", "-c", "echo; read line; ruff --version"]);
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut String::new()).unwrap();
    sandbox.devsh(&["deny"]).success();
    sandbox.devsh(&["gc"]).success();
    drop(child.stdin.take());
    let mut version = String::new();
    std::io::BufRead::read_line(&mut output, &mut version).unwrap();
    child.wait().unwrap();
    assert_eq!(version, "ruff 0.12.3\n");
    sandbox.devsh(&["gc"]).success();
    assert_eq!(objects(&sandbox).len(), 0);
}

#[test]
fn gc_stops_if_it_cannot_find_all_roots() {
    let server = Server::start();
    let sandbox = built(&server);
    // A lease that cannot be read as a file.
    let lease = sandbox.data().join("store/.leases/envs/x");
    fs::create_dir_all(&lease).unwrap();
    sandbox.write("devshell.toml", "[env]\nA = \"1\"\n");
    sandbox.allow();
    let before = objects(&sandbox);
    let outcome = sandbox.devsh(&["gc"]).code(1);
    outcome.error(&["cannot read", ".leases"]);
    assert_eq!(objects(&sandbox), before);
    fs::remove_dir(&lease).unwrap();
    sandbox.devsh(&["gc"]).success();
    assert_eq!(objects(&sandbox), [] as [PathBuf; 0]);
}

#[test]
fn gc_removes_remains_of_builds_unless_one_runs() {
    let sandbox = Sandbox::new();
    let building = sandbox.data().join("building");
    for name in ["left/below", "busy"] {
        fs::create_dir_all(building.join(name)).unwrap();
        fs::write(building.join(name).join("file"), "content").unwrap();
    }
    fs::create_dir_all(sandbox.data().join("store")).unwrap();
    let busy = File::create(building.join("busy.lock")).unwrap();
    busy.lock().unwrap();
    let dry = json(&sandbox.devsh(&["gc", "--dry-run", "--json"]).success());
    assert_eq!(dry["removed"].as_array().unwrap().len(), 1, "{dry}");
    assert!(building.join("left").is_dir());
    sandbox.devsh(&["gc"]).success();
    assert!(!building.join("left").exists() && building.join("busy").is_dir());
}

/// Returns a built project with ruff, and the object of ruff.
fn with_ruff(server: &Server) -> (Sandbox, PathBuf) {
    serve_tool(server, "ruff", &["0.12.4"]);
    let sandbox = Sandbox::new()
        .served_by(server)
        .config("tools-from = \"managed\"\n")
        .manifest("[tools]\nruff = \"0.12\"\n");
    sandbox.allow();
    let object = object(&sandbox, "-ruff-0.12.4");
    (sandbox, object)
}

#[test]
fn a_change_of_an_object_is_noticed_and_repaired() {
    for_each_shell(|shell| {
        let server = Server::start();
        let (sandbox, object) = with_ruff(&server);
        let bin = object.join("bin");
        // As root does in spite of the mode.
        fs::set_permissions(&bin, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(bin.join("added"), "#!/bin/sh\n").unwrap();
        let mut pty = sandbox.shell(shell);
        let seen = pty.enter();
        assert!(seen.contains("was changed by another program"), "{seen}");
        let refused = sandbox.devsh(&["run", "--", "ruff"]).code(125);
        refused.error(&["was changed by another program", "devsh verify --repair"]);
        sandbox.devsh(&["verify", "--repair"]);
        sandbox.devsh(&["run", "--", "ruff"]).success();
    });
}

#[test]
fn every_write_into_an_object_is_seen_by_status_and_stops_a_build() {
    let server = Server::start();
    let (sandbox, object) = with_ruff(&server);
    let status = || json(&sandbox.devsh(&["status", "--json"]).success());
    assert_eq!(status()["changed_objects"], Value::Array(Vec::new()));
    // As root does in spite of the mode.
    let writable = |path: &Path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let program = object.join("bin/ruff");
    let original = fs::read(&program).unwrap();
    let writes: [(&str, &dyn Fn()); 3] = [
        ("lib", &|| {
            writable(&object);
            fs::create_dir_all(object.join("lib/ruby/gems")).unwrap();
        }),
        ("bin/ruff", &|| {
            writable(&program);
            let mut other = original.clone();
            *other.last_mut().unwrap() ^= 1;
            fs::write(&program, other).unwrap();
        }),
        ("bin/ruff", &|| {
            writable(&object.join("bin"));
            fs::remove_file(&program).unwrap();
        }),
    ];
    for (path, write) in writes {
        write();
        assert_eq!(status()["changed_objects"][0]["path"], path);
        let shown = sandbox.devsh(&["status"]).success();
        for part in [format!("`{path}` in `"), "verify --repair".to_owned()] {
            assert!(shown.stdout.contains(&part), "{shown}");
        }
        let refused = sandbox.devsh(&["sync"]).code(1);
        refused.error(&["was changed by another program", "devsh verify --repair"]);
        sandbox.devsh(&["verify", "--repair"]).success();
        assert_eq!(status()["changed_objects"], Value::Array(Vec::new()));
        sandbox.devsh(&["sync"]).success();
    }
}
