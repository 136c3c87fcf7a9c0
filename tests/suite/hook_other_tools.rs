//! Other tools and settings of the host shell that touch what the hook works with: `PROMPT_COMMAND`, `PATH`, special
//! variables, key bindings, functions named like builtins.

use std::fs;

use crate::support::{HostShell, Pty, Sandbox, for_each_shell, require};

fn with(manifest: &str) -> Sandbox {
    let sandbox = Sandbox::new().manifest(manifest);
    sandbox.allow();
    sandbox
}

#[test]
fn a_text_of_prompt_commands_stays_a_text_and_a_list_a_list() {
    if require("bash").is_none() {
        return;
    }
    let sandbox = with("[env]\nACTIVE = \"yes\"\n");
    let hook = HostShell::Bash.hook_line();
    for (own, again, expected) in [
        (
            "PROMPT_COMMAND='n=$((n + 1))'",
            "",
            "declare -- PROMPT_COMMAND=$'__devsh_hook && :\\nn=$((n + 1))'\n",
        ),
        ("", "", "declare -- PROMPT_COMMAND=\"__devsh_hook && :\"\n"),
        (
            "PROMPT_COMMAND=(: 'n=$((n + 1))')",
            "",
            "declare -a PROMPT_COMMAND=([0]=\"__devsh_hook && :\" [1]=\":\" [2]=\"n=\\$((n + 1))\")\n",
        ),
        // A text assigned to a list replaces its first entry.
        (
            "PROMPT_COMMAND=('n=$((n + 1))')",
            "PROMPT_COMMAND='n=$((n + 1))'",
            "declare -a PROMPT_COMMAND=([0]=\"__devsh_hook && :\" [1]=\"n=\\$((n + 1))\")\n",
        ),
    ] {
        let mut pty = Pty::start(&sandbox, HostShell::Bash, &format!("{own}\n{hook}"));
        for _ in 0..3 {
            let again = if again.is_empty() { own } else { again };
            let rc = sandbox.root().join("again");
            fs::write(&rc, format!("{again}\n{hook}\n")).unwrap();
            pty.type_line(&format!(". {}", rc.display()));
        }
        assert_eq!(pty.run("declare -p PROMPT_COMMAND"), expected, "{own}");
        pty.enter();
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"), "{own}");
    }
}

#[test]
fn the_keyword_option_of_bash_changes_nothing() {
    if require("bash").is_none() {
        return;
    }
    let sandbox = with(
        "[env]\nACTIVE = \"yes\"\n[aliases]\nhi = \"echo hello\"\n[hooks]\nleave = \"true\"\n",
    );
    let hook = HostShell::Bash.hook_line();
    for rc in [format!("{hook}\nset -k"), format!("set -k\n{hook}")] {
        let mut pty = Pty::start(&sandbox, HostShell::Bash, &rc);
        for _ in 0..2 {
            let shown = pty.enter();
            assert!(!shown.contains("declare"), "{shown}");
            assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
            assert_eq!(pty.run("hi"), "hello\n");
            let shown = pty.leave();
            assert!(!shown.contains("declare"), "{shown}");
            assert_eq!(pty.var("ACTIVE"), None);
        }
        assert_eq!(pty.run("case $- in *k*) echo on ;; esac"), "on\n");
    }
}

#[test]
fn a_restricted_bash_stays_quiet() {
    if require("bash").is_none() {
        return;
    }
    let sandbox = with("[env]\nACTIVE = \"yes\"\n");
    let rc = sandbox.root().join("restricted");
    fs::write(&rc, format!("{}\n", HostShell::Bash.hook_line())).unwrap();
    let mut pty = sandbox.shell(HostShell::Bash);
    let command = format!(
        "echo 'echo marked; true' | bash --rcfile {} -r -i 2>&1",
        rc.display()
    );
    let shown = pty.run(&command);
    assert!(shown.contains("marked"), "{shown}");
    for word in ["cannot redirect", "exec: restricted"] {
        assert!(!shown.contains(word), "{shown}");
    }
}

#[test]
fn a_child_shell_without_the_hook_can_inherit_the_prompt_commands() {
    if require("bash").is_none() {
        return;
    }
    let sandbox = with("[env]\nACTIVE = \"yes\"\n");
    let rc = format!(
        "export PROMPT_COMMAND='n=1'\n{}",
        HostShell::Bash.hook_line()
    );
    let mut pty = Pty::start(&sandbox, HostShell::Bash, &rc);
    pty.enter();
    assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
    pty.within(HostShell::Bash, "", |pty| {
        let shown = pty.type_line("true");
        assert!(!shown.contains("not found"), "{shown}");
        assert_eq!(pty.run("echo $n"), "1\n");
    });
}

#[test]
fn a_nameref_of_bash_leads_to_no_other_variable() {
    if require("bash").is_none() {
        return;
    }
    let sandbox = with(
        "[env]\nTOOL = \"ours\"\nLATER = \"ours\"\nEMPTY = \"ours\"\nOWN_PATH = { prepend = [\"/ours\"] }\n",
    );
    let rc = "KEPT=mine; declare -n __devsh_loaded=KEPT DEVSH_DIFF=KEPT TOOL=KEPT OWN_PATH=KEPT LATER=NOWHERE EMPTY";
    let hook = HostShell::Bash.hook_line();
    let mut pty = Pty::start(&sandbox, HostShell::Bash, &format!("{rc}\n{hook}"));
    let asked = "declare -p KEPT; echo ${NOWHERE-unset}";
    let before = "declare -- KEPT=\"mine\"\nunset\n";
    for _ in 0..2 {
        pty.enter();
        for (name, value) in [
            ("TOOL", "ours"),
            ("LATER", "ours"),
            ("EMPTY", "ours"),
            ("OWN_PATH", "/ours"),
        ] {
            assert_eq!(pty.var(name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(pty.run(asked), before);
        let shown = pty.leave();
        assert!(!shown.contains("bash:"), "{shown}");
        assert_eq!(pty.run(asked), before);
        assert_eq!(
            pty.run("declare -p TOOL OWN_PATH"),
            "declare -n TOOL=\"KEPT\"\ndeclare -n OWN_PATH=\"KEPT\"\n"
        );
        // Such as the scripts of a dev shell leave.
        pty.type_line("declare -n __devsh_gone=KEPT __devsh_path=KEPT DEVSH_SHELL=KEPT");
    }
}

#[test]
fn special_variables_of_zsh_come_back_with_their_meaning() {
    if require("zsh").is_none() {
        return;
    }
    let names = [
        ("HISTSIZE", "1000"),
        ("SAVEHIST", "900"),
        ("WORDCHARS", "*?_-."),
        ("FIGNORE", ".o:.bak"),
        ("PSVAR", "a:b"),
        ("HISTCHARS", "!^#"),
        ("KEYTIMEOUT", "20"),
    ];
    let variables: Vec<String> = names
        .iter()
        .map(|(name, _)| format!("{name} = \"7\"\n"))
        .collect();
    let grants = names.map(|(name, _)| name);
    let sandbox = with(&format!(
        "[grants]\nenv = {grants:?}\n[env]\n{}",
        variables.concat()
    ));
    let own: Vec<String> = names
        .iter()
        .map(|(name, value)| format!("{name}='{value}'; "))
        .collect();
    let mut pty = sandbox.shell(HostShell::Zsh);
    pty.type_line(&own.concat());
    let asked = "typeset -p HISTSIZE SAVEHIST WORDCHARS FIGNORE PSVAR HISTCHARS KEYTIMEOUT fignore psvar \
                 MANPATH CDPATH; print ${(t)HISTSIZE} ${(t)FIGNORE} ${(t)CDPATH}";
    let before = pty.run(asked);
    for _ in 0..2 {
        pty.enter();
        assert_eq!(pty.var("FIGNORE").as_deref(), Some("7"));
        assert_eq!(pty.run("print $fignore"), "7\n", "it is still tied");
        let shown = pty.leave();
        assert!(!shown.contains("eval"), "{shown}");
        assert_eq!(pty.run(asked), before);
    }
    pty.type_line("fignore=(x y)");
    assert_eq!(pty.run("print $FIGNORE"), "x:y\n");
}

#[test]
fn a_list_of_the_shell_that_is_not_exported_is_extended() {
    for_each_shell(|shell| {
        let sandbox = with(
            "[grants]\nenv = [\"MANPATH\"]\n[env]\nMANPATH = { prepend = [\"/ours\"], append = [\"/last\"] }\nOWN_PATH = { prepend = [\"/ours\"] }\n",
        );
        let mut pty = sandbox.shell(shell);
        let (own, inside) = match shell {
            HostShell::Bash => ("MANPATH=/my/man", "MANPATH=/new:$MANPATH"),
            HostShell::Zsh => (
                "MANPATH=/my/man; typeset -T OWN_PATH own_path",
                "manpath=(/new $manpath)",
            ),
            HostShell::Fish => ("set -g MANPATH /my/man", "set -p MANPATH /new"),
        };
        pty.type_line(own);
        let declared = pty.run(&shell.declaration("MANPATH"));
        pty.enter();
        assert_eq!(pty.var("MANPATH").as_deref(), Some("/ours:/my/man:/last"));
        assert_eq!(pty.var("OWN_PATH").as_deref(), Some("/ours"));
        sandbox.write(
            "devshell.toml",
            "[grants]\nenv = [\"MANPATH\"]\n[env]\nMANPATH = { prepend = [\"/next\"] }\n",
        );
        sandbox.allow();
        pty.type_line("true");
        assert_eq!(pty.var("MANPATH").as_deref(), Some("/next:/my/man"));
        pty.leave();
        assert_eq!(pty.var("MANPATH"), None);
        assert_eq!(pty.run(&shell.declaration("MANPATH")), declared);
        // An entry that the user adds inside stays.
        pty.enter();
        pty.type_line(inside);
        pty.leave();
        assert_eq!(pty.var("MANPATH"), None);
        let left = pty.run("echo \"$MANPATH\"");
        assert_eq!(left, "/new:/my/man\n");
        if shell == HostShell::Zsh {
            pty.type_line("own_path=(/a /b)");
            assert_eq!(pty.run("print $OWN_PATH"), "/a:/b\n", "it is still tied");
        }
    });
}

#[test]
fn a_list_that_is_unset_keeps_its_default() {
    for_each_shell(|shell| {
        let sandbox = with(
            "[grants]\nenv = [\"XDG_DATA_DIRS\", \"MANPATH\"]\n[env]\nMANPATH = { prepend = [\"/ours\"] }\n\
             INFOPATH = { append = [\"/ours\"] }\nXDG_DATA_DIRS = { prepend = [\"/ours\"] }\n",
        );
        let mut pty = sandbox.shell(shell);
        pty.enter();
        let expected = [
            ("MANPATH", "/ours:"),
            ("INFOPATH", ":/ours"),
            ("XDG_DATA_DIRS", "/ours:/usr/local/share:/usr/share"),
        ];
        for (name, value) in expected {
            assert_eq!(pty.var(name).as_deref(), Some(value));
        }
        pty.leave();
        for (name, _) in expected {
            assert_eq!(pty.var(name), None);
        }
    });
}

#[test]
fn a_path_that_another_tool_replaces_is_settled() {
    for_each_shell(|shell| {
        let sandbox = with("[env]\nPATH = { prepend = [\"/ours\"] }\n");
        let mut pty = sandbox.shell(shell);
        let outside = pty.var("PATH").unwrap();
        let (keep, restore) = match shell {
            HostShell::Fish => ("set -g kept $PATH", "set -gx PATH $kept"),
            _ => ("kept=$PATH", "PATH=$kept"),
        };
        // An rc file that is read again, or a virtual environment that was activated outside.
        pty.type_line(keep);
        pty.enter();
        let inside = pty.var("PATH").unwrap();
        assert!(
            inside.starts_with("/ours:") && inside.ends_with(&outside),
            "{inside}"
        );
        pty.type_line(restore);
        assert_eq!(pty.var("PATH").as_ref(), Some(&inside));
        // A virtual environment that was activated inside and is deactivated outside.
        pty.type_line(keep);
        pty.type_line(&shell.export("PATH", &format!("/venv:{inside}")));
        assert_eq!(
            pty.var("PATH"),
            Some(format!("/venv:{inside}")),
            "the user's order"
        );
        pty.leave();
        assert_eq!(pty.var("PATH"), Some(format!("/venv:{outside}")));
        pty.type_line(restore);
        assert_eq!(pty.var("PATH").as_ref(), Some(&outside));
        // An entry that the user adds outside is the user's.
        let own = format!("/ours:{outside}");
        pty.type_line(&shell.export("PATH", &own));
        assert_eq!(pty.var("PATH"), Some(own));
    });
}

#[test]
fn reload_loads_everything_again() {
    for_each_shell(|shell| {
        let sandbox = with("[env]\nA = \"1\"\n[hooks]\nenter = \"echo again >>entered\"\n");
        let mut pty = sandbox.shell(shell);
        let shown = pty.type_line("devsh reload");
        assert!(shown.contains("nothing is loaded"), "{shown}");
        pty.enter();
        let entered = || fs::read_to_string(sandbox.project().join("entered")).unwrap();
        assert_eq!(entered(), "again\n");
        pty.type_line(&shell.export("A", "mine"));
        pty.type_line("devsh reload");
        assert_eq!(entered(), "again\nagain\n");
        pty.type_line("true");
        assert_eq!(entered(), "again\nagain\n", "once for each request");
    });
}

#[test]
fn a_directory_changed_without_a_prompt_counts_for_the_next_command() {
    for_each_shell(|shell| {
        let sandbox = with("[env]\nACTIVE = \"yes\"\n");
        // Something that runs after the prompt and before the command.
        let rc = match shell {
            HostShell::Bash => return,
            HostShell::Zsh => {
                "jump() { [[ $1 != *jump* ]] || cd ~/project }; preexec_functions=(jump $preexec_functions)"
            }
            HostShell::Fish => "bind \\cg 'cd ~/project'",
        };
        let mut pty = Pty::start(&sandbox, shell, &format!("{}\n{rc}", shell.hook_line()));
        let seen = sandbox.root().join("tmp/seen");
        let key = if shell == HostShell::Fish { "\x07" } else { "" };
        pty.type_line(&format!(
            "{key}true jump; env >{}",
            shell.quoted(seen.to_str().unwrap())
        ));
        let seen = fs::read_to_string(seen).unwrap();
        assert!(seen.lines().any(|line| line == "ACTIVE=yes"), "{seen}");
    });
}

#[test]
fn a_trace_does_not_show_the_hook() {
    for shell in [HostShell::Bash, HostShell::Zsh] {
        if require(shell.name()).is_none() {
            continue;
        }
        let sandbox = with("[env]\nSECRET = \"hunter2\"\n");
        let mut pty = sandbox.shell(shell);
        for option in ["set -x", "set -xv"] {
            pty.type_line(option);
            let shown = pty.type_line("true");
            let traced = shown.lines().filter(|line| line.starts_with('+')).count();
            assert!(traced <= 8, "{shown}");
            let shown = pty.enter() + &pty.leave();
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(pty.run("[[ -o xtrace ]] && echo on").ends_with("on\n"));
            pty.type_line("set +xv");
        }
    }
}

#[test]
fn functions_named_like_builtins_and_strange_options_do_no_harm() {
    for shell in [HostShell::Bash, HostShell::Zsh] {
        if require(shell.name()).is_none() {
            continue;
        }
        let hook = shell.hook_line();
        let function = "unset() { echo called; }; export() { echo called; }";
        let mut rcs = vec![format!("{hook}\n{function}"), format!("{function}\n{hook}")];
        if shell == HostShell::Zsh {
            rcs.extend([
                format!("setopt ignore_braces\n{hook}"),
                format!("setopt auto_name_dirs sh_glob ksh_arrays\n{hook}"),
                format!("alias local=false unset=false typeset=false emulate=false\n{hook}"),
                format!(
                    "emulate sh\n{hook}\nemulate zsh\nsetopt prompt_subst no_prompt_sp no_prompt_cr"
                ),
            ]);
        }
        for rc in rcs {
            let sandbox = with("[env]\nACTIVE = \"yes\"\nALSO = \"yes\"\n");
            let mut pty = Pty::start(&sandbox, shell, &rc);
            let shown = pty.enter();
            assert!(!shown.contains("called"), "{rc}: {shown}");
            assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"), "{rc}");
            let shown = pty.leave();
            assert!(!shown.contains("called"), "{rc}: {shown}");
            assert_eq!(pty.var("ACTIVE"), None, "{rc}");
        }
    }
}

#[test]
fn names_of_directories_in_the_prompt_of_zsh_stay() {
    if require("zsh").is_none() {
        return;
    }
    let sandbox = with("[env]\nACTIVE = \"yes\"\n");
    let rc = format!("setopt auto_name_dirs\n{}", HostShell::Zsh.hook_line());
    let mut pty = Pty::start(&sandbox, HostShell::Zsh, &rc);
    pty.enter();
    assert_eq!(pty.run("print -P %~"), "~/project\n");
}

#[test]
fn aliases_named_like_builtins_work_in_fish() {
    if require("fish").is_none() {
        return;
    }
    let sandbox = with(
        "[env]\nACTIVE = \"yes\"\n[aliases]\ncd = \"cd --\"\njobs = \"jobs -l\"\npushd = \"pushd /usr\"\n\
         test = \"test -n\"\nown = \"own two\"\n",
    );
    let rc = format!(
        "function own; echo one $argv; end\n{}",
        HostShell::Fish.hook_line()
    );
    let mut pty = Pty::start(&sandbox, HostShell::Fish, &rc);
    pty.type_line("pushd /; popd");
    let before = pty.snapshot();
    let shown = pty.enter();
    assert!(!shown.contains("reserved"), "{shown}");
    assert_eq!(pty.run("jobs; own"), "one two\n");
    assert_eq!(pty.run("pushd; echo $PWD; popd"), "/usr\n");
    assert_eq!(pty.run("cd ..; echo $status; cd project"), "0\n");
    pty.leave();
    assert_eq!(pty.var("ACTIVE"), None);
    pty.snapshot().assert_restores(&before);
}

#[test]
fn the_text_of_an_alias_runs_only_when_it_is_used() {
    for_each_shell(|shell| {
        let text = "true; end; set -g CAUGHT yes; function unused; true";
        let sandbox = with(&format!(
            "[env]\nACTIVE = \"yes\"\n[aliases]\nlate = \"{text}\"\nwords = \"printf '%s|' a\"\n"
        ));
        let mut pty = sandbox.shell(shell);
        pty.enter();
        assert_eq!(pty.var("CAUGHT"), None);
        assert_eq!(pty.run("words 'b  c' '$HOME'; echo"), "a|b  c|$HOME|\n");
        pty.leave();
    });
    for name in [
        "fish_prompt",
        "fish_title",
        "__fish_config_interactive",
        "if",
        "while",
        "time",
        "end",
    ] {
        let sandbox = Sandbox::new().manifest(&format!("[aliases]\n{name} = \"ls\"\n"));
        sandbox
            .devsh(&["allow"])
            .error(&["an alias name", "devshell.toml:2"]);
    }
}

#[test]
fn an_alias_does_not_run_in_the_prompt() {
    for_each_shell(|shell| {
        let sandbox = with(
            "[env]\nACTIVE = \"yes\"\n[aliases]\nword = \"touch ~/ran; true\"\ndeep = \"touch ~/ran; true\"\n\
             chain = \"touch ~/ran; true\"\nhere = \"touch ~/ran; true\"\nredir = \"touch ~/ran; true\"\n\
             split = \"touch ~/ran; true\"\nother = \"word\"\nhi = \"echo hi\"\n",
        );
        let rc = match shell {
            HostShell::Bash => {
                "word() { :; }; inner() { local b=$(word x); A=`deep x`; }; deep() { :; }\n\
                 outer() { inner; }; PROMPT_COMMAND='case x in x) A=\"b c\" word x;; esac; outer'\n\
                 chain() { :; }; here() { :; }; alias a=chain; PS1='$(a)'$PS1; text() { cat >/dev/null <<X\n}\nX\n local b=$(here); }\n\
                 redir() { :; }; split() { :; }; PROMPT_COMMAND+=$';text; 2>&1 </dev/null redir; sp\\\\\nlit'"
            }
            HostShell::Zsh => {
                "word() { :; }; deep() { :; }; setopt prompt_subst; RPROMPT='$(A=b word x)'\n\
                 inner() { local b=$(deep x); }; outer() { inner }; precmd_functions+=(outer)\n\
                 chain() { :; }; here() { :; }; alias a=chain; RPROMPT+='$(a)'\n\
                 redir() { :; }; split() { :; }; RPROMPT+='$(2>/dev/null redir)'$'$(sp\\\\\nlit)'; zle-line-init() { local b=$(here) }; zle -N zle-line-init"
            }
            HostShell::Fish => {
                "function word; end; function fish_right_prompt; word x; end; function caller; word; end\n\
                 complete -c ls -a '(word x)'; bind \\cb 'word x'; echo 'word x; echo (word x)' >~/code.fish\n\
                 set -p fish_function_path ~/own; mkdir ~/own; echo 'word x; function auto; end' >~/own/auto.fish"
            }
        };
        let mut pty = Pty::start(&sandbox, shell, &format!("{rc}\n{}", shell.hook_line()));
        let shown = pty.enter();
        assert_eq!(pty.run("hi"), "hi\n");
        let ran = sandbox.home().join("ran");
        assert!(!ran.exists(), "the prompt ran the alias");
        for name in ["word", "deep", "chain", "here", "redir", "split"] {
            let line =
                format!("alias `{name}` is left out: the code of your prompt runs a command");
            assert_eq!(shown.contains(&line), shell != HostShell::Fish, "{shown}");
        }
        if shell == HostShell::Fish {
            pty.type_line("\u{2}caller; ls /\t >/dev/null; source ~/code.fish; auto");
            assert!(!ran.exists(), "code of the user ran the alias");
            for line in ["word", "other", "echo (word)", "true; and word"] {
                pty.type_line(line);
                fs::remove_file(&ran).unwrap_or_else(|_| panic!("`{line}` did not run"));
            }
        }
        pty.leave();
        assert_eq!(pty.var("ACTIVE"), None);
    });
}

#[test]
fn devsh_finds_its_files_when_the_project_sets_home() {
    for_each_shell(|shell| {
        for name in ["HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"] {
            let sandbox = with(&format!(
                "[grants]\nenv = [\"{name}\"]\n[env]\nACTIVE = \"yes\"\n{name} = \"${{root}}/own\"\n"
            ));
            fs::create_dir_all(sandbox.project().join("below")).unwrap();
            let mut pty = sandbox.shell(shell);
            pty.enter();
            for directory in [
                sandbox.project().join("below"),
                sandbox.project().to_owned(),
            ] {
                let shown = pty.cd(&directory);
                assert!(!shown.contains("allowed"), "{name}: {shown}");
                assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"), "{name}");
            }
            pty.cd(std::path::Path::new("/"));
            assert_eq!(pty.var("ACTIVE"), None, "{name}");
        }
    });
}

#[test]
fn a_project_cannot_take_the_hook_away() {
    for name in [
        "precmd_functions",
        "zshexit_functions",
        "PROMPT_COMMAND",
        "FUNCNEST",
        "TMOUT",
        "fish_bind_mode",
        "__fish_data_dir",
    ] {
        let sandbox = Sandbox::new().manifest(&format!("[env]\n{name} = \"1\"\n"));
        sandbox
            .devsh(&["allow"])
            .code(1)
            .error(&[name, "not a variable that a project may set"]);
    }
}

#[test]
fn a_value_does_not_run_in_a_number_of_the_user() {
    for (shell, declare) in [
        (HostShell::Bash, "declare -ix JOBS=4"),
        (HostShell::Zsh, "integer -x JOBS=4"),
    ] {
        if require(shell.name()).is_none() {
            continue;
        }
        let sandbox = with("[env]\nJOBS = 'path[$(touch \"$HOME/ran\")1]'\n");
        let mut pty = sandbox.shell(shell);
        pty.run(declare);
        pty.enter();
        assert_eq!(
            pty.var("JOBS").as_deref(),
            Some("path[$(touch \"$HOME/ran\")1]"),
            "{shell:?}"
        );
        pty.leave();
        assert_eq!(pty.run("JOBS=2+3; echo $JOBS"), "5\n", "{shell:?}");
        assert!(!sandbox.home().join("ran").exists(), "{shell:?}");
    }
}

#[test]
fn one_line_of_an_env_file_does_not_refuse_the_project() {
    let sandbox =
        Sandbox::new().manifest("[env]\nACTIVE = \"yes\"\n[env-files]\nload = [\".env\"]\n");
    sandbox.write(".env", "A=1\nUID=1000\nmy.name=x\nexport A\nB: 2\t# two\n");
    let shown = sandbox.devsh(&["allow"]).success();
    for note in [
        ".env:2: `UID` is not a variable",
        ".env:3: `my.name` is not",
    ] {
        assert!(shown.stderr.contains(note), "{}", shown.stderr);
    }
    for (name, value) in [("A", "1"), ("B", "2"), ("ACTIVE", "yes")] {
        let run = sandbox.devsh(&["run", "--", "printenv", name]).success();
        assert_eq!(run.stdout, format!("{value}\n"), "{name}");
    }
    sandbox.write(".env", "A=1\n\nHOME=/secret\n");
    let refused = sandbox.devsh(&["allow"]).code(1);
    assert!(
        refused.stderr.contains("--> .env:3\n"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains("secret"), "{}", refused.stderr);
}

/// The rc text of a tool that, like direnv, sets variables below `own` and restores what it has found when it leaves.
fn restoring_tool(shell: HostShell, own: &str) -> String {
    match shell {
        HostShell::Bash | HostShell::Zsh => {
            let register = match shell {
                HostShell::Bash => "PROMPT_COMMAND=\"tool${PROMPT_COMMAND:+;$PROMPT_COMMAND}\"",
                _ => "precmd_functions=(tool $precmd_functions)",
            };
            format!(
                "tool() {{
                   case $PWD in
                     */{own}*)
                       [ -n \"${{tool_in-}}\" ] && return
                       tool_in=yes
                       unset tool_shared tool_list
                       [ -z \"${{SHARED+x}}\" ] || tool_shared=$SHARED
                       [ -z \"${{PYTHONPATH+x}}\" ] || tool_list=$PYTHONPATH
                       export SHARED=tool PYTHONPATH=/tool:${{PYTHONPATH-}} ;;
                     *)
                       [ -n \"${{tool_in-}}\" ] || return
                       unset tool_in SHARED PYTHONPATH
                       [ -z \"${{tool_shared+x}}\" ] || export SHARED=\"$tool_shared\"
                       [ -z \"${{tool_list+x}}\" ] || export PYTHONPATH=\"$tool_list\" ;;
                   esac
                 }}\n{register}"
            )
        }
        HostShell::Fish => format!(
            "function tool --on-event fish_prompt
               if string match -q '*/{own}*' $PWD
                 set -q tool_in; and return
                 set -g tool_in yes
                 set -e tool_shared tool_list
                 set -q SHARED; and set -g tool_shared $SHARED
                 set -q PYTHONPATH; and set -g tool_list $PYTHONPATH
                 set -gx SHARED tool
                 set -gx PYTHONPATH /tool $PYTHONPATH
               else if set -q tool_in
                 set -e tool_in
                 set -e SHARED PYTHONPATH
                 set -q tool_shared; and set -gx SHARED $tool_shared
                 set -q tool_list; and set -gx PYTHONPATH $tool_list
               end
             end"
        ),
    }
}

#[test]
fn a_variable_that_another_tool_restores_is_not_left_behind() {
    for_each_shell(|shell| {
        for own in ["project", "project/below", "home/u"] {
            for first in [true, false] {
                let sandbox = with(
                    "[grants]\nenv = [\"PYTHONPATH\"]\n[env]\nSHARED = \"devsh\"\n\
                     PYTHONPATH = { prepend = [\"./lib\"] }\n",
                );
                let below = sandbox.project().join("below");
                fs::create_dir_all(&below).unwrap();
                let (tool, hook) = (restoring_tool(shell, own), shell.hook_line());
                let rc = if first {
                    format!("{tool}\n{hook}")
                } else {
                    format!("{hook}\n{tool}")
                };
                let mut pty = Pty::start(&sandbox, shell, &rc);
                for before in [
                    shell.unset("SHARED"),
                    shell.export("SHARED", "host"),
                    shell.export("PYTHONPATH", "/host"),
                ] {
                    pty.type_line(&before);
                    let now = |pty: &mut Pty| {
                        let env = pty.environment();
                        let of = |name: &str| env.get(name.as_bytes()).cloned();
                        (of("SHARED"), of("PYTHONPATH"))
                    };
                    let expected = now(&mut pty);
                    for place in [&below, &sandbox.project().to_owned(), &below] {
                        pty.cd(place);
                        assert_eq!(pty.var("DEVSH_SHELL").as_deref(), Some("dev"));
                        pty.leave();
                        // Already at the first command.
                        assert_eq!(now(&mut pty), expected, "{shell:?} {own} {first} {before}");
                    }
                }
            }
        }
    });
}

#[test]
fn a_value_that_the_user_sets_outside_stays() {
    for_each_shell(|shell| {
        let sandbox = with("[env]\nSHARED = \"devsh\"\n");
        let mut pty = sandbox.shell(shell);
        pty.enter();
        pty.type_line(&shell.export("SHARED", "mine"));
        pty.leave();
        assert_eq!(pty.var("SHARED").as_deref(), Some("mine"));
        pty.type_line(&shell.export("SHARED", "devsh"));
        for directory in ["/", "/usr", "/"] {
            assert_eq!(pty.var("SHARED").as_deref(), Some("devsh"));
            pty.cd(std::path::Path::new(directory));
        }
    });
}

#[test]
fn a_directory_that_changes_without_a_prompt_takes_effect_in_bash() {
    if require("bash").is_none() {
        return;
    }
    let sandbox = with("[env]\nACTIVE = \"yes\"\n");
    let hook = HostShell::Bash.hook_line();
    // A prompt command that runs after the hook acts like `bind -x`: no prompt follows it.
    let rc = format!(
        "own() {{ [ -z \"$go\" ] || cd \"$go\"; go=; }}\nPROMPT_COMMAND=own PS0='[${{go-}}]'\n{hook}"
    );
    let mut pty = Pty::start(&sandbox, HostShell::Bash, &rc);
    let odd = sandbox.project().join("a]b'$(exit 3)\"[c");
    fs::create_dir_all(&odd).unwrap();
    for place in [sandbox.project(), &odd] {
        for _ in 0..2 {
            pty.type_line("cd /");
            assert_eq!(pty.var("ACTIVE"), None);
            pty.type_line(&format!(
                "go={}; (exit 7)",
                HostShell::Bash.quoted(place.to_str().unwrap())
            ));
            assert_eq!(pty.run("echo $? $ACTIVE"), "7 yes\n");
            assert_eq!(pty.run("pwd"), format!("{}\n", place.display()));
        }
    }
    let shown = pty.type_line("echo shown");
    assert!(shown.contains("[]shown"), "{shown}");
}
