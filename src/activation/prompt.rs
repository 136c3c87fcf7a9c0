//! One prompt of a host shell: from what it has and what it should have to the statements it evaluates.

use std::path::{Path, PathBuf};

use crate::{
    context::Context,
    env::{Env, VarName},
    host::{Freshness, Statement},
    project::{
        locate::{self, MANIFEST},
        watch::{StampFiles, Watched},
    },
};

use super::{
    Loading, Missing, leave, load,
    plan::{self, Decision, Wanted},
    record::Record,
    script,
    session::Session,
    statements,
};

/// What a host shell should have loaded.
#[derive(Debug)]
pub enum Target<'a> {
    /// Nothing: no project, or one that is denied or not allowed.
    Nothing,
    /// A dev shell that is ready.
    Ready(Loading<'a>),
    /// What it has now, until the project can be used again.
    AsIs,
}

/// Something to be said at the prompt.
#[derive(Debug)]
pub enum Event {
    /// A dev shell was loaded, for the first time in this host shell or with new content.
    Loaded(String),
    /// A project was left.
    Left(PathBuf),
    /// Values that the user changed were kept.
    Kept(Vec<VarName>),
    /// A script failed.
    ScriptFailed(script::Error),
    /// The dev shell needs a variable.
    Missing(Missing),
}

/// What one prompt leads to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The changes of the host shell.
    pub statements: Vec<Statement>,
    /// What happened.
    pub events: Vec<Event>,
    /// Variables whose appearance changes the outcome.
    pub awaited: Vec<VarName>,
}

/// Brings a host shell to its target. `new_shell` says that it has not asked before.
pub fn step(
    context: &Context,
    session: Option<&Session>,
    target: &Target<'_>,
    new_shell: bool,
) -> Outcome {
    let loading = match target {
        Target::AsIs => return settled(context, session.filter(|_| new_shell)),
        Target::Nothing => None,
        Target::Ready(loading) => Some(loading),
    };
    let wanted = loading.map(|loading| Wanted {
        root: loading.root,
        shell: loading.shell,
        record: loading.record.id(),
    });
    let decision = plan::decide(session, wanted, new_shell);
    let mut outcome = Outcome::default();
    if decision == Decision::Keep {
        if session.is_none() {
            // What is left of a session that cannot be read is of no use to anybody.
            let mut clean = context.env.clone();
            Session::erase(&mut clean);
            outcome.statements = statements(&context.env, &clean);
        }
        return outcome;
    }
    let base = undo(context, session, loading, &mut outcome);
    let Some(loading) = loading else {
        outcome.statements.extend(statements(&context.env, &base));
        let left = session.and_then(|session| session.project.clone());
        outcome
            .events
            .extend(left.map(|(root, _)| Event::Left(root)));
        return outcome;
    };
    match load(&base, *loading) {
        Ok(loaded) => {
            outcome
                .events
                .extend(loaded.failed.into_iter().map(Event::ScriptFailed));
            outcome
                .statements
                .extend(statements(&context.env, &loaded.env));
            let aliases = loading.record.content.aliases.iter().cloned();
            outcome
                .statements
                .extend(aliases.map(|(name, value)| Statement::Alias(name, value)));
            outcome
                .events
                .push(Event::Loaded(loading.record.content.summary.clone()));
        }
        Err(missing) => {
            outcome.statements.extend(statements(&context.env, &base));
            outcome.awaited.push(missing.name.clone());
            outcome.events.push(Event::Missing(missing));
        }
    }
    outcome
}

/// Keeps what is loaded; in a new host shell rc files have put other entries first on lists of paths.
fn settled(context: &Context, session: Option<&Session>) -> Outcome {
    let Some(session) = session else {
        return Outcome::default();
    };
    let settled = session.diff.settle(&context.env);
    Outcome {
        statements: statements(&context.env, &settled),
        ..Outcome::default()
    }
}

/// Undoes what is loaded and returns the host shell's own environment.
fn undo(
    context: &Context,
    session: Option<&Session>,
    next: Option<&Loading<'_>>,
    outcome: &mut Outcome,
) -> Env {
    let Some(session) = session else {
        let mut base = context.env.clone();
        Session::erase(&mut base);
        return base;
    };
    let stays = next
        .zip(session.project.as_ref())
        .is_some_and(|(next, (root, shell))| next.root == root && next.shell == shell);
    if !stays {
        run_leave_scripts(context, session, outcome);
    }
    let (base, kept) = session.unload(&context.env);
    if !kept.is_empty() {
        outcome.events.push(Event::Kept(kept));
    }
    outcome.statements.push(Statement::RestoreAliases);
    base
}

fn run_leave_scripts(context: &Context, session: &Session, outcome: &mut Outcome) {
    let Some((root, shell)) = &session.project else {
        return;
    };
    // The record that was loaded, though the project may have changed since; another one has other scripts.
    let record = Record::stored(&context.directories.state, root, shell)
        .filter(|record| record.id() == session.record);
    if let Some(record) = record {
        let failed = leave(&context.env, root, &record.content.leave, &context.program);
        outcome
            .events
            .extend(failed.into_iter().map(Event::ScriptFailed));
    }
}

/// Returns what the next prompts check with builtins: the files behind the outcome, manifests that may
/// appear, and variables that may.
pub fn freshness(
    context: &Context,
    watched: &[Watched],
    manifests: Vec<PathBuf>,
    awaited: &[VarName],
) -> Freshness {
    let stamps = StampFiles::new(&context.directories.state);
    let mut freshness = Freshness {
        present: Vec::new(),
        absent: manifests,
        unset: awaited.to_vec(),
    };
    for file in watched {
        match &file.stamp {
            // Without a stamp file (read-only state) the file cannot be watched by builtins.
            Some(stamp) => {
                let carrier = stamps.carrier(stamp);
                freshness
                    .present
                    .extend(carrier.map(|carrier| (file.path.clone(), carrier)));
            }
            None => freshness.absent.push(file.path.clone()),
        }
    }
    freshness
}

/// Returns the manifests that would come before the project at `root` if they appeared, seen from the
/// working directory.
pub fn nearer_manifests(context: &Context, root: Option<&Path>) -> Vec<PathBuf> {
    let home = context.directories.home.as_deref();
    context
        .cwd
        .iter()
        .flat_map(|cwd| {
            locate::ancestors(cwd, home)
                .take_while(|directory| Some(*directory) != root)
                .map(|directory| directory.join(MANIFEST))
        })
        .collect()
}
