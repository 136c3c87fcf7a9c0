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
use crate::util::files;

/// The directory, below the store.
const DIRECTORY: &str = ".uses";

/// The file of one process, locked as long as it is of use, and removed when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Uses(Mutex<Option<NamedTempFile>>);

impl Uses {
    /// Writes down that the entry `name` is used from now on.
    pub(super) fn add(&self, store: &Path, name: &str) -> Result<(), files::Error> {
        let mut own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = store.join(DIRECTORY);
        while own.is_none() {
            files::create_private_dir(&directory)?;
            let made = tempfile::Builder::new()
                .prefix(&format!("{}.", ProcessMark::current()))
                .tempfile_in(&directory);
            let made = made.map_err(files::at("write", &directory))?;
            match made.as_file().lock() {
                Err(error) if !files::lacks_locks(&error) => {
                    return Err(files::at("lock", made.path())(error));
                }
                _ => {}
            }
            // Somebody who does not see this process may have swept it before it was locked.
            *own = made.path().exists().then_some(made);
        }
        // One write, so that nobody reads half a line.
        let line = format!("{name}\n");
        own.as_mut()
            .map_or(Ok(()), |file| file.write_all(line.as_bytes()))
            .map_err(files::at("write", &directory))
    }
}

/// Returns what running processes use; the files of those that ended are removed.
///
/// An error says that not everything could be seen.
pub(super) fn in_use(store: &Path) -> Result<BTreeSet<String>, files::Error> {
    let mut names = BTreeSet::new();
    for path in files::list(&store.join(DIRECTORY))? {
        if ProcessMark::of_file(&path).is_some_and(ProcessMark::is_alive) || is_locked(&path) {
            match fs::read_to_string(&path) {
                Ok(text) => names.extend(text.lines().map(str::to_owned)),
                Err(error) if files::is_absent(&error) => {}
                Err(error) => return Err(files::at("read", &path)(error)),
            }
        } else {
            let _left = fs::remove_file(&path);
        }
    }
    Ok(names)
}

/// Returns whether the file's process holds it, which may run where its number says nothing: in another container.
fn is_locked(path: &Path) -> bool {
    let file = fs::File::open(path);
    file.is_ok_and(|file| !files::try_lock(&file).unwrap_or(false))
}
