//! Progress bars: one line for each step under way, removed when it ends.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    fetch::{Meter, Progress},
    util::terminal_text::SafeText,
};

/// Draws progress on standard error.
#[derive(Debug)]
pub struct Bars {
    all: MultiProgress,
    /// Whether notices are printed as lines, because there are no bars.
    lines: bool,
}

impl Bars {
    /// Returns bars, hidden unless `visible`; without bars, notices are lines unless `quiet`.
    pub fn new(visible: bool, quiet: bool) -> Self {
        let target = if visible {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            all: MultiProgress::with_draw_target(target),
            lines: !visible && !quiet,
        }
    }
}

impl Progress for Bars {
    fn start(&self, name: &str, total: Option<u64>) -> Box<dyn Meter> {
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let form = if total.is_some() {
            "{msg:28!} {wide_bar:.cyan/dim} {binary_bytes:>10}/{binary_total_bytes:<10}"
        } else {
            "{msg:28!} {spinner} {binary_bytes:>10} {binary_bytes_per_sec:>12}"
        };
        // The templates are constants; a wrong one falls back to the default style.
        let style =
            ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self.all.add(bar.with_style(style));
        let name = SafeText::from(name);
        bar.set_message(name.to_string());
        bar.enable_steady_tick(Duration::from_millis(120));
        Box::new(Bar {
            drawn: bar,
            name,
            lines: self.lines,
        })
    }
}

struct Bar {
    drawn: ProgressBar,
    name: SafeText,
    lines: bool,
}

impl Meter for Bar {
    fn advance(&self, bytes: u64) {
        self.drawn.inc(bytes);
    }

    fn retract(&self, bytes: u64) {
        self.drawn.dec(bytes);
    }

    fn phase(&self, what: &str) {
        let message = self.name.clone().and(" ").and(what);
        self.drawn.set_message(message.to_string());
    }

    fn notice(&self, text: &str) {
        self.phase(text);
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
            lines: false,
        };
        for total in [Some(1234 << 20), None] {
            let bar = bars.start(&"a tool with a long name ".repeat(4), total);
            bar.advance(1033 << 20);
            bar.phase("downloading");
        }
        let written = terminal.0.lock().unwrap();
        assert!(
            written.iter().any(|text| text.contains("GiB")),
            "{written:?}"
        );
        for text in written.iter() {
            let plain: String = without_colours(text);
            assert!(plain.chars().count() <= 60, "{plain:?}");
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
