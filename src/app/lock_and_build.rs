//! From a trusted project to dev shells that can be loaded: lock, build, record.

use std::{cell::RefCell, collections::BTreeSet};

use crate::{
    builder::build_progress::{BuildProgress, ProgressRecorder},
    context::Context,
    manifest::ShellName,
    project::{
        Project, ReadMode,
        approval::Trusted,
        watch::{self, Watched},
    },
    prompt::record::Record,
    report::{failure::Failure, reporter::NoReport},
    util::interrupts::Interrupts,
};

use super::{
    background,
    build_claim::{self, BuildClaim},
    build_files::{BuildFailure, BuildTraces},
    build_mode::BuildMode,
    build_record::{self, BuildBasis, RecordedShell},
    crash_cleanup, describe_lock_changes,
    lock::{self, UpToDate},
    session::{Options, Session},
    trust,
};

/// Builds a dev shell of the project in the working directory, or all, and tries unreachable sources again.
pub fn sync_project(
    session: &Session<'_>,
    shell: Option<ShellName>,
) -> Result<Vec<(ShellName, Record)>, Failure> {
    let project = trust::trusted_project_at(session, session.place()?, shell.as_ref())?;
    let shells: Vec<ShellName> = match shell {
        Some(shell) => vec![shell],
        None => project.get().preview().shells.keys().cloned().collect(),
    };
    let built = bring_up(session, &project, &shells, BuildMode::Refresh)?;
    let records = built.into_iter().map(RecordedShell::complete);
    let records: Vec<Record> = records.collect::<Result<_, _>>()?;
    Ok(shells.into_iter().zip(records).collect())
}

/// Makes Ctrl-C stop the build for good: also the background build that this command may wait for, and those of later
/// prompts. Without this the next prompt would build what the user has just stopped.
pub fn stop_on_interrupt(
    context: &Context,
    project: &Project,
    shells: &[ShellName],
) -> Option<Interrupts> {
    let held = Interrupts::held();
    let traces = BuildTraces::new(context, project.root());
    let (context, project, shells) = (context.clone(), project.clone(), shells.to_vec());
    held.after(move || {
        // The build may have written the lockfile, and prompts read other files than a review, so the inputs are those of
        // a prompt now.
        let session = Session::new(&context, &NoReport, Options::default());
        let found = session.find(project.place.clone());
        let read = found.and_then(|found| session.read(found, ReadMode::Prompt));
        let read = read.ok().and_then(Result::ok);
        let project = read.as_ref().unwrap_or(&project);
        let basis = build_record::basis_digest(&build_record::watch(&context, project));
        let stopped = BuildFailure::stopped(basis, context.now);
        for shell in &shells {
            // If it cannot be written, the next prompt builds again.
            let _recorded = traces.record(shell, &stopped);
        }
        background::stop(&context, project.root());
        let _noticed = watch::advance_generation(&context.directories.state, context.now);
    })
    .ok()
}

/// Locks missing versions, builds missing dev shells as far as possible, and records them.
///
/// A running build of the same project is shown and waited for.
pub fn bring_up(
    session: &Session<'_>,
    project: &Trusted<Project>,
    shells: &[ShellName],
    mode: BuildMode,
) -> Result<Vec<RecordedShell>, Failure> {
    let _interrupts = stop_on_interrupt(session.context, project.get(), shells);
    let claim = build_claim::claim(session, project.get().root());
    if claim.waited {
        // The files or the approval of the project can have changed during the wait.
        session.forget_lockfiles();
        let project =
            trust::trusted_project_at(session, project.get().place.clone(), shells.first())?;
        return build_claimed(session, &project, shells, mode, &claim);
    }
    build_claimed(session, project, shells, mode, &claim)
}

/// Does the work of `bring_up` for a caller that has the right to build.
pub fn build_claimed(
    session: &Session<'_>,
    project: &Trusted<Project>,
    shells: &[ShellName],
    mode: BuildMode,
    claim: &BuildClaim,
) -> Result<Vec<RecordedShell>, Failure> {
    session.use_caches_of(project)?;
    let shown = session.reporter.progress();
    let names = shells.iter().map(ToString::to_string).collect();
    let live = BuildProgress::begin(names, mode == BuildMode::Background, session.context.now);
    crash_cleanup::run(session, project.get().root(), claim.live.as_deref());
    let progress = ProgressRecorder::new(&*shown, claim.live.clone(), live);
    if mode == BuildMode::Background {
        progress.announce();
    }
    let traces = BuildTraces::new(session.context, project.get().root());
    let mut watched = build_record::watch(session.context, project.get());
    let UpToDate {
        lockfile,
        written,
        changed,
        unlocked,
    } = lock::bring_up_to_date(session, project, mode)?;
    for name in changed {
        session.reporter.note(&format!("wrote {name}"));
    }
    for path in written {
        // A file that devsh wrote itself is not a later change.
        for file in watched.iter_mut().filter(|file| file.path == path) {
            *file = Watched::look(&path, session.context.now);
        }
    }
    let basis = BuildBasis {
        project,
        lockfile: &lockfile,
        unlocked: &unlocked,
        watched: &watched,
        progress: &progress,
        reported: &RefCell::default(),
    };
    let mut records = Vec::new();
    let mut is_new = false;
    let mut described = BTreeSet::new();
    for shell in shells {
        // Dev shells have most of their files in common.
        if mode != BuildMode::Background
            && let Some(changes) = describe_lock_changes::describe(session, project.get(), shell)
            && described.insert(changes.clone())
        {
            session.reporter.note(&changes);
        }
        let built = build_record::build(session, &basis, shell, mode)?;
        is_new |= built.is_new | traces.forget(shell)?;
        records.push(built);
    }
    // Without news nothing is written: a read-only home can run what was built.
    if is_new {
        session.notify_host_shells()?;
    }
    Ok(records)
}
