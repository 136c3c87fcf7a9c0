//! Loads a dev shell into an environment and runs its enter and leave scripts.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::Path,
    time::Duration,
};

use crate::{
    context::Context,
    env::{Env, EnvDiff, VarName, diff::DiffEntry, grant, pathlist::AddedEntries},
    manifest::ShellName,
    util::{secret_key::SecretKey, vars},
};

use super::{
    enter_leave_scripts, env_limits,
    host_environment::remember_hidden_key,
    record::{Record, RequiredVariable},
    session_var::ShellSession,
};

/// A dev shell that is ready to be loaded.
#[derive(Debug, Clone, Copy)]
pub struct Loading<'a> {
    /// The project's root.
    pub root: &'a Path,
    /// The dev shell's name.
    pub shell: &'a ShellName,
    /// The dev shell's content.
    pub record: &'a Record,
    /// True if the host shell keeps this dev shell in every directory, as after `devsh enter`.
    pub pinned: bool,
    /// The devsh program, which scripts call to report their environment.
    pub program: &'a Path,
    /// The key with which the session is signed.
    pub key: &'a SecretKey,
}

impl<'a> Loading<'a> {
    /// Returns a dev shell that is loaded until the host shell leaves the project.
    pub fn new(
        context: &'a Context,
        root: &'a Path,
        shell: &'a ShellName,
        record: &'a Record,
    ) -> Self {
        Self {
            root,
            shell,
            record,
            pinned: false,
            program: &context.program,
            key: &context.session_key,
        }
    }

    /// Returns the same, to be kept in every directory if `pinned`.
    #[must_use]
    pub fn pinned(self, pinned: bool) -> Self {
        Self { pinned, ..self }
    }

    /// Returns whether a host shell with this session has loaded exactly this.
    pub fn is_loaded_in(&self, session: &ShellSession) -> bool {
        session.has_loaded(self.root, self.shell, self.record.id())
    }
}

/// An environment with a dev shell loaded.
#[derive(Debug)]
pub struct Loaded {
    /// The environment, `DEVSH_*` included.
    pub env: Env,
    /// Failed enter scripts, whose changes are missing in the environment, and values that do not fit into it.
    pub failed: Vec<enter_leave_scripts::Error>,
    /// Variables that differ from those of the host shell.
    pub changed: BTreeSet<VarName>,
    /// The variables of `changed` that are not lists with added entries.
    pub replaced: BTreeSet<VarName>,
    /// The added entries of lists that the host shell does not export.
    pub new_lists: BTreeMap<VarName, AddedEntries>,
    /// Variables that the dev shell requires and the host shell does not have.
    pub missing: Vec<MissingVariable>,
}

/// A variable that the dev shell requires and the host shell does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not set", .0.name)]
pub struct MissingVariable(pub RequiredVariable);

/// Loads a dev shell into `base`, the environment of the host shell without one, and runs its enter scripts.
///
/// Without a required variable the rest is loaded.
pub fn load(base: &Env, loading: Loading<'_>) -> Loaded {
    let content = &loading.record.content;
    let mut env = content.plan.apply(base);
    let mut failed = Vec::new();
    let mut ungranted = BTreeSet::new();
    for text in &content.enter {
        let mut inside = env.clone();
        inside.set(vars::DEVSH_ROOT, loading.root);
        inside.set(vars::DEVSH_SHELL, loading.shell.as_str());
        match enter_leave_scripts::run(
            text,
            &inside,
            loading.root,
            loading.program,
            Duration::from_secs(content.timeout),
        ) {
            Ok(mut after) => {
                ungranted.extend(restore_ungranted(&inside, &mut after, &content.granted));
                env = after;
            }
            Err(error) => failed.push(error.of("enter", text)),
        }
    }
    if !ungranted.is_empty() {
        failed.push(enter_leave_scripts::Error::Ungranted(ungranted));
    }
    ShellSession::erase(&mut env);
    // An enter script may have set one.
    let required = content.required.iter();
    let missing: Vec<MissingVariable> = required
        .filter(|variable| env.get(&variable.name).is_none())
        .cloned()
        .map(MissingVariable)
        .collect();
    let session = ShellSession {
        project: Some((loading.root.to_owned(), loading.shell.clone())),
        record: loading.record.id(),
        pinned: loading.pinned,
        quiet: content.quiet,
        is_complete: loading.record.is_complete(),
        awaited: missing.iter().map(|one| one.0.name.clone()).collect(),
        diff: EnvDiff::default(),
    };
    Loaded {
        missing,
        ..with_session(base, env, session, loading.key, failed)
    }
}

/// Takes from `after`, the environment that a script left, what the manifest could not set either: variables that need a
/// grant, and names that no manifest may use, such as those of exported functions. Returns the variables without a
/// grant. As in a manifest, entries may be added to `PATH`. To remove a variable needs the same grant: without `PATH`,
/// shells start programs of the working directory.
fn restore_ungranted(
    before: &Env,
    after: &mut Env,
    granted: &BTreeSet<VarName>,
) -> BTreeSet<VarName> {
    let foreign: Vec<OsString> = before
        .differences(after)
        .filter(|one| one.after.is_some())
        .filter(|one| {
            one.name
                .to_str()
                .is_none_or(|name| name.parse::<VarName>().is_err())
        })
        .map(|one| one.name.to_owned())
        .collect();
    let ungranted: BTreeSet<VarName> = EnvDiff::between(before, after)
        .0
        .into_iter()
        .filter(|(name, entry)| {
            let extends = matches!(entry, DiffEntry::List { .. }) && name.as_str() == vars::PATH;
            let effect = match after.get(name) {
                Some(_) if extends => None,
                Some(value) => grant::effect_of_value(name.as_str(), &value.to_string_lossy()),
                None => grant::effect(name.as_str()),
            };
            effect.is_some() && !granted.contains(name)
        })
        .map(|(name, _)| name)
        .collect();
    let names = ungranted.iter().map(AsRef::as_ref);
    for name in names.chain(foreign.iter().map(OsString::as_os_str)) {
        match before.get(name) {
            Some(value) => after.set(name, value),
            None => after.unset(name),
        }
    }
    ungranted
}

/// Writes the session into `env`, with the way back to `base`. Restores variables whose old value fits nowhere, and
/// those that would hide the key of the session.
pub(super) fn with_session(
    base: &Env,
    mut env: Env,
    mut session: ShellSession,
    key: &SecretKey,
    mut failed: Vec<enter_leave_scripts::Error>,
) -> Loaded {
    failed.extend(env_limits::restore_excess(base, &mut env));
    failed.extend(remember_hidden_key(base, &mut env, key));
    session.diff = EnvDiff::between(base, &env);
    while !session.write(&mut env, key)
        && let Some((name, length)) = session.diff.longest()
    {
        env_limits::restore(base, &mut env, name.as_ref());
        let name = name.to_string();
        failed.push(enter_leave_scripts::Error::Unkept { name, length });
        session.diff = EnvDiff::between(base, &env);
    }
    let replaced = session.diff.replaced().cloned().collect();
    let lists = session.diff.new_lists();
    let new_lists = lists
        .map(|(name, added)| (name.clone(), added.clone()))
        .collect();
    let changed = session.diff.0.into_keys().collect();
    Loaded {
        env,
        failed,
        changed,
        replaced,
        new_lists,
        missing: Vec::new(),
    }
}

/// Runs the leave scripts of the dev shell that a session has loaded and returns the failed ones.
///
/// Their changes of the environment are dropped.
pub fn run_leave_scripts(
    context: &Context,
    session: &ShellSession,
) -> Vec<enter_leave_scripts::Error> {
    let Some((root, shell)) = &session.project else {
        return Vec::new();
    };
    // The project may have changed since. The record of another content has other scripts.
    let record = Record::stored(&context.directories.state, root, shell)
        .filter(|record| record.id() == session.record);
    let Some(record) = record else {
        return Vec::new();
    };
    let directory = if root.is_dir() { root } else { Path::new("/") };
    let timeout = Duration::from_secs(record.content.timeout);
    let run = |text: &String| {
        enter_leave_scripts::run(
            text,
            &context.shell_env,
            directory,
            &context.program,
            timeout,
        )
        .err()
        .map(|error| error.of("leave", text))
    };
    record.content.leave.iter().filter_map(run).collect()
}
