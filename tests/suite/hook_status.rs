//! The exit status of the user's last command: the shell, traps and hooks of other tools see it unchanged.

use crate::support::{HostShell, Pty, Sandbox, for_each_shell, require, sandbox::DEVSH};

fn prepared() -> Sandbox {
    let sandbox = Sandbox::new().manifest("[env]\nACTIVE = \"yes\"\n");
    sandbox.allow();
    sandbox
}

/// Hooks of other tools that record the status.
const GUEST: &str = "seen=\"$? ${PIPESTATUS[*]} $_\"";

/// Starts bash with the hook for 5.1 or for older versions, in which `PROMPT_COMMAND` is no array.
fn start(sandbox: &Sandbox, old: bool, before: &str, after: &str) -> Pty {
    let program = sandbox.root().join("bin/devsh");
    let program = std::fs::canonicalize(program).unwrap();
    let hook = sandbox.hook_that_runs(HostShell::Bash, &program);
    let list = "BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501";
    assert!(hook.contains(list));
    let hook = if old { hook.replace(list, "0") } else { hook };
    Pty::start(sandbox, HostShell::Bash, &[before, &hook, after].join("\n"))
}

#[test]
fn a_failed_command_does_not_end_a_strict_bash() {
    if require("bash").is_none() {
        return;
    }
    let sandbox = prepared();
    for old in [false, true] {
        for (before, after) in [
            ("", ""),
            ("PROMPT_COMMAND=:", ""),
            ("", "PROMPT_COMMAND=\"$PROMPT_COMMAND; seen=$?\""),
            (
                "PROMPT_COMMAND=':;'",
                "PROMPT_COMMAND=\"seen=;$PROMPT_COMMAND\"",
            ),
            (
                "",
                "guest() { eval \"$kept\"; }; kept=$PROMPT_COMMAND PROMPT_COMMAND=guest",
            ),
        ] {
            let mut pty = start(&sandbox, old, before, after);
            pty.type_line("set -e");
            for line in [
                "false && true",
                "cd ~/project; false && true",
                "cd /; false && true",
            ] {
                pty.type_line(line);
                let shown = pty.type_line("echo status=$?");
                assert!(
                    shown.contains("status=1"),
                    "{old} {before} {after}: {shown}"
                );
            }
        }
    }
}

#[test]
fn a_trap_for_failures_hears_of_each_once() {
    if require("bash").is_none() {
        return;
    }
    let sandbox = prepared();
    for old in [false, true] {
        for before in ["", "PROMPT_COMMAND=:", "set -E; PROMPT_COMMAND=:"] {
            let mut pty = start(&sandbox, old, before, "");
            pty.type_line("fails=0; trap 'fails=$((fails + 1))' ERR");
            pty.type_line("false");
            pty.type_line("false && true");
            assert_eq!(pty.run("echo $fails"), "1\n", "{old} {before}");
        }
    }
}

#[test]
fn hooks_of_other_tools_see_the_status_of_the_user() {
    if require("bash").is_none() {
        return;
    }
    let sandbox = prepared();
    for (before, after) in [
        (
            format!("PROMPT_COMMAND=(: {})", HostShell::Bash.quoted(GUEST)),
            String::new(),
        ),
        (
            String::new(),
            format!("PROMPT_COMMAND+=({})", HostShell::Bash.quoted(GUEST)),
        ),
    ] {
        let mut pty = start(&sandbox, false, &before, &after);
        for directory in ["~", "~/project"] {
            pty.type_line(&format!("cd {directory}"));
            pty.type_line("sh -c 'exit 4' | true | sh -c 'exit 3'");
            let seen = pty.run("echo $seen");
            assert!(seen.starts_with("3 4 0 3 "), "{before} {after}: {seen}");
            pty.type_line("true word");
            assert_eq!(pty.run("echo $seen"), "0 0 word\n", "{before} {after}");
        }
    }
    // If all commands are one text, only the status is kept.
    for (old, before, after) in [
        (
            false,
            format!("PROMPT_COMMAND={}", HostShell::Bash.quoted(GUEST)),
            String::new(),
        ),
        (
            true,
            format!("PROMPT_COMMAND={}", HostShell::Bash.quoted(GUEST)),
            String::new(),
        ),
        (
            true,
            String::new(),
            format!(
                "PROMPT_COMMAND=\"$PROMPT_COMMAND\"';'{}",
                HostShell::Bash.quoted(GUEST)
            ),
        ),
    ] {
        let mut pty = start(&sandbox, old, &before, &after);
        pty.type_line("sh -c 'exit 3'");
        let seen = pty.run("echo $seen");
        assert!(seen.starts_with("3 "), "{seen}");
    }
}

#[test]
fn a_reload_runs_a_program_that_has_failed_again() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let (broken, calls) = (sandbox.root().join("broken"), sandbox.root().join("calls"));
        std::fs::write(&broken, "").unwrap();
        let program = format!(
            "#!/bin/sh\necho >>'{}'\n[ ! -e '{}' ] || exit 1\nexec '{DEVSH}' \"$@\"\n",
            calls.display(),
            broken.display()
        );
        let program = sandbox.program("sometimes", &program);
        let mut pty = Pty::start(&sandbox, shell, &sandbox.hook_that_runs(shell, &program));
        pty.enter();
        std::fs::remove_file(&broken).unwrap();
        let count = || std::fs::read(&calls).unwrap().len();
        let before = count();
        pty.type_line("true");
        assert_eq!((pty.var("DEVSH_ROOT"), count()), (None, before));
        pty.type_line("devsh reload");
        assert!(pty.var("DEVSH_ROOT").is_some(), "the program runs again");
        let before = count();
        pty.type_line("true");
        assert_eq!(count(), before, "once for each request");
    });
}

#[test]
fn a_bash_of_whole_seconds_asks_a_program_that_fails_once() {
    if require("bash").is_none() {
        return;
    }
    let sandbox = prepared();
    let calls = sandbox.root().join("calls");
    let failing = format!("#!/bin/sh\necho >>'{}'\nexit 1\n", calls.display());
    let failing = sandbox.program("failing", &failing);
    let hook = sandbox.hook_that_runs(HostShell::Bash, &failing);
    let seconds = "BASH_VERSINFO[0] < 5)); then\n  __devsh_step";
    assert!(hook.contains(seconds));
    let hook = hook.replace(seconds, "1)); then\n  __devsh_step");
    let mut pty = Pty::start(&sandbox, HostShell::Bash, &hook);
    // The program runs again when the second is over.
    pty.type_line("sleep 1.1");
    let count = || std::fs::read(&calls).map_or(0, |calls| calls.len());
    let before = count();
    for _ in 0..3 {
        pty.type_line("true");
    }
    assert_eq!((before, count()), (2, 2));
}
