//! The hooks keep the user's exit status and options and the hooks of other tools. An idle prompt starts no process.

use std::{collections::BTreeMap, fs, path::Path};

use crate::hook_many_files;
use crate::support::{HostShell, Pty, Sandbox, for_each_shell, require};

fn prepared() -> Sandbox {
    let sandbox = Sandbox::new().manifest("[env]\nACTIVE = \"yes\"\n[aliases]\nhi = \"echo hi\"\n");
    sandbox.allow();
    sandbox
}

#[test]
fn the_exit_status_is_kept() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        let project = shell.quoted(sandbox.project().to_str().unwrap());
        let asked = format!("echo status={}", shell.status());
        for line in [
            "sh -c 'exit 7'".to_owned(),
            format!("cd {project}; sh -c 'exit 7'"),
            "sh -c 'exit 7'".to_owned(),
            "cd /; sh -c 'exit 7'".to_owned(),
        ] {
            pty.type_line(&line);
            let shown = pty.type_line(&asked);
            assert!(shown.contains("status=7"), "after {line:?}: {shown}");
        }
    });
}

#[test]
fn strict_options_do_no_harm() {
    for_each_shell(|shell| {
        let options: &[&str] = match shell {
            HostShell::Bash => &[
                "set -u",
                "set -eu",
                "set -euo pipefail",
                "shopt -s nullglob failglob",
            ],
            HostShell::Zsh => &[
                "set -u",
                "set -eu",
                "setopt ksh_arrays sh_word_split no_unset",
                "setopt glob_subst null_glob err_exit",
            ],
            HostShell::Fish => &["set -g fish_trace ''"],
        };
        for option in options {
            let sandbox = prepared();
            let mut pty = sandbox.shell(shell);
            pty.type_line(option);
            let before = pty.snapshot();
            let shown = pty.enter();
            assert!(
                !shown.contains("unbound") && !shown.contains("not set"),
                "{option}: {shown}"
            );
            assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"), "{option}");
            pty.type_line("true");
            pty.leave();
            assert_eq!(pty.var("ACTIVE"), None, "{option}");
            pty.snapshot().assert_restores(&before);
        }
    });
}

#[test]
fn aliases_of_commands_in_the_hook_do_no_harm() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let names: &[&str] = match shell {
            HostShell::Fish => &["cat", "grep", "env"],
            _ => &[
                "eval", "command", "builtin", "export", "unset", "local", "printf", "test",
                "return",
            ],
        };
        let aliases: Vec<_> = names
            .iter()
            .map(|name| shell.alias(name, "false"))
            .collect();
        let rc = format!("{}\n{}", shell.hook_line(), aliases.join("\n"));
        let mut pty = Pty::start(&sandbox, shell, &rc);
        pty.enter();
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        pty.leave();
        assert_eq!(pty.var("ACTIVE"), None);
    });
}

/// Returns rc texts that register another tool's prompt hook, which counts its calls in `guest`.
fn guests(shell: HostShell) -> Vec<(&'static str, &'static str)> {
    match shell {
        HostShell::Bash => vec![
            ("guest=0; PROMPT_COMMAND='guest=$((guest + 1))'", "true"),
            ("guest=0; PROMPT_COMMAND='guest=$((guest + 1));'", "true"),
            ("guest=0; PROMPT_COMMAND='guest=$((guest + 1)) ; '", "true"),
            (
                "guest=0; PROMPT_COMMAND=('guest=$((guest + 1))' 'other=1')",
                "true",
            ),
            (
                "guest=0",
                "PROMPT_COMMAND=\"${PROMPT_COMMAND-}\"$'\\n''guest=$((guest + 1))'",
            ),
        ],
        HostShell::Zsh => vec![
            (
                "guest=0; g() { guest=$((guest + 1)); }; precmd_functions+=(g)",
                "true",
            ),
            (
                "guest=0; g() { guest=$((guest + 1)); }",
                "precmd_functions+=(g)",
            ),
            ("guest=0; precmd() { guest=$((guest + 1)); }", "true"),
        ],
        HostShell::Fish => vec![
            (
                "set -g guest 0; function g --on-event fish_prompt; set -g guest (math $guest + 1); end",
                "true",
            ),
            (
                "set -g guest 0",
                "function g --on-event fish_prompt; set -g guest (math $guest + 1); end",
            ),
        ],
    }
}

#[test]
fn other_prompt_hooks_are_kept() {
    for_each_shell(|shell| {
        for (before, after) in guests(shell) {
            let sandbox = prepared();
            let rc = format!("{before}\n{}\n{after}", shell.hook_line());
            let mut pty = Pty::start(&sandbox, shell, &rc);
            let count = |pty: &mut Pty| pty.run("echo $guest").trim().parse::<u32>().unwrap();
            let first = count(&mut pty);
            assert!(first >= 1, "{rc}");
            pty.enter();
            pty.type_line("true");
            assert_eq!(count(&mut pty), first + 3, "{rc}");
            assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"), "{rc}");
            pty.leave();
            assert_eq!(pty.var("ACTIVE"), None, "{rc}");
        }
    });
}

#[test]
fn the_hook_asked_for_twice_is_there_once() {
    for_each_shell(|shell| {
        let registered = match shell {
            HostShell::Bash => "declare -p PROMPT_COMMAND",
            HostShell::Zsh => "echo $precmd_functions; echo $chpwd_functions",
            HostShell::Fish => "functions --handlers",
        };
        let sandbox = prepared();
        let hook = shell.hook_line();
        // fish lists handlers of one event in any order.
        let handlers = |pty: &mut Pty| {
            let text = pty.run(registered);
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines.join("\n")
        };
        let expected = handlers(&mut Pty::start(&sandbox, shell, &hook));
        assert!(expected.contains("__devsh_"), "{expected}");
        let mut pty = Pty::start(&sandbox, shell, &format!("{hook}\n{hook}"));
        assert_eq!(handlers(&mut pty), expected);
        pty.enter();
        pty.run(&hook);
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        pty.leave();
        assert_eq!(pty.var("ACTIVE"), None);
        assert_eq!(handlers(&mut pty), expected);
    });
}

#[test]
fn a_shell_inside_a_shell_leaves_cleanly() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut outer = sandbox.shell(shell);
        outer.enter();
        let inside = outer.environment();
        drop(outer);
        // The environment of a shell that is started inside the project.
        let mut inner = Sandbox::new();
        for name in [
            "ACTIVE",
            "DEVSH_ROOT",
            "DEVSH_SHELL",
            "DEVSH_DIFF",
            "PATH",
            "XDG_DATA_HOME",
            "XDG_STATE_HOME",
        ] {
            let value = String::from_utf8(inside[name.as_bytes()].clone()).unwrap();
            inner = inner.env(name, value);
        }
        let mut pty = inner.shell(shell);
        assert_eq!(
            pty.var("ACTIVE"),
            None,
            "it starts in its home, outside of the project"
        );
        assert_eq!(pty.var("DEVSH_DIFF"), None);
        pty.cd(sandbox.project());
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
    });
}

#[test]
fn an_idle_prompt_says_nothing() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        for _ in 0..2 {
            assert!(!pty.type_line("true").contains("devsh"));
            pty.enter();
            assert!(!pty.type_line("true").contains("devsh"));
            pty.leave();
        }
    });
}

/// Counts the processes that start between marks, which are tests of files `mark-NAME`.
fn processes_between_marks(trace: &Path) -> BTreeMap<String, Vec<String>> {
    let mut counts = BTreeMap::<String, Vec<String>>::new();
    let mut current = None;
    for line in fs::read_to_string(trace).unwrap().lines() {
        if let Some((_, rest)) = line.split_once("/mark-") {
            let name: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
            counts.entry(name.clone()).or_default();
            current = Some(name);
        } else if let Some(name) = &current
            && (line.contains("fork(") || line.contains("clone(") || line.contains("clone3("))
            && !line.contains("resumed")
            && !line.contains("CLONE_THREAD")
        {
            counts
                .entry(name.clone())
                .or_default()
                .push(line.to_owned());
        }
    }
    counts
}

#[test]
fn an_idle_prompt_starts_no_process_and_a_transition_one() {
    let Some(strace) = require("strace") else {
        return;
    };
    for_each_shell(|shell| {
        // Each shell checks many old files in its own way.
        for sandbox in [prepared(), hook_many_files::prepared()] {
            let trace = sandbox.root().join("trace");
            let wrapper = [
                strace.to_str().unwrap(),
                "-f",
                "-qq",
                "-e",
                "trace=clone,clone3,fork,vfork,stat,newfstatat,access,faccessat,faccessat2,statx",
                "-e",
                "signal=none",
                "-o",
                trace.to_str().unwrap(),
            ]
            .map(str::to_owned);
            let mut pty = Pty::start_with(&sandbox, shell, &shell.hook_line(), &wrapper);
            let project = sandbox.project().to_str().unwrap();
            // Everything is warm: the environment is built and was loaded once.
            pty.enter();
            pty.leave();
            for line in [
                "test -e /mark-outside",
                "true",
                "true",
                "true",
                &format!("test -e /mark-enter; cd {project}"),
                "test -e /mark-inside",
                "true",
                "true",
                "true",
                "test -e /mark-leave; cd /",
                "test -e /mark-end",
            ] {
                pty.type_line(line);
            }
            pty.exit();
            let counts = processes_between_marks(&trace);
            assert_eq!(counts["outside"], [""; 0], "an idle prompt outside");
            assert_eq!(counts["inside"], [""; 0], "an idle prompt inside");
            assert_eq!(counts["enter"].len(), 1, "{:#?}", counts["enter"]);
            assert_eq!(counts["leave"].len(), 1, "{:#?}", counts["leave"]);
        }
    });
}
