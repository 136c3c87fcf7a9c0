//! Completion: the scripts that shells load, and the answers to what they ask at each press of Tab.
//!
//! Invariant: a project is only read, as `status` reads it; nothing of it is run, allowed or not.

use std::{ffi::OsString, path::Path};

use clap::CommandFactory;
use clap_complete::{
    engine::CompletionCandidate,
    env::{Bash, EnvCompleter, Fish, Zsh},
};

use crate::{
    config::Config,
    context::Context,
    project::{
        Project,
        approval::Decisions,
        locate::{self, SearchBounds},
    },
    report::{failure::Failure, ui::Ui},
    shell::HostShell,
    util::vars,
};

use super::args::Arguments;

const fn completer(shell: HostShell) -> &'static dyn EnvCompleter {
    match shell {
        HostShell::Bash => &Bash,
        HostShell::Zsh => &Zsh,
        HostShell::Fish => &Fish,
    }
}

/// Returns the script that makes `shell` ask devsh at each press of Tab: the one that runs when the line is
/// entered, so that the script is the same on every machine.
pub fn script(shell: HostShell) -> Result<Vec<u8>, Failure> {
    let mut script = Vec::new();
    completer(shell)
        .write_registration(vars::DEVSH_COMPLETE, "devsh", "devsh", "devsh", &mut script)
        .map_err(|error| failed(&error))?;
    Ok(script)
}

/// Answers a shell that asks with the words of a command line; nothing where this is no such question.
pub fn answer(context: &Context, ui: &Ui, arguments: &[OsString]) -> Option<Result<(), Failure>> {
    let shell = context.env.get(vars::DEVSH_COMPLETE)?.to_str()?;
    let shell = completer(shell.parse().ok()?);
    let at = arguments.iter().position(|argument| argument == "--")?;
    let words = arguments[at + 1..].to_vec();
    let mut answer = Vec::new();
    let mut command = Arguments::command();
    command.build();
    let written = shell.write_complete(&mut command, words, context.cwd.as_deref(), &mut answer);
    Some(
        written
            .map_err(|error| failed(&error))
            .and_then(|()| super::print(ui, &answer)),
    )
}

fn failed(error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot complete: {error}"))
}

/// The dev shells of the project here.
pub fn shells() -> Vec<CompletionCandidate> {
    let project = project();
    let shells = project
        .iter()
        .flat_map(|project| project.preview().shells.keys());
    shells
        .map(|shell| CompletionCandidate::new(shell.as_str()))
        .collect()
}

/// The tools of the project here.
pub fn tools() -> Vec<CompletionCandidate> {
    let project = project();
    let shells = project
        .iter()
        .flat_map(|project| project.preview().shells.values());
    let mut names: Vec<String> = shells
        .flat_map(|shell| shell.tools.keys().map(ToString::to_string))
        .collect();
    names.sort();
    names.dedup();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// Reads the project here; clap asks without a context.
fn project() -> Option<Project> {
    let context = Context::from_process();
    let decisions = Decisions::new(&context.directories.data);
    let rules = Config::load(&context).ok()?.trust;
    let cwd = context.cwd.as_deref()?;
    let known = |path: &Path| decisions.is_known(path);
    let place = locate::active(cwd, &SearchBounds::of(&context), known)?;
    Project::open(place, &decisions, &context, &rules).ok()
}
