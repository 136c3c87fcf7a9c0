//! Merges two lockfiles with a common base, for Git's merge driver. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use super::{
    conda::CondaSet,
    image_base::ImageBase,
    model::{LockedPackage, Lockfile},
    pin::ExtendsPin,
    python::{PythonKey, PythonSet, PythonSets},
};

/// Returns the merged lockfile, or the entries that only a person can decide.
///
/// A change of one side is taken. If both sides chose a version for the same request, the newer one is taken:
/// both answer it.
pub fn merge(base: &Lockfile, ours: &Lockfile, theirs: &Lockfile) -> Result<Lockfile, Vec<String>> {
    let mut conflicts = Vec::new();
    let packages = three_way(
        [&base.packages, &ours.packages, &theirs.packages],
        newer,
        &mut conflicts,
    );
    let extends = three_way(
        [&base.extends, &ours.extends, &theirs.extends],
        |_: Option<&ExtendsPin>, _| None,
        &mut conflicts,
    );
    let python = three_way(
        [&base.python, &ours.python, &theirs.python]
            .map(named)
            .each_ref(),
        |_: Option<&(PythonKey, PythonSet)>, _| None,
        &mut conflicts,
    );
    let conda = three_way(
        [&base.conda, &ours.conda, &theirs.conda],
        |_: Option<&CondaSet>, _| None,
        &mut conflicts,
    );
    let image_bases = three_way(
        [&base.image_bases, &ours.image_bases, &theirs.image_bases],
        |_: Option<&ImageBase>, _| None,
        &mut conflicts,
    );
    if conflicts.is_empty() {
        let python = python.into_values().collect();
        Ok(Lockfile {
            packages,
            python,
            conda,
            extends,
            image_bases,
        })
    } else {
        Err(conflicts)
    }
}

/// Returns the sets by the words that name them in a conflict.
fn named(sets: &PythonSets) -> BTreeMap<String, (PythonKey, PythonSet)> {
    let named = |(key, set): (&PythonKey, &PythonSet)| {
        let words = format!("Python packages {key}");
        (words, (key.clone(), set.clone()))
    };
    sets.iter().map(named).collect()
}

fn three_way<K: Ord + Clone + Display, V: Clone + PartialEq>(
    [base, ours, theirs]: [&BTreeMap<K, V>; 3],
    settle: impl Fn(Option<&V>, Option<&V>) -> Option<V>,
    conflicts: &mut Vec<String>,
) -> BTreeMap<K, V> {
    let keys: BTreeSet<&K> = [base, ours, theirs]
        .into_iter()
        .flat_map(BTreeMap::keys)
        .collect();
    let mut merged = BTreeMap::new();
    for key in keys {
        let (old, our, their) = (base.get(key), ours.get(key), theirs.get(key));
        let kept = if our == their || their == old {
            our.cloned()
        } else if our == old {
            their.cloned()
        } else if let Some(settled) = settle(our, their) {
            Some(settled)
        } else {
            conflicts.push(key.to_string());
            None
        };
        merged.extend(kept.map(|value| (key.clone(), value)));
    }
    merged
}

/// A request that one side dropped and the other changed is still a request of one of them.
fn newer(ours: Option<&LockedPackage>, theirs: Option<&LockedPackage>) -> Option<LockedPackage> {
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return ours.or(theirs).cloned();
    };
    let order = |one: &LockedPackage| (one.version.clone(), one.build.clone());
    if order(ours) == order(theirs) {
        return None;
    }
    Some(
        if order(ours) > order(theirs) {
            ours
        } else {
            theirs
        }
        .clone(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile::parse;

    fn lockfile(tools: &[(&str, &str)]) -> Lockfile {
        let mut text = "version = 1\n".to_owned();
        for (name, version) in tools {
            let digest = "0".repeat(64);
            let block = format!(
                "[[tool]]\nname = \"{name}\"\nrequirement = \"*\"\nversion = \"{version}\"\nartifacts = \
                 [{{ system = \"linux-x86_64\", url = \"https://h/{version}\", sha256 = \"{digest}\" }}]\n"
            );
            text.push_str(&block);
        }
        parse("l", &text).unwrap()
    }

    #[test]
    fn both_sides_count() {
        let base = lockfile(&[("ruff", "1"), ("uv", "1")]);
        for (ours, theirs, expected) in [
            (
                vec![("ruff", "1"), ("uv", "1"), ("just", "1")],
                vec![("ruff", "1"), ("uv", "1"), ("typos", "1")],
                vec![("just", "1"), ("ruff", "1"), ("typos", "1"), ("uv", "1")],
            ),
            (
                vec![("ruff", "2"), ("uv", "1")],
                vec![("ruff", "1"), ("uv", "2")],
                vec![("ruff", "2"), ("uv", "2")],
            ),
            (
                vec![("ruff", "2"), ("uv", "1")],
                vec![("ruff", "10"), ("uv", "1")],
                vec![("ruff", "10"), ("uv", "1")],
            ),
            (
                vec![("uv", "1")],
                vec![("ruff", "1"), ("uv", "3")],
                vec![("uv", "3")],
            ),
            (
                vec![("uv", "1")],
                vec![("ruff", "2"), ("uv", "1")],
                vec![("ruff", "2"), ("uv", "1")],
            ),
        ] {
            let (ours, theirs) = (lockfile(&ours), lockfile(&theirs));
            let merged = merge(&base, &ours, &theirs).unwrap();
            assert_eq!(merged, lockfile(&expected));
            assert_eq!(merge(&base, &theirs, &ours).unwrap(), merged);
        }
        let pinned = |digit: &str| Lockfile {
            extends: [(
                "https://h/x.toml".to_owned(),
                ExtendsPin {
                    commit: None,
                    sha256: digit.repeat(64).parse().unwrap(),
                },
            )]
            .into(),
            ..Lockfile::default()
        };
        let conflicts = merge(&pinned("0"), &pinned("1"), &pinned("2")).unwrap_err();
        assert_eq!(conflicts, ["https://h/x.toml"]);
    }
}
