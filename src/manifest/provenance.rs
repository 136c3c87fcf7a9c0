//! Everything that was said about a dev shell, also what lost: for conflicts and for `devsh explain`. Pure.

use std::{collections::BTreeMap, fmt};

use super::{
    EnvValue, Origin, ShellName, Sourced,
    layer::{EnvEntry, FLAVOUR, ToolEntry},
    merge::Step,
};

/// What something can be said about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The version of a tool, by its name.
    Tool(String),
    /// A variable.
    Variable(String),
    /// An alias.
    Alias(String),
    /// A list or another setting, by its key (`python.groups`).
    Setting(&'static str),
}

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Where.
    pub origin: Origin,
    /// The position of the layer.
    pub layer: usize,
    /// The dev shell in whose table it stands; nothing for the top level.
    pub shell: Option<ShellName>,
    /// What, in words.
    pub value: String,
    /// Whether the later one of two wins; lists and extensions add up.
    pub scalar: bool,
}

impl Subject {
    /// Returns the name alone.
    pub fn name(&self) -> &str {
        match self {
            Self::Tool(name) | Self::Variable(name) | Self::Alias(name) => name,
            Self::Setting(key) => key.split_once('.').map_or(key, |(_, name)| name),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool(name) => write!(formatter, "tool `{name}`"),
            Self::Variable(name) => write!(formatter, "variable `{name}`"),
            Self::Alias(name) => write!(formatter, "alias `{name}`"),
            Self::Setting(key) => write!(formatter, "`{key}`"),
        }
    }
}

/// Returns what the steps say, by subject, in their order.
pub(super) fn of(walk: &[Step<'_>]) -> BTreeMap<Subject, Vec<Said>> {
    let mut history = History::default();
    for step in walk {
        for (name, entry) in &step.loaded.env {
            history.variable(step, name.as_str(), entry);
        }
        for (tool, entry) in &step.tables.tools {
            history.tool(step, &tool.to_string(), entry);
        }
        for (name, entry) in &step.tables.env {
            history.variable(step, name.as_str(), entry);
        }
        for (name, command) in &step.tables.aliases {
            let value = command
                .value
                .clone()
                .unwrap_or_else(|| "removed".to_owned());
            let subject = Subject::Alias(name.to_string());
            history.add(step, subject, &command.origin, (value, true));
        }
        if let Some(lock) = &step.tables.python.lock {
            let subject = Subject::Setting("python.lock");
            history.add(step, subject, &lock.origin, (lock.value.clone(), true));
        }
        history.lists(step);
    }
    history.0
}

#[derive(Default)]
struct History(BTreeMap<Subject, Vec<Said>>);

impl History {
    fn add(
        &mut self,
        step: &Step<'_>,
        subject: Subject,
        origin: &Origin,
        (value, scalar): (String, bool),
    ) {
        self.0.entry(subject).or_default().push(Said {
            origin: origin.clone(),
            layer: step.layer,
            shell: step.shell.cloned(),
            value,
            scalar,
        });
    }

    fn tool(&mut self, step: &Step<'_>, name: &str, entry: &ToolEntry) {
        let subject = || Subject::Tool(name.to_owned());
        if entry.unset {
            self.add(step, subject(), &entry.origin, ("removed".to_owned(), true));
        }
        if let Some(wanted) = &entry.requirement {
            let value = (wanted.value.to_string(), true);
            self.add(step, subject(), &wanted.origin, value);
        }
        for floor in &entry.floors {
            let value = (format!("also {}", floor.value), false);
            self.add(step, subject(), &floor.origin, value);
        }
        let mut parts: Vec<String> = Vec::new();
        parts.extend(
            entry
                .components
                .iter()
                .chain(&entry.targets)
                .map(|one| format!("+{one}")),
        );
        parts.extend(
            entry
                .removed
                .iter()
                // What is there instead tells it.
                .filter(|(key, _)| **key != FLAVOUR)
                .flat_map(|(_, removed)| removed)
                .map(|one| format!("−{one}")),
        );
        if !parts.is_empty() {
            self.add(step, subject(), &entry.origin, (parts.join(" "), false));
        } else if entry.wanted && entry.requirement.is_none() && entry.floors.is_empty() {
            // That a file is there can ask for a tool and say nothing of its version.
            self.add(step, subject(), &entry.origin, ("*".to_owned(), false));
        }
    }

    fn variable(&mut self, step: &Step<'_>, name: &str, entry: &EnvEntry) {
        let mut words = Vec::new();
        let scalar = match &entry.value.value {
            EnvValue::Extend { prepend, append } => {
                words.extend(prepend.iter().map(|one| format!("{one} in front")));
                words.extend(append.iter().map(|one| format!("{one} at the end")));
                words.extend(entry.removed.iter().map(|one| format!("without {one}")));
                false
            }
            value => {
                words.push(value.to_string());
                true
            }
        };
        let subject = Subject::Variable(name.to_owned());
        self.add(
            step,
            subject,
            &entry.value.origin,
            (words.join(", "), scalar),
        );
    }

    fn lists(&mut self, step: &Step<'_>) {
        let tables = step.tables;
        let python = &tables.python;
        for (key, list) in [
            ("python.groups", &python.groups),
            ("python.extras", &python.extras),
            ("python.packages", &python.packages),
        ] {
            for one in list {
                let subject = Subject::Setting(key);
                self.add(step, subject, &one.origin, (one.value.clone(), false));
            }
        }
        let sourced = tables.sourced.scripts.iter();
        let sourced = sourced.map(|(shell, list)| (Sourced::key(*shell), list));
        for (key, scripts) in [
            ("hooks.enter", &tables.enter),
            ("hooks.leave", &tables.leave),
        ]
        .into_iter()
        .chain(sourced)
        {
            for script in scripts {
                self.add(
                    step,
                    Subject::Setting(key),
                    &script.origin,
                    (script.value.clone(), false),
                );
            }
        }
        for file in &tables.env_files {
            let subject = Subject::Setting("env-files.load");
            self.add(
                step,
                subject,
                &file.path.origin,
                (file.path.value.clone(), false),
            );
        }
        for name in &tables.grants {
            let subject = Subject::Setting("grants.env");
            self.add(step, subject, &name.origin, (name.value.to_string(), false));
        }
        for shell in &tables.sourced.grants {
            let subject = Subject::Setting(Sourced::GRANTS);
            let value = shell.value.to_string();
            self.add(step, subject, &shell.origin, (value, false));
        }
    }
}
