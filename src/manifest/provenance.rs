//! Every statement of the layers about one dev shell, also those that others replace: for conflicts and for
//! `devsh explain`.

use std::{collections::BTreeMap, fmt};

use super::{
    EnvValue, Origin, ShellName, SourceScripts,
    layer::{EnvEntry, FLAVOUR, Tables, ToolEntry},
};

/// The tables of one layer for the top level or a dev shell, in the order of the merge.
#[derive(Debug)]
pub(super) struct MergeStep<'a> {
    /// The layer's position.
    pub(super) layer: usize,
    /// The dev shell of the tables; `None` for the top level.
    pub(super) shell: Option<&'a ShellName>,
    pub(super) tables: &'a Tables,
    /// The variables of the env files that the tables load; the last value of a name wins.
    pub(super) loaded: Tables,
}

/// A part of a dev shell that layers make statements about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A tool, by its name.
    Tool(String),
    /// A variable.
    Variable(String),
    /// An alias.
    Alias(String),
    /// A list or another setting, by its key (`python.groups`).
    Setting(&'static str),
}

/// The statement of one table about a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The file and line.
    pub origin: Origin,
    /// The position of the layer.
    pub layer: usize,
    /// The dev shell of the table; `None` for the top level.
    pub shell: Option<ShellName>,
    /// The effect on the subject.
    pub claim: Claim,
}

/// The effect of a statement on its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Gives the subject this value.
    Set(String),
    /// Adds this to the value: list entries, bounds, components.
    Add(String),
    /// Removes the subject.
    Remove,
}

impl fmt::Display for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(value) | Self::Add(value) => formatter.write_str(value),
            Self::Remove => formatter.write_str("removed"),
        }
    }
}

impl Claim {
    /// Returns whether only one of two such claims can hold; additions go together.
    pub(super) const fn is_exclusive(&self) -> bool {
        !matches!(self, Self::Add(_))
    }
}

impl Subject {
    /// Returns the name alone.
    pub fn name(&self) -> &str {
        match self {
            Self::Tool(name) | Self::Variable(name) | Self::Alias(name) => name,
            Self::Setting(key) => key.split_once('.').map_or(key, |(_, name)| name),
        }
    }

    /// Returns whether a later claim takes the place of an earlier one. `Tables::overlay` merges by the same rule.
    const fn replaces(&self, later: &Claim, earlier: &Claim) -> bool {
        match (self, later, earlier) {
            // A plain value of a variable replaces a list of paths, and the other way round.
            (_, Claim::Remove, _) | (Self::Variable(_), Claim::Set(_), _) => true,
            (Self::Variable(_), Claim::Add(_), earlier) | (_, Claim::Set(_), earlier) => {
                earlier.is_exclusive()
            }
            (_, Claim::Add(_), _) => false,
        }
    }

    /// Returns for each statement the later one that replaces it; `statements` are in the order of the merge.
    pub fn replacements<'s>(&self, statements: &'s [Statement]) -> Vec<Option<&'s Statement>> {
        let last = statements.iter().rposition(|one| one.claim.is_exclusive());
        let removal = statements
            .iter()
            .rposition(|one| one.claim == Claim::Remove);
        let addition = last.map(|last| last + 1);
        let candidates = [last, removal, addition];
        let replacement = |(at, one): (usize, &Statement)| {
            let later = candidates.into_iter().flatten().filter(|later| at < *later);
            later
                .filter_map(|later| statements.get(later))
                .find(|later| self.replaces(&later.claim, &one.claim))
        };
        statements.iter().enumerate().map(replacement).collect()
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

/// Returns two statements that contradict each other, if no layer above both of them decides.
///
/// `builds_on` says whether the first layer has the second one below it.
pub(super) fn contradiction(
    statements: &[Statement],
    builds_on: impl Fn(usize, usize) -> bool,
) -> Option<(&Statement, &Statement)> {
    // The last statement of a layer is the one that it leaves.
    let exclusive = statements.iter().filter(|one| one.claim.is_exclusive());
    let last: BTreeMap<usize, &Statement> = exclusive.map(|one| (one.layer, one)).collect();
    let is_decided = |layer: usize| last.keys().any(|upper| builds_on(*upper, layer));
    let mut open = last
        .iter()
        .filter(|(layer, _)| !is_decided(**layer))
        .map(|(_, statement)| *statement);
    let first = open.next()?;
    let other = open.find(|other| other.claim != first.claim)?;
    Some((first, other))
}

/// Returns the statements of the steps, by subject, in the order of the merge.
pub(super) fn collect(steps: &[MergeStep<'_>]) -> BTreeMap<Subject, Vec<Statement>> {
    let mut statements = Statements::default();
    for step in steps {
        for (name, entry) in &step.loaded.env {
            statements.add_variable(step, name.as_str(), entry);
        }
        for (tool, entry) in &step.tables.tools {
            statements.add_tool(step, &tool.to_string(), entry);
        }
        for (name, entry) in &step.tables.env {
            statements.add_variable(step, name.as_str(), entry);
        }
        for (name, command) in &step.tables.aliases {
            let claim = command.value.clone().map_or(Claim::Remove, Claim::Set);
            statements.add(
                step,
                Subject::Alias(name.to_string()),
                &command.origin,
                claim,
            );
        }
        if let Some(lock) = &step.tables.python.lock {
            let subject = Subject::Setting("python.lock");
            statements.add(step, subject, &lock.origin, Claim::Set(lock.value.clone()));
        }
        if let Some(from) = &step.tables.python.from {
            let subject = Subject::Setting("python.from");
            statements.add(
                step,
                subject,
                &from.origin,
                Claim::Set(from.value.to_string()),
            );
        }
        let conda = &step.tables.conda;
        if let Some(glibc) = &conda.glibc {
            let subject = Subject::Setting("conda.glibc");
            statements.add(
                step,
                subject,
                &glibc.origin,
                Claim::Set(glibc.value.to_string()),
            );
        }
        if let Some(macos) = &conda.macos {
            let subject = Subject::Setting("conda.macos");
            statements.add(
                step,
                subject,
                &macos.origin,
                Claim::Set(macos.value.to_string()),
            );
        }
        statements.add_lists(step);
    }
    statements.0
}

#[derive(Default)]
struct Statements(BTreeMap<Subject, Vec<Statement>>);

impl Statements {
    fn add(&mut self, step: &MergeStep<'_>, subject: Subject, origin: &Origin, claim: Claim) {
        self.0.entry(subject).or_default().push(Statement {
            origin: origin.clone(),
            layer: step.layer,
            shell: step.shell.cloned(),
            claim,
        });
    }

    fn add_tool(&mut self, step: &MergeStep<'_>, name: &str, entry: &ToolEntry) {
        let subject = || Subject::Tool(name.to_owned());
        if entry.unset {
            self.add(step, subject(), &entry.origin, Claim::Remove);
        }
        if let Some(wanted) = &entry.requirement {
            let claim = Claim::Set(wanted.value.to_string());
            self.add(step, subject(), &wanted.origin, claim);
        }
        for floor in &entry.floors {
            let claim = Claim::Add(format!("also {}", floor.value));
            self.add(step, subject(), &floor.origin, claim);
        }
        let added = entry.components.iter().chain(&entry.targets);
        let removed = entry.removed.iter();
        // The flavour that comes instead says it already.
        let removed = removed.filter(|(key, _)| **key != FLAVOUR);
        let parts: Vec<String> = added
            .map(|one| format!("+{one}"))
            .chain(entry.options.iter().map(ToString::to_string))
            .chain(
                removed
                    .flat_map(|(_, names)| names)
                    .map(|one| format!("−{one}")),
            )
            .collect();
        if !parts.is_empty() {
            self.add(step, subject(), &entry.origin, Claim::Add(parts.join(" ")));
        } else if entry.wanted && entry.requirement.is_none() && entry.floors.is_empty() {
            // A file can ask for a tool without a word about its version.
            self.add(step, subject(), &entry.origin, Claim::Add("*".to_owned()));
        }
    }

    fn add_variable(&mut self, step: &MergeStep<'_>, name: &str, entry: &EnvEntry) {
        let claim = match &entry.value.value {
            EnvValue::Extend { prepend, append } => {
                let prepended = prepend.iter().map(|one| format!("{one} in front"));
                let appended = append.iter().map(|one| format!("{one} at the end"));
                let removed = entry.removed.iter().map(|one| format!("without {one}"));
                let words: Vec<String> = prepended.chain(appended).chain(removed).collect();
                Claim::Add(words.join(", "))
            }
            EnvValue::Unset => Claim::Remove,
            value => Claim::Set(value.to_string()),
        };
        let subject = Subject::Variable(name.to_owned());
        self.add(step, subject, &entry.value.origin, claim);
    }

    fn add_lists(&mut self, step: &MergeStep<'_>) {
        let tables = step.tables;
        let python = &tables.python;
        let scripts = tables.source_scripts.scripts.iter();
        let texts = [
            ("python.groups", &python.groups),
            ("python.extras", &python.extras),
            ("python.packages", &python.packages),
            ("python.build", &python.build),
            ("conda.channels", &tables.conda.channels),
            ("conda.packages", &tables.conda.packages),
            ("hooks.enter", &tables.enter),
            ("hooks.leave", &tables.leave),
        ]
        .into_iter()
        .chain(scripts.map(|(shell, list)| (SourceScripts::key(*shell), list)));
        for (key, list) in texts {
            for one in list {
                self.add_entry(step, key, &one.origin, one.value.clone());
            }
        }
        for file in &tables.env_files {
            let path = file.path.value.clone();
            self.add_entry(step, "env-files.load", &file.path.origin, path);
        }
        for name in &tables.grants {
            self.add_entry(step, "grants.env", &name.origin, name.value.to_string());
        }
        for shell in &tables.source_scripts.grants {
            let name = shell.value.to_string();
            self.add_entry(step, SourceScripts::GRANTS, &shell.origin, name);
        }
    }

    fn add_entry(
        &mut self,
        step: &MergeStep<'_>,
        key: &'static str,
        origin: &Origin,
        entry: String,
    ) {
        self.add(step, Subject::Setting(key), origin, Claim::Add(entry));
    }
}
