//! Fetched files that a manifest extends: when and how they are fetched and pinned.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use crate::support::{Sandbox, Server, sandbox::write};

fn run(sandbox: &Sandbox, script: &str) -> String {
    let outcome = sandbox.devsh(&["run", "--", "sh", "-c", script]).success();
    outcome.stdout.trim_end().to_owned()
}

/// A repository at `home/shells`, with `team.toml` and a tag for each of its states.
fn repository(sandbox: &Sandbox, states: &[(&str, &str)]) {
    let place = sandbox.home().join("shells");
    for (tag, text) in states {
        write(&place.join("team.toml"), text.as_bytes());
        let script = format!(
            "git init -q -b main . && git add -A && git -c user.name=n -c user.email=e commit -q \
             -m x && git tag -f {tag} >/dev/null"
        );
        let mut command = sandbox.command("sh");
        command.args(["-c", &script]).current_dir(&place);
        sandbox.outcome(&mut command).success();
    }
}

fn git_entry(sandbox: &Sandbox, revision: &str) -> String {
    let place = sandbox.home().join("shells");
    format!("git+file://{}#{revision}:team.toml", place.display())
}

#[test]
fn git_is_not_a_program_of_the_project() {
    let sandbox = Sandbox::new();
    repository(&sandbox, &[("v1", "[env]\nTEAM = 'one'\n")]);
    let entry = git_entry(&sandbox, "v1");
    sandbox.write("devshell.toml", format!("extends = ['{entry}']\n"));
    let ran = sandbox.root().join("ran");
    sandbox.write("venv/bin/git", format!("#!/bin/sh\n: >{}\n", ran.display()));
    let program = sandbox.project().join("venv/bin/git");
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let linked = sandbox.home().join("linked");
    fs::create_dir(&linked).unwrap();
    symlink(&program, linked.join("git")).unwrap();
    let own = sandbox.environment()[OsStr::new("PATH")]
        .to_str()
        .unwrap()
        .to_owned();
    let first = program.parent().unwrap().display().to_string();
    let path = format!("{first}:{}:venv/bin:{own}", linked.display());
    let sandbox = sandbox.env("PATH", path);
    sandbox.allow();
    assert_eq!(run(&sandbox, "echo $TEAM"), "one");
    assert!(!ran.exists());
}

#[test]
fn programs_of_the_repository_around_a_project_are_never_run() {
    let sandbox = Sandbox::new();
    repository(&sandbox, &[("v1", "[env]\nTEAM = 'one'\n")]);
    let mono = sandbox.project();
    fs::create_dir(mono.join(".git")).unwrap();
    let extends = format!("extends = ['{}']\n", git_entry(&sandbox, "v1"));
    // A tool of the host asks the Pythons on PATH, too.
    let tools = "[tools]\npython = \"3\"\n";
    let ran = sandbox.root().join("ran");
    for name in ["git", "python3", "python"] {
        let program = format!(".venv/bin/{name}");
        sandbox.write(&program, format!("#!/bin/sh\n: >{}\n", ran.display()));
        let program = mono.join(program);
        fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let own = &sandbox.environment()[OsStr::new("PATH")];
    let path = std::env::join_paths(
        std::iter::once(mono.join(".venv/bin")).chain(std::env::split_paths(own)),
    );
    let sandbox = sandbox
        .env("PATH", path.unwrap())
        .config("tools-from = \"host\"\n");
    for service in [&*extends, tools] {
        sandbox.write("svc/devshell.toml", service);
        let mut command = sandbox.command("devsh");
        let directory = sandbox.project().join("svc");
        command.args(["allow", "--yes"]).current_dir(directory);
        let outcome = sandbox.outcome(&mut command);
        assert!(!ran.exists(), "{outcome}");
    }
}

#[test]
fn a_git_file_is_fetched_after_approval_and_pinned_until_an_upgrade() {
    let sandbox = Sandbox::new();
    repository(&sandbox, &[("v1", "[env]\nTEAM = 'one'\n")]);
    let entry = git_entry(&sandbox, "v1");
    sandbox.write("devshell.toml", format!("extends = ['{entry}']\n"));
    // Canaries: no program starts before the approval.
    for arguments in [
        &["status"][..],
        &["run", "--", "true"],
        &["lock"],
        &["export", "bash"],
    ] {
        let mut command = sandbox.command("devsh");
        command.args(arguments).env("PATH", canary(&sandbox));
        sandbox.outcome(&mut command);
    }
    assert!(!sandbox.root().join("canary-ran").exists());

    let shown = sandbox.devsh(&["allow"]).success();
    assert!(shown.stderr.contains("dev variable TEAM  one"), "{shown}");
    assert_eq!(run(&sandbox, "echo $TEAM"), "one");
    let lock = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    assert!(
        lock.contains("[[extends]]\nsource = \"git+file://"),
        "{lock}"
    );
    assert!(
        lock.contains("commit = \"") && lock.contains("sha256 = \""),
        "{lock}"
    );

    // A moved tag changes nothing, and neither does a deleted repository.
    repository(
        &sandbox,
        &[("v1", "[env]\nTEAM = 'two'\n[aliases]\nt = 'x'\n")],
    );
    sandbox.devsh(&["lock"]).success();
    assert_eq!(run(&sandbox, "echo $TEAM"), "one");
    let away = sandbox.home().join("away");
    fs::rename(sandbox.home().join("shells"), &away).unwrap();
    sandbox.write(
        "devshell.toml",
        format!("extends = ['{entry}']\nenv.MORE = '1'\n"),
    );
    sandbox.devsh(&["allow", "--offline"]).success();
    assert_eq!(run(&sandbox, "echo $TEAM$MORE"), "one1");
    fs::rename(&away, sandbox.home().join("shells")).unwrap();

    let moved = sandbox.devsh(&["lock", "--upgrade"]).success();
    assert!(moved.stderr.contains("~ git+file://"), "{moved}");
    assert!(moved.stderr.contains("devsh allow"), "{moved}");
    sandbox.devsh(&["run", "--", "true"]).code(3);
    let shown = sandbox.devsh(&["allow"]).success();
    for line in [
        "~ shell dev variable TEAM  one → two",
        "+ shell dev alias t        x",
        "~ extends git+file://",
    ] {
        assert!(shown.stderr.contains(line), "{line}\n{shown}");
    }
    assert_eq!(run(&sandbox, "echo $TEAM"), "two");

    // Another machine with the same lockfile gets the same commit, though the tag has moved again.
    repository(&sandbox, &[("v1", "[env]\nTEAM = 'three'\n")]);
    fs::remove_dir_all(sandbox.data()).unwrap();
    sandbox.devsh(&["run", "--", "true"]).code(3);
    sandbox.devsh(&["allow", "--locked"]).success();
    assert_eq!(run(&sandbox, "echo $TEAM"), "two");
}

/// A `PATH` whose programs leave a trace.
fn canary(sandbox: &Sandbox) -> std::ffi::OsString {
    let place = sandbox.root().join("canary");
    let trace = sandbox.root().join("canary-ran");
    for program in ["git", "ssh", "curl"] {
        let path = place.join(program);
        write(
            &path,
            format!("#!/bin/sh\ntouch '{}'\n", trace.display()).as_bytes(),
        );
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut path = place.into_os_string();
    path.push(":");
    path.push(&sandbox.environment()[OsStr::new("PATH")]);
    path
}

#[test]
fn git_runs_no_code_of_a_repository() {
    let sandbox = Sandbox::new();
    repository(
        &sandbox,
        &[("v1", "extends = ['./sub/more.toml', './link.toml']\n")],
    );
    let place = sandbox.home().join("shells");
    write(&place.join("sub/more.toml"), b"[env]\nMORE = '1'\n");
    symlink("/etc/passwd", place.join("link.toml")).unwrap();
    repository(
        &sandbox,
        &[("v1", "extends = ['./sub/more.toml', './link.toml']\n")],
    );
    for hook in ["post-checkout", "post-upload-pack", "fsmonitor-watchman"] {
        let path = place.join(".git/hooks").join(hook);
        let trace = sandbox.root().join("hook-ran");
        write(
            &path,
            format!("#!/bin/sh\ntouch '{}'\n", trace.display()).as_bytes(),
        );
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let entry = git_entry(&sandbox, "v1");
    sandbox.write("devshell.toml", format!("extends = ['{entry}']\n"));
    sandbox
        .devsh(&["allow"])
        .code(1)
        .error(&["link.toml` is not a file of the repository"]);
    repository(&sandbox, &[("v2", "extends = ['./sub/more.toml']\n")]);
    let entry = git_entry(&sandbox, "v2");
    sandbox.write("devshell.toml", format!("extends = ['{entry}']\n"));
    sandbox.allow();
    assert_eq!(run(&sandbox, "echo $MORE"), "1");
    assert!(!sandbox.root().join("hook-ran").exists());
    for (text, message) in [
        (
            "extends = ['../x.toml']\n",
            "cannot refer to `../x.toml` on this machine",
        ),
        (
            "extends = ['/etc/x.toml']\n",
            "cannot refer to `/etc/x.toml` on this machine",
        ),
        (
            "[grants]\nenv = ['LD_PRELOAD']\n",
            "a fetched file cannot grant",
        ),
    ] {
        repository(&sandbox, &[("v3", text)]);
        let entry = git_entry(&sandbox, "v3");
        sandbox.write("devshell.toml", format!("extends = ['{entry}']\n"));
        fs::remove_file(sandbox.project().join("devshell.lock")).ok();
        sandbox
            .devsh(&["allow"])
            .code(1)
            .error(&[message, "team.toml:"]);
    }
}

#[test]
fn a_file_of_a_server_is_pinned_by_its_digest() {
    let server = Server::start();
    server.serve(
        "/team/base.toml",
        "extends = ['./more.toml']\n[env]\nTEAM = 'one'\n",
    );
    server.serve("/team/more.toml", "[env]\nMORE = '1'\n");
    let mut sandbox = Sandbox::new();
    sandbox.redact(server.address(), "[SERVER]");
    let entry = format!("{}/team/base.toml", server.address());
    sandbox.write("devshell.toml", format!("extends = ['{entry}']\n"));
    sandbox.devsh(&["status"]).success();
    sandbox.devsh(&["run", "--", "true"]).code(3);
    assert_eq!(server.requests(), [""; 0]);
    sandbox
        .devsh(&["allow", "--offline"])
        .code(1)
        .error(&["devsh is offline"]);
    sandbox
        .devsh(&["allow", "--locked"])
        .code(1)
        .error(&["is not locked"]);
    sandbox.allow();
    assert_eq!(run(&sandbox, "echo $TEAM$MORE"), "one1");
    let asked = server.requests().len();
    run(&sandbox, "true");
    assert_eq!(server.requests().len(), 0, "{asked} were enough");

    server.serve("/team/base.toml", "[env]\nTEAM = 'evil'\n");
    fs::remove_dir_all(sandbox.data()).unwrap();
    sandbox.devsh(&["allow"]).code(1).error(&[
        "[SERVER]/team/base.toml` does not match the lockfile",
        "devsh lock --upgrade",
    ]);
}

#[test]
fn a_denied_project_fetches_nothing() {
    let sandbox = Sandbox::new();
    repository(&sandbox, &[("v1", "[env]\nTEAM = 'one'\n")]);
    let entry = git_entry(&sandbox, "v1");
    sandbox.write("devshell.toml", format!("extends = ['{entry}']\n"));
    sandbox.devsh(&["deny"]).success();
    let refused = sandbox.devsh(&["run", "--trust", "--", "true"]).code(3);
    assert!(!refused.stderr.contains("fetching"), "{refused}");
    assert!(!sandbox.project().join("devshell.lock").exists());
    assert!(!sandbox.data().join("extends").exists());
}

#[test]
fn a_local_manifest_does_not_prevent_fetching() {
    let sandbox = Sandbox::new();
    repository(&sandbox, &[("v1", "[shells.base.env]\nTEAM = 'one'\n")]);
    let entry = git_entry(&sandbox, "v1");
    let manifest = format!("extends = ['{entry}']\n[shells.dev]\ninherits = ['base']\n");
    sandbox.write("devshell.toml", manifest);
    sandbox.write("devshell.local.toml", "[env]\nMINE = 'x'\n");
    sandbox.devsh(&["allow"]).success();
    assert_eq!(run(&sandbox, "echo $TEAM$MINE"), "onex");
}
