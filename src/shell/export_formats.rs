//! Changes of an environment as JSON, dotenv file, and files of CI services. Pure.
//!
//! Invariant: a value that a format cannot represent is an error that names the variable.

use std::ffi::{OsStr, OsString};

use crate::env::{Assignment, VarName};

/// A format that is not a shell's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// One object of names and values; `null` unsets a variable.
    Json,
    /// A dotenv file.
    Dotenv,
    /// Environment files of GitHub Actions.
    GitHub,
    /// The dotenv report of a GitLab job.
    GitLab,
}

/// A value that a format cannot represent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The format is text.
    #[error("the value of `{0}` is not UTF-8 text")]
    NotText(VarName),
    /// The format has one line for each variable.
    #[error("the value of `{0}` has a line break")]
    LineBreak(VarName),
    /// In double quotes a shell runs what is between backticks, and most other readers keep a backslash before one.
    #[error("the value of `{0}` has a backtick, and a quote, backslash or line break")]
    Backtick(VarName),
    /// The reader trims blanks at both ends.
    #[error("the value of `{0}` begins or ends with a blank")]
    Blank(VarName),
    /// The reader refuses long files.
    #[error("the file has {found} bytes, and GitLab takes {GITLAB_BYTES}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// The reader refuses many variables.
    #[error("the file has {found} variables, and GitLab takes {GITLAB_VARIABLES}")]
    TooMany { found: usize },
}

/// GitLab's default limit for a dotenv report, in bytes.
pub const GITLAB_BYTES: usize = 5 * 1024;
/// GitLab's default limit for the variables of a dotenv report.
pub const GITLAB_VARIABLES: usize = 150;

/// Returns the changes as one JSON object; `null` unsets a variable.
pub fn json(changes: &[Assignment]) -> Result<String, Error> {
    let mut object = serde_json::Map::new();
    for Assignment { name, value } in changes {
        let value = match value {
            Some(value) => text(name, value)?.into(),
            None => serde_json::Value::Null,
        };
        object.insert(name.to_string(), value);
    }
    Ok(format!("{:#}\n", serde_json::Value::Object(object)))
}

/// Returns the values as a dotenv file, which cannot unset a variable.
///
/// Plain words have no quotes. Most other values have single quotes, in which every reader keeps all characters. Line
/// breaks, quotes, and characters that readers treat differently need double quotes and escapes.
pub fn dotenv(changes: &[Assignment]) -> Result<String, Error> {
    let mut file = String::new();
    for (name, value) in values(changes) {
        let value = text(name, value)?;
        if value.contains('\r') {
            // Some readers end the line at it, others keep it.
            return Err(Error::LineBreak(name.clone()));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:,@+%".contains(&byte);
        let literal = |byte: u8| !byte.is_ascii_control() && byte != b'\'' && byte != b'\\';
        file.push_str(name.as_str());
        file.push('=');
        if value.bytes().all(plain) {
            file.push_str(value);
        } else if value.bytes().all(literal) {
            file.extend(["'", value, "'"]);
        } else if value.contains('`') {
            return Err(Error::Backtick(name.clone()));
        } else {
            double_quoted(value, &mut file);
        }
        file.push('\n');
    }
    Ok(file)
}

fn double_quoted(value: &str, file: &mut String) {
    file.push('"');
    for character in value.chars() {
        match character {
            '\n' => file.push_str("\\n"),
            '\\' | '"' | '$' => {
                file.push('\\');
                file.push(character);
            }
            _ => file.push(character),
        }
    }
    file.push('"');
}

/// Returns the values as an environment file of GitHub Actions: one block for each, closed by a delimiter.
///
/// `delimiter` must be hard to guess. It is made longer until the value does not contain it.
pub fn github(changes: &[Assignment], delimiter: &str) -> Result<String, Error> {
    let mut file = String::new();
    for (name, value) in values(changes) {
        let value = text(name, value)?;
        let mut end = format!("devsh_{delimiter}");
        while value.contains(&end) {
            end.push('_');
        }
        file.extend([name.as_str(), "<<", &end, "\n", value, "\n", &end, "\n"]);
    }
    Ok(file)
}

/// Returns whether GitHub lets a job's file set this variable.
pub fn github_admits(name: &VarName) -> bool {
    let name = name.as_str();
    let own = name.starts_with("GITHUB_") || name.starts_with("RUNNER_");
    !own && name != "NODE_OPTIONS"
}

/// Returns the values as a dotenv report of GitLab, which has no quotes or escapes.
pub fn gitlab(changes: &[Assignment]) -> Result<String, Error> {
    let mut file = String::new();
    let mut found = 0;
    for (name, value) in values(changes) {
        let value = text(name, value)?;
        if value.contains(['\n', '\r']) {
            return Err(Error::LineBreak(name.clone()));
        }
        if value.trim() != value {
            return Err(Error::Blank(name.clone()));
        }
        file.extend([name.as_str(), "=", value, "\n"]);
        found += 1;
    }
    if found > GITLAB_VARIABLES {
        return Err(Error::TooMany { found });
    }
    if file.len() > GITLAB_BYTES {
        return Err(Error::TooLong { found: file.len() });
    }
    Ok(file)
}

fn values(changes: &[Assignment]) -> impl Iterator<Item = (&VarName, &OsString)> {
    changes
        .iter()
        .filter_map(|change| Some((&change.name, change.value.as_ref()?)))
}

fn text<'a>(name: &VarName, value: &'a OsStr) -> Result<&'a str, Error> {
    value.to_str().ok_or_else(|| Error::NotText(name.clone()))
}

#[cfg(test)]
mod tests;
