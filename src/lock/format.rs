//! The text of a lockfile: TOML, one block a locked package, one line an artifact.
//!
//! Invariant: the text depends on nothing but the content, so branches that lock different tools merge.
//! Reading is strict: what is not understood completely is an error with its place, never skipped.

use std::{collections::BTreeMap, fmt::Write as _, ops::Range, str::FromStr};

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::{Artifact, LockKey, LockedPackage, Lockfile, lockable};
use crate::package::{Invalid, System, Tool};

/// The version of the format that this program reads and writes.
const VERSION: i64 = 1;

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
    tool: Vec<Spanned<RawPackage>>,
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
    artifacts: Vec<Spanned<RawArtifact>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawArtifact {
    system: Spanned<String>,
    part: Option<Spanned<String>>,
    url: Spanned<String>,
    sha256: Spanned<String>,
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

/// Writes a lockfile.
pub fn print(lockfile: &Lockfile) -> String {
    let mut text = format!("# written by devsh, do not edit\nversion = {VERSION}\n");
    for (key, package) in &lockfile.packages {
        print_package(&mut text, key, package);
    }
    text
}

type Fault = (Range<usize>, Problem);

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
    for block in raw.tool {
        let span = block.span();
        let (key, package) = package(block.into_inner(), &span)?;
        let name = format!("`{}` {}", key.tool, key.requirement);
        if lockfile.packages.insert(key, package).is_some() {
            return Err((span, Problem::Duplicate(name)));
        }
    }
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
    let mut artifacts: BTreeMap<System, Vec<Artifact>> = BTreeMap::new();
    for line in raw.artifacts {
        let span = line.span();
        let (system, artifact) = artifact(line.into_inner())?;
        let parts = artifacts.entry(system).or_default();
        match parts.binary_search_by(|other| other.part.cmp(&artifact.part)) {
            Ok(_) => {
                let name = format!("`{}` for {system}", part_name(&key.tool, &artifact.part));
                return Err((span, Problem::Duplicate(name)));
            }
            Err(at) => parts.insert(at, artifact),
        }
    }
    if artifacts.is_empty() {
        return Err((block.clone(), Problem::Empty(key.tool)));
    }
    let package = LockedPackage {
        version: value(&raw.version)?,
        build: raw.build.map(word).transpose()?,
        artifacts,
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

fn artifact(raw: RawArtifact) -> Result<(System, Artifact), Fault> {
    let url = Url::parse(raw.url.get_ref())
        .ok()
        .filter(lockable)
        .ok_or_else(|| {
            (
                raw.url.span(),
                Problem::Address(without_credentials(raw.url.get_ref())),
            )
        })?;
    let artifact = Artifact {
        part: raw.part.map(word).transpose()?.unwrap_or_default(),
        url,
        sha256: value(&raw.sha256)?,
        size: raw.size,
    };
    Ok((value(&raw.system)?, artifact))
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

fn value<T: FromStr<Err = Invalid>>(text: &Spanned<String>) -> Result<T, Fault> {
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

fn print_package(text: &mut String, key: &LockKey, package: &LockedPackage) {
    text.push_str("\n[[tool]]\n");
    line(text, "name", quoted(&key.tool.to_string()));
    line(text, "requirement", quoted(&key.requirement));
    for (name, list) in [("components", &key.components), ("targets", &key.targets)] {
        if !list.is_empty() {
            let words: Vec<String> = list.iter().map(|word| quoted(word)).collect();
            line(text, name, format!("[{}]", words.join(", ")));
        }
    }
    line(text, "version", quoted(package.version.as_str()));
    if let Some(build) = &package.build {
        line(text, "build", quoted(build));
    }
    // Last, and required when reading: a block that was cut off can never pass for a whole one.
    text.push_str("artifacts = [\n");
    for (system, artifacts) in &package.artifacts {
        let mut artifacts: Vec<&Artifact> = artifacts.iter().collect();
        artifacts.sort_by_key(|artifact| &artifact.part);
        for artifact in artifacts {
            print_artifact(text, *system, artifact);
        }
    }
    text.push_str("]\n");
}

fn print_artifact(text: &mut String, system: System, artifact: &Artifact) {
    let Artifact {
        part,
        url,
        sha256,
        size,
    } = artifact;
    let mut fields = vec![format!("system = \"{system}\"")];
    if !part.is_empty() {
        fields.push(format!("part = {}", quoted(part)));
    }
    fields.push(format!("url = {}", quoted(url.as_str())));
    fields.push(format!("sha256 = \"{sha256}\""));
    fields.extend(size.map(|size| format!("size = {size}")));
    text.push_str("  { ");
    text.push_str(&fields.join(", "));
    text.push_str(" },\n");
}

fn line(text: &mut String, key: &str, value: impl AsRef<str>) {
    text.push_str(key);
    text.push_str(" = ");
    text.push_str(value.as_ref());
    text.push('\n');
}

/// Returns a basic string of TOML on one line.
fn quoted(value: &str) -> String {
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

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
