//! The problems of a lockfile, with their places.

use std::ops::Range;

use crate::package::{Invalid, System, Tool};

/// The version of the format that this program reads and writes.
pub(super) const FORMAT: i64 = 1;

/// A lockfile that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`{file}` is not a usable lockfile: {problem}")]
pub struct Error {
    /// The file's name as shown.
    pub file: String,
    /// The whole text.
    pub text: String,
    /// The bytes of the text that have the problem.
    pub span: Range<usize>,
    pub problem: Problem,
}

/// A problem of a lockfile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A merge left both sides in the file.
    #[error("line {line} is a merge conflict marker")]
    Conflict {
        /// The line, from 1.
        line: usize,
    },
    /// Another version of the format.
    #[error("its format is version {found}, and this devsh reads version {FORMAT}")]
    Format {
        /// The version of the file; a greater one needs a newer devsh.
        found: i64,
    },
    /// More values than a lockfile can need.
    #[error("it has more than {limit} values")]
    TooLarge { limit: usize },
    /// Not TOML, an unknown key, or a key that is missing.
    #[error("{0}")]
    Syntax(String),
    /// A value that is not what its key holds.
    #[error(transparent)]
    Value(#[from] Invalid),
    /// An address that no lockfile may hold.
    #[error("`{0}` is not an https address without credentials")]
    Address(String),
    /// A second block or line for the same thing.
    #[error("{0} is locked twice")]
    Duplicate(String),
    /// A conda package that neither a requirement nor another package of the set needs.
    #[error("nothing needs the conda package `{package}` on {system}")]
    Unneeded { package: String, system: System },
    /// More conda packages than a dev shell can need.
    #[error("a dev shell has more than {limit} conda packages on {system}")]
    TooManyPackages { limit: usize, system: System },
    /// A package that devsh does not take the tool from.
    #[error("`{tool}` does not come from `{found}`")]
    Source { tool: Tool, found: String },
    /// A block without anything to download.
    #[error("`{0}` has no artifacts")]
    Empty(Tool),
}

/// A problem with its place in the text.
#[derive(Debug)]
pub(super) struct SpannedProblem {
    pub(super) span: Range<usize>,
    pub(super) problem: Problem,
}

impl Problem {
    /// Returns the problem at a place.
    pub(super) fn at(self, span: Range<usize>) -> SpannedProblem {
        SpannedProblem {
            span,
            problem: self,
        }
    }
}
