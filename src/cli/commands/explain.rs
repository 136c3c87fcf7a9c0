//! `devsh explain`

use crate::{
    app::{
        explain::{Explanation, explain},
        session::Session,
    },
    cli::args,
    report::{
        failure::Failure,
        style::{Role, Style},
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
    let style = ui.out_style();
    let text = match name {
        None => table(&all, style),
        Some(_) => all.iter().map(|one| render(one, style)).collect(),
    };
    ui.listing(&text)
}

/// One line for each subject.
fn table(all: &[Explanation], style: Style) -> SafeText {
    let width = |cell: fn(&Explanation) -> usize| all.iter().map(cell).max().unwrap_or(0).min(40);
    let kinds = width(|one| one.kind.len());
    let names = width(|one| one.name.chars().count());
    let mut text = SafeText::default();
    for one in all {
        let kind = style.paint(Role::Dim, format!("{:kinds$}", one.kind));
        let name = style.paint(Role::Strong, SafeText::from(&one.name).padded(names));
        let value = one.value.as_deref().unwrap_or("nothing");
        text.push(kind.and("  ").and(name).and("  ").and(value));
        if let Some(place) = &one.place {
            text.push(SafeText::from("  ").and(style.paint(Role::Dim, place)));
        }
        text.end_line();
    }
    text
}

/// A heading, and below it all statements in the order of the merge.
fn render(one: &Explanation, style: Style) -> SafeText {
    let value = one.value.as_deref().unwrap_or("nothing");
    let place = one.place.as_deref().unwrap_or_default();
    let mut text = style.paint(Role::Strong, &one.name).and("  ");
    text.push(style.paint(Role::Good, value).and("  "));
    text.push(style.paint(Role::Dim, place));
    text.end_line();
    let mut row = |label: &str, value: &str, more: &str| {
        let label = style.paint(Role::Dim, format!("{label:<8}"));
        let line = SafeText::from("  ").and(label).and("  ").and(value);
        text.push(line.and("  ").and(style.paint(Role::Dim, more)).trimmed());
        text.end_line();
    };
    for said in &one.said {
        let table = said
            .shell
            .as_ref()
            .map(|shell| format!(" [shells.{shell}]"))
            .unwrap_or_default();
        let place = format!("{}{table}", said.place);
        match &said.reason {
            None => row("said", &said.value, &place),
            Some(reason) => row("lost", &said.value, &format!("{place}, {reason}")),
        }
    }
    if let Some(locked) = &one.locked {
        row("locked", locked, "");
    }
    for refused in &one.refused {
        row("refused", &refused.version, &refused.reasons.join("; "));
    }
    for note in &one.notes {
        row("note", note, "");
    }
    text
}
