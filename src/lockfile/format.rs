//! Reads the text of a lockfile: TOML, one block a locked package, one line an artifact.
//!
//! Invariant: the text depends on nothing but the content, so branches that lock different tools merge.
//! Reading is strict: what is not understood completely is an error with its place, never skipped.

use std::{collections::BTreeMap, ops::Range, str::FromStr};

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::{
    Application, Artifact, LockKey, LockedPackage, Lockfile, application, lockable, locked_package,
    python::{self, RawSet},
};
use crate::package::{Digest, Invalid, Sha256, Source, System, Tool, is_npm_place};

/// The version of the format that this program reads and writes.
pub(super) const VERSION: i64 = 1;
/// What stands for every system where an npm package is the same on all.
pub(super) const ANY: &str = "any";

/// A lockfile that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`{file}` is not a usable lockfile: {problem}")]
pub struct Error {
    /// The file's name as shown.
    pub file: String,
    /// The whole text.
    pub text: String,
    /// Bytes of the text that are at fault.
    pub span: Range<usize>,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a lockfile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A merge left both sides in the file; `devsh lock` after taking either side mends it.
    #[error("line {line} is a merge conflict marker")]
    Conflict {
        /// The line, from 1.
        line: usize,
    },
    /// Another version of the format.
    #[error("its format is version {found}, and this devsh reads version {VERSION}")]
    Format {
        /// The version found; a greater one needs a newer devsh.
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

#[derive(Deserialize)]
struct Head {
    version: Spanned<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(rename = "version")]
    _version: i64,
    #[serde(default)]
    extends: Vec<Spanned<locked_package::Raw>>,
    #[serde(default)]
    tool: Vec<Spanned<RawPackage>>,
    #[serde(default)]
    python: Vec<Spanned<RawSet>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPackage {
    name: Spanned<String>,
    requirement: String,
    #[serde(default)]
    components: Vec<Spanned<String>>,
    #[serde(default)]
    targets: Vec<Spanned<String>>,
    version: Spanned<String>,
    build: Option<Spanned<String>>,
    python: Option<Spanned<String>>,
    packages: Option<Vec<Spanned<String>>>,
    artifacts: Vec<Spanned<RawArtifact>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawArtifact {
    system: Spanned<String>,
    part: Option<Spanned<String>>,
    url: Spanned<String>,
    sha256: Option<Spanned<String>>,
    integrity: Option<Spanned<String>>,
    size: Option<u64>,
}

/// Reads a lockfile; `file` is its name in errors.
pub fn parse(file: &str, text: &str) -> Result<Lockfile, Error> {
    read(text).map_err(|(span, problem)| Error {
        file: file.to_owned(),
        text: text.to_owned(),
        span,
        problem,
    })
}

pub(super) type Fault = (Range<usize>, Problem);

fn read(text: &str) -> Result<Lockfile, Fault> {
    if let Some(fault) = conflict_marker(text) {
        return Err(fault);
    }
    // The version first: the keys of a newer format would only be unknown ones.
    let head: Head = toml::from_str(text).map_err(|error| syntax(text, &error))?;
    if *head.version.get_ref() != VERSION {
        let found = *head.version.get_ref();
        return Err((head.version.span(), Problem::Format { found }));
    }
    let raw: Raw = toml::from_str(text).map_err(|error| syntax(text, &error))?;
    let mut lockfile = Lockfile::default();
    for block in raw.extends {
        let span = block.span();
        let (source, pin) = locked_package::read(block.into_inner())?;
        let name = format!("`{source}`");
        if lockfile.extends.insert(source, pin).is_some() {
            return Err((span, Problem::Duplicate(name)));
        }
    }
    for block in raw.tool {
        let span = block.span();
        let (key, package) = package(block.into_inner(), &span)?;
        let name = format!("`{}` {}", key.tool, key.requirement);
        if lockfile.packages.insert(key, package).is_some() {
            return Err((span, Problem::Duplicate(name)));
        }
    }
    lockfile.python = python::read(raw.python)?;
    Ok(lockfile)
}

fn syntax(text: &str, error: &toml::de::Error) -> Fault {
    let message = error.message().lines().next().unwrap_or_default();
    let span = error.span().unwrap_or(text.len()..text.len());
    (span, Problem::Syntax(message.to_owned()))
}

fn conflict_marker(text: &str) -> Option<Fault> {
    let mut start = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let content = line.trim_end();
        let marked = ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
            .iter()
            .any(|marker| {
                content
                    .strip_prefix(marker)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            });
        if marked {
            let line = index + 1;
            return Some((start..start + content.len(), Problem::Conflict { line }));
        }
        start += line.len();
    }
    None
}

fn package(raw: RawPackage, block: &Range<usize>) -> Result<(LockKey, LockedPackage), Fault> {
    let words = |list: Vec<Spanned<String>>| -> Result<Vec<String>, Fault> {
        let mut words: Vec<String> = list.into_iter().map(word).collect::<Result<_, _>>()?;
        words.sort();
        Ok(words)
    };
    let key = LockKey {
        tool: value::<Tool>(&raw.name)?,
        requirement: raw.requirement,
        components: words(raw.components)?,
        targets: words(raw.targets)?,
    };
    let application = application::Raw::new(raw.python, raw.packages).read(block)?;
    let kind = Kind::of(&key.tool, application.as_ref());
    let mut artifacts: BTreeMap<System, Vec<Artifact>> = BTreeMap::new();
    for line in raw.artifacts {
        let span = line.span();
        let (places, artifact) = artifact(kind, line.into_inner(), &span)?;
        for system in places {
            let parts = artifacts.entry(system).or_default();
            match parts.binary_search_by(|other| other.part.cmp(&artifact.part)) {
                Ok(_) => {
                    let name = format!("`{}` for {system}", part_name(&key.tool, &artifact.part));
                    return Err((span, Problem::Duplicate(name)));
                }
                Err(at) => parts.insert(at, artifact.clone()),
            }
        }
    }
    if artifacts.is_empty() {
        return Err((block.clone(), Problem::Empty(key.tool)));
    }
    let package = LockedPackage {
        version: value(&raw.version)?,
        build: raw.build.map(word).transpose()?,
        artifacts,
        application,
    };
    Ok((key, package))
}

fn part_name(tool: &Tool, part: &str) -> String {
    if part.is_empty() {
        tool.to_string()
    } else {
        part.to_owned()
    }
}

/// How the artifacts of a tool are named, and whether they can be the same on all systems.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// By the names of components.
    Components,
    /// By their places below `node_modules`.
    Npm,
    /// By the names of wheels.
    Application,
}

impl Kind {
    pub(super) fn of(tool: &Tool, application: Option<&Application>) -> Self {
        match (tool.source, application) {
            (Source::Npm, _) => Self::Npm,
            (Source::Pypi, Some(_)) => Self::Application,
            _ => Self::Components,
        }
    }

    /// Whether `any` can stand for every system.
    pub(super) fn is_portable(self) -> bool {
        self != Self::Components
    }
}

/// Returns an artifact and the systems it is for.
fn artifact(
    kind: Kind,
    raw: RawArtifact,
    line: &Range<usize>,
) -> Result<(Vec<System>, Artifact), Fault> {
    let url = Url::parse(raw.url.get_ref())
        .ok()
        .filter(lockable)
        .ok_or_else(|| {
            (
                raw.url.span(),
                Problem::Address(without_credentials(raw.url.get_ref())),
            )
        })?;
    let part = match (kind, raw.part) {
        (Kind::Application, None) => {
            let invalid = || Invalid::new("the address of a wheel", url.as_str());
            application::wheel_name(&url).ok_or_else(|| (raw.url.span(), invalid().into()))?
        }
        (_, None) => String::new(),
        (_, Some(part)) => part_of(kind, part)?,
    };
    let artifact = Artifact {
        part,
        url,
        digest: digest(raw.sha256.as_ref(), raw.integrity.as_ref(), line)?,
        size: raw.size,
    };
    if kind.is_portable() && raw.system.get_ref() == ANY {
        return Ok((System::ALL.to_vec(), artifact));
    }
    Ok((vec![value(&raw.system)?], artifact))
}

/// Takes the one digest of an artifact.
fn digest(
    sha256: Option<&Spanned<String>>,
    integrity: Option<&Spanned<String>>,
    line: &Range<usize>,
) -> Result<Digest, Fault> {
    let text = |text: &str| (line.clone(), Problem::Syntax(text.to_owned()));
    match (sha256, integrity) {
        (Some(sha256), None) => value::<Sha256>(sha256).map(Digest::from),
        (None, Some(integrity)) => Digest::from_integrity(integrity.get_ref())
            .map_err(|error| (integrity.span(), error.into())),
        (None, None) => Err(text("missing field `sha256`")),
        (Some(_), Some(_)) => Err(text("`sha256` and `integrity` exclude each other")),
    }
}

/// Takes the name of a part; that of an npm package is its place below `node_modules`.
fn part_of(kind: Kind, text: Spanned<String>) -> Result<String, Fault> {
    if kind != Kind::Npm {
        return word(text);
    }
    if is_npm_place(text.get_ref()) && text.get_ref().len() <= 1000 {
        return Ok(text.into_inner());
    }
    let invalid = Invalid::new("a place below `node_modules`", text.get_ref());
    Err((text.span(), invalid.into()))
}

fn without_credentials(address: &str) -> String {
    match address.split_once("://") {
        Some((scheme, rest)) => match rest.split_once('@') {
            Some((_, rest)) => format!("{scheme}://…@{rest}"),
            None => address.to_owned(),
        },
        None => address.to_owned(),
    }
}

pub(super) fn value<T: FromStr<Err = Invalid>>(text: &Spanned<String>) -> Result<T, Fault> {
    text.get_ref()
        .parse()
        .map_err(|error: Invalid| (text.span(), error.into()))
}

/// Takes a name of a part, target or build: one safe path component, as it may become one.
fn word(text: Spanned<String>) -> Result<String, Fault> {
    let span = text.span();
    let text = text.into_inner();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    let valid = (1..=100).contains(&text.len())
        && text.bytes().all(plain)
        && text.starts_with(|first: char| first.is_ascii_alphanumeric());
    if valid {
        Ok(text)
    } else {
        Err((
            span,
            Invalid::new("a name (letters, digits, `-`, `_`, `.` and `+`)", &text).into(),
        ))
    }
}

#[cfg(test)]
mod tests;
