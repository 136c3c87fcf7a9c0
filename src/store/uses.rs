//! What a process is about to use: written down before it looks whether it is there.
//!
//! The collector reads this after it has moved something aside. So either the process sees that an object is
//! gone and makes it anew, or the collector sees that it is wanted and puts it back.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::Path,
    sync::{Mutex, PoisonError},
};

use tempfile::NamedTempFile;

use super::process::ProcessMark;
use crate::fsx;

/// The directory, below the store.
const DIRECTORY: &str = ".uses";

/// The file of one process, removed when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Uses(Mutex<Option<NamedTempFile>>);

impl Uses {
    /// Writes down that the entry `name` is used from now on.
    pub(super) fn add(&self, store: &Path, name: &str) -> Result<(), fsx::Error> {
        let mut own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = store.join(DIRECTORY);
        if own.is_none() {
            fsx::create_private_dir(&directory)?;
            let made = tempfile::Builder::new()
                .prefix(&format!("{}.", ProcessMark::current()))
                .tempfile_in(&directory);
            *own = Some(made.map_err(fsx::at("write", &directory))?);
        }
        // One write, so that nobody reads half a line.
        let line = format!("{name}\n");
        own.as_mut()
            .map_or(Ok(()), |file| file.write_all(line.as_bytes()))
            .map_err(fsx::at("write", &directory))
    }
}

/// Returns what running processes use; the files of those that ended are removed.
pub(super) fn in_use(store: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let entries = fs::read_dir(store.join(DIRECTORY));
    for entry in entries.into_iter().flatten().flatten() {
        let file = entry.file_name();
        let mark = file
            .to_str()
            .and_then(|name| name.parse::<ProcessMark>().ok());
        if mark.is_some_and(ProcessMark::is_alive) {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            names.extend(text.lines().map(str::to_owned));
        } else {
            let _left = fs::remove_file(entry.path());
        }
    }
    names
}
