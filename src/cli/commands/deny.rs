//! `devsh deny`

use crate::{
    app::{approvals::deny_project, session::Session},
    report::{failure::Failure, ui::Ui},
};

pub fn run(session: &Session<'_>, ui: &Ui) -> Result<(), Failure> {
    let denial = deny_project(session)?;
    if denial.ended_build {
        ui.note("ended the build that was running");
    }
    ui.note(&format!("denied {}", session.display(&denial.root)));
    Ok(())
}
