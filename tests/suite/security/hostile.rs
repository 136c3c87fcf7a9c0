//! Names, values and texts that attack a host shell, through real shells.

use std::{collections::BTreeSet, ffi::OsString, fs, os::unix::ffi::OsStringExt, process::Command};

use devsh::{
    env::{Env, EnvDiff, VarName},
    shell::{HostShell, ShellStatement},
    util::binary,
};

use super::{effort, so_far};
use crate::support::{Random, Sandbox, require};

/// Returns the shell ready to run a script file with nothing of the machine.
pub(super) fn shell(sandbox: &Sandbox, shell: HostShell, script: &[u8]) -> Option<Command> {
    let program = require(shell.as_str())?;
    let path = sandbox.root().join(format!("script.{shell}"));
    fs::write(&path, script).unwrap();
    let mut command = sandbox.command(program);
    command.args(match shell {
        HostShell::Bash => &["--norc", "--noprofile"][..],
        HostShell::Zsh => &["-f"],
        HostShell::Fish => &["--no-config"],
    });
    command.arg(path);
    Some(command)
}

/// Code for each shell that runs `code`, whole, and then says that it came through.
fn guarded(shell: HostShell, code: &[u8], at: usize) -> Vec<u8> {
    let mut script = b"eval ".to_vec();
    script.extend(shell.quote(OsString::from_vec(code.to_vec()).as_os_str()));
    script.extend_from_slice(format!("; echo came {at}\n").as_bytes());
    script
}

fn hostile_names() -> Vec<String> {
    let run = "touch $HOME/sentinel";
    let shapes = [
        "a[$(@)]",
        "PATH[$(@)]",
        "a[`@`]",
        "$(@)",
        "`@`",
        "a;@;",
        "a\n@\n",
        "a=1;@;b",
        "a&&@",
        "a|@",
        "-x$(@)",
        "a[1]$(@)",
        "{a,$(@)}",
        "a'$(@)'",
        "a\"$(@)\"",
        "(@)",
        "<(@)",
        "=(@)",
        "a b$(@)",
        "a\t@",
        "#\n@",
        "${a:-$(@)}",
        "BASH_FUNC_x%%() { @; }",
        "a\u{0}$(@)",
        "ä$(@)",
        "a.$(@)",
        "~$(@)",
        "a[b[$(@)]]",
        "!$(@)",
        "a[$((0$(@)))]",
    ];
    let starts = [
        "", "a", "A_1", "PATH", "path", "x[0]", "_", "1", "UID", "status", "IFS", "-", "--", "é",
        "DEVSH_X",
    ];
    let names = starts.iter().flat_map(|start| {
        shapes
            .iter()
            .map(move |shape| format!("{start}{}", shape.replace('@', run)))
    });
    let plain = [
        "", "a-b", "a b", "1a", "a.b", "a+", "é", "a=", "=a", "-", "--", "%", "*", "?", "[", "]",
        "~",
    ];
    names
        .chain(plain.map(str::to_owned))
        .chain((0..40).map(|n| format!("a{}b", char::from(n))))
        .collect()
}

/// Reads a session's diff that unsets one variable.
fn decoded(name: &str) -> Result<EnvDiff, binary::Damaged> {
    let entry = [0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let mut bytes = vec![1, u8::try_from(name.len()).unwrap()];
    bytes.extend(name.bytes().chain(entry));
    binary::decode(&bytes)
}

#[test]
fn hostile_names_never_reach_a_shell() {
    assert!(decoded("GOOD").is_ok());
    let names = hostile_names();
    assert!(names.len() >= 500, "{}", names.len());
    let mut inherited = Env::default();
    for name in &names {
        assert!(name.parse::<VarName>().is_err(), "{name:?}");
        inherited.set(name.as_str(), "1");
        assert!(decoded(name).is_err(), "{name:?}");
    }
    // The code neither sets nor removes inherited variables.
    let none = Env::default();
    assert_eq!(devsh::prompt::env_statements(&inherited, &none), []);
    assert_eq!(devsh::prompt::env_statements(&none, &inherited), []);
    for shell in ["bash", "zsh", "fish"] {
        let sandbox = Sandbox::new().manifest("[env]\nA = \"1\"\n");
        sandbox.allow();
        let mut command = sandbox.command("devsh");
        let usable = names
            .iter()
            .filter(|name| !name.is_empty() && !name.contains(['=', '\0']));
        command
            .envs(usable.map(|name| (name, "1")))
            .args(["export", shell]);
        let code = sandbox.outcome(&mut command).success().stdout;
        assert!(!code.contains("sentinel"), "{code}");
        assert!(!sandbox.home().join("sentinel").exists());
    }
}

/// Every name that a shell itself knows is refused, or can be set and removed without stopping it.
#[test]
fn names_that_pass_never_stop_a_shell() {
    let sandbox = Sandbox::new();
    let mut known = BTreeSet::new();
    for (program, arguments) in [
        (
            "zsh",
            &[
                "-fc",
                "for m in zsh/parameter zsh/zleparameter zsh/mapfile zsh/terminfo; do zmodload $m; done; print -l ${(k)parameters}",
            ][..],
        ),
        ("bash", &["-c", "compgen -v"]),
        ("fish", &["--no-config", "-c", "set --names"]),
    ] {
        if require(program).is_none() {
            return;
        }
        let outcome = sandbox.outcome(sandbox.command(program).args(arguments));
        known.extend(outcome.stdout.lines().map(str::to_owned));
    }
    assert!(known.len() > 100, "{known:?}");
    let passed: Vec<VarName> = known.iter().filter_map(|name| name.parse().ok()).collect();
    for host in HostShell::ALL {
        let mut script = Vec::new();
        for (at, name) in passed.iter().enumerate() {
            let change = [
                ShellStatement::Export(name.clone(), "/x:/y".into()),
                ShellStatement::Unset(name.clone()),
                ShellStatement::Export(name.clone(), "2".into()),
            ];
            script.extend(guarded(host, &host.render(&change, ""), at));
            if name.as_str() == "PATH" {
                script.extend_from_slice(&host.render(
                    &[ShellStatement::Export(name.clone(), "/usr/bin:/bin".into())],
                    "",
                ));
            }
        }
        let Some(mut command) = shell(&sandbox, host, &script) else {
            return;
        };
        let outcome = sandbox.outcome(&mut command);
        for (at, name) in passed.iter().enumerate() {
            let line = format!("came {at}\n");
            assert!(
                outcome.stdout.contains(&line),
                "{host} stops at {name}\n{}",
                outcome.stderr
            );
        }
    }
}

#[test]
fn random_values_arrive_byte_for_byte() {
    const ALPHABETS: [&[u8]; 3] = [
        b"'\"\\$`!\n\t;&|(){}[]*?~#=: a",
        b"\x01\x02\x1b\x7f\x80\xc3\xa9\xff\xe2\x80\xae'\\",
        b"abc' \\",
    ];
    let count = effort(600, 1_000_000);
    let sandbox = Sandbox::new();
    for locale in ["C", "C.UTF-8"] {
        for host in HostShell::ALL {
            for start in (0..count).step_by(2000) {
                so_far(start / 2000, "thousand pairs of values");
                let mut random = Random::new(start as u64);
                let mut value = || {
                    let length = random.below(24);
                    if random.below(4) == 0 {
                        (0..length)
                            .map(|_| u8::try_from(1 + random.below(255)).unwrap())
                            .collect()
                    } else {
                        let alphabet = ALPHABETS[random.below(3)];
                        random.bytes(alphabet, length)
                    }
                };
                let values: Vec<Vec<u8>> =
                    (start..count.min(start + 2000)).map(|_| value()).collect();
                let statements: Vec<ShellStatement> = values
                    .iter()
                    .enumerate()
                    .map(|(at, value)| {
                        ShellStatement::Export(
                            format!("V{at}").parse().unwrap(),
                            OsString::from_vec(value.clone()),
                        )
                    })
                    .collect();
                let mut script = host.render(&statements, "");
                script.extend_from_slice(b"command env -0\n");
                let Some(mut command) = shell(&sandbox, host, &script) else {
                    return;
                };
                let output = command.env("LC_ALL", locale).output().unwrap();
                let found: BTreeSet<&[u8]> = output.stdout.split(|byte| *byte == 0).collect();
                for (at, value) in values.iter().enumerate() {
                    let expected = [format!("V{at}=").as_bytes(), value].concat();
                    assert!(
                        found.contains(expected.as_slice()),
                        "{host} {locale} {start}+{at}: {value:?}"
                    );
                }
            }
        }
    }
}
