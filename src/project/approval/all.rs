//! Lists all decisions of the user, and removes those of projects that no longer exist.

use std::path::{Path, PathBuf};

use super::{
    ALLOWED, DENIED, Decisions, Denial, LIMIT, PACKAGE_BUILDS, PROGRAMS, WORKTREES, denial,
    project_key, remove, root_of,
};
use crate::util::{binary, files};

/// The user's decision about one project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProjectDecision {
    /// The project's root.
    pub root: PathBuf,
    pub decision: ApprovalDecision,
}

/// A decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApprovalDecision {
    /// Some content of the project is allowed.
    Allowed,
    /// The project is denied, with any content.
    Denied,
}

impl Decisions {
    /// Returns every decision, by path.
    pub fn all(&self) -> Result<Vec<ProjectDecision>, files::Error> {
        let mut all = Vec::new();
        for (path, name) in entries(&self.data.join(ALLOWED))? {
            let bytes = files::read_private(&path, LIMIT)?;
            let root = bytes.and_then(|bytes| root_of(&bytes));
            all.extend(
                root.filter(|root| project_key(root) == name)
                    .map(|root| ProjectDecision {
                        root,
                        decision: ApprovalDecision::Allowed,
                    }),
            );
        }
        for (path, name) in entries(&self.data.join(DENIED))? {
            if name.starts_with(denial::OTHER) {
                continue;
            }
            let bytes = files::read_own(&path, LIMIT)?.unwrap_or_default();
            let denial = binary::decode::<Denial>(&bytes).ok();
            // A denial counts by its name, also if the content is damaged.
            let root = denial
                .map(|denial| denial.root)
                .filter(|root| project_key(root) == name)
                .unwrap_or(path);
            all.push(ProjectDecision {
                root,
                decision: ApprovalDecision::Denied,
            });
        }
        all.sort();
        Ok(all)
    }

    /// Removes approvals that cannot be read or whose projects no longer exist; returns the roots of the latter.
    ///
    /// Denials stay, and apply when a project returns.
    pub fn prune(&self) -> Result<Vec<PathBuf>, files::Error> {
        let known = self.all()?;
        let (there, gone): (Vec<_>, Vec<_>) = known
            .into_iter()
            .filter(|decided| decided.decision == ApprovalDecision::Allowed)
            .map(|decided| decided.root)
            .partition(|root| root.is_dir());
        for (path, name) in entries(&self.data.join(ALLOWED))? {
            if !there.iter().any(|root| project_key(root) == name) {
                remove(&path)?;
                remove(&self.data.join(PROGRAMS).join(&name))?;
                remove(&self.data.join(PACKAGE_BUILDS).join(name))?;
            }
        }
        for (place, _) in entries(&self.data.join(WORKTREES))? {
            for (path, _) in entries(&place)? {
                let bytes = files::read_private(&path, LIMIT)?.unwrap_or_default();
                let root = root_of(&bytes);
                if root.is_none_or(|root| !there.contains(&root)) {
                    remove(&path)?;
                }
            }
            // Removing fails if there is still an approval in it.
            let _not_empty = std::fs::remove_dir(&place);
        }
        Ok(gone)
    }
}

/// Returns the entries of a directory with their names.
fn entries(directory: &Path) -> Result<Vec<(PathBuf, String)>, files::Error> {
    let entries = match directory.read_dir() {
        Ok(entries) => entries,
        Err(error) if files::is_absent(&error) => {
            files::check_absent(directory)?;
            return Ok(Vec::new());
        }
        Err(error) => return Err(files::at("read", directory)(error)),
    };
    let named =
        |entry: std::fs::DirEntry| Some((entry.path(), entry.file_name().into_string().ok()?));
    Ok(entries.flatten().filter_map(named).collect())
}
