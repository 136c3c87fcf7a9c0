//! From a trusted project and its lockfile to a record: the bridge between building and activation.

use std::{cell::RefCell, path::Path};

use crate::{
    builder::{self, Builder, Notice, Realised, ToolOrigin},
    config::{Config, Verbosity},
    context::Context,
    fetch::{self, Progress},
    lockfile::Lockfile,
    manifest::ShellName,
    project::{Project, approval::Trusted, locate::Place, lock_path, personal, watch::Watched},
    prompt::{
        from_build::{self, Built},
        record::Record,
    },
    report::failure::Failure,
    store::{self, ProcessMark, Store},
    util::binary,
};

use super::{
    build_request::{Options, Parts},
    session::Work,
    tool_report,
    venv_link::{self, Linked},
};
use crate::{
    cli::commands::{lock, sync::Mode},
    report::hints,
};

/// Whether a dev shell can be loaded at once.
#[derive(Debug)]
pub enum Readiness {
    /// It can.
    Ready(Box<Record>),
    /// It must be built first.
    NotBuilt,
}

/// What dev shells are built from.
#[derive(Clone, Copy)]
pub struct Basis<'a> {
    pub project: &'a Trusted<Project>,
    pub lockfile: &'a Lockfile,
    /// The files behind both, as they were before they were read.
    pub watched: &'a [Watched],
    /// Shows how far the build is.
    pub progress: &'a dyn Progress,
    /// What the user was told already: dev shells have most of their tools in common.
    pub told: &'a RefCell<Vec<Notice>>,
}

impl Basis<'_> {
    fn tell(&self, work: &Work<'_>, notice: &Notice) {
        if !self.told.borrow().contains(notice) {
            tool_report::tell(work, notice);
            self.told.borrow_mut().push(notice.clone());
        }
    }
}

/// Returns the stored record of a dev shell if this command may use it.
///
/// A record is only ever stored for an allowed project, and the approval is one of the files it watches.
pub fn warm(work: &Work<'_>, place: &Place, shell: &ShellName) -> Option<Record> {
    let record = Record::fresh(
        &work.context.directories.state,
        &place.root,
        shell,
        work.context.now,
    )?;
    // What a prompt got in the background lacks the project itself; a command waits for it.
    (record.whole && (!work.locked || !record.drifted)).then_some(record)
}

/// Leases the dev shell of a record for the host shell; returns whether the profile is still there.
pub fn lease_for_shell(context: &Context, record: &Record) -> bool {
    let shell = ProcessMark::host_shell();
    let data = &context.directories.data;
    let profile = record.objects.first();
    profile.is_none_or(|profile| store::leases::lease_for_shell(data, shell, profile))
}

/// Leases the dev shell of a record for the command that this process becomes.
pub fn lease_until_exit(context: &Context, record: &Record) {
    if let Some(profile) = record.objects.first() {
        // Where nothing can be written nothing is collected.
        let _leased = store::leases::lease_until_exit(&context.directories.data, profile);
    }
}

/// Looks for what was built for a dev shell, without network and without changing the project.
pub fn find(
    context: &Context,
    project: &Trusted<Project>,
    shell: &ShellName,
    watched: &[Watched],
) -> Result<Readiness, Failure> {
    let (parts, found) = look_up(context, project.get(), shell)?;
    let Some(found) = found else {
        return Ok(Readiness::NotBuilt);
    };
    let config = Config::load(context).map_err(|error| hints::config(&error))?;
    let record = record(project, shell, &parts, &found, (watched, &config));
    // A link that cannot be made is told by the commands.
    let _linked = link(context, project.get(), (shell, &parts), &found);
    // A prompt works from a read-only home too, if more slowly.
    let _kept = keep(context, project, shell, &record);
    Ok(Readiness::Ready(Box::new(record)))
}

/// Returns what a dev shell is built from, and what was built if that is still there.
pub fn look_up<'a>(
    context: &Context,
    project: &'a Project,
    shell: &'a ShellName,
) -> Result<(Parts<'a>, Option<Found>), Failure> {
    let config = Config::load(context).map_err(|error| hints::config(&error))?;
    let lockfile = lock::fitting(context, project)?;
    let fits = lockfile.is_some();
    // What is locked already is shown, also beside what is not.
    let lockfile = match lockfile {
        Some(lockfile) => lockfile,
        None => lock::as_they_are(context, project)?,
    };
    let parts = Parts::of(project, shell, lockfile)?;
    let Some(system) = context.system.filter(|_| fits) else {
        return Ok((parts, None));
    };
    let options = Options {
        system,
        locked: false,
        mode: Mode::Foreground,
    };
    let whole = parts.request(project, shell, &config, options);
    let found = find_whole_first(&context.directories.data, whole);
    Ok((parts, found))
}

/// A dev shell that was built.
#[derive(Debug)]
pub struct Found {
    pub realised: Realised,
    /// Whether the project itself is installed, if it is a Python package.
    whole: bool,
}

/// Looks for an environment with the project in it, then for one without, as prompts build it.
fn find_whole_first(data: &Path, request: builder::BuildRequest<'_>) -> Option<Found> {
    if let Some(realised) = builder::find(data, &request) {
        return Some(Found {
            realised,
            whole: true,
        });
    }
    request.python.as_ref()?;
    let without = builder::BuildRequest {
        build_project: false,
        ..request
    };
    builder::find(data, &without).map(|realised| Found {
        realised,
        whole: false,
    })
}

/// Builds a dev shell and records it, saying what the user should know; tells whether the record is news.
pub fn build(
    work: &Work<'_>,
    basis: &Basis<'_>,
    shell: &ShellName,
    mode: Mode,
) -> Result<(Record, bool), Failure> {
    let Basis {
        project,
        lockfile,
        watched,
        progress,
        ..
    } = *basis;
    let config = work.config()?;
    let client = work.client(&config);
    let store = Store::open(&work.context.directories.data);
    let builder = Builder {
        context: work.context,
        config: &config,
        store: &store,
        client: &client,
        progress,
    };
    let parts = Parts::of(project.get(), shell, lockfile.clone())?;
    let options = Options {
        system: lock::system(work)?,
        locked: work.locked,
        mode,
    };
    let request = parts.request(project.get(), shell, &config, options);
    let strange = parts
        .artifacts(options.system)
        .find(|url| !config.trusts(url));
    if let Some(url) = strange {
        return Err(hints::untrusted(&fetch::redacted(url)));
    }
    let there = existing(&work.context.directories.data, &request, mode);
    let found = if let Some(found) = there {
        found
    } else {
        let realised = builder
            .realise(&request)
            .map_err(|error| unbuilt(&error, shell))?;
        for notice in &realised.notices {
            basis.tell(work, notice);
        }
        Found {
            realised,
            whole: mode != Mode::Background,
        }
    };
    let record = record(project, shell, &parts, &found, (watched, &config));
    if link(work.context, project.get(), (shell, &parts), &found)? == Linked::Taken
        && mode != Mode::Background
    {
        let text = "`.venv` is not devsh's, so it stays, and `venv-link` does nothing";
        work.ui.warn(text);
    }
    // Trust for one command must not outlast it, so it leaves no record.
    let changed = !work.trust && keep(work.context, project, shell, &record)?;
    Ok((record, changed))
}

/// A dev shell that cannot be had. What several at once ask for together is locked only where the manifest
/// says so.
fn unbuilt(error: &builder::Error, shell: &ShellName) -> Failure {
    let mut failure = hints::builder(error);
    if !shell.is_single()
        && let builder::Error::Unavailable { managed, .. } = error
        && matches!(**managed, builder::Unavailable::NotLocked)
    {
        let names: Vec<String> = shell
            .as_str()
            .split(',')
            .map(|name| format!("\"{name}\""))
            .collect();
        failure.notes =
            vec!["each of the dev shells is locked, and not what they ask for together".to_owned()];
        failure.hints = vec![format!(
            "name them in the manifest, `[shells.NAME] inherits = [{}]`, and run `devsh lock`",
            names.join(", ")
        )];
    }
    failure
}

/// Makes the link for editors, which always leads to `dev`.
fn link(
    context: &Context,
    project: &Project,
    (shell, parts): (&ShellName, &Parts<'_>),
    found: &Found,
) -> Result<Linked, Failure> {
    if *shell != ShellName::dev() {
        return Ok(Linked::Settled);
    }
    let places = (
        found.realised.profile.as_path(),
        context.directories.data.as_path(),
    );
    venv_link::make(project.root(), parts.shell, places).map_err(|error| hints::file(&error))
}

/// Returns what is there already and does for this kind of build.
fn existing(data: &Path, request: &builder::BuildRequest<'_>, mode: Mode) -> Option<Found> {
    match mode {
        Mode::Refresh => None,
        Mode::Foreground => builder::find(data, request).map(|realised| Found {
            realised,
            whole: true,
        }),
        Mode::Background => find_whole_first(
            data,
            builder::BuildRequest {
                build_project: true,
                ..request.clone()
            },
        ),
    }
}

/// Stores a record unless it is stored already; returns whether it was not.
fn keep(
    context: &Context,
    project: &Trusted<Project>,
    shell: &ShellName,
    record: &Record,
) -> Result<bool, Failure> {
    let (state, root) = (&context.directories.state, project.get().root());
    let before = Record::stored(state, root, shell);
    if before.as_ref() == Some(record) {
        return Ok(false);
    }
    record
        .store(state, root, shell)
        .map_err(|error| hints::file(&error))?;
    // One dev shell is in use from now on, the other was until now.
    for profile in [before.as_ref(), Some(record)]
        .into_iter()
        .flatten()
        .filter_map(|record| record.objects.first())
    {
        builder::collect::mark_used(profile);
    }
    Ok(true)
}

/// Names the content that a background build starts from: the same content fails the same way.
pub fn basis(watched: &[Watched]) -> [u8; 16] {
    let mut files = watched.to_vec();
    for file in &mut files {
        file.racy = None;
    }
    let mut basis = [0; 16];
    basis.copy_from_slice(&blake3::hash(&binary::encode(&files)).as_bytes()[..16]);
    basis
}

/// Looks at the files that decide what a project's dev shells are; to be done before they are read.
pub fn watch(context: &Context, project: &Project) -> Vec<Watched> {
    let files = [
        lock_path(&project.place, &context.directories.state),
        context.directories.config.join("config.toml"),
    ];
    let own = project
        .has_personal()
        .then(|| personal::lock_path(project.root(), &context.directories.config));
    let more = files
        .iter()
        .chain(&own)
        .map(|path| Watched::look(path, context.now));
    project.watched().iter().cloned().chain(more).collect()
}

fn record(
    project: &Trusted<Project>,
    shell: &ShellName,
    parts: &Parts<'_>,
    found: &Found,
    (watched, config): (&[Watched], &Config),
) -> Record {
    let root = project.get().root();
    let realised = &found.realised;
    let package = parts.shell.python.lock.as_ref().is_some_and(|lock| {
        project
            .get()
            .python(&lock.value)
            .and_then(|files| files.locked.as_ref())
            .is_some_and(|locked| locked.installs_project())
    });
    let whole = found.whole || !package;
    let built = Built {
        environment: realised.id.to_string(),
        profile: &realised.profile,
        env: &realised.env,
        timeout: config.hook_timeout,
        quiet: config.verbosity == Verbosity::Quiet,
        summary: tool_report::summary(shell, parts, realised, whole),
    };
    let mut objects = vec![realised.profile.clone()];
    objects.extend(realised.objects.iter().cloned());
    objects.extend(realised.tools.iter().filter_map(|tool| match &tool.origin {
        ToolOrigin::Host { program, .. } => Some(program.clone()),
        ToolOrigin::Store(_) => None,
    }));
    // A link that was removed or added shows in the directory.
    let bin = Watched::settled_look(realised.profile.join("bin"));
    Record {
        watched: watched.to_vec(),
        sealed: vec![bin],
        objects,
        whole,
        drifted: tool_report::drifts(parts, realised).next().is_some(),
        content: from_build::content(root, parts.shell, built),
    }
}
