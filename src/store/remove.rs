//! Removal and size of trees; no symlink is followed.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    thread,
    time::Duration,
};

use crate::util::files;

/// Attempts to remove a directory that gets new files.
const ATTEMPTS: u32 = 50;
/// The time between two of them.
const PAUSE: Duration = Duration::from_millis(10);

/// Disk usage of a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes on disk.
    pub bytes: u64,
    /// Files.
    pub files: u64,
}

/// Files with several names that were counted: the devices and numbers of their inodes.
pub type CountedFiles = BTreeSet<(u64, u64)>;

/// Returns the disk usage of everything below `path`; a file with several names counts once.
pub fn size_of(path: &Path) -> Size {
    size_without(path, &mut CountedFiles::new())
}

/// Returns the disk usage of everything below `path` but of the files that were counted before, and adds those to `seen`.
pub fn size_without(path: &Path, seen: &mut CountedFiles) -> Size {
    let mut size = Size::default();
    let mut pending = vec![path.to_owned()];
    while let Some(path) = pending.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        if metadata.nlink() > 1
            && !metadata.is_dir()
            && !seen.insert((metadata.dev(), metadata.ino()))
        {
            continue;
        }
        size.bytes += metadata.blocks() * 512;
        size.files += 1;
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            pending.extend(entries.map(|entry| entry.path()));
        }
    }
    size
}

/// Removes a directory and all below it, following no link; an absent one is no error.
pub fn remove_tree(path: &Path) -> Result<(), files::Error> {
    let removed = match remove_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(path);
            remove_directory(path)
        }
        removed => removed,
    };
    match removed {
        Err(error) if !files::is_absent(&error) => Err(files::at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a directory into which a Python may be writing bytecode, which ends with its modules.
fn remove_directory(path: &Path) -> io::Result<()> {
    for _ in 1..ATTEMPTS {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => thread::sleep(PAUSE),
            removed => return removed,
        }
    }
    fs::remove_dir_all(path)
}

/// Removes a file, a link, or a directory and all below it; an absent one is no error.
pub fn remove_any(path: &Path) -> Result<(), files::Error> {
    if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        remove_tree(path)
    } else {
        remove_file(path)
    }
}

/// Removes a file; an absent one is no error.
pub fn remove_file(path: &Path) -> Result<(), files::Error> {
    match fs::remove_file(path) {
        Err(error) if !files::is_absent(&error) => Err(files::at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Lets the entries of every directory below `path` be removed.
fn make_writable(path: &Path) {
    // The second removal reports an error here.
    let _left = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}
