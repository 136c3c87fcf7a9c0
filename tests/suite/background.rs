//! Builds that a prompt does not wait for: they are seen, survive the terminal, are joined, and never loop.

use std::{
    fs,
    io::Read as _,
    process::{Child, ChildStderr, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    reliability::strace::{PROMPT, strace},
    support::{HostShell, Pty, Sandbox, Server, for_each_shell, pypi::serve_tool, sandbox::DEVSH},
};

/// Returns a project that is allowed and whose lockfile names a version that is not built, and the path of
/// that version's archive.
fn prepared() -> (Sandbox, Server, String) {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.3"]);
    let manifest = "[tools]\nruff = \"0.12\"\n";
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest(manifest);
    sandbox.allow();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let colleague = Sandbox::new().served_by(&server).manifest(manifest);
    colleague.devsh(&["lock", "--trust"]).success();
    let lockfile = fs::read(colleague.project().join("devshell.lock")).unwrap();
    sandbox.write("devshell.lock", lockfile);
    let path = wheel_of(&server, "ruff-0.12.4-py3");
    server.requests();
    (sandbox, server, path)
}

/// Returns the path of the wheel for this system.
fn wheel_of(server: &Server, name: &str) -> String {
    let system = if cfg!(target_os = "macos") {
        "macos"
    } else {
        "manylinux"
    };
    let processor = if cfg!(target_arch = "x86_64") {
        "x86_64"
    } else if system == "macos" {
        "arm64"
    } else {
        "aarch64"
    };
    let paths = server.paths(name);
    let path = paths
        .iter()
        .find(|path| path.contains(system) && path.contains(processor));
    path.unwrap().clone()
}

fn status(sandbox: &Sandbox) -> Value {
    let status = sandbox.devsh(&["status", "--json"]).success();
    serde_json::from_str(&status.stdout).unwrap()
}

/// Asks for the status until `done` is content with it.
pub(crate) fn until(sandbox: &Sandbox, done: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let status = status(sandbox);
        if done(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "{status:#}");
    }
}

/// Goes into the project and returns when half of the archive is there.
fn begun(sandbox: &Sandbox, server: &Server, path: &str, shell: HostShell) -> Pty {
    server.hold(path);
    let mut pty = sandbox.shell(shell);
    let seen = pty.enter();
    assert!(
        seen.contains("dev is being built in the background"),
        "{seen}"
    );
    let status = until(sandbox, |status| {
        let item = &status["building"]["items"][0];
        item["done"].as_u64().is_some_and(|done| done > 0)
    });
    let building = &status["building"];
    assert_eq!(building["background"], true, "{status:#}");
    assert_eq!(building["shells"][0], "dev", "{status:#}");
    assert_eq!(building["items"][0]["name"], "ruff 0.12.4", "{status:#}");
    let percent = building["items"][0]["percent"].as_u64().unwrap();
    assert!((1..100).contains(&percent), "{status:#}");
    pty
}

/// Lets prompts come until one of them says `word`, and returns what it says.
fn prompted(pty: &mut Pty, word: &str) -> String {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let seen = pty.type_line("true");
        if seen.contains(word) {
            return seen;
        }
        assert!(Instant::now() < deadline, "no prompt says {word}");
    }
}

/// Begins `devsh run` with this command and returns once it waits for the build, with what it says afterwards.
fn joined(sandbox: &Sandbox, words: &[&str]) -> (Child, ChildStderr) {
    let mut command = sandbox.command("devsh");
    command.args(["run", "--"]).args(words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = [0; 48];
    let mut errors = child.stderr.take().unwrap();
    errors.read_exact(&mut first).unwrap();
    let first = String::from_utf8_lossy(&first).into_owned();
    assert!(
        first.starts_with("devsh: waiting for the running build"),
        "{first}"
    );
    (child, errors)
}

fn downloads(server: &Server, path: &str) -> usize {
    let wanted = format!("GET {path}");
    let requests = server.requests();
    requests.iter().filter(|line| **line == wanted).count()
}

#[test]
fn the_prompt_goes_on_and_the_environment_comes_later() {
    for_each_shell(|shell| {
        let (sandbox, server, path) = prepared();
        let mut pty = begun(&sandbox, &server, &path, shell);
        assert_eq!(pty.var("DEVSH_ROOT"), None);
        let shown = sandbox.devsh(&["status"]).success();
        for word in ["building", "dev in the background", "ruff 0.12.4", " %"] {
            assert!(shown.stdout.contains(word), "{word}: {shown}");
        }
        // Going elsewhere and coming back says it again and starts nothing.
        pty.leave();
        let seen = pty.enter();
        assert!(seen.contains("being built in the background"), "{seen}");
        server.release();
        let seen = prompted(&mut pty, "ruff 0.12.4");
        assert_eq!(seen.matches("devsh:").count(), 1, "{seen}");
        assert_eq!(pty.run("ruff --version"), "ruff 0.12.4\n");
        assert_eq!(downloads(&server, &path), 1);
    });
}

#[test]
fn a_command_joins_the_build_that_is_under_way() {
    let (sandbox, server, path) = prepared();
    let pty = begun(&sandbox, &server, &path, HostShell::Bash);
    let (child, _errors) = joined(&sandbox, &["ruff", "--version"]);
    server.release();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ruff 0.12.4\n");
    assert_eq!(downloads(&server, &path), 1);
    drop(pty);
}

#[test]
fn a_command_that_needs_no_more_than_parts_does_not_wait() {
    let (sandbox, server, path) = prepared();
    let pty = begun(&sandbox, &server, &path, HostShell::Bash);
    let partial = ["run", "--partial", "--", "ruff", "--version"];
    let run = sandbox.devsh(&partial).success();
    assert_eq!(run.stdout, "ruff 0.12.3\n");
    let note = "devsh: ruff 0.12.3 → 0.12.4, `devshell.lock` changed; `dev` is still being built, so its last build is used; \
                `devsh status` shows how far it is\n";
    assert_eq!(run.stderr, note);
    // The last build has what an earlier decision allowed.
    sandbox.devsh(&["deny"]).success();
    sandbox.devsh(&partial).code(3);
    server.release();
    drop(pty);
}

#[test]
fn a_waiting_command_checks_the_approval_again() {
    let (sandbox, server, path) = prepared();
    let pty = begun(&sandbox, &server, &path, HostShell::Bash);
    let (child, _errors) = joined(&sandbox, &["sh", "-c", "echo $LATE"]);
    let late = "[tools]\nruff = \"0.12.3\"\n[env]\nLATE = \"yes\"\n";
    sandbox.write("devshell.toml", late);
    sandbox.devsh(&["lock", "--trust"]).success();
    let lockfile = fs::read(sandbox.project().join("devshell.lock")).unwrap();
    server.release();
    let output = child.wait_with_output().unwrap();
    // It is no longer what was allowed.
    assert_eq!(output.status.code(), Some(3));
    let now = fs::read(sandbox.project().join("devshell.lock")).unwrap();
    assert_eq!(now, lockfile);
    drop(pty);
}

#[test]
fn neither_ctrl_c_nor_a_closed_terminal_ends_it() {
    for_each_shell(|shell| {
        let (sandbox, server, path) = prepared();
        let mut pty = begun(&sandbox, &server, &path, shell);
        pty.interrupt();
        drop(pty);
        let building = status(&sandbox)["building"].clone();
        assert!(building.is_object(), "{building:#}");
        server.release();
        until(&sandbox, |status| {
            status["ready"] == true && status["building"].is_null()
        });
        assert_eq!(downloads(&server, &path), 1);
    });
}

#[test]
fn a_failed_build_is_reported_once_and_not_repeated() {
    for_each_shell(|shell| {
        let (sandbox, server, path) = prepared();
        server.fault(&path, crate::support::server::Fault::Status(404));
        let mut pty = sandbox.shell(shell);
        pty.enter();
        let status = until(&sandbox, |status| status["failed"].is_object());
        let log = status["failed"]["log"].as_str().unwrap();
        let log = log.replacen('~', sandbox.home().to_str().unwrap(), 1);
        let seen = prompted(&mut pty, "dev could not be built");
        let text = fs::read_to_string(log).unwrap();
        assert!(text.contains("error: ") && text.contains("ruff"), "{text}");
        assert!(seen.contains("log: ~/.local/state/devsh/"), "{seen}");
        assert_eq!(seen.matches("could not be built").count(), 1, "{seen}");
        let asked = server.requests();
        assert!(!asked.is_empty());
        for _ in 0..3 {
            let seen = pty.type_line("true");
            assert!(!seen.contains("could not"), "{seen}");
            pty.leave();
            pty.enter();
        }
        assert_eq!(
            server.requests(),
            [""; 0],
            "it is not tried at every prompt"
        );
        // An explicit command builds it, and the prompt loads the result.
        server.mend();
        sandbox.devsh(&["sync"]).success();
        pty.type_line("true");
        assert_eq!(pty.run("ruff --version"), "ruff 0.12.4\n");
        assert_eq!(self::status(&sandbox)["failed"], Value::Null);
    });
}

#[test]
fn a_reload_tries_a_failed_build_again() {
    for_each_shell(|shell| {
        let (sandbox, server, path) = prepared();
        server.fault(&path, crate::support::server::Fault::Status(404));
        let mut pty = sandbox.shell(shell);
        pty.enter();
        prompted(&mut pty, "dev could not be built");
        server.mend();
        let seen = pty.type_line("devsh reload") + &pty.type_line("true");
        assert!(seen.contains("dev is being built"), "{seen}");
        prompted(&mut pty, "ruff 0.12.4");
        assert_eq!(pty.run("ruff --version"), "ruff 0.12.4\n");
    });
}

#[test]
fn a_denial_ends_it() {
    let (sandbox, server, path) = prepared();
    let pty = begun(&sandbox, &server, &path, HostShell::Bash);
    let outcome = sandbox.devsh(&["deny"]).success();
    assert!(outcome.stderr.contains("ended the build"), "{outcome}");
    until(&sandbox, |status| status["building"].is_null());
    server.release();
    sandbox.devsh(&["deny"]).success();
    assert_eq!(status(&sandbox)["ready"], false);
    drop(pty);
}

#[test]
fn a_killed_build_is_reported_and_can_run_again() {
    let (sandbox, server, path) = prepared();
    let mut pty = begun(&sandbox, &server, &path, HostShell::Bash);
    let process = status(&sandbox)["building"]["process"].as_i64().unwrap();
    let process = Pid::from_raw(i32::try_from(process).unwrap());
    kill(process, Signal::SIGKILL).unwrap();
    let status = until(&sandbox, |status| status["failed"].is_object());
    assert_eq!(status["building"], Value::Null, "{status:#}");
    prompted(&mut pty, "ended by signal 9");
    server.release();
    sandbox.devsh(&["sync"]).success();
    pty.type_line("true");
    assert_eq!(pty.run("ruff --version"), "ruff 0.12.4\n");
}

#[test]
fn a_build_keeps_no_file_of_the_shell_open() {
    let (sandbox, server, path) = prepared();
    server.hold(&path);
    let mut command = sandbox.command("sh");
    command
        .args(["-c", "exec devsh export bash --nonce 1 --loaded - --checks '' --path '' --gone '' 9>&1 >/dev/null"])
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut rest = String::new();
    // The pipe ends when its last holder has ended or closed it. The build still waits for the server.
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut rest)
        .unwrap();
    assert!(child.wait().unwrap().success());
    until(&sandbox, |status| status["building"]["background"] == true);
    server.release();
}

#[test]
fn ctrl_c_on_sync_stops_the_build_until_it_is_asked_for() {
    let (sandbox, server, path) = prepared();
    let mut pty = begun(&sandbox, &server, &path, HostShell::Bash);
    pty.begin_until("devsh sync", "waiting for the running build");
    let mut seen = pty.break_off();
    if !seen.contains("you stopped the build") {
        seen = prompted(&mut pty, "you stopped the build");
    }
    assert!(seen.contains("devsh sync"), "{seen}");
    until(&sandbox, |status| status["building"].is_null());
    server.release();
    server.requests();
    pty.leave();
    pty.enter();
    assert_eq!(status(&sandbox)["building"], Value::Null);
    assert_eq!(downloads(&server, &path), 0);
    pty.type_line("devsh sync");
    assert_eq!(pty.run("ruff --version"), "ruff 0.12.4\n");
}

#[test]
fn ctrl_c_on_a_first_build_stops_it_after_it_wrote_the_lockfile() {
    // A repository without a manifest, too.
    for (file, text) in [
        ("devshell.toml", "[tools]\nruff = \"0.12\"\n"),
        (".tool-versions", "ruff 0.12.4\n"),
    ] {
        let server = Server::start();
        serve_tool(&server, "ruff", &["0.12.4"]);
        let path = wheel_of(&server, "ruff-0.12.4-py3");
        let sandbox = Sandbox::new()
            .served_by(&server)
            .config("tools-from = \"managed\"\n");
        sandbox.write(file, text);
        sandbox.write(".git/HEAD", "ref: refs/heads/main\n");
        sandbox.write(".git/config", "");
        sandbox.write(".git/objects/keep", "");
        sandbox.write(".git/refs/keep", "");
        let mut pty = sandbox.shell(HostShell::Bash);
        pty.enter();
        server.hold(&path);
        pty.begin_until("TERM=xterm devsh allow --yes", "downloading ruff 0.12.4");
        let mut seen = pty.break_off();
        if !seen.contains("you stopped the build") {
            seen = prompted(&mut pty, "you stopped the build");
        }
        assert!(seen.contains("devsh sync"), "{seen}");
        pty.leave();
        pty.enter();
        assert_eq!(status(&sandbox)["building"], Value::Null);
        server.release();
        pty.type_line("devsh sync");
        assert_eq!(pty.run("ruff --version"), "ruff 0.12.4\n");
    }
}

#[test]
fn a_terminal_shows_several_tools_and_each_of_their_steps() {
    let server = Server::start();
    let names = ["ruff", "uv"];
    for name in names {
        serve_tool(&server, name, &["0.12.4"]);
        server.hold(&wheel_of(&server, &format!("{name}-0.12.4-py3")));
    }
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest("[tools]\nruff = \"0.12\"\nuv = \"0.12\"\n");
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.begin_until("TERM=xterm devsh -C project sync --trust", "resolving");
    // Half of each file is there, so both bars are drawn until the rest comes.
    for name in names {
        pty.wait_for(&format!("downloading {name} 0.12.4"));
    }
    server.release();
    let seen = pty.finish();
    for name in names {
        assert!(seen.contains(&format!("unpacking {name} 0.12.4")), "{seen}");
    }
    assert!(seen.contains("dev is ready"), "{seen}");
}

#[test]
fn a_terminal_shows_each_step() {
    let (sandbox, server, path) = prepared();
    server.hold(&path);
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.begin_until(
        "TERM=xterm devsh -C project sync",
        "downloading ruff 0.12.4",
    );
    server.release();
    let seen = pty.finish();
    assert!(seen.contains("unpacking ruff 0.12.4"), "{seen}");
    assert!(seen.contains("dev is ready"), "{seen}");
}

/// Returns the seconds until devsh builds by itself again.
fn wait(sandbox: &Sandbox) -> u64 {
    let status = status(sandbox);
    let wait = status["retry_in"].as_u64();
    wait.unwrap_or_else(|| panic!("{status:#}"))
}

#[test]
fn a_server_that_fails_is_asked_again_after_growing_pauses() {
    let (sandbox, server, path) = prepared();
    server.fault(&path, crate::support::server::Fault::Status(503));
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.enter();
    until(&sandbox, |status| {
        status["failed"].is_object() && status["building"].is_null()
    });
    assert!(wait(&sandbox) <= 30);
    let shown = sandbox.devsh(&["status"]).success().stdout;
    assert!(shown.contains("by itself in "), "{shown}");
    server.requests();
    pty.leave();
    pty.enter();
    pty.type_line("true");
    assert_eq!(server.requests(), [""; 0], "no prompt asks");
    // The background build starts this process again after each pause.
    let worker = ["sync", "--worker", "--shell", "dev"];
    assert_pauses(&sandbox, &server, &worker, [60, 120]);
}

#[test]
fn a_missing_tool_is_tried_again_after_growing_pauses() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    serve_tool(&server, "uv", &["0.9.0"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest("[tools]\nruff = \"0.12\"\nuv = \"0.9\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    let path = wheel_of(&server, "uv-0.9.0-py3");
    server.fault(&path, crate::support::server::Fault::Status(503));
    sandbox.devsh(&["allow"]).code(1);
    assert!((240..=300).contains(&wait(&sandbox)));
    server.requests();
    let mut pty = sandbox.shell(HostShell::Bash);
    for _ in 0..3 {
        pty.enter();
        assert_eq!(pty.run("ruff --version"), "ruff 0.12.4\n");
        pty.leave();
    }
    assert_eq!(server.requests(), [""; 0], "no prompt asks");
    assert_pauses(&sandbox, &server, &["sync"], [600, 1200]);
}

/// Asserts that a pause of about these seconds follows each failure of `build`, and none a build that succeeds.
#[track_caller]
fn assert_pauses(sandbox: &Sandbox, server: &Server, build: &[&str], pauses: [u64; 2]) {
    for pause in pauses {
        sandbox.devsh(build).code(1);
        let wait = wait(sandbox);
        assert!((pause / 2 + 1..=pause).contains(&wait), "{wait}");
        server.requests();
        let run = sandbox.devsh(&["run", "--", "true"]).code(125);
        let words = [
            "503",
            "note: next try in ",
            "hint: `devsh sync` tries now\n",
        ];
        let run = run.error(&words);
        assert_eq!(server.requests(), [""; 0], "{run}");
    }
    // A CI job that repeats a command wants another try.
    let run = &["run", "--", "true"];
    sandbox
        .outcome(sandbox.command(DEVSH).args(run).env("CI", "1"))
        .code(125);
    assert_ne!(server.requests(), [""; 0]);
    server.mend();
    sandbox.devsh(&["sync"]).success();
    assert_eq!(status(sandbox)["retry_in"], Value::Null);
}

#[test]
fn a_long_name_is_cut_with_a_sign_on_a_narrow_terminal() {
    let server = Server::start();
    serve_tool(&server, "a-tool-with-a-long-name", &["0.12.4"]);
    server.hold(&wheel_of(&server, "a_tool_with_a_long_name-0.12.4-py3"));
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest("[tools]\n\"pypi:a-tool-with-a-long-name\" = \"0.12\"\n");
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.type_line("stty cols 52");
    pty.begin_until(
        "TERM=xterm devsh -C project sync --trust",
        "pypi:a-tool-with-a-… ",
    );
    server.release();
    assert!(pty.finish().contains("dev is ready"));
}

#[test]
fn a_prompt_does_not_wait_for_slow_files() {
    let Some(strace) = strace() else {
        return;
    };
    let sandbox = Sandbox::new().manifest("[env]\nACTIVE = \"yes\"\n");
    sandbox.allow();
    // No record fits any more, so the prompt has to read the project.
    sandbox.write("devshell.toml", "# new\n[env]\nACTIVE = \"yes\"\n");
    let shown = sandbox.root().join("tmp/shown");
    let mut command = sandbox.command(strace);
    command
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=openat", "-P"])
        .arg(sandbox.project().join("devshell.toml"))
        .args(["-e", "inject=openat:delay_enter=3600000000", DEVSH])
        .args(PROMPT)
        .stderr(fs::File::create(&shown).unwrap());
    let mut traced = command.stdout(Stdio::null()).spawn().unwrap();
    let expected =
        "~/project: its files take more than 4 s to read, so they are read in the background";
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let shown = fs::read_to_string(&shown).unwrap();
        if sandbox.redacted(shown.as_bytes()).contains(expected) {
            break;
        }
        assert!(Instant::now() < deadline, "{shown}");
        thread::sleep(Duration::from_millis(20));
    }
    // The build in the background goes on without the delay.
    traced.kill().unwrap();
    traced.wait().unwrap();
    let prompt = || sandbox.devsh(&PROMPT).success().stdout;
    until(&sandbox, |status| {
        status["building"].is_null() && prompt().contains("ACTIVE")
    });
}

#[test]
fn a_build_that_ends_before_it_begins_is_not_repeated() {
    let sandbox = Sandbox::new().manifest("[env]\nA = \"1\"\n");
    sandbox.allow();
    sandbox.write("devshell.toml", "[env]\nA = \"2\"\n");
    let basis = "00".repeat(16);
    sandbox.devsh(&["sync", "--background", &basis, "--shell", "dev"]);
    let projects = sandbox.home().join(".local/state/devsh/projects");
    let project = fs::read_dir(projects).unwrap().next().unwrap().unwrap();
    let failed = fs::read(project.path().join("dev.failed")).unwrap();
    let failed = String::from_utf8_lossy(&failed);
    assert!(failed.contains("the project cannot be used"), "{failed}");
}
