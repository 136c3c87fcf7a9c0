//! Python packages locked for a list of requirements: those of `packages` in a manifest, or of a list without
//! digests. They are locked for every platform at once, with the digests of all their files.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
    ops::Range,
};

use serde::Deserialize;
use toml::Spanned;

use super::{
    entry_origin::EntryOrigin,
    problem::{Problem, SpannedProblem},
    values::{invalid, line, quoted, value},
};
use crate::package::{PackageName, Sha256, is_commit};

/// Locked packages by the requirements that they answer, sorted.
pub type PythonSets = BTreeMap<PythonKey, PythonSet>;

/// The request that a set answers. Dev shells with the same request share one set.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PythonKey {
    /// The requirements, sorted.
    pub requirements: Vec<String>,
    /// Bounds within which they are resolved, sorted.
    pub constraints: Vec<String>,
    /// Requirements that replace those of other packages, sorted.
    pub overrides: Vec<String>,
    /// Options for indexes and for resolving, in their order.
    pub options: Vec<String>,
}

/// The packages that meet one list of requirements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PythonSet {
    pub origin: EntryOrigin,
    /// The oldest Python that it is for (`3.12`).
    pub python: String,
    /// The packages, sorted by their requirement.
    pub packages: Vec<LockedRequirement>,
    /// Requirements without packages, sorted: those of extras and groups that no one named and that do not resolve.
    pub left_out: Vec<String>,
    /// The extras and groups with these requirements, and why they do not resolve.
    pub left_out_parts: Vec<LeftOutPart>,
    /// Requirements on extras that the build of the project does not know, sorted. No one named them.
    pub absent: Vec<String>,
    /// The packages without a wheel, sorted. They run their own build if the user lets them.
    pub builds: Vec<String>,
}

/// A group or extra of a project that does not resolve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOutPart {
    /// Its kind and name (`group dev`).
    pub part: String,
    /// The requirement that is the cause; `None` if it is not one alone.
    pub requirement: Option<String>,
    /// The reason in words; they follow the requirement, if there is one.
    pub reason: String,
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
        for (word, list) in [
            ("within", &self.constraints),
            ("overridden by", &self.overrides),
            ("with", &self.options),
        ] {
            if !list.is_empty() {
                write!(formatter, " {word} {}", list.join(", "))?;
            }
        }
        Ok(())
    }
}

impl PythonKey {
    /// Returns everything that is asked for, a line each.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        let lists = [
            &self.requirements,
            &self.constraints,
            &self.overrides,
            &self.options,
        ];
        lists.into_iter().flatten().map(String::as_str)
    }
}

impl PythonSet {
    /// Returns whether a group or extra (`group dev`) is left out.
    pub fn leaves_out(&self, part: &str) -> bool {
        self.left_out_parts.iter().any(|one| one.part == part)
    }

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
    #[serde(default)]
    overrides: Vec<Spanned<String>>,
    #[serde(default)]
    options: Vec<Spanned<String>>,
    python: Spanned<String>,
    packages: Vec<RawRequirement>,
    #[serde(default, rename = "left-out")]
    left_out: Vec<Spanned<String>>,
    #[serde(default, rename = "left-out-parts")]
    left_out_parts: Vec<RawLeftOutPart>,
    #[serde(default)]
    absent: Vec<Spanned<String>>,
    #[serde(default)]
    builds: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLeftOutPart {
    part: Spanned<String>,
    requirement: Option<Spanned<String>>,
    reason: Spanned<String>,
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
            overrides: sorted(raw.overrides)?,
            options: raw
                .options
                .into_iter()
                .map(option)
                .collect::<Result<_, _>>()?,
        };
        let asked = AskedAddresses::of(&key);
        let set = PythonSet {
            origin: EntryOrigin::Read,
            python: plain(raw.python)?,
            packages: raw
                .packages
                .into_iter()
                .map(|line| requirement(line, &asked))
                .collect::<Result<_, _>>()?,
            left_out: sorted(raw.left_out)?,
            left_out_parts: raw
                .left_out_parts
                .into_iter()
                .map(left_out_part)
                .collect::<Result<_, _>>()?,
            absent: sorted(raw.absent)?,
            builds: sorted(raw.builds)?,
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

fn requirement(
    raw: RawRequirement,
    asked: &AskedAddresses<'_>,
) -> Result<LockedRequirement, SpannedProblem> {
    let (span, at) = (raw.sha256.span(), raw.requirement.span());
    let mut digests = Vec::new();
    for digest in raw.sha256.into_inner() {
        value::<Sha256>(&digest)?;
        digests.push(digest.into_inner());
    }
    let text = plain(raw.requirement)?;
    let package = LockedRequirement {
        requirement: text,
        sha256: digests,
    };
    match asked.check(&package) {
        Ok(()) => Ok(package),
        Err(LockedPackageFault::NoDigest) => Err(invalid("a list of digests", "[]", span)),
        Err(LockedPackageFault::Inexact) => {
            let expected = "an exact requirement (`idna==3.10`)";
            Err(invalid(expected, &package.requirement, at))
        }
        Err(LockedPackageFault::OtherAddress) => {
            let expected = "a package from an address that `requirements` has";
            Err(invalid(expected, &package.requirement, at))
        }
    }
}

fn left_out_part(raw: RawLeftOutPart) -> Result<LeftOutPart, SpannedProblem> {
    Ok(LeftOutPart {
        part: words(raw.part)?,
        requirement: raw.requirement.map(plain).transpose()?,
        reason: words(raw.reason)?,
    })
}

/// Reads words for the user, on one line.
fn words(text: Spanned<String>) -> Result<String, SpannedProblem> {
    let span: Range<usize> = text.span();
    let text = text.into_inner();
    if text.len() <= 4000 && !text.contains(char::is_control) {
        Ok(text)
    } else {
        Err(invalid("words on one line", &text, span))
    }
}

/// The reason why a locked package cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockedPackageFault {
    /// Its files have no digest.
    NoDigest,
    /// More than one version meets it.
    Inexact,
    /// It comes from an address that was not asked for.
    OtherAddress,
}

impl LockedRequirement {
    /// Returns the package and the address of a repository with its commit.
    pub fn repository(&self) -> Option<(PackageName, String)> {
        let own = AddressedPackage::of(&self.requirement)?;
        let commit = own.commit?;
        Some((own.name?, format!("{}@{commit}", own.address)))
    }
}

/// The packages with addresses that requirements name. A lockfile alone cannot add one.
///
/// A requirement without a name or a commit admits all of them.
pub struct AskedAddresses<'k>(BTreeSet<AddressedPackage<'k>>);

impl<'k> AskedAddresses<'k> {
    pub fn of(key: &'k PythonKey) -> Self {
        let asked = [&key.requirements, &key.constraints, &key.overrides].into_iter();
        let asked = asked.flatten().filter_map(|one| AddressedPackage::of(one));
        let without_branches = asked.map(|one| AddressedPackage {
            commit: one.commit.filter(|commit| is_commit(commit)),
            ..one
        });
        Self(without_branches.collect())
    }

    fn admits(&self, locked: &AddressedPackage<'_>) -> bool {
        let names = [None, locked.name.clone()].into_iter();
        names
            .flat_map(|name| [None, locked.commit].map(|commit| (name.clone(), commit)))
            .any(|(name, commit)| {
                self.0.contains(&AddressedPackage {
                    name,
                    commit,
                    ..*locked
                })
            })
    }

    /// Checks a package that answers the requirements: it is exact, has digests or a commit, and comes from an index or
    /// from one of these addresses.
    pub fn check(&self, package: &LockedRequirement) -> Result<(), LockedPackageFault> {
        let text = package.requirement.as_str();
        if is_exact(text) {
            return has_digest(package);
        }
        let own = AddressedPackage::of(text).ok_or(LockedPackageFault::Inexact)?;
        if !self.admits(&own) {
            return Err(LockedPackageFault::OtherAddress);
        }
        match own.commit {
            Some(commit) if is_commit(commit) => Ok(()),
            Some(_) => Err(LockedPackageFault::Inexact),
            None => has_digest(package),
        }
    }
}

const fn has_digest(package: &LockedRequirement) -> Result<(), LockedPackageFault> {
    if package.sha256.is_empty() {
        Err(LockedPackageFault::NoDigest)
    } else {
        Ok(())
    }
}

/// Returns whether a requirement is `NAME[EXTRA]==VERSION`, with or without a marker.
///
/// uv reads any other form that has `==` as an address or a directory, and puts in variables that the text names.
fn is_exact(text: &str) -> bool {
    let (exact, marker) = text.split_once(';').unwrap_or((text, ""));
    let Some((package, version)) = exact.split_once("==") else {
        return false;
    };
    let version = version.trim();
    let plain = |one: char| one.is_ascii_alphanumeric() || ".!+_-".contains(one);
    package_of(package).is_some()
        && !version.is_empty()
        && version.chars().all(plain)
        && is_plain_marker(marker)
}

/// Returns whether a marker compares values, and has nothing of the syntax that pip and uv know around requirements:
/// addresses, paths, variables, comments.
pub fn is_plain_marker(marker: &str) -> bool {
    let plain = |one: char| one.is_ascii_alphanumeric() || " '\"<>=!~()[],._-+*:|&".contains(one);
    marker.chars().all(plain)
}

/// Returns the package of `NAME` or `NAME[EXTRA,EXTRA]`.
fn package_of(text: &str) -> Option<PackageName> {
    let text = text.trim();
    let letters = |one: char| one.is_ascii_alphanumeric() || "-_. ,".contains(one);
    let name = match text.split_once('[') {
        Some((name, extras)) if extras.strip_suffix(']')?.chars().all(letters) => name,
        Some(_) => return None,
        None => text,
    };
    name.trim().parse().ok()
}

/// A requirement with an address: `name @ https://…`, or an address without a name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct AddressedPackage<'a> {
    name: Option<PackageName>,
    /// The address without revision and fragment.
    address: &'a str,
    fragment: &'a str,
    /// The revision of a repository, which a lockfile makes exact.
    commit: Option<&'a str>,
}

impl<'a> AddressedPackage<'a> {
    fn of(requirement: &'a str) -> Option<Self> {
        let named = requirement.split_once('@');
        let named = named.and_then(|(name, address)| Some((package_of(name)?, address)));
        let (name, text) = match named {
            Some((name, text)) => (Some(name), text.trim_start()),
            None if requirement.contains("://") => (None, requirement),
            None => return None,
        };
        // An address ends at a blank, as for uv.
        let (address, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim_start();
        if !rest.is_empty() && !rest.strip_prefix(';').is_some_and(is_plain_marker) {
            return None;
        }
        let (address, fragment) = address.trim().split_once('#').unwrap_or((address, ""));
        let address = address.trim();
        // An `@` before the path separates a user from the host.
        let path = address
            .find("://")
            .and_then(|at| Some(at + 3 + address[at + 3..].find('/')?));
        let revision = path
            .filter(|_| address.starts_with("git+"))
            .and_then(|at| Some(at + address[at..].rfind('@')?));
        Some(Self {
            name,
            address: &address[..revision.unwrap_or(address.len())],
            fragment: fragment.trim(),
            commit: revision.map(|at| &address[at + 1..]),
        })
    }
}

/// Reads an option for uv: one line that begins as an option.
fn option(text: Spanned<String>) -> Result<String, SpannedProblem> {
    let span: Range<usize> = text.span();
    let text = text.into_inner();
    if text.starts_with('-') && text.len() <= 4000 && !text.contains(char::is_control) {
        Ok(text)
    } else {
        Err(invalid("an option (`--index-url https://…`)", &text, span))
    }
}

/// Reads a requirement that one version meets.
pub(super) fn exact(text: Spanned<String>) -> Result<String, SpannedProblem> {
    let at = text.span();
    let requirement = plain(text)?;
    if !is_exact(&requirement) {
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
    let plain = !text.contains(char::is_control) && !text.contains(" -");
    if starts && plain && text.len() <= 4000 {
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
        for (name, values) in [
            ("constraints", &key.constraints),
            ("overrides", &key.overrides),
            ("options", &key.options),
        ] {
            if !values.is_empty() {
                line(text, name, list(values));
            }
        }
        line(text, "python", quoted(&set.python));
        for (name, values) in [
            ("left-out", &set.left_out),
            ("absent", &set.absent),
            ("builds", &set.builds),
        ] {
            if !values.is_empty() {
                line(text, name, list(values));
            }
        }
        if !set.left_out_parts.is_empty() {
            text.push_str("left-out-parts = [\n");
            for LeftOutPart {
                part,
                requirement,
                reason,
            } in &set.left_out_parts
            {
                let requirement = requirement.as_ref();
                let requirement = requirement.map(|one| format!("requirement = {}, ", quoted(one)));
                // Writing to a string cannot fail.
                let _infallible = writeln!(
                    text,
                    "  {{ part = {}, {}reason = {} }},",
                    quoted(part),
                    requirement.unwrap_or_default(),
                    quoted(reason)
                );
            }
            text.push_str("]\n");
        }
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
