//! The facts of a project that the user approves, and their differences between two approvals.
//!
//! Facts have the meaning of files, not their text: comments, white space and the order of keys make no difference.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::env::grant;
use crate::manifest::{
    CacheRequest, DevShell, EnvValue, Located, Manifest, SOURCE_EFFECT, ShellName, ToolRequest,
};
use crate::package::{CachePlace, Requirement};
use crate::util::redact::{redact_text, redact_url};

/// One thing that decides what a dev shell does. Two facts are equal if they mean the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fact {
    /// The value as shown; it leaves out what may be secret.
    pub text: String,
    /// The file that it is from; empty if there is none.
    pub file: String,
    meaning: [u8; 32],
}

/// The facts of a project by their names (`dev tool ruff`).
pub type Facts = BTreeMap<String, Fact>;

impl Fact {
    /// Returns a fact whose text is its meaning.
    pub fn new(text: impl Into<String>, file: &str) -> Self {
        let text = text.into();
        Self::meaning(text.clone(), text.as_bytes(), file)
    }

    /// Returns a fact that means something else than its text shows.
    pub fn meaning(text: impl Into<String>, meaning: &[u8], file: &str) -> Self {
        Self {
            text: text.into(),
            file: file.to_owned(),
            meaning: *blake3::hash(meaning).as_bytes(),
        }
    }
}

impl PartialEq for Fact {
    fn eq(&self, other: &Self) -> bool {
        self.meaning == other.meaning
    }
}

impl Eq for Fact {}

/// The difference of one fact between two approvals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It is new.
    Added(String),
    /// It is gone.
    Removed(String),
    /// Its value changed.
    Changed { before: String, after: String },
}

/// The facts of a summary that are not in the manifest.
pub struct SummaryInput<'a> {
    /// The env files: their variables may be secrets, so the values are left out.
    pub env_files: &'a BTreeSet<&'a str>,
    /// The manifests of the project and the user. Versions that other files name are data, like those of a lockfile.
    pub manifests: &'a BTreeSet<&'a str>,
    /// The groups of Python packages for a dev shell that names none, by its lockfile.
    pub default_groups: &'a dyn Fn(&str) -> Vec<String>,
}

/// Returns the facts of a manifest.
///
/// A dev shell other than `dev` only has the facts in which it differs from `dev`.
pub fn of(manifest: &Manifest, input: &SummaryInput<'_>) -> Facts {
    let dev = manifest
        .shells
        .get(&ShellName::dev())
        .map(|shell| facts_of(shell, input))
        .unwrap_or_default();
    let caches = manifest.caches.iter();
    let mut facts: Facts = caches
        .map(|cache| (format!("cache {}", cache.name()), cache_fact(cache)))
        .collect();
    for (name, shell) in &manifest.shells {
        let mut own = facts_of(shell, input);
        if *name != ShellName::dev() {
            let absent = dev.keys().filter(|fact| !own.contains_key(*fact));
            let absent: Vec<String> = absent.cloned().collect();
            facts.insert(name.to_string(), Fact::new("as dev", ""));
            own.retain(|fact, value| dev.get(fact) != Some(value));
            own.extend(absent.into_iter().map(|fact| (fact, Fact::new("none", ""))));
        }
        let named = own.into_iter();
        facts.extend(named.map(|(fact, value)| (format!("{name} {fact}"), value)));
    }
    facts
}

/// Returns the differences between the facts of two approvals, by name.
pub fn compare(before: &Facts, after: &Facts) -> BTreeMap<String, Difference> {
    let mut differences = BTreeMap::new();
    for (name, fact) in after {
        let text = fact.text.clone();
        let difference = match before.get(name) {
            None => Difference::Added(text),
            Some(old) if old == fact => continue,
            Some(old) => Difference::Changed {
                before: old.text.clone(),
                after: if old.text == text {
                    "another value".to_owned()
                } else {
                    text
                },
            },
        };
        differences.insert(name.clone(), difference);
    }
    for (name, fact) in before {
        if !after.contains_key(name) {
            differences.insert(name.clone(), Difference::Removed(fact.text.clone()));
        }
    }
    differences
}

/// Returns the files whose changes are behind the differences of facts.
pub fn changed_files(before: &Facts, after: &Facts) -> BTreeSet<String> {
    let names = compare(before, after).into_keys();
    let facts = names.filter_map(|name| after.get(&name).or_else(|| before.get(&name)));
    let files = facts.map(|fact| fact.file.clone());
    files.filter(|file| !file.is_empty()).collect()
}

fn facts_of(content: &DevShell, input: &SummaryInput<'_>) -> Facts {
    let mut facts = Facts::new();
    let mut add = |kind: &str, name: &str, fact: Fact| {
        facts.insert(format!("{kind} {name}").trim_end().to_owned(), fact);
    };
    for name in &content.grants {
        let effect = grant::effect(name.value.as_str()).unwrap_or("is set");
        add(
            "grant",
            name.value.as_str(),
            Fact::new(effect, &name.origin.file),
        );
    }
    for shell in &content.source_scripts.grants {
        let name = format!("source.{}", shell.value);
        add("grant", &name, Fact::new(SOURCE_EFFECT, &shell.origin.file));
    }
    for (tool, request) in &content.tools {
        add("tool", &tool.to_string(), tool_fact(request, input));
    }
    for package in &content.conda.packages {
        let fact = Fact::new("of the conda channels", &package.origin.file);
        add("conda package", &package.value, fact);
    }
    for channel in &content.conda.channels {
        let fact = Fact::new("is used", &channel.origin.file);
        add("conda channel", &channel.value, fact);
    }
    for package in &content.python.packages {
        let fact = Fact::new("of the index", &package.origin.file);
        add("python package", &package.value, fact);
    }
    if let Some(lock) = &content.python.lock {
        add("python packages", "", packages(content, lock, input));
    } else if let Some(place) = &content.python.place {
        add(
            "python packages",
            "",
            Fact::new("of the project", &place.file),
        );
    }
    if let Some(link) = content.python.venv_link.as_ref().filter(|link| link.value) {
        let fact = Fact::new("links to the environment", &link.origin.file);
        add("file .venv", "", fact);
    }
    for package in &content.python.build {
        add(
            "python build",
            &package.value,
            Fact::new("may run its own build", &package.origin.file),
        );
    }
    for (name, value) in &content.env {
        add("variable", name.as_str(), variable_fact(value, input));
    }
    for (name, value) in &content.aliases {
        let fact = Fact::new(value.value.clone(), &value.origin.file);
        add("alias", name.as_str(), fact);
    }
    let sourced = content.source_scripts.scripts.iter();
    let sourced = sourced.map(|(shell, scripts)| (format!("source script {shell}"), scripts));
    let own = [("enter", &content.enter), ("leave", &content.leave)];
    let own = own.map(|(kind, scripts)| (format!("{kind} script"), scripts));
    for (kind, scripts) in own.into_iter().chain(sourced) {
        for (position, script) in scripts.iter().enumerate() {
            let number = (position + 1).to_string();
            let fact = Fact::new(script.value.clone(), &script.origin.file);
            add(&kind, &number, fact);
        }
    }
    facts
}

fn cache_fact(cache: &CacheRequest) -> Fact {
    let mut text = match cache.keys.as_slice() {
        [] => "serves downloads".to_owned(),
        keys => format!("serves downloads, and builds signed by {}", keys.join(", ")),
    };
    if let CachePlace::S3(place) = &cache.place.value
        && let Some(endpoint) = &place.endpoint
    {
        text = format!("at {}, {text}", redact_url(endpoint));
    }
    let meaning = format!("{:?} {:?}", cache.place.value, cache.keys);
    Fact::meaning(text, meaning.as_bytes(), &cache.place.origin.file)
}

fn tool_fact(request: &ToolRequest, input: &SummaryInput<'_>) -> Fact {
    let mut parts = String::new();
    for extra in request.components.iter().chain(&request.targets) {
        parts.push_str(" +");
        parts.push_str(extra);
    }
    for option in request.options.iter() {
        parts.push(' ');
        parts.push_str(&option.to_string());
    }
    let requirement = &request.requirement;
    let file = &*requirement.origin.file;
    if input.manifests.contains(file) {
        let text = format!("{}{parts}", requirement.value);
        return Fact::meaning(redact_text(&text), text.as_bytes(), file);
    }
    // The bounds of the project's own files say more than that any version will do.
    let mut bounds: Vec<&Located<Requirement>> = request.constraints().collect();
    bounds.retain(|bound| bound.value.as_str() != "*");
    let mut texts: Vec<&str> = bounds.iter().map(|bound| bound.value.as_str()).collect();
    texts.dedup();
    let text = match bounds.first() {
        None => format!("{}{parts}", requirement.value),
        Some(first) => format!("{}{parts}  ({})", texts.join(", "), first.origin.file),
    };
    Fact::meaning(redact_text(&text), parts.as_bytes(), file)
}

fn variable_fact(value: &Located<EnvValue>, input: &SummaryInput<'_>) -> Fact {
    let file = &*value.origin.file;
    let text = if input.env_files.contains(file) {
        format!("from {file}")
    } else {
        value.value.to_string()
    };
    // Values of different kinds can have the same text.
    Fact::meaning(text, format!("{:?}", value.value).as_bytes(), file)
}

/// Returns the lockfile of Python packages with the selected groups and extras: `uv.lock, groups dev, test, extras web`.
fn packages(content: &DevShell, lock: &Located<String>, input: &SummaryInput<'_>) -> Fact {
    let python = &content.python;
    let named = |list: &[Located<String>]| -> Vec<String> {
        list.iter().map(|one| one.value.clone()).collect()
    };
    let list = |groups: Vec<String>| {
        let mut text = lock.value.clone();
        for (kind, list) in [("groups", groups), ("extras", named(&python.extras))] {
            if !list.is_empty() {
                text = format!("{text}, {kind} {}", list.join(", "));
            }
        }
        text
    };
    let (text, meaning) = if python.groups_named {
        let text = list(named(&python.groups));
        (text.clone(), text)
    } else {
        // The default groups are data of the project.
        let mut groups: BTreeSet<String> =
            (input.default_groups)(&lock.value).into_iter().collect();
        groups.extend(named(&python.groups));
        let text = list(groups.into_iter().collect());
        let meaning = list(named(&python.groups));
        (text, format!("{meaning}, default groups"))
    };
    Fact::meaning(text, meaning.as_bytes(), &lock.origin.file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;

    #[test]
    fn differences_are_named_with_their_files() {
        let facts = |facts: &[(&str, &str, &str)]| -> Facts {
            let facts = facts.iter();
            facts
                .map(|(name, value, file)| ((*name).to_owned(), Fact::new(*value, file)))
                .collect()
        };
        let before = facts(&[("a", "1", "x"), ("b", "1", "x"), ("c", "1", "y")]);
        let after = facts(&[("a", "1", "z"), ("b", "2", "w"), ("d", "1", "")]);
        let differences: Vec<_> = compare(&before, &after).into_iter().collect();
        assert_eq!(
            differences,
            [
                (
                    "b".to_owned(),
                    Difference::Changed {
                        before: "1".into(),
                        after: "2".into()
                    }
                ),
                ("c".to_owned(), Difference::Removed("1".into())),
                ("d".to_owned(), Difference::Added("1".into())),
            ]
        );
        let files: Vec<String> = changed_files(&before, &after).into_iter().collect();
        assert_eq!(files, ["w", "y"]);
    }

    fn summary(text: &str, default: &str) -> Facts {
        let layer = manifest::parse("m", text).unwrap();
        let manifest = manifest::merge(&[layer]).unwrap();
        let (nothing, manifests) = (BTreeSet::new(), BTreeSet::from(["m"]));
        let input = SummaryInput {
            env_files: &nothing,
            manifests: &manifests,
            default_groups: &|_| vec![default.to_owned()],
        };
        of(&manifest, &input)
    }

    #[test]
    fn groups_and_extras_are_shown() {
        for (text, expected) in [
            ("lock = 'poetry.lock'", "poetry.lock, groups dev"),
            ("lock = 'uv.lock'\ngroups = []", "uv.lock"),
            (
                "lock = 'uv.lock'\ngroups = ['a', 'b']\nextras = ['web']",
                "uv.lock, groups a, b, extras web",
            ),
        ] {
            let facts = summary(&format!("[python]\n{text}\n"), "dev");
            assert_eq!(facts["dev python packages"].text, expected);
        }
        let text = "[python]\nlock = 'poetry.lock'\n";
        assert_eq!(
            summary(text, "dev"),
            summary(text, "other"),
            "default groups are data"
        );
    }

    #[test]
    fn the_meaning_counts_and_not_the_text() {
        let first = summary("[env]\nA = '1'\nB = '2'\n[tools]\nruff = '0.12'\n", "");
        let same = summary(
            "# comment\n[tools]\nruff   =   \"0.12\"\n\n[env]\nB = \"2\"\nA = '1' # one\n",
            "",
        );
        assert_eq!(first, same);
        for other in [
            "[env]\nA = '1'\nB = { default = '2' }\n[tools]\nruff = '0.12'\n",
            "[env]\nA = '1'\nB = '2'\n[tools]\nruff = '0.13'\n",
            "[env]\nA = '1'\nB = '2'\n[tools]\n'npm:ruff' = '0.12'\nnode = '20'\n",
            "[env]\nA = '1'\nB = '2'\n[tools]\nruff = '0.12'\n[shells.test]\n",
        ] {
            assert_ne!(first, summary(other, ""), "{other}");
        }
        // These look alike.
        let text = |value: &str| summary(&format!("[env]\nA = {value}\n"), "");
        assert_ne!(text("{ default = 'x' }"), text("'x (unless set)'"));
        assert_ne!(text("{ unset = true }"), text("'removed'"));
    }
}
