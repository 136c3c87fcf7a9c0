//! `devsh search`

use crate::{
    app::{
        search_sources::{SearchKind, SearchResult, SearchResults, search_sources},
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
        Column::new("KIND"),
        Column::new("SOURCE"),
        Column::new("DESCRIPTION").wrapped(),
        Column::new("EARLIER").optional(),
        Column::new("SYSTEMS").optional(),
    ]);
    for row in &found {
        let newest = row.newest.as_deref().unwrap_or("-");
        let earlier = row.versions.iter().skip_while(|version| *version != newest);
        let earlier: Vec<&str> = earlier
            .skip(1)
            .take(row.shown_earlier)
            .map(String::as_str)
            .collect();
        let package = if row.tool.contains(&row.package) {
            row.source.clone()
        } else {
            format!("{} ({})", row.source, row.package)
        };
        let kind = match row.kind {
            SearchKind::Tool => "tool",
            SearchKind::Application => "application",
            SearchKind::Library => "library",
        };
        let description = row.description.as_deref().unwrap_or("not in the catalogue");
        table.row([
            Cell::new(Role::Strong, &row.tool),
            Cell::new(Role::Good, newest),
            kind.into(),
            package.into(),
            description.into(),
            Cell::new(Role::Dim, earlier.join(" ")),
            systems(&row.systems).into(),
        ]);
    }
    ui.table(&table)?;
    let Some(first) = found.first() else {
        return Ok(());
    };
    let command = session.command(&format!("add {}", first.tool));
    if first.newest.is_none() {
        let problem = first.problem.as_deref().unwrap_or_default();
        ui.note(&format!(
            "no version of `{}` is available: {problem}",
            first.tool
        ));
    } else if first.kind == SearchKind::Library && !name.contains(':') {
        // Anyone can publish a package under the name of a tool.
        ui.note(&format!(
            "`{}` is no usual tool; make sure that it is the package you mean before `{command}`",
            first.tool
        ));
    } else {
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
