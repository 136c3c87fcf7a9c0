//! `devsh export` without a hook

use crate::{
    app::{
        export_environment::{ExportReader, ExportTarget, export_environment},
        session::Session,
    },
    cli::args::Export,
    report::{failure::Failure, ui::Ui},
    shell::export_formats::ExportFormat,
};

pub fn run(session: &Session<'_>, ui: &Ui, options: &Export) -> Result<(), Failure> {
    let reader = match options.format.as_str() {
        "json" => ExportReader::File(ExportFormat::Json),
        "dotenv" => ExportReader::File(ExportFormat::Dotenv),
        "github" => ExportReader::File(ExportFormat::GitHub),
        "gitlab" => ExportReader::File(ExportFormat::GitLab),
        shell => ExportReader::Shell(shell.parse()?),
    };
    let target = if options.no_wait {
        ExportTarget::Prompt
    } else {
        ExportTarget::Shell(options.shell.parse()?)
    };
    ui.code(&export_environment(session, reader, &target)?)
}
