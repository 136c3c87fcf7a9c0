//! The environment of a dev shell for a command: from a stored record, or from one that is built first.

use std::path::{Path, PathBuf};

use crate::{
    config::units::span,
    env::Env,
    manifest::ShellName,
    project::{Project, locate::Place, watch::Watched},
    prompt::{Loading, load, record::Record},
    report::failure::Failure,
};

use super::{
    build_claim,
    build_files::BuildTraces,
    build_mode::BuildMode,
    build_record::{self, RecordedShell},
    describe_lock_changes,
    lock_and_build::bring_up,
    missing_parts,
    session::Session,
    trust,
};

/// A dev shell that can be loaded.
#[derive(Debug)]
pub struct ReadyShell {
    pub root: PathBuf,
    pub shell: ShellName,
    pub record: Record,
}

impl ReadyShell {
    /// Returns how to load it; with `pinned` the host shell stays in it in every directory.
    pub fn loading<'a>(&'a self, session: &'a Session<'_>, pinned: bool) -> Loading<'a> {
        let context = session.context;
        Loading::new(context, &self.root, &self.shell, &self.record).pinned(pinned)
    }
}

/// An environment with a dev shell.
#[derive(Debug)]
pub struct LoadedEnvironment {
    pub env: Env,
    /// The environment id.
    pub id: String,
}

/// The parts of a dev shell that a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// Every part must be there.
    Whole,
    /// Missing parts are reported.
    Partial,
}

/// Returns a dev shell of the project here: its stored record while that is fresh, else a new one.
///
/// A record without parts whose servers failed is used until the time of the next try. If another process builds the
/// dev shell, a command that needs no more than a part of it does not wait.
pub fn prepare(
    session: &Session<'_>,
    shell: &ShellName,
    completeness: Completeness,
) -> Result<ReadyShell, Failure> {
    if let Some(ready) = stored(session, shell) {
        if ready.record.is_complete() || !lacks_needed(session, &ready.root, &ready.record) {
            return Ok(ready);
        }
        let retry = ready.record.retry;
        let wait = retry.map(|retry| retry.wait(session.context.now));
        if let Some(wait) = wait.filter(|wait| reuses_failure(session, &ready.root, *wait)) {
            return match completeness {
                Completeness::Partial => Ok(ready),
                Completeness::Whole => {
                    let failure = missing_parts::recorded_failure(&ready.record.content.missing);
                    Err(without_parts(
                        session,
                        until_next_try(session, failure, wait),
                    ))
                }
            };
        }
    }
    let place = session.active_place()?;
    if completeness == Completeness::Partial
        && let Some(record) = during_build(session, &place, shell)?
    {
        return Ok(ReadyShell {
            root: place.root,
            shell: shell.clone(),
            record,
        });
    }
    let record = match (build(session, &place, shell), completeness) {
        (Ok(built), Completeness::Whole) if lacks_needed(session, &place.root, &built.record) => {
            built
                .complete()
                .map_err(|failure| without_parts(session, failure))?
        }
        (Ok(built), _) => built.record,
        (Err(failure), Completeness::Whole) => return Err(failure),
        (Err(failure), Completeness::Partial) => {
            let before = build_record::before_unreadable_lockfile(session, &place, shell);
            before.ok_or(failure)?
        }
    };
    Ok(ReadyShell {
        root: place.root,
        shell: shell.clone(),
        record,
    })
}

/// Returns the working directory below the root of a project.
fn directory_below(session: &Session<'_>, root: &Path) -> PathBuf {
    let cwd = session.context.cwd.as_deref();
    let below = cwd.and_then(|cwd| cwd.strip_prefix(root).ok());
    below.unwrap_or(Path::new("")).to_owned()
}

/// Returns whether a dev shell lacks a part that a command in the working directory needs. The parts of another member of
/// a repository are not needed.
fn lacks_needed(session: &Session<'_>, root: &Path, record: &Record) -> bool {
    let directory = directory_below(session, root);
    let mut missing = record.content.missing.iter();
    missing.any(|one| one.is_needed_in(&directory))
}

/// Returns the record of a dev shell that another process builds now: what is there of it, or the last build.
fn during_build(
    session: &Session<'_>,
    place: &Place,
    shell: &ShellName,
) -> Result<Option<Record>, Failure> {
    if !build_claim::is_taken(&BuildTraces::new(session.context, &place.root)) {
        return Ok(None);
    }
    let project = trust::trusted_project_at(session, place.clone(), Some(shell))?;
    let Some(record) = build_record::before_build(session, place, shell) else {
        return Ok(None);
    };
    // The missing parts of a fresh record say the same.
    if !record.watched.iter().all(Watched::is_unchanged) {
        let status = session.command("status");
        let text = format!(
            "`{shell}` is still being built, so its last build is used; `{status}` shows how far it is"
        );
        let changes = describe_lock_changes::describe(session, project.get(), shell);
        let text = changes.map_or(text.clone(), |changes| format!("{changes}; {text}"));
        session.reporter.note(&text);
    }
    Ok(Some(record))
}

/// Returns whether a build that failed for a server is not repeated for these seconds. A CI job may repeat a command on
/// purpose, and a build that runs may succeed.
fn reuses_failure(session: &Session<'_>, root: &Path, wait: u64) -> bool {
    wait > 0 && !session.context.is_ci() && !BuildTraces::new(session.context, root).is_building()
}

/// Adds the time of the next try to the failure of an earlier build.
fn until_next_try(session: &Session<'_>, failure: Failure, wait: u64) -> Failure {
    failure
        .note(format!("next try in {}", span(wait)))
        .hint(format!("`{}` tries now", session.command("sync")))
}

/// Adds how to do without the missing parts.
fn without_parts(session: &Session<'_>, failure: Failure) -> Failure {
    let run = session.command("run --partial");
    failure.hint(format!("`{run}` goes without it"))
}

/// Returns the failure of the last build, if the same build is not worth another try now.
fn recorded_failure(
    session: &Session<'_>,
    project: &Project,
    shell: &ShellName,
) -> Option<Failure> {
    let context = session.context;
    let failed = BuildTraces::new(context, project.root()).failed(shell)?;
    let wait = failed.wait(context.now)?;
    let basis = build_record::basis_digest(&build_record::watch(context, project));
    let is_reused = failed.is_of(basis) && reuses_failure(session, project.root(), wait);
    is_reused.then(|| {
        let mut failure = Failure::new(failed.error);
        failure.hints = failed.hint.into_iter().collect();
        until_next_try(session, failure, wait)
    })
}

fn build(
    session: &Session<'_>,
    place: &Place,
    shell: &ShellName,
) -> Result<RecordedShell, Failure> {
    let project = trust::trusted_project_at(session, place.clone(), Some(shell))?;
    if let Some(failure) = recorded_failure(session, project.get(), shell) {
        return Err(failure);
    }
    let shells = std::slice::from_ref(shell);
    let mut records = bring_up(session, &project, shells, BuildMode::Foreground)?;
    records
        .pop()
        .ok_or_else(|| Failure::new("no dev shell was built"))
}

/// Returns a dev shell whose stored record is fresh, without reading the project.
fn stored(session: &Session<'_>, shell: &ShellName) -> Option<ReadyShell> {
    let place = session.prompt_place()?;
    let record = build_record::stored_record(session, &place, shell)?;
    Some(ReadyShell {
        root: place.root,
        shell: shell.clone(),
        record,
    })
}

/// Returns `base` with a dev shell loaded, which is built if necessary.
///
/// A failed enter script is an error: the command would run in another environment than the project asks for.
pub fn load_environment(
    session: &Session<'_>,
    shell: &ShellName,
    base: &Env,
    completeness: Completeness,
) -> Result<LoadedEnvironment, Failure> {
    let ready = prepare(session, shell, completeness)?;
    build_record::lease_until_exit(session.context, &ready.record);
    let loaded = load(base, ready.loading(session, false));
    let directory = directory_below(session, &ready.root);
    let missing = ready.record.content.missing.iter();
    for missing in missing.filter(|missing| missing.is_needed_in(&directory)) {
        session.reporter.warn(&missing.to_string());
    }
    for missing in &loaded.missing {
        if completeness == Completeness::Whole {
            return Err(missing.into());
        }
        session.reporter.warn(&missing.to_string());
    }
    for error in loaded.failed {
        if error.is_failed_script() {
            return Err(Failure::new(error.to_string())
                .note("a command does not run without the changes of the enter scripts"));
        }
        session.reporter.warn(&error.to_string());
    }
    Ok(LoadedEnvironment {
        env: loaded.env,
        id: ready.record.content.environment,
    })
}
