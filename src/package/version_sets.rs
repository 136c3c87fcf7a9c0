//! The versions that requirements admit, as sets of intervals.

use std::ops::Bound;

use pep440_rs::{Version as Pep440, VersionSpecifiers, release_specifiers_to_ranges};
use version_ranges::Ranges;

use super::{Requirement, version::Meaning};

/// A set of versions.
pub(super) type VersionSet = Ranges<Pep440>;

/// Returns whether one version can meet all `requirements`.
pub fn compatible(requirements: &[&Requirement]) -> bool {
    !intersection(&version_sets(requirements)).is_empty()
}

/// Returns whether every version that meets all `requirements` meets `other` too.
pub fn implied(requirements: &[&Requirement], other: &Requirement) -> bool {
    let all: Vec<&Requirement> = requirements.iter().copied().chain([other]).collect();
    let sets = version_sets(&all);
    sets.split_last()
        .is_some_and(|(other, sets)| intersection(sets).subset_of(other))
}

/// Returns the versions that are in all `sets`.
pub fn intersection(sets: &[VersionSet]) -> VersionSet {
    let all = VersionSet::full();
    sets.iter().fold(all, |all, one| all.intersection(one))
}

/// Returns the set of each requirement. The sets can be compared with each other.
pub fn version_sets(requirements: &[&Requirement]) -> Vec<VersionSet> {
    // Pre-releases are chosen only where a bound names one. Without such a bound only releases count, and
    // there is no version between `<3.13` and `>=3.13`.
    let convert = if requirements.iter().all(|one| names_releases(one)) {
        release_specifiers_to_ranges
    } else {
        VersionSet::from
    };
    let sets = requirements.iter().map(|one| version_set(one, convert));
    sets.collect()
}

fn version_set(
    requirement: &Requirement,
    convert: fn(VersionSpecifiers) -> VersionSet,
) -> VersionSet {
    match requirement.meaning() {
        Meaning::Channel(_) => VersionSet::full(),
        Meaning::Specifiers(alternatives) => alternatives
            .iter()
            .cloned()
            .map(convert)
            .fold(VersionSet::empty(), |all, one| all.union(&one)),
    }
}

fn names_releases(requirement: &Requirement) -> bool {
    requirement.bounds().iter().all(is_release)
}

fn is_release(version: &Pep440) -> bool {
    let special = version.any_prerelease() || version.is_post() || version.is_local();
    !special && version.epoch() == 0
}

/// Returns a set of releases as a requirement; nothing for the empty set and for bounds that are no releases.
pub fn write_version_set(set: &VersionSet) -> Option<String> {
    let intervals: Option<Vec<String>> = set
        .iter()
        .map(|(lower, upper)| write_interval(lower, upper))
        .collect();
    intervals
        .filter(|all| !all.is_empty())
        .map(|all| all.join(" || "))
}

fn write_interval(lower: &Bound<Pep440>, upper: &Bound<Pep440>) -> Option<String> {
    if [lower, upper]
        .into_iter()
        .filter_map(version_of)
        .any(|one| !is_release(one))
    {
        return None;
    }
    let above = match lower {
        Bound::Unbounded => String::new(),
        Bound::Included(version) => format!(">={}", join_numbers(without_zeros(version))),
        Bound::Excluded(version) => format!(">{version}"),
    };
    let below = match upper {
        Bound::Unbounded => String::new(),
        Bound::Included(version) => format!("<={version}"),
        Bound::Excluded(version) => format!("<{}", join_numbers(without_zeros(version))),
    };
    let short = match (lower, upper) {
        (Bound::Unbounded, Bound::Unbounded) => Some("*".to_owned()),
        (Bound::Included(low), Bound::Included(high)) if low == high => {
            // A bare version with fewer numbers is a prefix.
            let operator = if low.release().len() < 3 { "==" } else { "" };
            Some(format!("{operator}{low}"))
        }
        (Bound::Included(low), Bound::Excluded(high)) => shorthand(low, high),
        _ => None,
    };
    Some(
        short.unwrap_or_else(|| match (above.as_str(), below.as_str()) {
            ("", one) | (one, "") => one.to_owned(),
            (above, below) => format!("{above},{below}"),
        }),
    )
}

/// Returns the prefix (`3.12`), caret or tilde requirement for `>=low,<high`, if there is one.
fn shorthand(low: &Pep440, high: &Pep440) -> Option<String> {
    let (low, high) = (without_zeros(low), without_zeros(high));
    let follows = |kept: usize| {
        let mut next = low.to_vec();
        next.resize(kept + 1, 0);
        next[kept] = next[kept].saturating_add(1);
        next == high
    };
    for length in low.len()..=2 {
        if follows(length - 1) {
            let mut prefix = low.to_vec();
            prefix.resize(length, 0);
            return Some(join_numbers(&prefix));
        }
    }
    let first = low.iter().position(|number| *number != 0)?;
    if follows(first) {
        Some(format!("^{}", join_numbers(low)))
    } else if low.len() > 2 && follows(1) {
        Some(format!("~{}", join_numbers(low)))
    } else {
        None
    }
}

const fn version_of(bound: &Bound<Pep440>) -> Option<&Pep440> {
    match bound {
        Bound::Unbounded => None,
        Bound::Included(version) | Bound::Excluded(version) => Some(version),
    }
}

fn join_numbers(numbers: &[u64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    numbers.join(".")
}

/// Returns the numbers of a release up to the last that is not zero.
fn without_zeros(version: &Pep440) -> &[u64] {
    let release = version.release();
    let last = release.iter().rposition(|number| *number != 0);
    &release[..=last.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Vec<Requirement> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn requirements_without_a_common_version_are_incompatible() {
        let table = [
            (&["3.12.4", ">=3.13"][..], false),
            (&["3.12", ">=3.13"], false),
            (&["3.12", ">=3.12.5"], true),
            (&["3.12", ">3.12"], true),
            (&["^3.11", "<3.11"], false),
            (&[">=3.11,<3.13", "!=3.11.*", "!=3.12.*"], false),
            (&[">=3.11,<3.13", "!=3.11.*", ">=3"], true),
            (&["<3", "<2"], true),
            (&["~=3.11", "!=3.11.*"], true),
            (&["!=3.*", ">=3"], true),
            (&["3.14.0rc1", ">=3.11"], true),
            (&["3.14.0rc1", ">=3.14"], false),
            (&["1!2", "2"], false),
            (&["*"], true),
            (&["stable", ">=1.80"], true),
            (&["^18.17 || >=20", "19"], false),
            (&["^18.17 || >=20", "<20"], true),
        ];
        for (texts, expected) in table {
            let all = parse(texts);
            assert_eq!(
                compatible(&all.iter().collect::<Vec<_>>()),
                expected,
                "{texts:?}"
            );
        }
    }

    #[test]
    fn a_wider_requirement_is_implied() {
        for (all, other, expected) in [
            (&["^18.5"][..], "^18.1", true),
            (&["^18.1"], "^18.5", false),
            (&["^18.5"], "^18.1 || ^20", true),
            (&["^18 || ^20"], ">=18", true),
            (&[">=18"], "^18 || ^20", false),
            (&[">=18"], "^18 || ^19 || >=20", true),
            (&[">=3.11", "<3.13"], "3.11 || 3.12", true),
            (&[">=3.11", "<=3.13"], "3.11 || 3.12", false),
            (&["3.12.4"], "3.12", true),
            (&[">=3.12"], "!=3.11.*", true),
            (&[">=3.11"], "!=3.12.*", false),
            (&["3.14.0rc1"], ">=3.11", true),
        ] {
            let all = parse(all);
            let all: Vec<&Requirement> = all.iter().collect();
            assert_eq!(
                implied(&all, &other.parse().unwrap()),
                expected,
                "{all:?} {other}"
            );
        }
    }

    #[test]
    fn a_set_is_written_in_its_shortest_form() {
        for (texts, expected) in [
            (&["*"][..], Some("*")),
            (&[">=20.0.0,<21.0.0"], Some("20")),
            (&[">=20.0,<20.1"], Some("20.0")),
            (&[">=3.12,<4"], Some("^3.12")),
            (&[">=0.2.3,<0.3"], Some("^0.2.3")),
            (&[">=3.12.2,<3.13"], Some("~3.12.2")),
            (&[">=3.11,<3.13"], Some(">=3.11,<3.13")),
            (&["==3.11"], Some("==3.11")),
            (&["3.11.2"], Some("3.11.2")),
            (&[">3.11.2,<=3.12"], Some(">3.11.2,<=3.12")),
            (&["<1 || >=2"], Some("<1 || >=2")),
            (&["^18.1 || ^20.3", ">=18.2"], Some("^18.2 || ^20.3")),
            (&[">=3", "<2"], None),
            (&[">=3.14.0rc1"], None),
        ] {
            let all = parse(texts);
            let sets = version_sets(&all.iter().collect::<Vec<_>>());
            let written = write_version_set(&intersection(&sets));
            assert_eq!(written.as_deref(), expected, "{texts:?}");
        }
    }
}
