//! The answer to the hook at a prompt: what the host shell should load, and the code that loads it.
//!
//! Invariant: a warm transition reads the session, one record and the stamps of its files. It reads no manifest
//! and no lockfile and uses no network. After any error the host shell keeps its environment.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use crate::{
    config::ownership::{OwnDirectoryExposed, check_own_directories},
    context::Context,
    env::{Assignment, VarName},
    manifest::ShellName,
    project::{
        Project, ReadMode,
        approval::{ApprovalState, TrustCheck},
        locate::{self, Place, ProjectKind},
        watch::{self, Watched},
    },
    prompt::{
        enter_leave_scripts,
        env_statements::env_statements,
        former_values::FormerValues,
        freshness::{Dependencies, freshness, nearer_manifests},
        load,
        path_changes::PathMemory,
        record::Record,
        session_var, source_scripts,
        update::{DesiredShell, PromptEvent, ShellMemory, ShellUpdate, update},
    },
    report::{failure::Failure, reporter::NoReport},
    shell::{Freshness, HostShell, ShellStatement, hook},
    store::{self, ProcessMark},
    util::{
        files::{self, Stamp},
        hex, vars,
    },
};

use super::{
    background, build_record, describe_lock_changes,
    dev_shells::with_shell,
    host_notices, missing_parts,
    ready_shell::ReadyShell,
    reload,
    session::{Options, Session},
    trust, typing_shell,
};

/// The request of the hook.
#[derive(Debug, Clone, Copy)]
pub struct PromptRequest<'a> {
    pub host: HostShell,
    /// The memory of the last answer; empty in a new host shell.
    pub loaded: &'a str,
    /// The names of the checks that the host shell has, separated by spaces.
    pub checks: &'a str,
    /// The mark that the hook expects in the answer.
    pub nonce: &'a str,
    pub path: PathMemory<'a>,
}

/// The variables that scripts exported: `NAME=VALUE`, or `NAME` for a removed one.
#[derive(Debug, Clone, Copy)]
pub struct ExportedVariables<'a> {
    pub host: HostShell,
    /// The mark that the hook expects in the answer.
    pub nonce: &'a str,
    pub words: &'a [OsString],
}

/// The answer to the hook.
#[derive(Debug)]
pub struct PromptAnswer {
    /// The code for the host shell.
    pub code: Vec<u8>,
    pub outcome: ShellUpdate,
    /// The reason, if the scripts of `[hooks] source` cannot run.
    pub failed_scripts: Option<Failure>,
    /// A message about the project, once per change.
    pub message: Option<Message>,
}

/// A message about a project at a prompt.
#[derive(Debug)]
pub enum Message {
    Note(String),
    Failure(Box<Failure>),
}

/// The environment that a host shell should have, and the files it depends on.
#[derive(Debug, Default)]
struct Finding {
    ready: Option<ReadyShell>,
    /// True if the loaded dev shell stays until the project can be loaded again.
    keep: bool,
    watched: Vec<Watched>,
    manifests: Vec<PathBuf>,
    message: Option<Message>,
}

/// Answers the hook. If the session cannot be verified now, the host shell stays unchanged.
pub fn answer(context: &Context, request: PromptRequest<'_>) -> Result<PromptAnswer, Failure> {
    let path = request.path.without_returned(&context.shell_env);
    if path.is_none() && context.shell_env.get(vars::FORMER_VALUES).is_none() {
        return answer_in(context, request, Returned::default());
    }
    let mut former = FormerValues::from_env(&context.shell_env);
    let mut clean = context.clone();
    for env in [&mut clean.env, &mut clean.shell_env] {
        env.unset(vars::FORMER_VALUES);
    }
    let mut statements = Vec::new();
    if let Some(path) = path {
        for env in [&mut clean.env, &mut clean.shell_env] {
            env.set(vars::PATH, &path);
        }
        statements.push(ShellStatement::Export(VarName::path(), path));
    }
    let undone = former.undo(&clean.shell_env).map(|undone| {
        statements.extend(env_statements(&clean.shell_env, &undone.env));
        clean.shell_env = undone.env;
        undone.names
    });
    let returned = Returned {
        statements,
        former,
        names: undone.unwrap_or_default(),
    };
    answer_in(&clean, request, returned)
}

/// Parts of former dev shells that other tools have brought back.
#[derive(Debug, Default)]
struct Returned {
    /// The statements that remove them.
    statements: Vec<ShellStatement>,
    /// Values of former dev shells that another tool may set again.
    former: FormerValues,
    /// The variables that were undone.
    names: Vec<VarName>,
}

/// Answers the hook of a host shell in which nothing of former dev shells has come back.
fn answer_in(
    context: &Context,
    request: PromptRequest<'_>,
    returned: Returned,
) -> Result<PromptAnswer, Failure> {
    // Nothing is written to directories that another user can have prepared.
    let exposed = check_own_directories(context).err();
    if exposed.is_none() && request.loaded.is_empty() {
        typing_shell::remember_hook(&context.directories.state, request.host);
    }
    let session = Session::new(context, &NoReport, Options::default());
    let generation = generation(context);
    let reloads = exposed.is_none() && reload::take_request(&context.directories.state);
    let host = session_var::ShellSession::read(&context.shell_env, &context.session_key)?;
    // The values of the loaded dev shell were replaced by the ones that are undone now.
    let is_replaced = host.as_ref().is_some_and(|host| {
        let mut names = returned.names.iter();
        names.any(|name| host.diff.0.contains_key(name))
    });
    let loaded = LoadedShell {
        session: host.as_ref(),
        reloads,
    };
    let mut finding = find(&session, loaded, exposed.as_ref());
    finding.watched.push(generation);
    let pinned = host.as_ref().is_some_and(|host| host.pinned);
    let desired = match &finding.ready {
        Some(ready) => DesiredShell::Ready(ready.loading(&session, pinned)),
        None if finding.keep && host.is_some() => DesiredShell::Unchanged,
        None => DesiredShell::None,
    };
    if finding.ready.is_none() && !finding.keep && host.is_some() {
        store::leases::release_shell(&context.directories.data, ProcessMark::host_shell());
    }
    let shell_memory = ShellMemory {
        is_new: request.loaded.is_empty() || reloads || is_replaced,
        path: request.path,
    };
    let mut outcome = update(context, host.as_ref(), &desired, shell_memory);
    if let Some(ready) = &finding.ready {
        for event in &mut outcome.events {
            if let PromptEvent::HostTools(lines) = event {
                *lines = host_notices::unreported(context, &ready.root, lines);
            }
        }
    }
    outcome.statements.splice(0..0, returned.statements);
    outcome.statements.extend(remember_path(
        context,
        host.as_ref(),
        request.path,
        &outcome.statements,
    ));
    let memory = memory(&finding);
    // If the store is removed while a dev shell is loaded, the next prompt notices it.
    let ready = finding.ready.as_ref();
    let profile = ready.and_then(|ready| ready.record.objects.first().cloned());
    let dependencies = Dependencies {
        watched: &finding.watched,
        profile,
        manifests: finding.manifests,
        awaited: &outcome.awaited,
    };
    let freshness = if exposed.is_none() {
        freshness(context, request.host, dependencies)
    } else {
        // No builtin sees a change of an owner or a mode.
        Freshness::never()
    };
    outcome
        .statements
        .push(ShellStatement::SetLoaded(memory.clone()));
    let failed_scripts = add_scripts(context, request.host, ready, &mut outcome).err();
    let check = request.host.check(&freshness, request.checks);
    outcome.statements.extend(check);
    let mut former = returned.former;
    if let Some(host) = host.as_ref().filter(|_| outcome.is_undone) {
        former.add(host, &context.shell_env);
    }
    outcome.statements.extend(former.statement());
    Ok(PromptAnswer {
        code: request.host.render(&outcome.statements, request.nonce),
        outcome,
        failed_scripts,
        // Once per change, not in every directory below.
        message: finding
            .message
            .filter(|_| reloads || memory != request.loaded),
    })
}

/// Returns the statement that stores which entries of `PATH` were taken away.
fn remember_path(
    context: &Context,
    host: Option<&session_var::ShellSession>,
    memory: PathMemory<'_>,
    statements: &[ShellStatement],
) -> Option<ShellStatement> {
    let exported = statements.iter().rev().find_map(|one| match one {
        ShellStatement::Export(name, value) if name.as_str() == vars::PATH => {
            Some(value.as_os_str())
        }
        _ => None,
    });
    let path = exported.or_else(|| context.shell_env.get(vars::PATH));
    let taken = host.and_then(|host| host.diff.added(vars::PATH));
    let gone = memory.gone(taken, path.unwrap_or_default());
    (gone != memory.gone).then_some(ShellStatement::SetFormerEntries(gone))
}

/// Makes the host shell run the scripts of a dev shell that was just loaded.
fn add_scripts(
    context: &Context,
    host: HostShell,
    ready: Option<&ReadyShell>,
    outcome: &mut ShellUpdate,
) -> Result<(), Failure> {
    let Some(ready) = ready.filter(|_| outcome.entered) else {
        return Ok(());
    };
    let loaded = &ready.record.content;
    if loaded.user_scripts.is_empty() {
        return Ok(());
    }
    let state = &context.directories.state;
    let files = source_scripts::files(state, &ready.root, &ready.shell, loaded, host);
    let files = files.map_err(|error| {
        Failure::new(format!(
            "cannot run the scripts of `[hooks] source`: {error}"
        ))
    })?;
    if !files.is_empty() {
        let code = hook::source_script(host, &context.program);
        outcome.statements.push(ShellStatement::Source(code, files));
    }
    Ok(())
}

/// Makes variables that scripts exported part of the loaded environment.
pub fn absorb_variables(
    context: &Context,
    exported: ExportedVariables<'_>,
) -> Option<PromptAnswer> {
    let host = session_var::ShellSession::from_env(&context.shell_env, &context.session_key)?;
    let change = |word: &OsString| {
        let mut parts = word.as_bytes().splitn(2, |byte| *byte == b'=');
        let name = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
        let value = parts
            .next()
            .map(|value| OsStr::from_bytes(value).to_owned());
        Some(Assignment { name, value })
    };
    let changes = exported.words.iter().filter_map(change).collect();
    let outcome = source_scripts::absorb(context, &host, changes);
    Some(PromptAnswer {
        code: exported.host.render(&outcome.statements, exported.nonce),
        outcome,
        failed_scripts: None,
        message: None,
    })
}

/// Runs the leave scripts of the loaded dev shell when the host shell exits; returns those that failed.
pub fn run_leave_scripts(context: &Context) -> Vec<enter_leave_scripts::Error> {
    let host = session_var::ShellSession::from_env(&context.shell_env, &context.session_key);
    host.map_or_else(Vec::new, |host| load::run_leave_scripts(context, &host))
}

/// The environment that a host shell here should have, without waiting.
#[derive(Debug)]
pub enum PromptTarget {
    /// The present one.
    Unchanged,
    /// The host shell's own.
    Host,
    Ready(Box<ReadyShell>),
}

/// Finds the environment as a prompt does; a dev shell that is not ready is built in the background.
pub fn prompt_target(
    session: &Session<'_>,
    host: Option<&session_var::ShellSession>,
) -> PromptTarget {
    let loaded = LoadedShell {
        session: host,
        reloads: false,
    };
    let exposed = check_own_directories(session.context).err();
    let finding = find(session, loaded, exposed.as_ref());
    match finding.ready {
        Some(ready) => PromptTarget::Ready(Box::new(ready)),
        None if finding.keep => PromptTarget::Unchanged,
        None => PromptTarget::Host,
    }
}

/// Returns the file that changes when another process notifies prompts, before anything else is read.
fn generation(context: &Context) -> Watched {
    let path = watch::generation(&context.directories.state);
    Watched {
        stamp: Stamp::of(&path),
        path,
        racy: None,
    }
}

/// Returns what the hook passes back at the next prompt: the loaded record, or the last message.
fn memory(finding: &Finding) -> String {
    match (&finding.ready, &finding.message) {
        (Some(ready), _) => hex::encode(ready.record.id()),
        (None, Some(message)) => {
            let digest = blake3::hash(format!("{message:?}").as_bytes());
            format!("!{}", &digest.to_hex()[..32])
        }
        (None, None) => "-".to_owned(),
    }
}

/// The dev shell that a host shell has loaded.
#[derive(Debug, Clone, Copy)]
struct LoadedShell<'a> {
    session: Option<&'a session_var::ShellSession>,
    /// True if the user asks for a reload: then a complete one does not stay when the next one lacks parts, and a build
    /// that has failed is tried again.
    reloads: bool,
}

impl LoadedShell<'_> {
    /// Returns whether it belongs to the project at this place.
    fn is_of(self, place: &Place) -> bool {
        let project = self.session.and_then(|host| host.project.as_ref());
        project.is_some_and(|(root, _)| *root == place.root)
    }

    /// Returns whether it is complete, unlike `record` of the same project.
    fn is_better_than(self, record: &Record, place: &Place) -> bool {
        let is_complete = self.session.is_some_and(|host| host.is_complete);
        !self.reloads && is_complete && !record.is_complete() && self.is_of(place)
    }
}

fn find(
    session: &Session<'_>,
    loaded: LoadedShell<'_>,
    exposed: Option<&OwnDirectoryExposed>,
) -> Finding {
    let look = |place: &Place, shell: &ShellName| match exposed {
        Some(exposed) => Finding {
            keep: loaded.is_of(place),
            message: Some(Message::Failure(Box::new(exposed.into()))),
            ..Finding::default()
        },
        None => look(session, place, shell, loaded),
    };
    let pinned = loaded.session.filter(|host| host.pinned);
    if let Some((root, shell)) = pinned.and_then(|host| host.project.as_ref()) {
        let place = Place {
            root: root.clone(),
            kind: kind_of(root),
        };
        // A user who entered a dev shell stays in it, also if the project was trusted only for that command.
        return Finding {
            keep: true,
            ..look(&place, shell)
        };
    }
    if session.context.cwd.is_none() {
        // The directory was removed: nothing is known until the user changes to another one.
        return Finding {
            keep: true,
            ..Finding::default()
        };
    }
    let place = session.prompt_place();
    let mut finding = place
        .as_ref()
        .map_or_else(Finding::default, |place| look(place, &ShellName::dev()));
    let root = place.as_ref().map(|place| place.root.as_path());
    finding.manifests = nearer_manifests(session.context, root);
    finding
}

fn kind_of(root: &Path) -> ProjectKind {
    if root.join(locate::MANIFEST).exists() {
        ProjectKind::Prepared
    } else {
        ProjectKind::Detected
    }
}

fn look(
    session: &Session<'_>,
    place: &Place,
    shell: &ShellName,
    loaded: LoadedShell<'_>,
) -> Finding {
    let fresh = build_record::stored_record(session, place, shell)
        .and_then(|record| finding_of(session, place, shell, loaded, record));
    fresh.unwrap_or_else(|| look_at_project(session, place, shell, loaded))
}

/// Returns what a host shell gets from a record; nothing if its profile is gone.
fn finding_of(
    session: &Session<'_>,
    place: &Place,
    shell: &ShellName,
    loaded: LoadedShell<'_>,
    record: Record,
) -> Option<Finding> {
    let context = session.context;
    let is_retried = loaded.reloads && record.retry.is_some();
    if is_retried || record.is_due(context.now) {
        let basis = build_record::basis_digest(&record.watched);
        // Only the missing parts wait for it.
        let _started = background::start(context, &place.root, shell, basis, loaded.reloads);
    }
    if loaded.is_better_than(&record, place) {
        let mut failure = missing_parts::describe(&record.content.missing);
        // The rest of the line can be cut.
        failure.error = format!("the complete dev shell stays loaded; {}", failure.error);
        return Some(Finding {
            keep: true,
            watched: record.watched,
            message: Some(Message::Failure(Box::new(failure))),
            ..Finding::default()
        });
    }
    build_record::lease_for_shell(context, &record).then(|| Finding {
        watched: record.watched.clone(),
        ready: Some(ReadyShell {
            root: place.root.clone(),
            shell: shell.clone(),
            record,
        }),
        ..Finding::default()
    })
}

/// The state of a project at this prompt.
enum Verdict {
    Ready(Box<Record>),
    /// Its dev shell is being built.
    Building(String),
    /// The user has not allowed it.
    Refused(Option<Message>),
}

/// Reads the project, because there is no fresh record. Slow work is left to a background build.
fn look_at_project(
    session: &Session<'_>,
    place: &Place,
    shell: &ShellName,
    loaded: LoadedShell<'_>,
) -> Finding {
    let context = session.context;
    // A read error can depend on these files.
    let files = [
        place.root.join(locate::MANIFEST),
        session.decisions.approval_path(&place.root),
        session.decisions.denial_path(&place.root),
        context.directories.config.join("config.toml"),
    ];
    let lockfiles = session.lockfile_paths(place);
    let watched = files
        .iter()
        .chain(&lockfiles)
        // No content is read: the user may not have allowed that.
        .map(|path| Watched::settled_look(path.clone()))
        .collect();
    let (verdict, watched) = judge_in_time(session, place, shell, loaded.reloads, watched);
    let keep = loaded.is_of(place);
    let finding = Finding {
        watched,
        ..Finding::default()
    };
    match verdict {
        Ok(Verdict::Ready(record)) => Finding {
            watched: finding.watched.clone(),
            ..finding_of(session, place, shell, loaded, *record).unwrap_or(finding)
        },
        Ok(Verdict::Refused(message)) => Finding { message, ..finding },
        Ok(Verdict::Building(text)) => Finding {
            keep,
            message: Some(Message::Note(text)),
            ..finding
        },
        Err(failure) => Finding {
            keep,
            message: Some(Message::Failure(Box::new(failure))),
            ..finding
        },
    }
}

/// The longest time that a prompt waits for the files of a project.
const LONGEST_WAIT: Duration = Duration::from_secs(4);
/// As for the main thread on Linux: files have nested values.
const STACK_BYTES: usize = 8 << 20;

/// Judges the project. If its files take too long, for example on a network disk that does not answer, a background build
/// reads them, and the prompt appears. The files that can change the verdict are taken and returned.
fn judge_in_time(
    session: &Session<'_>,
    place: &Place,
    shell: &ShellName,
    reloads: bool,
    known: Vec<Watched>,
) -> (Result<Verdict, Failure>, Vec<Watched>) {
    let basis = build_record::basis_digest(&known);
    let root = &place.root;
    // It took long to read, and could not be built.
    if let Some(failure) = background::known_failure(session.context, root, shell, basis, reloads) {
        return (Err(failure), known);
    }
    let (sender, receiver) = mpsc::channel();
    let mut watched = known.clone();
    let (context, its_place, its_shell) = (session.context.clone(), place.clone(), shell.clone());
    let is_known = Arc::new(AtomicBool::new(false));
    let found_known = Arc::clone(&is_known);
    let started = thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let session = Session::new(&context, &NoReport, Options::default());
            let verdict = judge(
                &session,
                &its_place,
                &its_shell,
                (reloads, &found_known),
                &mut watched,
            );
            let verdict = verdict.or_else(|failure| {
                let record =
                    build_record::before_unreadable_lockfile(&session, &its_place, &its_shell);
                record.map_or(Err(failure), |record| {
                    watched.clone_from(&record.watched);
                    Ok(Verdict::Ready(Box::new(record)))
                })
            });
            // The prompt may have come already.
            let _sent = sender.send((verdict, watched));
        });
    if let Err(error) = started {
        let failure = Failure::new(format!("cannot read the project: {error}"));
        return (Err(failure), known);
    }
    match receiver.recv_timeout(LONGEST_WAIT) {
        Ok(judged) => judged,
        Err(RecvTimeoutError::Disconnected) => {
            let failure = Failure::new("devsh failed while it read the project");
            (Err(failure.hint("`devsh status` shows why")), known)
        }
        Err(RecvTimeoutError::Timeout) => {
            let is_known = is_known.load(Ordering::Relaxed);
            (take_time(session, place, shell, basis, is_known), known)
        }
    }
}

/// Leaves a project whose files take too long to a background build, if the user has decided about it. It does not look
/// at the project itself.
fn take_time(
    session: &Session<'_>,
    place: &Place,
    shell: &ShellName,
    basis: [u8; 16],
    is_known: bool,
) -> Result<Verdict, Failure> {
    let name = session.display(&place.root);
    let slow = format!(
        "{name}: its files take more than {} s to read",
        LONGEST_WAIT.as_secs()
    );
    if !is_known {
        return Ok(Verdict::Refused(Some(Message::Note(slow))));
    }
    background::start(session.context, &place.root, shell, basis, false)?;
    Ok(Verdict::Building(format!(
        "{slow}, so they are read in the background; `devsh status` waits for them"
    )))
}

fn judge(
    session: &Session<'_>,
    place: &Place,
    shell: &ShellName,
    (reloads, is_known): (bool, &AtomicBool),
    watched: &mut Vec<Watched>,
) -> Result<Verdict, Failure> {
    let context = session.context;
    match session.decisions.denial(&place.root) {
        Ok(None) => {}
        Ok(Some(_)) => return Ok(Verdict::Refused(None)),
        Err(error) => {
            let message = Message::Failure(Box::new(unreadable_denial(error)));
            return Ok(Verdict::Refused(Some(message)));
        }
    }
    let found = session.find(place.clone())?;
    is_known.store(found.is_known(), Ordering::Relaxed);
    if !found.is_known() && place.kind != ProjectKind::Prepared {
        // Without a decision of the user and without a manifest nothing of the project is read.
        return Ok(Verdict::Refused(None));
    }
    let project = match session.read(found, ReadMode::Prompt)? {
        Ok(project) => project,
        Err(unreadable) => {
            watched.extend(unreadable.watched);
            return Err(unreadable.error.into());
        }
    };
    if project.standing() == ApprovalState::Unknown {
        // The stamps of lockfiles stay those that were taken without their content.
        watched.extend(project.watched().iter().cloned());
        // An empty manifest has nothing to review.
        let message = unknown_project(session, place).filter(|_| !project.asks_for_nothing());
        return Ok(Verdict::Refused(message));
    }
    *watched = build_record::watch(context, &project);
    if project.standing() != ApprovalState::Allowed {
        return Ok(Verdict::Refused(refusal(session, &project)));
    }
    let project = match with_shell(project, shell)?.trusted() {
        TrustCheck::Trusted(project) => project,
        TrustCheck::Refused(_) => return Ok(Verdict::Refused(None)),
    };
    if let Some(record) = build_record::find_built(session, &project, shell, watched)? {
        return Ok(Verdict::Ready(Box::new(record)));
    }
    let basis = build_record::basis_digest(watched);
    let changes = describe_lock_changes::describe(session, project.get(), shell);
    let building = background::start(context, &place.root, shell, basis, reloads)?;
    Ok(Verdict::Building(match changes {
        Some(changes) => format!("{changes}; {building}"),
        None => building,
    }))
}

/// Returns the failure for a project of which devsh cannot find out whether it is denied.
fn unreadable_denial(error: files::Error) -> Failure {
    let mut failure = Failure::from(error);
    failure.error.push_str(", so the project counts as denied");
    failure
}

/// Returns the message about a project that is not allowed; there is none without a manifest.
fn refusal(session: &Session<'_>, project: &Project) -> Option<Message> {
    match project.standing() {
        ApprovalState::Changed => Some(Message::Failure(Box::new(
            Failure::new(trust::describe_change(session, project))
                .hint("review it with `devsh allow`"),
        ))),
        ApprovalState::Unknown | ApprovalState::Allowed | ApprovalState::Denied => None,
    }
}

fn unknown_project(session: &Session<'_>, place: &Place) -> Option<Message> {
    (place.kind == ProjectKind::Prepared).then(|| {
        Message::Note(format!(
            "not allowed yet, review it with `devsh allow`: {}",
            session.display(&place.root.join(locate::MANIFEST))
        ))
    })
}
