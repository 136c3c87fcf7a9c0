//! Whether requirements can be met together, decided without knowing any version.

use pep440_rs::Version as Pep440;

use super::{Requirement, Version};

/// Returns whether some version is within the bounds of all `requirements`.
///
/// What several requirements cover together begins at a bound that one of them names, just above one, or
/// after a prefix that one of them ends: if none of these is covered, nothing is. Where a bound is a
/// pre-release or a post-release there is no such simple order, and the answer is yes.
pub fn compatible(requirements: &[&Requirement]) -> bool {
    let bounds: Vec<Version> = requirements.iter().flat_map(|one| one.bounds()).collect();
    let special = |bound: &Version| {
        bound.is_prerelease() || bound.pep440().is_post() || bound.pep440().is_local()
    };
    if bounds.iter().any(special) {
        return true;
    }
    std::iter::once(Version::from(Pep440::new([0])))
        .chain(bounds.iter().flat_map(beginnings))
        .any(|version| requirements.iter().all(|one| one.covers(&version)))
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
}
