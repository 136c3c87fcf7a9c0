//! `devsh export`: the prompt path. One process, started by the hook when something may have changed.
//!
//! Invariant: a warm transition reads the session, one record and the stamps of its files; no manifest, no
//! lockfile, no network. Whatever goes wrong, the host shell keeps its environment.

mod prompt_messages;
mod sourced;

use std::path::{Path, PathBuf};

use crate::{
    config::Config,
    context::Context,
    manifest::ShellName,
    project::{
        Project,
        approval::{Decisions, TrustCheck},
        locate::{self, Place, ProjectKind, SearchBounds},
        watch::{self, Watched},
    },
    prompt::{
        Loading,
        freshness::{Dependencies, freshness, nearer_manifests},
        load,
        record::Record,
        session_var::Session,
        update::{DesiredShell, update},
    },
    report::{failure::Failure, ui::Ui},
    shell::{HostShell, Statement},
    store::{self, ProcessMark},
    util::{files::Stamp, hex},
};

use prompt_messages::{Message, refusal, say};
pub use sourced::{Exported, take};

use crate::{
    app::{
        background,
        prepare_env::{self, Readiness},
    },
    report::hints,
};

/// What the hook tells.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The host shell.
    pub host: HostShell,
    /// What it remembers of the last answer; empty in a new host shell.
    pub loaded: &'a str,
    /// The names of the checks that it has, with spaces between.
    pub checks: &'a str,
    /// The mark that the hook waits for.
    pub nonce: &'a str,
}

/// What a host shell should have, and what that was made from.
#[derive(Debug, Default)]
struct Finding {
    record: Option<(PathBuf, ShellName, Record)>,
    /// Whether what is loaded stays until the project is usable again.
    keep: bool,
    watched: Vec<Watched>,
    manifests: Vec<PathBuf>,
    /// What is to be said, once.
    message: Option<Message>,
}

/// Answers the hook.
pub fn run(context: &Context, ui: &Ui, request: Request<'_>) -> Result<(), Failure> {
    let generation = generation(context);
    let session = Session::from_env(&context.env);
    let mut finding = find(context, session.as_ref());
    finding.watched.push(generation);
    let desired = match &finding.record {
        Some((root, shell, record)) => {
            let pinned = session.as_ref().is_some_and(|session| session.pinned);
            DesiredShell::Ready(Loading::new(context, root, shell, record).pinned(pinned))
        }
        None if finding.keep && session.is_some() => DesiredShell::Unchanged,
        None => DesiredShell::None,
    };
    if finding.record.is_none() && !finding.keep && session.is_some() {
        store::leases::release_shell(&context.directories.data, ProcessMark::host_shell());
    }
    let mut outcome = update(
        context,
        session.as_ref(),
        &desired,
        request.loaded.is_empty(),
    );
    let memory = memory(&finding);
    // Should the store be removed under a loaded dev shell, the next prompt sees it.
    let ready = finding.record.as_ref();
    let profile = ready.and_then(|(_, _, record)| record.objects.first().cloned());
    let dependencies = Dependencies {
        watched: &finding.watched,
        profile,
        manifests: finding.manifests,
        awaited: &outcome.awaited,
    };
    let freshness = freshness(context, request.host, dependencies);
    outcome.statements.push(Statement::Loaded(memory.clone()));
    let failed = sourced::add(context, request.host, finding.record.as_ref(), &mut outcome);
    let check = request.host.check(&freshness, request.checks);
    outcome.statements.extend(check);
    let code = request.host.render(&outcome.statements, request.nonce);
    print(ui, &code)?;
    say(context, ui, &outcome);
    if let Some(failure) = failed {
        ui.failure_line(&failure);
    }
    // Said once for each change, not at every directory below.
    if let Some(message) = finding.message.filter(|_| memory != request.loaded) {
        message.say(ui);
    }
    Ok(())
}

fn print(ui: &Ui, code: &[u8]) -> Result<(), Failure> {
    ui.code(code)
        .map_err(|error| Failure::new(format!("cannot write the code: {error}")))
}

/// Runs the leave scripts of what the host shell has loaded, when it exits.
pub fn leave(context: &Context, ui: &Ui) {
    let session = Session::from_env(&context.env);
    let failed = session.map(|session| load::run_leave_scripts(context, &session));
    for error in failed.into_iter().flatten() {
        ui.failure_line(&Failure::new(error.to_string()));
    }
}

/// What a host shell here should have, as far as it can be told without waiting.
#[derive(Debug)]
pub enum Now {
    /// What it has.
    Stays,
    /// Its own environment alone.
    Nothing,
    /// A dev shell that is ready: of which project, which one, and its record.
    Ready(Box<(PathBuf, ShellName, Record)>),
}

/// Looks as the prompt does; what is not ready is built in the background.
pub fn now(context: &Context, session: Option<&Session>) -> Now {
    let finding = find(context, session);
    match finding.record {
        Some(ready) => Now::Ready(Box::new(ready)),
        None if finding.keep => Now::Stays,
        None => Now::Nothing,
    }
}

/// The sign of events elsewhere, as it is before anything else is looked at.
fn generation(context: &Context) -> Watched {
    let path = watch::generation(&context.directories.state);
    Watched {
        stamp: Stamp::of(&path),
        path,
        racy: None,
    }
}

/// What the hook gives back next time: which record is loaded, or which message was said.
fn memory(finding: &Finding) -> String {
    match (&finding.record, &finding.message) {
        (Some((_, _, record)), _) => hex::encode(record.id()),
        (None, Some(message)) => {
            let digest = blake3::hash(format!("{message:?}").as_bytes());
            format!("!{}", &digest.to_hex()[..32])
        }
        (None, None) => "-".to_owned(),
    }
}

fn find(context: &Context, session: Option<&Session>) -> Finding {
    let decisions = Decisions::new(&context.directories.data);
    let pinned = session.filter(|session| session.pinned);
    if let Some((root, shell)) = pinned.and_then(|session| session.project.as_ref()) {
        let place = Place {
            root: root.clone(),
            kind: kind_of(root),
        };
        let finding = look(
            context,
            &decisions,
            Asked {
                place: &place,
                shell,
                session,
            },
        );
        // Who entered a dev shell stays in it, allowed or only trusted for that command.
        return Finding {
            keep: true,
            ..finding
        };
    }
    let Some(cwd) = &context.cwd else {
        // The directory was removed: nothing is known until the user goes elsewhere.
        return Finding {
            keep: true,
            ..Finding::default()
        };
    };
    let place = locate::active(cwd, &SearchBounds::of(context), |directory| {
        decisions.is_known(directory)
    });
    let shell = &ShellName::dev();
    let mut finding = place.as_ref().map_or_else(Finding::default, |place| {
        look(
            context,
            &decisions,
            Asked {
                place,
                shell,
                session,
            },
        )
    });
    finding.manifests = nearer_manifests(context, place.as_ref().map(|place| place.root.as_path()));
    finding
}

fn kind_of(root: &Path) -> ProjectKind {
    if root.join(locate::MANIFEST).exists() {
        ProjectKind::Prepared
    } else {
        ProjectKind::Detected
    }
}

/// Which dev shell of which project is to be loaded into what.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    place: &'a Place,
    shell: &'a ShellName,
    session: Option<&'a Session>,
}

fn look(context: &Context, decisions: &Decisions, asked: Asked<'_>) -> Finding {
    let Asked { place, shell, .. } = asked;
    let state = &context.directories.state;
    let fresh = Record::fresh(state, &place.root, shell, context.now)
        .filter(|record| prepare_env::lease_for_shell(context, record));
    let Some(record) = fresh else {
        return slow(context, decisions, asked);
    };
    let watched = record.watched.clone();
    let record = Some((place.root.clone(), shell.clone(), record));
    Finding {
        record,
        watched,
        ..Finding::default()
    }
}

/// What a project is good for at this prompt.
enum Verdict {
    /// Its dev shell can be loaded.
    Ready(Box<Record>),
    /// Its dev shell is being built.
    Building(String),
    /// The user has not allowed it.
    Refused(Option<Message>),
}

/// Without a fresh record the project is read. What takes long is left to a background build.
fn slow(context: &Context, decisions: &Decisions, asked: Asked<'_>) -> Finding {
    let Asked {
        place,
        shell,
        session,
    } = asked;
    // Should reading fail, these are what the failure can depend on.
    let mut watched = [
        place.root.join(locate::MANIFEST),
        decisions.approval_path(&place.root),
        decisions.denial_path(&place.root),
        context.directories.config.join("config.toml"),
    ]
    .map(|path| Watched::look(&path, context.now))
    .to_vec();
    match judge(context, decisions, asked, &mut watched) {
        Ok(Verdict::Ready(record)) => Finding {
            record: Some((place.root.clone(), shell.clone(), *record)),
            watched,
            ..Finding::default()
        },
        Ok(Verdict::Refused(message)) => Finding {
            watched,
            message,
            ..Finding::default()
        },
        Ok(Verdict::Building(text)) => Finding {
            keep: is_loaded(session, place),
            watched,
            message: Some(Message::Note(text)),
            ..Finding::default()
        },
        Err(failure) => Finding {
            keep: is_loaded(session, place),
            watched,
            message: Some(Message::Failure(Box::new(failure))),
            ..Finding::default()
        },
    }
}

/// Returns whether what is loaded is the last good environment of this very project.
fn is_loaded(session: Option<&Session>, place: &Place) -> bool {
    let project = session.and_then(|session| session.project.as_ref());
    project.is_some_and(|(root, _)| *root == place.root)
}

fn judge(
    context: &Context,
    decisions: &Decisions,
    asked: Asked<'_>,
    watched: &mut Vec<Watched>,
) -> Result<Verdict, Failure> {
    let Asked { place, shell, .. } = asked;
    if decisions.is_denied(&place.root) {
        return Ok(Verdict::Refused(None));
    }
    let rules = Config::load(context)
        .map_err(|error| hints::config(&error))?
        .trust;
    let project = match Project::open(place.clone(), decisions, context, &rules) {
        Ok(project) => project,
        Err(unreadable) => {
            watched.extend(unreadable.watched);
            return Err(hints::project(context, &unreadable.error));
        }
    };
    let project = crate::app::session::with_shell(context, project, shell)?;
    *watched = prepare_env::watch(context, &project);
    let project = match project
        .trusted(decisions)
        .map_err(|error| hints::file(&error))?
    {
        TrustCheck::Trusted(project) => project,
        TrustCheck::Refused(standing) => {
            return Ok(Verdict::Refused(refusal(context, place, standing)));
        }
    };
    match prepare_env::find(context, &project, shell, watched)? {
        Readiness::Ready(record) => {
            prepare_env::lease_for_shell(context, &record);
            Ok(Verdict::Ready(record))
        }
        Readiness::NotBuilt => {
            let basis = prepare_env::basis(watched);
            background::start(context, &place.root, shell, basis).map(Verdict::Building)
        }
    }
}
