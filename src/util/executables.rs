//! The executable files of a directory.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::files;

/// Returns every executable file of a directory by its name, sorted; names that are not UTF-8 are left out.
pub fn list_executables(directory: &Path) -> Result<Vec<(String, PathBuf)>, files::Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(files::at("read", directory))? {
        let entry = entry.map_err(files::at("read", directory))?;
        let path = entry.path();
        let executable = match fs::metadata(&path) {
            Ok(found) => found.is_file() && found.permissions().mode() & 0o111 != 0,
            // A broken link.
            Err(error) if files::is_absent(&error) => false,
            Err(error) if error.raw_os_error() == Some(nix::libc::ELOOP) => false,
            // Without this error an incomplete profile would count as complete.
            Err(error) => return Err(files::at("read", &path)(error)),
        };
        if let (true, Ok(name)) = (executable, entry.file_name().into_string()) {
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn unreadable_entries_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        symlink("gone", place.join("dangling")).unwrap();
        assert_eq!(list_executables(place).unwrap(), []);
        // Longer than any name can be.
        symlink("x".repeat(300), place.join("tool")).unwrap();
        let error = list_executables(place).unwrap_err();
        assert!(error.path.ends_with("tool"), "{error}");
    }
}
