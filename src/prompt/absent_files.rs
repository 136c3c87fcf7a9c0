//! Files that must not appear, watched through their directory.
//!
//! A repository of a kind that presets know has dozens of files that it could have and has not. While the
//! modification time of the directory is the same none of them has appeared, so that one test answers for all.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    project::watch::{self, StampFiles},
    shell::Shelter,
    util::files::Stamp,
};

/// The fewest files of a directory for which it is looked at.
const FEW: usize = 4;

/// Returns the files that are to be tested one by one, and those for which their directory answers.
///
/// Each directory is looked at before its files, so that what appears in between is seen.
pub(super) fn shelter(
    absent: Vec<PathBuf>,
    stamps: &StampFiles,
    now: SystemTime,
) -> (Vec<PathBuf>, Vec<Shelter>) {
    let mut directories: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for file in absent {
        let parent = file.parent().unwrap_or(&file).to_owned();
        directories.entry(parent).or_default().push(file);
    }
    let mut groups: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for (directory, files) in directories {
        // What lies in a directory that is not there cannot appear without it.
        let there = directory.ancestors().find(|path| path.is_dir());
        let there = there.unwrap_or(&directory).to_owned();
        groups.entry(there).or_default().extend(files);
    }
    let (mut single, mut sheltered) = (Vec::new(), Vec::new());
    for (directory, absent) in groups {
        let carrier = if absent.len() < FEW {
            None
        } else {
            carrier(&directory, stamps, now)
        };
        match carrier.filter(|_| absent.iter().all(|file| file.symlink_metadata().is_err())) {
            Some(stamp) => sheltered.push(Shelter {
                directory,
                stamp,
                absent,
            }),
            None => single.extend(absent),
        }
    }
    (single, sheltered)
}

/// Returns the stamp file of a directory whose next change is sure to have another time.
fn carrier(directory: &Path, stamps: &StampFiles, now: SystemTime) -> Option<PathBuf> {
    let stamp = Stamp::of(directory).filter(|stamp| !watch::is_recent(stamp, now))?;
    stamps.carrier(&stamp)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_directory_answers_for_many_files() {
        let directory = tempfile::tempdir().unwrap();
        let (root, stamps) = (
            directory.path().join("p"),
            StampFiles::new(directory.path()),
        );
        std::fs::create_dir(&root).unwrap();
        let names = ["a", "b", "c", "below/d"];
        let files: Vec<PathBuf> = names.iter().map(|name| root.join(name)).collect();
        let later = SystemTime::now() + Duration::from_secs(9);
        let (single, sheltered) = shelter(files.clone(), &stamps, later);
        assert!(single.is_empty());
        assert_eq!(sheltered.len(), 1);
        assert_eq!(sheltered[0].directory, root);
        assert_eq!(sheltered[0].absent.len(), 4);
        // A change in the same tick would not be seen.
        let (single, sheltered) = shelter(files.clone(), &stamps, SystemTime::now());
        assert_eq!((single.len(), sheltered.len()), (4, 0));
        // A few are tested one by one, and so is what has appeared meanwhile.
        let (single, _) = shelter(files[..3].to_vec(), &stamps, later);
        assert_eq!(single.len(), 3);
        std::fs::write(&files[1], "").unwrap();
        let (single, sheltered) = shelter(files, &stamps, later);
        assert_eq!((single.len(), sheltered.len()), (4, 0));
    }
}
