//! The scripts as the shells' own parsers and the linters see them, in the tree and as they are printed.

use std::{fs, path::Path, process::Command};

use crate::support::{HostShell, Sandbox, for_each_shell, repository, require};

const SCRIPTS: [&str; 6] = [
    "install.sh",
    ".ci/run",
    "tests/setup",
    "tests/reliability",
    "hooks/hook.bash",
    "hooks/source.bash",
];

#[track_caller]
fn passes(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn parse(shell: HostShell, script: &Path) {
    let (program, option) = match shell {
        HostShell::Bash => ("bash", "-n"),
        HostShell::Zsh => ("zsh", "-n"),
        HostShell::Fish => ("fish", "--no-execute"),
    };
    passes(Command::new(program).arg(option).arg(script));
}

#[test]
fn hooks_are_scripts_as_they_lie_in_the_tree_and_as_printed() {
    for_each_shell(|shell| {
        let name = shell.name();
        for script in ["hook", "source"] {
            parse(shell, &repository().join(format!("hooks/{script}.{name}")));
        }
        let sandbox = Sandbox::new();
        let printed = sandbox
            .command("devsh")
            .args(["hook", name])
            .output()
            .unwrap();
        let text = String::from_utf8(printed.stdout).unwrap();
        assert!(
            text.contains("__devsh_hook") && !text.contains("@DEVSH@"),
            "{text}"
        );
        let script = sandbox.root().join("hook");
        fs::write(&script, text).unwrap();
        parse(shell, &script);
        // A parser accepts more than the shell does, so it is also loaded by a shell that is not
        // interactive, where it must do no harm and say nothing.
        let load = match shell {
            HostShell::Fish => "source hook",
            _ => ". ./hook",
        };
        passes(
            sandbox
                .command(name)
                .arg("-c")
                .arg(load)
                .current_dir(sandbox.root()),
        );
    });
}

#[test]
fn shellcheck_finds_nothing() {
    let Some(shellcheck) = require("shellcheck") else {
        return;
    };
    for script in SCRIPTS {
        passes(Command::new(&shellcheck).arg(repository().join(script)));
    }
}

#[test]
fn shfmt_finds_nothing() {
    let Some(shfmt) = require("shfmt") else {
        return;
    };
    for script in SCRIPTS {
        passes(
            Command::new(&shfmt)
                .args(["-i", "2", "-ci", "-d"])
                .arg(repository().join(script)),
        );
    }
}

#[test]
fn the_installer_is_plain_sh() {
    if let Some(dash) = require("dash") {
        passes(
            Command::new(dash)
                .arg("-n")
                .arg(repository().join("install.sh")),
        );
    }
    let text = fs::read_to_string(repository().join("install.sh")).unwrap();
    assert_eq!(text.lines().last(), Some("main \"$@\""));
    // A file that was cut short anywhere defines functions and runs nothing.
    let code: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let mut inside = false;
    let top_level: Vec<_> = code
        .iter()
        .filter(|line| {
            let outside = !inside && !line.is_empty() && !line.ends_with("() {");
            inside = if line.ends_with("() {") {
                true
            } else {
                inside && **line != "}"
            };
            outside
        })
        .collect();
    assert_eq!(top_level, [&"set -eu", &"main \"$@\""]);
}

#[test]
fn the_installer_knows_its_options() {
    let sandbox = Sandbox::new();
    let script = repository().join("install.sh");
    let outcome = sandbox.outcome(sandbox.command("sh").arg(&script).arg("--help"));
    assert!(outcome.success().stdout.starts_with("Usage: ./install.sh"));
    let outcome = sandbox.outcome(sandbox.command("sh").arg(&script).arg("--bogus"));
    outcome.code(1).error(&["`--bogus`", "hint: "]);
    // There is nothing to remove, which is no error, twice.
    for _ in 0..2 {
        sandbox
            .outcome(sandbox.command("sh").arg(&script).arg("--uninstall"))
            .success();
    }
}
