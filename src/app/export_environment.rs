//! The environment of a dev shell for an editor, a script or a CI job, without a hook.

use std::{
    ffi::OsString,
    hash::{BuildHasher, Hasher, RandomState},
    io::Write,
    path::Path,
};

use crate::{
    env::{Assignment, Env, pathlist},
    manifest::ShellName,
    prompt::{env_statements, load, session_var},
    report::failure::{ExitStatus, Failure},
    shell::{
        HostShell, ShellStatement,
        export_formats::{self, ExportFormat},
    },
    util::{files, vars},
};

use super::{
    prompt_answer::{PromptTarget, prompt_target},
    ready_shell::{Completeness, load_environment},
    session::Session,
};

/// The reader of an exported environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportReader {
    Shell(HostShell),
    File(ExportFormat),
}

/// The environment to export.
#[derive(Debug)]
pub enum ExportTarget {
    /// The present state, without a build, as at a prompt.
    Prompt,
    Shell(ShellName),
}

/// Returns the text of an environment for its reader; `github` writes into files and returns no text.
///
/// Shells and JSON get the changes to the environment of the caller. Files are read later by other programs, so
/// they get the changes to the host shell's own environment.
pub fn export_environment(
    session: &Session<'_>,
    reader: ExportReader,
    target: &ExportTarget,
) -> Result<Vec<u8>, Failure> {
    let env = &session.context.shell_env;
    let base = session.context.env.clone();
    let mut target = match target {
        ExportTarget::Prompt => prompt_environment(session).unwrap_or_else(|| env.clone()),
        ExportTarget::Shell(shell) => {
            load_environment(session, shell, &base, Completeness::Whole)?.env
        }
    };
    match reader {
        ExportReader::Shell(shell) => Ok(code(shell, &env_statements(env, &target))),
        ExportReader::File(ExportFormat::Json) => {
            let text = export_formats::json(&changes(env, &target));
            Ok(text.map_err(|error| unfit(&error, "json"))?.into_bytes())
        }
        ExportReader::File(format) => {
            // Another reader has not loaded the dev shell, so it needs no undo information.
            session_var::ShellSession::erase(&mut target);
            to_file(session, format, &base, &target)
        }
    }
}

/// Returns the environment that a prompt would load now, or nothing if it would change nothing.
///
/// It reports nothing, because start files of shells call it.
fn prompt_environment(session: &Session<'_>) -> Option<Env> {
    let env = &session.context.shell_env;
    let key = &session.context.session_key;
    let host = session_var::ShellSession::from_env(env, key);
    let base = session.context.env.clone();
    let ready = match prompt_target(session, host.as_ref()) {
        PromptTarget::Unchanged => return None,
        PromptTarget::Host => return Some(base),
        PromptTarget::Ready(ready) => *ready,
    };
    let pinned = host.as_ref().is_some_and(|host| host.pinned);
    let loading = ready.loading(session, pinned);
    if host.is_some_and(|host| loading.is_loaded_in(&host)) {
        return None;
    }
    Some(load(&base, loading).env)
}

/// Returns code in one block: if the text is cut, the shell runs nothing.
fn code(shell: HostShell, statements: &[ShellStatement]) -> Vec<u8> {
    if statements.is_empty() {
        return Vec::new();
    }
    let (begin, end): (&[u8], &[u8]) = match shell {
        HostShell::Bash | HostShell::Zsh => (b"{\n", b"}\n"),
        HostShell::Fish => (b"begin\n", b"end\n"),
    };
    [begin, &shell.render_plain(statements), end].concat()
}

fn changes(from: &Env, to: &Env) -> Vec<Assignment> {
    let change = |statement| match statement {
        ShellStatement::Export(name, value) => Some(Assignment {
            name,
            value: Some(value),
        }),
        ShellStatement::Unset(name) => Some(Assignment { name, value: None }),
        _ => None,
    };
    let mut changes: Vec<_> = env_statements(from, to)
        .into_iter()
        .filter_map(change)
        .collect();
    changes.sort();
    changes
}

fn to_file(
    session: &Session<'_>,
    format: ExportFormat,
    base: &Env,
    target: &Env,
) -> Result<Vec<u8>, Failure> {
    let mut changes = changes(base, target);
    for Assignment { name, .. } in changes.iter().filter(|change| change.value.is_none()) {
        session.reporter.warn(&format!(
            "`{name}` is unset in the dev shell, which this format cannot express"
        ));
    }
    let text = match format {
        ExportFormat::Json => {
            export_formats::json(&changes).map_err(|error| unfit(&error, "json"))?
        }
        ExportFormat::Dotenv => {
            export_formats::dotenv(&changes).map_err(|error| unfit(&error, "dotenv"))?
        }
        ExportFormat::GitLab => {
            export_formats::gitlab(&changes).map_err(|error| unfit(&error, "gitlab"))?
        }
        ExportFormat::GitHub => {
            to_github(session, &mut changes, base)?;
            return Ok(Vec::new());
        }
    };
    Ok(text.into_bytes())
}

fn unfit(error: &export_formats::Error, format: &str) -> Failure {
    let failure = Failure::new(format!("cannot write `{format}`: {error}"));
    match error {
        export_formats::Error::NotText(_) => failure.hint(
            "`devsh export bash`, `zsh` and `fish` carry every byte, and so does `devsh run`",
        ),
        _ => failure
            .note(format!("the format `{format}` cannot express that"))
            .hint("in a script use `eval \"$(devsh export bash)\"` or `devsh run`"),
    }
}

/// Appends to the files that GitHub's runner reads after the step.
fn to_github(
    session: &Session<'_>,
    changes: &mut Vec<Assignment>,
    base: &Env,
) -> Result<(), Failure> {
    changes.retain(|Assignment { name, value }| {
        let admitted = value.is_none() || export_formats::github_admits(name);
        if !admitted {
            session.reporter.warn(&format!(
                "GitHub does not let a step set `{name}`, so it is omitted"
            ));
        }
        admitted
    });
    let mut entries = String::new();
    if let Some(at) = changes
        .iter()
        .position(|change| change.name.as_str() == vars::PATH)
        && let Some(new) = changes[at]
            .value
            .as_ref()
            .and_then(|path| prefix(path, base))
    {
        // The runner puts the last line first on PATH.
        for entry in new.iter().rev() {
            let entry = entry.to_str().filter(|entry| !entry.contains('\n'));
            let entry = entry.ok_or_else(|| {
                unfit(
                    &export_formats::Error::NotText(changes[at].name.clone()),
                    "github",
                )
            })?;
            entries.push_str(entry);
            entries.push('\n');
        }
        changes.remove(at);
    }
    let delimiter = format!("{:016x}", RandomState::new().build_hasher().finish());
    let text =
        export_formats::github(changes, &delimiter).map_err(|error| unfit(&error, "github"))?;
    append(session, vars::GITHUB_PATH, &entries)?;
    append(session, vars::GITHUB_ENV, &text)
}

/// Returns the entries before the host's own, if the rest of the list is unchanged.
fn prefix(path: &OsString, base: &Env) -> Option<Vec<OsString>> {
    let old = base.get(vars::PATH).unwrap_or_default();
    let new: Vec<_> = pathlist::split(path).collect();
    let own: Vec<_> = pathlist::split(old).collect();
    let before = new.strip_suffix(own.as_slice())?;
    Some(before.iter().map(|entry| (*entry).to_owned()).collect())
}

fn append(session: &Session<'_>, variable: &'static str, text: &str) -> Result<(), Failure> {
    let path = session
        .context
        .env
        .get(variable)
        .filter(|path| !path.is_empty());
    let path = path.map(Path::new).ok_or_else(|| {
        Failure::new(format!("`{variable}` is not set"))
            .note("the runner of GitHub sets it to a file of the step")
            .hint("outside of a GitHub job use `devsh export dotenv`")
            .code(ExitStatus::Failed)
    })?;
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(files::at("write", path))
        .map_err(Failure::from)
}
