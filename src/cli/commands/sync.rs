//! `devsh sync`, and what `allow`, `run` and `enter` do before they go on: lock, build, record.

use std::cell::RefCell;

use crate::{
    builder::build_progress::{Live, Recorder},
    manifest::ShellName,
    project::{Project, approval::Trusted, watch::Watched},
    prompt::record::Record,
    report::failure::Failure,
};

use super::{allow, lock};
use crate::{
    app::{
        background::{self, Claim, Traces},
        crash_cleanup,
        prepare_env::{self, Basis},
        session::Work,
    },
    cli::args::Sync,
};

/// For whom something is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The user waits and watches: the project itself may be built. What is there already does.
    Foreground,
    /// Like that, and sources are tried again where host tools serve.
    Refresh,
    /// A prompt goes on without it: nothing of the project is run, and nothing is written into it.
    Background,
}

/// Runs `devsh sync`.
pub fn run(work: &Work<'_>, options: &Sync) -> Result<(), Failure> {
    let shell = options
        .shell
        .as_deref()
        .map(crate::cli::shell_name)
        .transpose()?;
    if let (Some(basis), Some(shell)) = (&options.background, &shell) {
        return background::supervise(work, shell, basis);
    }
    if let (true, Some(shell)) = (options.worker, &shell) {
        return background::work_for_prompt(work, std::slice::from_ref(shell));
    }
    let project = work.trusted_at(work.place()?, shell.as_ref())?;
    let shells: Vec<ShellName> = match shell {
        Some(shell) => vec![shell],
        None => project.get().preview().shells.keys().cloned().collect(),
    };
    let records = bring_up(work, &project, &shells, Mode::Refresh)?;
    for (shell, record) in shells.iter().zip(records) {
        let summary = &record.content.summary;
        let tools = summary.strip_prefix(&format!("{shell}: "));
        let text = match tools.unwrap_or(summary) {
            // A dev shell without tools has its name alone.
            name if name == shell.as_str() => format!("{shell} is ready"),
            tools => format!("{shell} is ready: {tools}"),
        };
        work.ui.note(&text);
    }
    Ok(())
}

/// Locks what is not locked yet, builds what is not built yet, and records the dev shells.
///
/// A build of the same project that is under way is shown and waited for.
pub fn bring_up(
    work: &Work<'_>,
    project: &Trusted<Project>,
    shells: &[ShellName],
    mode: Mode,
) -> Result<Vec<Record>, Failure> {
    let claim = background::claim(work, project.get().root());
    if claim.waited {
        // Its files, or the user's mind, may have changed meanwhile.
        let project = work.trusted_at(project.get().place.clone(), shells.first())?;
        return bring_up_claimed(work, &project, shells, mode, &claim);
    }
    bring_up_claimed(work, project, shells, mode, &claim)
}

/// Does what `bring_up` does for who has the right to build already.
pub fn bring_up_claimed(
    work: &Work<'_>,
    project: &Trusted<Project>,
    shells: &[ShellName],
    mode: Mode,
    claim: &Claim,
) -> Result<Vec<Record>, Failure> {
    let bars = work.ui.bars();
    let names = shells.iter().map(ToString::to_string).collect();
    let live = Live::begin(names, mode == Mode::Background, work.context.now);
    crash_cleanup::run(work, project.get().root(), claim.live.as_deref());
    let progress = Recorder::new(&bars, claim.live.clone(), live);
    if mode == Mode::Background {
        progress.announce();
    }
    let traces = Traces::new(work.context, project.get().root());
    let mut watched = prepare_env::watch(work.context, project.get());
    let lock::Current {
        lockfile,
        written,
        unreached,
    } = lock::up_to_date(work, project, mode)?;
    for path in written {
        // Devsh's own doing, no change to be noticed later.
        for file in watched.iter_mut().filter(|file| file.path == path) {
            *file = Watched::look(&path, work.context.now);
        }
    }
    let basis = Basis {
        project,
        lockfile: &lockfile,
        watched: &watched,
        progress: &progress,
        told: &RefCell::default(),
    };
    let mut records = Vec::new();
    let mut news = false;
    for shell in shells {
        let built = prepare_env::build(work, &basis, shell, mode);
        // A tool that nobody could look up and no host tool stands in for: the first reason is the reason.
        let (record, changed) = built.map_err(|failure| match &unreached {
            Some(first) => first.clone().note(failure.error),
            None => failure,
        })?;
        news |= changed | traces.forget(shell)?;
        records.push(record);
    }
    // Where nothing is new nothing is written, so that a read-only home can run what was built.
    if news {
        allow::advance(work)?;
    }
    Ok(records)
}
