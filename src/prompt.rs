//! What a host shell has loaded, what it should have, and the way from one to the other.
//!
//! `plan` decides; `record` holds what is to be loaded, ready made; `session` is what was loaded. This file
//! turns a decision into a new environment and the statements that lead there. Nothing is printed here.

mod absent_files;
pub mod decide;
mod env_limits;
pub mod from_build;
pub mod hook_scripts;
mod mtime_batch;
pub mod record;
pub mod session_var;
mod symlink_checks;
pub mod transition;
pub mod user_scripts;

use std::{collections::BTreeSet, path::Path, time::Duration};

use crate::{
    env::{Env, EnvDiff, VarName},
    manifest::ShellName,
    shell::Statement,
    util::vars,
};

use record::{Content, Record};
use session_var::Session;

/// A dev shell that is ready, and how it is to be loaded.
#[derive(Debug, Clone, Copy)]
pub struct Loading<'a> {
    /// The project.
    pub root: &'a Path,
    /// The dev shell.
    pub shell: &'a ShellName,
    /// What is loaded.
    pub record: &'a Record,
    /// Whether the host shell is to stay in this dev shell wherever it goes.
    pub pinned: bool,
    /// The devsh program.
    pub program: &'a Path,
    /// Devsh's state directory.
    pub state: &'a Path,
}

/// An environment with a dev shell loaded.
#[derive(Debug)]
pub struct Loaded {
    /// The environment, `DEVSH_*` included.
    pub env: Env,
    /// Enter scripts that failed, whose exports are not in the environment, and values that cannot be.
    pub failed: Vec<hook_scripts::Error>,
    /// Variables that differ from the host shell's own.
    pub changed: BTreeSet<VarName>,
    /// Those of them that are not simply lists with more entries.
    pub replaced: BTreeSet<VarName>,
}

/// A variable that the dev shell needs and the host shell does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not set")]
pub struct Missing {
    /// The variable.
    pub name: VarName,
    /// What the manifest says about getting it.
    pub help: String,
    /// Where the manifest asks for it, `file:line`.
    pub place: String,
}

/// Loads a dev shell into the host shell's own environment `base`, running its enter scripts.
pub fn load(base: &Env, loading: Loading<'_>) -> Result<Loaded, Missing> {
    let content = &loading.record.content;
    let missing = content
        .required
        .iter()
        .find(|(name, ..)| base.get(name).is_none());
    if let Some((name, help, place)) = missing {
        return Err(Missing {
            name: name.clone(),
            help: help.clone(),
            place: place.clone(),
        });
    }
    let mut env = content.plan.apply(base);
    let mut failed = Vec::new();
    for text in &content.enter {
        let mut inside = env.clone();
        inside.set(vars::DEVSH_ROOT, loading.root);
        inside.set(vars::DEVSH_SHELL, loading.shell.as_str());
        match hook_scripts::run(
            text,
            &inside,
            loading.root,
            loading.program,
            Duration::from_secs(content.timeout),
        ) {
            Ok(after) => env = after,
            Err(error) => failed.push(error.of("enter", text)),
        }
    }
    Session::erase(&mut env);
    let session = Session {
        project: Some((loading.root.to_owned(), loading.shell.clone())),
        record: loading.record.id(),
        pinned: loading.pinned,
        quiet: content.quiet,
        diff: EnvDiff::default(),
    };
    Ok(seal(base, env, session, loading.state, failed))
}

/// Writes into `env` how it is undone to `base`, taking out what cannot be kept.
fn seal(
    base: &Env,
    mut env: Env,
    mut session: Session,
    state: &Path,
    mut failed: Vec<hook_scripts::Error>,
) -> Loaded {
    failed.extend(env_limits::shorten(base, &mut env));
    session.diff = EnvDiff::between(base, &env);
    while !session.write(&mut env, state)
        && let Some((name, length)) = session.diff.longest()
    {
        env_limits::restore(base, &mut env, name.as_ref());
        let name = name.to_string();
        failed.push(hook_scripts::Error::Unkept { name, length });
        session.diff = EnvDiff::between(base, &env);
    }
    let replaced = session.diff.replaced().cloned().collect();
    let changed = session.diff.0.into_keys().collect();
    Loaded {
        env,
        failed,
        changed,
        replaced,
    }
}

/// Runs the leave scripts of what is loaded in `env`; their changes of the environment are of no account.
pub fn leave(
    env: &Env,
    root: &Path,
    content: &Content,
    program: &Path,
) -> Vec<hook_scripts::Error> {
    let directory = if root.is_dir() { root } else { Path::new("/") };
    let timeout = Duration::from_secs(content.timeout);
    content
        .leave
        .iter()
        .filter_map(|text| {
            let failed = hook_scripts::run(text, env, directory, program, timeout).err();
            Some(failed?.of("leave", text))
        })
        .collect()
}

/// Returns the statements that turn the environment `from` into `to`.
///
/// The order is such that a host shell interrupted between two of them can still undo everything.
pub fn statements(from: &Env, to: &Env) -> Vec<Statement> {
    let own = [vars::DEVSH_DIFF, vars::DEVSH_ROOT, vars::DEVSH_SHELL].map(VarName::own);
    let change = |name: &VarName| {
        if from.get(name) == to.get(name) {
            return None;
        }
        Some(match to.get(name) {
            Some(value) => Statement::Export(name.clone(), value.to_owned()),
            None => Statement::Unset(name.clone()),
        })
    };
    let names: BTreeSet<VarName> = from
        .iter()
        .chain(to.iter())
        // Most names have the same value on both sides and need no check.
        .filter(|(name, _)| from.get(name) != to.get(name))
        .filter_map(|(name, _)| name.to_str()?.parse().ok())
        .collect();
    let arriving = to.get(vars::DEVSH_DIFF).is_some();
    let mut changes = Vec::new();
    if arriving {
        changes.extend(change(&own[0]));
    }
    let (exports, removals): (Vec<_>, Vec<_>) = names
        .iter()
        .filter_map(change)
        .partition(|change| matches!(change, Statement::Export(..)));
    changes.extend(exports);
    changes.extend(removals);
    changes.extend(own[1..].iter().filter_map(change));
    if !arriving {
        changes.extend(change(&own[0]));
    }
    changes
}
