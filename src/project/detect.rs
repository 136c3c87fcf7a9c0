//! Which presets a repository without a manifest gets, and what its own files say about versions.
//!
//! A preset applies in the root if one of its files is there. One that does not is looked for in the
//! directories below, so that a repository with a Python service and a web page in `web/` has both, at
//! every depth. Reads files and runs nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::manifest::{
    Layer, Origin, Text,
    presets::{self, Applied, Note, Preset},
};

use super::{
    members,
    reader::{Error, Inputs, peek},
};

/// What the files of a repository mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detection {
    /// The layers of the presets that apply, lowest first, with the project's own versions put in.
    pub layers: Vec<Layer>,
    /// Every file that was looked at, whether it exists or not, sorted; a change in one can change the rest.
    pub files: Vec<PathBuf>,
    /// The names of the presets that apply.
    pub presets: Vec<String>,
    /// What was seen and has no effect.
    pub notes: Vec<Note>,
}

/// How many directories below the root are looked into.
const BELOW: usize = 256;
/// How many of them a preset may apply in.
const PLACES: usize = 4;
/// Directories whose content is not the project's own work, or only shown or tested by it.
const FOREIGN: &[&str] = &[
    "__pycache__",
    "build",
    "dist",
    "env",
    "example",
    "examples",
    "fixtures",
    "node_modules",
    "site-packages",
    "target",
    "templates",
    "test",
    "testdata",
    "tests",
    "third_party",
    "vendor",
    "venv",
];

/// Returns what the files in the root mean, and those of the directories below it.
pub fn detect(inputs: &mut Inputs) -> Result<Detection, Error> {
    let root = &inputs.root().to_owned();
    let mut files = Files {
        inputs,
        present: BTreeSet::new(),
        texts: BTreeMap::new(),
    };
    let presets = presets::all()?;
    let mut applied: Vec<Applied<'_>> = Vec::new();
    let mut below = None;
    for preset in &presets {
        let mut directories = Vec::new();
        if files.any(preset.detect_files()) {
            directories.push(String::new());
        } else if preset.is_language() {
            let below = below.get_or_insert_with(|| directories_below(root));
            let holds = |directory: &&String| {
                let mut names = preset.detect_files();
                names.any(|name| root.join(directory.as_str()).join(name).is_file())
            };
            directories.extend(below.iter().filter(holds).take(PLACES).cloned());
        }
        if !directories.is_empty() {
            applied.push(Applied {
                preset,
                directories,
                members: Vec::new(),
            });
        }
    }
    // Without a file in the root there is no project here, only projects below.
    if !applied.iter().any(|one| one.directories == [""]) {
        applied.clear();
    }
    let mut notes = Vec::new();
    for one in &mut applied {
        files.read(one)?;
        notes.extend(files.read_members(one)?);
    }
    if !applied.is_empty() {
        files.notice(presets.iter().flat_map(Preset::hint_files));
    }
    let fitted = presets::fit(&presets, &applied, &files.present, &files.texts)?;
    let files = inputs.seen().into_iter().map(Path::to_owned).collect();
    Ok(Detection {
        layers: fitted.layers,
        notes: notes.into_iter().chain(fitted.notes).collect(),
        presets: applied
            .iter()
            .map(|one| one.preset.name().to_owned())
            .collect(),
        files,
    })
}

/// Returns whether a directory is the root of a workspace of any language.
pub fn is_workspace(directory: &Path) -> bool {
    // What cannot be read says nothing; who goes on to read the project is told.
    let names = presets::workspace_files().unwrap_or_default();
    names.iter().any(|name| {
        let bytes = peek(&directory.join(name));
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
    // A directory that cannot be read has nothing to say.
    let Ok(entries) = root.join(directory).read_dir() else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .take(4 * BELOW)
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') && !FOREIGN.contains(&name.as_str()))
        .map(|name| format!("{directory}{name}/"))
        // A repository within the repository is somebody else's.
        .filter(|path| !root.join(path).join(".git").exists())
        .collect();
    names.sort();
    names
}

/// The files of a repository, as far as they were looked at.
struct Files<'a> {
    inputs: &'a mut Inputs,
    present: BTreeSet<String>,
    texts: BTreeMap<String, Text>,
}

impl Files<'_> {
    fn any<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> bool {
        // Not only up to the first: each is to be watched.
        names.filter(|name| self.exists(name)).count() > 0
    }

    fn exists(&mut self, name: &str) -> bool {
        if self.inputs.exists(name) {
            self.present.insert(name.to_owned());
        }
        self.present.contains(name)
    }

    /// Looks for files that have no effect, so that nobody needs to watch them.
    fn notice<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        let there = names.filter(|name| self.inputs.root().join(name).is_file());
        self.present.extend(there.map(str::to_owned));
    }

    fn read(&mut self, applied: &Applied<'_>) -> Result<(), Error> {
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
            let text = Text::from_bytes(&name, &bytes)?;
            self.texts.insert(name, text);
        }
        Ok(())
    }

    /// Reads what the members of the preset's workspaces say; tells where there are more than count.
    fn read_members(&mut self, applied: &mut Applied<'_>) -> Result<Vec<Note>, Error> {
        let mut notes = Vec::new();
        for directory in &applied.directories {
            let text = |name: &str| self.texts.get(&format!("{directory}{name}"));
            for members in applied.preset.members(text)? {
                let root = self.inputs.root().join(directory);
                let (found, more) = members::directories(&root, &members);
                let files = found
                    .iter()
                    .map(|member| format!("{directory}{member}{}", members.manifest));
                applied.members.extend(files);
                if more {
                    notes.push(Note {
                        origin: Origin {
                            file: format!("{directory}{}", members.workspace).into(),
                            line: 1,
                        },
                        tool: None,
                        message: format!(
                            "only the bounds of its first {} members count",
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
