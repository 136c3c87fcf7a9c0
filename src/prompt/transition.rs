//! One prompt of a host shell: from what it has and what it should have to the statements it evaluates.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    context::Context,
    env::{Env, VarName},
    project::{
        approval::Decisions,
        locate::{self, Bounds, MANIFEST},
        watch::{self, StampFiles, Watched},
    },
    shell::{Freshness, HostShell, Statement},
};

use super::{
    Loading, Missing, absent_files,
    decide::{self, Decision, Wanted},
    hook_scripts, leave, load, mtime_batch,
    record::Record,
    session_var::Session,
    statements, symlink_checks,
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
    ScriptFailed(hook_scripts::Error),
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
    /// Whether the dev shell was loaded, so that its scripts for the host shell itself are to run.
    pub entered: bool,
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
    let decision = decide::decide(session, wanted, new_shell);
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
    let undone = undo(context, session, loading, &mut outcome);
    let Some(loading) = loading else {
        let changes = statements(&context.env, &undone.base);
        outcome.statements.extend(changes);
        outcome.statements.push(Statement::Forget);
        let left = session
            .filter(|session| !session.quiet)
            .and_then(|session| session.project.clone());
        outcome
            .events
            .extend(left.map(|(root, _)| Event::Left(root)));
        return outcome;
    };
    enter(context, loading, undone, &mut outcome);
    outcome
}

/// Loads a dev shell into the host shell's own environment.
fn enter(context: &Context, loading: &Loading<'_>, undone: Undone, outcome: &mut Outcome) {
    let statements = &mut outcome.statements;
    match load(&undone.base, *loading) {
        Ok(loaded) => {
            let loads = &loading.record.content;
            outcome.entered = true;
            let failed = loaded.failed.into_iter().map(Event::ScriptFailed);
            outcome.events.extend(failed);
            let names = |some: &BTreeSet<VarName>, but: &BTreeSet<VarName>| {
                some.difference(but).cloned().collect::<Vec<_>>()
            };
            let taken = names(&loaded.replaced, &undone.loaded);
            if !taken.is_empty() {
                statements.push(Statement::Hold(taken));
            }
            statements.extend(self::statements(&context.env, &loaded.env));
            release(names(&undone.reverted, &loaded.changed), statements);
            if !loads.leave.is_empty() {
                statements.push(Statement::LeaveOnExit(true));
            }
            let aliases = loads.aliases.iter().cloned();
            statements.extend(aliases.map(|(name, value)| Statement::Alias(name, value)));
            if !loads.quiet {
                outcome.events.push(Event::Loaded(loads.summary.clone()));
            }
        }
        Err(missing) => {
            statements.extend(self::statements(&context.env, &undone.base));
            release(undone.reverted.into_iter().collect(), statements);
            outcome.awaited.push(missing.name.clone());
            outcome.events.push(Event::Missing(missing));
        }
    }
}

fn release(names: Vec<VarName>, statements: &mut Vec<Statement>) {
    if !names.is_empty() {
        statements.push(Statement::Release(names));
    }
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

/// What is left when a session is undone.
#[derive(Debug, Default)]
struct Undone {
    /// The host shell's own environment.
    base: Env,
    /// Variables that the session had changed and the user has not.
    loaded: BTreeSet<VarName>,
    /// Those of them that have their old values again; the others are the user's now.
    reverted: BTreeSet<VarName>,
}

/// Undoes what is loaded and returns the host shell's own environment.
fn undo(
    context: &Context,
    session: Option<&Session>,
    next: Option<&Loading<'_>>,
    outcome: &mut Outcome,
) -> Undone {
    let Some(session) = session else {
        let mut base = context.env.clone();
        Session::erase(&mut base);
        return Undone {
            base,
            ..Undone::default()
        };
    };
    let stays = next
        .zip(session.project.as_ref())
        .is_some_and(|(next, (root, shell))| next.root == root && next.shell == shell);
    if !stays {
        let failed = leave_scripts(context, session);
        outcome
            .events
            .extend(failed.into_iter().map(Event::ScriptFailed));
    }
    let (base, kept) = session.unload(&context.env);
    let (theirs, reverted): (BTreeSet<VarName>, BTreeSet<VarName>) = session
        .diff
        .replaced()
        .cloned()
        .partition(|name| kept.contains(name) || session.diff.is_left(name, &base));
    let mut loaded: BTreeSet<VarName> = session.diff.0.keys().cloned().collect();
    loaded.retain(|name| !theirs.contains(name));
    if !theirs.is_empty() {
        let names = theirs.into_iter().collect();
        outcome.statements.push(Statement::Drop(names));
    }
    if !kept.is_empty() {
        outcome.events.push(Event::Kept(kept));
    }
    outcome.statements.push(Statement::Unsource);
    outcome.statements.push(Statement::RestoreAliases);
    outcome.statements.push(Statement::LeaveOnExit(false));
    Undone {
        base,
        loaded,
        reverted,
    }
}

/// Runs the leave scripts of what a session has loaded and returns what failed.
pub fn leave_scripts(context: &Context, session: &Session) -> Vec<hook_scripts::Error> {
    let Some((root, shell)) = &session.project else {
        return Vec::new();
    };
    // The record that was loaded, though the project may have changed since; another one has other scripts.
    let record = Record::stored(&context.directories.state, root, shell)
        .filter(|record| record.id() == session.record);
    record.map_or_else(Vec::new, |record| {
        leave(&context.env, root, &record.content, &context.program)
    })
}

/// Returns what the next prompts check with builtins: the files behind the outcome, what must only be there,
/// manifests that may appear, and variables that may.
pub fn freshness(
    (context, shell): (&Context, HostShell),
    watched: &[Watched],
    there: Option<PathBuf>,
    manifests: Vec<PathBuf>,
    awaited: &[VarName],
) -> Freshness {
    let directories = &context.directories;
    let stamps = StampFiles::new(&directories.state);
    let mut freshness = Freshness {
        same: symlink_checks::linked(context, watched),
        present: Vec::new(),
        seconds: Vec::new(),
        there: there.into_iter().collect(),
        absent: manifests,
        sheltered: Vec::new(),
        unexported: awaited.to_vec(),
    };
    // Whoever decides about a project moves the generation, too: it answers for the decisions.
    let generation = watch::generation(&directories.state);
    let answers = |file: &Watched| file.path == generation && file.stamp.is_some();
    let answered = watched.iter().any(answers);
    let decisions = Decisions::new(&directories.data);
    let asked = |file: &&Watched| !answered || !decisions.holds(&file.path);
    // This one's time is set and not left to the clock.
    let by_clock = |file: &&Watched| file.path != generation;
    let old = watched.iter().filter(asked).filter(by_clock);
    freshness.seconds = mtime_batch::seconds(shell, old, context.now);
    let told: BTreeSet<_> = freshness.seconds.iter().map(|(path, _)| path).collect();
    let rest = watched.iter().filter(asked);
    for file in rest.filter(|file| !told.contains(&file.path)) {
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
    (freshness.absent, freshness.sheltered) =
        absent_files::shelter(freshness.absent, &stamps, context.now);
    freshness
}

/// Returns the manifests that would come before the project at `root` if they appeared, seen from the
/// working directory.
pub fn nearer_manifests(context: &Context, root: Option<&Path>) -> Vec<PathBuf> {
    let bounds = &Bounds::of(context);
    context
        .cwd
        .iter()
        .flat_map(|cwd| {
            locate::ancestors(cwd, bounds)
                .take_while(|directory| Some(*directory) != root)
                .map(|directory| directory.join(MANIFEST))
        })
        .collect()
}
