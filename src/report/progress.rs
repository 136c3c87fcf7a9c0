//! Progress bars: one line for each step under way, removed when it ends.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    fetch::{Meter, Progress},
    util::terminal_text::SafeText,
};

/// Draws progress on standard error.
#[derive(Debug, Clone)]
pub struct Bars {
    all: MultiProgress,
    /// The width of the terminal.
    columns: usize,
    /// True if notices are printed as lines, because there are no bars.
    lines: bool,
}

/// The widest text before a bar: bars below each other begin in one column.
const TEXT: usize = 36;

impl Bars {
    /// Returns bars of `columns`, hidden unless `visible`; without bars, notices are lines unless `quiet`.
    pub fn new(visible: bool, quiet: bool, columns: usize) -> Self {
        let target = if visible {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            all: MultiProgress::with_draw_target(target),
            columns,
            lines: !visible && !quiet,
        }
    }
}

impl Progress for Bars {
    fn start(&self, name: &str, step: &str, total: Option<u64>) -> Box<dyn Meter> {
        Box::new(self.bar(name, step, total))
    }
}

impl Bars {
    /// Removes the bars while `write` writes to the terminal.
    pub fn pause(&self, write: impl FnOnce()) {
        self.all.suspend(write);
    }

    fn bar(&self, name: &str, step: &str, total: Option<u64>) -> Bar {
        let bar = Bar {
            // The default style draws an empty bar until the first step is shown.
            drawn: self
                .all
                .add(ProgressBar::no_length().with_style(style("{msg}"))),
            name: SafeText::from(name),
            columns: self.columns,
            lines: self.lines,
        };
        bar.step(step, total);
        bar.drawn.enable_steady_tick(Duration::from_millis(120));
        bar
    }
}

struct Bar {
    drawn: ProgressBar,
    name: SafeText,
    /// The width of the terminal.
    columns: usize,
    lines: bool,
}

/// The columns of a bar without its text: the amounts and the shortest bar.
const MEASURE: usize = 32;
/// The columns of a spinner and the time.
const SPINNER: usize = 8;

impl Bar {
    /// Returns the step and the name in at most `columns`; the step is left out first, and no name is cut silently.
    fn text(&self, step: &str, columns: usize) -> String {
        let name = self.name.to_string();
        let whole = format!("{step} {name}");
        if whole.chars().count() <= columns {
            return whole;
        }
        if name.chars().count() <= columns {
            return name;
        }
        let kept: String = name.chars().take(columns.saturating_sub(1)).collect();
        format!("{}…", kept.trim_end())
    }

    fn show(&self, form: &str, text: String) {
        self.drawn.set_style(style(form));
        self.drawn.set_message(text);
    }
}

/// Returns the style of a template. The templates are constants; a wrong one falls back to the default style.
fn style(form: &str) -> ProgressStyle {
    ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Meter for Bar {
    fn advance(&self, bytes: u64) {
        self.drawn.inc(bytes);
    }

    fn retract(&self, bytes: u64) {
        self.drawn.dec(bytes);
    }

    fn step(&self, what: &str, total: Option<u64>) {
        if let Some(total) = total {
            self.drawn.set_position(0);
            self.drawn.set_length(total);
            let width = TEXT.min(self.columns.saturating_sub(MEASURE));
            let form = format!(
                "{{msg:{width}}} {{wide_bar:.cyan/dim}} {{binary_bytes:>10}}/{{binary_total_bytes:<10}}"
            );
            self.show(&form, self.text(what, width));
        } else {
            // The form comes first: each change is drawn, and the bar of the step before has no length any more.
            let text = self.text(what, self.columns.saturating_sub(SPINNER));
            self.show("{msg} {spinner} {elapsed}", text);
            self.drawn.set_position(0);
            self.drawn.unset_length();
        }
    }

    fn notice(&self, text: &str) {
        let message = self.name.clone().and(": ").and(text);
        self.drawn.set_message(message.to_string());
        if self.lines {
            let line = SafeText::from("devsh: ").and(&self.name);
            super::output::write_message(&line.and(": ").and(text));
        }
    }

    fn finish(&self) {
        self.drawn.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use indicatif::TermLike;

    use super::*;

    /// A terminal of 60 columns that keeps what is written.
    #[derive(Debug, Clone, Default)]
    struct Narrow(Arc<Mutex<Vec<String>>>);

    impl TermLike for Narrow {
        fn width(&self) -> u16 {
            60
        }

        fn move_cursor_up(&self, _lines: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _lines: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _columns: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _columns: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push(text.to_owned());
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn one_line_for_each_thing_on_a_narrow_terminal_too() {
        let terminal = Narrow::default();
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let bars = Bars {
            all: MultiProgress::with_draw_target(target),
            columns: 60,
            lines: false,
        };
        for total in [Some(1234 << 20), None] {
            let bar = bars.bar(&"a tool with a long name ".repeat(4), "downloading", total);
            bar.advance(1033 << 20);
            bar.drawn.tick();
            let short = bars.bar("rust 1.95.0", "unpacking", total);
            short.step("publishing", None);
            short.drawn.tick();
        }
        let written = terminal.0.lock().unwrap();
        let all = written.join("\n");
        assert!(all.contains("GiB"), "{written:?}");
        assert!(all.contains("publishing rust 1.95.0 "), "{written:?}");
        assert!(all.contains('…'), "{written:?}");
        for text in written.iter() {
            let plain: String = without_colours(text);
            assert!(plain.chars().count() <= 60, "{plain:?}");
        }
    }

    #[test]
    fn a_new_step_does_not_restart_the_time() {
        let bar = Bar {
            drawn: ProgressBar::hidden().with_elapsed(Duration::from_mins(2)),
            name: SafeText::from("the project"),
            columns: 60,
            lines: false,
        };
        bar.step("building", None);
        assert!(bar.drawn.elapsed() >= Duration::from_mins(2));
    }

    #[test]
    fn a_name_is_shown_whole_if_it_fits() {
        let bar = |name: &str| Bar {
            drawn: ProgressBar::hidden(),
            name: SafeText::from(name),
            columns: 60,
            lines: false,
        };
        for (columns, text) in [
            (21, "unpacking rust 1.95.0"),
            (20, "rust 1.95.0"),
            (11, "rust 1.95.0"),
            (10, "rust 1.95…"),
            (6, "rust…"),
        ] {
            assert_eq!(bar("rust 1.95.0").text("unpacking", columns), text);
        }
    }

    /// Returns a text without its colours.
    fn without_colours(text: &str) -> String {
        let mut parts = text.split('\u{1b}');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| {
            text + part.split_once('m').map_or(part, |(_, rest)| rest)
        })
    }
}
