//! Names that Tab completes.
//!
//! Invariant: a project is only read, as `devsh status` reads it. No code of it runs, allowed or not.

use std::{collections::BTreeSet, ffi::OsStr, path::PathBuf};

use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};

use crate::{
    app::session::{Options, Session},
    context::Context,
    env::pathlist,
    manifest::ShellName,
    package::Tool,
    project::Project,
    prompt::record::Record,
    report::reporter::NoReport,
    util::{files, vars},
};

use super::topics;

/// Returns the dev shells of the project here.
pub fn shells() -> Vec<CompletionCandidate> {
    let project = project();
    let shells = project
        .iter()
        .flat_map(|project| project.preview().shells.keys());
    shells
        .map(|shell| CompletionCandidate::new(shell.as_str()))
        .collect()
}

/// Returns the tools of the project here.
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

/// Returns the tools of devsh's own catalogue, for `devsh add`.
pub fn known_tools() -> Vec<CompletionCandidate> {
    Tool::short_names().map(CompletionCandidate::new).collect()
}

/// Returns the tools, variables and aliases of the project here.
pub fn subjects() -> Vec<CompletionCandidate> {
    let project = project();
    let shells = project
        .iter()
        .flat_map(|project| project.preview().shells.values());
    let names = shells.flat_map(|shell| {
        let tools = shell.tools.keys().map(ToString::to_string);
        let variables = shell.env.keys().map(|name| name.as_str().to_owned());
        let aliases = shell.aliases.keys().map(|name| name.as_str().to_owned());
        tools.chain(variables).chain(aliases)
    });
    let names: BTreeSet<String> = names.collect();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// Completes a command and its arguments.
#[derive(Debug, Clone)]
pub struct CommandLine {
    /// The dev shell that runs it.
    pub shell: ShellName,
}

impl ValueCompleter for CommandLine {
    fn complete(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        programs(&self.shell, current)
    }

    fn complete_at(&self, position: usize, current: &OsStr) -> Vec<CompletionCandidate> {
        match position {
            0 => programs(&self.shell, current),
            _ => PathCompleter::any().complete(current),
        }
    }
}

/// Returns the programs of the built dev shell and of `PATH` that begin with `current`, and files.
fn programs(shell: &ShellName, current: &OsStr) -> Vec<CompletionCandidate> {
    let mut found = PathCompleter::any().complete(current);
    let Some(prefix) = current.to_str().filter(|text| !text.contains('/')) else {
        return found;
    };
    // Clap calls these functions without a context.
    let context = Context::from_process();
    let session = Session::new(&context, &NoReport, Options::default());
    let built = session.prompt_place().and_then(|place| {
        let state = &context.directories.state;
        let record = Record::stored(state, &place.root, shell)?;
        Some(record.objects.first()?.join("bin"))
    });
    let host = context.env.get(vars::PATH).unwrap_or_default();
    // Without a first letter there would be thousands.
    let host = pathlist::split(host).filter(|_| !prefix.is_empty());
    let directories = built.into_iter().chain(host.map(PathBuf::from));
    let mut names = BTreeSet::new();
    for directory in directories {
        let listed = files::list(&directory).unwrap_or_default();
        let programs = listed.iter().filter_map(|path| path.file_name()?.to_str());
        names.extend(
            programs
                .filter(|name| name.starts_with(prefix))
                .map(str::to_owned),
        );
    }
    found.splice(0..0, names.into_iter().map(CompletionCandidate::new));
    found
}

/// Returns the topics of `devsh help`.
pub fn topics() -> Vec<CompletionCandidate> {
    topics::names().map(CompletionCandidate::new).collect()
}

fn project() -> Option<Project> {
    // Clap calls these functions without a context.
    let context = Context::from_process();
    let session = Session::new(&context, &NoReport, Options::default());
    session.open(session.prompt_place()?).ok()
}
