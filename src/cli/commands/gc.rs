//! `devsh gc`: removes entries that no allowed project, host shell, command or build uses.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::Serialize;

use crate::report::paths::display_path;
use crate::{
    builder::collect::{Budget, EntryKind, Inventory},
    config::{
        Keep,
        units::{bytes, parse_bytes, parse_span},
    },
    prompt::session_var,
    report::{failure::Failure, ui::Ui},
    store::{self, Store, leases},
    util::{files, terminal_text::SafeText},
};

use crate::{
    app::{gc_roots::Roots, session::Session},
    cli::args::Gc,
};

/// How long an interrupted download is kept.
const PARTIAL: Duration = Duration::from_hours(7 * 24);
/// How long a session is kept after its host shell ended: a program that the shell started may still have it.
const SESSION: Duration = Duration::from_hours(30 * 24);

/// The entries that were or would be removed. The JSON form is part of the interface.
#[derive(Debug, Serialize)]
struct GcReport {
    dry_run: bool,
    removed: Vec<RemovedEntry>,
    removed_bytes: u64,
    kept_bytes: u64,
}

#[derive(Debug, Serialize)]
struct RemovedEntry {
    path: PathBuf,
    bytes: u64,
}

/// Runs `devsh gc`.
pub fn run(session: &Session<'_>, ui: &Ui, options: &Gc) -> Result<(), Failure> {
    let budget = budget(session, options)?;
    let data = &session.context.directories.data;
    let store = Store::open(data);
    let report = if !store.root().is_dir() && !data.join("envs").is_dir() {
        GcReport {
            dry_run: options.dry_run,
            removed: Vec::new(),
            removed_bytes: 0,
            kept_bytes: 0,
        }
    } else if options.dry_run {
        let inventory = Inventory::of(data)?;
        let live = inventory.reached(Roots::find(session.context)?.all());
        let gone = inventory.choose(&live, budget);
        let mut report = report(&inventory, &gone, true);
        report.extend(partials(session));
        report.extend(unfinished(data, true));
        report
    } else {
        collect(session, ui, &store, budget)?
    };
    if options.json {
        return ui.json(&report);
    }
    ui.listing(&render(session, ui, &report))
}

/// Returns the limits of the command line or, where it has none, those of the settings.
fn budget(session: &Session<'_>, options: &Gc) -> Result<Budget, Failure> {
    let span = options.older_than.as_deref().map(parse_span).transpose();
    let size = options.keep_size.as_deref().map(parse_bytes).transpose();
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

fn collect(
    session: &Session<'_>,
    ui: &Ui,
    store: &Store,
    budget: Budget,
) -> Result<GcReport, Failure> {
    let data = &session.context.directories.data;
    // This reads the whole store, so other commands need not wait for it.
    let mut inventory = Inventory::of(data)?;
    let wait = || {
        ui.note("waiting for other commands that use the store");
    };
    let mut collection = store.collect(wait)?;
    inventory.update()?;
    let used = inventory.reached(Roots::find(session.context)?.all());
    let gone = inventory.choose(&used, budget);
    for path in &gone {
        collection.discard(path)?;
    }
    collection.finish()?;
    remove_empty(&data.join("python"));
    prune_sessions(session);
    let mut report = report(&inventory, &gone, false);
    for (path, size) in partials(session) {
        if fs::remove_file(&path).is_ok() {
            report.extend([(path, size)]);
        }
    }
    report.extend(unfinished(data, false));
    Ok(report)
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
    fn extend(&mut self, files: impl IntoIterator<Item = (PathBuf, u64)>) {
        for (path, bytes) in files {
            self.removed_bytes += bytes;
            self.removed.push(RemovedEntry { path, bytes });
        }
    }
}

/// Returns downloads that were interrupted long ago and that no process resumes now.
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
        // Held until the directory is gone, so that no build begins in it.
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

fn render(session: &Session<'_>, ui: &Ui, report: &GcReport) -> SafeText {
    let mut lines = SafeText::default();
    let mut line = |text: String| {
        lines.push(text);
        lines.end_line();
    };
    let (mut objects, mut others) = (0, 0);
    for one in &report.removed {
        let kind = kind_of(&one.path);
        if kind == Some(EntryKind::Object) {
            objects += 1;
        } else {
            others += 1;
        }
        if report.dry_run || ui.is_verbose() {
            let path = display_path(session.context, &one.path);
            line(format!("{:>9}  {path}", bytes(one.bytes)));
        }
    }
    if report.removed.is_empty() {
        let kept = bytes(report.kept_bytes);
        line(format!("nothing to remove; {kept} stay"));
        return lines;
    }
    let verb = if report.dry_run {
        "would free"
    } else {
        "freed"
    };
    let plural = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    };
    line(format!(
        "{verb} {}: {} and {}; {} stay",
        bytes(report.removed_bytes),
        plural(objects, "store object"),
        plural(others, "smaller thing"),
        bytes(report.kept_bytes),
    ));
    lines
}

fn kind_of(path: &Path) -> Option<EntryKind> {
    let parent = path.parent()?.file_name()?;
    (parent == "store").then_some(EntryKind::Object)
}
