//! The lockfile formats, each read into one model.
//!
//! Invariant: a name, version, digest or address that was read is one word, so it can be part of a line of
//! requirements without becoming an option.

mod built;
mod built_metadata;
mod fields;
mod pdm;
mod pipfile;
mod pipfile_project;
mod poetry;
mod poetry_bounds;
mod poetry_project;
mod pylock;
mod pylock_wheels;
mod pyproject;
mod requirement_lines;
mod requirement_location;
mod requirements;
mod unlocked_project;
mod uv;
mod uv_sources;

use std::collections::BTreeMap;

use super::lock::PythonLock;
use crate::manifest::{Error, PythonLockFormat, Text, decode_utf16};

pub use pylock_wheels::{PackageWheels, read_pylock_wheels};
pub use pyproject::{SourceDirectories, source_directories};
pub use requirements::{PinnedRequirement, included_lists, named_directories, read_pinned};

/// A lockfile and the files that belong to it.
#[derive(Debug, Clone)]
pub struct LockFiles {
    pub lock: Text,
    /// The `pyproject.toml` in the same directory.
    pub project: Option<Text>,
    /// A digest of the files that decide what the build system says about the project.
    pub inputs: String,
    /// The name that a `setup.cfg` or `setup.py` in the same directory gives the project.
    pub setup_name: Option<String>,
    /// For a list of requirements: the lists that it includes and those of groups, by name.
    pub lists: BTreeMap<String, Text>,
    /// For a list of requirements: the name of the list of each group.
    pub groups: BTreeMap<String, String>,
    /// The `pyproject.toml` of each directory that a list of requirements or a project without a lockfile installs, by
    /// the directory.
    pub directories: BTreeMap<String, Text>,
}

impl LockFiles {
    /// Returns a lockfile without further files.
    pub fn single(lock: Text) -> Self {
        Self {
            lock,
            project: None,
            inputs: String::new(),
            setup_name: None,
            lists: BTreeMap::new(),
            groups: BTreeMap::new(),
            directories: BTreeMap::new(),
        }
    }
}

/// Returns the text of a list of requirements by its byte order mark or its declared encoding, as pip does.
///
/// A list that is neither is read as Latin-1, because its requirements are ASCII and only comments can differ.
pub fn decode_list(name: &str, bytes: &[u8]) -> Text {
    let text = decode_utf16(bytes).unwrap_or_else(|| match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    });
    Text::new(name, &text)
}

/// Reads a lockfile; its name decides the format.
pub fn read_lock(files: &LockFiles) -> Result<PythonLock, Error> {
    let path = files.lock.file();
    let mut lock = match PythonLockFormat::of(path) {
        Some(PythonLockFormat::Uv) => uv::read(&files.lock)?,
        Some(PythonLockFormat::Poetry) => poetry::read(&files.lock, files.project.as_ref())?,
        Some(PythonLockFormat::Pdm) => pdm::read(&files.lock, files.project.as_ref())?,
        Some(PythonLockFormat::Pylock) => pylock::read(&files.lock)?,
        Some(PythonLockFormat::Pipfile) => pipfile::read(&files.lock)?,
        Some(PythonLockFormat::PipfileProject) => pipfile_project::read(&files.lock)?,
        Some(PythonLockFormat::Requirements) => requirements::read(files)?,
        Some(PythonLockFormat::Project) => unlocked_project::read_project(files)?,
        Some(PythonLockFormat::Setup) => built::read(files)?,
        None => {
            let message = "not a lockfile that devsh reads";
            return Err(fields::lock_error(&files.lock, 0..0, message));
        }
    };
    if let Some(project) = &files.project {
        fields::set_default_groups(project, &mut lock)?;
    }
    Ok(lock)
}
