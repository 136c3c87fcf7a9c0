//! Presets put together with what the files of a project say.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Documents, Preset,
    lists::{self, Listed, Lists},
};
use crate::{
    manifest::{
        Error, Layer, Located, Origin, PYTHON_LOCKS, PythonLockFormat, Text, ToolEntry,
        layer::Tables,
        version_files::{Found, Pin, Role, Subject},
    },
    package::{PackageName, Requirement, Tool, compatible},
};

/// A preset and where in the project it applies.
#[derive(Debug, Clone)]
pub struct Applied<'p> {
    /// The preset.
    pub preset: &'p Preset,
    /// The directories below the root that have its files, each with `/` at its end; the root is empty.
    pub directories: Vec<String>,
    /// The files of the members of a workspace in one of them, of which the bounds count.
    pub members: Vec<String>,
}

/// What presets give a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fitted {
    /// Their layers, lowest first, with the project's own versions put in.
    pub layers: Vec<Layer>,
    /// What was seen and not used, sorted by place.
    pub notes: Vec<Note>,
}

/// Something in a project's files that has no effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Where it is.
    pub origin: Origin,
    /// Why it has none, or what to do.
    pub message: String,
    /// The tool that it would be about.
    pub tool: Option<Tool>,
}

/// Returns what the presets that apply give a project with these files, of which `present` is all there is.
pub fn fit(
    presets: &[Preset],
    applied: &[Applied<'_>],
    present: &BTreeSet<String>,
    texts: &BTreeMap<String, Text>,
) -> Result<Fitted, Error> {
    let documents = Documents::default();
    let Lists { listed, notes } = lists::read(presets, texts, &documents)?;
    let mut fitting = Fitting {
        presets,
        present,
        texts,
        documents,
        listed,
        notes,
    };
    let mut layers: Vec<Layer> = Vec::new();
    for one in applied {
        layers.push(fitting.layer(one)?);
    }
    // What no preset takes is given as it is listed.
    if let Some(lowest) = layers.first_mut() {
        for (tool, listed) in std::mem::take(&mut fitting.listed) {
            let Some(first) = listed.into_iter().next() else {
                continue;
            };
            let entry = ToolEntry {
                requirement: first.requirement,
                ..ToolEntry::new(first.origin)
            };
            lowest.top.tools.entry(tool).or_insert(entry);
        }
    }
    fitting.notes.extend(fitting.hints());
    fitting.notes.sort();
    fitting.notes.dedup();
    Ok(Fitted {
        layers,
        notes: fitting.notes,
    })
}

pub(super) struct Fitting<'a, 't> {
    presets: &'a [Preset],
    pub(super) present: &'a BTreeSet<String>,
    pub(super) texts: &'t BTreeMap<String, Text>,
    pub(super) documents: Documents<'t>,
    listed: BTreeMap<Tool, Vec<Listed>>,
    pub(super) notes: Vec<Note>,
}

impl Fitting<'_, '_> {
    fn layer(&mut self, applied: &Applied<'_>) -> Result<Layer, Error> {
        let mut layer = applied.preset.layer.clone();
        let given = layer.top.tools.keys();
        let tools: BTreeSet<Tool> = given.chain(applied.preset.pins.keys()).cloned().collect();
        for tool in &tools {
            let pins = applied.preset.pins.get(tool).map_or(&[][..], Vec::as_slice);
            let mut asked = self.ask(tool, pins, applied)?;
            let Some(origin) = asked.origin.take() else {
                put(&mut layer, tool, &asked);
                continue;
            };
            let entry = || ToolEntry::new(origin);
            layer.top.tools.entry(tool.clone()).or_insert_with(entry);
            put(&mut layer, tool, &asked);
        }
        self.packages(applied, &mut layer)?;
        Ok(layer)
    }

    /// Reads what the project asks of one tool.
    fn ask(&mut self, tool: &Tool, pins: &[Pin], applied: &Applied<'_>) -> Result<Asked, Error> {
        let directories = &applied.directories;
        let mut asked = Asked::default();
        let empty = BTreeMap::new();
        let subject = Subject {
            package: &tool.package,
            names: lists::names(self.presets, tool).unwrap_or(&empty),
        };
        // The bounds come first: a weak version has to yield to them.
        let (floors, versions): (Vec<&Pin>, Vec<&Pin>) =
            pins.iter().partition(|pin| pin.role == Role::Floor);
        for directory in directories {
            for pin in &floors {
                let found = self.read(pin, subject, directory)?;
                asked.floors.extend(found.and_then(|one| one.requirement));
            }
        }
        for member in &applied.members {
            let name = member.rsplit('/').next().unwrap_or(member);
            let directory = &member[..member.len() - name.len()];
            for pin in floors.iter().filter(|pin| pin.file == name) {
                let found = self.read(pin, subject, directory)?;
                asked.floors.extend(found.and_then(|one| one.requirement));
            }
        }
        for directory in directories {
            asked.named = false;
            for pin in &versions {
                match self.read(pin, subject, directory) {
                    Ok(Some(found)) => self.notes.extend(asked.take(tool, pin, found)),
                    Ok(None) => {}
                    // What is not used need not be understood.
                    Err(_) if asked.named => {}
                    Err(error) => return Err(error),
                }
            }
        }
        for listed in self.listed.remove(tool).unwrap_or_default() {
            asked.origin.get_or_insert_with(|| listed.origin.clone());
            if let Some(requirement) = listed.requirement {
                self.notes.extend(asked.version(tool, requirement, true));
            }
        }
        Ok(asked)
    }

    fn read(
        &self,
        pin: &Pin,
        subject: Subject<'_>,
        directory: &str,
    ) -> Result<Option<Found>, Error> {
        let name = format!("{directory}{}", pin.file);
        if pin.is_name() {
            let origin = Origin {
                file: name.as_str().into(),
                line: 1,
            };
            return Ok(self.present.contains(&name).then(|| Found {
                origin: Some(origin),
                ..Found::default()
            }));
        }
        match self.texts.get(&name) {
            Some(text) => pin.read(subject, text, &self.documents),
            None => Ok(None),
        }
    }

    /// Keeps the lockfile and the groups of Python packages that the project has.
    ///
    /// The groups of other lockfiles than uv's are known only when they are read.
    fn packages(&mut self, applied: &Applied<'_>, layer: &mut Layer) -> Result<(), Error> {
        let found = applied.directories.iter().find_map(|directory| {
            let mut names = PYTHON_LOCKS.iter().map(|name| format!("{directory}{name}"));
            let name = names.find(|name| self.present.contains(name))?;
            Some((directory.as_str(), name))
        });
        let found = match found {
            None if layer.top.python.lock.is_some() => self.unlocked(applied)?,
            found => found,
        };
        let listed = [PythonLockFormat::Uv, PythonLockFormat::Project];
        let groups = match &found {
            Some((directory, name))
                if PythonLockFormat::of(name).is_some_and(|format| listed.contains(&format)) =>
            {
                Some(self.groups(applied.preset, directory)?)
            }
            Some(_) => None,
            None => Some(BTreeSet::new()),
        };
        for tables in layer.tables_mut() {
            let lock = tables.python.lock.take();
            tables.python.lock = found
                .as_ref()
                .and_then(|(_, name)| Some(lock?.map(|_| name.clone())));
            if found.is_none() {
                tables.python.place = None;
            }
            if let Some(groups) = &groups {
                let known = |group: &Located<String>| groups.contains(&group.value);
                tables.python.groups.retain(known);
            }
        }
        Ok(())
    }

    /// Returns the dependency groups that the project names.
    fn groups(&self, preset: &Preset, directory: &str) -> Result<BTreeSet<String>, Error> {
        let mut names = BTreeSet::new();
        for source in &preset.data.groups {
            let Some(text) = self.texts.get(&format!("{directory}{}", source.file)) else {
                continue;
            };
            for node in self.documents.parse(text)?.select(&source.key) {
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
        Ok(names)
    }

    /// Returns what the presets say of files that are not read.
    fn hints(&self) -> Vec<Note> {
        let hints = self.presets.iter().flat_map(|preset| &preset.data.hints);
        let there = hints.filter(|hint| self.present.contains(&hint.file));
        there
            .map(|hint| Note {
                origin: Origin {
                    file: hint.file.as_str().into(),
                    line: 1,
                },
                message: hint.says.clone(),
                tool: None,
            })
            .collect()
    }
}

/// What the files of a project ask of one tool.
#[derive(Default)]
struct Asked {
    /// Where the tool is asked for, if more than a bound is said.
    origin: Option<Origin>,
    /// Whether a version of this directory was taken.
    named: bool,
    requirement: Option<Located<Requirement>>,
    floors: Vec<Located<Requirement>>,
    components: Vec<String>,
    targets: Vec<String>,
}

impl Asked {
    /// Takes what a pin other than a floor found.
    fn take(&mut self, tool: &Tool, pin: &Pin, found: Found) -> Option<Note> {
        if pin.weak
            && !found
                .requirement
                .as_ref()
                .is_none_or(|one| self.admits(one))
        {
            return None;
        }
        self.origin = self.origin.take().or(found.origin);
        if pin.role == Role::Presence {
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

    /// Takes a version: one that stands below another of its directory yields to it, one of another
    /// directory has to hold as well.
    fn version(&mut self, tool: &Tool, wanted: Located<Requirement>, yields: bool) -> Option<Note> {
        let Some(kept) = &self.requirement else {
            self.requirement = Some(wanted);
            return None;
        };
        let together = compatible(&[&kept.value, &wanted.value]);
        if !yields {
            self.floors.push(wanted);
            return None;
        }
        (!together).then(|| Note {
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

/// Puts what was asked into every table of the layer that has the tool.
fn put(layer: &mut Layer, tool: &Tool, asked: &Asked) {
    let entries = layer
        .tables_mut()
        .filter_map(|tables: &mut Tables| tables.tools.get_mut(tool));
    for entry in entries {
        if asked.requirement.is_some() {
            entry.requirement.clone_from(&asked.requirement);
        }
        for floor in &asked.floors {
            // The same bound in two files is one bound.
            if !entry.floors.iter().any(|known| known.value == floor.value) {
                entry.floors.push(floor.clone());
            }
        }
        entry.components.extend(asked.components.iter().cloned());
        entry.components.sort();
        entry.components.dedup();
        entry.targets.extend(asked.targets.iter().cloned());
    }
}
