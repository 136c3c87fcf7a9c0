//! What a manifest asks for, as short facts: shown at an approval and compared at the next one.

use std::collections::BTreeMap;

use crate::manifest::{DevShell, EnvValue, Manifest};

/// How one fact differs between two approvals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It is new.
    Added(String),
    /// It is gone.
    Removed(String),
    /// It has another value.
    Changed {
        /// The value before.
        before: String,
        /// The value now.
        after: String,
    },
}

/// Returns the facts of a manifest: a sentence-like name for each, and its value.
pub fn of(manifest: &Manifest) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for (name, shell) in &manifest.shells {
        collect(name.as_str(), shell, &mut facts);
    }
    facts
}

/// Returns what differs between the facts of two approvals, by name.
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

fn collect(shell: &str, content: &DevShell, facts: &mut BTreeMap<String, String>) {
    let mut add = |kind: &str, name: &str, value: String| {
        let separator = if name.is_empty() { "" } else { " " };
        facts.insert(format!("{shell}: {kind}{separator}{name}"), value);
    };
    for (tool, request) in &content.tools {
        let mut value = request.requirement.value.to_string();
        for extra in request.components.iter().chain(&request.targets) {
            value.push_str(" +");
            value.push_str(extra);
        }
        add("tool", &tool.to_string(), value);
    }
    if let Some(lock) = &content.python.lock {
        let groups: Vec<&str> = content
            .python
            .groups
            .iter()
            .map(|group| group.value.as_str())
            .collect();
        add(
            "python packages",
            "",
            format!("{} [{}]", lock.value, groups.join(", ")),
        );
    }
    for (name, value) in &content.env {
        add("variable", name.as_str(), describe(&value.value));
    }
    for (name, value) in &content.aliases {
        add("alias", name.as_str(), value.value.clone());
    }
    for (kind, scripts) in [("enter", &content.enter), ("leave", &content.leave)] {
        for (position, script) in scripts.iter().enumerate() {
            add(
                &format!("{kind} script"),
                &(position + 1).to_string(),
                script.value.clone(),
            );
        }
    }
}

fn describe(value: &EnvValue) -> String {
    match value {
        EnvValue::Set(value) => value.clone(),
        EnvValue::Default(value) => format!("{value} (unless set)"),
        EnvValue::Required(_) => "must be set".to_owned(),
        EnvValue::Extend { prepend, append } => {
            format!("{}:…:{}", prepend.join(":"), append.join(":"))
                .trim_matches(':')
                .to_owned()
        }
        EnvValue::Unset => "removed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
