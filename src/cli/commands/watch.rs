//! `devsh watch`: builds ahead what changes in allowed projects, at low priority.
//!
//! Only the directories of files that decide about a dev shell are watched, without what is below them, and
//! only events of those files count. Each build runs as for a prompt: in a process of its own, with a log,
//! nothing of the project run or written, and not again while the same content has just failed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use crate::{
    config::Config,
    context::Context,
    manifest::ShellName,
    project::{
        Project,
        approval::{TrustCheck, Trusted},
        locate::{self, SearchBounds},
        watch,
    },
    prompt::record::Record,
    report::failure::Failure,
};

use crate::{
    app::{
        background,
        prepare_env::{self, Readiness},
        session::Work,
    },
    report::hints,
    report::paths::display_path,
};

/// A change is looked at when nothing more has changed for this long,
const QUIET: Duration = Duration::from_millis(300);
/// or after this long at the latest.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often everything is looked at without an event: projects come back, disks are mounted.
const ROUND: Duration = Duration::from_mins(10);
/// Most directories that are watched.
const MOST: usize = 4096;
/// How much less important than other programs this is.
const NICE: i32 = 10;

/// Runs `devsh watch`.
pub fn run(work: &Work<'_>, projects: &[PathBuf], once: bool) -> Result<(), Failure> {
    // Where the priority cannot be lowered the builds are as important as any other.
    let _priority = rustix::process::nice(NICE);
    let start = work.context.cwd.clone().unwrap_or_default();
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
    let mut watch = Watch::new(work, named);
    if once {
        let failed = watch.look(None);
        return if failed == 0 {
            Ok(())
        } else {
            Err(Failure::new(format!(
                "{failed} of the projects could not be built"
            )))
        };
    }
    watch.go_on()
}

/// The projects that are watched.
struct Watch<'w, 'a> {
    work: &'w Work<'a>,
    /// The projects that the user names; none means all.
    named: Vec<PathBuf>,
    /// The files of each project that decide about its dev shells.
    files: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    directories: BTreeSet<PathBuf>,
    /// What was said last of each project, so that it is said once.
    said: BTreeMap<PathBuf, String>,
}

impl<'w, 'a> Watch<'w, 'a> {
    fn new(work: &'w Work<'a>, named: Vec<PathBuf>) -> Self {
        Self {
            work,
            named,
            files: BTreeMap::new(),
            directories: BTreeSet::new(),
            said: BTreeMap::new(),
        }
    }

    fn go_on(&mut self) -> Result<(), Failure> {
        let (sender, events) = channel();
        let handler = move |event: notify::Result<notify::Event>| {
            // An error means that events were lost, which is an event for everything.
            let paths = event.map(|event| event.paths).unwrap_or_default();
            // When nobody listens any more the program ends.
            let _unheard = sender.send(paths);
        };
        let mut watcher = notify::recommended_watcher(handler).map_err(|error| cannot(&error))?;
        let mut roots = None;
        loop {
            let (seen, count) = (roots.is_none(), self.files.len());
            self.look(roots.take());
            self.subscribe(&mut watcher)?;
            if seen && self.files.len() != count {
                let number = self.files.len();
                let s = if number == 1 { "" } else { "s" };
                self.work.ui.note(&format!("watching {number} project{s}"));
            }
            roots = self.wait(&events);
        }
    }

    /// Looks at projects, all without `roots`, and builds what is not built; returns how many failed.
    fn look(&mut self, roots: Option<BTreeSet<PathBuf>>) -> usize {
        let roots = roots.unwrap_or_else(|| {
            self.files.clear();
            // Directories that came back since are other ones, which nobody watches yet.
            self.directories.clear();
            self.roots()
        });
        roots.iter().filter(|root| !self.look_at(root)).count()
    }

    fn roots(&self) -> BTreeSet<PathBuf> {
        if !self.named.is_empty() {
            return self.named.iter().cloned().collect();
        }
        let all = Record::all(&self.work.context.directories.state);
        let all = all.unwrap_or_default().into_iter();
        all.map(|(root, _)| root)
            .filter(|root| !self.work.decisions.is_denied(root))
            .collect()
    }

    /// Looks at one project and builds what is not built; returns whether all is well.
    fn look_at(&mut self, root: &Path) -> bool {
        if !root.is_dir() {
            self.files.remove(root);
            return self.say(root, "is not there", true);
        }
        // The time has gone on since the program began.
        let context = self.work.context.renewed();
        let result = self.bring_up(&context, root);
        match result {
            Ok(None) => {
                self.said.remove(root);
                true
            }
            Ok(Some(text)) => self.say(root, &text, true),
            Err(failure) => self.say(root, &failure.error, false),
        }
    }

    fn say(&mut self, root: &Path, text: &str, well: bool) -> bool {
        if self.said.get(root).is_none_or(|said| said != text) {
            let name = display_path(self.work.context, root);
            let line = if text.starts_with(&format!("{name}: ")) {
                text.to_owned()
            } else {
                format!("{name}: {text}")
            };
            if well {
                self.work.ui.note(&line);
            } else {
                self.work.ui.warn(&line);
            }
            self.said.insert(root.to_owned(), text.to_owned());
        }
        well
    }

    fn bring_up(&mut self, context: &Context, root: &Path) -> Result<Option<String>, Failure> {
        let decisions = &self.work.decisions;
        let bounds = SearchBounds::of(context);
        let place = locate::active(root, &bounds, |path| decisions.is_known(path));
        let Some(place) = place.filter(|place| place.root == root) else {
            return Ok(Some("is no allowed project".to_owned()));
        };
        // Whatever is wrong with it, a change of these can mend it.
        let mut files = BTreeSet::from([
            root.join(locate::MANIFEST),
            decisions.approval_path(root),
            decisions.denial_path(root),
        ]);
        self.files.insert(root.to_owned(), files.clone());
        let config = Config::load(context).map_err(|error| hints::config(&error))?;
        let project = Project::open(place, decisions, context, &config.trust)
            .map_err(|unreadable| hints::project(context, &unreadable.error))?;
        let watched = prepare_env::watch(context, &project);
        files.extend(watched.iter().map(|file| file.path.clone()));
        self.files.insert(root.to_owned(), files);
        let trusted = project.trusted(decisions);
        let TrustCheck::Trusted(project) = trusted.map_err(|error| hints::file(&error))? else {
            return Ok(Some("waits for `devsh allow`".to_owned()));
        };
        let basis = prepare_env::basis(&watched);
        let mut built = Vec::new();
        for shell in used(context, &project) {
            if let Readiness::NotBuilt = prepare_env::find(context, &project, &shell, &watched)? {
                background::build_now(context, root, &shell, basis)?;
                built.push(shell.to_string());
            }
        }
        Ok((!built.is_empty()).then(|| format!("{} is ready", built.join(", "))))
    }

    /// Watches the directories of all files, and no others.
    fn subscribe(&mut self, watcher: &mut RecommendedWatcher) -> Result<(), Failure> {
        let state = &self.work.context.directories.state;
        let generation = watch::generation(state);
        let files = self.files.values().flatten().chain([&generation]);
        let needed = files.filter_map(|file| file.parent());
        let needed: BTreeSet<PathBuf> = needed
            .filter(|directory| directory.is_dir())
            .map(Path::to_owned)
            .take(MOST)
            .collect();
        for gone in self.directories.difference(&needed) {
            // What was removed is no longer watched anyway.
            let _unwatched = watcher.unwatch(gone);
        }
        let mut gone = BTreeSet::new();
        for new in needed.difference(&self.directories) {
            match watcher.watch(new, RecursiveMode::NonRecursive) {
                Ok(()) => {}
                // Between the look at it and now; a later round looks again.
                Err(_) if !new.is_dir() => {
                    gone.insert(new.clone());
                }
                Err(error) => return Err(cannot(&error)),
            }
        }
        let needed = &needed - &gone;
        self.directories = needed;
        Ok(())
    }

    /// Waits until something has changed; returns the projects it is about, or nothing for all.
    fn wait(&self, events: &Receiver<Vec<PathBuf>>) -> Option<BTreeSet<PathBuf>> {
        let generation = watch::generation(&self.work.context.directories.state);
        let mut roots = BTreeSet::new();
        let mut everything = false;
        let mut until: Option<Instant> = None;
        loop {
            let patience = until.map_or(ROUND, |until| {
                until.saturating_duration_since(Instant::now()).min(QUIET)
            });
            let paths = match events.recv_timeout(patience) {
                Ok(paths) => paths,
                Err(RecvTimeoutError::Timeout) if until.is_some() => {
                    return (!everything).then_some(roots);
                }
                // A round without an event.
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
                until = until.or_else(|| Some(Instant::now() + PATIENCE));
            }
        }
    }
}

/// The dev shells that are worth building: the one that prompts load, and those that were built before.
fn used(context: &Context, project: &Trusted<Project>) -> Vec<ShellName> {
    let (state, root) = (&context.directories.state, project.get().root());
    let shells = project.get().preview().shells.keys();
    shells
        .filter(|shell| **shell == ShellName::dev() || Record::path(state, root, shell).is_file())
        .cloned()
        .collect()
}

fn cannot(error: &notify::Error) -> Failure {
    let failure = Failure::new(format!("cannot watch: {error}"));
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            failure.hint("name the projects that matter, or raise `fs.inotify.max_user_watches`")
        }
        _ => failure,
    }
}
