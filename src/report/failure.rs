//! The error of a command, with notes and hints for the user.

use std::ops::Range;

use crate::util::terminal_text::shorten;

/// One error with its cause and fix. `report::hints` builds it from domain errors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// The failure: object first, lower case, no final period.
    pub error: String,
    /// The place in a file.
    pub excerpt: Option<Excerpt>,
    /// Facts below the error, one a line.
    pub details: Vec<String>,
    /// Causes and consequences.
    pub notes: Vec<String>,
    /// Commands or edits that fix it.
    pub hints: Vec<String>,
    /// The exit code.
    pub code: ExitStatus,
    /// True if the same command can work later without any change, as after a lost connection.
    pub is_temporary: bool,
}

/// A place in a text file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The file's name as shown.
    pub file: String,
    /// The whole text.
    pub text: String,
    /// The bytes of the text with the error.
    pub span: Range<usize>,
    /// The text at the place; may be empty.
    pub label: String,
}

/// The exit status of a failed command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExitStatus {
    /// The command failed.
    #[default]
    Failed,
    /// The command line is wrong.
    Usage,
    /// The project is not allowed.
    NotAllowed,
    /// `run` itself failed before the command could start.
    RunFailed,
    /// `run` found the command but could not execute it.
    CannotExecute,
    /// `run` did not find the command.
    CommandNotFound,
}

impl ExitStatus {
    /// Returns the exit code of the process.
    pub const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotAllowed => 3,
            Self::RunFailed => 125,
            Self::CannotExecute => 126,
            Self::CommandNotFound => 127,
        }
    }
}

impl Failure {
    /// Returns a failure with this message, shortened: it can quote a hostile file, and listings and JSON show it too.
    pub fn new(error: impl Into<String>) -> Self {
        Self {
            error: shorten(&error.into()).into_owned(),
            ..Self::default()
        }
    }

    /// Adds a fact below the error.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }

    /// Adds a cause or consequence.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds a command or edit that helps.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Marks a failure that can pass by itself.
    #[must_use]
    pub const fn temporary(mut self) -> Self {
        self.is_temporary = true;
        self
    }

    /// Sets the exit code.
    #[must_use]
    pub const fn code(mut self, code: ExitStatus) -> Self {
        self.code = code;
        self
    }
}
