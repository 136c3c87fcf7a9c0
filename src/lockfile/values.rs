//! Reading and writing of single values of a lockfile.

use std::{fmt::Write as _, ops::Range, str::FromStr};

use toml::Spanned;

use super::problem::{Problem, SpannedProblem};
use crate::package::Invalid;

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
