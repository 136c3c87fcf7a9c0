//! The scripts pass the parsers of the shells and the linters, in the source tree and as devsh prints them.

use std::{fs, path::Path, process::Command};

use crate::support::{HostShell, Sandbox, for_each_shell, repository, require};

const SCRIPTS: [&str; 7] = [
    "install.sh",
    ".ci/run",
    "tests/setup",
    "tests/reliability",
    "hooks/completions.bash",
    "hooks/hook.bash",
    "hooks/source.bash",
];

#[track_caller]
fn assert_silent_success(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn assert_parses(shell: HostShell, script: &Path) {
    let (program, option) = match shell {
        HostShell::Bash => ("bash", "-n"),
        HostShell::Zsh => ("zsh", "-n"),
        HostShell::Fish => ("fish", "--no-execute"),
    };
    assert_silent_success(Command::new(program).arg(option).arg(script));
}

#[test]
fn hooks_parse_in_the_tree_and_as_printed() {
    for_each_shell(|shell| {
        let name = shell.name();
        for script in ["hook", "source"] {
            assert_parses(shell, &repository().join(format!("hooks/{script}.{name}")));
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
        assert_parses(shell, &script);
        // A parser accepts more than the shell does, so a shell that is not interactive also loads the
        // hook, which must have no effect there and print nothing.
        let load = match shell {
            HostShell::Fish => "source hook",
            _ => ". ./hook",
        };
        assert_silent_success(
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
        assert_silent_success(Command::new(&shellcheck).arg(repository().join(script)));
    }
}

#[test]
fn shfmt_finds_nothing() {
    let Some(shfmt) = require("shfmt") else {
        return;
    };
    for script in SCRIPTS {
        assert_silent_success(
            Command::new(&shfmt)
                .args(["-i", "2", "-ci", "-d"])
                .arg(repository().join(script)),
        );
    }
}

#[test]
fn the_installer_is_plain_sh() {
    if let Some(dash) = require("dash") {
        assert_silent_success(
            Command::new(dash)
                .arg("-n")
                .arg(repository().join("install.sh")),
        );
    }
    let text = fs::read_to_string(repository().join("install.sh")).unwrap();
    assert_eq!(text.lines().last(), Some("main \"$@\""));
    // A download that is cut short must define functions only and run nothing.
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
fn the_installer_rejects_unknown_options() {
    let sandbox = Sandbox::new();
    let script = repository().join("install.sh");
    let outcome = sandbox.outcome(sandbox.command("sh").arg(&script).arg("--help"));
    assert!(outcome.success().stdout.starts_with("Usage: ./install.sh"));
    let outcome = sandbox.outcome(sandbox.command("sh").arg(&script).arg("--bogus"));
    outcome.code(1).error(&["`--bogus`", "hint: "]);
    // With nothing to remove it still succeeds, also the second time.
    for _ in 0..2 {
        sandbox
            .outcome(sandbox.command("sh").arg(&script).arg("--uninstall"))
            .success();
    }
}
