//! `devsh doctor`, `man`, `completions` and `watch`.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    HostShell, Pty, Sandbox, Server, Tree, for_each_shell, pypi::serve_tool, require,
    sandbox::DEVSH,
};

const MANIFEST: &str = "[tools]\nruff = \"0.12\"\n[shells.test.env]\nTESTED = \"yes\"\n";

fn doctor(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let mut command = sandbox.command(DEVSH);
    command.args(["doctor", "--json"]).args(arguments);
    serde_json::from_slice(&command.output().unwrap().stdout).unwrap()
}

fn check<'v>(report: &'v Value, name: &str) -> &'v Value {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no `{name}` in {report:#}"))
}

#[test]
fn a_sound_installation_has_nothing_wrong() {
    for_each_shell(|shell| {
        let program = require(shell.name()).unwrap();
        let sandbox = Sandbox::new().env("SHELL", program);
        let rc = sandbox.home().join(shell.rc_file());
        fs::create_dir_all(rc.parent().unwrap()).unwrap();
        fs::write(rc, shell.hook_line()).unwrap();
        let outcome = sandbox.devsh(&["doctor"]).success();
        assert!(!outcome.stdout.contains("hint:"), "{outcome}");
        let report = doctor(&sandbox, &[]);
        assert_eq!(report["status"], "ok", "{report:#}");
        let checks = report["checks"].as_array().unwrap();
        assert!(checks.len() >= 9, "{report:#}");
        // It only looks.
        let before = Tree::of(sandbox.root());
        sandbox.devsh(&["doctor"]).success();
        let names = |tree: &Tree| tree.paths().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(names(&Tree::of(sandbox.root())), names(&before));
    });
}

#[test]
fn each_fault_is_found_and_its_hint_fixes_it() {
    let bash = require("bash").unwrap();
    let sandbox = Sandbox::new().env("SHELL", bash);
    let report = doctor(&sandbox, &[]);
    assert_eq!(check(&report, "hook")["status"], "error");
    let outcome = sandbox
        .devsh(&["doctor"])
        .code(1)
        .error(&["one thing is wrong"]);
    let hint = "hint: add `eval \"$(devsh hook bash)\"` to ~/.bashrc";
    assert!(outcome.stdout.contains(hint), "{outcome}");
    let rc = sandbox.home().join(".bashrc");
    let line = "eval \"$(devsh hook bash)\"\n";
    fs::write(&rc, format!("{line}eval \"$(mise activate bash)\"\n")).unwrap();
    let report = doctor(&sandbox, &[]);
    assert_eq!(check(&report, "hook")["status"], "warning", "{report:#}");
    fs::write(&rc, format!("eval \"$(mise activate bash)\"\n{line}")).unwrap();
    assert_eq!(check(&doctor(&sandbox, &[]), "hook")["status"], "ok");

    let hook = sandbox.data().join("hooks/hook.bash");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "# of an older version\n").unwrap();
    let report = doctor(&sandbox, &[]);
    let found = check(&report, "hook text");
    assert_eq!(found["status"], "warning", "{report:#}");
    let hint = found["hint"].as_str().unwrap();
    let mend = hint.split('`').nth(1).unwrap();
    sandbox
        .outcome(sandbox.command("bash").arg("-c").arg(mend))
        .success();
    assert_eq!(check(&doctor(&sandbox, &[]), "hook text")["status"], "ok");

    let sandbox = sandbox
        .config("tools-from = \"mars\"\n")
        .env("SSL_CERT_FILE", "/nowhere.pem")
        .env("HTTPS_PROXY", "http://")
        .env("DIRENV_DIR", "-/x");
    let report = doctor(&sandbox, &[]);
    for (name, status) in [
        ("settings", "error"),
        ("certificates", "error"),
        ("proxy", "error"),
        ("direnv", "warning"),
    ] {
        assert_eq!(check(&report, name)["status"], status, "{report:#}");
        assert!(check(&report, name)["hint"].is_string(), "{report:#}");
    }
}

/// Runs `devsh doctor` in a terminal, whose prompt may be any.
fn doctor_in(pty: &mut Pty, sandbox: &Sandbox) -> Value {
    let place = sandbox.home().join("report");
    // A file of an earlier run would end the wait at once.
    let _absent = fs::remove_file(&place);
    let (part, whole) = (place.with_extension("part"), place.display());
    let part = part.display();
    pty.begin(&format!("devsh doctor --json >{part}; mv {part} {whole}"));
    pty.wait_for_file(&place);
    serde_json::from_slice(&fs::read(&place).unwrap()).unwrap()
}

#[test]
fn doctor_checks_the_shell_in_which_it_is_typed() {
    for_each_shell(|shell| {
        let (other, bare) = match shell {
            HostShell::Bash => (HostShell::Zsh, "bash --norc"),
            HostShell::Zsh => (HostShell::Bash, "zsh -f"),
            HostShell::Fish => (HostShell::Bash, "fish --no-config"),
        };
        let sandbox = Sandbox::new().env("SHELL", require(other.name()).unwrap());
        let rc = sandbox.home().join(other.rc_file());
        fs::write(&rc, other.hook_line()).unwrap();
        let mut pty = sandbox.shell(shell);
        let report = doctor_in(&mut pty, &sandbox);
        let version = |report: &Value| check(report, "shell")["message"].to_string();
        assert!(version(&report).contains(shell.name()), "{report:#}");
        let hook = check(&report, "hook");
        assert_eq!(hook["status"], "ok", "{report:#}");
        assert!(
            hook["message"]
                .as_str()
                .unwrap()
                .contains("this shell has it")
        );
        // The shell of the account is worth a line only if it lacks the hook.
        let names = |report: &Value| report["checks"].to_string();
        assert!(!names(&report).contains("SHELL"), "{report:#}");
        fs::write(&rc, "").unwrap();
        let report = doctor_in(&mut pty, &sandbox);
        let account = check(&report, "SHELL");
        assert_eq!(account["status"], "ok", "{report:#}");
        assert!(
            account.to_string().contains("does not load the hook"),
            "{report:#}"
        );

        // A child inherits what the hook has exported, and `exec` keeps the process id.
        for line in [bare.to_owned(), format!("exec {bare}")] {
            pty.begin(&line);
            let report = doctor_in(&mut pty, &sandbox);
            assert!(version(&report).contains(shell.name()), "{report:#}");
            let hook = check(&report, "hook");
            assert_eq!(hook["status"], "warning", "{line}: {report:#}");
            let message = hook["message"].as_str().unwrap();
            assert!(
                message.contains("loads it, but this shell does not have it"),
                "{message}"
            );
            let hint = hook["hint"].as_str().unwrap();
            assert!(hint.contains(&format!("`exec {}`", shell.name())), "{hint}");
        }
    });
}

#[test]
fn doctor_knows_a_hook_that_no_rc_file_loads() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new();
        let mut pty = Pty::start(&sandbox, shell, "");
        let report = doctor_in(&mut pty, &sandbox);
        let hook = check(&report, "hook");
        assert_eq!(hook["status"], "error", "{report:#}");
        pty.type_line(&shell.hook_line());
        let report = doctor_in(&mut pty, &sandbox);
        let hook = check(&report, "hook");
        assert_eq!(hook["status"], "warning", "{report:#}");
        assert!(
            hook["message"]
                .as_str()
                .unwrap()
                .contains("this shell has it")
        );
    });
}

#[test]
fn programs_that_hide_the_dev_shell_s_own_are_found() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = Sandbox::new().served_by(&server).manifest(MANIFEST);
    sandbox.allow();
    let run = |line: &str| {
        let mut command = sandbox.command(DEVSH);
        command.args(["run", "--", "sh", "-c", line]);
        let output = command.output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let report = run("devsh doctor --json");
    assert_eq!(check(&report, "PATH")["status"], "ok", "{report:#}");
    let shims = sandbox.home().join(".pyenv/shims");
    fs::create_dir_all(&shims).unwrap();
    fs::write(shims.join("ruff"), "").unwrap();
    let report = run("PATH=$HOME/.pyenv/shims:$PATH devsh doctor --json");
    let found = check(&report, "PATH");
    assert_eq!(found["status"], "error", "{report:#}");
    assert!(
        found["message"].as_str().unwrap().contains("shims/ruff"),
        "{report:#}"
    );
    assert!(
        found["hint"].as_str().unwrap().contains("pyenv"),
        "{report:#}"
    );
}

#[test]
fn every_command_has_a_page() {
    let sandbox = Sandbox::new();
    let page = sandbox.devsh(&["man"]).success().stdout;
    assert!(page.contains(".TH") && page.contains("devsh"), "{page}");
    let page = sandbox.devsh(&["man", "run"]).success().stdout;
    assert!(page.contains("\\-\\-pure"), "{page}");
    sandbox
        .devsh(&["man", "nonsense"])
        .code(2)
        .error(&["`nonsense`"]);
    sandbox.devsh(&["man", "--write", "pages"]).success();
    let pages = Tree::of(&sandbox.project().join("pages"));
    let pages: Vec<_> = pages.paths().map(str::to_owned).collect();
    let help = sandbox.devsh(&["--help"]).success().stdout;
    let commands = help.lines().skip_while(|line| *line != "Start:").skip(1);
    let commands = commands.take_while(|line| *line != "Global options:");
    let mut count = 0;
    for name in commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()) {
        if !name.is_empty() {
            count += 1;
            let page = format!("devsh-{name}.1");
            assert!(
                pages.iter().any(|path| path.ends_with(&page)),
                "{page}: {pages:?}"
            );
        }
    }
    assert!(count > 12, "{help}");
    if let Some(mandoc) = require_quietly("mandoc") {
        let page = sandbox.project().join("pages/devsh-run.1");
        sandbox
            .outcome(
                sandbox
                    .command(mandoc)
                    .args(["-T", "lint", "-W", "error"])
                    .arg(page),
            )
            .success();
    }
}

fn require_quietly(tool: &str) -> Option<std::path::PathBuf> {
    which::which(tool).ok()
}

#[test]
fn tab_knows_the_project_and_touches_nothing() {
    let sandbox = Sandbox::new().manifest(&format!(
        "{MANIFEST}[hooks]\nenter = \"touch $HOME/executed\"\n"
    ));
    sandbox.program("ruff", "#!/bin/sh\ntouch $HOME/executed\n");
    let before = Tree::of(sandbox.root());
    let ask = |words: &[&str]| {
        let mut command = sandbox.command(DEVSH);
        command.arg("--").args(words).env("DEVSH_COMPLETE", "fish");
        sandbox.outcome(&mut command).success().stdout
    };
    let shells = ask(&["devsh", "run", "--shell", ""]);
    let shells: Vec<_> = shells.lines().collect();
    assert_eq!(shells, ["dev", "test"]);
    assert_eq!(ask(&["devsh", "enter", "t"]).trim(), "test");
    assert_eq!(ask(&["devsh", "explain", "--shell", "t"]).trim(), "test");
    assert_eq!(ask(&["devsh", "remove", "r"]).trim(), "ruff");
    assert!(ask(&["devsh", "sta"]).starts_with("status"), "commands");
    Tree::of(sandbox.root()).assert_unchanged_since(&before);

    let line = "source <(devsh completions bash); COMP_WORDS=(devsh run --shell te); COMP_CWORD=3; \
                COMP_TYPE=9; _devsh_complete devsh te --shell; echo \"${COMPREPLY[@]}\"";
    let outcome = sandbox.outcome(sandbox.command("bash").arg("-c").arg(line));
    assert_eq!(outcome.success().stdout.trim(), "test");
    let line = "complete -C 'devsh run --shell te'";
    let line = format!("devsh completions fish | source; {line}");
    if require("fish").is_some() {
        let outcome = sandbox.outcome(sandbox.command("fish").arg("-c").arg(line));
        assert_eq!(outcome.success().stdout.trim(), "test");
    }
    for_each_shell(|shell| {
        let script = sandbox.devsh(&["completions", shell.name()]).success();
        let file = sandbox.root().join(format!("complete.{}", shell.name()));
        fs::write(&file, script.stdout.replace("[DEVSH]", DEVSH)).unwrap();
        let option = if shell == HostShell::Fish {
            "--no-execute"
        } else {
            "-n"
        };
        sandbox
            .outcome(sandbox.command(shell.name()).arg(option).arg(&file))
            .success();
    });
}

/// A running `devsh watch` that is ended with the test.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// Starts `devsh watch` and returns when it watches.
fn watching(sandbox: &Sandbox) -> (Watching, impl Iterator<Item = String> + use<>) {
    let mut command = sandbox.command(DEVSH);
    command.arg("watch").current_dir("/").stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let first = lines.next().unwrap();
    assert_eq!(first, "devsh: watching 1 project");
    (Watching(child), lines)
}

fn locked_by_a_colleague(server: &Server, manifest: &str) -> Vec<u8> {
    let colleague = Sandbox::new().served_by(server).manifest(manifest);
    colleague.devsh(&["lock", "--trust"]).success();
    fs::read(colleague.project().join("devshell.lock")).unwrap()
}

fn replace(path: &Path, content: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, path).unwrap();
}

#[test]
fn a_changed_lockfile_is_built_ahead() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.3"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest(MANIFEST);
    sandbox.allow();
    serve_tool(&server, "ruff", &["0.12.3", "0.12.4"]);
    let lockfile = locked_by_a_colleague(&server, MANIFEST);
    server.requests();
    let (_watching, mut lines) = watching(&sandbox);
    assert_eq!(
        server.requests(),
        [""; 0],
        "what is built is not built again"
    );
    // As `git pull` does it.
    replace(&sandbox.project().join("devshell.lock"), &lockfile);
    let line = lines.next().unwrap();
    assert!(line.ends_with("project: dev is ready"), "{line}");
    server.requests();
    let run = ["run", "--offline", "--", "ruff", "--version"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.12.4\n");
    assert_eq!(server.requests(), [""; 0]);
    // New content waits for its approval.
    replace(
        &sandbox.project().join("devshell.toml"),
        format!("{MANIFEST}[env]\nA = \"1\"\n").as_bytes(),
    );
    let line = lines.next().unwrap();
    assert!(line.ends_with("waits for `devsh allow`"), "{line}");
    fs::remove_dir_all(sandbox.project()).unwrap();
    let line = lines.next().unwrap();
    assert!(
        line.ends_with("does not exist") || line.ends_with("is not an allowed project"),
        "{line}"
    );
}

#[test]
fn watch_once_exits_with_the_failed_build() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.3"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest(MANIFEST);
    sandbox.allow();
    let begun = Instant::now();
    let outcome = sandbox.devsh(&["watch", "--once"]).success();
    assert_eq!(outcome.stderr, "", "all is built");
    assert!(begun.elapsed() < Duration::from_secs(20));
    serve_tool(&server, "ruff", &["0.12.3", "0.12.4"]);
    let lockfile = locked_by_a_colleague(&server, MANIFEST);
    fs::write(sandbox.project().join("devshell.lock"), lockfile).unwrap();
    for path in server.paths("ruff-0.12.4-py3") {
        server.fault(&path, crate::support::server::Fault::Status(404));
    }
    let outcome = sandbox.devsh(&["watch", "--once"]).code(1);
    assert!(
        outcome.stderr.contains("dev could not be built"),
        "{outcome}"
    );
    server.requests();
    sandbox.devsh(&["watch", "--once", "."]).code(1);
    assert_eq!(
        server.requests(),
        [""; 0],
        "the same content is not tried again"
    );
    sandbox
        .devsh(&["watch", "nowhere"])
        .code(1)
        .error(&["`nowhere`"]);
}
