//! `devsh explain`

use crate::{
    app::{
        explain::{Explanation, explain},
        session::Session,
    },
    cli::args,
    report::{
        failure::Failure,
        style::Role,
        table::{Cell, Column, Layout, Table},
        ui::Ui,
    },
    util::terminal_text::SafeText,
};

pub fn run(session: &Session<'_>, ui: &Ui, options: &args::Explain) -> Result<(), Failure> {
    let shell = options.shell.as_deref().map(str::parse).transpose()?;
    let name = options.name.as_deref();
    let all = explain(session, name, shell)?;
    if options.json {
        return ui.json(&all);
    }
    if all.is_empty() {
        ui.note("the manifest of this project sets nothing");
    }
    let text = match name {
        None => overview(&all).render(ui.layout()),
        Some(_) => all.iter().map(|one| render(one, ui.layout())).collect(),
    };
    ui.listing(&text)
}

/// One row for each subject.
fn overview(all: &[Explanation]) -> Table {
    let columns = [
        Column::new("KIND"),
        Column::new("NAME"),
        Column::new("VALUE").wrapped(),
        Column::new("PLACE"),
    ];
    let mut table = Table::new(columns).without_header();
    for one in all {
        table.row([
            Cell::new(Role::Dim, one.kind),
            Cell::new(Role::Strong, &one.name),
            one.value.as_deref().unwrap_or("removed").into(),
            Cell::new(Role::Dim, one.place.as_deref().unwrap_or_default()),
        ]);
    }
    table
}

/// A heading, and below it the statements in the order of the merge.
fn render(one: &Explanation, layout: Layout) -> SafeText {
    let column = Column::new("");
    let label = column.at_least(8);
    let mut head = Table::new([column, column.wrapped(), column]).without_header();
    head.row([
        Cell::new(Role::Strong, &one.name),
        Cell::new(Role::Good, one.value.as_deref().unwrap_or("removed")),
        Cell::new(Role::Dim, one.place.as_deref().unwrap_or_default()),
    ]);
    let mut rows = Table::new([label, column.wrapped(), column.wrapped()])
        .without_header()
        .indented(2);
    let mut row = |label: &str, value: &str, more: &str| {
        rows.row([
            Cell::new(Role::Dim, label),
            value.into(),
            Cell::new(Role::Dim, more),
        ]);
    };
    // The heading has shown a value that is set once.
    let is_plain = matches!(one.said.as_slice(), [said] if said.counts && said.shell.is_none()
        && Some(&said.value) == one.value.as_ref());
    for said in one.said.iter().filter(|_| !is_plain) {
        let table = said
            .shell
            .as_ref()
            .map(|shell| format!(" [shells.{shell}]"))
            .unwrap_or_default();
        let place = format!("{}{table}", said.place);
        match &said.reason {
            None => row("set", &said.value, &place),
            Some(reason) => row("not used", &said.value, &format!("{place}, {reason}")),
        }
    }
    if let Some(locked) = &one.locked {
        row("locked", locked, "");
    }
    for refused in &one.refused {
        row("refused", &refused.version, &refused.reasons.join("; "));
    }
    let mut notes = Table::new([label, column.wrapped()])
        .without_header()
        .indented(2);
    for note in &one.notes {
        notes.label("note", note);
    }
    head.render(layout)
        .and(rows.render(layout))
        .and(notes.render(layout))
}
