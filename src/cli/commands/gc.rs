//! `devsh gc`: removes what no allowed project, running shell or build uses.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::Serialize;

use crate::report::paths::display_path;
use crate::{
    builder::collect::{Budget, Inventory, Kind},
    config::{
        Keep,
        amount::{bytes, parse_bytes, parse_span},
    },
    prompt::session_var,
    report::failure::Failure,
    store::{self, Store, live},
    util::{files, terminal_text::SafeText},
};

use crate::{
    app::{gc_roots::Roots, session::Work},
    cli::args::Gc,
    report::hints,
};

/// Why a collection stopped.
pub struct Stopped(pub Failure);

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<store::Error> for Stopped {
    fn from(error: store::Error) -> Self {
        Self(hints::store(&error))
    }
}

/// How long a download that was cut is kept to be resumed.
const PARTIAL: Duration = Duration::from_hours(7 * 24);
/// How long a session that no process names is kept.
const SESSION: Duration = Duration::from_hours(24);

/// What was or would be removed; the JSON form is part of the interface.
#[derive(Debug, Serialize)]
struct Report {
    dry_run: bool,
    removed: Vec<Removed>,
    removed_bytes: u64,
    kept_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Removed {
    path: PathBuf,
    bytes: u64,
}

/// Runs `devsh gc`.
pub fn run(work: &Work<'_>, options: &Gc) -> Result<(), Failure> {
    let budget = budget(work, options)?;
    let data = &work.context.directories.data;
    let store = Store::open(data);
    let report = if !store.root().is_dir() && !data.join("envs").is_dir() {
        Report {
            dry_run: options.dry_run,
            removed: Vec::new(),
            removed_bytes: 0,
            kept_bytes: 0,
        }
    } else if options.dry_run {
        let inventory = Inventory::of(data).map_err(|error| hints::file(&error))?;
        let live = inventory.reached(Roots::look(work.context, &store)?.all());
        let gone = inventory.choose(&live, budget);
        let mut report = report(&inventory, &gone, true);
        report.extend(partials(work));
        report.extend(unfinished(data, true));
        report
    } else {
        collect(work, &store, budget)?
    };
    if options.json {
        return crate::cli::print_json(work.ui, &report);
    }
    crate::cli::list(work.ui, &render(work, &report))
}

/// Takes the limits of the command line or, where there is none, those of the settings.
fn budget(work: &Work<'_>, options: &Gc) -> Result<Budget, Failure> {
    let usage = |error: crate::package::Invalid| {
        Failure::new(error.to_string()).code(crate::report::failure::ExitStatus::Usage)
    };
    let span = options.older_than.as_deref().map(parse_span).transpose();
    let size = options.keep_size.as_deref().map(parse_bytes).transpose();
    let mut keep = Keep {
        older_than: span.map_err(usage)?,
        size: size.map_err(usage)?,
    };
    if keep == Keep::default() {
        keep = work.config()?.gc;
    }
    Ok(budget_of(work, keep))
}

/// Returns what these limits mean now.
pub fn budget_of(work: &Work<'_>, keep: Keep) -> Budget {
    let before = |span| work.context.now.checked_sub(span);
    Budget {
        // Longer than time itself keeps everything.
        unused_since: keep
            .older_than
            .map(|span| before(span).unwrap_or(SystemTime::UNIX_EPOCH)),
        keep: keep.size,
    }
}

fn collect(work: &Work<'_>, store: &Store, budget: Budget) -> Result<Report, Failure> {
    let data = &work.context.directories.data;
    let failed = |error| hints::store(&error);
    let wait = || {
        work.ui
            .note("another collection is under way; waiting for it");
    };
    let mut collection = store.collect(wait).map_err(failed)?;
    // This reads the whole store, and commands need not wait meanwhile.
    let early = Inventory::of(data).map_err(|error| hints::file(&error))?;
    let inventory = RefCell::new(early);
    let reached = || {
        let roots = Roots::look(work.context, store)?;
        Ok::<_, Stopped>(inventory.borrow().reached(roots.all()))
    };
    let choose = || {
        let update = inventory.borrow_mut().update();
        update.map_err(|error| hints::file(&error))?;
        Ok(inventory.borrow().choose(&reached()?, budget))
    };
    let gone = collection
        .sift(choose, reached)
        .map_err(|Stopped(failure)| failure)?;
    let inventory = inventory.into_inner();
    collection.finish().map_err(failed)?;
    for path in &gone {
        let name = path.file_name().unwrap_or_default();
        // Notes of what is gone are of no harm.
        let _left = fs::remove_file(store.root().join(".used").join(name));
    }
    remove_empty(&data.join("python"));
    prune_sessions(work);
    let mut report = report(&inventory, &gone, false);
    for (path, size) in partials(work) {
        if fs::remove_file(&path).is_ok() {
            report.extend([(path, size)]);
        }
    }
    report.extend(unfinished(data, false));
    Ok(report)
}

/// Removes the sessions of host shells that ended, of which no process that runs has heard.
fn prune_sessions(work: &Work<'_>) {
    let context = work.context;
    let (data, state) = (&context.directories.data, &context.directories.state);
    let asked = live::mentioned(&session_var::files(state))
        .and_then(|mentioned| Ok((mentioned, live::since(data)?)));
    // Where it cannot be asked who has one, all stay.
    let Some((mentioned, since)) = asked.ok().filter(|_| cfg!(target_os = "linux")) else {
        return;
    };
    let since = since.unwrap_or(context.now);
    // Another user's shell may have inherited one, and what it has cannot be read.
    let day = context.now.checked_sub(SESSION);
    session_var::prune(state, day.map_or(since, |day| day.min(since)), &mentioned);
}

fn report(inventory: &Inventory, gone: &[PathBuf], dry_run: bool) -> Report {
    let size = |path: &Path| {
        let entry = inventory.entries.get(path);
        entry.map_or(0, |entry| entry.size.bytes)
    };
    let total: u64 = inventory
        .entries
        .values()
        .map(|entry| entry.size.bytes)
        .sum();
    let removed: Vec<Removed> = gone
        .iter()
        .map(|path| Removed {
            path: path.clone(),
            bytes: size(path),
        })
        .collect();
    let removed_bytes = removed.iter().map(|one| one.bytes).sum();
    Report {
        dry_run,
        removed,
        removed_bytes,
        kept_bytes: total - removed_bytes,
    }
}

impl Report {
    fn extend(&mut self, files: impl IntoIterator<Item = (PathBuf, u64)>) {
        for (path, bytes) in files {
            self.removed_bytes += bytes;
            self.removed.push(Removed { path, bytes });
        }
    }
}

/// Returns downloads that were cut long ago and that nobody resumes now.
fn partials(work: &Work<'_>) -> Vec<(PathBuf, u64)> {
    let directory = work.context.directories.cache.join("downloads");
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let old = |path: &Path| {
        let found = fs::symlink_metadata(path).ok()?;
        let age = work
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

/// Removes what builds of Python packages left aside and nobody is at work on; only looks in a `dry_run`.
fn unfinished(data: &Path, dry_run: bool) -> Vec<(PathBuf, u64)> {
    let entries = fs::read_dir(data.join("building")).into_iter().flatten();
    let paths = entries.flatten().map(|entry| entry.path());
    let places = paths.filter(|path| path.extension().is_none_or(|end| end != "lock"));
    let removed = |path: PathBuf| {
        // Held until the directory is gone, so that no build begins in it meanwhile.
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

/// Removes directories that have nothing left in them.
fn remove_empty(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        // One that is not empty stays.
        let _left = fs::remove_dir(entry.path());
    }
}

fn render(work: &Work<'_>, report: &Report) -> SafeText {
    let mut lines = SafeText::default();
    let mut line = |text: String| {
        lines.push(text);
        lines.end_line();
    };
    let (mut objects, mut others) = (0, 0);
    for one in &report.removed {
        let kind = kind_of(&one.path);
        if kind == Some(Kind::Object) {
            objects += 1;
        } else {
            others += 1;
        }
        if report.dry_run || work.ui.is_verbose() {
            let path = display_path(work.context, &one.path);
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

fn kind_of(path: &Path) -> Option<Kind> {
    let parent = path.parent()?.file_name()?;
    (parent == "store").then_some(Kind::Object)
}
