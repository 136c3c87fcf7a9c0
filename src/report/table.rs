//! Listings in aligned columns that fit the terminal: the only code that lays out columns.
//!
//! A table that is too wide first loses its optional columns, then its wrapped columns become narrower. If even that
//! is not enough, the last wrapped column moves below its row. No other text is shortened.

use crate::util::terminal_text::SafeText;

use super::style::{Role, Style};

/// Spaces between columns.
const GAP: usize = 2;
/// The smallest width of a wrapped column.
const NARROWEST: usize = 24;
/// The indent of a cell below its row.
const BELOW: usize = 4;

/// The settings for drawing a listing.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub style: Style,
    /// The columns of the terminal; nothing if the output is not for one.
    pub width: Option<usize>,
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    header: &'static str,
    fit: Fit,
    right: bool,
    least: usize,
    most: usize,
}

/// The rule for a column if the terminal is narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Whole,
    Wrapped,
    Optional,
}

impl Column {
    /// Returns a column that is always shown whole.
    pub const fn new(header: &'static str) -> Self {
        Self {
            header,
            fit: Fit::Whole,
            right: false,
            least: 0,
            most: usize::MAX,
        }
    }

    /// Ignores longer cells for the width of the column: they move only the rest of their own row.
    #[must_use]
    pub const fn at_most(mut self, width: usize) -> Self {
        self.most = width;
        self
    }

    /// Gives the column a smallest width, for tables below each other.
    #[must_use]
    pub const fn at_least(mut self, width: usize) -> Self {
        self.least = width;
        self
    }

    /// Wraps the cells at spaces if the terminal is narrow.
    #[must_use]
    pub const fn wrapped(mut self) -> Self {
        self.fit = Fit::Wrapped;
        self
    }

    /// Leaves the column out if the terminal is narrow; of several, the last first.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.fit = Fit::Optional;
        self
    }

    /// Aligns the cells at the right, as numbers are.
    #[must_use]
    pub const fn right(mut self) -> Self {
        self.right = true;
        self
    }
}

/// The text of a cell, in parts with their roles.
#[derive(Debug, Clone, Default)]
pub struct Cell(Vec<CellPart>);

#[derive(Debug, Clone)]
struct CellPart {
    role: Option<Role>,
    text: SafeText,
}

impl Cell {
    /// Returns a cell with text in a role.
    pub fn new(role: Role, text: impl Into<SafeText>) -> Self {
        Self::default().and(Some(role), text)
    }

    /// Appends text.
    #[must_use]
    pub fn and(mut self, role: Option<Role>, text: impl Into<SafeText>) -> Self {
        let text = text.into();
        self.0.push(CellPart { role, text });
        self
    }

    fn width(&self) -> usize {
        self.0.iter().map(|part| part.text.width()).sum()
    }

    /// Returns the cell in lines of at most `width` columns, broken at spaces where possible.
    fn wrap(&self, width: usize) -> Vec<Self> {
        if self.width() <= width {
            return vec![self.clone()];
        }
        let mut lines = vec![Line::default()];
        for word in self.words() {
            let length = word.width();
            let line = &lines[lines.len() - 1];
            let space = usize::from(!line.cell.0.is_empty());
            if space == 1 && line.width + 1 + length > width {
                lines.push(Line::default());
            }
            let last = lines.len() - 1;
            lines[last].add(word);
        }
        lines.into_iter().map(|line| line.cell).collect()
    }

    /// Returns the words between spaces; a word keeps the roles of its parts.
    fn words(&self) -> Vec<Self> {
        let mut words = vec![Self::default()];
        for part in &self.0 {
            for (at, piece) in part.text.split_spaces().into_iter().enumerate() {
                if at > 0 {
                    words.push(Self::default());
                }
                if piece.width() > 0 {
                    let last = words.len() - 1;
                    words[last].0.push(CellPart {
                        role: part.role,
                        text: piece,
                    });
                }
            }
        }
        words.retain(|word| !word.0.is_empty());
        words
    }

    fn paint(&self, style: Style) -> SafeText {
        let paint = |part: &CellPart| {
            let text = &part.text;
            part.role
                .map_or_else(|| text.clone(), |role| style.paint(role, text))
        };
        self.0.iter().map(paint).collect()
    }
}

/// A line of a wrapped cell.
#[derive(Debug, Default)]
struct Line {
    cell: Cell,
    width: usize,
}

impl Line {
    /// Appends a word. The space before it has the role of the word, so underlined or coloured text has no gaps.
    fn add(&mut self, word: Cell) {
        if !self.cell.0.is_empty() {
            let role = word.0.first().and_then(|part| part.role);
            self.cell = std::mem::take(&mut self.cell).and(role, " ");
            self.width += 1;
        }
        self.width += word.width();
        self.cell.0.extend(word.0);
    }
}

impl<T: Into<SafeText>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::default().and(None, text)
    }
}

/// Rows of cells, below a header or without one.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    has_header: bool,
    indent: usize,
}

impl Table {
    /// Returns a table with a line of headers.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self {
            columns: columns.into(),
            rows: Vec::new(),
            has_header: true,
            indent: 0,
        }
    }

    /// Returns rows of a label and a value.
    pub fn labels() -> Self {
        Self {
            has_header: false,
            ..Self::new([Column::new(""), Column::new("").wrapped()])
        }
    }

    /// Leaves the line of headers out.
    #[must_use]
    pub const fn without_header(mut self) -> Self {
        self.has_header = false;
        self
    }

    /// Moves the table to the right.
    #[must_use]
    pub const fn indented(mut self, indent: usize) -> Self {
        self.indent = indent;
        self
    }

    /// Adds a row. Cells that are not given are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Adds a row of a label and a value.
    pub fn label(&mut self, label: &str, value: impl Into<Cell>) {
        self.row([Cell::new(Role::Dim, label), value.into()]);
    }

    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the table as text, with a line break after each line.
    pub fn render(&self, layout: Layout) -> SafeText {
        let columns = self.fit(layout.width);
        let mut text = SafeText::default();
        if self.has_header {
            let header: Vec<Cell> = self
                .columns
                .iter()
                .map(|column| Cell::new(Role::Dim, column.header))
                .collect();
            self.draw(&mut text, &header, &columns, layout.style);
        }
        for row in &self.rows {
            self.draw(&mut text, row, &columns, layout.style);
        }
        text
    }

    /// Returns the columns that are shown, with their widths.
    fn fit(&self, width: Option<usize>) -> Vec<FittedColumn> {
        let natural = |(at, column): (usize, &Column)| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            let widths: Vec<usize> = cells.map(Cell::width).filter(|width| *width > 0).collect();
            let usual = widths.iter().filter(|width| **width <= column.most);
            let widest = usual.max().copied().unwrap_or(widths.len().min(1));
            let header = if self.has_header {
                column.header.len()
            } else {
                0
            };
            FittedColumn {
                at,
                width: if widest == 0 {
                    0
                } else {
                    widest.max(header).max(column.least)
                },
                column: *column,
                is_below: false,
            }
        };
        let mut fitted: Vec<FittedColumn> = self.columns.iter().enumerate().map(natural).collect();
        // A column without any text would only be a gap.
        fitted.retain(|one| one.width > 0);
        let Some(width) = width.map(|width| width.saturating_sub(self.indent)) else {
            return fitted;
        };
        while total(&fitted, FittedColumn::least) > width {
            let optional = |one: &FittedColumn| one.column.fit == Fit::Optional;
            match fitted.iter().rposition(optional) {
                Some(at) => fitted.remove(at),
                None => break,
            };
        }
        if total(&fitted, FittedColumn::least) > width {
            let wrapped = |one: &&mut FittedColumn| one.column.fit == Fit::Wrapped;
            if fitted.len() > 1
                && let Some(last) = fitted.iter_mut().rev().find(wrapped)
            {
                last.is_below = true;
                last.width = last.width.min(width.saturating_sub(BELOW).max(1));
            }
        }
        // The widest column gives way first.
        while total(&fitted, |one| one.width) > width {
            let shrinks = |one: &&mut FittedColumn| !one.is_below && one.width > one.least();
            let widest = fitted.iter_mut().filter(shrinks);
            match widest.max_by_key(|one| one.width) {
                Some(widest) => widest.width -= 1,
                None => break,
            }
        }
        fitted
    }

    fn draw(&self, text: &mut SafeText, row: &[Cell], columns: &[FittedColumn], style: Style) {
        let lines: Vec<Vec<Cell>> = columns
            .iter()
            .map(|one| {
                row.get(one.at)
                    .map_or_else(Vec::new, |cell| match one.column.fit {
                        Fit::Wrapped => cell.wrap(one.width),
                        Fit::Whole | Fit::Optional => vec![cell.clone()],
                    })
            })
            .collect();
        let (below, same): (Vec<_>, Vec<_>) = columns
            .iter()
            .zip(&lines)
            .partition(|(one, _)| one.is_below);
        let height = same.iter().map(|(_, lines)| lines.len()).max().unwrap_or(0);
        let indent = |indent: usize| SafeText::from(" ".repeat(indent));
        for at in 0..height {
            let mut line = indent(self.indent);
            for (one, lines) in &same {
                let cell = lines.get(at).cloned().unwrap_or_default();
                let blanks = " ".repeat(one.width.saturating_sub(cell.width()));
                let cell = cell.paint(style);
                let cell = if one.column.right {
                    SafeText::from(blanks).and(cell)
                } else {
                    cell.and(blanks)
                };
                line.push(cell.and(" ".repeat(GAP)));
            }
            text.push(line.trimmed());
            text.end_line();
        }
        for line in below.iter().flat_map(|(_, lines)| lines.iter()) {
            let line = line.paint(style);
            if !line.as_str().is_empty() {
                text.push(indent(self.indent + BELOW).and(line));
                text.end_line();
            }
        }
    }
}

/// A column with its width on this terminal.
#[derive(Debug, Clone, Copy)]
struct FittedColumn {
    at: usize,
    width: usize,
    column: Column,
    /// True if its cells are below their rows.
    is_below: bool,
}

impl FittedColumn {
    const fn least(&self) -> usize {
        if matches!(self.column.fit, Fit::Wrapped) && self.width > NARROWEST {
            NARROWEST
        } else {
            self.width
        }
    }
}

/// Returns the width of columns next to each other.
fn total(columns: &[FittedColumn], width: impl Fn(&FittedColumn) -> usize) -> usize {
    let shown = columns.iter().filter(|one| !one.is_below);
    let widths = shown.map(|one| width(one) + GAP);
    widths.sum::<usize>().saturating_sub(GAP)
}

#[cfg(test)]
mod tests;
