//! `devsh verify`, `du` and `gc`: what the store holds, for whom, and what goes.

use std::{
    fs::{self, File},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::support::{
    Pty, Random, Sandbox, Server, for_each_shell,
    pypi::{serve_tool, serve_tool_as},
    sandbox::Outcome,
};

/// A sandbox whose project has one tool, built and allowed.
fn built(server: &Server) -> Sandbox {
    serve_tool(server, "ruff", &["0.12.3", "0.12.4"]);
    serve_tool(server, "taplo", &["0.9.0"]);
    let sandbox = Sandbox::new()
        .served_by(server)
        .config("tools-from = \"managed\"\n")
        .manifest("[tools]\nruff = \"==0.12.3\"\n\"pypi:taplo\" = \"0.9\"\n");
    sandbox.allow();
    sandbox
}

fn objects(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.data().join("store")).unwrap();
    let mut paths: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'))
        .collect();
    paths.sort();
    paths
}

fn object(sandbox: &Sandbox, name: &str) -> PathBuf {
    let mut found = objects(sandbox).into_iter();
    found
        .find(|path| path.to_str().unwrap().contains(name))
        .unwrap_or_else(|| panic!("no {name} in the store"))
}

fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome}"))
}

/// Overwrites a file that nobody should write.
fn overwrite(path: &Path, content: &str) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn verify_names_what_is_damaged_and_repairs_it() {
    let server = Server::start();
    let sandbox = built(&server);
    let outcome = sandbox.devsh(&["verify"]).success();
    assert!(outcome.stdout.starts_with("2 objects, "), "{outcome}");
    assert!(
        outcome
            .stdout
            .ends_with(", and 1 profile: all as published\n"),
        "{outcome}"
    );
    let ruff = object(&sandbox, "-ruff-");
    let program = ruff.join("bin/ruff");
    let original = fs::read(&program).unwrap();
    overwrite(&program, "#!/bin/sh\necho hijacked\n");
    fs::write(ruff.join("bin/more"), "").unwrap();
    let outcome = sandbox.devsh(&["verify"]).code(1);
    let outcome = outcome.error(&["1 thing in the store is damaged", "verify --repair"]);
    let lines = ["  changed    bin/ruff\n", "  added      bin/more\n"];
    assert!(
        lines.iter().all(|line| outcome.stdout.contains(line)),
        "{outcome}"
    );
    let report = json(&sandbox.devsh(&["verify", "--json"]).code(1));
    assert_eq!(report["damaged"][0]["files"][0]["fault"], "changed");
    let repaired = sandbox.devsh(&["verify", "--repair"]).success();
    assert!(repaired.stdout.ends_with(": 1 repaired\n"), "{repaired}");
    assert_eq!(fs::read(&program).unwrap(), original);
    assert!(!ruff.join("bin/more").exists());
    sandbox.devsh(&["verify"]).success();
}

#[test]
fn a_profile_that_lost_a_link_is_made_anew() {
    let server = Server::start();
    let sandbox = built(&server);
    let run = ["--offline", "run", "--", "ruff", "--version"];
    let damage: [fn(&Path); 2] = [
        |link| fs::remove_file(link).unwrap(),
        |link| {
            fs::remove_file(link).unwrap();
            symlink("/bin/true", link).unwrap();
        },
    ];
    for (apply, fault) in damage.into_iter().zip(["missing", "changed"]) {
        let envs = fs::read_dir(sandbox.data().join("envs")).unwrap();
        let mut links = envs.map(|entry| entry.unwrap().path().join("bin/ruff"));
        let link = links.find(|path| path.is_symlink()).unwrap();
        apply(&link);
        assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.12.3\n");
        apply(&link);
        let outcome = sandbox.devsh(&["verify"]).code(1);
        let told = format!("  {fault:<10} bin/ruff\n");
        assert!(outcome.stdout.starts_with("envs/"), "{outcome}");
        assert!(outcome.stdout.contains(&told), "{outcome}");
        let outcome = sandbox.devsh(&["verify", "--repair"]).success();
        assert!(outcome.stdout.ends_with(": 1 removed\n"), "{outcome}");
        assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.12.3\n");
        sandbox.devsh(&["verify"]).success();
        apply(&link);
        sandbox.devsh(&["--offline", "sync"]).success();
        sandbox.devsh(&["verify"]).success();
    }
}

#[test]
fn a_file_in_the_place_of_an_object_is_damage() {
    let server = Server::start();
    let sandbox = built(&server);
    let ruff = object(&sandbox, "-ruff-");
    let kept = sandbox.home().join("kept");
    fs::rename(&ruff, &kept).unwrap();
    fs::write(&ruff, "").unwrap();
    let outcome = sandbox.devsh(&["verify"]).code(1);
    assert!(!outcome.stdout.contains("all as published"), "{outcome}");
    sandbox.devsh(&["verify", "--repair"]).success();
    sandbox.devsh(&["run", "--", "ruff"]).success();
}

#[test]
fn an_object_whose_record_is_lost_comes_back() {
    let server = Server::start();
    let sandbox = built(&server);
    let ruff = object(&sandbox, "-ruff-");
    fs::remove_file(ruff.join(".devsh-object.json")).unwrap();
    fs::remove_file(ruff.join("bin/ruff")).unwrap();
    sandbox.devsh(&["verify", "--repair"]).success();
    sandbox.devsh(&["verify"]).success();
    // Without the copy that is kept with the seal as well it goes, and comes back when it is needed.
    fs::remove_file(ruff.join(".devsh-object.json")).unwrap();
    fs::remove_dir_all(sandbox.data().join("store/.seals")).unwrap();
    let outcome = sandbox.devsh(&["verify", "--repair"]).success();
    assert!(
        outcome.stdout.contains("removed; it is made anew"),
        "{outcome}"
    );
    let outcome = sandbox.devsh(&["run", "--", "ruff", "--version"]);
    assert_eq!(outcome.success().stdout, "ruff 0.12.3\n");
    sandbox.devsh(&["verify"]).success();
}

#[test]
fn a_damaged_object_is_noticed_when_it_is_used() {
    let server = Server::start();
    let sandbox = built(&server);
    let run = ["run", "--", "ruff", "--version"];
    for damage in [
        |path: &PathBuf| overwrite(path, ""),
        |path: &PathBuf| overwrite(path, "#!/bin/sh\necho 'ruff 0.12.9'\n"),
        |path: &PathBuf| fs::remove_file(path).unwrap(),
        |path: &PathBuf| fs::remove_dir_all(path.parent().unwrap().parent().unwrap()).unwrap(),
    ] {
        assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.12.3\n");
        damage(&object(&sandbox, "-ruff-").join("bin/ruff"));
        assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.12.3\n");
    }
}

#[test]
fn du_counts_what_is_shared_once() {
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
    assert!(text.contains("-ruff-0.12.3\n"), "{text}");
}

#[test]
fn gc_removes_what_nobody_uses() {
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
    // What was used lately stays when that is asked for, and as long as there is room.
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
fn gc_leaves_what_the_settings_say() {
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
    assert!(du.contains("keeps them, as the settings say"), "{du}");
    let sandbox = sandbox.config(&format!("{managed}[gc]\nkeep-size = \"0\"\n"));
    let du = sandbox.devsh(&["du"]).success().stdout;
    assert!(du.contains("are unused; `devsh gc` frees them"), "{du}");
    let outcome = sandbox.devsh(&["gc", "--dry-run"]).success();
    assert!(outcome.stdout.contains("would free"), "{outcome}");
    // What the command line says counts alone.
    sandbox.devsh(&["gc", "--older-than", "1h"]).success();
    assert_eq!(objects(&sandbox).len(), 3);
    sandbox.devsh(&["gc"]).success();
    assert_eq!(objects(&sandbox).len(), 1);
    let sandbox = sandbox.config(&format!("{managed}[gc]\nkeep-size = \"much\"\n"));
    let outcome = sandbox.devsh(&["gc"]).code(1);
    outcome.error(&["`much` in `gc.keep-size` is not a size", "\"20G\""]);
}

#[test]
fn what_has_no_room_is_not_begun() {
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
fn gc_spares_what_a_shell_has_loaded() {
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
fn gc_spares_what_a_command_runs_with() {
    let server = Server::start();
    let sandbox = built(&server);
    let mut command = sandbox.command(crate::support::sandbox::DEVSH);
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
fn gc_stops_where_it_cannot_see_what_is_used() {
    let server = Server::start();
    let sandbox = built(&server);
    // The note of a running process, which nobody can read as a file.
    let note = sandbox.data().join("store/.uses");
    let note = note.join(format!("{}.0", std::process::id()));
    fs::create_dir_all(&note).unwrap();
    sandbox.write("devshell.toml", "[env]\nA = \"1\"\n");
    sandbox.allow();
    let before = objects(&sandbox);
    let outcome = sandbox.devsh(&["gc"]).code(1);
    outcome.error(&["cannot read", ".uses"]);
    assert_eq!(objects(&sandbox), before);
    fs::remove_dir(&note).unwrap();
    sandbox.devsh(&["gc"]).success();
    assert_eq!(objects(&sandbox), [] as [PathBuf; 0]);
}

#[test]
fn gc_removes_what_builds_left_aside_unless_one_is_under_way() {
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
