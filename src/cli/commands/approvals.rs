//! `devsh allow --list` and `--prune`: what the user decided, over all projects.

use crate::{
    project::approval::{Decision, ProjectDecision},
    report::{failure::Failure, ui::Role},
    util::terminal_text::SafeText,
};

use crate::{app::session::Work, report::hints, report::paths::display_path};

/// Lists every decision, with what became of its project.
pub fn list(work: &Work<'_>) -> Result<(), Failure> {
    let decisions = work.decisions.all().map_err(|error| hints::file(&error))?;
    let mut lines = SafeText::default();
    for ProjectDecision { root, decision } in &decisions {
        let verb = match decision {
            Decision::Allowed => "allowed",
            Decision::Denied => "denied ",
        };
        let gone = if root.is_dir() { "" } else { "  (gone)" };
        let name = display_path(work.context, root);
        lines.push(format!("{verb}  {name}{gone}"));
        lines.end_line();
    }
    if decisions.is_empty() {
        work.ui.note("no project is allowed or denied");
    }
    crate::cli::list(work.ui, &lines)
}

/// Forgets the decisions about projects that are gone, and approvals that cannot be read.
pub fn prune(work: &Work<'_>) -> Result<(), Failure> {
    let forgotten = work
        .decisions
        .prune()
        .map_err(|error| hints::file(&error))?;
    for root in &forgotten {
        let verb = work.ui.paint(Role::Dim, "forgot");
        work.ui
            .line(verb.and(" ").and(display_path(work.context, root)));
    }
    work.ui.note(&match forgotten.len() {
        0 => "every decision is about a project that is there".to_owned(),
        1 => "forgot 1 project".to_owned(),
        count => format!("forgot {count} projects"),
    });
    Ok(())
}
