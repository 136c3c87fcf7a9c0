//! What one file says, unmerged, and how several files and tables become the dev shells of a project.
//!
//! Layers come lowest first. For each dev shell every layer adds its top level and then its own tables of
//! that dev shell, so a higher layer's top level wins over a lower layer's dev shell. Tables merge key by
//! key, lists concatenate without duplicates, the later scalar wins.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    AliasName, DevShell, EnvValue, Error, ErrorKind, Located, Manifest, Origin, PythonRequest,
    ShellName, Text, ToolRequest, error::nearest,
};
use crate::{
    env::VarName,
    package::{PackageName, Requirement, Source, Tool},
};

/// What one file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The file.
    pub text: Text,
    /// The tables of the top level.
    pub top: Tables,
    /// The dev shells it has tables for.
    pub shells: BTreeMap<ShellName, Section>,
}

/// What one file says about one dev shell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// Its tables.
    pub tables: Tables,
    /// Whether it goes without the top level.
    pub standalone: Option<Located<bool>>,
    /// The dev shells below it, lowest first.
    pub inherits: Vec<Located<ShellName>>,
}

/// The tables that the top level and every dev shell may have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// The tools by name.
    pub tools: BTreeMap<Tool, ToolEntry>,
    /// The Python packages wanted.
    pub python: PythonRequest,
    /// Changes of variables.
    pub env: BTreeMap<VarName, Located<EnvValue>>,
    /// Short commands of interactive shells.
    pub aliases: BTreeMap<AliasName, Located<String>>,
    /// Scripts run on enter, in order.
    pub enter: Vec<Located<String>>,
    /// Scripts run on leave, in order.
    pub leave: Vec<Located<String>>,
}

/// What one table says about one tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolEntry {
    /// Where the tool is named.
    pub origin: Origin,
    /// The version wanted, if it is said.
    pub requirement: Option<Located<Requirement>>,
    /// Bounds from elsewhere that the choice must also meet.
    pub floors: Vec<Located<Requirement>>,
    /// Parts beyond the default ones.
    pub components: Vec<String>,
    /// Further compilation targets.
    pub targets: Vec<String>,
}

/// The longest accepted chain of `inherits`.
const DEPTH: usize = 32;

impl Layer {
    /// Returns a layer that says nothing yet.
    pub(super) fn new(text: Text) -> Self {
        Self {
            text,
            top: Tables::default(),
            shells: BTreeMap::new(),
        }
    }

    /// Returns the top level and the tables of every dev shell, to be changed.
    pub(super) fn tables_mut(&mut self) -> impl Iterator<Item = &mut Tables> {
        let sections = self.shells.values_mut();
        std::iter::once(&mut self.top).chain(sections.map(|section| &mut section.tables))
    }
}

impl ToolEntry {
    /// Returns an entry that says nothing about the version.
    pub(super) const fn new(origin: Origin) -> Self {
        Self {
            origin,
            requirement: None,
            floors: Vec::new(),
            components: Vec::new(),
            targets: Vec::new(),
        }
    }

    fn lay(&mut self, upper: &Self) {
        if upper.requirement.is_some() {
            self.requirement.clone_from(&upper.requirement);
        }
        for floor in &upper.floors {
            if !self.floors.contains(floor) {
                self.floors.push(floor.clone());
            }
        }
        append(&mut self.components, &upper.components, |name| name);
        append(&mut self.targets, &upper.targets, |name| name);
    }

    fn finish(mut self) -> ToolRequest {
        self.components.sort();
        self.targets.sort();
        ToolRequest {
            requirement: self.requirement.unwrap_or(Located {
                value: Requirement::any(),
                origin: self.origin,
            }),
            floors: self.floors,
            components: self.components,
            targets: self.targets,
        }
    }
}

impl Tables {
    fn lay(&mut self, upper: &Self) {
        for (tool, entry) in &upper.tools {
            self.tools
                .entry(tool.clone())
                .and_modify(|lower| lower.lay(entry))
                .or_insert_with(|| entry.clone());
        }
        if upper.python.lock.is_some() {
            self.python.lock.clone_from(&upper.python.lock);
        }
        append(&mut self.python.groups, &upper.python.groups, |group| {
            &group.value
        });
        for (name, value) in &upper.env {
            let merged = match self.env.get(name) {
                Some(lower) => value.value.over(&lower.value),
                None => value.value.clone(),
            };
            let origin = value.origin.clone();
            let merged = Located {
                value: merged,
                origin,
            };
            self.env.insert(name.clone(), merged);
        }
        let aliases = upper.aliases.iter();
        self.aliases
            .extend(aliases.map(|(name, command)| (name.clone(), command.clone())));
        append(&mut self.enter, &upper.enter, |script| &script.value);
        append(&mut self.leave, &upper.leave, |script| &script.value);
    }

    fn finish(mut self) -> DevShell {
        if let Some(lock) = &self.python.lock
            && let Some(uv) = uv()
        {
            // The environment of a lockfile is built by uv, which is locked as every tool is.
            let entry = || ToolEntry::new(lock.origin.clone());
            self.tools.entry(uv).or_insert_with(entry);
        }
        self.python
            .groups
            .sort_by(|left, right| left.value.cmp(&right.value));
        let tools = self.tools.into_iter();
        DevShell {
            tools: tools.map(|(tool, entry)| (tool, entry.finish())).collect(),
            python: self.python,
            env: self.env,
            aliases: self.aliases,
            enter: self.enter,
            leave: self.leave,
        }
    }
}

impl EnvValue {
    /// Returns both as one value, if they are the two halves of an extension.
    pub(super) fn and(self, other: Self) -> Option<Self> {
        match (self, other) {
            (
                Self::Extend {
                    mut prepend,
                    mut append,
                },
                Self::Extend {
                    prepend: front,
                    append: end,
                },
            ) => {
                prepend.extend(front);
                append.extend(end);
                Some(Self::Extend { prepend, append })
            }
            _ => None,
        }
    }

    /// Returns the value where `self` is said above `lower`: entries that come later stand further out.
    fn over(&self, lower: &Self) -> Self {
        let (
            Self::Extend { prepend, append },
            Self::Extend {
                prepend: front,
                append: end,
            },
        ) = (self, lower)
        else {
            return self.clone();
        };
        let mut outer = prepend.clone();
        self::append(&mut outer, front, |entry| entry);
        let above: BTreeSet<&String> = append.iter().collect();
        let kept = end.iter().filter(|entry| !above.contains(entry));
        Self::Extend {
            prepend: outer,
            append: kept.chain(append).cloned().collect(),
        }
    }
}

/// Returns the dev shells that layers give together, the lowest layer first.
pub fn merge(layers: &[Layer]) -> Result<Manifest, Error> {
    let mut names: BTreeSet<ShellName> = BTreeSet::from([ShellName::dev()]);
    names.extend(layers.iter().flat_map(|layer| layer.shells.keys().cloned()));
    let merging = Merging { layers, names };
    let mut manifest = Manifest::default();
    for name in &merging.names {
        let shell = merging.shell(name)?;
        manifest.shells.insert(name.clone(), shell);
    }
    Ok(manifest)
}

struct Merging<'a> {
    layers: &'a [Layer],
    names: BTreeSet<ShellName>,
}

/// The tables that make up a dev shell, in the order in which they are laid: the top level or a dev shell's.
type Order<'a> = Vec<Option<&'a ShellName>>;

impl<'a> Merging<'a> {
    fn shell(&'a self, name: &'a ShellName) -> Result<DevShell, Error> {
        let mut order = Vec::new();
        self.order(name, &mut Vec::new(), &mut order)?;
        let mut tables = Tables::default();
        for layer in self.layers {
            for part in &order {
                match part {
                    None => tables.lay(&layer.top),
                    Some(shell) => {
                        if let Some(section) = layer.shells.get(*shell) {
                            tables.lay(&section.tables);
                        }
                    }
                }
            }
        }
        if let (None, Some(group)) = (&tables.python.lock, tables.python.groups.first()) {
            let shell = name.to_string();
            let kind = ErrorKind::GroupsWithoutLock { shell };
            return Err(self.error(&group.origin, &group.value, kind));
        }
        Ok(tables.finish())
    }

    /// Adds what makes up `name`: the top level, the dev shells it inherits from, whole, and its own tables.
    fn order(
        &'a self,
        name: &'a ShellName,
        path: &mut Vec<&'a ShellName>,
        order: &mut Order<'a>,
    ) -> Result<(), Error> {
        path.push(name);
        let sections = || self.layers.iter().filter_map(|one| one.shells.get(name));
        let standalone = sections()
            .filter_map(|one| one.standalone.as_ref())
            .next_back();
        if !standalone.is_some_and(|standalone| standalone.value) && !order.contains(&None) {
            order.push(None);
        }
        for parent in sections().flat_map(|section| &section.inherits) {
            self.reach(parent, path)?;
            // What is there is there with all below it: a diamond is walked once.
            if !order.contains(&Some(&parent.value)) {
                self.order(&parent.value, path, order)?;
            }
        }
        if !order.contains(&Some(name)) {
            order.push(Some(name));
        }
        path.pop();
        Ok(())
    }

    /// Refuses a parent that does not exist, closes a circle or lies too deep.
    fn reach(&self, parent: &Located<ShellName>, path: &[&ShellName]) -> Result<(), Error> {
        let name = parent.value.as_str();
        let kind = if let Some(start) = path.iter().position(|one| **one == parent.value) {
            let circle = path[start..].iter().map(ToString::to_string);
            ErrorKind::InheritCycle {
                circle: circle.chain([name.to_owned()]).collect(),
            }
        } else if !self.names.contains(&parent.value) {
            let names = self.names.iter().map(|one| one.as_str().to_owned());
            ErrorKind::UnknownShell {
                name: name.to_owned(),
                suggestion: nearest(name, names),
            }
        } else if path.len() >= DEPTH {
            ErrorKind::InheritDepth { limit: DEPTH }
        } else {
            return Ok(());
        };
        Err(self.error(&parent.origin, name, kind))
    }

    /// Returns an error at `word` in the line of `origin`, or at the whole line.
    fn error(&self, origin: &Origin, word: &str, kind: ErrorKind) -> Error {
        let texts = self.layers.iter().map(|layer| &layer.text);
        let Some(text) = texts.into_iter().find(|text| *text.file() == origin.file) else {
            let text = Arc::from("");
            return Error {
                file: origin.file.clone(),
                text,
                span: 0..0,
                kind,
            };
        };
        let line = text.line(usize::try_from(origin.line).unwrap_or(usize::MAX));
        let quoted = text.as_str()[line.clone()].find(word);
        let span = quoted.map_or(line.clone(), |at| {
            line.start + at..line.start + at + word.len()
        });
        text.error(span, kind)
    }
}

/// Adds what is not there yet.
fn append<T: Clone, K: Ord + ?Sized>(list: &mut Vec<T>, more: &[T], key: fn(&T) -> &K) {
    let mut there: BTreeSet<&K> = list.iter().map(key).collect();
    let fresh = more.iter().filter(|one| there.insert(key(one)));
    let fresh: Vec<T> = fresh.cloned().collect();
    list.extend(fresh);
}

fn uv() -> Option<Tool> {
    let name: PackageName = "uv".parse().ok()?;
    Some(Tool {
        package: name.clone(),
        name,
        source: Source::Pypi,
    })
}
