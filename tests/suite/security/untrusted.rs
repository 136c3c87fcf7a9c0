//! A project without approval: no command runs, fetches, exports or writes anything of it.

use std::{fs, path::Path};

use super::{effort, so_far};
use crate::{
    reliability::strace,
    support::{
        Random, Sandbox, Server, Tree,
        sandbox::{DEVSH, Outcome},
    },
};

/// Every command that looks at a project, as a user or a hook would type it.
const COMMANDS: [&str; 47] = [
    "status",
    "status --json",
    "explain",
    "explain --json",
    "explain CANARY",
    "sync",
    "--offline sync",
    "run -- touch executed",
    "run --pure -- touch executed",
    "run --shell ci -- touch executed",
    "run CANARY",
    "enter",
    "enter ci",
    "lock",
    "lock --check",
    "lock --upgrade",
    "--locked lock",
    "outdated",
    "outdated --json",
    "init",
    "init --personal",
    "add ruff",
    "add just --shell ci",
    "remove ruff",
    "du",
    "du --json",
    "gc",
    "gc --dry-run",
    "verify",
    "verify --json",
    "watch --once .",
    "leave",
    "hook bash",
    "completions bash",
    "completions fish",
    "allow --list",
    "allow --prune",
    "export bash",
    "export zsh --no-wait",
    "export json",
    "export dotenv",
    "export github",
    "export gitlab",
    "export bash --nonce 1 --loaded x",
    "export zsh --nonce 1 --loaded x",
    "export fish --nonce 1 --loaded x",
    // The last: it leaves a decision.
    "deny",
];

#[test]
fn nothing_of_an_untrusted_project_has_an_effect() {
    let server = Server::start();
    let sandbox = Sandbox::new().served_by(&server);
    for program in [
        "ruff",
        "python",
        "python3",
        "python3.12",
        "uv",
        "git",
        "rustc",
        "rustup",
        "node",
        "npm",
        "bash",
        "sh",
        "touch",
    ] {
        // The output does not show whether it ran: starting it leaves a trace.
        let script = "#!/bin/dash\n: >\"$HOME/executed\"\n";
        sandbox.program(program, script);
    }
    // strace shows every start of a program and every connection. The short form has only the traces.
    let strace = (effort(0, 1) > 0).then(strace::strace).flatten();
    let (mut asked, manifests) = (0, effort(2, 150));
    for seed in 0..manifests as u64 {
        so_far(asked, "commands in projects without approval");
        for (name, content) in files(seed) {
            sandbox.write(name, content);
        }
        let before = Tree::of(sandbox.project());
        for command in COMMANDS {
            asked += 1;
            let words: Vec<&str> = command.split(' ').collect();
            let what = format!("{seed} {command}");
            let outcome = match &strace {
                Some(strace) => traced(strace, &sandbox, &words, &what),
                None => sandbox.devsh(&words),
            };
            // It is asked about by that name, and may be named in an answer that it is unknown.
            assert!(
                !outcome.stdout.contains("CANARY") || command.starts_with("explain"),
                "{what}: {outcome}"
            );
            assert!(!outcome.stderr.contains("panicked"), "{what}: {outcome}");
            assert!(!outcome.stderr.contains('\u{1b}'), "{what}: {outcome}");
            assert!(
                !sandbox.home().join("executed").exists(),
                "{what}: {outcome}"
            );
            assert_eq!(server.requests(), [""; 0], "{what}: {outcome}");
        }
        Tree::of(sandbox.project()).assert_unchanged_since(&before);
        for (name, _) in files(seed) {
            fs::remove_file(sandbox.project().join(name)).unwrap();
        }
        let denials = sandbox.data().join("deny");
        fs::remove_dir_all(denials).unwrap();
    }
    eprintln!(
        "figure: {manifests} manifests, {asked} commands, no program, no connection, no variable"
    );
}

/// Runs devsh under strace and asserts that it starts no program and opens no connection.
fn traced(strace: &Path, sandbox: &Sandbox, words: &[&str], what: &str) -> Outcome {
    let log = sandbox.root().join("tmp/traced");
    let mut command = sandbox.command(strace);
    command
        .args(["-f", "-qq", "-e", "trace=execve,connect", "-o"])
        .arg(&log)
        .arg(DEVSH)
        .args(words);
    let outcome = sandbox.outcome(&mut command);
    let text = fs::read_to_string(&log).unwrap();
    // The first is devsh itself; the C library may ask the machine's own cache of user names.
    let strange: Vec<&str> = text
        .lines()
        .skip(1)
        .filter(|line| line.contains("execve(") || line.contains("connect("))
        .filter(|line| !line.contains("nscd"))
        .collect();
    assert!(strange.is_empty(), "{what}: {strange:#?}");
    outcome
}

/// The files of an attack: a manifest whose parts would each have an effect, and the files next to it.
fn files(seed: u64) -> Vec<(&'static str, String)> {
    const PARTS: [&str; 12] = [
        "[env]\nCANARY = \"1\"\n",
        "[env]\nCANARY = \"$(touch executed)\"\nLD_PRELOAD = \"./evil.so\"\n",
        "[env]\n\"a[$(touch executed)]\" = \"CANARY\"\n",
        "[hooks]\nenter = \"touch executed; export CANARY=1\"\n",
        "[hooks]\nleave = \"touch executed\"\n",
        "[aliases]\ncd = \"touch executed # CANARY\"\n",
        "[tools]\nruff = \"0.12\"\npython = \"3.12\"\n",
        "[tools]\n\"pypi:CANARY-\\u001b]0;x\\u0007\" = \"1\"\n",
        "[tools]\nrust = { version = \"1.89\", components = [\"clippy\"] }\n",
        "[python]\nlock = \"uv.lock\"\ngroups = [\"CANARY\"]\n",
        "[shells.ci]\ninherits = [\"dev\"]\n",
        "\u{1b}]0;CANARY\u{7}\n",
    ];
    const BESIDE: [(&str, &str); 8] = [
        ("devshell.local.toml", "[env]\nCANARY = \"local\"\n"),
        (".env", "CANARY=1\n"),
        (
            "pyproject.toml",
            "[project]\nname = \"a\"\nversion = \"1\"\n[build-system]\nrequires = [\"x\"]\nbuild-backend = \"evil\"\nbackend-path = [\".\"]\n",
        ),
        ("setup.py", "open('executed', 'w')\n"),
        ("evil.py", "open('executed', 'w')\n"),
        (
            "uv.lock",
            "version = 1\nrequires-python = \">=3.11\"\n[[package]]\nname = \"a\"\nversion = \"1\"\nsource = { editable = \".\" }\n",
        ),
        (
            "package.json",
            "{\"scripts\": {\"preinstall\": \"touch executed\"}}\n",
        ),
        ("rust-toolchain.toml", "[toolchain]\npath = \"./evil\"\n"),
    ];
    let mut random = Random::new(seed);
    let mut manifest = PARTS[usize::try_from(seed).unwrap() % PARTS.len()].to_owned();
    for _ in 0..random.below(3) {
        manifest.push_str(PARTS[random.below(PARTS.len())]);
    }
    let mut files = vec![("devshell.toml", manifest)];
    for (name, content) in BESIDE {
        if random.below(2) == 0 {
            files.push((name, content.to_owned()));
        }
    }
    files
}
