//! Layouts of tables at several widths.

use proptest::prelude::*;

use super::*;

fn tools() -> Table {
    let columns = [
        Column::new("TOOL"),
        Column::new("SIZE").right(),
        Column::new("ABOUT").wrapped(),
        Column::new("SYSTEMS").optional(),
    ];
    let mut table = Table::new(columns);
    let about = "a linter and formatter for Python that is fast";
    table.row(["ruff", "9 MiB", about, "all"].map(Cell::from));
    table.row(["pypi:ä文", "1234 MiB", "1\u{1b}", "linux"].map(Cell::from));
    table
}

fn draw(table: &Table, width: Option<usize>) -> String {
    let style = Style::new(false);
    table.render(Layout { style, width }).to_string()
}

#[test]
fn columns_are_aligned_and_safe() {
    let expected = "\
TOOL          SIZE  ABOUT                                           SYSTEMS
ruff         9 MiB  a linter and formatter for Python that is fast  all
pypi:ä文  1234 MiB  1\\u{1b}                                         linux
";
    assert_eq!(draw(&tools(), None), expected);
}

#[test]
fn a_narrow_terminal_wraps_and_leaves_optional_columns_out() {
    let expected = "\
TOOL          SIZE  ABOUT
ruff         9 MiB  a linter and formatter for
                    Python that is fast
pypi:ä文  1234 MiB  1\\u{1b}
";
    assert_eq!(draw(&tools(), Some(46)), expected);
    let expected = "\
TOOL          SIZE
    ABOUT
ruff         9 MiB
    a linter and formatter for
    Python that is fast
pypi:ä文  1234 MiB
    1\\u{1b}
";
    assert_eq!(draw(&tools(), Some(30)), expected);
}

#[test]
fn parts_of_a_cell_keep_their_colours() {
    let mut table = Table::labels();
    let value = Cell::new(Role::Error, "old value").and(None, " → ");
    table.label("MODE", value.and(Some(Role::Good), "new"));
    let layout = Layout {
        style: Style::new(true),
        width: Some(16),
    };
    let drawn = table.render(layout).to_string();
    let expected = "\u{1b}[2mMODE\u{1b}[0m\n    \u{1b}[1;31mold\u{1b}[0m";
    assert!(drawn.starts_with(expected), "{drawn:?}");
}

proptest! {
    #[test]
    fn no_word_is_lost_and_lines_fit(
        words in proptest::collection::vec("[a-z]{1,12}", 1..20),
        width in 40_usize..120,
    ) {
        let mut table = Table::labels();
        table.label("label", words.join(" "));
        let drawn = draw(&table, Some(width));
        prop_assert!(drawn.lines().all(|line| line.chars().count() <= width), "{}", drawn);
        let mut found = drawn.split_whitespace();
        prop_assert_eq!(found.next(), Some("label"));
        prop_assert_eq!(found.collect::<Vec<_>>(), words);
    }
}
