//! Python packages locked for a list of requirements: those of `packages` in a manifest, or of a list without
//! digests. They are locked for every platform at once, with the digests of all their files.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    ops::Range,
};

use serde::Deserialize;
use toml::Spanned;

use super::text::{Problem, SpannedProblem, invalid, line, quoted, value};
use crate::package::Sha256;

/// Locked packages by the requirements that they answer, sorted.
pub type PythonSets = BTreeMap<PythonKey, PythonSet>;

/// What a set answers: dev shells that ask for the same share one.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PythonKey {
    /// The requirements, sorted.
    pub requirements: Vec<String>,
    /// Bounds within which they are resolved, sorted.
    pub constraints: Vec<String>,
}

/// What answers one list of requirements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonSet {
    /// The oldest Python that it is for (`3.12`).
    pub python: String,
    /// The packages, sorted by their requirement.
    pub packages: Vec<LockedRequirement>,
}

/// One exact package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedRequirement {
    /// The exact requirement with its condition: `idna==3.10 ; python_full_version < '3.13'`.
    pub requirement: String,
    /// The digests of its files, sorted.
    pub sha256: Vec<String>,
}

impl fmt::Display for PythonKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.requirements.join(", "))?;
        if self.constraints.is_empty() {
            return Ok(());
        }
        write!(formatter, " within {}", self.constraints.join(", "))
    }
}

impl PythonSet {
    /// Returns the lines of a list of requirements with digests.
    pub fn to_requirements(&self) -> String {
        let mut text = String::new();
        for package in &self.packages {
            text.push_str(&package.requirement);
            for digest in &package.sha256 {
                text.push_str(" --hash=sha256:");
                text.push_str(digest);
            }
            text.push('\n');
        }
        text
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PythonBlock {
    requirements: Vec<Spanned<String>>,
    #[serde(default)]
    constraints: Vec<Spanned<String>>,
    python: Spanned<String>,
    packages: Vec<RawRequirement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequirement {
    requirement: Spanned<String>,
    sha256: Spanned<Vec<Spanned<String>>>,
}

/// Reads the blocks.
pub(super) fn read(blocks: Vec<Spanned<PythonBlock>>) -> Result<PythonSets, SpannedProblem> {
    let mut sets = PythonSets::new();
    for block in blocks {
        let span = block.span();
        let raw = block.into_inner();
        let key = PythonKey {
            requirements: sorted(raw.requirements)?,
            constraints: sorted(raw.constraints)?,
        };
        let set = PythonSet {
            python: plain(raw.python)?,
            packages: raw
                .packages
                .into_iter()
                .map(requirement)
                .collect::<Result<_, _>>()?,
        };
        let name = format!("the set for {key}");
        if sets.insert(key, set).is_some() {
            return Err(Problem::Duplicate(name).at(span));
        }
    }
    Ok(sets)
}

fn sorted(texts: Vec<Spanned<String>>) -> Result<Vec<String>, SpannedProblem> {
    let mut texts: Vec<String> = texts.into_iter().map(plain).collect::<Result<_, _>>()?;
    texts.sort();
    Ok(texts)
}

fn requirement(raw: RawRequirement) -> Result<LockedRequirement, SpannedProblem> {
    let span = raw.sha256.span();
    let mut digests = Vec::new();
    for digest in raw.sha256.into_inner() {
        value::<Sha256>(&digest)?;
        digests.push(digest.into_inner());
    }
    if digests.is_empty() {
        return Err(invalid("a list of digests", "[]", span));
    }
    Ok(LockedRequirement {
        requirement: exact(raw.requirement)?,
        sha256: digests,
    })
}

/// Reads a requirement that one version meets.
pub(super) fn exact(text: Spanned<String>) -> Result<String, SpannedProblem> {
    let at = text.span();
    let requirement = plain(text)?;
    if !requirement.contains("==") || requirement.contains('@') {
        let expected = "an exact requirement (`idna==3.10`)";
        return Err(invalid(expected, &requirement, at));
    }
    Ok(requirement)
}

/// Reads a requirement: one line that begins with a name, so it is no option of uv.
fn plain(text: Spanned<String>) -> Result<String, SpannedProblem> {
    let span: Range<usize> = text.span();
    let text = text.into_inner();
    let starts = text.starts_with(|first: char| first.is_ascii_alphanumeric());
    if starts && text.len() <= 4000 && !text.contains(char::is_control) && !text.contains("--") {
        Ok(text)
    } else {
        Err(invalid("a requirement on a Python package", &text, span))
    }
}

/// Writes the blocks.
pub(super) fn print(text: &mut String, sets: &PythonSets) {
    for (key, set) in sets {
        text.push_str("\n[[python]]\n");
        line(text, "requirements", list(&key.requirements));
        if !key.constraints.is_empty() {
            line(text, "constraints", list(&key.constraints));
        }
        line(text, "python", quoted(&set.python));
        text.push_str("packages = [\n");
        for package in &set.packages {
            let digests: Vec<String> = package.sha256.iter().map(|one| quoted(one)).collect();
            // Writing to a string cannot fail.
            let _infallible = writeln!(
                text,
                "  {{ requirement = {}, sha256 = [{}] }},",
                quoted(&package.requirement),
                digests.join(", ")
            );
        }
        text.push_str("]\n");
    }
}

fn list(texts: &[String]) -> String {
    let words: Vec<String> = texts.iter().map(|word| quoted(word)).collect();
    format!("[{}]", words.join(", "))
}
