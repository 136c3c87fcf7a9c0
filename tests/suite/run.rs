//! `devsh run`: one command inside, with nothing of devsh in between.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    process::Stdio,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::support::{Sandbox, Server, Tree, pypi::serve_tool, sandbox::DEVSH};

const MANIFEST: &str = "[env]\nACTIVE = \"yes\"\n[shells.test.env]\nTESTED = \"yes\"\n";

fn prepared() -> Sandbox {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.allow();
    sandbox
}

#[test]
fn a_command_of_another_dev_shell_is_named() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest("[env]\nA = \"1\"\n[shells.lint.tools]\nruff = \"0.12\"\n");
    sandbox.allow();
    sandbox.devsh(&["run", "--", "ruff"]).code(127).error(&[
        "no command `ruff` in dev shell `dev`",
        "`lint` has it: `devsh run --shell lint -- ruff`",
    ]);
    let other = sandbox.devsh(&["run", "--", "nothing"]).code(127);
    assert!(!other.stderr.contains("hint"), "{other}");
    let mistyped = sandbox.devsh(&["run", "--shell", "lint", "--", "rufff"]);
    mistyped.code(127).error(&["hint: did you mean `ruff`?"]);
    let shell = sandbox.devsh(&["run", "--shell", "lnit", "--", "ruff"]);
    shell
        .code(125)
        .error(&["there is no dev shell `lnit`", "hint: did you mean `lint`?"]);
}

#[test]
fn a_package_of_package_json_is_named() {
    let sandbox = Sandbox::new().manifest("[env]\nA = \"1\"\n");
    sandbox.write(
        "package.json",
        r#"{"dependencies": {"left": "1"}, "devDependencies": {"ava": "6", "prettier": "3"}}"#,
    );
    sandbox.program("java", "#!/bin/sh\n");
    sandbox.allow();
    let run = |program: &str| sandbox.devsh(&["run", "--", program]).code(127).stderr;
    let hint = "hint: `ava` is a package of `package.json`: `devsh run -- npm install`, then \
                `devsh run -- npx ava`\n";
    let error = run("ava");
    assert!(error.contains(hint) && !error.contains("java"), "{error}");
    let error = run("pretier");
    assert!(error.contains("did you mean `prettier`?"), "{error}");
    sandbox.write("pnpm-lock.yaml", "");
    sandbox.write("node_modules/left/package.json", "{}");
    let error = run("ava");
    assert!(
        error.contains("`package.json`: `devsh run -- pnpm exec ava`\n"),
        "{error}"
    );
}

#[test]
fn the_command_has_the_environment() {
    let sandbox = prepared();
    let outcome = sandbox.devsh(&["run", "--", "sh", "-c", "echo $ACTIVE-$TESTED-$DEVSH_SHELL"]);
    assert_eq!(outcome.success().stdout, "yes--dev\n");
    let outcome = sandbox.devsh(&[
        "run",
        "--shell",
        "test",
        "--",
        "sh",
        "-c",
        "echo $ACTIVE-$TESTED-$DEVSH_SHELL",
    ]);
    assert_eq!(outcome.success().stdout, "yes-yes-test\n");
}

#[test]
fn arguments_and_streams_pass_through() {
    let sandbox = prepared();
    let arguments = [
        "run", "--", "printf", "<%s>", "a b", "", "--flag", "$HOME", "-C", "'q'\n",
    ];
    let outcome = sandbox.devsh(&arguments).success();
    assert_eq!(outcome.stdout, "<a b><><--flag><$HOME><-C><'q'\n>");
    assert_eq!(outcome.stderr, "");

    let mut command = sandbox.command(DEVSH);
    command.args(["run", "--", "sh", "-c", "cat; echo two >&2"]);
    let outcome = sandbox.outcome_of_input(&mut command, b"\0one\n").success();
    assert_eq!(outcome.stdout, "\0one\n");
    assert_eq!(outcome.stderr, "two\n");
}

#[test]
fn the_exit_code_is_the_commands() {
    let sandbox = prepared();
    for code in [0, 1, 3, 42, 125, 126, 127, 255] {
        let exit = format!("exit {code}");
        sandbox.devsh(&["run", "--", "sh", "-c", &exit]).code(code);
    }
}

#[test]
fn a_signal_ends_it_as_it_ends_the_command() {
    let sandbox = prepared();
    let outcome = sandbox.devsh(&["run", "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(outcome.status.signal(), Some(15), "{outcome}");
}

#[test]
fn the_command_takes_the_place_of_devsh() {
    let sandbox = prepared();
    let mut child = sandbox
        .command(DEVSH)
        .args([
            "run",
            "--",
            "sh",
            "-c",
            "trap 'echo caught; exit 9' TERM; echo $$; while :; do sleep 0.02; done",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let shell: u32 = lines.next().unwrap().unwrap().parse().unwrap();
    assert_eq!(shell, child.id(), "there is no process in between");
    kill(
        Pid::from_raw(i32::try_from(shell).unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "caught");
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn its_own_failures_have_codes_of_their_own() {
    let sandbox = prepared();
    sandbox
        .devsh(&["run", "--", "no-such-command"])
        .code(127)
        .error(&["error: ", "`no-such-command`"]);
    sandbox.write("plain", "not a program\n");
    sandbox
        .devsh(&["run", "--", "./plain"])
        .code(126)
        .error(&["./plain"]);
    sandbox
        .devsh(&["run", "--shell", "none", "--", "true"])
        .code(125)
        .error(&["`none`"]);
    sandbox.write("devshell.toml", "[env\n");
    sandbox
        .devsh(&["run", "--", "true"])
        .error(&["devshell.toml"]);
}

#[test]
fn a_command_does_not_run_after_a_failed_enter_script() {
    for script in ["exit 7", "kill -9 $$", "no-such-command"] {
        let manifest = format!("[hooks]\nenter = \"\"\"{script}\"\"\"\n");
        let sandbox = Sandbox::new().manifest(&manifest);
        sandbox.allow();
        // The first command makes the record that the second one reads.
        for _ in 0..2 {
            let outcome = sandbox.devsh(&["run", "--", "echo", "ran"]).code(125);
            assert_eq!(outcome.stdout, "");
            outcome.error(&["enter script `", "ended with "]);
        }
    }
}

#[test]
fn an_unapproved_project_does_not_run() {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    let outcome = sandbox.devsh(&["run", "--", "touch", "ran"]).code(3);
    outcome.error(&[
        "error: `~/project` is not allowed",
        "hint: ",
        "`devsh allow`",
    ]);
    assert!(!sandbox.project().join("ran").exists());
    // In CI nothing is trusted silently either; `--trust` says so aloud.
    let sandbox = sandbox.env("CI", "true");
    sandbox.devsh(&["run", "--", "touch", "ran"]).code(3);
    assert!(!sandbox.project().join("ran").exists());
    sandbox
        .devsh(&["run", "--trust", "--", "touch", "ran"])
        .success();
    assert!(sandbox.project().join("ran").exists());
}

#[test]
fn a_directory_below_is_where_the_command_runs() {
    let sandbox = prepared();
    fs::create_dir_all(sandbox.project().join("below")).unwrap();
    let mut command = sandbox.command(DEVSH);
    command
        .args(["run", "--", "pwd"])
        .current_dir(sandbox.project().join("below"));
    assert_eq!(
        sandbox.outcome(&mut command).success().stdout,
        "~/project/below\n"
    );
    let mut command = sandbox.command(DEVSH);
    command
        .args(["run", "-C", "project", "--", "pwd"])
        .current_dir(sandbox.home());
    assert_eq!(
        sandbox.outcome(&mut command).success().stdout,
        "~/project\n"
    );
}

#[test]
fn the_second_locked_run_sends_no_request_and_writes_nothing() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.3", "0.12.4", "0.13.0"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .env("CI", "true")
        .config("tools-from = \"managed\"\n")
        .manifest("[tools]\nruff = \"0.12\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    let run = ["run", "--locked", "--trust", "--", "ruff", "--version"];
    let outcome = sandbox.devsh(&run).success();
    assert_eq!(outcome.stdout, "ruff 0.12.4\n");
    assert!(!server.requests().is_empty());

    let before = Tree::of(sandbox.root());
    let outcome = sandbox.devsh(&run).success();
    assert_eq!(outcome.stdout, "ruff 0.12.4\n");
    assert_eq!(outcome.stderr, "");
    assert_eq!(server.requests(), [""; 0]);
    Tree::of(sandbox.root()).assert_unchanged_since(&before);
    // Nor is the network missed.
    let offline = [
        "run",
        "--offline",
        "--locked",
        "--trust",
        "--",
        "ruff",
        "--version",
    ];
    assert_eq!(sandbox.devsh(&offline).success().stdout, "ruff 0.12.4\n");
}
