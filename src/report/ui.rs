//! The output of commands: results on standard output, messages on standard error.

use std::sync::OnceLock;

use serde::Serialize;

use crate::{
    context::Terminal,
    fetch::Progress,
    util::terminal_text::{self, SafeText},
};

use super::{
    failure::Failure,
    output::{write_block, write_message, write_result},
    progress::Bars,
    render,
    reporter::Reporter,
    style::{Role, Style},
    table::{Layout, Table},
};

/// The amount of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Errors only.
    Quiet,
    /// Results of the daily commands.
    #[default]
    Normal,
    /// Details that help to understand a problem.
    Verbose,
}

/// When colour is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    /// On terminals, unless `NO_COLOR` is set.
    #[default]
    Auto,
    Always,
    Never,
}

/// The user's terminal.
#[derive(Debug)]
pub struct Ui {
    terminal: Terminal,
    message_style: Style,
    out_style: Style,
    verbosity: Verbosity,
    /// The columns of messages. A prompt without one does not ask for them.
    message_width: OnceLock<Option<usize>>,
    bars: OnceLock<Bars>,
}

impl Ui {
    pub fn new(terminal: Terminal, color: Color, verbosity: Verbosity) -> Self {
        let style = |is_terminal: bool| {
            Style::new(match color {
                Color::Auto => is_terminal && terminal.color,
                Color::Always => true,
                Color::Never => false,
            })
        };
        Self {
            message_style: style(terminal.stderr),
            out_style: style(terminal.stdout),
            terminal,
            verbosity,
            message_width: OnceLock::new(),
            bars: OnceLock::new(),
        }
    }

    pub fn is_verbose(&self) -> bool {
        self.verbosity == Verbosity::Verbose
    }

    /// Writes to standard output what a program reads: code for a host shell, a file's content.
    pub fn code(&self, bytes: &[u8]) -> Result<(), Failure> {
        write_result(bytes)
    }

    /// Writes a value to standard output as JSON.
    pub fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::new(format!("cannot write JSON: {error}")))?;
        write_result(format!("{}\n", terminal_text::json(&text)).as_bytes())
    }

    /// Returns how listings are drawn on standard output.
    pub fn layout(&self) -> Layout {
        Layout {
            style: self.out_style,
            width: self.terminal.out_width(),
        }
    }

    fn message_width(&self) -> Option<usize> {
        let width = || self.terminal.message_width();
        *self.message_width.get_or_init(width)
    }

    /// Writes a listing to standard output.
    pub fn listing(&self, text: &SafeText) -> Result<(), Failure> {
        write_result(text.as_str().as_bytes())
    }

    /// Writes a table to standard output.
    pub fn table(&self, table: &Table) -> Result<(), Failure> {
        self.listing(&table.render(self.layout()))
    }

    /// Prints a table as a message; silent when quiet.
    pub fn message_table(&self, table: &Table) {
        if self.verbosity > Verbosity::Quiet && !table.is_empty() {
            let layout = Layout {
                style: self.message_style,
                width: self.message_width(),
            };
            self.above_bars(|| write_block(&table.render(layout)));
        }
    }

    /// Prints one dim line; silent when quiet.
    pub fn note(&self, text: &str) {
        let line = SafeText::from("devsh: ").and(text);
        self.line(self.message_style.paint(Role::Dim, line));
    }

    /// Prints a line of a listing or summary; silent when quiet.
    pub fn line(&self, text: impl Into<SafeText>) {
        if self.verbosity > Verbosity::Quiet {
            self.above_bars(|| write_message(&text.into()));
        }
    }

    /// Prints a line of a change, `+ added`, `- removed` or `~ changed`, in its colour; silent when quiet.
    pub fn change(&self, line: &str) {
        let role = match line.as_bytes().first() {
            Some(b'+') => Role::Good,
            Some(b'-') => Role::Error,
            _ => return self.line(line),
        };
        self.line(self.message_style.paint(role, line));
    }

    /// Prints what the user can do next; silent when quiet.
    pub fn hint(&self, text: &str) {
        self.line(
            self.message_style
                .paint(Role::Hint, "hint:")
                .and(" ")
                .and(text),
        );
    }

    /// Prints a warning in one line; silent when quiet.
    pub fn warn(&self, text: &str) {
        let word = self.message_style.paint(Role::Warning, "warning:");
        self.line(word.and(" ").and(text));
    }

    /// Returns `text` in a role, for a line that goes to standard error.
    pub fn paint(&self, role: Role, text: impl Into<SafeText>) -> SafeText {
        self.message_style.paint(role, text)
    }

    /// Prints a question, after which the user types on the same line.
    pub fn question(&self, text: &str) {
        write_block(&self.message_style.paint(Role::Strong, text));
    }

    /// Prints a failure in full.
    pub fn failure(&self, failure: &Failure) {
        write_message(&render::full(failure, self.message_style));
    }

    /// Prints a failure at a prompt, in one line of the terminal.
    pub fn failure_line(&self, failure: &Failure) {
        write_message(&render::line(
            failure,
            self.message_style,
            self.message_width(),
        ));
    }

    /// Prints a dim line at a prompt, in one line of the terminal; silent when quiet.
    pub fn prompt_note(&self, text: &str) {
        let line = SafeText::from("devsh: ").and(text);
        let line = self
            .message_width()
            .map_or_else(|| line.clone(), |width| line.cut(width));
        self.line(self.message_style.paint(Role::Dim, line));
    }

    /// Returns the progress bars of this command, hidden when quiet or not on a terminal.
    pub fn bars(&self) -> Bars {
        let quiet = self.verbosity == Verbosity::Quiet;
        let bars = || {
            let visible = self.terminal.stderr && self.terminal.color && !quiet;
            Bars::new(visible, quiet, self.message_width().unwrap_or(80))
        };
        self.bars.get_or_init(bars).clone()
    }

    /// Writes a message above the progress bars.
    fn above_bars(&self, write: impl FnOnce()) {
        match self.bars.get() {
            Some(bars) => bars.pause(write),
            None => write(),
        }
    }
}

impl Reporter for Ui {
    fn note(&self, text: &str) {
        Self::note(self, text);
    }

    fn warn(&self, text: &str) {
        Self::warn(self, text);
    }

    fn progress(&self) -> Box<dyn Progress> {
        Box::new(self.bars())
    }
}
