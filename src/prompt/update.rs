//! One prompt of a host shell: the statements that bring it from the loaded dev shell to the desired one.

use std::{collections::BTreeSet, ffi::OsString, path::PathBuf};

use crate::{
    context::Context,
    env::{Env, VarName, pathlist},
    shell::ShellStatement,
    util::vars,
};

use super::{
    decide::{PromptDecision, decide},
    enter_leave_scripts,
    env_statements::env_statements,
    load::{Loading, MissingVariable, load, run_leave_scripts},
    path_changes::PathMemory,
    record::MissingPart,
    session_var::ShellSession,
};

/// The dev shell that a host shell should have loaded.
#[derive(Debug)]
pub enum DesiredShell<'a> {
    /// None: there is no project, or it is denied or not allowed.
    None,
    /// A dev shell that is ready.
    Ready(Loading<'a>),
    /// The loaded one, until the project can be used again.
    Unchanged,
}

/// Something to report at the prompt.
#[derive(Debug)]
pub enum PromptEvent {
    /// A dev shell was loaded, for the first time in this host shell or with new content.
    Loaded(String),
    /// Host tools of the loaded dev shell replace locked ones.
    HostTools(Vec<String>),
    /// A project was left.
    Left(PathBuf),
    /// These variables keep the values that the user gave them after the activation.
    Kept(Vec<VarName>),
    /// A script failed.
    ScriptFailed(enter_leave_scripts::Error),
    /// Parts of the loaded dev shell are missing.
    MissingParts(Vec<MissingPart>),
    /// The dev shell requires a variable.
    MissingVariable(MissingVariable),
}

/// The result of one prompt.
#[derive(Debug, Default)]
pub struct ShellUpdate {
    /// Statements for the host shell, in order.
    pub statements: Vec<ShellStatement>,
    pub events: Vec<PromptEvent>,
    /// Missing variables: once one is exported, the result is another.
    pub awaited: Vec<VarName>,
    /// True if a loaded dev shell was undone.
    pub is_undone: bool,
    /// True if the dev shell was loaded, which means that its scripts for the host shell itself must run.
    pub entered: bool,
}

/// The memory of a host shell.
#[derive(Debug, Clone, Copy)]
pub struct ShellMemory<'a> {
    /// True if the shell has not asked before, or the user wants everything loaded again.
    pub is_new: bool,
    pub path: PathMemory<'a>,
}

/// Brings a host shell to the desired dev shell.
pub fn update(
    context: &Context,
    session: Option<&ShellSession>,
    desired: &DesiredShell<'_>,
    memory: ShellMemory<'_>,
) -> ShellUpdate {
    let loading = match desired {
        DesiredShell::Unchanged => return settle(context, session, memory),
        DesiredShell::None => None,
        DesiredShell::Ready(loading) => Some(loading),
    };
    let decision = decide(session, loading, memory.is_new, &context.shell_env);
    let mut outcome = ShellUpdate::default();
    if decision == PromptDecision::Keep {
        if let Some(session) = session {
            return ShellUpdate {
                awaited: session.awaited.clone(),
                ..settle(context, Some(session), memory)
            };
        }
        // The variables of a session that cannot be read are useless.
        let mut clean = context.shell_env.clone();
        ShellSession::erase(&mut clean);
        outcome.statements = env_statements(&context.shell_env, &clean);
        return outcome;
    }
    let undone = undo(context, session, loading, &mut outcome);
    let Some(loading) = loading else {
        let changes = env_statements(&context.shell_env, &undone.base);
        outcome.statements.extend(changes);
        outcome.statements.push(ShellStatement::RestoreAllVariables);
        let left = session
            .filter(|session| !session.quiet)
            .and_then(|session| session.project.clone());
        outcome
            .events
            .extend(left.map(|(root, _)| PromptEvent::Left(root)));
        return outcome;
    };
    enter(context, loading, undone, &mut outcome);
    outcome
}

/// Loads a dev shell into the environment that is left.
fn enter(context: &Context, loading: &Loading<'_>, undone: Undone, outcome: &mut ShellUpdate) {
    let statements = &mut outcome.statements;
    let loaded = load(&undone.base, *loading);
    // A dev shell that cannot be undone is not loaded.
    if loaded.env.get(vars::DEVSH_DIFF).is_none() {
        let place = loading.key.directory().to_owned();
        let failed = enter_leave_scripts::Error::NoKey(place);
        outcome.events.push(PromptEvent::ScriptFailed(failed));
        statements.extend(env_statements(&context.shell_env, &undone.base));
        release(undone.reverted.into_iter().collect(), statements);
        return;
    }
    let loads = &loading.record.content;
    outcome.entered = true;
    let failed = loaded.failed.into_iter().map(PromptEvent::ScriptFailed);
    outcome.events.extend(failed);
    let names = |some: &BTreeSet<VarName>, but: &BTreeSet<VarName>| {
        some.difference(but).cloned().collect::<Vec<_>>()
    };
    let mut taken = names(&loaded.replaced, &undone.loaded);
    let extends = |name: &VarName| {
        loaded.new_lists.contains_key(name) && context.shell_env.get(name).is_none()
    };
    taken.retain(|name| !extends(name));
    if !taken.is_empty() {
        statements.push(ShellStatement::SaveVariables(taken));
    }
    let changes = env_statements(&context.shell_env, &loaded.env).into_iter();
    statements.extend(changes.map(|change| match change {
        ShellStatement::Export(name, value) if extends(&name) => {
            let added = &loaded.new_lists[&name];
            let joined =
                |entries: &[OsString]| pathlist::join(entries.iter().map(OsString::as_os_str));
            ShellStatement::Extend {
                front: joined(&added.front),
                back: joined(&added.back),
                name,
                value,
            }
        }
        other => other,
    }));
    release(names(&undone.reverted, &loaded.changed), statements);
    if !loads.leave.is_empty() {
        statements.push(ShellStatement::LeaveOnExit(true));
    }
    if !loads.aliases.is_empty() {
        statements.push(ShellStatement::Aliases(loads.aliases.clone()));
    }
    if !loads.quiet {
        outcome
            .events
            .push(PromptEvent::Loaded(loads.summary.clone()));
        let host_tools = loads.host_tools.clone();
        outcome.events.push(PromptEvent::HostTools(host_tools));
    }
    if !loads.missing.is_empty() {
        let missing = loads.missing.clone();
        outcome.events.push(PromptEvent::MissingParts(missing));
    }
    for missing in loaded.missing {
        outcome.awaited.push(missing.0.name.clone());
        outcome.events.push(PromptEvent::MissingVariable(missing));
    }
}

fn release(names: Vec<VarName>, statements: &mut Vec<ShellStatement>) {
    if !names.is_empty() {
        statements.push(ShellStatement::RestoreVariables(names));
    }
}

/// Keeps the loaded dev shell. In a new host shell rc files have put other entries first on lists of paths, and other
/// tools may have replaced `PATH` since the last prompt.
fn settle(
    context: &Context,
    session: Option<&ShellSession>,
    memory: ShellMemory<'_>,
) -> ShellUpdate {
    let settled = session.and_then(|session| {
        if memory.is_new {
            Some(session.diff.settle(&context.shell_env))
        } else {
            memory.path.settle(&session.diff, &context.shell_env)
        }
    });
    ShellUpdate {
        statements: settled.map_or_else(Vec::new, |env| env_statements(&context.shell_env, &env)),
        ..ShellUpdate::default()
    }
}

/// A host shell's environment after a session was undone.
#[derive(Debug, Default)]
struct Undone {
    /// The environment without the session.
    base: Env,
    /// Variables that the session changed and the user did not change afterwards.
    loaded: BTreeSet<VarName>,
    /// The replaced variables that have their old values again.
    reverted: BTreeSet<VarName>,
}

/// Undoes the loaded dev shell and returns the host shell's environment without it.
fn undo(
    context: &Context,
    session: Option<&ShellSession>,
    next: Option<&Loading<'_>>,
    outcome: &mut ShellUpdate,
) -> Undone {
    let Some(session) = session else {
        let mut base = context.shell_env.clone();
        ShellSession::erase(&mut base);
        return Undone {
            base,
            ..Undone::default()
        };
    };
    let stays = next
        .zip(session.project.as_ref())
        .is_some_and(|(next, (root, shell))| next.root == root && next.shell == shell);
    if !stays {
        let failed = run_leave_scripts(context, session);
        outcome
            .events
            .extend(failed.into_iter().map(PromptEvent::ScriptFailed));
    }
    outcome.is_undone = true;
    let (base, kept) = session.unload(&context.shell_env);
    let (taken_over, mut reverted): (BTreeSet<VarName>, BTreeSet<VarName>) = session
        .diff
        .replaced()
        .cloned()
        .partition(|name| kept.contains(name) || session.diff.is_left(name, &base));
    // A list that the host shell had without exporting it is unexported again.
    let left = session.diff.new_lists().map(|(name, _)| name);
    reverted.extend(left.filter(|name| taken_over.contains(*name)).cloned());
    let mut loaded: BTreeSet<VarName> = session.diff.0.keys().cloned().collect();
    loaded.retain(|name| !taken_over.contains(name));
    if !taken_over.is_empty() {
        let names = taken_over.into_iter().collect();
        outcome.statements.push(ShellStatement::DiscardSaved(names));
    }
    if !kept.is_empty() {
        outcome.events.push(PromptEvent::Kept(kept));
    }
    outcome.statements.push(ShellStatement::Unsource);
    outcome.statements.push(ShellStatement::RestoreAliases);
    outcome.statements.push(ShellStatement::LeaveOnExit(false));
    Undone {
        base,
        loaded,
        reverted,
    }
}
