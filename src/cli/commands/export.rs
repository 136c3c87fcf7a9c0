//! `devsh export` without a hook: the environment of a dev shell for an editor, a script or a CI job.
//!
//! For shells and editors it is what changes in the environment of the caller; for files, which are read by
//! others later, it is what changes in the host shell's own, whatever is loaded now.

use std::{
    ffi::OsString,
    hash::{BuildHasher, Hasher, RandomState},
    io::Write,
    path::Path,
};

use crate::{
    env::{Assignment, Env, pathlist},
    prompt::{
        Loading, load,
        session_var::{self, Session},
        statements,
    },
    report::failure::{ExitStatus, Failure},
    shell::{
        HostShell, Statement,
        export_formats::{self, Format},
    },
    util::vars,
};

use super::{prompt, run};
use crate::{app::session::Work, cli::args, report::hints};

/// For whom the environment is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Shell(HostShell),
    File(Format),
}

/// Prints the environment for the reader that the options name.
pub fn print(work: &Work<'_>, options: &args::Export) -> Result<(), Failure> {
    let reader = reader(&options.format)?;
    let env = &work.context.env;
    let target = if options.no_wait {
        // Where all stays as it is, nothing changes.
        target_now(work).unwrap_or_else(|| env.clone())
    } else {
        let shell = crate::cli::shell_name(&options.shell)?;
        let base = session_var::host_env(env);
        run::environment(work, &shell, &base)?.0
    };
    match reader {
        Reader::Shell(shell) => {
            let code = code(shell, &statements(env, &target));
            crate::cli::print(work.ui, &code)
        }
        Reader::File(Format::Json) => {
            let text = export_formats::json(&changes(env, &target));
            let text = text.map_err(|error| unfit(&error, "json"))?;
            crate::cli::print(work.ui, text.as_bytes())
        }
        Reader::File(format) => {
            let base = session_var::host_env(env);
            let mut target = target;
            // How to undo it means nothing to who has never loaded it.
            Session::erase(&mut target);
            to_file(work, format, &base, &target)
        }
    }
}

fn reader(name: &str) -> Result<Reader, Failure> {
    Ok(match name {
        "json" => Reader::File(Format::Json),
        "dotenv" => Reader::File(Format::Dotenv),
        "github" => Reader::File(Format::GitHub),
        "gitlab" => Reader::File(Format::GitLab),
        name => Reader::Shell(crate::cli::host_shell(name)?),
    })
}

/// What the working directory should have as far as it can be had at once; nothing where all stays as it is.
///
/// Nothing is said: this is for start files of shells that nobody looks at.
fn target_now(work: &Work<'_>) -> Option<Env> {
    let context = work.context;
    let session = Session::from_env(&context.env);
    let base = session_var::host_env(&context.env);
    let (root, shell, record) = match prompt::now(context, session.as_ref()) {
        prompt::Now::Stays => return None,
        prompt::Now::Nothing => return Some(base),
        prompt::Now::Ready(ready) => *ready,
    };
    let loading = Loading::new(context, &root, &shell, &record)
        .pinned(session.as_ref().is_some_and(|session| session.pinned));
    if session.is_some_and(|session| loading.is_loaded_in(&session)) {
        return None;
    }
    // A variable that is missing leaves the host shell's own environment, as at a prompt.
    Some(load(&base, loading).map_or(base, |loaded| loaded.env))
}

/// Returns code that does nothing unless it is whole: a cut text is no command yet.
fn code(shell: HostShell, statements: &[Statement]) -> Vec<u8> {
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
        Statement::Export(name, value) => Some(Assignment {
            name,
            value: Some(value),
        }),
        Statement::Unset(name) => Some(Assignment { name, value: None }),
        _ => None,
    };
    let mut changes: Vec<_> = statements(from, to)
        .into_iter()
        .filter_map(change)
        .collect();
    changes.sort();
    changes
}

fn to_file(work: &Work<'_>, format: Format, base: &Env, target: &Env) -> Result<(), Failure> {
    let mut changes = changes(base, target);
    for Assignment { name, .. } in changes.iter().filter(|change| change.value.is_none()) {
        work.ui.warn(&format!(
            "`{name}` is unset in the dev shell, which this format cannot say"
        ));
    }
    let text = match format {
        Format::Json => export_formats::json(&changes).map_err(|error| unfit(&error, "json"))?,
        Format::Dotenv => {
            export_formats::dotenv(&changes).map_err(|error| unfit(&error, "dotenv"))?
        }
        Format::GitLab => {
            export_formats::gitlab(&changes).map_err(|error| unfit(&error, "gitlab"))?
        }
        Format::GitHub => return to_github(work, &mut changes, base),
    };
    crate::cli::print(work.ui, text.as_bytes())
}

fn unfit(error: &export_formats::Error, format: &str) -> Failure {
    let failure = Failure::new(format!("cannot write `{format}`: {error}"));
    match error {
        export_formats::Error::NotText(_) => failure.hint(
            "`devsh export bash`, `zsh` and `fish` carry every byte, and so does `devsh run`",
        ),
        _ => failure
            .note(format!("the format `{format}` has no way to write that"))
            .hint("in a script use `eval \"$(devsh export bash)\"` or `devsh run`"),
    }
}

/// Appends to the files that GitHub's runner reads after the step.
fn to_github(work: &Work<'_>, changes: &mut Vec<Assignment>, base: &Env) -> Result<(), Failure> {
    changes.retain(|Assignment { name, value }| {
        let admitted = value.is_none() || export_formats::github_admits(name);
        if !admitted {
            work.ui.warn(&format!(
                "GitHub does not let a step set `{name}`; it is left out"
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
        // What the runner reads last it puts first.
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
    append(work, vars::GITHUB_PATH, &entries)?;
    append(work, vars::GITHUB_ENV, &text)
}

/// Returns the entries that stand before the host's own, if nothing else was changed in the list.
fn prefix(path: &OsString, base: &Env) -> Option<Vec<OsString>> {
    let old = base.get(vars::PATH).unwrap_or_default();
    let new: Vec<_> = pathlist::split(path).collect();
    let own: Vec<_> = pathlist::split(old).collect();
    let before = new.strip_suffix(own.as_slice())?;
    Some(before.iter().map(|entry| (*entry).to_owned()).collect())
}

fn append(work: &Work<'_>, variable: &'static str, text: &str) -> Result<(), Failure> {
    let path = work
        .context
        .env
        .get(variable)
        .filter(|path| !path.is_empty());
    let path = path.map(Path::new).ok_or_else(|| {
        Failure::new(format!("`{variable}` is not set"))
            .note("GitHub's runner names the files of a step in it")
            .hint("outside of a GitHub job use `devsh export dotenv`")
            .code(ExitStatus::Failed)
    })?;
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| hints::file(&crate::util::files::at("write", path)(error)))
}
