//! Completions on TAB in a new home, as `install.sh --rc` sets them up.

use std::{fs, path::Path};

use crate::support::{
    HostShell, Pty, Sandbox, Server, for_each_shell, pypi::serve_tool, sandbox::DEVSH,
};

const MANIFEST: &str = "[shells.test.env]\nTESTED = \"yes\"\n";

/// Runs `install.sh --rc` for a login shell, with a cargo that has built this devsh already; returns the rc file.
fn install(sandbox: &Sandbox, shell: HostShell) -> String {
    let target = sandbox.root().join("target");
    fs::create_dir_all(target.join("release")).unwrap();
    fs::copy(DEVSH, target.join("release/devsh")).unwrap();
    sandbox.program("cargo", "#!/bin/sh\n");
    sandbox.program("rustup", "#!/bin/sh\nexit 1\n");
    let mut command = sandbox.command("sh");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh"))
        .arg("--rc")
        .env("SHELL", format!("/bin/{}", shell.name()))
        .env("CARGO_TARGET_DIR", target);
    sandbox.outcome(&mut command).success();
    fs::read_to_string(sandbox.home().join(shell.rc_file())).unwrap()
}

/// Starts the shell with its line editor, and `rc` in its rc file.
fn with_line_editor(sandbox: &Sandbox, shell: HostShell, rc: &str) -> Pty {
    let line = match shell {
        HostShell::Bash => "exec bash --noprofile --rcfile ~/.bashrc -i",
        HostShell::Zsh => "exec zsh -d -i",
        HostShell::Fish => "exec fish -i",
    };
    Pty::start_with(sandbox, shell, rc, &["sh", "-c", line].map(str::to_owned))
}

/// Returns the candidates for the last word.
fn candidates(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let mut command = sandbox.command(DEVSH);
    command
        .env("DEVSH_COMPLETE", "fish")
        .args(["--", "devsh"])
        .args(words);
    let listed = sandbox.outcome(&mut command).success().stdout;
    let values = listed.lines().map(|line| line.split('\t').next().unwrap());
    values.map(str::to_owned).collect()
}

#[test]
fn names_and_commands_are_completed() {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox.program("own-program", "#!/bin/sh\n");
    let has = |words: &[&str], expected: &str| {
        let found = candidates(&sandbox, words);
        assert!(
            found.iter().any(|one| one == expected),
            "{words:?}: {found:?}"
        );
    };
    has(&["add", "shfm"], "shfmt");
    has(&["explain", "TES"], "TESTED");
    has(&["run", "--", "own-p"], "own-program");
    has(&["run", "--", "cat", "devshell.t"], "devshell.toml");
    has(&["enter", "-"], "--trust");
    // Options come only after a dash.
    let found = candidates(&sandbox, &["enter", ""]);
    assert_eq!(found, ["dev", "test"]);
}

#[test]
fn programs_of_the_named_dev_shell_are_completed() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    serve_tool(&server, "taplo", &["0.9.0"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest(
            "[shells.dev.tools]\nruff = \"0.12\"\n[shells.toml.tools]\n\"pypi:taplo\" = \"0.9\"\n",
        );
    sandbox.allow();
    let run = ["run", "--shell", "toml", "--", "taplo", "--version"];
    sandbox.devsh(&run).success();
    let programs =
        |options: &[&str]| candidates(&sandbox, &[&["run"], options, &["--", ""]].concat());
    assert!(programs(&[]).contains(&"ruff".to_owned()));
    for options in [["--shell", "toml"].as_slice(), &["--shell=toml"]] {
        let found = programs(options);
        assert!(found.contains(&"taplo".to_owned()), "{found:?}");
        assert!(!found.contains(&"ruff".to_owned()), "{found:?}");
    }
}

#[test]
fn the_script_for_zsh_loads_the_completion_system() {
    for_each_shell(|shell| {
        if shell != HostShell::Zsh {
            return;
        }
        let sandbox = Sandbox::new();
        let script = "eval \"$(devsh completions zsh)\"; print -r -- ${_comps[devsh]}";
        let mut command = sandbox.command("zsh");
        let loaded = sandbox
            .outcome(command.args(["-f", "-c", script]))
            .success();
        assert_eq!(loaded.stderr, "", "{loaded}");
        assert_eq!(loaded.stdout, "_clap_dynamic_completer_devsh\n");
    });
}

#[test]
fn tab_completes_right_after_the_installation() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new().manifest(MANIFEST);
        let rc = install(&sandbox, shell);
        // A user of zsh may have loaded its completions before.
        let before: &[&str] = match shell {
            HostShell::Zsh => &["", "autoload -Uz compinit && compinit -u\n"],
            HostShell::Bash | HostShell::Fish => &[""],
        };
        for before in before {
            let mut pty = with_line_editor(&sandbox, shell, &format!("{before}{rc}"));
            pty.press("devsh stat\t");
            pty.wait_for_text("us");
            let shown = pty.type_line("");
            assert!(shown.contains("there is no project in"), "{shown}");
            pty.type_line("cd project");
            pty.press("devsh run --shell te\t");
            pty.wait_for_text("st");
            let shown = pty.type_line("--trust -- sh -c 'echo in-$DEVSH_SHELL'");
            assert!(shown.contains("in-test"), "{shown}");
        }
    });
}

#[test]
fn names_of_a_repository_are_no_code_on_tab() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new();
        for name in ["x$(touch ran)", "z;touch ran;'", "e\u{1b}[2J", "my notes"] {
            fs::create_dir(sandbox.project().join(name)).unwrap();
        }
        let completions = match shell {
            HostShell::Fish => "devsh completions fish | source",
            HostShell::Bash => "eval \"$(devsh completions bash)\"",
            HostShell::Zsh => {
                "autoload -Uz compinit && compinit -u; eval \"$(devsh completions zsh)\""
            }
        };
        let mut pty = with_line_editor(&sandbox, shell, &format!("{completions}\n"));
        pty.type_line("cd project");
        for begin in ["x", "z", "e"] {
            for command in ["devsh status -C", "devsh -C"] {
                pty.press(&format!("{command} {begin}\t"));
                pty.type_line("");
            }
        }
        pty.press("devsh status -C my\t");
        pty.wait_for_text("notes");
        let shown = pty.type_line("");
        assert!(shown.contains("there is no project in"), "{shown}");
        assert!(!sandbox.project().join("ran").exists(), "{shell:?}");
    });
}

#[test]
fn a_directory_below_the_home_is_completed() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new().manifest(MANIFEST);
        let rc = install(&sandbox, shell);
        let mut pty = with_line_editor(&sandbox, shell, &rc);
        pty.type_line("cd /");
        pty.press("devsh -C ~/proj\t");
        pty.wait_for_text("ect");
        let shown = pty.type_line(" status");
        assert!(shown.contains("~/project (devshell.toml)"), "{shown}");
    });
}
