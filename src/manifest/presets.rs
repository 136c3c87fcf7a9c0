//! The built-in presets: what a repository without a manifest gets, by the files it has.
//!
//! A preset is a manifest with some tables more. `[detect] files` lists the files that mean it applies,
//! `[[pins.TOOL]]` where files of other tools name a version of TOOL (the first that names one wins, floors
//! all count), `[[lists]]` files that name versions of many tools, `[[groups]]` where the project names its
//! dependency groups, `[[workspaces]]` what makes a directory the root of others and where they are, and `[[hints]]` files that
//! devsh does not read. A tool of `[tools]` is always given, one that has only pins when a pin is there.
//! `python.lock` and `python.groups` count only where the project has them. No preset needs code of its own.

mod apply;
pub(super) mod documents;
mod lists;
mod unlocked;
mod workspaces;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{
    Error, ErrorKind, Layer, PYTHON_LOCKS, Text,
    document::Node,
    reader,
    version_files::{Grammar, Pin},
};
use crate::package::Tool;

pub use apply::{Applied, Fitted, Note, fit};
pub use documents::Documents;
pub use workspaces::{Members, is_workspace, workspace_files};

use workspaces::Workspace;

/// The presets, in the order in which their layers lie.
const PRESETS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/presets.rs"));

/// The tables that a preset has beside the manifest's.
const TABLES: &[&str] = &[
    "detect",
    "grammars",
    "groups",
    "hints",
    "known-as",
    "lists",
    "names",
    "pins",
    "workspaces",
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
#[serde(rename_all = "kebab-case")]
struct Data {
    detect: Detect,
    #[serde(default)]
    groups: Vec<Groups>,
    #[serde(default)]
    pins: BTreeMap<String, Vec<Pin>>,
    /// Names that tools give to versions, by tool.
    #[serde(default)]
    names: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    lists: Vec<List>,
    /// How the versions in lists are written, by tool.
    #[serde(default)]
    grammars: BTreeMap<String, Grammar>,
    /// What lists call tools, with devsh's names.
    #[serde(default)]
    known_as: BTreeMap<String, String>,
    #[serde(default)]
    hints: Vec<Hint>,
    #[serde(default)]
    workspaces: Vec<Workspace>,
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

/// A file that names versions of many tools.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    file: String,
    read: ListReader,
    /// The table that has the tools as keys.
    #[serde(default)]
    key: String,
}

/// How a list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ListReader {
    /// Lines of a name and a version.
    Words,
    /// A table of a TOML file.
    Toml,
}

/// A file that devsh does not read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hint {
    file: String,
    /// What to do about it.
    says: String,
}

/// Returns every preset, lowest first.
pub fn all() -> Result<Vec<Preset>, Error> {
    let parse = |(name, text): &(&str, &str)| Preset::parse(name, text);
    PRESETS.iter().map(parse).collect()
}

/// Returns the names of the files that make a directory a project, sorted.
///
/// Reads no more of the presets than this takes.
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
            layer: reader::read_layer(&text, TABLES)?,
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
        let pins = self.pins.values().flatten();
        let pins = pins.filter(|pin| !pin.is_name()).map(|pin| &pin.file);
        let groups = self.data.groups.iter().map(|one| &one.file);
        let lists = self.data.lists.iter().map(|one| &one.file);
        let workspaces = self.data.workspaces.iter();
        let workspaces = workspaces.filter(|one| !one.members.is_empty());
        // Where setuptools takes what a project needs; for the note that nothing is installed of it.
        let setup = self.layer.top.python.lock.is_some().then_some("setup.cfg");
        pins.chain(groups)
            .chain(lists)
            .chain(workspaces.map(|one| &one.file))
            .map(String::as_str)
            .chain(setup)
            .collect()
    }

    /// Returns the names of the files whose presence decides what the preset gives.
    pub fn name_files(&self) -> BTreeSet<&str> {
        let sections = self.layer.shells.values().map(|section| &section.tables);
        let locks = std::iter::once(&self.layer.top)
            .chain(sections)
            .filter(|tables| tables.python.lock.is_some())
            .flat_map(|_| PYTHON_LOCKS);
        let pins = self.pins.values().flatten();
        let pins = pins.filter(|pin| pin.is_name()).map(|pin| &pin.file);
        locks.chain(pins.map(String::as_str)).collect()
    }

    /// Returns whether the preset is for a language, and not only reads versions that others take.
    pub fn is_language(&self) -> bool {
        !self.layer.top.tools.is_empty()
    }

    /// Returns the names of the files that the preset only speaks about.
    pub fn hint_files(&self) -> impl Iterator<Item = &str> {
        self.data.hints.iter().map(|hint| hint.file.as_str())
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
            let manifest = merge(std::slice::from_ref(&preset.layer)).unwrap();
            let names: Vec<&str> = manifest.shells.keys().map(ShellName::as_str).collect();
            if preset.is_language() {
                assert_eq!(names, ["dev", "lint", "test"]);
            }
            assert!(!preset.content_files().is_empty());
        }
        let files = detect_files().unwrap();
        let named = presets.iter().flat_map(Preset::detect_files);
        assert_eq!(files, named.map(str::to_owned).collect());
    }

    #[test]
    fn the_names_of_node_s_lines_agree() {
        let presets = all().unwrap();
        let tables = presets.iter().find_map(|one| one.data.names.get("node"));
        let names = tables.unwrap();
        let number = |line: &str| line.parse::<u32>().unwrap();
        let lines = names
            .iter()
            .filter_map(|(name, line)| Some((name.strip_prefix("lts/")?, line)))
            .filter(|(name, _)| name.chars().all(char::is_alphabetic));
        let mut numbers: Vec<u32> = Vec::new();
        for (name, line) in lines {
            assert_eq!(names.get(name), Some(line), "{name}");
            assert_eq!(names.get(&format!("lts-{name}")), Some(line), "{name}");
            numbers.push(number(line));
        }
        numbers.sort_unstable();
        // Every even number had long support, and the last ones may not have their names yet.
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 2));
        let all: Vec<u32> = names["lts/*"].split(" || ").map(number).collect();
        assert!(all.windows(2).all(|pair| pair[1] + 2 == pair[0]));
        assert_eq!(names["lts"], names["lts/*"]);
        assert_eq!(
            (number(&names["lts/-1"]), number(&names["lts/-2"])),
            (all[1], all[2])
        );
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
