//! Scripts of `[hooks] source`, which the host shell itself runs from private files next to the record.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    context::Context,
    env::{Assignment, HostShell, VarName},
    manifest::ShellName,
    shell::ShellStatement,
    util::files,
};

use super::{
    env_statements::env_statements,
    load::with_session,
    record::{Content, Record},
    session_var::ShellSession,
    update::{PromptEvent, ShellUpdate},
};

/// Longest script, in bytes. No manifest has a longer one.
const LIMIT: u64 = 8 << 20;

/// Returns the files with the scripts for `host`, after writing those that are missing. Their names are digests.
pub fn files(
    state: &Path,
    root: &Path,
    shell: &ShellName,
    content: &Content,
    host: HostShell,
) -> Result<Vec<PathBuf>, files::Error> {
    let record = Record::path(state, root, shell);
    let directory = record.parent().unwrap_or(state);
    let mut paths = Vec::new();
    let mut written = false;
    for script in content
        .user_scripts
        .iter()
        .filter(|script| script.host == host)
    {
        let script = script.text.as_bytes();
        let digest = blake3::hash(script).to_hex();
        let path = directory.join(format!("{shell}-{}.{host}", &digest[..32]));
        // A file that was cut short or changed is written again.
        let there = files::read_private(&path, LIMIT)?;
        if there.as_deref() != Some(script) {
            files::create_private_dir(directory)?;
            files::write_atomic(&path, script)?;
            written = true;
        }
        paths.push(path);
    }
    if written {
        remove_others(directory, shell, host, &paths);
    }
    Ok(paths)
}

/// Removes the files of former scripts of this dev shell.
fn remove_others(directory: &Path, shell: &ShellName, host: HostShell, kept: &[PathBuf]) {
    let (begin, end) = (format!("{shell}-"), format!(".{host}"));
    for path in files::list(directory).unwrap_or_default() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let digest = name
            .strip_prefix(&begin)
            .and_then(|name| name.strip_suffix(&end));
        if digest.is_some_and(|digest| digest.len() == 32) && !kept.contains(&path) {
            // A file that stays does no harm.
            let _removed = fs::remove_file(path);
        }
    }
}

/// Adds variables that a script has exported to the session, as if an enter script had exported them.
///
/// The host shell has restored them before. `changes` has the values that the script gave them.
pub fn absorb(context: &Context, session: &ShellSession, changes: Vec<Assignment>) -> ShellUpdate {
    let (base, _kept) = session.unload(&context.shell_env);
    let mut after = context.shell_env.clone();
    ShellSession::erase(&mut after);
    for Assignment { name, value } in changes {
        match value {
            Some(value) => after.set(name.as_str(), value),
            None => after.unset(name.as_str()),
        }
    }
    let key = &context.session_key;
    let mut next = session.clone();
    next.awaited.retain(|name| after.get(name).is_none());
    let loaded = with_session(&base, after, next, key, Vec::new());
    let before: BTreeSet<VarName> = session.diff.0.keys().cloned().collect();
    let taken: Vec<VarName> = loaded.replaced.difference(&before).cloned().collect();
    let mut outcome = ShellUpdate::default();
    if !taken.is_empty() {
        outcome
            .statements
            .push(ShellStatement::SaveVariables(taken));
    }
    let changes = env_statements(&context.shell_env, &loaded.env);
    outcome.statements.extend(changes);
    let failed = loaded.failed.into_iter().map(PromptEvent::ScriptFailed);
    outcome.events.extend(failed);
    outcome
}
