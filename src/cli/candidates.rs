//! Names that Tab completes.
//!
//! Invariant: a project is only read, as `devsh status` reads it. No code of it runs, allowed or not.

use clap_complete::engine::CompletionCandidate;

use crate::{
    app::session::{Options, Session},
    context::Context,
    project::Project,
    report::reporter::NoReport,
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
