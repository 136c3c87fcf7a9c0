//! Explanations in words.

use crate::ui::{Role, Style, escape};

use super::Explanation;

/// One line for each subject.
pub(super) fn table(all: &[Explanation], style: Style) -> String {
    let width = |cell: fn(&Explanation) -> usize| all.iter().map(cell).max().unwrap_or(0).min(40);
    let kinds = width(|one| one.kind.len());
    let names = width(|one| one.name.chars().count());
    let line = |one: &Explanation| {
        let kind = style.paint(Role::Dim, &format!("{:kinds$}", one.kind));
        let name = style.paint(Role::Strong, &format!("{:names$}", escape(&one.name)));
        let value = escape(one.value.as_deref().unwrap_or("nothing"));
        let place = one.place.as_deref().unwrap_or_default();
        let place = style.paint(Role::Dim, &escape(place));
        format!("{kind}  {name}  {value}  {place}\n")
    };
    all.iter().map(line).collect()
}

/// A heading, and below it everything that was said, what counts last.
pub(super) fn render(one: &Explanation, style: Style) -> String {
    let name = style.paint(Role::Strong, &escape(&one.name));
    let value = escape(one.value.as_deref().unwrap_or("nothing"));
    let value = style.paint(Role::Good, &value);
    let place = escape(one.place.as_deref().unwrap_or_default());
    let mut text = format!("{name}  {value}  {}\n", style.paint(Role::Dim, &place));
    let mut row = |label: &str, value: &str, more: &str| {
        let label = style.paint(Role::Dim, &format!("{label:<8}"));
        let line = format!(
            "  {label}  {}  {}",
            escape(value),
            style.paint(Role::Dim, &escape(more))
        );
        text.push_str(line.trim_end());
        text.push('\n');
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
