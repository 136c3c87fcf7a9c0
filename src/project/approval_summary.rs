//! The summary of a manifest that is shown at an approval and compared at the next one.

use std::collections::{BTreeMap, BTreeSet};

use crate::env::grant;
use crate::manifest::{DevShell, Located, Manifest, SOURCE_EFFECT, ShellName};

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

/// Returns the facts of a manifest: names (`dev tool ruff`) with their values.
///
/// A dev shell other than `dev` only has the facts in which it differs from `dev`.
///
/// Variables from the files in `hidden` may be secrets, so their values are left out. `default_groups` returns the groups of
/// Python packages for a dev shell that names none, by its lockfile.
pub fn of(
    manifest: &Manifest,
    hidden: &BTreeSet<&str>,
    default_groups: impl Fn(&str) -> Vec<String>,
) -> BTreeMap<String, String> {
    let facts_of = |shell: &DevShell| {
        let mut facts = facts_of(shell, hidden);
        if let Some(lock) = &shell.python.lock {
            let defaults = default_groups(&lock.value);
            facts.insert(
                "python packages".to_owned(),
                packages(shell, lock, &defaults),
            );
        }
        facts
    };
    let dev = manifest
        .shells
        .get(&ShellName::dev())
        .map(facts_of)
        .unwrap_or_default();
    let mut facts = BTreeMap::new();
    for (name, shell) in &manifest.shells {
        let mut own = facts_of(shell);
        if *name != ShellName::dev() {
            let absent = dev.keys().filter(|fact| !own.contains_key(*fact));
            let absent: Vec<String> = absent.cloned().collect();
            facts.insert(name.to_string(), "as dev".to_owned());
            own.retain(|fact, value| dev.get(fact) != Some(value));
            own.extend(absent.into_iter().map(|fact| (fact, "none".to_owned())));
        }
        facts.extend(
            own.into_iter()
                .map(|(fact, value)| (format!("{name} {fact}"), value)),
        );
    }
    facts
}

/// Returns the differences between the facts of two approvals, by name.
pub fn compare(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> BTreeMap<String, Difference> {
    let mut differences = BTreeMap::new();
    for (name, value) in after {
        let difference = match before.get(name) {
            None => Difference::Added(value.clone()),
            Some(old) if old != value => Difference::Changed {
                before: old.clone(),
                after: value.clone(),
            },
            Some(_) => continue,
        };
        differences.insert(name.clone(), difference);
    }
    for (name, value) in before {
        if !after.contains_key(name) {
            differences.insert(name.clone(), Difference::Removed(value.clone()));
        }
    }
    differences
}

fn facts_of(content: &DevShell, hidden: &BTreeSet<&str>) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let mut add = |kind: &str, name: &str, value: String| {
        facts.insert(format!("{kind} {name}").trim_end().to_owned(), value);
    };
    for name in &content.grants {
        let effect = grant::effect(name.value.as_str()).unwrap_or("is set");
        add("grant", name.value.as_str(), effect.to_owned());
    }
    for shell in &content.source_scripts.grants {
        let name = format!("source.{}", shell.value);
        add("grant", &name, SOURCE_EFFECT.to_owned());
    }
    for (tool, request) in &content.tools {
        let mut value = request.requirement.value.to_string();
        for extra in request.components.iter().chain(&request.targets) {
            value.push_str(" +");
            value.push_str(extra);
        }
        add("tool", &tool.to_string(), value);
    }
    for package in &content.python.packages {
        add("python package", &package.value, "of the index".to_owned());
    }
    for package in &content.python.build {
        add(
            "python build",
            &package.value,
            "may run its own build".to_owned(),
        );
    }
    for (name, value) in &content.env {
        let file = &*value.origin.file;
        let shown = if hidden.contains(file) {
            format!("from {file}")
        } else {
            value.value.to_string()
        };
        add("variable", name.as_str(), shown);
    }
    for (name, value) in &content.aliases {
        add("alias", name.as_str(), value.value.clone());
    }
    let sourced = content.source_scripts.scripts.iter();
    let sourced = sourced.map(|(shell, scripts)| (format!("source script {shell}"), scripts));
    let own = [("enter", &content.enter), ("leave", &content.leave)];
    let own = own.map(|(kind, scripts)| (format!("{kind} script"), scripts));
    for (kind, scripts) in own.into_iter().chain(sourced) {
        for (position, script) in scripts.iter().enumerate() {
            let number = (position + 1).to_string();
            add(&kind, &number, script.value.clone());
        }
    }
    facts
}

/// Returns the lockfile of Python packages with the selected groups and extras: `uv.lock, groups dev, test, extras web`.
fn packages(content: &DevShell, lock: &Located<String>, defaults: &[String]) -> String {
    let python = &content.python;
    let named = |list: &[Located<String>]| -> Vec<String> {
        list.iter().map(|one| one.value.clone()).collect()
    };
    let groups = if python.groups_named {
        named(&python.groups)
    } else {
        defaults.to_vec()
    };
    let mut text = lock.value.clone();
    for (kind, list) in [("groups", groups), ("extras", named(&python.extras))] {
        if !list.is_empty() {
            text = format!("{text}, {kind} {}", list.join(", "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;

    #[test]
    fn differences_are_named() {
        let facts = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let before: BTreeMap<_, _> = facts(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let after = facts(&[("a", "1"), ("b", "2"), ("d", "1")]);
        let differences = compare(&before, &after);
        assert_eq!(
            differences.into_iter().collect::<Vec<_>>(),
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
    }

    #[test]
    fn groups_and_extras_are_shown() {
        let facts = |text: &str| {
            let layer = manifest::parse("m", text).unwrap();
            let manifest = manifest::merge(&[layer]).unwrap();
            let defaults = |_: &str| vec!["dev".to_owned()];
            of(&manifest, &BTreeSet::new(), defaults)["dev python packages"].clone()
        };
        for (text, expected) in [
            ("lock = 'poetry.lock'", "poetry.lock, groups dev"),
            ("lock = 'uv.lock'\ngroups = []", "uv.lock"),
            (
                "lock = 'uv.lock'\ngroups = ['a', 'b']\nextras = ['web']",
                "uv.lock, groups a, b, extras web",
            ),
        ] {
            assert_eq!(facts(&format!("[python]\n{text}\n")), expected);
        }
    }
}
