//! `[hooks] source` in bash: the user's definitions come back in every form and under all options.

use crate::support::{HostShell, Pty, Sandbox, require};

/// Starts bash with the user's definitions and a project whose script is `script`.
fn start(own: &[&str], script: &str) -> Option<(Sandbox, Pty)> {
    require("bash")?;
    let sandbox = Sandbox::new().manifest(&format!(
        "[grants]\nsource = ['bash']\n[hooks.source]\nbash = '''\n{script}\n'''\n"
    ));
    sandbox.allow();
    let mut pty = sandbox.shell(HostShell::Bash);
    for line in own {
        pty.type_line(line);
    }
    Some((sandbox, pty))
}

#[test]
fn functions_come_back_whatever_aliases_and_options_there_are() {
    for (own, script, asked) in [
        // Parsed again with aliases, the text would change.
        (
            &["alias ls='ls --color=auto'", "g() { ls; }"][..],
            "g() { :; }",
            "declare -f g",
        ),
        (
            &["t() { :; }", "z() { echo mine; }"],
            "alias t='pytest -x'\nz() { echo theirs; }",
            "declare -f t z",
        ),
        (
            &[
                "shopt -s extglob",
                "e() { echo !(x); }",
                "z() { echo mine; }",
            ],
            "shopt -u extglob\nz() { echo theirs; }\ne() { :; }",
            "declare -f e z; shopt extglob expand_aliases",
        ),
        (
            &["a-b() { :; }", "z() { echo mine; }"],
            "set -o posix\nz() { echo theirs; }\nunset -f a-b",
            "declare -f a-b z; shopt -o posix; shopt expand_aliases",
        ),
        // Export flags.
        (
            &["g() { :; }", "export -f g", "k() { :; }"],
            "unset -f g\ng() { echo theirs; }\nexport -f k",
            "declare -F; env -u _ | grep -c BASH_FUNC",
        ),
    ] {
        let Some((_sandbox, mut pty)) = start(own, script) else {
            return;
        };
        let asked = asked.replace("declare -F", "declare -F | grep -v __devsh");
        let before = (pty.run(&asked), pty.snapshot());
        for _ in 0..2 {
            let shown = pty.enter();
            assert!(!shown.contains("error"), "{script}: {shown}");
            assert_ne!(pty.run(&asked), before.0, "{script}");
            pty.leave();
            assert_eq!(pty.run(&asked), before.0, "{script}");
            // Bash itself does not restore all options that `posix` changes.
            if !script.contains("posix") {
                pty.snapshot().assert_restores(&before.1);
            }
        }
    }
}

#[test]
fn completions_of_several_lines_come_back() {
    let own = [
        r"complete -W $'build\ntest\n\n' mytool",
        r"complete -W $'it\'s\n\'\\\'\n\\\nx' other",
        "complete -F _third third",
    ];
    let script = "complete -W 'x y' mytool\ncomplete -W x other\ncomplete -r third\ncomplete -W '\nnew\n' fourth";
    let Some((_sandbox, mut pty)) = start(&own, script) else {
        return;
    };
    let before = pty.run("complete -p | sort");
    assert!(before.contains("'build\n"), "{before}");
    for _ in 0..2 {
        pty.enter();
        assert!(pty.run("complete -p | sort").contains("'x y' mytool"));
        let shown = pty.leave();
        assert!(!shown.contains("unexpected"), "{shown}");
        assert_eq!(pty.run("complete -p | sort"), before);
    }
}
