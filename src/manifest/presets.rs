//! The built-in presets: the dev shells of a repository without a manifest, by the files that it has.
//!
//! A preset is a manifest with additional tables. `[detect] files` lists the files that make it apply,
//! `[[pins.TOOL]]` the places where files of other tools name a version of TOOL (the first version wins, all floors
//! count), `[[lists]]` files that name versions of many tools, `[[environments]]` the files of conda and pixi, `[[groups]]` and `[[extras]]` the places where a project
//! names its dependency groups and extras, `[[workspaces]]` the files that make a directory the root of a workspace, and `[[hints]]` files
//! that devsh does not read. The tools of `[tools]` are always part of the dev shell; a tool that only has pins is part
//! of it if one of the pins is there. `python.lock`, `python.groups` and `python.extras` count only if the project has
//! them.

mod apply;
pub(super) mod documents;
mod environments;
mod lists;
mod unlocked;
mod workspaces;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{
    Error, ErrorKind, Layer, PYTHON_LOCKS, Text,
    document::Node,
    preset_files::PRESETS,
    reader,
    version_files::{Grammar, VersionFile},
};
use crate::package::{Requirement, Tool};

pub use apply::{AppliedPreset, PresetLayers, PresetNote, ReadFiles, apply_presets};
pub use documents::Documents;
pub use workspaces::{WorkspaceMembers, is_workspace, workspace_files};

pub use environments::EnvironmentFile;
use workspaces::Workspace;

/// The tables of a preset that a manifest does not have.
const TABLES: &[&str] = &[
    "detect",
    "environments",
    "extras",
    "grammars",
    "groups",
    "hints",
    "known-as",
    "lists",
    "names",
    "pins",
    "release-lines",
    "workspaces",
];

/// A built-in preset.
#[derive(Debug, Clone)]
pub struct Preset {
    name: String,
    data: PresetTables,
    pins: BTreeMap<Tool, Vec<VersionFile>>,
    layer: Layer,
}

/// The values of those tables.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct PresetTables {
    detect: DetectTable,
    #[serde(default)]
    groups: Vec<NameTable>,
    #[serde(default)]
    extras: Vec<NameTable>,
    #[serde(default)]
    pins: BTreeMap<String, Vec<VersionFile>>,
    /// Names of versions, by tool.
    #[serde(default)]
    names: BTreeMap<String, BTreeMap<String, String>>,
    /// The numbers of release lines of Node.js (`lts/jod`).
    #[serde(default)]
    release_lines: BTreeMap<String, String>,
    #[serde(default)]
    environments: Vec<EnvironmentFile>,
    #[serde(default)]
    lists: Vec<PresetVersionList>,
    /// The grammar of the versions in lists, by tool.
    #[serde(default)]
    grammars: BTreeMap<String, Grammar>,
    /// The names of tools in lists, with devsh's names for them.
    #[serde(default)]
    known_as: BTreeMap<String, String>,
    #[serde(default)]
    hints: Vec<UnreadFile>,
    #[serde(default)]
    workspaces: Vec<Workspace>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct DetectTable {
    files: Vec<String>,
}

/// A TOML table whose keys are dependency groups or extras.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct NameTable {
    file: String,
    /// The path of keys to the table, joined by `.`.
    key: String,
    /// The name that the presence of the key means; without it every key of the table is a name.
    name: Option<String>,
}

/// A file that names versions of many tools.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PresetVersionList {
    file: String,
    read: VersionListFormat,
    /// The path of the table whose keys are the tools.
    #[serde(default)]
    key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum VersionListFormat {
    /// Lines of a name and a version.
    Words,
    /// A table of a TOML file.
    Toml,
}

/// A file that devsh does not read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnreadFile {
    file: String,
    /// Advice for the user.
    says: String,
}

/// Returns every preset, lowest first.
pub fn all() -> Result<Vec<Preset>, Error> {
    let parse = |(name, text): &(&str, &str)| Preset::parse(name, text);
    PRESETS.iter().map(parse).collect()
}

/// Returns the names of the files that make a directory a project, sorted.
///
/// Reads only the `detect` tables: this runs at every prompt outside a project.
pub fn detect_files() -> Result<BTreeSet<String>, Error> {
    let mut files = BTreeSet::new();
    for (name, _) in PRESETS {
        files.extend(files_of(name)?);
    }
    Ok(files)
}

/// Returns the names of the files that make a preset apply; none if there is no such preset.
pub fn files_of(preset: &str) -> Result<Vec<String>, Error> {
    let mut presets = PRESETS.iter();
    let Some((name, text)) = presets.find(|(name, _)| *name == preset) else {
        return Ok(Vec::new());
    };
    let text = Text::new(name, text);
    let root = text.toml()?;
    let lists = root.select("detect.files").into_iter();
    let names = lists.flat_map(Node::elements).filter_map(Node::text);
    Ok(names.map(str::to_owned).collect())
}

/// Returns the numbers of a release line of Node.js (`lts/jod`), for sources whose lists have no names of lines.
pub fn release_line_numbers(line: &str) -> Result<Option<Requirement>, Error> {
    let presets = all()?;
    let numbers = presets
        .iter()
        .find_map(|preset| preset.data.release_lines.get(line));
    Ok(numbers.and_then(|numbers| numbers.parse().ok()))
}

impl Preset {
    fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let text = Text::preset(name, text);
        let data: PresetTables = toml::from_str(text.as_str()).map_err(|error| {
            let kind = ErrorKind::Syntax {
                format: "TOML",
                message: error.message().to_owned(),
            };
            text.error(error.span().unwrap_or_default(), kind)
        })?;
        let tool = |(name, pins): (&String, &Vec<VersionFile>)| match name.parse::<Tool>() {
            Ok(tool) => Ok((tool, pins.iter().flat_map(VersionFile::split).collect())),
            Err(invalid) => Err(text.error(0..0, invalid)),
        };
        Ok(Self {
            name: name.to_owned(),
            pins: data.pins.iter().map(tool).collect::<Result<_, _>>()?,
            layer: reader::read_layer(&text, TABLES)?,
            data,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the names of the files that make the preset apply.
    pub fn detect_files(&self) -> impl Iterator<Item = &str> {
        self.data.detect.files.iter().map(String::as_str)
    }

    /// Returns the names of the files whose content the preset uses.
    pub fn content_files(&self) -> BTreeSet<&str> {
        let pins = self.pins.values().flatten();
        let pins = pins.filter(|pin| !pin.is_name()).map(|pin| &pin.file);
        let groups = self.data.groups.iter().chain(&self.data.extras);
        let groups = groups.map(|one| &one.file);
        let lists = self.data.lists.iter().map(|one| &one.file);
        let environments = self.data.environments.iter().map(|one| &one.file);
        let workspaces = self.data.workspaces.iter();
        let workspaces = workspaces.filter(|one| !one.members.is_empty());
        // They name the package of setuptools.
        let setup = ["setup.cfg", "setup.py"].into_iter();
        let setup = setup.filter(|_| self.layer.top.python.lock.is_some());
        pins.chain(groups)
            .chain(lists)
            .chain(environments)
            .chain(workspaces.map(|one| &one.file))
            .map(String::as_str)
            .chain(setup)
            .collect()
    }

    /// Returns the names of the files whose presence the preset uses.
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

    /// Returns whether the preset is for a language. Others only read versions for the rest.
    pub fn is_language(&self) -> bool {
        !self.layer.top.tools.is_empty()
    }

    /// Returns the names of the files that declare an environment of conda or pixi. `devsh init` takes them over.
    pub fn environments(&self) -> &[EnvironmentFile] {
        &self.data.environments
    }

    /// Returns the names of the files for which the preset only has advice.
    pub fn hint_files(&self) -> impl Iterator<Item = &str> {
        self.data.hints.iter().map(|hint| hint.file.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{ShellName, merge};

    #[test]
    fn every_preset_is_valid() {
        let presets = all().unwrap();
        assert!(presets.is_sorted_by(|lower, upper| lower.name < upper.name));
        for preset in &presets {
            let manifest = merge(std::slice::from_ref(&preset.layer)).unwrap();
            let names: Vec<&str> = manifest.shells.keys().map(ShellName::as_str).collect();
            if preset.is_language() {
                assert_eq!(names, ["dev", "lint", "test"]);
            }
            let files = preset.content_files().len() + preset.name_files().len();
            assert_ne!(files, 0);
        }
        let files = detect_files().unwrap();
        let named = presets.iter().flat_map(Preset::detect_files);
        assert_eq!(files, named.map(str::to_owned).collect());
    }

    #[test]
    fn release_lines_have_names_and_numbers() {
        let presets = all().unwrap();
        let names = presets.iter().find_map(|one| one.data.names.get("node"));
        let names = names.unwrap();
        let lines = presets.iter().map(|one| &one.data.release_lines);
        let lines = lines.max_by_key(|lines| lines.len()).unwrap();
        for (line, numbers) in lines {
            let written = Requirement::release_line(line).unwrap();
            assert_eq!(written.channel(), Some(line.as_str()));
            assert!(numbers.parse::<Requirement>().is_ok(), "{line}");
        }
        let number = |line: &str| line.parse::<u32>().unwrap();
        let mut numbers: Vec<u32> = Vec::new();
        for (line, name) in lines.iter().filter_map(|(line, number)| {
            let name = line.strip_prefix("lts/")?;
            name.chars()
                .all(char::is_alphabetic)
                .then_some((number, name))
        }) {
            assert_eq!(names.get(name), Some(&format!("lts/{name}")));
            numbers.push(number(line));
        }
        numbers.sort_unstable();
        // Every even number has long-term support, and the newest may not have a name yet.
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 2));
        let all: Vec<u32> = lines["lts/*"].split(" || ").map(number).collect();
        assert!(all.windows(2).all(|pair| pair[1] + 2 == pair[0]));
        assert_eq!(
            (number(&lines["lts/-1"]), number(&lines["lts/-2"])),
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
