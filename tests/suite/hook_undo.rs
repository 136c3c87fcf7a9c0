//! Deactivation restores state that the environment does not show: shell variables, EXIT trap, scripts.

use std::{fs, path::Path};

use crate::support::{HostShell, Pty, Sandbox, for_each_shell};

const MANIFEST: &str = "[env]\nV = \"theirs\"\nW = \"also\"\n";

fn prepared() -> Sandbox {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.allow();
    sandbox
}

/// Definitions of `V` that the environment does not show.
fn definitions(shell: HostShell) -> &'static [&'static str] {
    match shell {
        HostShell::Bash => &[
            "V='a  b'",
            "V=",
            "V=$'x\\n\\'y\\''",
            "V=(1 'b c' '')",
            "V=([7]=seven)",
            "declare -A V=([k]='v w' [é]=2)",
            "declare -i V=5",
            "declare -ix V=5",
            "declare -u V=up",
        ],
        HostShell::Zsh => &[
            "V='a  b'",
            "V=",
            "V=$'x\\n\\'y\\''",
            "V=(1 'b c' '')",
            "typeset -gA V=(k 'v w' é 2)",
            "integer V=5",
            "integer -x V=5",
            "typeset -u V=up",
            "typeset -r V=fixed",
            "typeset -T V v 1:2",
            "float V=1.5",
        ],
        HostShell::Fish => &[
            "set -g V 'a  b'",
            "set -g V ''",
            "set -g V",
            "set -g V 1 'b c' ''",
            "set -gx V 1 'b c'",
            "set -g --path V /a /b",
            "set -U V everywhere",
            "set -Ux V everywhere",
        ],
    }
}

#[test]
fn variables_come_back_as_they_were_declared() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        for definition in definitions(shell) {
            pty.type_line(definition);
            let before = pty.run(&shell.declaration("V"));
            assert!(before.contains('V'), "{definition}: {before}");
            let whole = pty.snapshot();
            pty.enter();
            assert_eq!(pty.var("V").as_deref(), Some("theirs"), "{definition}");
            pty.leave();
            assert_eq!(pty.run(&shell.declaration("V")), before, "{definition}");
            pty.snapshot().assert_restores(&whole);
            pty.type_line(match shell {
                HostShell::Fish => "set -eg V; set -eU V; true",
                HostShell::Zsh => "typeset +r V; unset V",
                HostShell::Bash => "unset V",
            });
        }
    });
}

#[test]
fn a_shell_that_drops_doubled_entries_gets_its_own_back() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new().manifest("[env]\nPATH = { prepend = [\"/own\"] }\n");
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        // If the shell does not do it, the user does it inside.
        let (before, inside) = match shell {
            HostShell::Bash => ("PATH=$PATH:/own:/last", "PATH=${PATH%:/own:/last}:/last"),
            HostShell::Zsh => ("typeset -U PATH path; path+=(/own /last)", "true"),
            HostShell::Fish => (
                "set -gx PATH $PATH /own /last",
                "set -gx PATH $PATH[1..-3] $PATH[-1]",
            ),
        };
        pty.type_line(before);
        let path = pty.var("PATH").unwrap();
        assert!(path.ends_with(":/own:/last"), "{path}");
        pty.enter();
        pty.type_line(inside);
        let entered = pty.var("PATH").unwrap();
        assert_eq!(entered.matches("/own").count(), 1, "{entered}");
        pty.leave();
        assert_eq!(pty.var("PATH").unwrap(), path);
    });
}

/// Sets a variable that is not exported.
fn own(shell: HostShell, name: &str, value: &str) -> String {
    match shell {
        HostShell::Fish => format!("set -g {name} {value}"),
        _ => format!("{name}={value}"),
    }
}

#[test]
fn a_reload_does_not_forget_them() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        pty.type_line(&own(shell, "V", "mine"));
        pty.type_line(&own(shell, "LATE", "too"));
        let before = pty.run(&shell.declaration("V"));
        pty.enter();
        sandbox.write("devshell.toml", "[env]\nV = \"other\"\nLATE = \"1\"\n");
        sandbox.allow();
        pty.type_line("true");
        assert_eq!(pty.var("V").as_deref(), Some("other"));
        assert_eq!(pty.var("LATE").as_deref(), Some("1"));
        sandbox.write("devshell.toml", "[env]\nV = \"third\"\n");
        sandbox.allow();
        pty.type_line("true");
        assert_eq!(pty.var("LATE"), None);
        assert_eq!(pty.run("echo $LATE"), "too\n");
        pty.leave();
        assert_eq!(pty.run(&shell.declaration("V")), before);
        assert_eq!(pty.run("echo $V$LATE"), "minetoo\n");
    });
}

#[test]
fn a_neighbour_holds_them_too() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let sibling = sandbox.home().join("sibling");
        crate::support::sandbox::write(&sibling.join("devshell.toml"), b"[env]\nX = \"1\"\n");
        sandbox
            .outcome(sandbox.command("devsh").arg("allow").current_dir(&sibling))
            .success();
        let mut pty = sandbox.shell(shell);
        for name in ["V", "X"] {
            pty.type_line(&own(shell, name, "mine"));
        }
        pty.enter();
        pty.cd(&sibling);
        assert_eq!(pty.run("echo $V"), "mine\n");
        assert_eq!(pty.var("V"), None);
        assert_eq!(pty.var("X").as_deref(), Some("1"));
        pty.leave();
        assert_eq!(pty.run("echo $V$X"), "minemine\n");
        assert_eq!(pty.var("X"), None);
    });
}

#[test]
fn a_value_that_the_user_gave_inside_wins_over_the_one_put_aside() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        pty.type_line(&own(shell, "V", "mine"));
        pty.enter();
        pty.run(&shell.export("V", "inside"));
        let shown = pty.leave();
        assert!(shown.contains("kept your own `V`"), "{shown}");
        assert_eq!(pty.var("V").as_deref(), Some("inside"));
        let names = pty.run(match shell {
            HostShell::Bash => "compgen -v",
            HostShell::Zsh => "echo ${(k)parameters}",
            HostShell::Fish => "set --names",
        });
        assert!(!names.contains("__devsh_held"), "{names}");
    });
}

const LEAVING: &str = "[env]\nV = \"1\"\n[hooks]\nleave = \"echo left $V >>log\"\n";

fn log(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.project().join("log")).unwrap_or_default()
}

#[test]
fn leave_scripts_run_when_the_shell_exits() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new().manifest(LEAVING);
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        pty.exit();
        assert_eq!(log(&sandbox), "left 1\n");
        let mut pty = sandbox.shell(shell);
        pty.enter();
        pty.leave();
        assert_eq!(log(&sandbox), "left 1\nleft 1\n");
        pty.exit();
        assert_eq!(log(&sandbox), "left 1\nleft 1\n", "it had left already");
    });
}

/// Makes the shell write `bye` and its exit status to a file when it exits.
fn farewell(shell: HostShell, file: &Path) -> String {
    let file = file.display();
    match shell {
        HostShell::Bash => format!("trap 'echo bye $? >>{file}' EXIT"),
        HostShell::Zsh => format!("zshexit() {{ echo bye $? >>{file} }}"),
        HostShell::Fish => format!("function bye --on-event fish_exit; echo bye 3 >>{file}; end"),
    }
}

#[test]
fn exit_traps_of_the_user_still_run() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new().manifest(LEAVING);
        sandbox.allow();
        let file = sandbox.root().join("bye");
        let bye = || fs::read_to_string(&file).unwrap_or_default();
        let mut pty = sandbox.shell(shell);
        pty.run(&farewell(shell, &file));
        let before = pty.snapshot();
        pty.enter();
        pty.leave();
        pty.snapshot().assert_restores(&before);
        pty.enter();
        pty.exit_with("exit 3");
        assert_eq!(log(&sandbox), "left 1\nleft 1\n");
        assert!(bye().starts_with("bye"), "{}", bye());
        if shell == HostShell::Bash {
            assert_eq!(bye(), "bye 3\n");
            // A trap that the user sets inside stays after the project is left.
            let mut pty = sandbox.shell(shell);
            pty.enter();
            pty.run(&farewell(shell, &file));
            pty.leave();
            assert!(pty.run("trap -p EXIT").contains("bye"));
        }
    });
}

#[test]
fn a_shell_without_leave_scripts_has_no_trap() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        let line = match shell {
            HostShell::Bash => "trap -p EXIT",
            HostShell::Zsh => "echo -n $__devsh_trap",
            HostShell::Fish => "echo -n (string match yes $__devsh_leaves)",
        };
        assert_eq!(pty.run(line), "");
    });
}

#[test]
fn arrays_survive_strict_options() {
    for_each_shell(|shell| {
        if shell == HostShell::Fish {
            return;
        }
        let sandbox = prepared();
        let mut pty = Pty::start(&sandbox, shell, &shell.hook_line());
        pty.type_line("set -u; V=(1 2)");
        let before = pty.run(&shell.declaration("V"));
        pty.enter();
        let shown = pty.leave();
        assert!(!shown.contains("unbound"), "{shown}");
        assert_eq!(pty.run(&shell.declaration("V")), before);
    });
}

#[test]
fn words_with_a_meaning_of_their_own_are_only_words_to_the_hook() {
    for_each_shell(|shell| {
        if shell != HostShell::Zsh {
            return;
        }
        let sandbox = Sandbox::new().manifest(
            "[env]\nLEVEL = \"1\"\nV = \"2\"\nW = \"3\"\n[aliases]\nt = \"echo told\"\nu = \"echo used\"\n",
        );
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        pty.run("alias -g t='| tail -1' LEVEL='| less' V=W; alias u='echo mine'");
        pty.run("alias -s t=cat; W=mine");
        let before = pty.snapshot();
        for _ in 0..2 {
            let shown = pty.enter();
            assert!(!shown.contains("__devsh"), "{shown}");
            assert_eq!(pty.var("LEVEL").as_deref(), Some("1"));
            assert_eq!(pty.run("t; u"), "told\nused\n");
            pty.leave();
            pty.snapshot().assert_restores(&before);
        }
        assert_eq!(
            pty.run("u; echo $W; printf '1\\n2\\n' t"),
            "mine\nmine\n2\n"
        );
    });
}

#[test]
fn any_name_is_a_name_that_the_hook_does_not_use() {
    let names = [
        "about", "at", "code", "entry", "head", "kind", "name", "old", "times", "value", "words",
    ];
    for_each_shell(|shell| {
        let entries = names.map(|name| format!("{name} = \"theirs\"\n")).concat();
        let sandbox =
            Sandbox::new().manifest(&format!("[env]\n{entries}[aliases]\nhi = \"echo hi\"\n"));
        sandbox.allow();
        // The user has all of them, none, or every other one.
        for modulus in [1, names.len() + 1, 2] {
            let mut pty = sandbox.shell(shell);
            for (at, name) in names.iter().enumerate() {
                if (at + 1) % modulus == 0 {
                    pty.type_line(&own(shell, name, "mine"));
                }
            }
            let declarations = |pty: &mut Pty| {
                let all = names.map(|name| shell.declaration(name));
                pty.run(&all.join("; "))
            };
            let before = (declarations(&mut pty), pty.snapshot());
            pty.enter();
            for name in names {
                assert_eq!(pty.var(name).as_deref(), Some("theirs"), "{name}");
            }
            pty.leave();
            assert_eq!(declarations(&mut pty), before.0);
            pty.snapshot().assert_restores(&before.1);
        }
    });
}
