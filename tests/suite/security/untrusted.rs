//! A project that nobody allowed: whatever is in it, no command runs, fetches, exports or writes anything of it.

use std::fs;

use super::effort;
use crate::support::{Random, Sandbox, Server, Tree};

/// Every command that looks at a project, as a user or a hook would type it.
const COMMANDS: [&[&str]; 24] = [
    &["status"],
    &["status", "--json"],
    &["sync"],
    &["outdated", "--json"],
    &["run", "--", "touch", "executed"],
    &["run", "--pure", "--", "touch", "executed"],
    &["enter"],
    &["lock", "--check"],
    &["lock"],
    &["--locked", "lock"],
    &["outdated"],
    &["du"],
    &["gc"],
    &["verify"],
    &["hook", "bash"],
    &["completions", "bash"],
    &["allow", "--list"],
    &["allow", "--prune"],
    &["export", "bash"],
    &["export", "zsh"],
    &["export", "fish"],
    &["export", "json"],
    &["export", "dotenv"],
    &["export", "github"],
];

#[test]
fn nothing_of_an_untrusted_project_has_an_effect() {
    let count = effort(6, 150) as u64;
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
    ] {
        sandbox.program(program, "#!/bin/false\n");
        // A program that cannot be told apart by its output: starting it leaves a trace.
        let script = "#!/bin/dash\n: >\"$HOME/executed\"\n";
        sandbox.program(program, script);
    }
    for seed in 0..count {
        for (name, content) in files(seed) {
            sandbox.write(name, content);
        }
        let before = Tree::of(sandbox.project());
        for command in COMMANDS {
            let outcome = sandbox.devsh(command);
            assert!(
                !outcome.stdout.contains("CANARY"),
                "{seed} {command:?}: {outcome}"
            );
            assert!(
                !outcome.stderr.contains("panicked"),
                "{seed} {command:?}: {outcome}"
            );
            assert!(
                !outcome.stderr.contains('\u{1b}'),
                "{seed} {command:?}: {outcome}"
            );
        }
        assert_eq!(server.requests(), [""; 0], "{seed}");
        assert!(!sandbox.home().join("executed").exists(), "{seed}");
        Tree::of(sandbox.project()).assert_unchanged_since(&before);
        for (name, _) in files(seed) {
            fs::remove_file(sandbox.project().join(name)).unwrap();
        }
    }
}

/// The files of an attack: a manifest of parts that each would do something, and what may lie beside it.
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
