//! Checks many absent files through the mtime of their directory.
//!
//! Presets look for dozens of files, of which a repository has a few. None of the others has appeared while the mtime
//! of the directory is the same, so one test is enough for all.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    project::watch::{self, StampFiles},
    shell::AbsentGroup,
    util::files::Stamp,
};

/// Fewest absent files for which their directory is checked instead.
const FEW: usize = 4;

/// Returns the files to test one by one, and groups of files whose directory is tested.
///
/// Reads the stamp of each directory before it looks at its files: a file that appears in between is noticed.
pub(super) fn group_by_directory(
    absent: Vec<PathBuf>,
    stamps: &StampFiles,
    now: SystemTime,
) -> (Vec<PathBuf>, Vec<AbsentGroup>) {
    let mut directories: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for file in absent {
        let parent = file.parent().unwrap_or(&file).to_owned();
        directories.entry(parent).or_default().push(file);
    }
    let mut by_existing: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for (directory, files) in directories {
        // A file in a missing directory cannot appear without a change of the nearest existing parent.
        let existing = directory.ancestors().find(|path| path.is_dir());
        let existing = existing.unwrap_or(&directory).to_owned();
        by_existing.entry(existing).or_default().extend(files);
    }
    let (mut single, mut groups) = (Vec::new(), Vec::new());
    for (directory, absent) in by_existing {
        let carrier = if absent.len() < FEW {
            None
        } else {
            carrier(&directory, stamps, now)
        };
        match carrier.filter(|_| absent.iter().all(|file| file.symlink_metadata().is_err())) {
            Some(stamp) => groups.push(AbsentGroup {
                directory,
                stamp,
                absent,
            }),
            None => single.extend(absent),
        }
    }
    (single, groups)
}

/// Returns the stamp file of a directory, if its next change certainly gets another mtime.
fn carrier(directory: &Path, stamps: &StampFiles, now: SystemTime) -> Option<PathBuf> {
    let stamp = Stamp::of(directory).filter(|stamp| !watch::is_recent(stamp, now))?;
    stamps.carrier(&stamp)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_directory_is_tested_instead_of_many_files() {
        let directory = tempfile::tempdir().unwrap();
        let (root, stamps) = (
            directory.path().join("p"),
            StampFiles::new(directory.path()),
        );
        std::fs::create_dir(&root).unwrap();
        let names = ["a", "b", "c", "below/d"];
        let files: Vec<PathBuf> = names.iter().map(|name| root.join(name)).collect();
        let later = SystemTime::now() + Duration::from_secs(9);
        let (single, groups) = group_by_directory(files.clone(), &stamps, later);
        assert!(single.is_empty());
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].directory, root);
        assert_eq!(groups[0].absent.len(), 4);
        // A change in the same clock tick would be missed.
        let (single, groups) = group_by_directory(files.clone(), &stamps, SystemTime::now());
        assert_eq!((single.len(), groups.len()), (4, 0));
        // A few files are tested one by one, and so are groups in which a file has appeared.
        let (single, _) = group_by_directory(files[..3].to_vec(), &stamps, later);
        assert_eq!(single.len(), 3);
        std::fs::write(&files[1], "").unwrap();
        let (single, groups) = group_by_directory(files, &stamps, later);
        assert_eq!((single.len(), groups.len()), (4, 0));
    }
}
