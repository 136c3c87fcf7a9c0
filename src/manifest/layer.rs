//! The content of one file before the merge.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    AliasName, CacheRequest, CondaRequest, DevShell, EnvValue, ImageRequest, Located, Origin,
    PythonRequest, ShellName, SourceScripts, Text, ToolRequest,
};
use crate::{
    env::VarName,
    package::{PackageName, ReleaseOptions, Requirement, Source, Tool},
};

/// The content of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The file.
    pub text: Text,
    /// The files that it extends, the lowest first, as written.
    pub extends: Vec<Located<String>>,
    /// The presets that it follows.
    pub presets: Vec<Located<String>>,
    /// The tables of the top level.
    pub top: Tables,
    /// The dev shells that it has tables for.
    pub shells: BTreeMap<ShellName, ShellSection>,
    /// The container images; the one without a name is `[image]`.
    pub images: BTreeMap<Option<PackageName>, ImageRequest>,
    pub caches: Vec<CacheRequest>,
    /// The variables of the env files that it loads, by the path in the tables.
    pub env_files: BTreeMap<String, Vec<(VarName, Located<EnvValue>)>>,
    /// The positions of the layers that it builds on; `None` if it builds on all layers below it.
    ///
    /// If neither of two layers builds on the other, a difference between them is a conflict.
    pub below: Option<BTreeSet<usize>>,
}

/// The content of one file for one dev shell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShellSection {
    pub tables: Tables,
    /// True if it leaves out the top level.
    pub standalone: Option<Located<bool>>,
    /// The dev shells that it builds on, the lowest first.
    pub inherits: Vec<Located<ShellName>>,
}

/// The tables that the top level and every dev shell can have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// The tools by name.
    pub tools: BTreeMap<Tool, ToolEntry>,
    /// The Python packages.
    pub python: PythonRequest,
    /// The conda packages.
    pub conda: CondaRequest,
    /// Changes of variables.
    pub env: BTreeMap<VarName, EnvEntry>,
    /// Files of variables, in order.
    pub env_files: Vec<EnvFile>,
    /// Short commands of the host shell; `None` removes the alias of the layers below.
    pub aliases: BTreeMap<AliasName, Located<Option<String>>>,
    /// Scripts run on enter, in order.
    pub enter: Vec<Located<String>>,
    /// Scripts run on leave, in order.
    pub leave: Vec<Located<String>>,
    /// Scripts for the host shell.
    pub source_scripts: SourceScripts,
    /// Variables whose values other programs may run as code.
    pub grants: Vec<Located<VarName>>,
    /// Entries removed from the lists of the layers below, by the key of the list (`groups`).
    pub removed: BTreeMap<&'static str, BTreeSet<String>>,
}

/// One variable in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvEntry {
    /// The value.
    pub value: Located<EnvValue>,
    /// Entries removed from the list of the layers below.
    pub removed: BTreeSet<String>,
    /// True if the list of paths replaces the value of the layers below.
    pub reset: bool,
}

/// A file of variables that a table loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFile {
    /// The path, relative to the project's root.
    pub path: Located<String>,
    /// True if it may be missing.
    pub optional: bool,
}

/// One tool in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolEntry {
    /// The place of the tool's name.
    pub origin: Origin,
    /// True if the dev shell gets the tool; an entry may only remove it.
    pub wanted: bool,
    /// True if the entries of the layers below are ignored.
    pub unset: bool,
    /// The version, if the table names one.
    pub requirement: Option<Located<Requirement>>,
    /// Bounds of other files that the version must also meet.
    pub floors: Vec<Located<Requirement>>,
    /// Components beyond the default ones.
    pub components: Vec<String>,
    /// Further compilation targets.
    pub targets: Vec<String>,
    /// Settings of the tool's releases.
    pub options: ReleaseOptions,
    /// Components and targets removed from the layers below, by the key of the list or as `FLAVOUR`.
    pub removed: BTreeMap<&'static str, BTreeSet<String>>,
    /// True if only directories below the root ask for the tool.
    pub is_below_root: bool,
}

impl Layer {
    /// Returns an empty layer.
    pub(super) fn new(text: Text) -> Self {
        Self {
            text,
            extends: Vec::new(),
            presets: Vec::new(),
            top: Tables::default(),
            shells: BTreeMap::new(),
            images: BTreeMap::new(),
            caches: Vec::new(),
            env_files: BTreeMap::new(),
            below: None,
        }
    }

    pub(super) fn tables_mut(&mut self) -> impl Iterator<Item = &mut Tables> {
        let sections = self.shells.values_mut();
        std::iter::once(&mut self.top).chain(sections.map(|section| &mut section.tables))
    }

    /// Returns the top level and the tables of every dev shell.
    pub fn tables(&self) -> impl Iterator<Item = &Tables> {
        let sections = self.shells.values();
        std::iter::once(&self.top).chain(sections.map(|section| &section.tables))
    }
}

/// The key for components of which a tool has at most one, such as profiles.
pub(super) const FLAVOUR: &str = "flavour";

impl ToolEntry {
    /// Returns an entry without a version.
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            origin,
            wanted: true,
            unset: false,
            requirement: None,
            floors: Vec::new(),
            components: Vec::new(),
            targets: Vec::new(),
            options: ReleaseOptions::default(),
            removed: BTreeMap::new(),
            is_below_root: false,
        }
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
            options: self.options,
            is_below_root: self.is_below_root,
        }
    }
}

impl EnvEntry {
    /// Returns an entry that removes nothing.
    pub fn new(value: Located<EnvValue>) -> Self {
        Self {
            value,
            removed: BTreeSet::new(),
            reset: false,
        }
    }
}

impl Tables {
    pub(super) fn finish(mut self) -> DevShell {
        if let Some(place) = &self.python.place
            && let Some(uv) = uv()
        {
            // uv builds the environment of the packages, and the lockfile pins it like every tool.
            let lock = self.python.lock.as_ref().map(|lock| &lock.origin);
            let entry = || ToolEntry::new(lock.unwrap_or(place).clone());
            self.tools.entry(uv).or_insert_with(entry);
        }
        for (tool, origin) in self.conda.tools() {
            let entry = || ToolEntry::new(origin.clone());
            self.tools.entry(tool).or_insert_with(entry);
        }
        self.take_python_of_conda();
        self.python.sort();
        self.conda.sort();
        let tools = self.tools.into_iter().filter(|(_, entry)| entry.wanted);
        let variables = self
            .env
            .into_iter()
            .map(|(name, entry)| (name, entry.value));
        let aliases = self.aliases.into_iter();
        DevShell {
            tools: tools.map(|(tool, entry)| (tool, entry.finish())).collect(),
            python: self.python,
            conda: self.conda,
            env: variables
                .filter(|(_, value)| !is_empty_list(&value.value))
                .collect(),
            aliases: aliases
                .filter_map(|(name, command)| {
                    let value = command.value?;
                    let origin = command.origin;
                    Some((name, Located { value, origin }))
                })
                .collect(),
            enter: self.enter,
            leave: self.leave,
            source_scripts: self.source_scripts,
            grants: self.grants,
        }
    }
}

impl Tables {
    /// Makes the tool `python` the package of conda, if the manifest says so.
    fn take_python_of_conda(&mut self) {
        let Some(from) = &self.python.from else {
            return;
        };
        let tools = ["python".parse(), "conda:python".parse()];
        let [Ok(python), Ok(of_conda)] = tools else {
            return;
        };
        if from.value != Source::Conda {
            return;
        }
        let entry = self.tools.remove(&python);
        let mut entry = entry.unwrap_or_else(|| ToolEntry::new(from.origin.clone()));
        if let Some(own) = self.tools.get(&of_conda) {
            entry.overlay(own);
        }
        self.tools.insert(of_conda, entry);
    }
}

/// Returns whether this is a list of paths without entries left.
fn is_empty_list(value: &EnvValue) -> bool {
    matches!(value, EnvValue::Extend { prepend, append } if prepend.is_empty() && append.is_empty())
}

fn uv() -> Option<Tool> {
    "uv".parse().ok()
}
