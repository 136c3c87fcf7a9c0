//! Values and names in real shells, as far as they are installed; the suite requires all of them.

use std::{
    io::Write,
    os::unix::ffi::OsStringExt,
    process::{Command, Stdio},
};

use super::*;

/// Strings that have broken other tools.
fn values() -> Vec<OsString> {
    let mut values: Vec<Vec<u8>> = (1..=255).map(|byte| vec![byte]).collect();
    values.extend((1..=255).map(|byte| vec![b'a', byte, b'\'']));
    let texts = [
        "", "a b", "'", "''", "\\", "\\'", "'\\''", "$(x)", "`x`", "!!", "*", "~", "a\nb", "\n",
        "-n", "a:b", "::", "\u{feff}", "é", "\u{202e}", "\\x41", "\\n", "%s", "#", "a;b", "{a,b}",
        "$PATH",
    ];
    values.extend(texts.iter().map(|text| text.as_bytes().to_vec()));
    values.into_iter().map(OsString::from_vec).collect()
}

fn evaluate(shell: HostShell, script: &[u8], locale: &str) -> Option<Vec<u8>> {
    let arguments: &[&str] = match shell {
        HostShell::Bash => &["--norc", "--noprofile"],
        HostShell::Zsh => &["-f"],
        HostShell::Fish => &["--no-config"],
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().write_all(script).unwrap();
    let output = Command::new(shell.as_str())
        .args(arguments)
        .arg(file.path())
        .env("LC_ALL", locale)
        .stderr(Stdio::inherit())
        .output()
        .ok()?;
    assert!(output.status.success(), "{shell}");
    Some(output.stdout)
}

#[test]
fn shells_keep_every_byte_of_a_value() {
    for shell in HostShell::ALL {
        for locale in ["C", "C.UTF-8"] {
            let named = || {
                values()
                    .into_iter()
                    .enumerate()
                    .map(|(at, value)| (format!("V{at}"), value))
            };
            let statements: Vec<_> = named()
                .map(|(name, value)| ShellStatement::Export(name.parse().unwrap(), value))
                .collect();
            let mut script = shell.render_plain(&statements);
            script.extend_from_slice(b"command env -0\n");
            let Some(output) = evaluate(shell, &script, locale) else {
                eprintln!("skipped: {shell} is not installed");
                continue;
            };
            let variables: std::collections::BTreeSet<&[u8]> =
                output.split(|byte| *byte == 0).collect();
            for (name, value) in named() {
                let expected = [name.as_bytes(), b"=", value.as_encoded_bytes()].concat();
                assert!(
                    variables.contains(expected.as_slice()),
                    "{shell} {locale} {value:?}"
                );
            }
        }
    }
}

#[test]
fn code_ends_in_the_mark() {
    let code = HostShell::Bash.render(&[ShellStatement::RestoreAliases], "1$(x)2");
    let text = String::from_utf8(code).unwrap();
    assert!(text.ends_with("__devsh_restore_aliases\n# devsh 1x2\n"));
    let name: VarName = "A".parse().unwrap();
    let statements = [
        ShellStatement::Export(name.clone(), "a\nb".into()),
        ShellStatement::Unset(name.clone()),
        ShellStatement::Unset(name),
        ShellStatement::SetLoaded("-".to_owned()),
    ];
    let lines = HostShell::Fish.render(&statements, "1");
    let lines = lines.split(|byte| *byte == b'\n').count();
    assert_eq!(lines, 3, "fish takes the code by lines");
}

#[test]
fn a_check_tests_every_condition() {
    let freshness = Freshness {
        same: vec![(".".into(), "/r l".into())],
        existing: vec!["/s/p".into()],
        present: vec![("/a b".into(), "/s'1".into())],
        absent: vec!["/c".into()],
        seconds: Vec::new(),
        absent_groups: Vec::new(),
        unexported: vec!["TOKEN".parse().unwrap()],
    };
    let text = |shell: HostShell| {
        String::from_utf8(shell.render(&shell.check(&freshness, ""), "1")).unwrap()
    };
    let bash = "[[ $PWD == \"$__devsh_pwd\" && -z ${PWD##\"$__devsh_pwd\"} && ${PATH-} == \"$__devsh_path\" && -z ${PATH+${PATH##\"$__devsh_path\"}} && '.' -ef '/r l' && ! '/a b' -nt '/s'\\''1' && ! '/a b' -ot '/s'\\''1' && -e '/s/p' \
                && ! -e '/c' ]] && { [[ -z ${TOKEN+x} ]] || __devsh_unexported TOKEN; }";
    let name = &blake3::hash(bash.as_bytes()).to_hex()[..12];
    assert_eq!(
        text(HostShell::Bash),
        format!(
            "__devsh_fresh_{name}() {{ {bash}; }}\n__devsh_checks+=' {name}'\n\
             __devsh_fresh() {{ __devsh_fresh_{name}; }}\n# devsh 1\n"
        )
    );
    let fish = "test \"$PWD//$PATH\" = \"$__devsh_pwd//$__devsh_path\" -a . -ef '/r l' -a ! '/a b' -nt '/s\\'1' -a ! '/a b' -ot '/s\\'1' -a -e /s/p;and not \
                builtin path is -- /c;and not set -qx TOKEN";
    let name = &blake3::hash(fish.as_bytes()).to_hex()[..12];
    assert_eq!(
        text(HostShell::Fish),
        format!(
            "function __devsh_fresh_{name};{fish};end;set -ga __devsh_checks {name};\
             function __devsh_fresh;__devsh_fresh_{name};end;\n# devsh 1\n"
        )
    );
}

#[test]
fn one_builtin_checks_many_files() {
    let freshness = Freshness {
        seconds: vec![("/a b".into(), 17), ("/c".into(), -5)],
        ..Freshness::default()
    };
    let text = |shell: HostShell| {
        let code = shell.render(&shell.check(&freshness, ""), "1");
        String::from_utf8(code).unwrap()
    };
    let zsh = text(HostShell::Zsh);
    let asked = "[[ $PWD == \"$__devsh_pwd\" && ${PATH-} == \"$__devsh_path\" ]] && __devsh_times '17 -5' '/a b' '/c'; }";
    assert!(zsh.contains(asked), "{zsh}");
    let fish = text(HostShell::Fish);
    let asked = "\"$__devsh_pwd//$__devsh_path\";and set -l __devsh_times (builtin path mtime -- '/a b' /c);and test \"$__devsh_times\" = '17 -5';end";
    assert!(fish.contains(asked), "{fish}");
    assert_eq!(HostShell::Bash.batch_time(), None);
}

#[test]
fn a_known_check_is_not_sent_again() {
    let freshness = |file: String| Freshness {
        absent: vec![file.into()],
        ..Freshness::default()
    };
    for shell in HostShell::ALL {
        let mut known = String::new();
        for number in 0..CHECKS {
            let statements = shell.check(&freshness(format!("/{number}")), &known);
            let [ShellStatement::Check { name, code }] = statements.as_slice() else {
                panic!("{statements:?}");
            };
            assert!(code.is_some());
            if number + 1 < CHECKS {
                let known = format!("{known} {name}");
                let again = shell.check(&freshness(format!("/{number}")), &known);
                assert!(matches!(
                    again.as_slice(),
                    [ShellStatement::Check { code: None, .. }]
                ));
            }
            known = format!("{known} {name}");
        }
        // A long session does not fill the shell.
        let statements = shell.check(&freshness("/0".to_owned()), &known);
        assert!(matches!(
            statements.as_slice(),
            [
                ShellStatement::RemoveChecks,
                ShellStatement::Check { code: Some(_), .. }
            ]
        ));
    }
}

#[test]
fn a_directory_is_checked_instead_of_its_absent_files() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("a b");
    std::fs::create_dir(&root).unwrap();
    let stamp = directory.path().join("stamp");
    std::fs::write(&stamp, "").unwrap();
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let settle = |path: &std::path::Path| {
        let file = std::fs::File::open(path).unwrap();
        file.set_modified(time).unwrap();
    };
    settle(&stamp);
    let freshness = Freshness {
        absent_groups: vec![AbsentGroup {
            directory: root.clone(),
            stamp: stamp.clone(),
            absent: vec![root.join("x"), root.join("y")],
        }],
        ..Freshness::default()
    };
    for shell in HostShell::ALL {
        settle(&root);
        let (unrelated, awaited) = (root.join(format!("{shell}")), root.join("y"));
        let check = match shell {
            HostShell::Fish => "__devsh_fresh; and echo fresh; or echo stale\n",
            _ => "if __devsh_fresh; then echo fresh; else echo stale; fi\n",
        };
        let set = match shell {
            HostShell::Fish => "set __devsh_pwd $PWD; set __devsh_path \"$PATH\"\n",
            _ => "__devsh_pwd=$PWD __devsh_path=$PATH\n",
        };
        let mut script = shell.render(&shell.check(&freshness, ""), "1");
        script.extend_from_slice(set.as_bytes());
        for path in ["", unrelated.to_str().unwrap(), awaited.to_str().unwrap()] {
            if !path.is_empty() {
                script.extend_from_slice(format!("command touch '{path}'\n").as_bytes());
            }
            script.extend_from_slice(check.as_bytes());
        }
        let Some(output) = evaluate(shell, &script, "C.UTF-8") else {
            eprintln!("skipped: {shell} is not installed");
            continue;
        };
        let told = String::from_utf8_lossy(&output).into_owned();
        let told: Vec<&str> = told.split_whitespace().collect();
        assert_eq!(told, ["fresh", "fresh", "stale"], "{shell}");
        std::fs::remove_file(awaited).unwrap();
    }
}
