//! `devsh sync`, and what `allow`, `run` and `enter` do before they go on: lock, build, record.

use std::{
    fs::{File, TryLockError},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    activation::{record::Record, session},
    context::Context,
    failure::Failure,
    fsx,
    manifest::ShellName,
    project::{
        Project,
        trust::{Trusted, project_key},
        watch::{self, Watched},
    },
};

use super::{
    allow, hints, lock,
    ready::{self, Basis},
    shown,
    work::Work,
};

/// For whom something is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The user waits and watches: the project itself may be built. What is there already does.
    Foreground,
    /// Like that, and sources are tried again where host tools serve.
    Refresh,
    /// A prompt goes on without it: nothing of the project is run, and nothing is written into it.
    Background,
}

/// Runs `devsh sync`.
pub(super) fn run(
    work: &Work<'_>,
    shell: Option<&ShellName>,
    background: bool,
) -> Result<(), Failure> {
    let project = work.trusted()?;
    let shells: Vec<ShellName> = match shell {
        Some(shell) => vec![shell.clone()],
        None => project.get().preview().shells.keys().cloned().collect(),
    };
    if background {
        return run_in_background(work, &project, &shells);
    }
    let records = bring_up(work, &project, &shells, Mode::Refresh)?;
    for (shell, record) in shells.iter().zip(records) {
        work.ui
            .note(&format!("{shell} is ready: {}", record.content.summary));
    }
    Ok(())
}

/// Locks what is not locked yet, builds what is not built yet, and records the dev shells.
pub(super) fn bring_up(
    work: &Work<'_>,
    project: &Trusted<Project>,
    shells: &[ShellName],
    mode: Mode,
) -> Result<Vec<Record>, Failure> {
    let mut watched = ready::watch(work.context, project.get());
    let lock::Current {
        lockfile,
        written,
        unreached,
    } = lock::up_to_date(work, project, mode)?;
    if let Some(path) = written {
        // Devsh's own doing, no change to be noticed later.
        for file in watched.iter_mut().filter(|file| file.path == path) {
            *file = Watched::look(&path, work.context.now);
        }
    }
    let basis = Basis {
        project,
        lockfile: &lockfile,
        watched: &watched,
    };
    let mut records = Vec::new();
    let mut news = false;
    for shell in shells {
        let built = ready::build(work, &basis, shell, mode);
        // A tool that nobody could look up and no host tool stands in for: the first reason is the reason.
        let (record, changed) = built.map_err(|failure| match &unreached {
            Some(first) => first.clone().note(failure.error),
            None => failure,
        })?;
        news |= changed | forget_failure(work.context, project.get().root(), shell)?;
        records.push(record);
    }
    // Where nothing is new nothing is written, so that a read-only home can run what was built.
    if news {
        allow::advance(work)?;
    }
    Ok(records)
}

/// Where the traces of background builds of one dev shell are.
struct Traces {
    directory: PathBuf,
    shell: ShellName,
}

impl Traces {
    fn new(context: &Context, root: &Path, shell: &ShellName) -> Self {
        let directory = context
            .directories
            .state
            .join("projects")
            .join(project_key(root));
        Self {
            directory,
            shell: shell.clone(),
        }
    }

    /// Held while a build runs.
    fn lock(&self) -> PathBuf {
        self.directory.join(format!("{}.building", self.shell))
    }

    /// What the last failed build said, in one line, if it failed.
    fn failure(&self) -> PathBuf {
        self.directory.join(format!("{}.failed", self.shell))
    }

    /// Everything the last build said.
    fn log(&self) -> PathBuf {
        self.directory.join(format!("{}.log", self.shell))
    }
}

/// Starts a build that outlives this process, unless one is under way or has failed already with the same
/// content; returns what there is to say.
pub(super) fn in_background(
    context: &Context,
    root: &Path,
    shell: &ShellName,
    basis: [u8; 16],
) -> Result<String, Failure> {
    let traces = Traces::new(context, root, shell);
    let name = shown(context, root);
    let building =
        format!("{name} is being built in the background; `devsh sync` shows it at work");
    fsx::create_private_dir(&traces.directory).map_err(|error| hints::file(&error))?;
    let failed =
        fsx::read_bounded(&traces.failure(), 1 << 16).map_err(|error| hints::file(&error))?;
    if let Some(reason) = failed
        .as_deref()
        .and_then(|failed| failed.strip_prefix(&basis))
    {
        let reason = String::from_utf8_lossy(reason);
        return Err(Failure::new(format!("{name} could not be built: {reason}"))
            .hint("run `devsh sync` to see all of it"));
    }
    let lock = fsx::open_lock(&traces.lock()).map_err(|error| hints::file(&error))?;
    match lock.try_lock() {
        Ok(()) => drop(lock),
        Err(TryLockError::WouldBlock) => return Ok(building),
        Err(TryLockError::Error(error)) => {
            return Err(hints::file(&fsx::at("lock", &traces.lock())(error)));
        }
    }
    let log = File::create(traces.log()).map_err(fsx::at("write", &traces.log()));
    let log = log.map_err(|error| hints::file(&error))?;
    let copy = log.try_clone().map_err(fsx::at("write", &traces.log()));
    let copy = copy.map_err(|error| hints::file(&error))?;
    Command::new(&context.program)
        .args(["sync", "--background", "--shell", shell.as_str(), "-C"])
        .arg(root)
        .env_clear()
        .envs(session::host_env(&context.env).iter())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(copy)
        .process_group(0)
        .spawn()
        .map_err(|error| Failure::new(format!("cannot start a background build: {error}")))?;
    Ok(building)
}

/// Builds for a prompt, and leaves word of how it ended.
fn run_in_background(
    work: &Work<'_>,
    project: &Trusted<Project>,
    shells: &[ShellName],
) -> Result<(), Failure> {
    let Some(shell) = shells.first() else {
        return Ok(());
    };
    let root = project.get().root();
    let traces = Traces::new(work.context, root, shell);
    let lock = fsx::open_lock(&traces.lock()).map_err(|error| hints::file(&error))?;
    if lock.try_lock().is_err() {
        return Ok(());
    }
    let basis = ready::basis(&ready::watch(work.context, project.get()));
    let result = bring_up(work, project, shells, Mode::Background).map(|_| ());
    if let Err(failure) = &result {
        let mut trace = basis.to_vec();
        trace.extend_from_slice(failure.error.as_bytes());
        fsx::write_atomic(&traces.failure(), &trace).map_err(|error| hints::file(&error))?;
        let state = &work.context.directories.state;
        watch::advance_generation(state, work.context.now).map_err(|error| hints::file(&error))?;
    }
    drop(lock);
    result
}

/// Returns whether there was a failure to forget.
fn forget_failure(context: &Context, root: &Path, shell: &ShellName) -> Result<bool, Failure> {
    let path = Traces::new(context, root, shell).failure();
    if !path.exists() {
        return Ok(false);
    }
    std::fs::remove_file(&path).map_err(|error| hints::file(&fsx::at("remove", &path)(error)))?;
    Ok(true)
}
