//! Listings in columns.

use crate::ui::{Role, Style, escape};

/// Rows of cells below a header.
#[derive(Debug)]
pub(super) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<(Option<Role>, String)>>,
}

impl Table {
    pub(super) fn new(header: &[&'static str]) -> Self {
        Self {
            header: header.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: Vec<(Option<Role>, String)>) {
        // What a source or a file said must not speak to the terminal.
        let escaped = cells.into_iter().map(|(role, text)| (role, escape(&text)));
        self.rows.push(escaped.collect());
    }

    /// Returns the table as text; the last column is as long as it is.
    pub(super) fn render(&self, style: Style) -> String {
        let length = |text: &str| text.chars().count();
        let widths: Vec<usize> = (0..self.header.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                let widest = cells.map(|(_, text)| length(text)).max().unwrap_or(0);
                widest.max(length(self.header[column]))
            })
            .collect();
        let header = self.header.iter();
        let header: Vec<_> = header
            .map(|name| (Some(Role::Dim), (*name).to_owned()))
            .collect();
        let mut text = String::new();
        for row in std::iter::once(&header).chain(&self.rows) {
            let mut line = String::new();
            for (column, (role, cell)) in row.iter().enumerate() {
                let last = column + 1 == row.len();
                let width = if last { 0 } else { widths[column] + 2 };
                let blanks = " ".repeat(width.saturating_sub(length(cell)));
                line.push_str(&role.map_or_else(|| cell.clone(), |role| style.paint(role, cell)));
                line.push_str(&blanks);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::new(&["TOOL", "NEWEST"]);
        table.row(vec![(None, "node".to_owned()), (None, "26.1.0".to_owned())]);
        table.row(vec![
            (None, "pypi:ä".to_owned()),
            (None, "1\u{1b}".to_owned()),
        ]);
        let text = table.render(Style::new(false));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "TOOL    NEWEST");
        assert_eq!(lines[1], "node    26.1.0");
        assert!(lines[2].starts_with("pypi:ä  1") && !text.contains('\u{1b}'));
    }
}
