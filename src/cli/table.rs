//! Listings in columns.

use crate::{
    report::style::{Role, Style},
    util::terminal_text::SafeText,
};

/// Rows of cells below a header.
#[derive(Debug)]
pub struct TextTable {
    header: Vec<&'static str>,
    rows: Vec<Vec<(Option<Role>, SafeText)>>,
}

impl TextTable {
    pub fn new(header: &[&'static str]) -> Self {
        Self {
            header: header.to_vec(),
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: Vec<(Option<Role>, String)>) {
        // Text from sources and files must not control the terminal.
        let safe = cells.into_iter().map(|(role, text)| (role, text.into()));
        self.rows.push(safe.collect());
    }

    /// Returns the table as text; the last column is not padded.
    pub fn render(&self, style: Style) -> SafeText {
        let widths: Vec<usize> = (0..self.header.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                let widest = cells.map(|(_, text)| text.width()).max().unwrap_or(0);
                widest.max(self.header[column].len())
            })
            .collect();
        let header = self.header.iter();
        let header: Vec<_> = header
            .map(|name| (Some(Role::Dim), SafeText::from(*name)))
            .collect();
        let mut text = SafeText::default();
        for row in std::iter::once(&header).chain(&self.rows) {
            let mut line = SafeText::default();
            for (column, (role, cell)) in row.iter().enumerate() {
                let last = column + 1 == row.len();
                let width = if last { 0 } else { widths[column] + 2 };
                let blanks = " ".repeat(width.saturating_sub(cell.width()));
                line.push(role.map_or_else(|| cell.clone(), |role| style.paint(role, cell)));
                line.push(blanks);
            }
            text.push(line.trimmed());
            text.end_line();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = TextTable::new(&["TOOL", "NEWEST"]);
        table.row(vec![(None, "node".to_owned()), (None, "26.1.0".to_owned())]);
        table.row(vec![
            (None, "pypi:ä".to_owned()),
            (None, "1\u{1b}".to_owned()),
        ]);
        let text = table.render(Style::new(false)).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "TOOL    NEWEST");
        assert_eq!(lines[1], "node    26.1.0");
        assert!(lines[2].starts_with("pypi:ä  1") && !text.contains('\u{1b}'));
    }
}
