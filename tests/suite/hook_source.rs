//! `[hooks] source`: scripts in the user's shell, whose definitions come and go with the dev shell.

use std::fs;

use crate::support::{HostShell, Pty, Sandbox, for_each_shell};

/// The user's definitions.
fn own(shell: HostShell) -> &'static [&'static str] {
    match shell {
        HostShell::Bash => &[
            "greet() { echo old; }",
            "alias ll='ls -l'",
            "list=(1 'b c')",
            "plain=5",
            "declare -A map=([a]=1)",
            "export SHOWN=1",
            "complete -W 'a b' foo",
        ],
        HostShell::Zsh => &[
            "greet() { echo old; }",
            "alias ll='ls -l'",
            "list=(1 'b c')",
            "plain=5",
            "typeset -gA map=(a 1 'k l' '')",
            "typeset -gi number=3",
            "export SHOWN=1",
        ],
        HostShell::Fish => &[
            "function greet; echo old; end",
            "alias ll 'ls -l'",
            "set -g list 1 'b c'",
            "set -g plain 5",
            "set -gx SHOWN 1",
            "complete -c foo -a 'a b' -d words",
            "abbr -a gg git grep",
        ],
    }
}

/// The project's script, which changes some of them and adds others.
fn script(shell: HostShell) -> &'static str {
    match shell {
        HostShell::Bash => {
            "greet() { echo new; }\nmore() { echo more; }\nalias ll='ls -la' xx=true\n\
             list+=(3) plain=6 added=7 map[b]=2\nexport SHOWN=2 MORE='x y'\nexport plain\n\
             PATH=/opt/script:$PATH\ncomplete -W 'c d' foo\ncomplete -F _x bar\n\
             shopt -s globstar\nset -o noglob\ncd /\nreturn 3\nadded=never\n"
        }
        HostShell::Zsh => {
            "greet() { echo new; }\nmore() { echo more; }\nalias ll='ls -la' xx=true\nalias -g G='| x'\n\
             list+=(3) plain=6 added=7\nmap[b]=2\nunset 'map[a]'\nnumber=9\nexport SHOWN=2 MORE='x y'\n\
             export plain\npath=(/opt/script $path)\nfpath+=(/opt/functions)\n\
             setopt extended_glob no_case_glob\ncd /\nreturn 3\nadded=never\n"
        }
        HostShell::Fish => {
            "function greet; echo new; end\nfunction more; echo more; end\nalias ll 'ls -la'\nalias xx true\n\
             set -a list 3\nset plain 6\nset -g added 7\nset -gx SHOWN 2\nset -gx MORE 'x y'\n\
             set -gx plain 6\nset -gxp PATH /opt/script\ncomplete -c foo -a 'c d'\ncomplete -c bar -s x -d y\n\
             abbr -a gg git gripe\nabbr -a hh hello\nset -gp fish_function_path /opt/functions\n\
             cd /\nreturn 3\nset -g added never\n"
        }
    }
}

fn manifest(shell: HostShell, script: &str) -> String {
    format!(
        "[env]\nACTIVE = 'yes'\n[aliases]\nll = 'ls -a'\n[grants]\nsource = ['{}']\n\
         [hooks.source]\n{} = '''\n{script}'''\n",
        shell.name(),
        shell.name()
    )
}

fn with_script(shell: HostShell, script: &str) -> Sandbox {
    let sandbox = Sandbox::new().manifest(&manifest(shell, script));
    sandbox.allow();
    sandbox
}

fn prepared(pty: &mut Pty, shell: HostShell) {
    for line in own(shell) {
        pty.type_line(line);
    }
}

#[test]
fn everything_a_script_changes_comes_and_goes() {
    for_each_shell(|shell| {
        let sandbox = with_script(shell, script(shell));
        let mut pty = sandbox.shell(shell);
        prepared(&mut pty, shell);
        let before = pty.snapshot();
        for _ in 0..2 {
            let shown = pty.enter();
            assert!(!shown.contains("error"), "{shown}");
            assert_eq!(pty.run("greet; more"), "new\nmore\n");
            assert_eq!(pty.run("echo $added"), "7\n");
            let directory = format!("{}\n", sandbox.project().display());
            assert_eq!(pty.run("pwd"), directory);
            let env = pty.environment();
            let value = |name: &str| {
                let value = env.get(name.as_bytes());
                value.map(|value| String::from_utf8_lossy(value).into_owned())
            };
            assert_eq!(value("SHOWN").as_deref(), Some("2"));
            assert_eq!(value("MORE").as_deref(), Some("x y"));
            assert_eq!(value("plain").as_deref(), Some("6"));
            assert!(value("PATH").is_some_and(|path| path.starts_with("/opt/script:")));
            pty.leave();
            assert_eq!(pty.run("greet"), "old\n");
            pty.snapshot().assert_restores(&before);
        }
    });
}

#[test]
fn changes_of_the_user_inside_stay() {
    for_each_shell(|shell| {
        let sandbox = with_script(shell, script(shell));
        let mut pty = sandbox.shell(shell);
        prepared(&mut pty, shell);
        pty.enter();
        for line in match shell {
            HostShell::Fish => [
                "function greet; echo mine; end",
                "set -g plain mine",
                "set -ga fish_function_path /mine",
            ],
            HostShell::Zsh => ["greet() { echo mine; }", "plain=mine", "fpath+=(/mine)"],
            HostShell::Bash => ["greet() { echo mine; }", "plain=mine", "list+=(mine)"],
        } {
            pty.type_line(line);
        }
        pty.leave();
        assert_eq!(pty.run("greet"), "mine\n");
        assert_eq!(pty.run("echo $plain"), "mine\n");
        let list = match shell {
            HostShell::Fish => "echo $fish_function_path",
            HostShell::Zsh => "echo $fpath",
            HostShell::Bash => "echo ${list[@]}",
        };
        let left = pty.run(list);
        assert!(
            left.contains("mine") && !left.contains("/opt/functions"),
            "{left}"
        );
    });
}

#[test]
fn a_child_shell_has_them_too_and_undoes_them() {
    for_each_shell(|shell| {
        let sandbox = with_script(shell, script(shell));
        let mut pty = sandbox.shell(shell);
        prepared(&mut pty, shell);
        let environment = pty.environment();
        pty.enter();
        pty.within(shell, &shell.hook_line(), |pty| {
            assert_eq!(pty.run("more"), "more\n");
            pty.leave();
            let inner = pty.environment();
            for name in ["SHOWN", "MORE", "PATH", "ACTIVE"] {
                let name = name.as_bytes();
                assert_eq!(inner.get(name), environment.get(name), "{name:?}");
            }
            assert!(!pty.run("more 2>&1").starts_with("more\n"));
        });
        assert_eq!(pty.run("more"), "more\n");
        pty.leave();
    });
}

/// A line that defines a function.
fn function(shell: HostShell, name: &str, says: &str) -> String {
    match shell {
        HostShell::Fish => format!("function {name}; echo {says}; end\n"),
        _ => format!("{name}() {{ echo {says}; }}\n"),
    }
}

#[test]
fn a_changed_script_takes_the_place_of_the_old_one_once_it_is_allowed() {
    for_each_shell(|shell| {
        let sandbox = with_script(shell, &function(shell, "one", "first"));
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        pty.enter();
        assert_eq!(pty.run("one"), "first\n");
        let two = function(shell, "two", "second");
        sandbox.write("devshell.toml", manifest(shell, &two));
        pty.type_line("true");
        assert!(!pty.run("one 2>&1").starts_with("first"));
        sandbox.allow();
        pty.type_line("true");
        assert_eq!(pty.run("two"), "second\n");
        assert!(!pty.run("one 2>&1").starts_with("first"));
        pty.leave();
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn a_script_that_is_broken_off_or_wrong_is_undone_too() {
    for_each_shell(|shell| {
        let begin = function(shell, "half", "half");
        // Many short waits: the signal may reach the shell or its child.
        let (wrong, endless) = match shell {
            HostShell::Fish => ("function broken\n", "while true; sleep 0.05; end\n"),
            _ => ("if then\n", "while true; do sleep 0.05; done\n"),
        };
        let endless = format!("echo >\"$DEVSH_ROOT/begun\"\n{endless}");
        for (rest, waits) in [
            (&*endless, true),
            ("false\nnosuchcommand\n", false),
            (wrong, false),
        ] {
            let sandbox = with_script(shell, &format!("{begin}{rest}"));
            let mut pty = sandbox.shell(shell);
            let before = pty.snapshot();
            if waits {
                let project = sandbox.project();
                let cd = shell.quoted(project.to_str().expect("test paths are text"));
                pty.begin(&format!("cd {cd}"));
                let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
                while !project.join("begun").exists() {
                    assert!(std::time::Instant::now() < end, "the script does not begin");
                    std::thread::yield_now();
                }
                pty.break_off();
            } else {
                pty.enter();
            }
            pty.type_line("true");
            assert_eq!(pty.run("echo alive"), "alive\n");
            pty.leave();
            assert!(!pty.run("half 2>&1").starts_with("half"), "{rest}");
            pty.snapshot().assert_restores(&before);
        }
    });
}

#[test]
fn it_takes_a_grant_which_is_shown_first() {
    let ungranted = Sandbox::new().manifest("[hooks.source]\nzsh = 'f() { :; }'\n");
    let refused = ungranted.devsh(&["allow"]);
    assert!(!refused.status.success());
    for expected in [
        "`source.zsh` runs code in your own shell, so it needs a grant",
        "devshell.toml:2",
        "[grants] source = [\"zsh\"]",
    ] {
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
    let granted = Sandbox::new().manifest(&manifest(HostShell::Zsh, "f() { :; }\n"));
    let shown = granted.devsh(&["allow"]).stderr;
    let first = shown.lines().next().unwrap_or_default();
    assert!(
        first.contains("grant source.zsh") && first.contains("runs code in your own shell"),
        "{shown}"
    );
    assert!(shown.contains("source script zsh 1"), "{shown}");
    let explained = granted.devsh(&["explain", "source.zsh"]).stdout;
    assert!(explained.contains("f() { :; }"), "{explained}");
}

#[test]
fn the_files_of_scripts_are_private_and_come_back() {
    let shell = HostShell::Bash;
    let sandbox = with_script(shell, &function(shell, "one", "first"));
    let mut pty = sandbox.shell(shell);
    let scripts = || {
        let found = walk(&sandbox.home().join(".local/state/devsh/projects"));
        found
            .into_iter()
            .filter(|path| path.extension().is_some_and(|end| end == "bash"))
            .collect::<Vec<_>>()
    };
    for text in ["", "one() { echo other; }\n"] {
        pty.enter();
        assert_eq!(pty.run("one"), "first\n", "{text}");
        pty.leave();
        let found = scripts();
        assert_eq!(found.len(), 1, "{found:?}");
        let mode = fs::metadata(&found[0]).unwrap().permissions();
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
            0o600
        );
        fs::write(&found[0], text).unwrap();
    }
    pty.enter();
    assert_eq!(pty.run("one"), "first\n");
    sandbox.write(
        "devshell.toml",
        manifest(shell, &function(shell, "two", "second")),
    );
    sandbox.allow();
    pty.type_line("true");
    assert_eq!(scripts().len(), 1);
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn strict_options_are_no_hindrance_and_the_end_of_nothing() {
    for_each_shell(|shell| {
        let options: &[&str] = match shell {
            HostShell::Bash => &["set -eu", "set -euo pipefail", "shopt -s nullglob failglob"],
            HostShell::Zsh => &[
                "set -eu",
                "setopt ksh_arrays sh_word_split no_unset",
                "setopt glob_subst null_glob err_exit warn_create_global",
            ],
            HostShell::Fish => &["set -g fish_trace ''"],
        };
        for option in options {
            // The last line of the script fails, which must not end a shell under `set -e`.
            let sandbox = with_script(
                shell,
                &format!("{}false\n", function(shell, "one", "first")),
            );
            let mut pty = sandbox.shell(shell);
            pty.type_line(option);
            pty.enter();
            assert_eq!(pty.run("one"), "first\n", "{option}");
            pty.leave();
            let gone = match shell {
                HostShell::Fish => pty.run("one 2>/dev/null; echo alive"),
                _ => pty.run("one 2>/dev/null || true; echo alive"),
            };
            assert_eq!(gone, "alive\n", "{option}");
        }
    });
}

#[test]
fn a_script_that_changes_little_is_undone_without_a_word() {
    for_each_shell(|shell| {
        let more = match shell {
            HostShell::Fish => "set -gx MORE 1\n",
            _ => "export MORE=1\n",
        };
        // All kinds except one have nothing to undo.
        for script in ["", &*function(shell, "one", "first"), more] {
            let sandbox = with_script(shell, script);
            let mut pty = sandbox.shell(shell);
            let before = pty.snapshot();
            let shown = [pty.enter(), pty.leave()].concat();
            assert!(!shown.contains("__devsh"), "{script:?}: {shown}");
            pty.snapshot().assert_restores(&before);
        }
    });
}
