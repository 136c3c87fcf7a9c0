//! `devsh doctor`: what is wrong with an installation, and for each thing one step that mends it.
//!
//! Invariant: only looks. What it writes to try a directory it removes; nothing of a project is run.

use serde::Serialize;

use crate::{
    report::{failure::Failure, ui::Role},
    util::terminal_text::SafeText,
};

use crate::app::session::Work;

mod host;
mod places;
mod shadow;

/// What one look has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    /// What was looked at, one word.
    name: &'static str,
    status: Status,
    /// What was found, one line.
    message: String,
    /// The step that mends it.
    hint: Option<String>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Error,
}

impl Check {
    fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self {
            name,
            status: Status::Ok,
            message: message.into(),
            hint: None,
        }
    }

    fn bad(
        name: &'static str,
        status: Status,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            name,
            status,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    fn warning(name: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::bad(name, Status::Warning, message, hint)
    }

    fn error(name: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::bad(name, Status::Error, message, hint)
    }
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    status: Status,
    version: &'static str,
    checks: &'a [Check],
}

/// Runs `devsh doctor`.
pub fn run(work: &Work<'_>, network: bool, json: bool) -> Result<(), Failure> {
    let mut checks = host::checks(work);
    checks.extend(shadow::checks(work));
    checks.extend(places::checks(work, network));
    let status = checks.iter().map(|check| check.status).max();
    let status = status.unwrap_or(Status::Ok);
    if json {
        let report = Report {
            status,
            version: env!("CARGO_PKG_VERSION"),
            checks: &checks,
        };
        crate::cli::print_json(work.ui, &report)?;
    } else {
        crate::cli::list(work.ui, &render(work, &checks))?;
    }
    match (
        status,
        checks
            .iter()
            .filter(|check| check.status == Status::Error)
            .count(),
    ) {
        (Status::Error, 1) => Err(Failure::new("one thing is wrong")),
        (Status::Error, count) => Err(Failure::new(format!("{count} things are wrong"))),
        _ => Ok(()),
    }
}

fn render(work: &Work<'_>, checks: &[Check]) -> SafeText {
    let style = work.ui.out_style();
    let mut listing = SafeText::default();
    for check in checks {
        let (status, role) = match check.status {
            Status::Ok => ("ok     ", Role::Good),
            Status::Warning => ("warning", Role::Warning),
            Status::Error => ("error  ", Role::Error),
        };
        let status = style.paint(role, status);
        let name = style.paint(Role::Dim, format!("{:<11}", check.name));
        listing.push(status.and("  ").and(name).and(" ").and(&check.message));
        listing.end_line();
        if let Some(hint) = &check.hint {
            let label = style.paint(Role::Hint, "hint:");
            let blanks = SafeText::from("                      ");
            listing.push(blanks.and(label).and(" ").and(hint));
            listing.end_line();
        }
    }
    listing
}
