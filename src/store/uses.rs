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
///
/// An error says that not everything could be seen.
pub(super) fn in_use(store: &Path) -> Result<BTreeSet<String>, fsx::Error> {
    let mut names = BTreeSet::new();
    for path in fsx::list(&store.join(DIRECTORY))? {
        if ProcessMark::of_file(&path).is_some_and(ProcessMark::is_alive) {
            match fs::read_to_string(&path) {
                Ok(text) => names.extend(text.lines().map(str::to_owned)),
                Err(error) if fsx::is_absent(&error) => {}
                Err(error) => return Err(fsx::at("read", &path)(error)),
            }
        } else {
            let _left = fs::remove_file(&path);
        }
    }
    Ok(names)
}
