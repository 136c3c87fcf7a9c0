//! `devsh outdated`: which tools have newer versions than the locked ones.

use serde::Serialize;

use crate::{
    lockfile::LockKey,
    package::{Requirement, Version},
    report::{failure::Failure, ui::Role},
};

use super::lock;
use crate::{
    app::{query_versions, session::Work},
    cli::table::Table,
};

/// One tool; the JSON form is part of the interface.
#[derive(Debug, Serialize)]
struct Row {
    tool: String,
    requirement: String,
    /// Where the requirement was written, `file:line`.
    place: String,
    locked: Option<String>,
    /// The newest version that the requirement admits.
    admitted: Option<String>,
    /// The newest version there is.
    newest: Option<String>,
    /// Whether `devsh lock --upgrade` would change the version.
    outdated: bool,
}

/// Runs `devsh outdated`.
pub fn run(work: &Work<'_>, json: bool) -> Result<(), Failure> {
    let project = work.trusted()?;
    let project = project.get();
    let lockfile = lock::as_they_are(work.context, project)?;
    let requests = lock::requests(project.preview());
    let any = query_versions::request(Requirement::any());
    let mut asked = requests.clone();
    asked.extend(requests.iter().map(|(tool, _)| (tool.clone(), any.clone())));
    asked.retain(|(_, request)| !request.is_contradictory());
    let index = query_versions::offers(work, &asked)?;
    let system = lock::system(work)?;
    let mut rows = Vec::new();
    for (tool, request) in &requests {
        let admitted = query_versions::choice(tool, request, &index, system)?.version;
        // Of a channel the newest is what it has now.
        let newest = match request.requirement.value.channel() {
            Some(_) => admitted.clone(),
            None => query_versions::choice(tool, &any, &index, system)?.version,
        };
        let locked = lockfile.locked(tool, request).map(|locked| &locked.version);
        rows.push(Row {
            tool: tool.to_string(),
            requirement: LockKey::for_request(tool, request).requirement,
            place: request.requirement.origin.to_string(),
            locked: locked.map(ToString::to_string),
            outdated: locked.is_some_and(|locked| *locked < admitted),
            newest: Some(later(&newest, &admitted).to_string()),
            admitted: Some(admitted.to_string()),
        });
    }
    if json {
        return crate::cli::print_json(work.ui, &rows);
    }
    show(work, &rows)
}

fn later<'v>(one: &'v Version, other: &'v Version) -> &'v Version {
    if one < other { other } else { one }
}

fn show(work: &Work<'_>, rows: &[Row]) -> Result<(), Failure> {
    let mut table = Table::new(&["TOOL", "LOCKED", "ADMITTED", "NEWEST", "ASKED FOR"]);
    let behind = rows.iter().filter(|row| row.locked != row.newest);
    let mut told = false;
    for row in behind {
        told = true;
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        table.row(vec![
            (Some(Role::Strong), row.tool.clone()),
            (None, text(&row.locked)),
            (row.outdated.then_some(Role::Good), text(&row.admitted)),
            (Some(Role::Dim), text(&row.newest)),
            (None, format!("{} ({})", row.requirement, row.place)),
        ]);
    }
    if !told {
        work.ui.note("every tool is the newest there is");
        return Ok(());
    }
    crate::cli::list(work.ui, &table.render(work.ui.out_style()))?;
    if rows.iter().any(|row| row.outdated) {
        let command = work.command("lock --upgrade");
        work.ui.note(&format!("`{command}` takes what is admitted"));
    }
    Ok(())
}
