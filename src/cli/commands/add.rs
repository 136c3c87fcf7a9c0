//! `devsh add`

use crate::{
    app::{
        edit_manifest::{EditReport, ManifestOwner},
        edit_tools::{ToolEdit, add_tools},
        session::Session,
    },
    cli::args::Edit,
    manifest::ShellName,
    report::{failure::Failure, ui::Ui},
};

pub fn run(session: &Session<'_>, ui: &Ui, options: &Edit) -> Result<(), Failure> {
    let shell = options.shell.as_deref().map(str::parse).transpose()?;
    let edit = tool_edit(options, shell.as_ref());
    add_tools(session, edit, |report| print(ui, report))
}

/// Returns the change that the command line asks for.
pub(super) const fn tool_edit<'a>(options: &'a Edit, shell: Option<&'a ShellName>) -> ToolEdit<'a> {
    ToolEdit {
        words: options.tools.as_slice(),
        shell,
        owner: if options.personal {
            ManifestOwner::Personal
        } else {
            ManifestOwner::Team
        },
        builds: !options.no_sync,
    }
}

/// Prints the result of a change of the manifest.
pub(super) fn print(ui: &Ui, report: &EditReport) {
    if !report.written {
        ui.note(&format!("{} has these tools already", report.name));
        wrote(ui, &report.lockfiles);
        return;
    }
    for line in &report.changes {
        ui.change(line);
    }
    ui.note(&format!("wrote {}", report.name));
    wrote(ui, &report.lockfiles);
    if !report.versions.is_empty() {
        ui.note(&format!("locked {}", report.versions.join(", ")));
    }
}

/// Says which lockfiles were written, after the manifest that they answer.
pub(super) fn wrote(ui: &Ui, lockfiles: &[String]) {
    for name in lockfiles {
        ui.note(&format!("wrote {name}"));
    }
}
