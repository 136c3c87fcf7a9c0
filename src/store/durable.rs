//! Making a tree durable before it gets its name.

use std::{fs::File, path::Path};

use crate::util::files;

/// Makes a directory and all below it durable: one call for the whole file system.
#[cfg(target_os = "linux")]
pub fn sync_tree(directory: &Path) -> Result<(), files::Error> {
    let opened = File::open(directory).map_err(files::at("sync", directory))?;
    nix::unistd::syncfs(opened).map_err(|error| files::at("sync", directory)(error.into()))
}

/// Makes a directory and all below it durable, one file after the other.
#[cfg(not(target_os = "linux"))]
pub fn sync_tree(directory: &Path) -> Result<(), files::Error> {
    for path in files::list(directory)? {
        let found = path.symlink_metadata().map_err(files::at("sync", &path))?;
        if found.is_dir() {
            sync_tree(&path)?;
        } else if found.is_file() {
            let file = File::open(&path).and_then(|file| file.sync_all());
            file.map_err(files::at("sync", &path))?;
        }
    }
    files::sync_dir(directory)
}
