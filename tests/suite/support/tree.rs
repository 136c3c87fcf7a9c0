//! Snapshots of a directory, which show that a command wrote nothing.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt, path::Path};

/// All entries below a directory, with all metadata that a write would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree(BTreeMap<String, String>);

impl Tree {
    /// Takes a snapshot of `directory`; a missing one counts as empty.
    pub(crate) fn of(directory: &Path) -> Self {
        let mut entries = BTreeMap::new();
        collect(directory, directory, &mut entries);
        Self(entries)
    }

    /// Asserts that nothing was written since `earlier`.
    #[track_caller]
    pub(crate) fn assert_unchanged_since(&self, earlier: &Self) {
        let changed: Vec<_> = self
            .0
            .iter()
            .filter(|(path, state)| earlier.0.get(*path) != Some(state))
            .map(|(path, state)| format!("{path}: {state}"))
            .chain(
                earlier
                    .0
                    .keys()
                    .filter(|path| !self.0.contains_key(*path))
                    .map(|path| format!("{path}: gone")),
            )
            .collect();
        assert!(
            changed.is_empty(),
            "something was written:\n{}",
            changed.join("\n")
        );
    }

    /// Returns the paths.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn collect(top: &Path, directory: &Path, entries: &mut BTreeMap<String, String>) {
    let Ok(list) = fs::read_dir(directory) else {
        return;
    };
    for entry in list {
        let path = entry.expect("a readable entry").path();
        let metadata = fs::symlink_metadata(&path).expect("it was listed");
        let name = path.strip_prefix(top).expect("it is below");
        entries.insert(
            name.display().to_string(),
            format!(
                "inode {} mode {:o} size {} changed {}.{}",
                metadata.ino(),
                metadata.mode(),
                if metadata.is_dir() {
                    0
                } else {
                    metadata.size()
                },
                metadata.ctime(),
                metadata.ctime_nsec()
            ),
        );
        if metadata.is_dir() {
            collect(top, &path, entries);
        }
    }
}
