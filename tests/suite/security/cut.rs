//! An output of devsh that ends early is not run, wherever it ends.
//!
//! In each host shell one process goes through all outputs and offsets. Its hook is the real one; only what it
//! starts is a function, which gives what is left of the output without a program for each offset.

use std::{ffi::OsString, fs, path::Path, thread};

use devsh::shell::{
    Freshness, HostShell, ShellStatement,
    hook::{self, HookPaths},
};

use super::{effort, hostile::shell};
use crate::support::{Random, Sandbox, require};

#[test]
fn cut_output_is_never_run() {
    let outputs = effort(4, 200);
    thread::scope(|scope| {
        for host in HostShell::ALL {
            if require(host.as_str()).is_some() {
                scope.spawn(move || cut_everywhere(host, outputs));
            }
        }
    });
}

fn cut_everywhere(host: HostShell, outputs: usize) {
    let sandbox = Sandbox::new();
    let directory = sandbox.root().join("outputs");
    fs::create_dir(&directory).unwrap();
    let mut offsets = 0;
    for seed in 0..outputs {
        let payload = payload(host, seed as u64);
        offsets += payload.len();
        fs::write(directory.join(format!("{seed:03}")), payload).unwrap();
    }
    // The hook asks whether it could be started.
    let program = sandbox.program("devsh-to-cut", "#!/bin/sh\n");
    let script = script(host, &program, &directory);
    let mut command = shell(&sandbox, host, &script).unwrap();
    let outcome = sandbox.outcome(command.env("LC_ALL", "C"));
    assert!(outcome.stdout.ends_with("over\n"), "{host}: {outcome}");
    let mut lines = outcome.stdout.lines();
    for seed in 0..outputs {
        // The whole; in bash and zsh also the whole without the last line break. Of every other part nothing.
        let whole = match host {
            HostShell::Fish => &["ran 0"][..],
            _ => &["ran 0", "ran 1"],
        };
        for expected in whole {
            let line = format!("{seed:03} {expected}");
            assert_eq!(lines.next(), Some(line.as_str()), "{host}: {outcome}");
        }
    }
    assert_eq!(lines.next(), Some("over"), "{host}");
    eprintln!(
        "figure: {outputs} outputs in {host}, cut at all {offsets} offsets, 0 statements run"
    );
}

/// The hook, and a loop that updates with every output, cut at every length, and says when something ran.
fn script(host: HostShell, program: &Path, outputs: &Path) -> Vec<u8> {
    let paths = HookPaths {
        program,
        reloads: Path::new("/none"),
    };
    let hook = String::from_utf8(hook::script(host, paths)).unwrap();
    let program = String::from_utf8(host.quote(program.as_os_str())).unwrap();
    let started = match host {
        HostShell::Bash => format!("\\builtin exec {program} export"),
        HostShell::Zsh => {
            // The hook for zsh is one quoted word.
            let program = program.replace('\'', r"'\''");
            format!("\\command {program} ${{__p9k_instant_prompt_active:+--quiet}} export")
        }
        HostShell::Fish => format!("command {program} export"),
    };
    assert!(hook.contains(&started), "{hook}");
    let hook = hook.replace(&started, "cut_devsh export");
    let outputs = outputs.display();
    let driver = match host {
        HostShell::Fish => format!(
            "function cut_devsh
    set -l text (string replace -a NONCE $argv[4] -- $PAYLOAD | string collect)
    # Without its last line break.
    set -l length (math (string length -- $text) + 1 - $CUT)
    if test $CUT -eq 0
        printf '%s\\n' $text
    else if test $length -gt 0
        printf %s (string sub -l $length -- $text | string collect)
    end
end
for file in {outputs}/*
    read -gz PAYLOAD <$file
    for i in (seq 0 (math (string length -- $PAYLOAD) + 40))
        set -g CUT $i
        set -e RAN
        __devsh_update
        set -q RAN; and echo (path basename $file) ran $i
    end
end
echo over
"
        ),
        _ => format!(
            "cut_devsh() {{
  local text=${{PAYLOAD//NONCE/$4}}
  local length=$((${{#text}} - CUT))
  ((length <= 0)) || printf %s \"${{text:0:$length}}\"
}}
for file in {outputs}/*; do
  IFS= read -r -d '' PAYLOAD <$file
  for ((CUT = 0; CUT <= ${{#PAYLOAD}} + 40; CUT++)); do
    unset RAN
    __devsh_update || :
    [[ -z ${{RAN-}} ]] || echo ${{file##*/}} ran $CUT
  done
done
echo over
"
        ),
    };
    format!("{hook}\n{driver}").into_bytes()
}

/// A possible output of devsh, with `NONCE` for the nonce. Any part of it that runs sets `RAN`.
fn payload(host: HostShell, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let ran = |value: OsString| ShellStatement::Export("RAN".parse().unwrap(), value);
    let mut statements = vec![ran("1".into())];
    for at in 0..=random.below(6) {
        let length = random.below(20);
        let text = String::from_utf8(random.bytes(b"'\\\n# devsh;$(){}", length)).unwrap();
        let name = format!("V{at}").parse().unwrap();
        let statement = match random.below(7) {
            0 => ShellStatement::Unset(name),
            1 => ShellStatement::Aliases(vec![(format!("a{at}").parse().unwrap(), text)]),
            2 => ShellStatement::SetLoaded(text),
            3 => ShellStatement::SaveVariables(vec![name]),
            4 => {
                let freshness = Freshness {
                    present: vec![("/a 'b'".into(), "/c".into())],
                    absent: vec!["/d".into()],
                    unexported: vec![name],
                    ..Freshness::default()
                };
                statements.extend(host.check(&freshness, ""));
                continue;
            }
            _ => ShellStatement::Export(name, text.into()),
        };
        statements.push(statement);
    }
    statements.push(ran("2\n".into()));
    host.render(&statements, "NONCE")
}
