//! Approvals: nothing of a project is executed, fetched or exported before the user allowed its content.
//!
//! Invariant: only `project` creates a `Trusted` value, and only from the bytes that were compared with the approval.
//! Approvals are in the user's data directory, never in the project.

mod all;
mod denial;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::util::{binary, files};

pub use all::{ApprovalDecision, ProjectDecision};
pub use denial::Denial;

use super::{reader::Closure, repository::Repository};

/// A value that comes from content the user allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted<T>(T);

impl<T> Trusted<T> {
    /// Marks a value as trusted. Only `Project` may do this, for a value from an allowed closure.
    pub(super) const fn new(value: T) -> Self {
        Self(value)
    }

    pub const fn get(&self) -> &T {
        &self.0
    }
}

/// Whether the user trusts a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustCheck<T> {
    /// Yes.
    Trusted(Trusted<T>),
    /// No, for this reason.
    Refused(Standing),
}

/// The content that the user approved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Names of the inputs with the digests of their bytes.
    pub inputs: BTreeMap<String, Option<[u8; 32]>>,
    /// The summary of the project at that time, for the comparison at the next approval.
    pub facts: BTreeMap<String, String>,
}

impl Approval {
    /// Reads an approval of the project at `root`; a damaged one counts as none.
    pub fn from_bytes(bytes: &[u8], root: &Path) -> Option<Self> {
        let stored: StoredApproval = binary::decode(bytes).ok()?;
        let fits = stored.head.format == FORMAT && stored.head.root == root;
        fits.then_some(stored.approval)
    }
}

/// The file of an approval.
#[derive(Serialize, Deserialize)]
struct StoredApproval {
    head: ApprovalHead,
    approval: Approval,
}

/// The beginning of that file. The root protects against a copied file and a collision of names.
#[derive(Serialize, Deserialize)]
struct ApprovalHead {
    format: u64,
    #[serde(with = "binary::path")]
    root: PathBuf,
}

/// The state of the user's decision about a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its content is approved.
    Allowed,
    /// Earlier content was approved.
    Changed,
    /// There is no decision.
    Unknown,
    /// The user denied it.
    Denied,
}

/// The user's decisions, by project.
#[derive(Debug, Clone)]
pub struct Decisions {
    data: PathBuf,
}

/// Longest approval that is read, in bytes.
const LIMIT: u64 = 16 << 20;
/// The version of an approval's form, raised with every change of it.
const FORMAT: u64 = 2;
/// The directories of decisions about a project, and about all worktrees of a repository.
const ALLOWED: &str = "allow";
const DENIED: &str = "deny";
const WORKTREES: &str = "worktrees";
const KINDS: [&str; 3] = [ALLOWED, DENIED, WORKTREES];

impl Decisions {
    /// Returns the decisions below devsh's data directory.
    pub fn new(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
        }
    }

    /// Returns the path of the approval of the project at `root`.
    pub fn approval_path(&self, root: &Path) -> PathBuf {
        self.data.join(ALLOWED).join(project_key(root))
    }

    /// Returns whether the file at `path` is part of a decision.
    pub fn holds(&self, path: &Path) -> bool {
        let below = path.strip_prefix(&self.data).ok();
        below.is_some_and(|below| KINDS.iter().any(|kind| below.starts_with(kind)))
    }

    /// Returns whether any content of the project at `root` was allowed, here or in another worktree.
    pub fn is_known(&self, root: &Path) -> bool {
        let there = |path: &Path| path.symlink_metadata().is_ok();
        let is_worktree = || {
            root.join(".git")
                .symlink_metadata()
                .is_ok_and(|metadata| metadata.is_file())
        };
        there(&self.approval_path(root))
            || is_worktree()
                && Repository::of(root)
                    .is_some_and(|repository| there(&self.worktrees_path(&repository)))
    }

    /// Returns the last approval of the project at `root`; a damaged one counts as none.
    pub fn approval(&self, root: &Path) -> Result<Option<Approval>, files::Error> {
        let bytes = files::read_private(&self.approval_path(root), LIMIT)?;
        Ok(bytes.and_then(|bytes| Approval::from_bytes(&bytes, root)))
    }

    /// Compares a closure with the user's decision.
    pub fn standing(&self, root: &Path, closure: &Closure) -> Result<Standing, files::Error> {
        if self.denial(root)?.is_some() {
            return Ok(Standing::Denied);
        }
        Ok(match self.approval(root)? {
            Some(approval) if approval.inputs == *closure.approved() => Standing::Allowed,
            Some(_) => Standing::Changed,
            None => Standing::Unknown,
        })
    }

    /// Records that the user allows a closure.
    pub fn allow(
        &self,
        root: &Path,
        closure: &Closure,
        facts: BTreeMap<String, String>,
    ) -> Result<(), files::Error> {
        let path = self.approval_path(root);
        files::own_dir(path.parent().unwrap_or(&self.data))?;
        let stored = StoredApproval {
            head: ApprovalHead {
                format: FORMAT,
                root: root.to_owned(),
            },
            approval: Approval {
                inputs: closure.approved().clone(),
                facts,
            },
        };
        files::write_atomic(&path, &binary::encode(&stored))?;
        self.lift_denial(root)
    }

    /// Records that the same content is allowed in every worktree of the repository.
    pub(super) fn allow_worktrees(
        &self,
        root: &Path,
        repository: &Repository,
        closure: &Closure,
    ) -> Result<(), files::Error> {
        use std::os::unix::ffi::OsStrExt;
        let directory = self.worktrees_path(repository);
        files::own_dir(&directory)?;
        let path = directory.join(name_of(closure));
        files::write_atomic(&path, root.as_os_str().as_bytes())
    }

    /// Returns the files that record that this content is allowed in another worktree, if it is.
    pub(super) fn allowed_worktree(
        &self,
        repository: &Repository,
        closure: &Closure,
    ) -> Option<[PathBuf; 3]> {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let path = self.worktrees_path(repository).join(name_of(closure));
        let bytes = files::read_private(&path, LIMIT).ok()??;
        let root = Path::new(OsStr::from_bytes(&bytes));
        let (approval, denial) = (self.approval_path(root), self.denial_path(root));
        let allowed = self.approval(root).ok()?.is_some() && !self.is_denied(root);
        allowed.then_some([path, approval, denial])
    }

    fn worktrees_path(&self, repository: &Repository) -> PathBuf {
        let identity = (repository.common.as_os_str(), repository.below.as_os_str());
        let key = key_of(&binary::encode(&identity));
        self.data.join(WORKTREES).join(key)
    }

    /// Removes what was allowed for all worktrees because it was allowed at `root`.
    fn forget_worktrees(&self, root: &Path) -> Result<(), files::Error> {
        use std::os::unix::ffi::OsStrExt;
        let entries = |path: &Path| {
            let found = std::fs::read_dir(path).into_iter().flatten().flatten();
            found.map(|entry| entry.path()).collect::<Vec<_>>()
        };
        let repositories = entries(&self.data.join(WORKTREES));
        for path in repositories.iter().flat_map(|path| entries(path)) {
            let holder = files::read_private(&path, LIMIT)?;
            if holder.as_deref() == Some(root.as_os_str().as_bytes()) {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

/// Returns the name of devsh's private files for the project at `root`.
pub fn project_key(root: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    key_of(root.as_os_str().as_bytes())
}

fn key_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..32].to_owned()
}

/// Returns a name for a closure: the digest of its content.
fn name_of(closure: &Closure) -> String {
    let content = binary::encode(closure.approved());
    blake3::hash(&content).to_hex().to_string()
}

fn remove(path: &Path) -> Result<(), files::Error> {
    match std::fs::remove_file(path) {
        Err(error) if !files::is_absent(&error) => Err(files::at("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::reader::Inputs;

    fn closure(files: &[(&str, Option<&str>)]) -> Closure {
        let directory = tempfile::tempdir().unwrap();
        let mut inputs = Inputs::at(directory.path());
        for (name, content) in files {
            if let Some(content) = content {
                std::fs::write(directory.path().join(name), content).unwrap();
            }
            inputs.approved(name).unwrap();
        }
        inputs.close()
    }

    #[test]
    fn every_change_needs_a_new_approval() {
        let directory = tempfile::tempdir().unwrap();
        let decisions = Decisions::new(directory.path());
        let root = Path::new("/a project\nof mine");
        let (manifest, local) = ("devshell.toml", "devshell.local.toml");
        let allowed = closure(&[(manifest, Some("x")), (local, None)]);
        let standing = |closure: &Closure| decisions.standing(root, closure).unwrap();
        assert_eq!(standing(&allowed), Standing::Unknown);
        decisions.allow(root, &allowed, BTreeMap::new()).unwrap();
        assert_eq!(standing(&allowed), Standing::Allowed);
        for changed in [
            closure(&[(manifest, Some("y")), (local, None)]),
            closure(&[(manifest, Some("x")), (local, Some(""))]),
            closure(&[(manifest, Some("x"))]),
            closure(&[(manifest, None), (local, None)]),
        ] {
            assert_eq!(standing(&changed), Standing::Changed);
        }
        assert_eq!(
            decisions.standing(Path::new("/a"), &allowed).unwrap(),
            Standing::Unknown
        );
        decisions.deny(root, true).unwrap();
        assert_eq!(standing(&allowed), Standing::Denied);
        decisions.allow(root, &allowed, BTreeMap::new()).unwrap();
        assert_eq!(standing(&allowed), Standing::Allowed);
    }

    #[test]
    fn an_approval_of_another_path_or_damaged_counts_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let decisions = Decisions::new(directory.path());
        let (one, two) = (Path::new("/one"), Path::new("/two"));
        decisions
            .allow(one, &closure(&[]), BTreeMap::new())
            .unwrap();
        std::fs::copy(decisions.approval_path(one), decisions.approval_path(two)).unwrap();
        assert_eq!(
            decisions.standing(two, &closure(&[])).unwrap(),
            Standing::Unknown
        );
        let whole = std::fs::read(decisions.approval_path(one)).unwrap();
        for end in 0..whole.len() {
            std::fs::write(decisions.approval_path(one), &whole[..end]).unwrap();
            assert_eq!(
                decisions.standing(one, &closure(&[])).unwrap(),
                Standing::Unknown,
                "{end}"
            );
        }
    }
}
