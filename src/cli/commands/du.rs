//! `devsh du`: disk usage by project and object; shared objects count once in the total.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    builder::collect::{EntryKind, Inventory},
    config::units::bytes,
    report::{failure::Failure, style::Role, ui::Ui},
    util::terminal_text::SafeText,
};

use super::gc;
use crate::{
    app::{gc_roots::Roots, session::Session},
    report::paths::display_path,
};

/// The JSON form is part of the interface.
#[derive(Debug, Serialize)]
struct Usage {
    projects: Vec<ProjectUsage>,
    objects: Vec<ObjectUsage>,
    total_bytes: u64,
    /// Used by more than one project.
    shared_bytes: u64,
    /// Used by no project and no process.
    unused_bytes: u64,
    /// The unused bytes that `devsh gc` would free with the current settings.
    freed_bytes: u64,
}

#[derive(Debug, Serialize)]
struct ProjectUsage {
    root: PathBuf,
    bytes: u64,
    /// Used by this project only.
    own_bytes: u64,
}

#[derive(Debug, Serialize)]
struct ObjectUsage {
    name: String,
    bytes: u64,
    files: u64,
    projects: usize,
}

/// Runs `devsh du`.
pub fn run(session: &Session<'_>, ui: &Ui, json: bool, objects: bool) -> Result<(), Failure> {
    let usage = usage(session)?;
    if json {
        return ui.json(&usage);
    }
    ui.listing(&render(session, ui, &usage, objects))
}

fn usage(session: &Session<'_>) -> Result<Usage, Failure> {
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
            bytes: entry.size.bytes,
            files: entry.size.files,
            projects: users.get(path.as_path()).copied().unwrap_or_default(),
        })
        .collect();
    objects.sort_by(|one, other| (other.bytes, &one.name).cmp(&(one.bytes, &other.name)));
    let budget = gc::budget_of(session, session.config()?.gc);
    let freed = inventory.choose(&live, budget).into_iter().collect();
    Ok(Usage {
        projects,
        objects,
        total_bytes: sum(&all, &|_| true),
        shared_bytes: sum(&all, &|users| users > 1),
        unused_bytes: sum(&all.difference(&live).cloned().collect(), &|_| true),
        freed_bytes: sum(&freed, &|_| true),
    })
}

fn render(session: &Session<'_>, ui: &Ui, usage: &Usage, objects: bool) -> SafeText {
    let style = ui.out_style();
    let mut lines = SafeText::default();
    let mut line = |text: SafeText| {
        lines.push(text);
        lines.end_line();
    };
    if objects {
        let head = format!("{:>9}  {:>8}  store object", "size", "projects");
        line(style.paint(Role::Dim, head));
        for one in &usage.objects {
            let (size, projects, name) = (bytes(one.bytes), one.projects, &one.name);
            line(format!("{size:>9}  {projects:>8}  {name}").into());
        }
    } else if !usage.projects.is_empty() {
        let head = format!("{:>9}  {:>9}  project", "size", "its own");
        line(style.paint(Role::Dim, head));
        for one in &usage.projects {
            let root = display_path(session.context, &one.root);
            let (size, own) = (bytes(one.bytes), bytes(one.own_bytes));
            line(format!("{size:>9}  {own:>9}  {root}").into());
        }
    }
    let total = format!(
        "{:>9}  in all, of which {} are shared by several projects",
        bytes(usage.total_bytes),
        bytes(usage.shared_bytes),
    );
    line(total.into());
    if usage.unused_bytes > 0 {
        let unused = bytes(usage.unused_bytes);
        let freed = match usage.freed_bytes {
            0 => "keeps them, as the settings say".to_owned(),
            freed if freed == usage.unused_bytes => "frees them".to_owned(),
            freed => format!("frees {} of them, as the settings say", bytes(freed)),
        };
        line(format!("{unused:>9}  are unused; `devsh gc` {freed}").into());
    }
    lines
}
