//! `devsh init`

use super::add;
use crate::{
    app::{
        init_project::{InitRequest, NextStep, init_personal, init_project},
        session::Session,
    },
    manifest::{self, Manifest, ShellName, imports::ENVRC},
    report::{failure::Failure, style::Role, ui::Ui},
};

pub fn run(session: &Session<'_>, ui: &Ui, request: &InitRequest) -> Result<(), Failure> {
    let report = init_project(session, request)?;
    show(session, ui, &report.manifest);
    for note in &report.notes {
        ui.warn(&format!("{}: {}", note.origin, note.message));
    }
    if let Some(failure) = &report.unchecked {
        ui.warn(&format!(
            "not checked whether every tool can be locked: {}",
            failure.error
        ));
    }
    ui.note(&format!("wrote {}", session.display(&report.path)));
    add::wrote(ui, &report.lockfiles);
    if request.from.iter().any(|from| from.ends_with(ENVRC)) {
        ui.note(&format!(
            "direnv still loads `{ENVRC}`: remove it when you no longer want that"
        ));
    }
    match report.next {
        NextStep::Nothing => {}
        NextStep::Lock => ui.note(&format!("next: `{}`", session.command("lock"))),
        NextStep::Allow => ui.note(&format!(
            "next: review it, then `{}`",
            session.command("allow")
        )),
    }
    Ok(())
}

/// Writes a manifest of one person.
pub fn personal(session: &Session<'_>, ui: &Ui) -> Result<(), Failure> {
    let path = init_personal(session)?.path;
    ui.note(&format!("wrote `{}`", session.display(&path)));
    let command = session.command("allow");
    ui.note(&format!("next: edit it, then `{command}`"));
    Ok(())
}

fn show(session: &Session<'_>, ui: &Ui, manifest: &Manifest) {
    let Some(dev) = manifest.shells.get(&ShellName::dev()) else {
        return;
    };
    if dev.tools.is_empty() {
        let add = session.command("add TOOL");
        ui.note(&format!(
            "nothing was detected; write tools into the file or use `{add}`"
        ));
    }
    for (tool, request) in &dev.tools {
        let version = ui.paint(Role::Strong, manifest::whole(request));
        let origin = manifest::decisive(request);
        let place = ui.paint(Role::Dim, origin.listed());
        let tool = ui.paint(Role::Good, format!("  {tool}"));
        ui.line(tool.and("  ").and(version).and("  ").and(place));
    }
}
