//! Changes of an environment as data for programs that are not shells: JSON, dotenv files, CI services. Pure.
//!
//! Invariant: what a format cannot carry unharmed is an error that names the variable, never altered.

use std::ffi::{OsStr, OsString};

use crate::env::VarName;

/// A form that is not a shell's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One object: names to values, `null` for what is to be unset.
    Json,
    /// A dotenv file.
    Dotenv,
    /// Environment files of GitHub Actions.
    GitHub,
    /// The dotenv report of a GitLab job.
    GitLab,
}

/// One change: a variable with its new value, or without one.
pub type Change = (VarName, Option<OsString>);

/// A change that a form cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The form is text.
    #[error("the value of `{0}` is not UTF-8 text")]
    NotText(VarName),
    /// The form has one line for a variable.
    #[error("the value of `{0}` has a line break")]
    LineBreak(VarName),
    /// The reader takes blanks away at both ends.
    #[error("the value of `{0}` begins or ends with a blank")]
    Blank(VarName),
    /// The reader refuses long files.
    #[error("the file has {found} bytes, and GitLab takes {GITLAB_BYTES}")]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// The reader refuses many variables.
    #[error("the file has {found} variables, and GitLab takes {GITLAB_VARIABLES}")]
    TooMany {
        /// How many there are.
        found: usize,
    },
}

/// Longest dotenv report that GitLab takes by default, in bytes.
pub const GITLAB_BYTES: usize = 5 * 1024;
/// Most variables that GitLab takes in a dotenv report by default.
pub const GITLAB_VARIABLES: usize = 150;

/// Returns the changes as one JSON object; `null` stands for what is to be unset.
pub fn json(changes: &[Change]) -> Result<String, Error> {
    let mut object = serde_json::Map::new();
    for (name, value) in changes {
        let value = match value {
            Some(value) => text(name, value)?.into(),
            None => serde_json::Value::Null,
        };
        object.insert(name.to_string(), value);
    }
    Ok(format!("{:#}\n", serde_json::Value::Object(object)))
}

/// Returns the values as a dotenv file; what is to be unset cannot be said there.
///
/// Plain words stand bare. Most others stand in single quotes, where every reader takes all as it is; only
/// line breaks, quotes and what readers differ about need double quotes and escapes.
pub fn dotenv(changes: &[Change]) -> Result<String, Error> {
    let mut file = String::new();
    for (name, value) in values(changes) {
        let value = text(name, value)?;
        if value.contains('\r') {
            // Readers take it for the end of a line, or for a letter.
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

/// Returns the values as GitHub's environment file takes them: a block each, closed by a line of its own.
///
/// `delimiter` is a word that nobody can guess; it is made longer until no value holds it.
pub fn github(changes: &[Change], delimiter: &str) -> Result<String, Error> {
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

/// Returns the values as a dotenv report of GitLab, which knows neither quotes nor escapes.
pub fn gitlab(changes: &[Change]) -> Result<String, Error> {
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

fn values(changes: &[Change]) -> impl Iterator<Item = (&VarName, &OsString)> {
    changes
        .iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)))
}

fn text<'a>(name: &VarName, value: &'a OsStr) -> Result<&'a str, Error> {
    value.to_str().ok_or_else(|| Error::NotText(name.clone()))
}

#[cfg(test)]
mod tests;
