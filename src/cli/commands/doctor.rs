//! `devsh doctor`

use serde::Serialize;

use crate::{
    app::{
        doctor::{Check, CheckStatus, check_installation},
        session::Session,
    },
    report::{
        failure::Failure,
        style::Role,
        table::{Cell, Column, Table},
        ui::Ui,
    },
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
        ui.table(&table(&checks))?;
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

fn table(checks: &[Check]) -> Table {
    let columns = [Column::new(""), Column::new(""), Column::new("").wrapped()];
    let mut table = Table::new(columns).without_header();
    for check in checks {
        let status = match check.status {
            CheckStatus::Ok => Cell::new(Role::Good, "ok"),
            CheckStatus::Warning => Cell::new(Role::Warning, "warning"),
            CheckStatus::Error => Cell::new(Role::Error, "error"),
        };
        let name = Cell::new(Role::Dim, check.name);
        table.row([status, name, (&check.message).into()]);
        if let Some(hint) = &check.hint {
            let hint = Cell::new(Role::Hint, "hint:")
                .and(None, " ")
                .and(None, hint);
            table.row([Cell::default(), Cell::default(), hint]);
        }
    }
    table
}
