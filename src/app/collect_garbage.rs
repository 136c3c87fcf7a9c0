//! Garbage collection: removes entries that no allowed project, host shell, command or build uses.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::Serialize;

use crate::{
    builder::inventory::{Budget, EntryKind, Inventory, short_digest},
    config::{
        Keep,
        units::{parse_bytes, parse_span},
    },
    prompt::{
        record::{Record, project_directory},
        session_var,
    },
    report::failure::Failure,
    store::{self, Store, leases},
    util::files,
};

use super::{
    build_files::BuildTraces,
    gc_roots::{Roots, may_exist},
    session::Session,
};

/// The time for which the download of a Python package, or an interrupted one, is kept.
const PARTIAL: Duration = Duration::from_hours(7 * 24);
/// The time for which a session is kept after its host shell ended: a program that the shell started may still have it.
const SESSION: Duration = Duration::from_hours(30 * 24);

/// The entries that were or would be removed. The JSON form is part of the interface.
#[derive(Debug, Serialize)]
pub struct GcReport {
    pub dry_run: bool,
    pub removed: Vec<RemovedEntry>,
    pub removed_bytes: u64,
    pub kept_bytes: u64,
}

#[derive(Debug, Serialize)]
pub struct RemovedEntry {
    pub path: PathBuf,
    pub bytes: u64,
    pub kind: RemovedKind,
    /// The tool and its version, or the content of a profile.
    pub name: String,
    /// The beginning of the digest, which distinguishes entries of one name.
    pub id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RemovedKind {
    Object,
    Profile,
    /// A Python environment of an older version of devsh.
    Environment,
    /// The download of a Python package, or an interrupted one.
    Download,
    /// An unfinished build of Python packages.
    Build,
}

impl From<EntryKind> for RemovedKind {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Object => Self::Object,
            EntryKind::Profile => Self::Profile,
            EntryKind::Environment => Self::Environment,
        }
    }
}

/// The options of `devsh gc`, as typed.
#[derive(Debug, Clone, Copy, Default)]
pub struct GcLimits<'a> {
    /// Keep what was used within this span, for example `30d`.
    pub older_than: Option<&'a str>,
    /// Keep the most recently used entries up to this size, for example `20G`.
    pub keep_size: Option<&'a str>,
}

/// Removes unused entries, or with `dry_run` only lists them.
pub fn collect_garbage(
    session: &Session<'_>,
    limits: GcLimits<'_>,
    dry_run: bool,
) -> Result<GcReport, Failure> {
    let budget = budget(session, &limits)?;
    let data = &session.context.directories.data;
    let store = Store::open(data);
    if !store.root().is_dir() && !data.join("envs").is_dir() {
        return Ok(GcReport {
            dry_run,
            removed: Vec::new(),
            removed_bytes: 0,
            kept_bytes: 0,
        });
    }
    if !dry_run {
        return collect(session, &store, budget);
    }
    let inventory = Inventory::of(data)?;
    let live = inventory.reached(Roots::find(session.context)?.all());
    let gone = inventory.choose(&live, budget);
    let mut report = report(&inventory, &gone, true);
    report.extend(RemovedKind::Download, partials(session));
    report.extend(RemovedKind::Build, unfinished(data, true));
    Ok(report)
}

/// Returns the limits of the command line or, where it has none, those of the settings.
fn budget(session: &Session<'_>, limits: &GcLimits) -> Result<Budget, Failure> {
    let span = limits.older_than.map(parse_span).transpose();
    let size = limits.keep_size.map(parse_bytes).transpose();
    let mut keep = Keep {
        older_than: span?,
        size: size?,
    };
    if keep == Keep::default() {
        keep = session.config()?.gc;
    }
    Ok(budget_of(session, keep))
}

/// Returns the limits relative to the current time.
pub fn budget_of(session: &Session<'_>, keep: Keep) -> Budget {
    let before = |span| session.context.now.checked_sub(span);
    Budget {
        // A span that is longer than time itself keeps everything.
        unused_since: keep
            .older_than
            .map(|span| before(span).unwrap_or(SystemTime::UNIX_EPOCH)),
        keep: keep.size,
    }
}

fn collect(session: &Session<'_>, store: &Store, budget: Budget) -> Result<GcReport, Failure> {
    let data = &session.context.directories.data;
    let progress = session.reporter.progress();
    let meter = progress.start("the store", "reading", None);
    // This reads the whole store, so other commands need not wait for it.
    let mut inventory = Inventory::of(data)?;
    let wait = || {
        session
            .reporter
            .note("waiting for other commands that use the store");
    };
    let mut collection = store.collect(wait)?;
    inventory.update()?;
    let used = inventory.reached(Roots::find(session.context)?.all());
    let gone = inventory.choose(&used, budget);
    let bytes = |path| {
        let entry: Option<_> = inventory.entries.get(path);
        entry.map_or(0, |entry| entry.size.bytes)
    };
    meter.step("cleaning", Some(gone.iter().map(bytes).sum()));
    for path in &gone {
        collection.discard(path)?;
        meter.advance(bytes(path));
    }
    collection.finish()?;
    meter.finish();
    remove_empty(&data.join("python"));
    prune_sessions(session);
    forget_gone_projects(session);
    let mut report = report(&inventory, &gone, false);
    for (path, size) in partials(session) {
        if fs::remove_file(&path).is_ok() {
            report.extend(RemovedKind::Download, [(path, size)]);
        }
    }
    report.extend(RemovedKind::Build, unfinished(data, false));
    Ok(report)
}

/// Removes what is known about projects that are gone.
fn forget_gone_projects(session: &Session<'_>) {
    let state = &session.context.directories.state;
    // A record that cannot be read or removed is only a leftover.
    for (root, _) in Record::all(state).unwrap_or_default() {
        if !may_exist(&root) && !BuildTraces::new(session.context, &root).is_building() {
            let _kept = store::remove_tree(&project_directory(state, &root));
        }
    }
}

/// Removes the sessions of host shells that ended long ago.
fn prune_sessions(session: &Session<'_>) {
    let context = session.context;
    let Ok(first) = leases::first_shell_lease(&context.directories.data) else {
        return;
    };
    let (Some(old), first) = (
        context.now.checked_sub(SESSION),
        first.unwrap_or(context.now),
    ) else {
        return;
    };
    session_var::prune(&context.directories.state, old.min(first));
}

fn report(inventory: &Inventory, gone: &[PathBuf], dry_run: bool) -> GcReport {
    let size = |path: &Path| {
        let entry = inventory.entries.get(path);
        entry.map_or(0, |entry| entry.size.bytes)
    };
    let total: u64 = inventory
        .entries
        .values()
        .map(|entry| entry.size.bytes)
        .sum();
    let removed: Vec<RemovedEntry> = gone
        .iter()
        .map(|path| RemovedEntry {
            path: path.clone(),
            bytes: size(path),
            kind: inventory
                .entries
                .get(path)
                .map_or(RemovedKind::Object, |entry| entry.kind.into()),
            name: inventory.name(path),
            id: short_digest(path).to_owned(),
        })
        .collect();
    let removed_bytes = removed.iter().map(|one| one.bytes).sum();
    GcReport {
        dry_run,
        removed,
        removed_bytes,
        kept_bytes: total - removed_bytes,
    }
}

impl GcReport {
    fn extend(&mut self, kind: RemovedKind, files: impl IntoIterator<Item = (PathBuf, u64)>) {
        for (path, bytes) in files {
            self.removed_bytes += bytes;
            let name = path.file_name().unwrap_or_default();
            self.removed.push(RemovedEntry {
                name: name.to_string_lossy().into_owned(),
                id: String::new(),
                path,
                bytes,
                kind,
            });
        }
    }
}

/// Returns downloads of packages and interrupted ones that are old and that no process reads or resumes now.
fn partials(session: &Session<'_>) -> Vec<(PathBuf, u64)> {
    let directory = session.context.directories.cache.join("downloads");
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let old = |path: &Path| {
        let found = fs::symlink_metadata(path).ok()?;
        let age = session
            .context
            .now
            .duration_since(found.modified().ok()?)
            .ok()?;
        let lock = files::open_lock(path).ok()?;
        let free = files::try_lock(&lock).unwrap_or(false);
        (age > PARTIAL && free).then_some(found.len())
    };
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "partial"))
        .filter_map(|path| old(&path).map(|size| (path, size)))
        .collect()
}

/// Removes unfinished builds of Python packages; a `dry_run` only lists them.
fn unfinished(data: &Path, dry_run: bool) -> Vec<(PathBuf, u64)> {
    let entries = fs::read_dir(data.join("building")).into_iter().flatten();
    let paths = entries.flatten().map(|entry| entry.path());
    let places = paths.filter(|path| path.extension().is_none_or(|end| end != "lock"));
    let removed = |path: PathBuf| {
        // Held until the directory is gone: no build may begin in it.
        let lock = files::open_lock(&path.with_extension("lock")).ok()?;
        if !files::try_lock(&lock).unwrap_or(false) {
            return None;
        }
        let size = store::size_of(&path).bytes;
        let gone = dry_run || store::remove_any(&path).is_ok();
        gone.then_some((path, size))
    };
    places.filter_map(removed).collect()
}

/// Removes empty directories below `directory`.
fn remove_empty(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        // This fails for one that is not empty.
        let _left = fs::remove_dir(entry.path());
    }
}
