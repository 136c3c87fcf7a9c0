//! Turns versions of other tools into requirements.

use serde::Deserialize;

use super::SoughtTool;
use crate::{
    manifest::ErrorKind,
    package::{Invalid, Requirement, join_bounds},
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
    /// Versions with the name of who builds them in front, or of another tool behind: `temurin-21.0.2+13.0.LTS`,
    /// `1.17.3-otp-27`.
    Vendor,
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
        let expected = match self {
            Self::Plain | Self::Vendor => "a version requirement",
            Self::Python => "a version of CPython",
            Self::Npm => "an npm version or range",
            Self::Go => "a Go version",
        };
        let invalid = || ErrorKind::Invalid(Invalid::new(expected, version));
        let mut written = match self {
            Self::Plain => join_bounds(version),
            Self::Python => join_bounds(&python(version)?.ok_or_else(invalid)?.version),
            Self::Npm => {
                let line =
                    Requirement::release_line(version).filter(|_| tool.package.as_str() == "node");
                let wanted = line.or_else(|| Requirement::npm(version));
                let wanted = wanted.ok_or_else(invalid)?;
                return Ok(Some(wanted).filter(|wanted| wanted.as_str() != "*"));
            }
            Self::Vendor => join_bounds(vendor_version(version)),
            Self::Go if matches!(version, "default" | "local" | "none") => return Ok(None),
            Self::Go => go(version).ok_or_else(invalid)?.to_owned(),
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

/// A version of `CPython` in a file of pyenv, uv, mise or asdf.
struct PythonVersion {
    version: String,
    freethreaded: bool,
}

/// Returns whether a word of `.python-version` asks for the free-threaded build.
pub(in crate::manifest) fn is_freethreaded(word: &str) -> bool {
    matches!(python(word.trim()), Ok(Some(found)) if found.freethreaded)
}

/// Returns the version in a word of `.python-version`; nothing if it does not mean `CPython`.
fn python(word: &str) -> Result<Option<PythonVersion>, ErrorKind> {
    let is_number = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    // A virtual environment of pyenv has its version in front: `3.11.7/envs/web`.
    let word = word
        .split_once("/envs/")
        .map_or(word, |(version, _)| version);
    let prefixes = ["cpython", "python", "cp", "v"];
    let named = prefixes.iter().find_map(|prefix| {
        let rest = word.strip_prefix(prefix)?.trim_start_matches(['-', '@']);
        is_number(rest).then_some(rest)
    });
    let mut version = named.unwrap_or(word);
    // uv's long form ends with the system: `cpython-3.12.4-linux-x86_64-gnu`.
    if named.is_some()
        && let Some((number, system)) = version.split_once('-')
        && system.contains('-')
    {
        version = number;
    }
    if !is_number(version) && !version.starts_with(['<', '>', '=', '!', '~']) {
        return Ok(None);
    }
    let (version, flavour) = match version.split_once('+') {
        Some((version, flavour)) => (version, flavour),
        None => match version.strip_suffix(['t', 'd']) {
            Some(number) if number.parse::<Requirement>().is_ok() => {
                (number, &version[number.len()..])
            }
            _ => (version, ""),
        },
    };
    let freethreaded = match flavour {
        "" => false,
        "t" | "freethreaded" => true,
        "d" | "debug" => {
            return Err(ErrorKind::PythonVariant {
                found: word.to_owned(),
                variant: "debug",
            });
        }
        _ => return Ok(None),
    };
    // The short form of wheels: `311` is 3.11.
    let digits = version.bytes().all(|byte| byte.is_ascii_digit());
    let version = match version.strip_prefix('3') {
        Some(minor) if digits && !minor.is_empty() => format!("3.{minor}"),
        _ => version.to_owned(),
    };
    // pyenv builds `3.13-dev` from a branch, and a virtual environment may have the name `3.12-web`.
    let released = !version.contains('-') && version.parse::<Requirement>().is_ok();
    Ok(released.then_some(PythonVersion {
        version,
        freethreaded,
    }))
}

/// The builders of Java whose versions are those of Java; others count on their own.
const JAVA_VENDORS: [&str; 7] = [
    "adoptopenjdk-",
    "corretto-",
    "java-",
    "microsoft-",
    "openjdk-",
    "sapmachine-",
    "temurin-",
];

/// Returns the version of the program in a vendor's version: up to three numbers, without what is in front or behind.
fn vendor_version(version: &str) -> &str {
    let mut vendors = JAVA_VENDORS.iter();
    let number = vendors.find_map(|vendor| version.strip_prefix(vendor));
    let plain = number.unwrap_or(version);
    if !plain.starts_with(|first: char| first.is_ascii_digit()) {
        return version;
    }
    let end = plain.find(['-', '+']).unwrap_or(plain.len());
    let dots = plain[..end].match_indices('.');
    let end = dots.map(|(at, _)| at).nth(2).unwrap_or(end);
    &plain[..end]
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
