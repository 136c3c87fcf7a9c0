//! `devsh ci`

use crate::{
    app::{
        ci_workflow::{CiService, WorkflowOptions, workflow},
        session::Session,
    },
    report::{failure::Failure, ui::Ui},
};

pub fn run(
    session: &Session<'_>,
    ui: &Ui,
    service: &str,
    options: WorkflowOptions<'_>,
) -> Result<(), Failure> {
    let service = match service {
        "gitlab" => CiService::Gitlab,
        _ => CiService::Github,
    };
    ui.code(workflow(session, service, options)?.as_bytes())
}
