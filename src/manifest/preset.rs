//! The built-in presets: what a repository without a manifest gets, by the files it has.
//!
//! A preset is a manifest with three tables more. `[detect] files` lists the files that mean it applies,
//! `[[pins.TOOL]]` where files of other tools name a version of TOOL (the first that names one wins, floors
//! all count), and `[[groups]]` where the project names its dependency groups. Its `python.lock` and
//! `python.groups` count only where the project has them. No preset needs code of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{
    Error, ErrorKind, Layer, Text,
    pin::{Found, Pin, Role},
    raw::Node,
    validate,
};
use crate::package::{PackageName, Tool};

/// The presets, in the order in which their layers lie.
const PRESETS: &[(&str, &str)] = &[
    ("python", include_str!("../../shells/python.toml")),
    ("rust", include_str!("../../shells/rust.toml")),
];

/// A built-in preset.
#[derive(Debug, Clone)]
pub struct Preset {
    name: String,
    data: Data,
    pins: BTreeMap<Tool, Vec<Pin>>,
    layer: Layer,
}

/// What a preset has beside the manifest's tables.
#[derive(Debug, Clone, Deserialize)]
struct Data {
    detect: Detect,
    #[serde(default)]
    groups: Vec<Groups>,
    #[serde(default)]
    pins: BTreeMap<String, Vec<Pin>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Detect {
    files: Vec<String>,
}

/// A TOML table that names dependency groups.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Groups {
    file: String,
    /// The keys that lead to the table, joined by `.`.
    key: String,
    /// The one group that the presence of the key means; without it every key below is a group.
    name: Option<String>,
}

/// Returns every preset, lowest first.
pub fn all() -> Result<Vec<Preset>, Error> {
    let parse = |(name, text): &(&str, &str)| Preset::parse(name, text);
    PRESETS.iter().map(parse).collect()
}

/// Returns the names of the files that make a directory a project, sorted.
///
/// Reads no more of the presets than this takes: it is asked on the way to the prompt.
pub fn detect_files() -> Result<BTreeSet<String>, Error> {
    let mut files = BTreeSet::new();
    for (name, text) in PRESETS {
        let text = Text::new(name, text);
        let root = text.toml()?;
        let lists = root.select("detect.files").into_iter();
        let names = lists.flat_map(Node::elements).filter_map(Node::text);
        files.extend(names.map(str::to_owned));
    }
    Ok(files)
}

impl Preset {
    /// Returns a preset from its text.
    fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let text = Text::new(&format!("preset {name}"), text);
        let data: Data = toml::from_str(text.as_str()).map_err(|error| {
            let kind = ErrorKind::Syntax {
                format: "TOML",
                message: error.message().to_owned(),
            };
            text.error(error.span().unwrap_or_default(), kind)
        })?;
        let tool = |(name, pins): (&String, &Vec<Pin>)| match name.parse::<Tool>() {
            Ok(tool) => Ok((tool, pins.clone())),
            Err(invalid) => Err(text.error(0..0, invalid)),
        };
        Ok(Self {
            name: name.to_owned(),
            pins: data.pins.iter().map(tool).collect::<Result<_, _>>()?,
            layer: validate::layer(&text, &["detect", "groups", "pins"])?,
            data,
        })
    }

    /// Returns the preset's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the names of the files of which any means that the preset applies.
    pub fn detect_files(&self) -> impl Iterator<Item = &str> {
        self.data.detect.files.iter().map(String::as_str)
    }

    /// Returns the names of the files whose content decides what the preset gives.
    pub fn content_files(&self) -> BTreeSet<&str> {
        let pins = self.pins.values().flatten().map(|pin| pin.file.as_str());
        let groups = self.data.groups.iter().map(|one| one.file.as_str());
        pins.chain(groups).collect()
    }

    /// Returns the names of the lockfiles of which the presence decides what the preset gives.
    pub fn lock_files(&self) -> BTreeSet<&str> {
        let sections = self.layer.shells.values().map(|section| &section.tables);
        std::iter::once(&self.layer.top)
            .chain(sections)
            .filter_map(|tables| tables.python.lock.as_ref())
            .map(|lock| lock.value.as_str())
            .collect()
    }

    /// Returns the preset's layer for a project with these files, of which `present` is all there is.
    pub fn fit(
        &self,
        present: &BTreeSet<String>,
        texts: &BTreeMap<String, Text>,
    ) -> Result<Layer, Error> {
        let mut layer = self.layer.clone();
        for (tool, pins) in &self.pins {
            let asked = Asked::read(tool, pins, texts)?;
            for tables in layer.tables_mut() {
                if let Some(entry) = tables.tools.get_mut(tool) {
                    if let Some(requirement) = &asked.version.requirement {
                        entry.requirement = Some(requirement.clone());
                    }
                    let floors = asked.floors.iter();
                    entry
                        .floors
                        .extend(floors.filter_map(|one| one.requirement.clone()));
                    entry
                        .components
                        .extend(asked.version.components.iter().cloned());
                    entry.targets.extend(asked.version.targets.iter().cloned());
                    entry.components.sort();
                    entry.components.dedup();
                }
            }
        }
        let mut locked = false;
        for tables in layer.tables_mut() {
            let lock = tables.python.lock.take();
            tables.python.lock = lock.filter(|lock| present.contains(&lock.value));
            locked |= tables.python.lock.is_some();
        }
        let groups = if locked {
            self.groups(texts)?
        } else {
            BTreeSet::new()
        };
        for tables in layer.tables_mut() {
            tables
                .python
                .groups
                .retain(|group| groups.contains(&group.value));
        }
        Ok(layer)
    }

    /// Returns the dependency groups that the project names.
    fn groups(&self, texts: &BTreeMap<String, Text>) -> Result<BTreeSet<String>, Error> {
        let mut names = BTreeSet::new();
        for source in &self.data.groups {
            let Some(text) = texts.get(&source.file) else {
                continue;
            };
            for node in text.toml()?.select(&source.key) {
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
}

/// What the files of a project ask of one tool.
#[derive(Default)]
struct Asked {
    version: Found,
    floors: Vec<Found>,
}

impl Asked {
    fn read(tool: &Tool, pins: &[Pin], texts: &BTreeMap<String, Text>) -> Result<Self, Error> {
        let mut asked = Self::default();
        let mut named = false;
        for pin in pins {
            let Some(text) = texts.get(&pin.file) else {
                continue;
            };
            if named && pin.role == Role::Version {
                continue;
            }
            let Some(found) = pin.read(&tool.package, text)? else {
                continue;
            };
            match pin.role {
                Role::Floor => asked.floors.push(found),
                Role::Version => {
                    asked.version = found;
                    named = true;
                }
            }
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{ShellName, merge};

    #[test]
    fn every_preset_is_sound() {
        let presets = all().unwrap();
        assert!(presets.is_sorted_by(|lower, upper| lower.name < upper.name));
        for preset in &presets {
            for tool in preset.pins.keys() {
                assert!(preset.layer.top.tools.contains_key(tool), "{tool}");
            }
            let manifest = merge(std::slice::from_ref(&preset.layer)).unwrap();
            let names: Vec<&str> = manifest.shells.keys().map(ShellName::as_str).collect();
            assert_eq!(names, ["dev", "lint", "test"]);
            assert!(!preset.content_files().is_empty());
        }
        let files = detect_files().unwrap();
        let named = presets.iter().flat_map(Preset::detect_files);
        assert_eq!(files, named.map(str::to_owned).collect());
    }

    #[test]
    fn a_wrong_preset_is_an_error_with_a_place() {
        for (text, expected) in [
            (
                "[tools]\n",
                "preset x:1: not valid TOML: missing field `detect`",
            ),
            (
                "[detect]\nfiles = []\n[[pins.ruff]]\nfile = 'x'\nread = 'guess'\n",
                "preset x:5: not valid TOML: unknown variant",
            ),
            (
                "[detect]\nfiles = []\n[other]\n",
                "preset x:3: unknown key `other`",
            ),
            (
                "[detect]\nfiles = []\n[pins]\nruf = []\n",
                "preset x:1: `ruf` is not a known tool",
            ),
        ] {
            let error = Preset::parse("x", text).unwrap_err();
            let shown = format!("{}: {error}", error.origin());
            assert!(shown.starts_with(expected), "{shown}");
        }
    }
}
