//! `devsh search`

use crate::{
    app::{
        search_sources::{SearchResult, SearchResults, search_sources},
        session::Session,
    },
    package::System,
    report::{
        failure::Failure,
        style::Role,
        table::{Cell, Column, Table},
        ui::Ui,
    },
};

pub fn run(session: &Session<'_>, ui: &Ui, name: &str, json: bool) -> Result<(), Failure> {
    let SearchResults { found, missing } = search_sources(session, name)?;
    if json {
        let all: Vec<&SearchResult> = found.iter().chain(&missing).collect();
        return ui.json(&all);
    }
    if found.is_empty() {
        let failure = Failure::new(format!("no source has a tool `{name}`"));
        let problems = missing.iter().filter_map(|row| row.problem.clone());
        return Err(problems.fold(failure, Failure::note));
    }
    let mut table = Table::new([
        Column::new("TOOL"),
        Column::new("NEWEST"),
        Column::new("EARLIER").optional(),
        Column::new("SOURCE"),
        Column::new("SYSTEMS").wrapped(),
    ]);
    for row in &found {
        let earlier: Vec<&str> = row
            .versions
            .iter()
            .skip(1)
            .take(3)
            .map(String::as_str)
            .collect();
        let package = if row.tool.contains(&row.package) {
            row.source.clone()
        } else {
            format!("{} ({})", row.source, row.package)
        };
        table.row([
            Cell::new(Role::Strong, &row.tool),
            Cell::new(Role::Good, row.newest.as_deref().unwrap_or_default()),
            Cell::new(Role::Dim, earlier.join(" ")),
            package.into(),
            systems(&row.systems).into(),
        ]);
    }
    ui.table(&table)?;
    if let Some(first) = found.first() {
        let command = session.command(&format!("add {}", first.tool));
        ui.note(&format!("`{command}` adds it to the manifest"));
    }
    Ok(())
}

fn systems(names: &[String]) -> String {
    if names.len() == System::ALL.len() {
        "all".to_owned()
    } else {
        names.join(" ")
    }
}
