//! Building ahead of time what changes in allowed projects, at low priority.
//!
//! Only the directories of files that define a dev shell are watched, without their subdirectories, and only
//! events of those files count. Each build runs as for a prompt: in another process, with a log, without code of
//! the project, and not again for inputs that have just failed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use crate::{
    context::Context,
    manifest::ShellName,
    project::{
        Project,
        approval::{TrustCheck, Trusted},
        locate, watch,
    },
    prompt::record::Record,
    report::{failure::Failure, reporter::NoReport},
};

use super::{
    background, build_record, missing_parts,
    session::{Options, Session},
};

/// A change is handled after this time without another one,
const QUIET: Duration = Duration::from_millis(300);
/// or after this time at the latest.
const LONGEST: Duration = Duration::from_secs(5);
/// The interval at which all projects are checked without an event: a disk can be mounted.
const ROUND: Duration = Duration::from_mins(10);
/// The largest number of watched directories.
const MOST: usize = 4096;
/// The nice value of this process and its builds.
const NICE: i32 = 10;

/// Builds ahead of time what changes in the named projects, or in all; with `once` only what is not built now.
pub fn watch_projects(
    session: &Session<'_>,
    projects: &[PathBuf],
    once: bool,
) -> Result<(), Failure> {
    // Without the right to lower the priority, builds have the usual one.
    let _priority = rustix::process::nice(NICE);
    let start = session.context.cwd.clone().unwrap_or_default();
    let mut named = Vec::new();
    for project in projects {
        let root = start.join(project).canonicalize();
        let name = project.display();
        let root = root.map_err(|error| {
            Failure::new(format!("cannot watch `{name}`: {error}"))
                .hint("name a project's directory")
        })?;
        named.push(root);
    }
    let mut watch = ProjectWatch::new(session, named);
    if once {
        let failed = watch.check(None);
        return if failed == 0 {
            Ok(())
        } else {
            Err(Failure::new(format!(
                "{failed} of the projects could not be built"
            )))
        };
    }
    watch.run()
}

/// The projects that are watched.
struct ProjectWatch<'w, 'a> {
    session: &'w Session<'a>,
    /// The projects that the user named; an empty list means all.
    named: Vec<PathBuf>,
    /// The files of each project that define its dev shells.
    files: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    directories: BTreeSet<PathBuf>,
    /// The last message about each project, which is not repeated.
    reported: BTreeMap<PathBuf, String>,
}

impl<'w, 'a> ProjectWatch<'w, 'a> {
    fn new(session: &'w Session<'a>, named: Vec<PathBuf>) -> Self {
        Self {
            session,
            named,
            files: BTreeMap::new(),
            directories: BTreeSet::new(),
            reported: BTreeMap::new(),
        }
    }

    fn run(&mut self) -> Result<(), Failure> {
        let (sender, events) = channel();
        let handler = move |event: notify::Result<notify::Event>| {
            // An error means that events were lost, which is an event for everything.
            let paths = event.map(|event| event.paths).unwrap_or_default();
            // Without a receiver the program ends.
            let _unheard = sender.send(paths);
        };
        let mut watcher =
            notify::recommended_watcher(handler).map_err(|error| watch_failure(&error))?;
        let mut roots = None;
        loop {
            let (seen, count) = (roots.is_none(), self.files.len());
            self.check(roots.take());
            self.subscribe(&mut watcher)?;
            if seen && self.files.len() != count {
                let number = self.files.len();
                let s = if number == 1 { "" } else { "s" };
                self.session
                    .reporter
                    .note(&format!("watching {number} project{s}"));
            }
            roots = self.wait(&events);
        }
    }

    /// Checks some projects or all, and builds missing dev shells; returns how many failed.
    fn check(&mut self, roots: Option<BTreeSet<PathBuf>>) -> usize {
        let roots = roots.unwrap_or_else(|| {
            self.files.clear();
            // A directory that was created again is another one, which is not watched yet.
            self.directories.clear();
            self.roots()
        });
        roots
            .iter()
            .filter(|root| !self.check_project(root))
            .count()
    }

    fn roots(&self) -> BTreeSet<PathBuf> {
        if !self.named.is_empty() {
            return self.named.iter().cloned().collect();
        }
        let all = Record::all(&self.session.context.directories.state);
        let all = all.unwrap_or_default().into_iter();
        all.map(|(root, _)| root)
            .filter(|root| !self.session.decisions.is_denied(root))
            .collect()
    }

    /// Checks one project and builds missing dev shells; returns whether it succeeded.
    fn check_project(&mut self, root: &Path) -> bool {
        if !root.is_dir() {
            self.files.remove(root);
            return self.report(root, "does not exist", true);
        }
        // The clock has advanced since the program started.
        let context = self.session.context.renewed();
        let result = self.bring_up(&context, root);
        match result {
            Ok(None) => {
                self.reported.remove(root);
                true
            }
            Ok(Some(text)) => self.report(root, &text, true),
            Err(failure) => self.report(root, &failure.error, false),
        }
    }

    fn report(&mut self, root: &Path, text: &str, is_good: bool) -> bool {
        if self
            .reported
            .get(root)
            .is_none_or(|reported| reported != text)
        {
            let name = self.session.display(root);
            let line = if text.starts_with(&format!("{name}: ")) {
                text.to_owned()
            } else {
                format!("{name}: {text}")
            };
            if is_good {
                self.session.reporter.note(&line);
            } else {
                self.session.reporter.warn(&line);
            }
            self.reported.insert(root.to_owned(), text.to_owned());
        }
        is_good
    }

    fn bring_up(&mut self, context: &Context, root: &Path) -> Result<Option<String>, Failure> {
        // Each check reads the config and the lockfiles again.
        let session = Session::new(context, &NoReport, Options::default());
        let place = session
            .prompt_place_at(root)
            .filter(|place| place.root == root);
        let Some(place) = place else {
            return Ok(Some("is not an allowed project".to_owned()));
        };
        // A change of one of these can fix every problem.
        let mut files = BTreeSet::from([
            root.join(locate::MANIFEST),
            session.decisions.approval_path(root),
            session.decisions.denial_path(root),
        ]);
        self.files.insert(root.to_owned(), files.clone());
        let project = session.open(place)?;
        let watched = build_record::watch(context, &project);
        files.extend(watched.iter().map(|file| file.path.clone()));
        self.files.insert(root.to_owned(), files);
        let TrustCheck::Trusted(project) = project.trusted() else {
            return Ok(Some("waits for `devsh allow`".to_owned()));
        };
        let basis = build_record::basis_digest(&watched);
        let mut built = Vec::new();
        for shell in used(context, &project) {
            let state = &context.directories.state;
            let fresh = || Record::fresh(state, root, &shell, context.now);
            let waits =
                fresh().is_some_and(|record| !record.is_complete() && !record.is_due(context.now));
            if !waits && build_record::find_built(&session, &project, &shell, &watched)?.is_none() {
                background::build_now(context, root, &shell, basis)?;
                built.push(shell.to_string());
            }
            if let Some(record) = fresh().filter(|record| !record.is_complete()) {
                let names = missing_parts::describe_names(&record.content.missing);
                return Err(Failure::new(format!(
                    "{names}; `devsh status` there has the reasons"
                )));
            }
        }
        Ok((!built.is_empty()).then(|| format!("{} is ready", built.join(", "))))
    }

    /// Watches exactly the directories of all files.
    fn subscribe(&mut self, watcher: &mut RecommendedWatcher) -> Result<(), Failure> {
        let state = &self.session.context.directories.state;
        let generation = watch::generation(state);
        let files = self.files.values().flatten().chain([&generation]);
        let needed = files.filter_map(|file| file.parent());
        let needed: BTreeSet<PathBuf> = needed
            .filter(|directory| directory.is_dir())
            .map(Path::to_owned)
            .take(MOST)
            .collect();
        for gone in self.directories.difference(&needed) {
            // A removed directory is not watched any more anyway.
            let _unwatched = watcher.unwatch(gone);
        }
        let mut gone = BTreeSet::new();
        for new in needed.difference(&self.directories) {
            match watcher.watch(new, RecursiveMode::NonRecursive) {
                Ok(()) => {}
                // It was removed just now. A later check handles that.
                Err(_) if !new.is_dir() => {
                    gone.insert(new.clone());
                }
                Err(error) => return Err(watch_failure(&error)),
            }
        }
        let needed = &needed - &gone;
        self.directories = needed;
        Ok(())
    }

    /// Waits for a change; returns the projects it affects, or nothing for all.
    fn wait(&self, events: &Receiver<Vec<PathBuf>>) -> Option<BTreeSet<PathBuf>> {
        let generation = watch::generation(&self.session.context.directories.state);
        let mut roots = BTreeSet::new();
        let mut everything = false;
        let mut until: Option<Instant> = None;
        loop {
            let timeout = until.map_or(ROUND, |until| {
                until.saturating_duration_since(Instant::now()).min(QUIET)
            });
            let paths = match events.recv_timeout(timeout) {
                Ok(paths) => paths,
                Err(RecvTimeoutError::Timeout) if until.is_some() => {
                    return (!everything).then_some(roots);
                }
                // No event for a whole interval.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            };
            everything |= paths.is_empty() || paths.contains(&generation);
            for (root, files) in &self.files {
                if paths
                    .iter()
                    .any(|path| files.contains(path) || path == root)
                {
                    roots.insert(root.clone());
                }
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return (!everything).then_some(roots);
            }
            if everything || !roots.is_empty() {
                until = until.or_else(|| Some(Instant::now() + LONGEST));
            }
        }
    }
}

/// Returns the dev shells to build: the one that prompts load, and those that were built before.
fn used(context: &Context, project: &Trusted<Project>) -> Vec<ShellName> {
    let (state, root) = (&context.directories.state, project.get().root());
    let shells = project.get().preview().shells.keys();
    shells
        .filter(|shell| **shell == ShellName::dev() || Record::path(state, root, shell).is_file())
        .cloned()
        .collect()
}

fn watch_failure(error: &notify::Error) -> Failure {
    let failure = Failure::new(format!("cannot watch: {error}"));
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            failure.hint("name fewer projects, or raise `fs.inotify.max_user_watches`")
        }
        _ => failure,
    }
}
