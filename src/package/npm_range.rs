//! Requirements in npm's grammar: ranges, pre-releases, and the digests that Corepack puts behind a version.

use nodejs_semver::Range;
use pep440_rs::Version as Pep440;

use super::{
    Digest, Requirement, intersection, version_sets,
    version_sets::{VersionSet, write_version_set},
};

impl Requirement {
    /// Reads an npm version or range; nothing for other text.
    pub fn npm(text: &str) -> Option<Self> {
        let (range, digest) = Digest::split_from(text.trim());
        let parsed = Range::parse(range.replace(',', " ")).ok()?;
        let comparators = comparators(&parsed);
        if comparators.iter().flatten().any(|one| is_prerelease(one)) {
            // npm admits a pre-release only next to a bound with the same numbers, which bounds of PEP 440 cannot say.
            let bounds = Self::plain(&written(&comparators, pep440))?;
            return Some(
                bounds
                    .with_npm_range(range.trim(), parsed)
                    .with_digest(digest),
            );
        }
        let bounds = Self::plain(&written(&comparators, release_comparator))?;
        // Users know the text of their file, so it is kept if devsh's grammar gives it the same meaning.
        if let Some(own) = Self::plain(&join_bounds(&range))
            && let [one, other] = version_sets(&[&bounds, &own]).as_slice()
            && one == other
        {
            return Some(own.with_digest(digest));
        }
        let set: Vec<VersionSet> = version_sets(&[&bounds]);
        let shortest = write_version_set(&intersection(&set));
        let wanted = shortest
            .and_then(|text| Self::plain(&text))
            .unwrap_or(bounds);
        Some(wanted.with_digest(digest))
    }
}

/// Returns the alternatives of a range, each with its comparators as `nodejs-semver` prints them, without build data.
fn comparators(range: &Range) -> Vec<Vec<String>> {
    let plain = |comparator: &str| comparator.split('+').next().unwrap_or_default().to_owned();
    let range = range.to_string();
    let alternatives = range.split("||");
    alternatives
        .map(|all| all.split_whitespace().map(plain).collect())
        .collect()
}

/// Returns whether a bound is a pre-release; `<21.0.0-0` is only how npm excludes those of 21.
fn is_prerelease(comparator: &str) -> bool {
    comparator.contains('-') && !comparator.ends_with("-0")
}

/// Writes comparators in devsh's grammar.
fn written(alternatives: &[Vec<String>], write: impl Fn(&str) -> String) -> String {
    let all = alternatives.iter().map(|comparators| {
        let comparators: Vec<String> = comparators.iter().map(|one| write(one)).collect();
        comparators.join(",")
    });
    let all: Vec<String> = all.collect();
    if all
        .iter()
        .any(|one| matches!(one.as_str(), "*" | ">=0.0.0"))
    {
        return "*".to_owned();
    }
    all.join(" || ")
}

/// Returns a comparator with the nearest version that PEP 440 has.
fn pep440(comparator: &str) -> String {
    if !is_prerelease(comparator) {
        return release_comparator(comparator);
    }
    let at = comparator
        .find(|one: char| one.is_ascii_digit())
        .unwrap_or(0);
    let (operator, version) = comparator.split_at(at);
    match version.parse::<Pep440>() {
        Ok(known) if known.any_prerelease() => format!("{operator}{known}"),
        _ => {
            let release = version.split('-').next().unwrap_or_default();
            format!("{operator}{release}.dev0")
        }
    }
}

/// Replaces the blanks of Poetry (`>=3.11 <3.13`) with the commas of PEP 440.
pub fn join_bounds(version: &str) -> String {
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

/// Returns a comparator as `nodejs-semver` prints it in devsh's grammar.
fn release_comparator(comparator: &str) -> String {
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
