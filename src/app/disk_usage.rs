//! Disk usage by project and object; shared objects count once in the total.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    builder::inventory::{EntryKind, Inventory, object_name, short_digest},
    report::failure::Failure,
};

use super::{collect_garbage::budget_of, gc_roots::Roots, session::Session};

/// The JSON form is part of the interface.
#[derive(Debug, Serialize)]
pub struct DiskUsage {
    pub projects: Vec<ProjectUsage>,
    pub objects: Vec<ObjectUsage>,
    pub total_bytes: u64,
    /// Used by more than one project.
    pub shared_bytes: u64,
    /// Used by no project and no process.
    pub unused_bytes: u64,
    /// The unused bytes that `devsh gc` would free with the current settings.
    pub freed_bytes: u64,
}

#[derive(Debug, Serialize)]
pub struct ProjectUsage {
    pub root: PathBuf,
    pub bytes: u64,
    /// Used by this project only.
    pub own_bytes: u64,
}

#[derive(Debug, Serialize)]
pub struct ObjectUsage {
    pub name: String,
    /// The tool and its version.
    pub tool: String,
    /// The beginning of the digest.
    pub id: String,
    pub bytes: u64,
    pub files: u64,
    pub projects: usize,
}

/// Measures the store and the profiles.
pub fn disk_usage(session: &Session<'_>) -> Result<DiskUsage, Failure> {
    let data = &session.context.directories.data;
    let inventory = Inventory::of(data)?;
    let roots = Roots::find(session.context)?;
    let by_project = roots.by_project(&inventory);
    let mut users: BTreeMap<&Path, usize> = BTreeMap::new();
    for path in by_project.values().flatten() {
        *users.entry(path).or_default() += 1;
    }
    let size = |path: &Path| {
        inventory
            .entries
            .get(path)
            .map_or(0, |entry| entry.size.bytes)
    };
    let sum = |paths: &BTreeSet<PathBuf>, wanted: &dyn Fn(usize) -> bool| -> u64 {
        let users = |path: &Path| users.get(path).copied().unwrap_or_default();
        let paths = paths.iter().filter(|path| wanted(users(path)));
        paths.map(|path| size(path)).sum()
    };
    let all: BTreeSet<PathBuf> = inventory.entries.keys().cloned().collect();
    let live = inventory.reached(roots.all());
    let mut projects: Vec<ProjectUsage> = by_project
        .iter()
        .map(|(root, paths)| ProjectUsage {
            root: root.to_path_buf(),
            bytes: sum(paths, &|_| true),
            own_bytes: sum(paths, &|users| users == 1),
        })
        .collect();
    projects.sort_by(|one, other| (other.bytes, &one.root).cmp(&(one.bytes, &other.root)));
    let mut objects: Vec<ObjectUsage> = inventory
        .entries
        .iter()
        .filter(|(_, entry)| entry.kind == EntryKind::Object)
        .map(|(path, entry)| ObjectUsage {
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            tool: object_name(path).to_owned(),
            id: short_digest(path).to_owned(),
            bytes: entry.size.bytes,
            files: entry.size.files,
            projects: users.get(path.as_path()).copied().unwrap_or_default(),
        })
        .collect();
    objects.sort_by(|one, other| (other.bytes, &one.name).cmp(&(one.bytes, &other.name)));
    let budget = budget_of(session, session.config()?.gc);
    let freed = inventory.choose(&live, budget).into_iter().collect();
    Ok(DiskUsage {
        projects,
        objects,
        total_bytes: sum(&all, &|_| true),
        shared_bytes: sum(&all, &|users| users > 1),
        unused_bytes: sum(&all.difference(&live).cloned().collect(), &|_| true),
        freed_bytes: sum(&freed, &|_| true),
    })
}
