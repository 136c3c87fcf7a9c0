//! How other tools write versions, each as a requirement of devsh.

use serde::Deserialize;

use super::Subject;
use crate::{
    manifest::ErrorKind,
    package::{Invalid, Requirement},
};

/// The rules that a version is written by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::manifest) enum Grammar {
    /// PEP 440, and what Cargo, Poetry and Pipenv write.
    #[default]
    Plain,
    /// What pyenv and uv accept in `.python-version`.
    Python,
    /// Versions and ranges of npm, and the names that nvm gives to versions.
    Npm,
    /// Versions of Go, with or without `go` before them.
    Go,
}

impl Grammar {
    /// Returns what `version` asks for; nothing when it names no version of the tool.
    ///
    /// `operator` is put before a version that has none.
    pub(in crate::manifest) fn requirement(
        self,
        version: &str,
        operator: &str,
        tool: Subject<'_>,
    ) -> Result<Option<Requirement>, ErrorKind> {
        let named = tool.names.get(&version.trim().to_ascii_lowercase());
        let version = named.map_or(version.trim(), String::as_str);
        if matches!(version, "" | "*" | "latest") {
            return Ok(None);
        }
        let (written, expected) = match self {
            Self::Plain => (Some(joined(version)), "a version requirement"),
            Self::Python => (python(version)?.map(joined), "a version requirement"),
            Self::Npm => (npm(version), "an npm version or range"),
            Self::Go => (go(version).map(ToOwned::to_owned), "a Go version"),
        };
        let invalid = || ErrorKind::Invalid(Invalid::new(expected, version));
        let Some(mut written) = written else {
            return match self {
                // A name of a virtual environment or of another Python is none of devsh's business.
                Self::Python => Ok(None),
                Self::Go if matches!(version, "default" | "local" | "none") => Ok(None),
                _ => Err(invalid()),
            };
        };
        if written.starts_with(|first: char| first.is_ascii_digit()) {
            written.insert_str(0, operator);
        }
        if written == "*" {
            return Ok(None);
        }
        let wanted: Requirement = written.parse().map_err(|_| invalid())?;
        if wanted.channel().is_some() && tool.package.as_str() != "rust" {
            return Err(invalid());
        }
        Ok(Some(wanted))
    }
}

/// Puts the commas of PEP 440 where Poetry has blanks: `>=3.11 <3.13`.
fn joined(version: &str) -> String {
    let mut written = String::with_capacity(version.len());
    for word in version.split_whitespace() {
        let alternative = word.starts_with('|') || written.ends_with('|');
        if word.starts_with(['<', '>', '=', '!', '~', '^']) {
            if !written.is_empty() && !written.ends_with([',', '|']) {
                written.push(',');
            }
        } else if !alternative && written.ends_with(|last: char| last.is_ascii_alphanumeric()) {
            written.push(' ');
        }
        written.push_str(word);
    }
    // Poetry takes one bar for two.
    if written.contains('|') && !written.contains("||") {
        written = written.replace('|', "||");
    }
    written.replace("||", " || ")
}

/// Returns the version of a text that asks for the free-threaded build: `3.14t`, `3.14+freethreaded`.
pub(in crate::manifest) fn without_freethreaded(version: &str) -> Option<&str> {
    let version = version.trim();
    let plain = version
        .strip_suffix("+freethreaded")
        .or_else(|| version.strip_suffix('t'))?;
    let number = plain.rsplit(['-', '@']).next().unwrap_or(plain);
    let numbered = number.starts_with(|first: char| first.is_ascii_digit());
    (numbered && number.parse::<Requirement>().is_ok()).then_some(number)
}

/// Returns the version that a line of `.python-version` asks for; nothing for what is not `CPython`.
fn python(line: &str) -> Result<Option<&str>, ErrorKind> {
    let named = line.strip_prefix("cpython");
    let version = match named {
        Some(rest) => rest.trim_start_matches(['-', '@']),
        None => line,
    };
    // uv's long form goes on with the system: `cpython-3.12.4-linux-x86_64-gnu`.
    let version = match named.and_then(|_| version.split_once('-')) {
        Some((version, _)) => version,
        None => version,
    };
    let unsupported = |variant| ErrorKind::PythonVariant {
        found: line.to_owned(),
        variant,
    };
    if !version.starts_with(|first: char| first.is_ascii_digit() || "<>=~!".contains(first)) {
        return Ok(None);
    }
    let number = version.trim_end_matches(char::is_alphabetic);
    match version.split_once('+').map(|(_, variant)| variant) {
        Some("freethreaded") => return Ok(without_freethreaded(version)),
        Some("debug") => return Err(unsupported("debug")),
        Some(_) => return Ok(None),
        None if number.parse::<Requirement>().is_ok() => match &version[number.len()..] {
            "t" => return Ok(Some(number)),
            "d" => return Err(unsupported("debug")),
            _ => {}
        },
        None => {}
    }
    // pyenv's `3.13-dev` is built from a branch, and a virtual environment may be called `3.12-web`.
    let released = !version.contains('-') && version.parse::<Requirement>().is_ok();
    Ok(released.then_some(version))
}

/// Returns a range of npm in devsh's own words; nothing for what is none.
pub(in crate::manifest) fn npm(range: &str) -> Option<String> {
    let alternatives: Option<Vec<String>> = range.split("||").map(alternative).collect();
    let alternatives = alternatives?;
    // Of alternatives one that admits everything is all of them.
    if alternatives.iter().any(|one| one == "*") {
        return Some("*".to_owned());
    }
    Some(alternatives.join(" || "))
}

/// One alternative of a range: comparators with blanks between them, or two versions around a hyphen.
fn alternative(range: &str) -> Option<String> {
    if let Some((low, high)) = range.split_once(" - ") {
        let (low, high) = (partial(low)?, partial(high)?);
        return Some(format!(">={},{}", low.numbers(), high.up_to()));
    }
    let mut parts = Vec::new();
    let mut operator = "";
    for word in range
        .split([' ', '\t', ','])
        .filter(|word| !word.is_empty())
    {
        let end = word.find(|one: char| !"<>=^~".contains(one));
        let (own, version) = word.split_at(end.unwrap_or(word.len()));
        // A blank may stand between the two.
        if !own.is_empty() {
            if !operator.is_empty() {
                return None;
            }
            operator = own;
        }
        if !version.is_empty() {
            let version = partial(version)?;
            if version.release.is_empty() {
                // `*` admits everything, whatever stands before it but `<` and `>`.
                if matches!(operator, "<" | ">") {
                    return None;
                }
            } else {
                parts.push(comparator(operator, &version)?);
            }
            operator = "";
        }
    }
    match (operator, parts.is_empty()) {
        ("", true) => Some("*".to_owned()),
        ("", false) => Some(parts.join(",")),
        _ => None,
    }
}

/// A comparator as devsh writes it.
fn comparator(operator: &str, version: &Partial<'_>) -> Option<String> {
    let numbers = version.numbers();
    let whole = version.release.len() == 3;
    Some(match operator {
        // A bare version is exactly this one if it is whole, and else all that begin so.
        "" | "=" => numbers,
        ">" if !whole => format!(">={}", version.next()),
        "<=" if !whole => version.up_to(),
        "^" | "~" | ">=" | "<" | ">" | "<=" => format!("{operator}{numbers}"),
        "~>" => format!("~{numbers}"),
        _ => return None,
    })
}

/// A version of npm, of which the end may be missing or an `x`.
struct Partial<'v> {
    release: Vec<u64>,
    suffix: &'v str,
}

impl Partial<'_> {
    fn numbers(&self) -> String {
        let numbers: Vec<String> = self.release.iter().map(ToString::to_string).collect();
        if numbers.is_empty() {
            "0".to_owned()
        } else {
            numbers.join(".") + self.suffix
        }
    }

    /// The first version that does not begin with these numbers.
    fn next(&self) -> String {
        let mut release = self.release.clone();
        if let Some(last) = release.last_mut() {
            *last = last.saturating_add(1);
        }
        let numbers: Vec<String> = release.iter().map(ToString::to_string).collect();
        numbers.join(".")
    }

    /// The bound that admits these numbers and nothing above.
    fn up_to(&self) -> String {
        if self.release.len() == 3 {
            format!("<={}", self.numbers())
        } else {
            format!("<{}", self.next())
        }
    }
}

fn partial(version: &str) -> Option<Partial<'_>> {
    let version = version.trim().trim_start_matches(['v', 'V']);
    let version = version.split('+').next().unwrap_or_default();
    let (release, suffix) = match version.find('-') {
        Some(at) => version.split_at(at),
        None => (version, ""),
    };
    let mut numbers = Vec::new();
    for part in release.split('.') {
        if matches!(part, "x" | "X" | "*" | "") {
            break;
        }
        numbers.push(part.parse().ok()?);
    }
    let known = (1..=3).contains(&release.split('.').count());
    let suffix = if numbers.len() == 3 { suffix } else { "" };
    known.then_some(Partial {
        release: numbers,
        suffix,
    })
}

/// Returns a version of Go without what may stand around it.
fn go(version: &str) -> Option<&str> {
    let version = version.strip_prefix("go").unwrap_or(version);
    // A toolchain of somebody's own is that version with a name behind it.
    let version = version.split('-').next().unwrap_or_default();
    version
        .starts_with(|first: char| first.is_ascii_digit())
        .then_some(version)
}

#[cfg(test)]
mod tests;
