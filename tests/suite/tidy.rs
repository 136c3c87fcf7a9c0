//! The rules of the source tree, checked by reading it: layers, cycles, purity, words.

mod imports;

use std::{collections::BTreeSet, fs};

use crate::support::repository;

use imports::{SourceFile, cycles, files, graph, library};

/// The modules of the library from top to bottom. A module names itself and lower layers only; modules of one layer do
/// not know each other. `docs/dev/architecture.md` shows the same picture.
const LAYERS: &[&[&str]] = &[
    &["cli"],
    &["app"],
    &["report"],
    &["prompt"],
    &["builder", "extends", "project", "resolve"],
    &["python"],
    &["image", "shell", "sources", "store"],
    &["cache", "lockfile"],
    &["config", "fetch", "manifest"],
    &["context"],
    &["env"],
    &["package"],
    &["util"],
];

/// Modules that neither read nor change anything outside of the process: no file, no process, no network, no clock.
const PURE: &[&str] = &[
    "env",
    "lockfile",
    "manifest",
    "package",
    "python::application_lock",
    "python::lock",
    "python::lock_formats",
    "python::marker",
    "python::pins",
    "python::requirement",
    "python::select",
    "python::wheels",
    "resolve",
    "shell",
];

/// Paths that pure modules must not use.
const MACHINE: [&str; 5] = ["env", "fs", "net", "process", "time"];

/// Words that say that something is unfinished.
const UNFINISHED: [&str; 7] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[ig", "nore"),
    concat!("should_", "panic"),
];

/// Words that have a better one (`docs/dev/style.md`: one thing, one word).
const BETTER: [(&str, &str); 4] = [
    (concat!("lock ", "file"), "lockfile"),
    (concat!("check", "sum of"), "digest of"),
    (concat!("white", "list"), "allow"),
    (concat!("fn get", "_"), "a name without `get_`"),
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

#[test]
fn modules_name_only_lower_layers() {
    let library = library();
    let modules: BTreeSet<String> = library.iter().map(|file| file.module.clone()).collect();
    let mut wrong = Vec::new();
    for file in library.iter().filter(|file| layer(file.top()).is_some()) {
        for path in file.named(&modules) {
            let target = path.split("::").next().unwrap_or_default();
            if target != file.top() && layer(target).is_some() && layer(target) <= layer(file.top())
            {
                wrong.push(format!("{} names `crate::{path}`", file.path));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "arrows point down only:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_module_has_a_layer() {
    for file in library() {
        let known = file.top().is_empty() || file.top() == "fuzz" || layer(file.top()).is_some();
        assert!(known, "{} has no place in LAYERS", file.path);
    }
}

#[test]
fn files_never_name_each_other_in_a_circle() {
    let circles = cycles(&graph(&library()));
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn pure_modules_never_touch_the_machine() {
    let mut wrong = Vec::new();
    let pure = |file: &SourceFile| {
        let below = |module: &str| file.module.starts_with(&format!("{module}::"));
        PURE.iter()
            .any(|module| file.module == *module || below(module))
    };
    for file in library().iter().filter(|file| pure(file)) {
        for path in file.foreign("std") {
            if MACHINE
                .iter()
                .any(|module| path.split("::").nth(1) == Some(module))
            {
                wrong.push(format!("{} names `{path}`", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_fetch_talks_to_the_network() {
    for file in library().iter().filter(|file| file.top() != "fetch") {
        let network = file
            .foreign("std")
            .iter()
            .any(|path| path.starts_with("std::net"));
        assert!(!network && file.foreign("ureq").is_empty(), "{}", file.path);
    }
}

/// Every file of a project goes through `project::reader`, which checks its owner, mode and place. `project::watch`
/// compares the same files later. All others call `files::read_own`, which is for files outside of projects.
#[test]
fn only_the_reader_opens_files_of_a_project() {
    let calls = [
        "read_bounded(",
        "open_regular(",
        "fs::read(",
        "read_to_string(",
        "File::open(",
    ];
    let watching = [
        "app", "cli", "extends", "project", "prompt", "python", "resolve",
    ];
    let readers = ["project::reader", "project::watch"];
    let mut wrong = Vec::new();
    let is_watched = |file: &&SourceFile| {
        let module = file.module.as_str();
        watching.contains(&file.top()) && !readers.contains(&module)
            || module == "image::ignore_files"
    };
    for file in library().iter().filter(is_watched) {
        let code = file.text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let found = calls.iter().filter(|call| code.contains(*call));
        wrong.extend(found.map(|call| format!("{} calls `{call}…)`", file.path)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Text for people goes through `report`, which takes safe text only.
#[test]
fn only_report_prints() {
    let mut wrong = Vec::new();
    for file in library().iter().filter(|file| file.top() != "report") {
        let streams = ["stdout().", "stderr().", "/dev/tty", "print!(", "println!("];
        let terminal = |text: &str| text.contains(".is_terminal()");
        for line in file.text.lines().filter(|line| !terminal(line)) {
            if streams.iter().any(|stream| line.contains(stream)) {
                wrong.push(format!("{}: {}", file.path, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `app` holds use cases: no command line, no printing. Commands hold neither builds nor downloads.
#[test]
fn commands_and_use_cases_keep_apart() {
    let library = library();
    let modules: BTreeSet<String> = library.iter().map(|file| file.module.clone()).collect();
    let mut wrong = Vec::new();
    for file in &library {
        let forbidden: &[&str] = match file.top() {
            "app" => &["report::ui", "report::progress", "report::style"],
            "cli" => &["builder", "fetch", "resolve", "sources", "store"],
            _ => &[],
        };
        for path in file.named(&modules) {
            if forbidden
                .iter()
                .any(|name| path == *name || path.starts_with(&format!("{name}::")))
            {
                wrong.push(format!("{} names `crate::{path}`", file.path));
            }
        }
        if file.top() != "cli" && !file.foreign("clap").is_empty() {
            wrong.push(format!("{} names `clap`", file.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_begins_with_its_purpose() {
    for path in files("src").into_iter().chain(files("tests")) {
        let text = fs::read_to_string(repository().join(&path)).unwrap();
        assert!(text.starts_with("//! "), "{path} does not begin with `//!`");
    }
}

#[test]
fn module_files_follow_one_convention() {
    for path in files("src").into_iter().chain(files("tests/suite")) {
        assert!(
            !path.ends_with("/mod.rs"),
            "{path}: write `foo.rs` beside `foo/`"
        );
        assert!(!path.ends_with("_tests.rs"), "{path}: write `foo/tests.rs`");
    }
}

#[test]
fn nothing_is_left_for_later() {
    let mut wrong = Vec::new();
    for path in files("src").into_iter().chain(files("tests")) {
        let text = fs::read_to_string(repository().join(&path)).unwrap();
        for word in UNFINISHED.iter().filter(|word| text.contains(*word)) {
            wrong.push(format!("{path} has `{word}`"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_thing_has_one_word() {
    let mut wrong = Vec::new();
    for SourceFile { path, text, .. } in library() {
        let text = text.to_lowercase();
        for (word, better) in BETTER.iter().filter(|(word, _)| text.contains(word)) {
            wrong.push(format!("{path} has `{word}`: use {better}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn main_stays_small() {
    let text = fs::read_to_string(repository().join("src/main.rs")).unwrap();
    assert!(text.lines().count() <= 20, "{}", text.lines().count());
}

#[test]
fn the_hooks_hold_nothing_but_their_one_word() {
    for shell in ["bash", "zsh", "fish"] {
        let path = repository().join(format!("hooks/hook.{shell}"));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("@DEVSH@"), "{}", path.display());
        for forbidden in ["http://", "https://", "curl", "sleep"] {
            assert!(
                !text.contains(forbidden),
                "{} has {forbidden}",
                path.display()
            );
        }
    }
}

#[test]
fn the_hooks_for_bash_start_no_process_substitution() {
    // Bash may take the status of a later command with the same process number for that of the substitution.
    for name in ["hook", "source"] {
        let path = repository().join(format!("hooks/{name}.bash"));
        let text = fs::read_to_string(path).unwrap();
        let code = text.lines().filter(|line| !line.trim().starts_with('#'));
        let found: Vec<&str> = code.filter(|line| line.contains("<(")).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}
