//! Denials: a denied project is not used, with any content and by any path.
//!
//! A denial is recorded under the path of the project, its place in its repository, and the identity of its directory, so
//! that it also covers what is in the directory, other worktrees, and the directory under another name. Invariant: only a
//! record that does not exist is no denial. If that cannot be found out, the project counts as denied.

use std::{
    collections::BTreeSet,
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{DENIED, Decisions, LIMIT, key_of, project_key, remove};
use crate::{
    project::repository::{ClaimedRepositories, Repository},
    util::{binary, files},
};

/// The prefix of the names of records that are not under the path of the project.
pub(super) const OTHER: &str = "of-";

/// A denial that the user made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The root of the denied project.
    #[serde(with = "binary::path")]
    pub root: PathBuf,
    /// True if it includes the directories below. The home directory is the only project without.
    includes_below: bool,
    /// The names of its other records.
    others: Vec<String>,
}

impl Decisions {
    /// Returns the path of the denial of the project at `root`.
    pub fn denial_path(&self, root: &Path) -> PathBuf {
        self.denials().join(project_key(root))
    }

    /// Records that the user denies the project, with any content, and everything below unless it is the home directory.
    pub fn deny(&self, root: &Path, includes_below: bool) -> Result<(), files::Error> {
        // This needs no space on the disk.
        let forgotten = remove(&self.approval_path(root));
        let forgotten = self.forget_worktrees(root).and(forgotten);
        let directory = self.denials();
        files::own_dir(&directory)?;
        // Builds remove old temporary files in other directories, but a denial starts none.
        files::sweep_temporaries(&directory);
        // The repository of another project that this one only claims is not denied with it.
        // One that cannot be found has no name to record, and counts as denied itself.
        let claimed = ClaimedRepositories::around(root).unwrap_or_default();
        let claimed = claimed.repositories.into_iter();
        let claimed = claimed.filter(|one| !one.common.ends_with(".git"));
        let repositories = Repository::all_around(root).chain(claimed);
        let repositories = repositories.map(|one| repository_record(&one.common, &one.below));
        // A repository that confirms the project is in both lists.
        let others: BTreeSet<String> = repositories.chain(directory_record(root)).collect();
        let denial = Denial {
            root: root.to_owned(),
            includes_below,
            others: others.into_iter().collect(),
        };
        let bytes = binary::encode(&denial);
        for name in denial.others.iter().chain([&project_key(root)]) {
            files::write_atomic(&directory.join(name), &bytes)?;
        }
        forgotten
    }

    /// Returns whether the user denied the project at `root`, also if that cannot be found out.
    pub fn is_denied(&self, root: &Path) -> bool {
        !matches!(self.denial(root), Ok(None))
    }

    /// Returns the denial that covers the project at `root`: its own, that of a directory around it or around its
    /// repository, or that of another worktree of its repository.
    pub fn denial(&self, root: &Path) -> Result<Option<Denial>, files::Error> {
        let records = self.denial_records()?;
        if records.is_empty() {
            return Ok(None);
        }
        if let Some(denial) = self.denial_around(root, &records)? {
            return Ok(Some(denial));
        }
        let claimed = ClaimedRepositories::around(root)?;
        for place in &claimed.places[1..] {
            if let Some(denial) = self.denial_around(place, &records)? {
                return Ok(Some(denial));
            }
        }
        for repository in &claimed.repositories {
            for below in repository.below.ancestors() {
                let name = repository_record(&repository.common, below);
                if records.contains(&name)
                    && let Some(denial) = self.read_denial(&name, &repository.common)?
                {
                    return Ok(Some(denial));
                }
            }
        }
        Ok(None)
    }

    /// Returns the denial of a directory or of one around it.
    fn denial_around(
        &self,
        place: &Path,
        records: &BTreeSet<String>,
    ) -> Result<Option<Denial>, files::Error> {
        for directory in place.ancestors() {
            let names = [Some(project_key(directory)), directory_record(directory)];
            for name in names.into_iter().flatten() {
                if records.contains(&name)
                    && let Some(denial) = self.read_denial(&name, directory)?
                    && (directory == place || denial.includes_below)
                {
                    return Ok(Some(denial));
                }
            }
        }
        Ok(None)
    }

    /// Returns the names of all records, so that a name without a record costs no system call.
    fn denial_records(&self) -> Result<BTreeSet<String>, files::Error> {
        let directory = self.denials();
        let entries = match directory.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                files::check_absent(&directory)?;
                return Ok(BTreeSet::new());
            }
            Err(error) => return Err(files::at("read", &directory)(error)),
        };
        let names = entries.map(|entry| entry.map(|one| one.file_name().to_string_lossy().into()));
        let names: io::Result<_> = names.collect();
        names.map_err(files::at("read", &directory))
    }

    /// Removes the denial of the project at `root`, if it has one of its own.
    pub(super) fn lift_denial(&self, root: &Path) -> Result<(), files::Error> {
        // The directory may have had another path when it was denied.
        for name in [Some(project_key(root)), directory_record(root)]
            .into_iter()
            .flatten()
        {
            let Some(denial) = self.read_denial(&name, root)? else {
                continue;
            };
            for other in denial
                .others
                .iter()
                .chain([&project_key(&denial.root), &name])
            {
                remove(&self.denials().join(other))?;
            }
        }
        Ok(())
    }

    fn denials(&self) -> PathBuf {
        self.data.join(DENIED)
    }

    /// Returns the denial in the record `name`; a damaged one is a denial of `directory`.
    fn read_denial(&self, name: &str, directory: &Path) -> Result<Option<Denial>, files::Error> {
        let path = self.denials().join(name);
        if !exists(&path)? {
            return Ok(None);
        }
        let bytes = files::read_own(&path, LIMIT).ok().flatten();
        let denial = bytes.and_then(|bytes| binary::decode(&bytes).ok());
        Ok(Some(denial.unwrap_or_else(|| Denial {
            root: directory.to_owned(),
            includes_below: true,
            others: Vec::new(),
        })))
    }
}

fn exists(path: &Path) -> Result<bool, files::Error> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(files::at("read", path)(error)),
    }
}

/// Returns the name of the record for a place in a repository, which all its worktrees share.
fn repository_record(common: &Path, below: &Path) -> String {
    let identity = (common.as_os_str().as_bytes(), below.as_os_str().as_bytes());
    format!("{OTHER}{}", key_of(&binary::encode(&identity)))
}

/// Returns the name of the record for a directory, which stays when it is renamed or mounted elsewhere.
///
/// Nothing without a time of creation: another directory could have the same number later.
fn directory_record(directory: &Path) -> Option<String> {
    let metadata = directory.metadata().ok()?;
    let created = files::creation_time(directory)?;
    let identity = (metadata.dev(), metadata.ino(), created.as_nanos());
    Some(format!("{OTHER}{}", key_of(&binary::encode(&identity))))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::project::repository::{MAX_DIRECTORIES, MAX_REPOSITORIES};

    #[test]
    fn a_denial_covers_subdirectories_and_other_names() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().canonicalize().unwrap();
        let decisions = Decisions::new(&place.join("data"));
        let (denied, other) = (place.join("denied"), place.join("other"));
        fs::create_dir_all(denied.join("a/b")).unwrap();
        fs::create_dir(&other).unwrap();
        assert!(!decisions.is_denied(&denied));
        decisions.deny(&denied, true).unwrap();
        for below in ["", "a", "a/b"] {
            assert!(decisions.is_denied(&denied.join(below)), "{below}");
        }
        assert!(!decisions.is_denied(&other) && !decisions.is_denied(&place));
        let renamed = place.join("renamed");
        fs::rename(&denied, &renamed).unwrap();
        if directory_record(&renamed).is_some() {
            assert!(decisions.is_denied(&renamed.join("a")));
        }
        decisions.lift_denial(&renamed).unwrap();
        decisions.lift_denial(&denied).unwrap();
        assert!(!decisions.is_denied(&renamed) && !decisions.is_denied(&denied));
        decisions.deny(&place, false).unwrap();
        assert!(decisions.is_denied(&place) && !decisions.is_denied(&other));
    }

    #[test]
    fn a_project_in_too_many_repositories_counts_as_denied() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().canonicalize().unwrap();
        let decisions = Decisions::new(&place.join("data"));
        let mut root = place.clone();
        for _ in 0..MAX_REPOSITORIES {
            root = root.join("a");
            fs::create_dir_all(root.join(".git")).unwrap();
        }
        let inner = root.join("a");
        fs::create_dir_all(inner.join(".git")).unwrap();
        assert!(!decisions.is_denied(&inner), "there is no denial at all");
        decisions.deny(&place.join("other"), true).unwrap();
        assert!(!decisions.is_denied(&root));
        let error = decisions.denial(&inner).unwrap_err().source.to_string();
        assert!(error.contains("more than 16 Git repositories"), "{error}");
    }

    #[test]
    fn a_project_below_too_many_directories_counts_as_denied() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().canonicalize().unwrap();
        let decisions = Decisions::new(&place.join("data"));
        decisions.deny(&place.join("other"), true).unwrap();
        let below = |depth| place.join("a/".repeat(depth));
        let deep = below(MAX_DIRECTORIES);
        fs::create_dir_all(&deep).unwrap();
        assert!(!decisions.is_denied(&below(MAX_DIRECTORIES / 2)));
        let error = decisions.denial(&deep).unwrap_err().source.to_string();
        assert!(error.contains("more than 512 directories"), "{error}");
    }

    #[test]
    fn a_denial_that_cannot_be_read_counts() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().canonicalize().unwrap();
        let decisions = Decisions::new(&place.join("data"));
        decisions.deny(&place.join("a"), true).unwrap();
        fs::write(decisions.denial_path(&place.join("b")), "damaged").unwrap();
        assert!(decisions.is_denied(&place.join("b/c")));
        // A symlink that leads to itself can neither be read nor be found absent.
        fs::remove_dir_all(place.join("data/deny")).unwrap();
        fs::write(place.join("data/deny"), "").unwrap();
        assert!(decisions.is_denied(&place.join("c")));
    }
}
