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
    show(ui, &report.manifest);
    for note in &report.notes {
        ui.warn(&format!("{}: {}", note.origin, note.message));
    }
    if let Some(line) = report.describe_unchecked() {
        ui.warn(&line);
    }
    ui.note(&format!("wrote {}", session.display(&report.path)));
    add::wrote(ui, &report.lockfiles);
    if request.from.iter().any(|from| from.ends_with(ENVRC)) {
        ui.note(&format!(
            "direnv still loads `{ENVRC}`: remove it when you no longer want that"
        ));
    }
    let dev = report.manifest.shells.get(&ShellName::dev());
    let has_tools = dev.is_some_and(|dev| !dev.tools.is_empty());
    let mut steps: Vec<String> = match report.next {
        NextStep::Nothing => Vec::new(),
        NextStep::Lock => vec![format!("`{}`", session.command("lock"))],
        NextStep::Allow if has_tools => vec![
            "review it".to_owned(),
            format!("`{}`", session.command("allow")),
        ],
        NextStep::Allow => vec![format!("`{}`", session.command("allow"))],
    };
    if !has_tools {
        steps.push(format!("`{}`", session.command("add TOOL")));
    }
    if !steps.is_empty() {
        ui.note(&format!("next: {}", steps.join(", then ")));
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

fn show(ui: &Ui, manifest: &Manifest) {
    let Some(dev) = manifest.shells.get(&ShellName::dev()) else {
        return;
    };
    if dev.tools.is_empty() {
        ui.note("no tools were detected in the files of the project");
    }
    for (tool, request) in &dev.tools {
        let version = ui.paint(Role::Strong, manifest::whole(request));
        let origin = manifest::decisive(request);
        let place = ui.paint(Role::Dim, origin.listed());
        let tool = ui.paint(Role::Good, format!("  {tool}"));
        ui.line(tool.and("  ").and(version).and("  ").and(place));
    }
}
