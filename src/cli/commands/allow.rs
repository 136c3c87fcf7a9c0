//! `devsh allow`

use crate::{
    app::{
        approvals::{Requests, Review},
        session::Session,
    },
    project::{
        approval::{ApprovalDecision, ProjectDecision},
        approval_summary::Difference,
    },
    report::{failure::Failure, style::Role, ui::Ui},
    util::terminal_text::SafeText,
};

/// Shows the requests of the project, approves exactly them, and builds its dev shell.
pub fn run(session: &Session<'_>, ui: &Ui) -> Result<(), Failure> {
    let mut review = Review::begin(session)?;
    let name = session.display(review.project.root());
    let is_allowed = review.is_allowed;
    if !is_allowed && review.is_incomplete() {
        // The user sees the known requests before a server is asked.
        show(ui, review.requests());
    }
    review = review.complete()?;
    if is_allowed {
        ui.note(&format!("{name} is allowed already"));
    } else {
        show(ui, review.requests());
        for note in review.project.notes() {
            ui.note(&format!("{}: {}", note.origin, note.message));
        }
    }
    for variable in review.missing_variables() {
        ui.warn(&variable.to_string());
    }
    let approved = review.approve()?;
    if !is_allowed {
        ui.note(&format!("allowed {name}"));
    }
    approved.build()
}

/// Lists all decisions of the user.
pub fn list(session: &Session<'_>, ui: &Ui) -> Result<(), Failure> {
    let decisions = session.decisions.all()?;
    let mut lines = SafeText::default();
    for ProjectDecision { root, decision } in &decisions {
        let verb = match decision {
            ApprovalDecision::Allowed => "allowed",
            ApprovalDecision::Denied => "denied ",
        };
        let gone = if root.is_dir() { "" } else { "  (gone)" };
        lines.push(format!("{verb}  {}{gone}", session.display(root)));
        lines.end_line();
    }
    if decisions.is_empty() {
        ui.note("no project is allowed or denied");
    }
    ui.listing(&lines)
}

/// Removes the decisions about deleted projects, and unreadable approvals.
pub fn prune(session: &Session<'_>, ui: &Ui) -> Result<(), Failure> {
    let forgotten = session.decisions.prune()?;
    for root in &forgotten {
        let verb = ui.paint(Role::Dim, "forgot");
        ui.line(verb.and(" ").and(session.display(root)));
    }
    ui.note(&match forgotten.len() {
        0 => "every decision is about a project that exists".to_owned(),
        1 => "forgot 1 project".to_owned(),
        count => format!("forgot {count} projects"),
    });
    Ok(())
}

fn show(ui: &Ui, requests: Requests) {
    if requests.is_known && requests.differences.is_empty() {
        ui.note("its requests are the same; only its text has changed");
    }
    for (name, difference) in requests.differences {
        let paint = |role, text: &str| ui.paint(role, text);
        let (sign, value) = match difference {
            Difference::Added(now) if !requests.is_known => ("  ", paint(Role::Strong, &now)),
            Difference::Added(now) => ("+ ", paint(Role::Good, &now)),
            Difference::Removed(was) => ("- ", paint(Role::Error, &was)),
            Difference::Changed { before, after } => {
                let after = paint(Role::Good, &after);
                ("~ ", paint(Role::Error, &before).and(" → ").and(after))
            }
        };
        let name = paint(Role::Dim, &name);
        ui.line(SafeText::from(sign).and(name).and("  ").and(value));
    }
}
