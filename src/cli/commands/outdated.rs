//! `devsh outdated`

use crate::{
    app::{
        outdated_tools::{OutdatedTool, outdated_tools},
        session::Session,
    },
    report::{
        failure::Failure,
        style::Role,
        table::{Cell, Column, Table},
        ui::Ui,
    },
};

pub fn run(session: &Session<'_>, ui: &Ui, json: bool) -> Result<(), Failure> {
    let rows = outdated_tools(session)?;
    if json {
        return ui.json(&rows);
    }
    show(session, ui, &rows)
}

fn show(session: &Session<'_>, ui: &Ui, rows: &[OutdatedTool]) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::new("TOOL"),
        Column::new("LOCKED"),
        Column::new("ALLOWED"),
        Column::new("NEWEST"),
        Column::new("ASKED FOR").wrapped(),
    ]);
    for row in rows.iter().filter(|row| row.locked != row.newest) {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let allowed = text(&row.admitted);
        table.row([
            Cell::new(Role::Strong, &row.tool),
            text(&row.locked).into(),
            if row.outdated {
                Cell::new(Role::Good, allowed)
            } else {
                allowed.into()
            },
            Cell::new(Role::Dim, text(&row.newest)),
            Cell::from(&row.requirement).and(Some(Role::Dim), format!(" ({})", row.place)),
        ]);
    }
    if table.is_empty() {
        ui.note("every tool has its newest version");
        return Ok(());
    }
    ui.table(&table)?;
    if rows.iter().any(|row| row.outdated) {
        let command = session.command("lock --upgrade");
        ui.note(&format!("`{command}` takes the allowed versions"));
    }
    Ok(())
}
