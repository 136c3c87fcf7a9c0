//! Versions and requirements, in one grammar for every source.
//!
//! A bare number is a prefix: `3.12` means the newest `3.12.x`, `4` the newest `4.x`. The operators are those of
//! PEP 440 (`>=3.11,<3.13`, `~=3.12`, `==3.12.*`) and `^` and `~` as in Cargo and Poetry. `*` and `latest` mean any
//! version, and `||` separates alternatives. A Rust channel (`stable`, `nightly-2026-10-01`) is a requirement too.
//! Pre-releases are chosen only if the requirement names one.

use std::{cmp::Ordering, fmt, str::FromStr};

use pep440_rs::{Operator, Version as Pep440, VersionSpecifier, VersionSpecifiers};
use serde::{Deserialize, Serialize};

use super::{Digest, Invalid};

/// A version, ordered as PEP 440 orders it and printed as its source wrote it.
///
/// A pre-release that only npm's grammar has (`1.2.0-next.3`) comes before those of PEP 440.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Version {
    text: String,
    key: Pep440,
    /// Set for such a pre-release.
    npm: Option<Box<nodejs_semver::Version>>,
    /// True if only its text distinguishes it from other versions.
    opaque: bool,
}

impl Version {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns a version of a source with a grammar of its own (`1.1.1w`, `9e`, `1!2.0`).
    pub fn opaque(text: &str) -> Result<Self, Invalid> {
        text.parse().or_else(|invalid| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+!~".contains(&byte);
            let first = |first: char| first.is_ascii_alphanumeric() || first == '_';
            let valid = text.len() <= 200 && text.starts_with(first) && text.bytes().all(plain);
            valid
                .then(|| Self {
                    text: text.to_owned(),
                    key: Pep440::new([0]),
                    npm: None,
                    opaque: true,
                })
                .ok_or(invalid)
        })
    }

    /// Returns the numbers of the release: 3, 12 and 4 for `3.12.4`.
    pub fn release(&self) -> &[u64] {
        self.key.release()
    }

    /// Returns whether this is an alpha, beta, candidate or development version.
    pub fn is_prerelease(&self) -> bool {
        self.key.any_prerelease()
    }

    /// Returns the release that a pre-release precedes: `1.97.0` for `1.97.0.dev20261030`.
    #[must_use]
    pub fn final_release(&self) -> Self {
        Self::from(self.key.only_release())
    }

    /// Returns the version in the normal form that PEP 440 compares by.
    pub const fn pep440(&self) -> &Pep440 {
        &self.key
    }
}

impl From<Pep440> for Version {
    fn from(key: Pep440) -> Self {
        Self {
            text: key.to_string(),
            key,
            npm: None,
            opaque: false,
        }
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.text
    }
}

impl TryFrom<String> for Version {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl FromStr for Version {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("a version", text);
        // A version becomes part of a store path. PEP 440 allows no separator either, but this must not depend on it.
        if text.len() > 100 || text.contains(['/', '\\']) || text.trim() != text {
            return Err(invalid());
        }
        let (key, npm) = if let Ok(key) = Pep440::from_str(text) {
            (key, None)
        } else {
            let npm = npm_prerelease(text).ok_or_else(invalid)?;
            let release = [npm.major(), npm.minor(), npm.patch()];
            let key = Pep440::new(release).with_dev(Some(0));
            (key, Some(Box::new(npm)))
        };
        Ok(Self {
            text: text.to_owned(),
            key,
            npm,
            opaque: false,
        })
    }
}

/// Parses a pre-release in npm's grammar.
fn npm_prerelease(text: &str) -> Option<nodejs_semver::Version> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    if !text.starts_with(|first: char| first.is_ascii_digit()) || !text.bytes().all(plain) {
        return None;
    }
    let version = nodejs_semver::Version::parse(text).ok()?;
    version.is_prerelease().then_some(version)
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key
            .cmp(&other.key)
            .then_with(|| match (&self.npm, &other.npm) {
                (None, None) => Ordering::Equal,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(one), Some(other)) => one.cmp(other),
            })
            .then_with(|| match (self.opaque, other.opaque) {
                (true, true) => self.text.cmp(&other.text),
                (one, other) => other.cmp(&one),
            })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The longest accepted requirement in bytes.
///
/// Alternatives of several requirements multiply when their sets are compared.
pub const LONGEST_REQUIREMENT: usize = 2000;

/// A requirement on the version of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    text: String,
    meaning: Meaning,
    /// Bare versions of three numbers. A package may add a fourth to the number of the program in it.
    programs: Vec<Pep440>,
    /// The range in npm's own grammar, if it names a pre-release.
    npm: Option<Box<nodejs_semver::Range>>,
    /// The SHA-512 that the archive of the version must have.
    digest: Option<Digest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Alternatives, of which a version has to meet one.
    Specifiers(Vec<VersionSpecifiers>),
    /// A Rust channel, or a tag of the npm registry.
    Channel(String),
}

impl Requirement {
    /// Returns the requirement that every version meets, written `*`.
    pub fn any() -> Self {
        Self::meaning_of("*", Meaning::Specifiers(vec![VersionSpecifiers::empty()]))
    }

    /// Parses a requirement in devsh's own grammar.
    pub(super) fn plain(text: &str) -> Option<Self> {
        let (bounds, digest) = Digest::split_from(text);
        let meaning = match &*bounds {
            "*" | "latest" => Meaning::Specifiers(vec![VersionSpecifiers::empty()]),
            _ if is_channel(&bounds) => Meaning::Channel(bounds.clone()),
            _ => Meaning::Specifiers(bounds.split("||").map(specifiers).collect::<Option<_>>()?),
        };
        Some(Self {
            programs: bounds.split("||").filter_map(program).collect(),
            digest,
            ..Self::meaning_of(text, meaning)
        })
    }

    /// Returns the requirement that a tag of the npm registry (`next`) means; nothing for text that cannot be a tag.
    pub fn tag(text: &str) -> Option<Self> {
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_tag = text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.len() <= 100
            && text.bytes().all(named)
            && nodejs_semver::Range::parse(text).is_err();
        is_tag.then(|| Self::meaning_of(text, Meaning::Channel(text.to_owned())))
    }

    /// Returns the requirement that a release line of Node.js means: `lts`, `lts/*`, `lts/jod`, `lts-jod`, or `lts/-1` for
    /// the line before the newest one.
    pub fn release_line(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let name = match lower.strip_prefix("lts")? {
            "" => "*",
            rest => rest.strip_prefix(['/', '-'])?,
        };
        let is_word = |word: &str| {
            let mut bytes = word.bytes();
            !word.is_empty() && word.len() <= 50 && bytes.all(|byte| byte.is_ascii_alphanumeric())
        };
        let is_earlier = |number: &str| number.len() <= 3 && number.parse::<u16>().is_ok();
        let is_line =
            name == "*" || is_word(name) || name.strip_prefix('-').is_some_and(is_earlier);
        let line = format!("lts/{name}");
        is_line.then(|| Self::meaning_of(&line.clone(), Meaning::Channel(line)))
    }

    fn meaning_of(text: &str, meaning: Meaning) -> Self {
        Self {
            text: text.to_owned(),
            meaning,
            programs: Vec::new(),
            npm: None,
            digest: None,
        }
    }

    /// Returns the requirement with a text and range of npm; its bounds stay for comparisons with others.
    pub(super) fn with_npm_range(self, text: &str, range: nodejs_semver::Range) -> Self {
        Self {
            text: text.to_owned(),
            npm: Some(Box::new(range)),
            ..self
        }
    }

    pub(super) fn with_digest(mut self, digest: Option<Digest>) -> Self {
        if let Some(digest) = &digest {
            self.text.push_str(&digest.behind_version());
        }
        self.digest = digest;
        self
    }

    /// Returns the requirement on the version alone.
    #[must_use]
    pub fn without_digest(self) -> Self {
        let (text, _) = Digest::split_from(&self.text);
        Self {
            text,
            digest: None,
            ..self
        }
    }

    /// Returns the SHA-512 that the archive of the version must have, if the requirement names one.
    pub const fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Returns the text as the manifest wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the Rust channel (`stable`, `beta-2026-01-01`) or npm tag (`next`) that this names, if any.
    pub fn channel(&self) -> Option<&str> {
        match &self.meaning {
            Meaning::Channel(channel) => Some(channel),
            Meaning::Specifiers(_) => None,
        }
    }

    /// Returns the only version that this admits (`3.12.4`, `==0.6.1`), if there is only one.
    pub fn exact(&self) -> Option<Version> {
        let Meaning::Specifiers(alternatives) = &self.meaning else {
            return None;
        };
        let [specifiers] = alternatives.as_slice() else {
            return None;
        };
        let mut pinned = specifiers
            .iter()
            .filter(|one| matches!(one.operator(), Operator::Equal | Operator::ExactEqual));
        pinned
            .next()
            .and_then(|one| one.version().to_string().parse().ok())
    }

    /// Returns whether a tool of `version` meets the requirement. A channel admits every version.
    pub fn admits(&self, version: &Version) -> bool {
        self.covers(version) && (!version.is_prerelease() || self.names_prerelease())
    }

    /// Returns whether `version` is within the bounds, also if it is a pre-release that `admits` refuses.
    pub fn covers(&self, version: &Version) -> bool {
        if let Some(range) = &self.npm
            && let Ok(version) = nodejs_semver::Version::parse(version.as_str())
        {
            return range.satisfies(&version);
        }
        match &self.meaning {
            Meaning::Channel(_) => true,
            Meaning::Specifiers(alternatives) => {
                let repackaged = |program: &Pep440| {
                    let special = version.is_prerelease() || version.key.is_post();
                    let release = version.release();
                    !special && release.len() == 4 && release.starts_with(program.release())
                };
                alternatives
                    .iter()
                    .any(|specifiers| specifiers.contains(version.pep440()))
                    || self.programs.iter().any(repackaged)
            }
        }
    }

    pub(super) const fn meaning(&self) -> &Meaning {
        &self.meaning
    }

    /// Returns the versions that the bounds name; none for a channel.
    pub(super) fn bounds(&self) -> Vec<Pep440> {
        match &self.meaning {
            Meaning::Channel(_) => Vec::new(),
            Meaning::Specifiers(alternatives) => alternatives
                .iter()
                .flat_map(|all| all.iter())
                .map(|one| one.version().clone())
                .collect(),
        }
    }

    /// Returns whether a bound is a pre-release.
    pub fn names_prerelease(&self) -> bool {
        match &self.meaning {
            Meaning::Channel(_) => true,
            Meaning::Specifiers(_) => self.bounds().iter().any(Pep440::any_prerelease),
        }
    }
}

impl Default for Requirement {
    fn default() -> Self {
        Self::any()
    }
}

impl FromStr for Requirement {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let trimmed = text.trim();
        if trimmed.len() > LONGEST_REQUIREMENT {
            return Err(Invalid::new("a short version requirement", text));
        }
        // Only npm's grammar has a pre-release such as `1.2.0-next.3`. Other words with a hyphen are no versions here.
        let numbered = |rest: &str| {
            let number = rest.split_once('.').map(|(_, number)| number);
            number.is_some_and(|number| number.starts_with(|one: char| one.is_ascii_digit()))
        };
        let npm = || Self::npm(trimmed).filter(|wanted| wanted.npm.is_some());
        let is_npm = trimmed.split('-').skip(1).all(numbered);
        Self::plain(trimmed)
            .or_else(|| npm().filter(|_| is_npm))
            .ok_or_else(|| Invalid::requirement(text))
    }
}

/// Returns the version of a program that `text` alone names.
fn program(text: &str) -> Option<Pep440> {
    let version = Pep440::from_str(text.trim()).ok()?;
    let special = version.any_prerelease() || version.is_post() || version.is_local();
    (version.release().len() == 3 && !special).then_some(version)
}

impl fmt::Display for Requirement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn is_channel(text: &str) -> bool {
    let (name, date) = text
        .split_once('-')
        .map_or((text, None), |(name, date)| (name, Some(date)));
    let dated = |date: &str| {
        date.len() == 10
            && date.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    matches!(name, "stable" | "beta" | "nightly") && date.is_none_or(dated)
}

fn specifiers(text: &str) -> Option<VersionSpecifiers> {
    let mut all = Vec::new();
    for part in text.split(',').map(str::trim) {
        if let Some(base) = part.strip_prefix('^') {
            all.extend(caret(&Pep440::from_str(base.trim()).ok()?)?);
        } else if let Some(base) = part.strip_prefix('~').filter(|rest| !rest.starts_with('=')) {
            all.extend(tilde(&Pep440::from_str(base.trim()).ok()?)?);
        } else if part.starts_with(|first: char| first.is_ascii_digit()) {
            all.push(bare(part)?);
        } else {
            all.push(VersionSpecifier::from_str(part).ok()?);
        }
    }
    // The sets of versions compute the next number of each bound.
    let bounded = all.iter().all(|one| has_successor(one.version()));
    bounded.then(|| all.into_iter().collect())
}

fn has_successor(version: &Pep440) -> bool {
    let pre = version.pre().map(|pre| pre.number);
    let parts = [pre, version.post(), version.dev()];
    let mut numbers = parts.iter().flatten().chain(version.release());
    numbers.all(|number| *number < u64::MAX)
}

/// A bare version is a prefix if it has fewer than three numbers, else exactly this version.
fn bare(text: &str) -> Option<VersionSpecifier> {
    let stem = text.strip_suffix(".*").unwrap_or(text);
    let version = Pep440::from_str(stem).ok()?;
    let prefix = text.ends_with(".*")
        || (version.release().len() < 3 && !version.any_prerelease() && !version.is_post());
    let operator = if prefix {
        Operator::EqualStar
    } else {
        Operator::Equal
    };
    VersionSpecifier::from_version(operator, version).ok()
}

/// `^1.2.3` admits versions with the same first number that is not zero.
fn caret(version: &Pep440) -> Option<[VersionSpecifier; 2]> {
    let release = version.release();
    let kept = release.iter().position(|number| *number != 0);
    keeping(version, kept.unwrap_or(release.len() - 1))
}

/// `~1.2.3` admits versions with the same first two numbers.
fn tilde(version: &Pep440) -> Option<[VersionSpecifier; 2]> {
    keeping(version, 1.min(version.release().len() - 1))
}

/// Admits `version` and later ones that have the same numbers up to position `kept`.
fn keeping(version: &Pep440, kept: usize) -> Option<[VersionSpecifier; 2]> {
    let mut next = version.release().get(..=kept)?.to_vec();
    let last = next.last_mut()?;
    *last = last.checked_add(1)?;
    Some([
        VersionSpecifier::from_version(Operator::GreaterThanEqual, version.clone()).ok()?,
        VersionSpecifier::from_version(Operator::LessThan, Pep440::new(next)).ok()?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_requirement_is_refused() {
        let many = |count: usize| vec!["^18.1"; count].join("||").parse::<Requirement>();
        assert!(many(200).is_ok());
        assert!(many(1_000).is_err());
    }

    #[test]
    fn requirements_accept_the_expected_versions() {
        let table = [
            ("3.12", "3.12.11", true),
            ("3.12", "3.13.0", false),
            ("3", "3.13.0", true),
            ("3.12.4", "3.12.4", true),
            ("3.12.4", "3.12.5", false),
            ("0.12", "0.12.0", true),
            ("25", "25.1.0", true),
            ("3.12.*", "3.12.7", true),
            (">=3.11,<3.13", "3.12.1", true),
            (">=3.11, <3.13", "3.13.0", false),
            ("~=3.11", "3.13.0", true),
            ("~=3.11.2", "3.12.0", false),
            ("^1.2.3", "1.9.0", true),
            ("^1.2.3", "2.0.0", false),
            ("^0.2.3", "0.3.0", false),
            ("^3.11", "3.14.1", true),
            ("^0.0.3", "0.0.4", false),
            ("~3.11", "3.11.9", true),
            ("~3.11", "3.12.0", false),
            ("~3", "3.12.0", true),
            ("~3.11.2", "3.11.1", false),
            ("~3.11.2", "3.11.9", true),
            ("==0.6.1", "0.6.1", true),
            ("!=3.12.3,>=3.12", "3.12.3", false),
            ("*", "1.0", true),
            ("latest", "1.0b1", false),
            (">=1.0b1", "1.0b2", true),
            ("3.14.0rc1", "3.14.0rc1", true),
            ("3.14", "3.14.0rc1", false),
            ("^18.17.0 || >=20.3", "18.20.1", true),
            ("^18.17.0 || >=20.3", "19.1.0", false),
            ("^18.17.0 || >=20.3", "22.0.0", true),
        ];
        for (requirement, version, admitted) in table {
            let parsed: Requirement = requirement.parse().unwrap();
            let version: Version = version.parse().unwrap();
            assert_eq!(parsed.admits(&version), admitted, "{requirement} {version}");
            assert_eq!(parsed.to_string(), requirement);
        }
    }

    #[test]
    fn channels_are_requirements() {
        for text in ["stable", "beta", "nightly", "nightly-2026-10-01"] {
            assert_eq!(text.parse::<Requirement>().unwrap().channel(), Some(text));
        }
        for text in [
            "nightly-today",
            "stable-",
            "unstable",
            "",
            ">",
            "3.x",
            "=>3",
            "3 ||",
            "3 || x",
            "a/b",
            "1..2",
            "^18446744073709551615",
            "18446744073709551615",
            "==1.18446744073709551615.*",
            ">1.post18446744073709551615",
            "~",
        ] {
            assert!(text.parse::<Requirement>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn exact_pins_are_seen() {
        let exact = |text: &str| {
            text.parse::<Requirement>()
                .unwrap()
                .exact()
                .map(|version| version.to_string())
        };
        assert_eq!(exact("3.12.4").as_deref(), Some("3.12.4"));
        assert_eq!(exact("==0.6"), Some("0.6".to_owned()));
        assert_eq!(exact("3.12"), None);
        assert_eq!(exact(">=3"), None);
    }

    #[test]
    fn versions_are_safe_path_parts() {
        for bad in ["../1", "1/2", "", " 1", "1\n", "x"] {
            assert!(bad.parse::<Version>().is_err(), "{bad:?}");
        }
    }
}
