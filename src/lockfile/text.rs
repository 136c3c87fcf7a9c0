//! What the blocks of a lockfile share: problems with their places, and single values as TOML.

use std::{fmt::Write as _, ops::Range, str::FromStr};

use toml::Spanned;

use crate::package::{Invalid, Tool};

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

/// What is wrong with a lockfile.
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

/// Returns the problem of a value that is not what its key holds.
pub(super) fn invalid(expected: &'static str, found: &str, span: Range<usize>) -> SpannedProblem {
    Problem::Value(Invalid::new(expected, found)).at(span)
}

/// Parses a value.
pub(super) fn value<T: FromStr<Err = Invalid>>(
    text: &Spanned<String>,
) -> Result<T, SpannedProblem> {
    let parsed = text.get_ref().parse();
    parsed.map_err(|error| Problem::Value(error).at(text.span()))
}

/// Reads the name of a part, target or build, which may become one component of a path.
pub(super) fn word(text: Spanned<String>) -> Result<String, SpannedProblem> {
    let span = text.span();
    let text = text.into_inner();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    let valid = (1..=100).contains(&text.len())
        && text.bytes().all(plain)
        && text.starts_with(|first: char| first.is_ascii_alphanumeric());
    if valid {
        Ok(text)
    } else {
        let expected = "a name (letters, digits, `-`, `_`, `.` and `+`)";
        Err(invalid(expected, &text, span))
    }
}

/// Writes one key with its value, which is TOML already.
pub(super) fn line(text: &mut String, key: &str, value: impl AsRef<str>) {
    text.push_str(key);
    text.push_str(" = ");
    text.push_str(value.as_ref());
    text.push('\n');
}

/// Returns a string as TOML, on one line.
pub(super) fn quoted(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                // Writing to a string cannot fail.
                let _infallible = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}
