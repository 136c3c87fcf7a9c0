//! Options of bash that change the meaning of the hook's commands.

use crate::support::{HostShell, Pty, Sandbox, require};

const MANIFEST: &str = "[env]\nV = 'theirs'\nW = 'also'\n[aliases]\nhi = 'echo hi'\n[grants]\nsource = ['bash']\n\
                        [hooks.source]\nbash = '''\ndeclare -g number=2 text=theirs\nf() { echo theirs; }\n'''\n";

#[test]
fn shell_options_do_not_export_variables_of_the_hook() {
    if require("bash").is_none() {
        return;
    }
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.allow();
    let hook = HostShell::Bash.hook_line();
    for (rc, line) in [
        (&*hook, "set -a"),
        (&format!("set -a\n{hook}\nset +a"), ":"),
    ] {
        let mut pty = Pty::start(&sandbox, HostShell::Bash, rc);
        for own in [
            "V=mine",
            "declare -ix W=1",
            "declare -i number=1",
            "text=mine",
            "f() { :; }",
        ] {
            pty.type_line(own);
        }
        let asked = "declare -p V W number text; declare -F f";
        let before = pty.run(asked);
        pty.type_line(line);
        for _ in 0..2 {
            pty.enter();
            assert_eq!(pty.run("hi"), "hi\n");
            assert_eq!(pty.run("env | grep __devsh"), "");
            pty.within(HostShell::Bash, &hook, |pty| {
                assert_eq!(pty.run("hi; echo $V"), "hi\ntheirs\n");
            });
            pty.leave();
            assert_eq!(pty.run(asked), before);
            assert_eq!(pty.run("env | grep __devsh"), "");
        }
    }
}

#[test]
fn a_shell_ignores_the_exported_state_of_another() {
    if require("bash").is_none() {
        return;
    }
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.allow();
    let hook = HostShell::Bash.hook_line();
    let mut pty = Pty::start(&sandbox, HostShell::Bash, &hook);
    pty.enter();
    pty.type_line("export __devsh_loaded __devsh_checks");
    pty.within(HostShell::Bash, &hook, |pty| {
        assert_eq!(pty.run("hi"), "hi\n");
    });
}

/// An empty array and a variable without a value belong to the user, too.
const BARE: [&str; 6] = [
    "V=()",
    "declare -A V=()",
    "declare -a V",
    "declare -i V",
    "declare -iu V",
    "declare -x V",
];

#[test]
fn unset_variables_keep_their_attributes() {
    if require("bash").is_none() {
        return;
    }
    let by_script =
        "[grants]\nsource = ['bash']\n[hooks.source]\nbash = '''\nV=5\ndeclare -gi NEW\n'''\n";
    for manifest in ["[env]\nV = 'theirs'\n", by_script] {
        let sandbox = Sandbox::new().manifest(manifest);
        sandbox.allow();
        for own in BARE {
            // A variable that a script exports is part of the session, which cannot represent this.
            if own.contains("-x") && manifest == by_script {
                continue;
            }
            let mut pty = sandbox.shell(HostShell::Bash);
            for line in [
                own,
                "set -u",
                "fake=$'x\\ndeclare -i OTHER\\ndeclare -i no-name'",
            ] {
                pty.type_line(line);
            }
            let asked = "declare -p V NEW OTHER";
            let before = pty.run(asked);
            for _ in 0..2 {
                let shown = pty.enter();
                assert!(!shown.contains("bash:"), "{own}: {shown}");
                assert!(
                    pty.run("echo $V").to_lowercase().starts_with(['t', '5']),
                    "{own}"
                );
                let shown = pty.leave();
                assert!(!shown.contains("bash:"), "{own}: {shown}");
                assert_eq!(pty.run(asked), before, "{own}");
            }
        }
    }
}

#[test]
fn letters_of_another_case_are_other_letters() {
    if require("bash").is_none() {
        return;
    }
    let sandbox = Sandbox::new().manifest(
        "[env]\nV = 'theirs'\nv = 'also'\n[aliases]\nhi = 'echo hi'\n[grants]\nsource = ['bash']\n\
         [hooks.source]\nbash = '''\nlines=theirs\ntext=theirs\nf() { echo theirs; }\ndeclare -gA list=([a]=b)\n'''\n",
    );
    sandbox.allow();
    let other = sandbox.home().join("Project");
    std::fs::create_dir(&other).unwrap();
    let mut pty = sandbox.shell(HostShell::Bash);
    pty.type_line("shopt -s nocasematch; V=1 v=2 lines=mine text=mine; list=(1)");
    let asked = "declare -p V v lines list; alias; shopt nocasematch";
    let before = pty.run(asked);
    for _ in 0..2 {
        pty.enter();
        assert_eq!(pty.run("hi; echo $V $v $lines"), "hi\ntheirs also theirs\n");
        pty.cd(&other);
        assert_eq!(pty.run(asked), before);
        assert_eq!(pty.var("DEVSH_ROOT"), None);
    }
    // The user's change stays, although only the case differs.
    pty.enter();
    pty.type_line("alias hi='echo HI'; text=THEIRS");
    pty.cd(&other);
    assert_eq!(pty.run("hi; echo $text"), "HI\nTHEIRS\n");
}
