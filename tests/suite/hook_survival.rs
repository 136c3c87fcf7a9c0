//! Activation in difficult places: nested shells, odd homes and options, faults of devsh and of its files.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::support::{
    HostShell, Pty, Sandbox, for_each_shell,
    sandbox::{DEVSH, write},
};

const MANIFEST: &str =
    "[env]\nACTIVE = \"yes\"\nPATH = { prepend = [\"bin\"] }\n[aliases]\nhi = \"echo hi\"\n";

fn prepared() -> Sandbox {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.allow();
    sandbox
}

#[test]
fn a_shell_in_another_kind_of_shell_takes_over_and_undoes() {
    for_each_shell(|outer| {
        for inner in HostShell::ALL {
            let sandbox = prepared();
            let mut pty = sandbox.shell(outer);
            let before = pty.environment();
            pty.enter();
            let inside = pty.environment();
            drop(pty);
            let mut within = Sandbox::new();
            for (name, value) in &inside {
                use std::os::unix::ffi::OsStrExt;
                let name = String::from_utf8(name.clone()).unwrap();
                if ["HOME", "TMPDIR", "XDG_CONFIG_HOME", "ZDOTDIR"].contains(&name.as_str()) {
                    continue;
                }
                within = within.env(&name, std::ffi::OsStr::from_bytes(value));
            }
            let mut pty = within.shell(inner);
            pty.cd(sandbox.project());
            assert_eq!(
                pty.var("ACTIVE").as_deref(),
                Some("yes"),
                "{outer:?} {inner:?}"
            );
            assert_eq!(
                pty.run("hi"),
                "hi\n",
                "aliases are not inherited: they are made again"
            );
            pty.cd(Path::new("/"));
            let after = pty.environment();
            for name in [&b"PATH"[..], b"ACTIVE", b"DEVSH_DIFF", b"DEVSH_ROOT"] {
                assert_eq!(
                    after.get(name),
                    before.get(name),
                    "{outer:?} {inner:?} {name:?}"
                );
            }
        }
    });
}

#[test]
fn a_shell_replaced_by_itself_goes_on() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        let path = pty.var("PATH");
        pty.enter();
        pty.exec();
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        assert_eq!(pty.run("hi"), "hi\n");
        pty.leave();
        assert_eq!(pty.var("ACTIVE"), None);
        assert_eq!(pty.var("PATH"), path);
    });
}

#[test]
fn a_home_with_spaces_is_a_home() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new();
        let home = sandbox.root().join("the 'home' of $me");
        let project = home.join("my project");
        write(&project.join("devshell.toml"), MANIFEST.as_bytes());
        let at = |below: &str| home.join(below);
        let sandbox = sandbox
            .env("HOME", &home)
            .env("XDG_DATA_HOME", at("da ta"))
            .env("XDG_STATE_HOME", at("sta te"))
            .env("XDG_CONFIG_HOME", at("con fig"));
        sandbox
            .outcome(sandbox.command("devsh").arg("allow").current_dir(&project))
            .success();
        let hook = shell.hook_line();
        let mut pty = match shell {
            // Fish finds its rc file through XDG_CONFIG_HOME.
            HostShell::Fish => {
                write(
                    &at("con fig/fish/config.fish"),
                    format!("{}{hook}\n", shell.prompt()).as_bytes(),
                );
                Pty::start(&sandbox, shell, "")
            }
            _ => Pty::start(&sandbox, shell, &hook),
        };
        let before = pty.snapshot();
        pty.cd(&project);
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        pty.leave();
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn huge_environments_are_carried() {
    for_each_shell(|shell| {
        let long = "x".repeat(100 << 10);
        let sandbox = Sandbox::new()
            .env("LONG", &long)
            .env("OTHER", &long[..3000])
            .manifest(
                "[env]\nLONG = \"short\"\nOTHER = \"short\"\nPATH = { prepend = [\"bin\"] }\n",
            );
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        pty.enter();
        let inside = pty.environment();
        assert_eq!(inside[&b"LONG"[..]], b"short");
        let state: usize = inside
            .iter()
            .filter(|(name, _)| name.starts_with(b"DEVSH_"))
            .map(|(name, value)| name.len() + value.len() + 2)
            .sum();
        assert!(state < 2 << 10, "{state} bytes of devsh's own");
        let directory = sandbox.home().join(".local/state/devsh/sessions");
        for entry in fs::read_dir(directory).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        pty.leave();
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn garbage_collection_keeps_the_session_of_a_running_process() {
    let sandbox = Sandbox::new().env("LONG", "x".repeat(100 << 10));
    let sandbox = sandbox.manifest("[env]\nLONG = \"short\"\n");
    sandbox.allow();
    // The host shell of an editor can have ended long ago.
    let code = "touch -t 202001010000 \"$DEVSH_DIFF\"; (unset DEVSH_DIFF; exec \"$0\" gc >/dev/null)\n\
                test -e \"$DEVSH_DIFF\" && echo kept";
    let ran = sandbox
        .devsh(&["run", "--", "sh", "-c", code, DEVSH])
        .success();
    if cfg!(target_os = "linux") {
        assert_eq!(ran.stdout, "kept\n", "{ran}");
    }
    sandbox.devsh(&["gc"]).success();
    let directory = sandbox.home().join(".local/state/devsh/sessions");
    assert_eq!(fs::read_dir(directory).unwrap().count(), 0);
}

#[test]
fn a_value_that_would_stop_every_program_is_left_out() {
    for_each_shell(|shell| {
        let length = (128 << 10) - "BIG=".len();
        // It is too long only together with the other variable.
        let manifest = |length: usize| {
            format!(
                "[env]\nHALF = \"{}\"\nBIG = \"${{HALF}}${{HALF}}{}\"\nACTIVE = \"yes\"\n",
                "x".repeat(60_000),
                "x".repeat(length - 120_000)
            )
        };
        let sandbox = Sandbox::new().manifest(&manifest(length));
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        let shown = pty.enter();
        assert!(shown.contains("`BIG`"), "{shown}");
        assert_eq!(pty.var("BIG"), None);
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        // One byte less is the most that the system takes.
        sandbox.write("devshell.toml", manifest(length - 1));
        sandbox.allow();
        pty.type_line("true");
        assert_eq!(pty.var("BIG").map(|value| value.len()), Some(length - 1));
    });
}

#[test]
fn without_a_place_for_state_it_works_all_the_same() {
    for_each_shell(|shell| {
        let sandbox = prepared().env("XDG_STATE_HOME", "/proc/no/place");
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        pty.enter();
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        pty.leave();
        pty.snapshot().assert_restores(&before);
    });
}

#[test]
fn odd_settings_of_the_shell_do_no_harm() {
    for_each_shell(|shell| {
        let settings: &[&str] = match shell {
            HostShell::Bash => &[
                "IFS=/",
                "IFS=edv",
                "set -f",
                "set -o posix",
                "shopt -u expand_aliases",
                "LC_ALL=C",
            ],
            HostShell::Zsh => &[
                "IFS=/",
                "IFS=edv",
                "set -f",
                "setopt sh_word_split",
                "setopt posix_builtins",
                "LC_ALL=C",
            ],
            HostShell::Fish => &[
                "set -g IFS /",
                "set -g LC_ALL C",
                "set -g fish_trace",
                "set -g name x; set -g kind y; set -g value z",
            ],
        };
        for setting in settings {
            let sandbox = prepared();
            let mut pty = sandbox.shell(shell);
            pty.type_line(setting);
            let before = pty.environment();
            pty.enter();
            assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"), "{setting}");
            pty.type_line("true");
            pty.leave();
            let after = pty.environment();
            for name in [&b"PATH"[..], b"ACTIVE", b"DEVSH_DIFF", b"HOME"] {
                assert_eq!(after.get(name), before.get(name), "{setting} {name:?}");
            }
        }
    });
}

/// Faulty programs that replace devsh.
const FAULTS: [&str; 8] = [
    "exit 1",
    "kill -SEGV $$",
    "echo 'export FAULT=1; set -gx FAULT 1'",
    "echo 'export FAULT=1; set -gx FAULT 1'; exit 1",
    "printf 'export FAULT=1\\nset -gx FAULT 1\\n# devsh 1'",
    "printf '# devsh '; head -c 100000 /dev/urandom | tr -d '\\000'",
    "echo '((('; echo \"# devsh $4\" >&2",
    "exec 1>&-; exit 0",
];

#[test]
fn faults_of_devsh_leave_prompt_and_environment_alone() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let fake = sandbox.program("fake", "#!/bin/sh\nexit 0\n");
        let hook = sandbox.hook_that_runs(shell, &fake);
        for fault in FAULTS {
            sandbox.program("fake", &format!("#!/bin/sh\n{fault}\n"));
            let mut pty = Pty::start(&sandbox, shell, &hook);
            let before = pty.snapshot();
            pty.enter();
            pty.type_line("sh -c 'exit 7'");
            let said = pty.type_line(&format!("echo status={}", shell.status()));
            assert!(said.contains("status=7"), "{fault}: {said}");
            pty.leave();
            assert_eq!(pty.var("FAULT"), None, "{fault}");
            pty.snapshot().assert_restores(&before);
        }
        fs::remove_file(&fake).unwrap();
        let mut pty = Pty::start(&sandbox, shell, &hook);
        let shown = pty.enter();
        assert!(
            !shown.contains("not found") && !shown.contains("No such"),
            "{shown}"
        );
        assert_eq!(pty.run("echo alive"), "alive\n");
    });
}

#[test]
fn damage_to_its_files_is_repaired_or_reported_once() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let state = sandbox.home().join(".local/state/devsh");
        let record = fs::read_dir(state.join("projects"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path()
            .join("dev.record");
        let whole = fs::read(&record).unwrap();
        let mut pty = sandbox.shell(shell);
        let before = pty.snapshot();
        for bytes in [&b""[..], b"\0", &whole[..whole.len() / 2], &[0xff; 4096]] {
            fs::write(&record, bytes).unwrap();
            pty.enter();
            assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
            pty.leave();
            pty.snapshot().assert_restores(&before);
        }
        for directory in ["projects", "stamps"] {
            fs::remove_dir_all(state.join(directory)).unwrap();
            fs::write(state.join(directory), "in the way").unwrap();
            pty.enter();
            assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"), "{directory}");
            pty.leave();
            pty.snapshot().assert_restores(&before);
            fs::remove_file(state.join(directory)).unwrap();
        }
    });
}

#[test]
fn a_spoilt_session_ends_quietly() {
    for_each_shell(|shell| {
        for value in ["", "AAAA", "/nowhere", "/dev/zero", "~", "'; echo hit; '"] {
            let sandbox = prepared();
            let mut pty = sandbox.shell(shell);
            pty.enter();
            pty.run(&shell.export("DEVSH_DIFF", value));
            let shown = pty.cd(Path::new("/"));
            assert!(!shown.contains("hit"), "{shown}");
            assert_eq!(pty.var("DEVSH_DIFF"), None, "{value}");
            assert_eq!(pty.var("DEVSH_ROOT"), None, "{value}");
            assert_eq!(pty.run("echo alive"), "alive\n");
        }
    });
}

#[test]
fn an_alias_that_the_user_changed_inside_stays() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut pty = sandbox.shell(shell);
        pty.run(&shell.alias("hi", "echo before"));
        pty.enter();
        assert_eq!(pty.run("hi"), "hi\n");
        pty.run(&match shell {
            HostShell::Fish => shell.function("hi", "mine"),
            _ => shell.alias("hi", "echo mine"),
        });
        pty.leave();
        assert_eq!(pty.run("hi"), "mine\n");
    });
}
