//! Which presets a repository without a manifest gets, and what its own files say about versions.
//!
//! Reads files and runs nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    fsx,
    manifest::{
        self, Layer, Text,
        preset::{self, Preset},
    },
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
}

/// A repository that cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] fsx::Error),
    /// A file does not say what its format allows.
    #[error(transparent)]
    Content(#[from] manifest::Error),
}

/// The longest accepted file, in bytes.
const LIMIT: u64 = 1 << 20;
/// The longest accepted lockfile of another tool; those of great projects have several million bytes.
const LOCK_LIMIT: u64 = 16 << 20;

/// Returns what the files directly in `root` mean.
pub fn detect(root: &Path) -> Result<Detection, Error> {
    let mut files = Files {
        root,
        present: BTreeSet::new(),
        seen: BTreeSet::new(),
        texts: BTreeMap::new(),
    };
    let mut detection = Detection::default();
    for preset in preset::all()? {
        if !files.any(preset.detect_files()) {
            continue;
        }
        files.read(&preset)?;
        detection
            .layers
            .push(preset.fit(&files.present, &files.texts)?);
        detection.presets.push(preset.name().to_owned());
    }
    detection.files = files.seen.into_iter().map(|name| root.join(name)).collect();
    Ok(detection)
}

/// The files of a repository, as far as they were looked at.
struct Files<'a> {
    root: &'a Path,
    seen: BTreeSet<String>,
    present: BTreeSet<String>,
    texts: BTreeMap<String, Text>,
}

impl Files<'_> {
    fn any<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> bool {
        // Not only up to the first: each is to be watched.
        names.filter(|name| self.exists(name)).count() > 0
    }

    fn exists(&mut self, name: &str) -> bool {
        if self.seen.insert(name.to_owned()) && fsx::Stamp::of(&self.root.join(name)).is_some() {
            self.present.insert(name.to_owned());
        }
        self.present.contains(name)
    }

    fn read(&mut self, preset: &Preset) -> Result<(), Error> {
        for name in preset.lock_files() {
            self.exists(name);
        }
        for name in preset.content_files() {
            if !self.exists(name) || self.texts.contains_key(name) {
                continue;
            }
            let lock = Path::new(name).extension().is_some_and(|end| end == "lock");
            let limit = if lock { LOCK_LIMIT } else { LIMIT };
            if let Some(bytes) = fsx::read_bounded(&self.root.join(name), limit)? {
                let text = Text::from_bytes(name, &bytes)?;
                self.texts.insert(name.to_owned(), text);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
