//! GC roots: the leases of running processes, and the paths in the records of allowed projects.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    builder::inventory::Inventory, context::Context, project::approval::Decisions,
    prompt::record::Record, report::failure::Failure, store::leases, util::files,
};

/// Returns whether a project is there, or cannot be seen now.
pub fn may_exist(root: &Path) -> bool {
    match root.metadata() {
        Ok(found) => found.is_dir(),
        Err(error) => !files::is_absent(&error),
    }
}

/// The paths that are in use.
#[derive(Debug, Default)]
pub struct Roots {
    /// Leased by running builds, commands and host shells.
    pub leased: Vec<PathBuf>,
    /// Named by the records of each allowed project.
    pub projects: BTreeMap<PathBuf, Vec<PathBuf>>,
}

impl Roots {
    /// Reads the leases first: a build that ends has stored a record before.
    ///
    /// A lease or record that cannot be read may name a root, so that is an error. A denial that cannot be looked up counts
    /// elsewhere, and here it would remove what is in use.
    pub fn find(context: &Context) -> Result<Self, Failure> {
        let data = &context.directories.data;
        let leased = leases::leased(data)?;
        let decisions = Decisions::new(data);
        let mut projects: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
        for (root, needs) in Record::needs(&context.directories.state)? {
            // Only a trusted project has a record: by an approval, by a rule, or by another worktree's approval.
            if may_exist(&root) && !matches!(decisions.denial(&root), Ok(Some(_))) {
                projects.entry(root).or_default().extend(needs);
            }
        }
        Ok(Self { leased, projects })
    }

    /// Returns all paths.
    pub fn all(&self) -> impl Iterator<Item = &PathBuf> {
        let projects = self.projects.values().flatten();
        self.leased.iter().chain(projects)
    }

    /// Returns the entries that each project reaches.
    pub fn by_project(&self, inventory: &Inventory) -> BTreeMap<&Path, BTreeSet<PathBuf>> {
        self.projects
            .iter()
            .map(|(root, paths)| (root.as_path(), inventory.reached(paths)))
            .collect()
    }
}
