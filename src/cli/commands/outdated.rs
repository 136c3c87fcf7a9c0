//! `devsh outdated`

use crate::{
    app::{
        outdated_tools::{OutdatedTool, outdated_tools},
        session::Session,
    },
    cli::table::TextTable,
    report::{failure::Failure, style::Role, ui::Ui},
};

pub fn run(session: &Session<'_>, ui: &Ui, json: bool) -> Result<(), Failure> {
    let rows = outdated_tools(session)?;
    if json {
        return ui.json(&rows);
    }
    show(session, ui, &rows)
}

fn show(session: &Session<'_>, ui: &Ui, rows: &[OutdatedTool]) -> Result<(), Failure> {
    let mut table = TextTable::new(&["TOOL", "LOCKED", "ADMITTED", "NEWEST", "ASKED FOR"]);
    let behind = rows.iter().filter(|row| row.locked != row.newest);
    let mut is_empty = true;
    for row in behind {
        is_empty = false;
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        table.row(vec![
            (Some(Role::Strong), row.tool.clone()),
            (None, text(&row.locked)),
            (row.outdated.then_some(Role::Good), text(&row.admitted)),
            (Some(Role::Dim), text(&row.newest)),
            (None, format!("{} ({})", row.requirement, row.place)),
        ]);
    }
    if is_empty {
        ui.note("every tool has its newest version");
        return Ok(());
    }
    ui.listing(&table.render(ui.out_style()))?;
    if rows.iter().any(|row| row.outdated) {
        let command = session.command("lock --upgrade");
        ui.note(&format!("`{command}` takes the admitted versions"));
    }
    Ok(())
}
