//! Scripts for the host shell itself: what has it run them, and the answer about what they export.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use crate::{
    context::Context,
    env::Assignment,
    manifest::ShellName,
    prompt::{record::Record, session_var::Session, update::ShellUpdate, user_scripts},
    report::{failure::Failure, ui::Ui},
    shell::{HostShell, Statement, hook},
};

use super::{print, say};

/// Has the host shell run the scripts of a dev shell that was just loaded; returns why it cannot.
pub(super) fn add(
    context: &Context,
    host: HostShell,
    ready: Option<&(PathBuf, ShellName, Record)>,
    outcome: &mut ShellUpdate,
) -> Option<Failure> {
    let (root, shell, record) = ready.filter(|_| outcome.entered)?;
    if record.content.user_scripts.is_empty() {
        return None;
    }
    let state = &context.directories.state;
    match user_scripts::files(state, root, shell, &record.content, host) {
        Ok(files) if files.is_empty() => None,
        Ok(files) => {
            let code = hook::source_script(host, &context.program);
            outcome.statements.push(Statement::Source(code, files));
            None
        }
        Err(error) => {
            let what = format!("the scripts of `[hooks] source` are not run: {error}");
            Some(Failure::new(what))
        }
    }
}

/// What the host shell tells of variables that scripts exported: `NAME=VALUE`, or `NAME` where it is removed.
#[derive(Debug, Clone, Copy)]
pub struct Exported<'a> {
    /// The host shell.
    pub host: HostShell,
    /// The mark that it waits for.
    pub nonce: &'a str,
    /// The variables.
    pub words: &'a [OsString],
}

/// Answers with what makes them part of what is loaded.
pub fn take(context: &Context, ui: &Ui, exported: Exported<'_>) -> Result<(), Failure> {
    let Some(session) = Session::from_env(&context.env) else {
        return Ok(());
    };
    let change = |word: &OsString| {
        let mut parts = word.as_bytes().splitn(2, |byte| *byte == b'=');
        let name = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
        let value = parts
            .next()
            .map(|value| OsStr::from_bytes(value).to_owned());
        Some(Assignment { name, value })
    };
    let changes = exported.words.iter().filter_map(change).collect();
    let outcome = user_scripts::absorb(context, &session, changes);
    let code = exported.host.render(&outcome.statements, exported.nonce);
    print(ui, &code)?;
    say(context, ui, &outcome);
    Ok(())
}
