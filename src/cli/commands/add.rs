//! `devsh add`

use crate::{
    app::{edit_manifest::EditReport, edit_tools::add_tools, session::Session},
    cli::args::Edit,
    report::{failure::Failure, ui::Ui},
};

pub fn run(session: &Session<'_>, ui: &Ui, options: &Edit) -> Result<(), Failure> {
    let shell = options.shell.as_deref().map(str::parse).transpose()?;
    add_tools(session, &options.tools, shell.as_ref(), |report| {
        print(ui, report);
    })
}

/// Prints the result of a change of the manifest.
pub(super) fn print(ui: &Ui, report: &EditReport) {
    if !report.written {
        ui.note(&format!("{} has these tools already", report.name));
        return;
    }
    for line in &report.changes {
        ui.change(line);
    }
    ui.note(&format!("wrote {}", report.name));
    if !report.versions.is_empty() {
        ui.note(&format!("locked {}", report.versions.join(", ")));
    }
}
