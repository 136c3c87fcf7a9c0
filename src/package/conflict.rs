//! Whether requirements can be met together, decided without knowing any version.

use pep440_rs::Version as Pep440;

use super::{Requirement, Version};

/// Returns whether some version is within the bounds of all `requirements`.
///
/// What several requirements cover together begins at a bound that one of them names, just above one, or
/// after a prefix that one of them ends: if none of these is covered, nothing is. Where a bound is a
/// pre-release or a post-release there is no such simple order, and the answer is yes.
pub fn compatible(requirements: &[&Requirement]) -> bool {
    let covered = |version: &Version| requirements.iter().all(|one| one.covers(version));
    samples(requirements).is_none_or(|mut all| all.any(|version| covered(&version)))
}

/// Returns whether all that `requirements` cover together is within the bounds of `other` too.
///
/// It is told by the same versions; where there is no such simple order the answer is no.
pub fn implied(requirements: &[&Requirement], other: &Requirement) -> bool {
    let covered = |version: &Version| requirements.iter().all(|one| one.covers(version));
    let all: Vec<&Requirement> = requirements.iter().copied().chain([other]).collect();
    samples(&all)
        .is_some_and(|mut all| all.all(|version| other.covers(&version) || !covered(&version)))
}

/// Returns the versions at which something can begin to be covered or end to be, if they can be told.
fn samples(requirements: &[&Requirement]) -> Option<impl Iterator<Item = Version>> {
    let bounds: Vec<Version> = requirements.iter().flat_map(|one| one.bounds()).collect();
    let special = |bound: &Version| {
        bound.is_prerelease() || bound.pep440().is_post() || bound.pep440().is_local()
    };
    if bounds.iter().any(special) {
        return None;
    }
    let first = Version::from(Pep440::new([0]));
    let all = bounds.into_iter().flat_map(|bound| beginnings(&bound));
    Some(std::iter::once(first).chain(all))
}

/// Returns the bound itself, a version just above it, and what follows each of its prefixes.
fn beginnings(bound: &Version) -> Vec<Version> {
    let release = bound.release();
    let mut above = release.to_vec();
    above.resize(release.len().max(3), 0);
    above.push(1);
    let mut all = vec![release.to_vec(), above];
    for length in 1..=release.len() {
        let mut after = release[..length].to_vec();
        after[length - 1] = after[length - 1].saturating_add(1);
        all.push(after);
    }
    let epoch = bound.pep440().epoch();
    all.into_iter()
        .map(|numbers| Pep440::new(numbers).with_epoch(epoch).into())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions_are_seen() {
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
            (&["*"], true),
            (&["stable", ">=1.80"], true),
            (&["^18.17 || >=20", "19"], false),
            (&["^18.17 || >=20", "<20"], true),
        ];
        for (texts, expected) in table {
            let all: Vec<Requirement> = texts.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(
                compatible(&all.iter().collect::<Vec<_>>()),
                expected,
                "{texts:?}"
            );
        }
    }

    #[test]
    fn what_follows_is_seen() {
        for (all, other, expected) in [
            (&["^18.5"][..], "^18.1", true),
            (&["^18.1"], "^18.5", false),
            (&["^18.5"], "^18.1 || ^20", true),
            (&["^18 || ^20"], ">=18", true),
            (&[">=18"], "^18 || ^20", false),
            (&[">=3.11", "<3.13"], "3.11 || 3.12", true),
            (&[">=3.11", "<=3.13"], "3.11 || 3.12", false),
            (&["3.12.4"], "3.12", true),
            (&[">=3.12"], "!=3.11.*", true),
            (&[">=3.11"], "!=3.12.*", false),
            (&["3.14.0rc1"], ">=3.11", false),
        ] {
            let all: Vec<Requirement> = all.iter().map(|one| one.parse().unwrap()).collect();
            let all: Vec<&Requirement> = all.iter().collect();
            assert_eq!(
                implied(&all, &other.parse().unwrap()),
                expected,
                "{all:?} {other}"
            );
        }
    }
}
