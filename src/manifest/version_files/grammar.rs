//! Turns versions of other tools into requirements.

use serde::Deserialize;

use super::SoughtTool;
use crate::{
    manifest::ErrorKind,
    package::{Invalid, Requirement, intersection, version_sets, write_version_set},
};

/// The grammar of a version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::manifest) enum Grammar {
    /// PEP 440 and the forms of Cargo, Poetry and Pipenv.
    #[default]
    Plain,
    /// The forms that pyenv and uv accept in `.python-version`.
    Python,
    /// Versions and ranges of npm, and nvm's names of versions.
    Npm,
    /// Versions of Go, with or without `go` before them.
    Go,
}

impl Grammar {
    /// Returns the requirement that `version` means; nothing if it names no version of the tool.
    ///
    /// `operator` applies to a version that has none.
    pub(in crate::manifest) fn requirement(
        self,
        version: &str,
        operator: &str,
        tool: SoughtTool<'_>,
    ) -> Result<Option<Requirement>, ErrorKind> {
        let named = tool.names.get(&version.trim().to_ascii_lowercase());
        let version = named.map_or(version.trim(), String::as_str);
        if matches!(version, "" | "*" | "latest") {
            return Ok(None);
        }
        let written = match self {
            Self::Plain => Some(joined(version)),
            Self::Python => python(version)?.map(joined),
            Self::Npm => npm(version),
            Self::Go => go(version).map(ToOwned::to_owned),
        };
        let invalid = || {
            ErrorKind::Invalid(match self {
                Self::Plain | Self::Python => Invalid::requirement(version),
                Self::Npm => Invalid::new("an npm version or range", version),
                Self::Go => Invalid::new("a Go version", version),
            })
        };
        let Some(mut written) = written else {
            return match self {
                // The name of a virtual environment, or of another implementation of Python.
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

/// Replaces the blanks of Poetry (`>=3.11 <3.13`) with the commas of PEP 440.
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
    // Poetry accepts one bar for two.
    if written.contains('|') && !written.contains("||") {
        written = written.replace('|', "||");
    }
    written.replace("||", " || ")
}

/// Returns the version in a request for the free-threaded build: `3.14t`, `3.14+freethreaded`.
pub(in crate::manifest) fn without_freethreaded(version: &str) -> Option<&str> {
    let version = version.trim();
    let plain = version
        .strip_suffix("+freethreaded")
        .or_else(|| version.strip_suffix('t'))?;
    let number = plain.rsplit(['-', '@']).next().unwrap_or(plain);
    let numbered = number.starts_with(|first: char| first.is_ascii_digit());
    (numbered && number.parse::<Requirement>().is_ok()).then_some(number)
}

/// Returns the version in a line of `.python-version`; nothing if it does not mean `CPython`.
fn python(line: &str) -> Result<Option<&str>, ErrorKind> {
    let named = line.strip_prefix("cpython");
    let version = match named {
        Some(rest) => rest.trim_start_matches(['-', '@']),
        None => line,
    };
    // uv's long form ends with the system: `cpython-3.12.4-linux-x86_64-gnu`.
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
    // pyenv builds `3.13-dev` from a branch, and a virtual environment may have the name `3.12-web`.
    let released = !version.contains('-') && version.parse::<Requirement>().is_ok();
    Ok(released.then_some(version))
}

/// Returns the requirement that means the same as an npm range; nothing for text that is no range.
pub(in crate::manifest) fn npm(range: &str) -> Option<String> {
    let parsed = nodejs_semver::Range::parse(range.replace(',', " ")).ok()?;
    let bounds = npm_bounds(&parsed)?;
    // Users know the text of their file, so it is kept if devsh's grammar gives it the same meaning.
    let written = joined(range);
    if let Ok(own) = written.parse::<Requirement>()
        && let [one, other] = version_sets(&[&bounds, &own]).as_slice()
        && one == other
    {
        return Some(written);
    }
    let set = version_sets(&[&bounds]);
    write_version_set(&intersection(&set)).or_else(|| Some(bounds.to_string()))
}

/// Returns an npm range as comparisons.
fn npm_bounds(range: &nodejs_semver::Range) -> Option<Requirement> {
    let range = range.to_string();
    let alternatives = range.split("||").map(|alternative| {
        let comparators = alternative.split_whitespace().map(npm_comparator);
        comparators.collect::<Vec<_>>().join(",")
    });
    let alternatives: Vec<String> = alternatives.collect();
    if alternatives
        .iter()
        .any(|one| matches!(one.as_str(), "*" | ">=0.0.0"))
    {
        return Some(Requirement::any());
    }
    alternatives.join(" || ").parse().ok()
}

/// Returns a comparator as `nodejs-semver` prints it in devsh's grammar.
fn npm_comparator(comparator: &str) -> String {
    let comparator = comparator.split('+').next().unwrap_or_default();
    // `<21.0.0-0` is how npm excludes the pre-releases of 21.
    let comparator = comparator.strip_suffix("-0").unwrap_or(comparator);
    // `<=20` is printed with the greatest numbers that npm knows.
    let greatest = format!(".{}", nodejs_semver::MAX_SAFE_INTEGER);
    match comparator
        .strip_prefix("<=")
        .and_then(|rest| rest.split_once(&greatest))
    {
        Some((prefix, _)) => {
            let (before, last) = prefix
                .rsplit_once('.')
                .map_or(("", prefix), |(before, last)| {
                    (&prefix[..=before.len()], last)
                });
            let next = last.parse::<u64>().map_or(0, |last| last.saturating_add(1));
            format!("<{before}{next}")
        }
        None => comparator.to_owned(),
    }
}

/// Returns a version of Go without prefix and suffix.
fn go(version: &str) -> Option<&str> {
    let version = version.strip_prefix("go").unwrap_or(version);
    // A custom toolchain is a version with a name after it.
    let version = version.split('-').next().unwrap_or_default();
    version
        .starts_with(|first: char| first.is_ascii_digit())
        .then_some(version)
}

#[cfg(test)]
mod tests;
