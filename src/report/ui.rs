//! The only code that writes to standard output and standard error.
//!
//! Standard output is for results (code for a host shell, JSON, listings); everything said to people goes
//! to standard error. A closed pipe is not an error.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, Write},
};

use serde::Serialize;

use super::render;
use crate::{
    context::Terminal,
    report::failure::Failure,
    util::terminal_text::{self, SafeText},
};

pub use crate::report::progress::Bars;
pub use crate::report::style::{Role, Style};

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Errors only.
    Quiet,
    /// What a user wants to know every day.
    #[default]
    Normal,
    /// What helps to understand a problem.
    Verbose,
}

/// Says things to the user.
#[derive(Debug)]
pub struct Ui {
    style: Style,
    out_style: Style,
    verbosity: Verbosity,
    terminal: bool,
}

/// When colour is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// On terminals, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Ui {
    /// Returns a voice for this terminal.
    pub fn new(terminal: Terminal, color: Color, verbosity: Verbosity) -> Self {
        let style = |is_terminal: bool| {
            Style::new(match color {
                Color::Auto => is_terminal && terminal.color,
                Color::Always => true,
                Color::Never => false,
            })
        };
        Self {
            style: style(terminal.stderr),
            out_style: style(terminal.stdout),
            verbosity,
            terminal: terminal.stderr && terminal.color,
        }
    }

    /// Returns the style for what goes to standard output.
    pub const fn out_style(&self) -> Style {
        self.out_style
    }

    /// Returns whether the user asked for more than usual.
    pub fn is_verbose(&self) -> bool {
        self.verbosity == Verbosity::Verbose
    }

    /// Writes to standard output what a program reads: code for a host shell, a file's content.
    pub fn code(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }

    /// Writes a value to standard output as JSON, which programs and people read.
    pub fn json(&self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value)?;
        self.code(format!("{}\n", terminal_text::json(&text)).as_bytes())
    }

    /// Writes a listing to standard output.
    pub fn listing(&self, text: &SafeText) -> io::Result<()> {
        self.code(text.as_str().as_bytes())
    }

    /// Says one dim line, as at a prompt; silent when quiet.
    pub fn note(&self, text: &str) {
        if self.verbosity > Verbosity::Quiet {
            let line = SafeText::from("devsh: ").and(text);
            say(&self.style.paint(Role::Dim, line));
        }
    }

    /// Says a line of a listing or summary; silent when quiet.
    pub fn line(&self, text: impl Into<SafeText>) {
        if self.verbosity > Verbosity::Quiet {
            say(&text.into());
        }
    }

    /// Says what the user may do next; silent when quiet.
    pub fn hint(&self, text: &str) {
        if self.verbosity > Verbosity::Quiet {
            let word = self.style.paint(Role::Hint, "hint:");
            say(&word.and(" ").and(text));
        }
    }

    /// Warns in one line.
    pub fn warn(&self, text: &str) {
        if self.verbosity > Verbosity::Quiet {
            let word = self.style.paint(Role::Warning, "warning:");
            say(&word.and(" ").and(text));
        }
    }

    /// Returns `text` in a role, for a line that goes to standard error.
    pub fn paint(&self, role: Role, text: impl Into<SafeText>) -> SafeText {
        self.style.paint(role, text)
    }

    /// Reports a failure in full.
    pub fn failure(&self, failure: &Failure) {
        say(&render::full(failure, self.style));
    }

    /// Reports a failure in one line, as at a prompt.
    pub fn failure_line(&self, failure: &Failure) {
        say(&render::line(failure, self.style));
    }

    /// Returns progress bars, silent when quiet or not on a terminal.
    pub fn bars(&self) -> Bars {
        let quiet = self.verbosity == Verbosity::Quiet;
        Bars::new(self.terminal && !quiet, quiet)
    }
}

/// Has a fault of devsh itself told in one line, as everything is at a prompt.
pub fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| {
        say(&render::panic(&panic.to_string()));
        // Taken only where `RUST_BACKTRACE` asks for it.
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            say(&SafeText::drawn(&trace.to_string()));
        }
    }));
}

/// Standard error for diagnostics, which quote what others sent.
#[derive(Debug)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let safe = SafeText::lines(&String::from_utf8_lossy(bytes));
        io::stderr().write_all(safe.as_str().as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

pub(super) fn say(text: &SafeText) {
    // Where standard error is closed there is nobody to tell.
    let _unheard = io::stderr()
        .lock()
        .write_all(format!("{text}\n").as_bytes());
}
