//! A FIFO in the place of any file that devsh reads: to open one waits for a writer, so a command that opens it as a plain
//! file never ends.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use devsh::manifest::imports::IMPORTED_FILES;
use nix::{sys::stat::Mode, unistd::mkfifo};
use toml::Value;

use crate::{reliability::strace::PROMPT, support::Sandbox};

/// A manifest that names files of every kind.
const MANIFEST: &str = "extends = [\"./layer.toml\"]\n[env-files]\nload = [\".env\"]\n\
    [python]\nlock = \"uv.lock\"\n[hooks.source]\nbash = \"source.sh\"\n[grants]\nsource = [\"bash\"]\n";
/// The files that such a project can have.
const NAMED: [&str; 15] = [
    ".env",
    ".git",
    ".git/commondir",
    ".git/config",
    ".git/index",
    "devshell.local.lock",
    "devshell.local.toml",
    "devshell.lock",
    "devshell.toml",
    "hatch.toml",
    "layer.toml",
    "pyproject.toml",
    "source.sh",
    "uv.lock",
    "uv.toml",
];

/// Adds the names of files in a preset.
fn add_names(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let files: &[Value] = match (key.as_str(), value) {
                    ("file", one) => std::slice::from_ref(one),
                    ("files", Value::Array(all)) => all,
                    _ => &[],
                };
                names.extend(files.iter().filter_map(Value::as_str).map(str::to_owned));
                add_names(value, names);
            }
        }
        Value::Array(all) => all.iter().for_each(|one| add_names(one, names)),
        _ => {}
    }
}

/// Returns every file that the presets name.
fn names_of_presets() -> BTreeSet<String> {
    let mut names: BTreeSet<String> = IMPORTED_FILES.map(str::to_owned).into();
    let presets = Path::new(env!("CARGO_MANIFEST_DIR")).join("shells");
    for entry in fs::read_dir(presets).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.extension().is_some_and(|name| name == "toml") {
            let text = fs::read_to_string(path).unwrap();
            add_names(&toml::from_str(&text).unwrap(), &mut names);
        }
    }
    assert!(names.contains("package.json") && names.contains("uv.lock"));
    names
}

/// Makes a FIFO, and runs commands that read the project. That they end at all is what is tested.
fn every_command_ends(sandbox: &Sandbox, name: &str) {
    let path = sandbox.project().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    if path.exists() {
        fs::remove_file(&path).unwrap();
    }
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    let commands: [&[&str]; 6] = [
        &PROMPT,
        &["status"],
        &["explain"],
        &["allow", "--show"],
        &["run", "--trust", "--offline", "--", "true"],
        &["init"],
    ];
    for words in commands {
        let outcome = sandbox.devsh(words);
        assert!(
            outcome.status.code().is_some(),
            "{name} {words:?}: {outcome}"
        );
        assert!(!outcome.stderr.contains("panicked"), "{name}: {outcome}");
    }
}

#[test]
fn a_fifo_in_the_place_of_a_detected_file_blocks_nothing() {
    for name in names_of_presets() {
        every_command_ends(&Sandbox::new(), &name);
    }
}

#[test]
fn a_fifo_in_the_place_of_a_named_file_blocks_nothing() {
    for name in NAMED {
        let rules = "[trust]\nremotes = [\"github.com/acme\"]\ndeny = [\"~/elsewhere\"]\n";
        let sandbox = Sandbox::new().config(rules).manifest(MANIFEST);
        for other in ["layer.toml", ".env", "source.sh"] {
            sandbox.write(other, "");
        }
        if name == ".git/index" {
            let config = "[remote \"origin\"]\nurl = git@github.com:acme/app.git\n";
            sandbox.write(".git/config", config);
        }
        every_command_ends(&sandbox, name);
    }
}
