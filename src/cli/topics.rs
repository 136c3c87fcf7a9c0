//! The pages of the documentation, for `devsh help TOPIC`: the same text on every machine, without a network.

use crate::{
    report::{
        style::Role,
        table::{Cell, Column, Layout, Table},
    },
    util::terminal_text::SafeText,
};

/// The names and texts of all pages for users, from `docs/`.
const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// The longest line of a page: longer ones are hard to read.
const WIDEST: usize = 100;

/// Returns the names of all topics.
pub fn names() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|(name, _)| *name)
}

/// Returns the text of a topic.
pub fn find(name: &str) -> Option<&'static str> {
    let found = PAGES.iter().find(|(page, _)| *page == name);
    found.map(|(_, text)| *text)
}

/// Returns the title of a topic.
pub fn title(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    plain(line.trim_start_matches('#').trim())
}

/// Draws Markdown for a terminal: headings, tables and code; links without their targets.
pub fn draw(text: &str, layout: Layout) -> SafeText {
    let width = layout.width.unwrap_or(WIDEST).min(WIDEST);
    let layout = Layout {
        width: Some(width),
        ..layout
    };
    let mut drawn = SafeText::default();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            for code in lines.by_ref().take_while(|line| !line.starts_with("```")) {
                let code = layout.style.paint(Role::Hint, format!("    {code}"));
                push_line(&mut drawn, code.trimmed());
            }
        } else if line.starts_with('|') {
            let mut rows = vec![cells(line)];
            while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                rows.push(cells(row));
            }
            drawn.push(table(&rows).render(layout));
        } else if line.starts_with('#') {
            let heading = plain(line.trim_start_matches('#').trim());
            push_line(&mut drawn, layout.style.paint(Role::Strong, heading));
        } else if line.is_empty() {
            drawn.end_line();
        } else {
            let mut text = line.to_owned();
            while let Some(more) = lines.next_if(|line| continues(line)) {
                text = format!("{text} {}", more.trim_start());
            }
            drawn.push(paragraph(&text).render(layout));
        }
    }
    drawn
}

/// Returns whether a line belongs to the paragraph or list item before it.
fn continues(line: &str) -> bool {
    let starts = ["#", "|", "```"];
    !line.is_empty()
        && !starts.iter().any(|start| line.starts_with(start))
        && marker(line).is_none()
}

/// Returns the mark of a list item, `-` or `1.`.
fn marker(line: &str) -> Option<&str> {
    let (mark, _) = line.trim_start().split_once(' ')?;
    let number = mark.strip_suffix('.');
    let is_number = number.is_some_and(|number| number.parse::<u8>().is_ok());
    (mark == "-" || is_number).then_some(mark)
}

fn paragraph(text: &str) -> Table {
    let column = Column::new("");
    let Some(mark) = marker(text) else {
        let mut table = Table::new([column.wrapped()]).without_header();
        table.row([plain(text).into()]);
        return table;
    };
    let indent = text.len() - text.trim_start().len();
    let mut table = Table::new([column, column.wrapped()])
        .without_header()
        .indented(indent);
    let item = text.trim_start()[mark.len()..].trim_start();
    table.row([mark.into(), plain(item).into()]);
    table
}

fn push_line(drawn: &mut SafeText, line: SafeText) {
    drawn.push(line);
    drawn.end_line();
}

/// Returns a table without its line of dashes; the first row is the header.
fn table(rows: &[Vec<String>]) -> Table {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let columns = vec![Column::new("").wrapped(); columns];
    let mut table = Table::new(columns).without_header();
    let is_line = |row: &&Vec<String>| {
        let mut cells = row.iter();
        cells.all(|cell| !cell.is_empty() && cell.bytes().all(|byte| matches!(byte, b'-' | b':')))
    };
    for (at, row) in rows.iter().filter(|row| !is_line(row)).enumerate() {
        table.row(row.iter().map(|cell| {
            if at == 0 {
                Cell::new(Role::Dim, cell.to_uppercase())
            } else {
                cell.into()
            }
        }));
    }
    table
}

/// Returns the cells of a row; `\|` is no border.
fn cells(row: &str) -> Vec<String> {
    let row = row.replace("\\|", "\u{1}");
    let cells = row.trim().trim_matches('|').split('|');
    cells
        .map(|cell| plain(cell.trim()).replace('\u{1}', "|"))
        .collect()
}

/// Returns text with the words of its links instead of the links, and without the marks of emphasis.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('[') {
        let (before, link) = rest.split_at(start);
        plain.push_str(before);
        let parts = link[1..].split_once("](").and_then(|(words, target)| {
            // Code such as `[tools]` is no link.
            let words = (!words.contains(['[', '\n']) || words.contains('`')).then_some(words)?;
            Some((words, target.split_once(')')?.1))
        });
        if let Some((words, after)) = parts {
            plain.push_str(words);
            rest = after;
        } else {
            plain.push('[');
            rest = &link[1..];
        }
    }
    plain.push_str(rest);
    plain.replace("**", "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::style::Style;

    #[test]
    fn markdown_is_drawn_for_a_terminal() {
        let text = "# A `title`\n\nSee [the page](x.md#y), `[tools]` and **this**.\n\n```toml\n[tools]\na = 1\n```\n\n\
             | key | value |\n|---|---|\n| [`a`](#a) | b \\| c |\n";
        let layout = Layout {
            style: Style::new(false),
            width: Some(80),
        };
        let expected = "A `title`\n\nSee the page, `[tools]` and this.\n\n    [tools]\n    a = 1\n\n\
             KEY  VALUE\n`a`  b | c\n";
        assert_eq!(draw(text, layout).as_str(), expected);
        assert_eq!(title(text), "A `title`");
    }

    #[test]
    fn no_page_has_the_name_of_another() {
        let mut all: Vec<_> = names().collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert!(count > 15 && all.len() == count, "{all:?}");
    }
}
