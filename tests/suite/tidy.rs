//! The rules of the source tree, kept by reading it: arrows between modules, purity, length, words.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::support::repository;

/// Which modules each module of the library may name.
const ARROWS: [(&str, &[&str]); 13] = [
    (
        "prompt",
        &["project", "builder", "shell", "env", "manifest", "lockfile"],
    ),
    (
        "builder",
        &[
            "store", "sources", "fetch", "lockfile", "python", "manifest",
        ],
    ),
    ("config", &[]),
    ("context", &[]),
    ("extends", &["manifest", "lockfile", "fetch"]),
    ("fetch", &[]),
    ("shell", &["manifest"]),
    ("sources", &["lockfile", "manifest", "fetch"]),
    ("lockfile", &["manifest"]),
    ("manifest", &[]),
    ("project", &["python", "manifest", "lockfile"]),
    ("python", &["manifest", "lockfile", "store"]),
    ("resolve", &["sources", "lockfile", "manifest"]),
];

/// Modules that everyone may name.
const FREE: [&str; 5] = ["package", "env", "context", "config", "util"];

/// Modules that never touch the machine.
const PURE: &[&str] = &[
    "src/manifest.rs",
    "src/manifest/document.rs",
    "src/manifest/validate.rs",
    "src/manifest/layer.rs",
    "src/manifest/merge.rs",
    "src/manifest/provenance.rs",
    "src/manifest/check.rs",
    "src/manifest/template.rs",
    "src/manifest/rebase.rs",
    "src/manifest/variable.rs",
    "src/manifest/init_template.rs",
    "src/manifest/edit.rs",
    "src/manifest/json.rs",
    "src/manifest/version_files",
    "src/manifest/presets",
    "src/package",
    "src/lockfile",
    "src/python/lock",
    "src/python/marker",
    "src/python/pins",
    "src/python/requirement",
    "src/python/select",
    "src/python/wheels",
    "src/python/application_lock",
    "src/resolve",
    "src/env",
    "src/shell",
    "src/prompt/decide.rs",
    "src/util/codec.rs",
    "src/report/failure.rs",
    "src/util/terminal_text.rs",
];

/// Words that say that something is not done, or that name nothing.
const FORBIDDEN: [&str; 7] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[ig", "nore"),
    concat!("should_", "panic"),
];

/// Words of the domain that have a better one (style: one thing, one word).
const BETTER: [(&str, &str); 4] = [
    (concat!("lock ", "file"), "lockfile"),
    (concat!("check", "sum of"), "digest of"),
    (concat!("white", "list"), "allow"),
    (concat!("fn get", "_"), "a name without `get_`"),
];

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Returns whether this is the file of a module's tests.
    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path.contains("/tests/")
    }
}

fn sources(directory: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&repository().join(directory), &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| Source {
            text: fs::read_to_string(&path).unwrap(),
            path: path
                .strip_prefix(repository())
                .unwrap()
                .display()
                .to_string(),
        })
        .collect()
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Returns the code of a file without its comments and its tests.
fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]").next().unwrap();
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns the modules of the library that a file names as `crate::name` or in `use crate::{...}`.
fn named_modules(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.extend(first_segment(&std::mem::take(&mut word))),
                    _ if depth == 0 => word.push(character),
                    _ => {}
                }
            }
            names.extend(first_segment(&word));
        } else {
            names.extend(first_segment(rest));
        }
    }
    names
}

fn first_segment(path: &str) -> Option<String> {
    let segment: String = path
        .trim()
        .chars()
        .take_while(|character| character.is_ascii_alphanumeric() || *character == '_')
        .collect();
    (!segment.is_empty()).then_some(segment)
}

fn module_of(path: &str) -> Option<String> {
    let rest = path.strip_prefix("src/")?;
    Some(rest.split(['/', '.']).next()?.to_owned())
}

#[test]
fn modules_name_only_what_is_below_them() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        let Some(module) = module_of(&source.path).filter(|_| !source.is_test()) else {
            continue;
        };
        let Some((_, below)) = ARROWS.iter().find(|(name, _)| *name == module) else {
            continue;
        };
        for named in named_modules(&code(&source.text)) {
            let allowed = named == module
                || FREE.contains(&named.as_str())
                || below.contains(&named.as_str())
                || !repository().join("src").join(&named).exists()
                    && !repository().join(format!("src/{named}.rs")).exists();
            if !allowed {
                wrong.push(format!("{} names `{named}`", source.path));
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
fn arrows_never_make_a_circle() {
    // Takes away what points at nothing that is left, until nothing can be taken away.
    let mut left: Vec<_> = ARROWS.to_vec();
    while let Some(at) = left.iter().position(|(name, below)| {
        let names = |other: &str| left.iter().any(|(name, _)| *name == other);
        below.iter().all(|other| other == name || !names(other))
    }) {
        left.remove(at);
    }
    assert!(left.is_empty(), "these point at each other: {left:?}");
}

#[test]
fn pure_modules_never_touch_the_machine() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        if source.is_test() || !PURE.iter().any(|pure| source.path.starts_with(pure)) {
            continue;
        }
        let code = code(&source.text);
        for module in ["fs", "env", "process", "net", "time"] {
            let named = code.contains(&format!("std::{module}::"))
                || code.contains(&format!("std::{module};"))
                || std_groups(&code).contains(module);
            if named {
                wrong.push(format!("{} names `std::{module}`", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns what `use std::{...}` lists.
fn std_groups(code: &str) -> BTreeSet<String> {
    named_modules(
        &code
            .replace("crate::", "kept::")
            .replace("use std::", "use crate::"),
    )
}

#[test]
fn only_fetch_talks_to_the_network() {
    for source in sources("src") {
        let code = code(&source.text);
        let networked = code.contains("std::net") || code.contains("ureq::");
        assert!(
            !networked || source.path.starts_with("src/fetch"),
            "{}",
            source.path
        );
    }
}

/// People are told things by the `Ui` alone, which takes safe text; what programs read has few ways out.
#[test]
fn only_the_ui_speaks() {
    const CODE: [&str; 8] = [
        "src/cli/complete.rs",
        "src/cli/commands/completions.rs",
        "src/cli/commands/export.rs",
        "src/cli/commands/hook.rs",
        "src/cli/commands/man.rs",
        "src/cli/commands/prompt.rs",
        "src/cli/commands/report_environment.rs",
        "src/cli/commands/schema.rs",
    ];
    let mut wrong = Vec::new();
    for source in sources("src") {
        if source.path.starts_with("src/report/") || source.is_test() {
            continue;
        }
        let code = code(&source.text);
        let terminal = code.matches("is_terminal").count();
        let streams = ["stdout()", "stderr()", "/dev/tty"];
        let streams: usize = streams.iter().map(|word| code.matches(word).count()).sum();
        if streams > terminal || code.contains("print!(") || code.contains("println!(") {
            wrong.push(format!("{} writes to a stream", source.path));
        }
        let may = CODE.contains(&source.path.as_str());
        if !may && (code.contains("super::print(") || code.contains("ui.code(")) {
            wrong.push(format!("{} prints as if for a program", source.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_say_what_they_are_for() {
    let mut wrong = Vec::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        if !source.text.starts_with("//! ") {
            wrong.push(format!("{} does not begin with `//!`", source.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    let mut wrong = Vec::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        for word in FORBIDDEN {
            if source.text.contains(word) {
                wrong.push(format!("{} has `{word}`", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_thing_has_one_word() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        for (word, better) in BETTER {
            if source.text.to_lowercase().contains(word) {
                wrong.push(format!("{} has `{word}`: use {better}", source.path));
            }
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
