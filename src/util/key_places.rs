//! The directories of this user's keys, remembered at a place that no variable of the environment names.
//!
//! A dev shell may set `HOME`. Then the environment no longer leads to the key that signed its session, and where the
//! session says that the key is cannot be verified before. Only this user can write the list.

use std::{
    ffi::OsStr,
    fs,
    io::Read as _,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::files;

/// The longest path that is read from the list, in bytes.
const LONGEST: u64 = 4 << 10;

/// Remembers a directory with a key in the first list that can be written. Forgets those that are gone.
pub fn remember(directory: &Path) -> Result<(), files::Error> {
    let mut remembered = Ok(());
    for list in lists() {
        remembered = files::own_dir(&list).and_then(|()| {
            files::write_atomic(&entry(&list, directory), directory.as_os_str().as_bytes())
        });
        if remembered.is_ok() {
            break;
        }
    }
    for entry in lists().iter().flat_map(|list| files::list(list)).flatten() {
        if read(&entry).is_some_and(|directory| !directory.exists()) {
            // Another process may have removed it.
            let _gone = fs::remove_file(entry);
        }
    }
    remembered
}

/// Returns whether this user's devsh has remembered a directory.
pub fn is_remembered(directory: &Path) -> bool {
    let mut entries = lists().into_iter().map(|list| entry(&list, directory));
    entries.any(|entry| read(&entry).is_some_and(|found| found == directory))
}

/// The lists, in the order in which they are tried. The system removes the first one when the user logs out. A system
/// without it has the second one.
fn lists() -> Vec<PathBuf> {
    let user = files::user();
    let runtime = PathBuf::from(format!("/run/user/{user}"));
    let runtime = runtime.is_dir().then(|| runtime.join("devsh"));
    let shared = PathBuf::from(format!("/tmp/devsh-{user}"));
    runtime.into_iter().chain([shared]).collect()
}

fn entry(list: &Path, directory: &Path) -> PathBuf {
    let name = blake3::hash(directory.as_os_str().as_bytes()).to_hex();
    list.join(&name[..32])
}

fn read(entry: &Path) -> Option<PathBuf> {
    let file = files::open_private(entry).ok()??;
    // Systems remove old files of `/tmp`.
    let _kept = file.set_modified(SystemTime::now());
    let mut path = Vec::new();
    file.take(LONGEST).read_to_end(&mut path).ok()?;
    Some(OsStr::from_bytes(&path).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_remembered_until_it_is_gone() {
        let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        assert!(!is_remembered(one.path()));
        remember(one.path()).unwrap();
        assert!(is_remembered(one.path()));
        assert!(!is_remembered(other.path()));
        let gone = one.path().to_owned();
        one.close().unwrap();
        remember(other.path()).unwrap();
        assert!(!is_remembered(&gone));
        assert!(is_remembered(other.path()));
    }
}
