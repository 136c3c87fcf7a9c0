//! What the collector must leave alone, and how much each project takes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    builder::{self, collect::Inventory},
    context::Context,
    project::approval::Decisions,
    prompt::record::Record,
    report::failure::Failure,
    store::{Store, live},
    util::files,
};

use crate::report::hints;

/// Returns whether a project is there, or cannot be seen now.
fn may_be_there(root: &Path) -> bool {
    match root.metadata() {
        Ok(found) => found.is_dir(),
        Err(error) => !files::is_absent(&error),
    }
}

/// Who uses what.
#[derive(Debug, Default)]
pub struct Roots {
    /// What builds under way name.
    pub builds: Vec<PathBuf>,
    /// What running host shells and processes have.
    pub processes: Vec<PathBuf>,
    /// What the records of each allowed project name.
    pub projects: BTreeMap<PathBuf, Vec<PathBuf>>,
}

impl Roots {
    /// Looks in the order in which use is handed on: a build that ends has left a record before.
    ///
    /// What cannot be read may be a root, so that is an error.
    pub fn look(context: &Context, store: &Store) -> Result<Self, Failure> {
        let data = &context.directories.data;
        let seen = |error| hints::file(&error);
        let builds = builder::collect::in_use(data, store).map_err(|error| hints::store(&error))?;
        let mut processes = live::held(data).map_err(seen)?;
        processes.extend(live::mentioned(data).map_err(seen)?);
        let decisions = Decisions::new(data);
        let mut projects: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
        for (root, needs) in Record::needs(&context.directories.state).map_err(seen)? {
            // Only what was trusted has a record: by an approval, by a rule, or by another worktree's approval.
            if may_be_there(&root) && !decisions.is_denied(&root) {
                projects.entry(root).or_default().extend(needs);
            }
        }
        Ok(Self {
            builds,
            processes,
            projects,
        })
    }

    /// Returns all paths.
    pub fn all(&self) -> impl Iterator<Item = &PathBuf> {
        let projects = self.projects.values().flatten();
        self.builds.iter().chain(&self.processes).chain(projects)
    }

    /// Returns what each project reaches.
    pub fn by_project(&self, inventory: &Inventory) -> BTreeMap<&Path, BTreeSet<PathBuf>> {
        self.projects
            .iter()
            .map(|(root, paths)| (root.as_path(), inventory.reached(paths)))
            .collect()
    }
}
