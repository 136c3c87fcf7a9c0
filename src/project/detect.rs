//! Detects the presets of a repository without a manifest, and the versions in its files.
//!
//! A preset applies in the root if one of its files is there. Else the directories below are searched: a repository with
//! a Python service and a web page in `web/` gets both presets. Nothing is executed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::manifest::{
    self, Layer, Located, Origin, Text,
    presets::{self, AppliedPreset, Preset, PresetNote, ReadFiles},
};

use super::{
    members,
    reader::{Error, Inputs, peek},
};

/// The result of detection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detection {
    /// The layers of the presets that apply, with the project's versions, lowest first.
    pub layers: Vec<Layer>,
    /// Every file on which the result depends, present or absent, sorted.
    pub files: Vec<PathBuf>,
    /// The names of the presets that apply.
    pub presets: Vec<String>,
    /// Notes on things that have no effect.
    pub notes: Vec<PresetNote>,
    /// The errors in files that count as empty, which have notes too.
    pub unread: Vec<manifest::Error>,
}

/// The most directories below the root that are searched. A repository may have any number.
const BELOW: usize = 256;
/// In how many of them a preset may apply.
const PLACES: usize = 4;
/// Directories with content of others, or with documentation, examples, templates and tests.
const FOREIGN: &[&str] = &[
    "__pycache__",
    "build",
    "demo",
    "demos",
    "dist",
    "doc",
    "docs",
    "documentation",
    "e2e",
    "e2e_test",
    "e2e_tests",
    "env",
    "example",
    "examples",
    "fixtures",
    "node_modules",
    "sample",
    "samples",
    "site-packages",
    "target",
    "template",
    "templates",
    "test",
    "testdata",
    "tests",
    "third_party",
    "vendor",
    "venv",
];

/// The presets that detection looks for.
#[derive(Debug, Clone, Copy)]
pub enum SoughtPresets<'n> {
    /// All, if the root itself has a file of one: otherwise it is not a project, only a directory with projects.
    OfRoot,
    /// All that a new manifest follows, in the root and below it: not those whose files `devsh init` takes over.
    ToFollow,
    /// Those that a manifest follows. One without files in the project applies to the root.
    Named(&'n [Located<String>]),
}

/// A directory below the root in which presets apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectBelow {
    /// Its path from the root.
    pub directory: String,
    /// The names of the presets.
    pub presets: Vec<String>,
}

/// Returns the directories at most two levels below `root` in which presets of languages apply, sorted.
pub fn projects_below(root: &Path) -> Result<Vec<ProjectBelow>, Error> {
    let presets = presets::all()?;
    let languages = || presets.iter().filter(|preset| preset.is_language());
    let mut found = Vec::new();
    for directory in directories_below(root) {
        let holds = |preset: &&Preset| holds(root, &directory, preset);
        let names: Vec<String> = languages()
            .filter(holds)
            .map(|preset| preset.name().to_owned())
            .collect();
        if !names.is_empty() {
            found.push(ProjectBelow {
                directory: directory.trim_end_matches('/').to_owned(),
                presets: names,
            });
        }
    }
    found.sort_by(|left, right| left.directory.cmp(&right.directory));
    Ok(found)
}

/// Returns whether a directory has a file that makes a preset apply.
fn holds(root: &Path, directory: &str, preset: &Preset) -> bool {
    let mut names = preset.detect_files();
    names.any(|name| root.join(directory).join(name).is_file())
}

/// Detects presets and versions in the root and the directories below it.
pub fn detect(inputs: &mut Inputs, sought: SoughtPresets<'_>) -> Result<Detection, Error> {
    let root = &inputs.root().to_owned();
    let mut files = RepositoryFiles {
        inputs,
        present: BTreeSet::new(),
        texts: BTreeMap::new(),
    };
    let presets = presets::all()?;
    let is_sought = |preset: &Preset| match sought {
        SoughtPresets::Named(names) => names.iter().any(|name| name.value == preset.name()),
        SoughtPresets::ToFollow => preset.environments().is_empty(),
        SoughtPresets::OfRoot => true,
    };
    let mut applied: Vec<AppliedPreset<'_>> = Vec::new();
    let mut below = None;
    for preset in presets.iter().filter(|preset| is_sought(preset)) {
        let mut directories = Vec::new();
        if files.any(preset.detect_files()) {
            directories.push(String::new());
        } else if preset.is_language() {
            let below = below.get_or_insert_with(|| directories_below(root));
            let found = below
                .iter()
                .filter(|directory| holds(root, directory, preset));
            directories.extend(found.take(PLACES).cloned());
        }
        if directories.is_empty() && matches!(sought, SoughtPresets::Named(_)) {
            directories.push(String::new());
        }
        if !directories.is_empty() {
            applied.push(AppliedPreset {
                preset,
                directories,
                members: Vec::new(),
            });
        }
    }
    if matches!(sought, SoughtPresets::OfRoot) && !applied.iter().any(|one| one.directories == [""])
    {
        applied.clear();
    }
    let mut notes = Vec::new();
    for one in &mut applied {
        files.read(one)?;
        notes.extend(files.read_members(one)?);
    }
    if !applied.is_empty() && !matches!(sought, SoughtPresets::Named(_)) {
        files.notice(presets.iter().flat_map(Preset::hint_files));
    }
    let sought = presets.iter().filter(|preset| is_sought(preset));
    let read = ReadFiles {
        present: &files.present,
        texts: &files.texts,
        environments: &sought.flat_map(Preset::environments).collect::<Vec<_>>(),
    };
    let fitted = presets::apply_presets(&presets, &applied, read);
    let files = inputs.seen().into_iter().map(Path::to_owned).collect();
    Ok(Detection {
        layers: fitted.layers,
        notes: notes.into_iter().chain(fitted.notes).collect(),
        presets: applied
            .iter()
            .map(|one| one.preset.name().to_owned())
            .collect(),
        files,
        unread: fitted.unread,
    })
}

/// Returns whether a directory is the root of a workspace of any language.
pub fn is_workspace(directory: &Path) -> bool {
    // A file that cannot be read is an error when the project is opened.
    let names = presets::workspace_files().unwrap_or_default();
    names.iter().any(|name| {
        let bytes = peek(directory, name);
        bytes.is_some_and(|bytes| presets::is_workspace(name, &bytes))
    })
}

/// Returns the directories at most two levels below `root`, each with `/` at its end, in order of depth and name.
fn directories_below(root: &Path) -> Vec<String> {
    let mut found = children(root, "");
    let second: Vec<String> = found
        .iter()
        .take(BELOW)
        .flat_map(|directory| children(root, directory))
        .collect();
    found.extend(second);
    found.truncate(BELOW);
    found
}

fn children(root: &Path, directory: &str) -> Vec<String> {
    // A directory that cannot be read has no presets.
    let Ok(entries) = root.join(directory).read_dir() else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .take(4 * BELOW)
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        // A name with braces is a place in a template of cookiecutter or copier.
        .filter(|name| !name.starts_with('.') && !name.contains(['{', '}']))
        .filter(|name| !FOREIGN.contains(&name.as_str()))
        .map(|name| format!("{directory}{name}/"))
        // A nested repository is not part of this project.
        .filter(|path| !root.join(path).join(".git").exists())
        .collect();
    names.sort();
    names
}

/// The files of a repository that are needed so far.
struct RepositoryFiles<'a> {
    inputs: &'a mut Inputs,
    present: BTreeSet<String>,
    texts: BTreeMap<String, Text>,
}

impl RepositoryFiles<'_> {
    fn any<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> bool {
        // All names are checked, because all of them are watched.
        names.filter(|name| self.exists(name)).count() > 0
    }

    /// A directory with the name of a file has no effect.
    fn exists(&mut self, name: &str) -> bool {
        if self.inputs.exists(name) && !self.inputs.root().join(name).is_dir() {
            self.present.insert(name.to_owned());
        }
        self.present.contains(name)
    }

    /// Looks for files that have no effect. They are not watched.
    fn notice<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        let there = names.filter(|name| self.inputs.root().join(name).is_file());
        self.present.extend(there.map(str::to_owned));
    }

    fn read(&mut self, applied: &AppliedPreset<'_>) -> Result<(), Error> {
        for directory in &applied.directories {
            for name in applied.preset.name_files() {
                self.exists(&format!("{directory}{name}"));
            }
            for name in applied.preset.content_files() {
                self.read_one(format!("{directory}{name}"))?;
            }
        }
        Ok(())
    }

    fn read_one(&mut self, name: String) -> Result<(), Error> {
        if !self.exists(&name) || self.texts.contains_key(&name) {
            return Ok(());
        }
        if let Some(bytes) = self.inputs.data(&name)? {
            // A byte that is not text, in the name of an author for example, does not matter for the versions.
            let text = Text::lossy(&name, &bytes);
            self.texts.insert(name, text);
        }
        Ok(())
    }

    /// Reads the manifests of the members of the preset's workspaces; returns notes on those with too many members.
    fn read_members(&mut self, applied: &mut AppliedPreset<'_>) -> Result<Vec<PresetNote>, Error> {
        let mut notes = Vec::new();
        for directory in &applied.directories {
            let text = |name: &str| self.texts.get(&format!("{directory}{name}"));
            for members in applied.preset.members(text) {
                let root = self.inputs.root().join(directory);
                let (found, more) = members::directories(&root, &members);
                let files = found
                    .iter()
                    .map(|member| format!("{directory}{member}{}", members.manifest));
                applied.members.extend(files);
                if more {
                    notes.push(PresetNote {
                        origin: Origin {
                            file: format!("{directory}{}", members.workspace).into(),
                            is_preset: false,
                            line: 1,
                        },
                        tool: None,
                        message: format!(
                            "only the bounds of the first {} members that devsh finds count",
                            members::LIMIT
                        ),
                    });
                }
            }
        }
        for member in &applied.members {
            self.read_one(member.clone())?;
        }
        Ok(notes)
    }
}

#[cfg(test)]
mod tests;
