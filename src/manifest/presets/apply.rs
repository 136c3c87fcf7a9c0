//! Applies presets: joins them with the versions in the files of a project.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Documents, NameTable, Preset,
    environments::{EnvironmentFile, ProjectEnvironment},
    lists::{self, ListedVersion, ListedVersions},
};
use crate::{
    manifest::{
        Error, Layer, Located, Origin, PYTHON_LOCKS, PythonLockFormat, Text, ToolEntry,
        group_lists, is_dynamic,
        layer::Tables,
        version_files::{FileRequest, SoughtTool, VersionFile, VersionRole},
    },
    package::{PackageName, Requirement, Tool, compatible},
};

/// A preset and the places of the project in which it applies.
#[derive(Debug, Clone)]
pub struct AppliedPreset<'p> {
    pub preset: &'p Preset,
    /// The directories that have its files, relative to the root and with `/` at the end; the root itself is empty.
    pub directories: Vec<String>,
    /// The manifests of the workspace members in these directories. Only their bounds count.
    pub members: Vec<String>,
}

/// The result of applying presets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PresetLayers {
    /// Their layers with the versions of the project, lowest first.
    pub layers: Vec<Layer>,
    /// Notes on what was found and not used, sorted by place.
    pub notes: Vec<PresetNote>,
    /// The errors in files that count as empty, which have notes too.
    pub unread: Vec<Error>,
}

/// A note on something in a project's files that has no effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PresetNote {
    pub origin: Origin,
    /// The reason, or advice.
    pub message: String,
    /// The tool that it concerns.
    pub tool: Option<Tool>,
}

/// The files of a project that presets need.
#[derive(Debug, Clone, Copy)]
pub struct ReadFiles<'t> {
    pub present: &'t BTreeSet<String>,
    /// The content of those that are read.
    pub texts: &'t BTreeMap<String, Text>,
    /// The files that may declare an environment of conda.
    pub environments: &'t [&'t EnvironmentFile],
}

/// Applies presets to a project with these files.
pub fn apply_presets(
    presets: &[Preset],
    applied: &[AppliedPreset<'_>],
    files: ReadFiles<'_>,
) -> PresetLayers {
    let ReadFiles {
        present,
        texts,
        environments,
    } = files;
    let documents = Documents::default();
    let ListedVersions { listed, notes } = lists::read(presets, texts, &documents);
    let mut fitting = Applying {
        presets,
        present,
        texts,
        documents,
        listed,
        notes,
    };
    let mut environment = ProjectEnvironment::read(environments, texts, &fitting.documents);
    for (tool, version) in environment
        .iter_mut()
        .flat_map(ProjectEnvironment::take_tools)
    {
        fitting.listed.entry(tool).or_default().push(version);
    }
    let mut layers: Vec<Layer> = Vec::new();
    for one in applied {
        layers.push(fitting.layer(one));
    }
    // A listed tool that no preset knows gets the listed version.
    if let Some(lowest) = layers.first_mut() {
        for (tool, listed) in std::mem::take(&mut fitting.listed) {
            let Some(first) = listed.into_iter().next() else {
                continue;
            };
            let entry = ToolEntry {
                requirement: first.requirement,
                components: first.components,
                targets: first.targets,
                ..ToolEntry::new(first.origin)
            };
            lowest.top.tools.entry(tool).or_insert(entry);
        }
    }
    if let Some(environment) = environment {
        fitting.notes.extend(environment.put(&mut layers));
    }
    fitting.notes.extend(fitting.hints());
    // The members of a workspace are read elsewhere; a file with a fault names none.
    let workspaces = presets.iter().flat_map(|preset| &preset.data.workspaces);
    let with_members = workspaces.filter(|one| !one.members.is_empty());
    for text in with_members.filter_map(|one| texts.get(&one.file)) {
        fitting.documents.parse(text);
    }
    let unread = fitting.documents.unread();
    fitting.notes.extend(
        unread
            .iter()
            .map(|error| PresetNote::new(error.note(), None)),
    );
    fitting.notes.sort();
    fitting.notes.dedup();
    PresetLayers {
        layers,
        notes: fitting.notes,
        unread,
    }
}

impl PresetNote {
    pub(super) fn new(note: Located<String>, tool: Option<&Tool>) -> Self {
        Self {
            origin: note.origin,
            message: note.value,
            tool: tool.cloned(),
        }
    }
}

pub(super) struct Applying<'a, 't> {
    presets: &'a [Preset],
    pub(super) present: &'a BTreeSet<String>,
    pub(super) texts: &'t BTreeMap<String, Text>,
    pub(super) documents: Documents<'t>,
    listed: BTreeMap<Tool, Vec<ListedVersion>>,
    pub(super) notes: Vec<PresetNote>,
}

impl Applying<'_, '_> {
    fn layer(&mut self, applied: &AppliedPreset<'_>) -> Layer {
        let mut layer = applied.preset.layer.clone();
        let given = layer.top.tools.keys();
        let tools: BTreeSet<Tool> = given.chain(applied.preset.pins.keys()).cloned().collect();
        for tool in &tools {
            let pins = applied.preset.pins.get(tool).map_or(&[][..], Vec::as_slice);
            let mut asked = self.ask(tool, pins, applied);
            let Some(origin) = asked.origin.take() else {
                put(&mut layer, tool, &asked);
                continue;
            };
            let entry = || ToolEntry::new(origin);
            layer.top.tools.entry(tool.clone()).or_insert_with(entry);
            put(&mut layer, tool, &asked);
        }
        self.packages(applied, &mut layer);
        layer
    }

    /// Reads the project's requests for one tool.
    fn ask(
        &mut self,
        tool: &Tool,
        pins: &[VersionFile],
        applied: &AppliedPreset<'_>,
    ) -> ToolVersions {
        let directories = &applied.directories;
        let mut asked = ToolVersions {
            is_below_root: !directories.iter().any(String::is_empty),
            ..ToolVersions::default()
        };
        let empty = BTreeMap::new();
        let subject = SoughtTool {
            package: &tool.package,
            names: lists::names(self.presets, tool).unwrap_or(&empty),
        };
        // The bounds come first: a weak version counts only within them.
        let (floors, versions): (Vec<&VersionFile>, Vec<&VersionFile>) =
            pins.iter().partition(|pin| pin.role == VersionRole::Floor);
        let (fallbacks, versions): (Vec<&VersionFile>, Vec<&VersionFile>) = versions
            .into_iter()
            .partition(|pin| pin.role == VersionRole::Fallback);
        for directory in directories {
            for pin in &floors {
                let found = self.read_or_note(tool, pin, subject, directory);
                let note = asked.floor(tool, found, directory.is_empty());
                self.notes.extend(note);
            }
        }
        for member in &applied.members {
            let name = member.rsplit('/').next().unwrap_or(member);
            let directory = &member[..member.len() - name.len()];
            for pin in floors.iter().filter(|pin| pin.file == name) {
                let found = self.read_or_note(tool, pin, subject, directory);
                asked.floors.extend(found.and_then(|one| one.requirement));
            }
        }
        for directory in directories {
            asked.named = false;
            for pin in &versions {
                // A file that is not used may have any content.
                let found = if asked.named {
                    self.read(pin, subject, directory).ok().flatten()
                } else {
                    self.read_or_note(tool, pin, subject, directory)
                };
                if let Some(found) = found {
                    let notes = found.notes.iter().cloned();
                    let notes = notes.map(|note| PresetNote::new(note, Some(tool)));
                    self.notes.extend(notes);
                    self.notes.extend(asked.take(tool, pin, found));
                }
            }
        }
        for listed in self.listed.remove(tool).unwrap_or_default() {
            asked.origin.get_or_insert_with(|| listed.origin.clone());
            asked.is_below_root = false;
            if asked.requirement.is_none() {
                asked.components.extend(listed.components);
                asked.targets.extend(listed.targets);
            }
            if let Some(requirement) = listed.requirement {
                self.notes.extend(asked.version(tool, requirement, true));
            }
        }
        for directory in directories {
            for pin in &fallbacks {
                if let Some(found) = self.read_or_note(tool, pin, subject, directory) {
                    asked.named = asked.requirement.is_some();
                    self.notes.extend(asked.take(tool, pin, found));
                }
            }
        }
        asked
    }

    /// Reads a version file; one that cannot be used is noted, and the rest of the project works.
    fn read_or_note(
        &mut self,
        tool: &Tool,
        pin: &VersionFile,
        subject: SoughtTool<'_>,
        directory: &str,
    ) -> Option<FileRequest> {
        match self.read(pin, subject, directory) {
            Ok(found) => found,
            Err(error) => {
                let tool = (!error.is_about_file()).then_some(tool);
                self.notes.push(PresetNote::new(error.note(), tool));
                None
            }
        }
    }

    fn read(
        &self,
        pin: &VersionFile,
        subject: SoughtTool<'_>,
        directory: &str,
    ) -> Result<Option<FileRequest>, Error> {
        let name = format!("{directory}{}", pin.file);
        if pin.is_name() {
            let origin = Origin {
                file: name.as_str().into(),
                is_preset: false,
                line: 1,
            };
            return Ok(self.present.contains(&name).then(|| FileRequest {
                origin: Some(origin),
                ..FileRequest::default()
            }));
        }
        match self.texts.get(&name) {
            Some(text) => pin.read(subject, text, &self.documents),
            None => Ok(None),
        }
    }

    /// Keeps the Python lockfile, the dependency groups and the extras of the preset that the project has.
    ///
    /// The groups of a lockfile that is not uv's are known only when it is read.
    fn packages(&mut self, applied: &AppliedPreset<'_>, layer: &mut Layer) {
        let found = applied.directories.iter().find_map(|directory| {
            let mut names = PYTHON_LOCKS.iter().map(|name| format!("{directory}{name}"));
            let name = names.find(|name| self.present.contains(name))?;
            Some((directory.as_str(), name))
        });
        let found = match found {
            None if layer.top.python.lock.is_some() => self.unlocked(applied),
            found => found,
        };
        let listed = [PythonLockFormat::Uv, PythonLockFormat::Project];
        let known = match &found {
            Some((directory, name))
                if PythonLockFormat::of(name).is_some_and(|format| listed.contains(&format)) =>
            {
                let data = &applied.preset.data;
                let extras = self.names(&data.extras, directory);
                // Extras that only the build knows are known when it has run.
                let is_built = self.texts.get(name).is_some_and(|text| {
                    is_dynamic(&self.documents.parse(text), "optional-dependencies")
                });
                let mut groups = self.names(&data.groups, directory);
                if PythonLockFormat::of(name) == Some(PythonLockFormat::Project) {
                    let asked = layer.tables_mut().flat_map(|tables| &tables.python.groups);
                    let asked: BTreeSet<String> = asked.map(|one| one.value.clone()).collect();
                    let listed = asked.into_iter();
                    groups.extend(listed.filter(|one| self.group_list(directory, one).is_some()));
                }
                Some((groups, (!is_built).then_some(extras)))
            }
            Some(_) => None,
            None => Some((BTreeSet::new(), Some(BTreeSet::new()))),
        };
        for tables in layer.tables_mut() {
            let lock = tables.python.lock.take();
            tables.python.lock = found
                .as_ref()
                .and_then(|(_, name)| Some(lock?.map(|_| name.clone())));
            if found.is_none() {
                tables.python.place = None;
            }
            // The project's default groups apply as well.
            tables.python.groups_named = false;
            if let Some((groups, extras)) = &known {
                let python = &mut tables.python;
                python.groups.retain(|one| groups.contains(&one.value));
                python.extras.retain(|one| {
                    extras
                        .as_ref()
                        .is_none_or(|known| known.contains(&one.value))
                });
            }
        }
    }

    /// Returns the list of requirements of a group, if there is one.
    pub(super) fn group_list(&self, directory: &str, group: &str) -> Option<String> {
        let lists = group_lists(&format!("{directory}requirements.txt"), group);
        let mut lists = lists.into_iter();
        lists.find(|list| self.texts.contains_key(list))
    }

    /// Returns the names that the project has in tables.
    fn names(&self, tables: &[NameTable], directory: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for source in tables {
            let Some(text) = self.texts.get(&format!("{directory}{}", source.file)) else {
                continue;
            };
            for node in self.documents.parse(text).select(&source.key) {
                match &source.name {
                    Some(name) => {
                        names.insert(name.clone());
                    }
                    None => names.extend(
                        node.entries()
                            .iter()
                            .filter_map(|entry| entry.key.parse::<PackageName>().ok())
                            .map(|name| name.to_string()),
                    ),
                }
            }
        }
        names
    }

    /// Returns the advice of the presets on files that devsh does not read.
    fn hints(&self) -> Vec<PresetNote> {
        let hints = self.presets.iter().flat_map(|preset| &preset.data.hints);
        let there = hints.filter(|hint| self.present.contains(&hint.file));
        there
            .map(|hint| PresetNote {
                origin: Origin {
                    file: hint.file.as_str().into(),
                    is_preset: false,
                    line: 1,
                },
                message: hint.says.clone(),
                tool: None,
            })
            .collect()
    }
}

/// The requests in the files of a project for one tool.
#[derive(Default)]
struct ToolVersions {
    /// The first request that is not only a bound.
    origin: Option<Origin>,
    /// True if the current directory has named a version.
    named: bool,
    requirement: Option<Located<Requirement>>,
    floors: Vec<Located<Requirement>>,
    components: Vec<String>,
    targets: Vec<String>,
    /// True if only directories below the root ask for the tool.
    is_below_root: bool,
}

impl ToolVersions {
    /// Adds a bound. The bound of a directory below the root does not stop the others: it is noted if it excludes them.
    fn floor(
        &mut self,
        tool: &Tool,
        found: Option<FileRequest>,
        in_root: bool,
    ) -> Option<PresetNote> {
        let floor = found?.requirement?;
        if in_root || self.admits(&floor) {
            self.floors.push(floor);
            return None;
        }
        let message = format!(
            "`{tool}` {} is left out: other directories need another version",
            floor.value
        );
        let message = Located {
            value: message,
            origin: floor.origin,
        };
        Some(PresetNote::new(message, Some(tool)))
    }

    /// Adds a request that is not a floor.
    fn take(&mut self, tool: &Tool, pin: &VersionFile, found: FileRequest) -> Option<PresetNote> {
        if pin.weak
            && !found
                .requirement
                .as_ref()
                .is_none_or(|one| self.admits(one))
        {
            return None;
        }
        found.origin.as_ref()?;
        self.origin = self.origin.take().or(found.origin);
        if pin.role == VersionRole::Presence {
            return None;
        }
        let yields = self.named;
        self.named = true;
        if !yields {
            self.components.extend(found.components);
            self.targets.extend(found.targets);
        }
        self.version(tool, found.requirement?, yields)
    }

    /// Adds a version. A later one of the same directory yields to the first; one of another directory is a bound too if
    /// one version can be right for both.
    fn version(
        &mut self,
        tool: &Tool,
        wanted: Located<Requirement>,
        yields: bool,
    ) -> Option<PresetNote> {
        let Some(kept) = &self.requirement else {
            self.requirement = Some(wanted);
            return None;
        };
        let together = compatible(&[&kept.value, &wanted.value]);
        if !yields && together {
            self.floors.push(wanted);
            return None;
        }
        (!together).then(|| PresetNote {
            message: format!(
                "`{tool}` {} yields to {} of {}",
                wanted.value, kept.value, kept.origin
            ),
            origin: wanted.origin,
            tool: Some(tool.clone()),
        })
    }

    fn admits(&self, wanted: &Located<Requirement>) -> bool {
        let floors = self.floors.iter().map(|floor| &floor.value);
        let all: Vec<&Requirement> = floors.chain([&wanted.value]).collect();
        compatible(&all)
    }
}

/// Adds the requests to every table of the layer that has the tool.
fn put(layer: &mut Layer, tool: &Tool, asked: &ToolVersions) {
    let entries = layer
        .tables_mut()
        .filter_map(|tables: &mut Tables| tables.tools.get_mut(tool));
    for entry in entries {
        if asked.requirement.is_some() {
            entry.requirement.clone_from(&asked.requirement);
        }
        for floor in &asked.floors {
            // Two files may have the same bound.
            if !entry.floors.iter().any(|known| known.value == floor.value) {
                entry.floors.push(floor.clone());
            }
        }
        entry.components.extend(asked.components.iter().cloned());
        entry.components.sort();
        entry.components.dedup();
        entry.targets.extend(asked.targets.iter().cloned());
        entry.is_below_root = asked.is_below_root;
    }
}
