//! `devsh doctor`

use serde::Serialize;

use crate::{
    app::{
        doctor::{Check, CheckStatus, check_installation},
        session::Session,
    },
    report::{failure::Failure, style::Role, ui::Ui},
    util::terminal_text::SafeText,
};

/// The JSON form, which is part of the interface.
#[derive(Debug, Serialize)]
struct DoctorReport<'a> {
    status: CheckStatus,
    version: &'static str,
    checks: &'a [Check],
}

pub fn run(session: &Session<'_>, ui: &Ui, network: bool, json: bool) -> Result<(), Failure> {
    let checks = check_installation(session, network);
    let status = checks.iter().map(|check| check.status).max();
    if json {
        ui.json(&DoctorReport {
            status: status.unwrap_or(CheckStatus::Ok),
            version: env!("CARGO_PKG_VERSION"),
            checks: &checks,
        })?;
    } else {
        ui.listing(&render(ui, &checks))?;
    }
    let errors = checks
        .iter()
        .filter(|check| check.status == CheckStatus::Error);
    match errors.count() {
        0 => Ok(()),
        1 => Err(Failure::new("one thing is wrong")),
        count => Err(Failure::new(format!("{count} things are wrong"))),
    }
}

fn render(ui: &Ui, checks: &[Check]) -> SafeText {
    let style = ui.out_style();
    let mut listing = SafeText::default();
    for check in checks {
        let (status, role) = match check.status {
            CheckStatus::Ok => ("ok     ", Role::Good),
            CheckStatus::Warning => ("warning", Role::Warning),
            CheckStatus::Error => ("error  ", Role::Error),
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
