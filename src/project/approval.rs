//! Approvals: nothing of a project is executed, fetched or exported before the user allowed its content.
//!
//! Invariant: only `project` creates a `Trusted` value, and only from the bytes whose meaning was compared with the approval.
//! Approvals are in the user's data directory, never in the project.

mod all;
mod denial;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::util::{binary, files};

pub use all::{ApprovalDecision, ProjectDecision};
pub use denial::Denial;

use super::{approval_summary::Facts, repository::Repository};

/// A value that comes from content the user allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted<T>(T);

impl<T> Trusted<T> {
    /// Marks a value as trusted. Only `Project` may do this, for a value from an allowed project.
    pub(super) const fn new(value: T) -> Self {
        Self(value)
    }

    pub const fn get(&self) -> &T {
        &self.0
    }

    pub(super) fn into_inner(self) -> T {
        self.0
    }
}

/// A value that the user trusts, or the reason for a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustCheck<T> {
    /// Yes.
    Trusted(Trusted<T>),
    /// No, for this reason.
    Refused(ApprovalState),
}

/// The facts that the user approved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The facts that the manifests alone say. They are compared first, before lockfiles are read.
    pub manifest: Facts,
    /// All facts.
    pub all: Facts,
}

impl Approval {
    /// Reads an approval of the project at `root`; a damaged one counts as none.
    pub fn from_bytes(bytes: &[u8], root: &Path) -> Option<Self> {
        let stored: StoredApproval = binary::decode(bytes).ok()?;
        let fits = stored.head.format == FORMAT && stored.head.root == root;
        fits.then_some(stored.approval)
    }
}

/// An approval of another worktree of the same repository.
#[derive(Debug, Clone)]
pub(super) struct WorktreeApproval {
    /// The root of the project there.
    pub(super) root: PathBuf,
    pub(super) approval: Approval,
    /// The Python packages that may run their own build.
    pub(super) package_builds: BTreeSet<String>,
    /// The files that record it.
    pub(super) basis: [PathBuf; 3],
}

/// The names of the programs that each tool may put on `PATH`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovedPrograms {
    /// The names by tool.
    pub names: BTreeMap<String, BTreeSet<String>>,
    /// The digests of the lock entries that were approved with each tool. A build of one brings its names.
    pub entries: BTreeMap<String, BTreeSet<[u8; 16]>>,
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
pub enum ApprovalState {
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
const FORMAT: u64 = 4;
/// The directories of decisions about a project, and about all worktrees of a repository.
const ALLOWED: &str = "allow";
const DENIED: &str = "deny";
const WORKTREES: &str = "worktrees";
const PROGRAMS: &str = "programs";
const PACKAGE_BUILDS: &str = "package-builds";
const KINDS: [&str; 3] = [ALLOWED, DENIED, WORKTREES];
/// The most approvals that are kept for all worktrees of a repository.
const MAX_WORKTREES: usize = 64;

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

    /// Records that the user allows these facts of a project.
    pub fn allow(&self, root: &Path, approval: &Approval) -> Result<(), files::Error> {
        let path = self.approval_path(root);
        files::own_dir(path.parent().unwrap_or(&self.data))?;
        files::write_atomic(&path, &encode(root, approval))?;
        self.lift_denial(root)
    }

    /// Removes the approval of programs and builds of a project that is not approved any more.
    pub fn forget_ended(&self, root: &Path) -> Result<(), files::Error> {
        if self.approval(root)?.is_none() {
            remove(&self.programs_path(root))?;
            remove(&self.package_builds_path(root))?;
        }
        Ok(())
    }

    /// Records that the same facts are allowed in every worktree of the repository.
    pub(super) fn allow_worktrees(
        &self,
        root: &Path,
        repository: &Repository,
        approval: &Approval,
    ) -> Result<(), files::Error> {
        let directory = self.worktrees_path(repository);
        files::own_dir(&directory)?;
        let name = blake3::hash(&binary::encode(&approval.all)).to_hex();
        files::write_atomic(&directory.join(name.as_str()), &encode(root, approval))?;
        let mut all: Vec<_> = files::list(&directory)?
            .into_iter()
            .map(|path| (files::Stamp::of(&path).map(|stamp| stamp.mtime), path))
            .collect();
        all.sort();
        for (_, path) in all.iter().rev().skip(MAX_WORKTREES) {
            remove(path)?;
        }
        Ok(())
    }

    /// Returns what is allowed in all worktrees of a repository, as long as it is allowed where it was approved.
    pub(super) fn worktree_approvals(&self, repository: &Repository) -> Vec<WorktreeApproval> {
        let files = files::list(&self.worktrees_path(repository)).unwrap_or_default();
        let read = |path: PathBuf| {
            let bytes = files::read_private(&path, LIMIT).ok()??;
            let root = root_of(&bytes)?;
            let approval = Approval::from_bytes(&bytes, &root)?;
            let stands = self.approval(&root).ok()?.is_some() && !self.is_denied(&root);
            let basis = [path, self.approval_path(&root), self.denial_path(&root)];
            let package_builds = self.package_builds(&root).ok()?;
            stands.then_some(WorktreeApproval {
                root,
                approval,
                package_builds,
                basis,
            })
        };
        files.into_iter().filter_map(read).collect()
    }

    /// Returns the approved programs of the project at `root`; a damaged list counts as none.
    pub fn programs(&self, root: &Path) -> Result<Option<ApprovedPrograms>, files::Error> {
        let bytes = files::read_private(&self.programs_path(root), LIMIT)?;
        Ok(bytes.and_then(|bytes| binary::decode(&bytes).ok()))
    }

    /// Records the approved programs of the project at `root`.
    pub fn set_programs(
        &self,
        root: &Path,
        programs: &ApprovedPrograms,
    ) -> Result<(), files::Error> {
        let path = self.programs_path(root);
        files::own_dir(path.parent().unwrap_or(&self.data))?;
        files::write_atomic(&path, &binary::encode(programs))
    }

    /// Returns the Python packages of the project at `root` that may run their own build; a damaged list counts as empty.
    pub fn package_builds(&self, root: &Path) -> Result<BTreeSet<String>, files::Error> {
        let bytes = files::read_private(&self.package_builds_path(root), LIMIT)?;
        let names = bytes.and_then(|bytes| binary::decode(&bytes).ok());
        Ok(names.unwrap_or_default())
    }

    /// Records the Python packages of the project at `root` that may run their own build.
    pub fn set_package_builds(
        &self,
        root: &Path,
        packages: &BTreeSet<String>,
    ) -> Result<(), files::Error> {
        let path = self.package_builds_path(root);
        files::own_dir(path.parent().unwrap_or(&self.data))?;
        files::write_atomic(&path, &binary::encode(packages))
    }

    fn package_builds_path(&self, root: &Path) -> PathBuf {
        self.data.join(PACKAGE_BUILDS).join(project_key(root))
    }

    fn programs_path(&self, root: &Path) -> PathBuf {
        self.data.join(PROGRAMS).join(project_key(root))
    }

    fn worktrees_path(&self, repository: &Repository) -> PathBuf {
        let identity = (repository.common.as_os_str(), repository.below.as_os_str());
        let key = key_of(&binary::encode(&identity));
        self.data.join(WORKTREES).join(key)
    }

    /// Removes temporary files of killed writers.
    pub fn sweep(&self) {
        for kind in [ALLOWED, DENIED, PROGRAMS, PACKAGE_BUILDS] {
            files::sweep_temporaries(&self.data.join(kind));
        }
        for directory in files::list(&self.data.join(WORKTREES)).unwrap_or_default() {
            files::sweep_temporaries(&directory);
        }
    }

    /// Removes what was allowed for all worktrees because it was allowed at `root`.
    fn forget_worktrees(&self, root: &Path) -> Result<(), files::Error> {
        for directory in files::list(&self.data.join(WORKTREES))? {
            for path in files::list(&directory)? {
                let bytes = files::read_private(&path, LIMIT)?;
                if bytes.and_then(|bytes| root_of(&bytes)).as_deref() == Some(root) {
                    remove(&path)?;
                }
            }
        }
        Ok(())
    }
}

fn encode(root: &Path, approval: &Approval) -> Vec<u8> {
    binary::encode(&StoredApproval {
        head: ApprovalHead {
            format: FORMAT,
            root: root.to_owned(),
        },
        approval: approval.clone(),
    })
}

/// Returns the root of the project of a stored approval.
fn root_of(bytes: &[u8]) -> Option<PathBuf> {
    let head: ApprovalHead = binary::decode_head(bytes).ok()?;
    (head.format == FORMAT).then_some(head.root)
}

/// Returns the name of devsh's private files for the project at `root`.
pub fn project_key(root: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    key_of(root.as_os_str().as_bytes())
}

fn key_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..32].to_owned()
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
    use crate::project::approval_summary::Fact;

    fn approval(text: &str) -> Approval {
        let mut facts = Facts::new();
        facts.add("fact", &[], Fact::new(text, "file")).unwrap();
        Approval {
            manifest: Facts::new(),
            all: facts,
        }
    }

    #[test]
    fn an_approval_ends_with_a_denial() {
        let directory = tempfile::tempdir().unwrap();
        let decisions = Decisions::new(directory.path());
        let root = Path::new("/a project\nof mine");
        let known = || decisions.approval(root).unwrap();
        assert_eq!(known(), None);
        let programs = ApprovedPrograms {
            names: [("ruff".to_owned(), BTreeSet::new())].into(),
            entries: [("ruff".to_owned(), BTreeSet::from([[1; 16]]))].into(),
        };
        let builds = BTreeSet::from(["stem".to_owned()]);
        for text in ["one", "two"] {
            decisions.forget_ended(root).unwrap();
            decisions.allow(root, &approval(text)).unwrap();
            assert_eq!(known(), Some(approval(text)));
            decisions.set_programs(root, &programs).unwrap();
            decisions.set_package_builds(root, &builds).unwrap();
        }
        assert_eq!(decisions.approval(Path::new("/a")).unwrap(), None);
        assert_eq!(decisions.programs(root).unwrap(), Some(programs));
        assert_eq!(decisions.package_builds(root).unwrap(), builds);
        decisions.deny(root, true).unwrap();
        assert_eq!(known(), None);
        decisions.forget_ended(root).unwrap();
        decisions.allow(root, &approval("one")).unwrap();
        assert!(!decisions.is_denied(root));
        assert_eq!(decisions.programs(root).unwrap(), None);
        assert!(decisions.package_builds(root).unwrap().is_empty());
    }

    #[test]
    fn an_approval_of_another_path_or_damaged_counts_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let decisions = Decisions::new(directory.path());
        let (one, two) = (Path::new("/one"), Path::new("/two"));
        decisions.allow(one, &approval("x")).unwrap();
        std::fs::copy(decisions.approval_path(one), decisions.approval_path(two)).unwrap();
        assert_eq!(decisions.approval(two).unwrap(), None);
        let whole = std::fs::read(decisions.approval_path(one)).unwrap();
        for end in 0..whole.len() {
            std::fs::write(decisions.approval_path(one), &whole[..end]).unwrap();
            assert_eq!(decisions.approval(one).unwrap(), None, "{end}");
        }
    }
}
