//! The bounds that several files put on one tool, written as one requirement.

use std::collections::BTreeSet;

use super::{Origin, ToolRequest};
use crate::{
    package::{
        LONGEST_REQUIREMENT, Requirement, implied, intersection, shorten_digest, version_sets,
        write_version_set,
    },
    util::word_lists::join_first,
};

/// Most bounds that are listed one by one.
const SHOWN: usize = 8;

/// Returns the requirement and the floors of a request as one requirement, or as a list where that is not possible.
pub fn whole(request: &ToolRequest) -> String {
    shorten_digest(&all_bounds(request))
}

fn all_bounds(request: &ToolRequest) -> String {
    combined(request).unwrap_or_else(|| {
        let all = distinct(request);
        let all = all.iter().map(|one| match one.as_str() {
            text if text.contains("||") => format!("({text})"),
            text => text.to_owned(),
        });
        join_first(&all.collect::<Vec<_>>(), SHOWN)
    })
}

/// Returns the requirement and the floors of a request as one requirement; nothing if no version can meet them or the
/// text would be longer than a requirement may be.
///
/// A floor that the other bounds imply is left out. A channel takes no floors: a bound on a number has no meaning for it.
fn combined(request: &ToolRequest) -> Option<String> {
    let requirement = &request.requirement.value;
    if requirement.channel().is_some() {
        return Some(requirement.to_string());
    }
    let mut parts = distinct(request);
    let length: usize = parts.iter().map(|part| part.as_str().len() + 1).sum();
    if length > LONGEST_REQUIREMENT {
        return None;
    }
    // The user's own requirement stays as it is written.
    let first_floor = usize::from(parts.first() == Some(&requirement));
    for at in (first_floor..parts.len()).rev() {
        let part = parts.remove(at);
        if parts.is_empty() || !implied(&parts, part) {
            parts.insert(at, part);
        }
    }
    let texts: Vec<&str> = parts.iter().map(|part| part.as_str()).collect();
    match texts.as_slice() {
        [] => Some("*".to_owned()),
        [_, _, ..] if texts.iter().any(|text| text.contains("||")) => {
            write_version_set(&intersection(&version_sets(&parts)))
        }
        _ => Some(texts.join(",")),
    }
    .filter(|text| text.len() <= LONGEST_REQUIREMENT)
}

/// Returns the requirement and the floors that restrict anything, each text once.
fn distinct(request: &ToolRequest) -> Vec<&Requirement> {
    let mut seen = BTreeSet::from(["*"]);
    let all = request.constraints().map(|one| &one.value);
    all.filter(|one| seen.insert(one.as_str())).collect()
}

/// Returns the origin to name for a request: the last floor that restricts anything where no version is asked for.
pub fn decisive(request: &ToolRequest) -> &Origin {
    let own = &request.requirement;
    let any = own.value.as_str() == "*";
    let floors = || request.floors.iter().filter(|_| any);
    // A floor that the others imply decides nothing.
    let highest = floors().rev().find(|floor| {
        let others = request.constraints().map(|one| &one.value);
        let others: Vec<&Requirement> = others.filter(|one| **one != floor.value).collect();
        !implied(&others, &floor.value)
    });
    let floor = highest.or_else(|| floors().next_back());
    &floor.unwrap_or(own).origin
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Located;
    use crate::package::{ReleaseOptions, Version};

    fn request(requirement: &str, floors: &[&str]) -> ToolRequest {
        let located = |text: &&str| Located {
            value: text.parse().unwrap(),
            origin: Origin {
                file: "a".into(),
                is_preset: false,
                line: 1,
            },
        };
        ToolRequest {
            requirement: located(&requirement),
            floors: floors.iter().map(located).collect(),
            components: Vec::new(),
            targets: Vec::new(),
            options: ReleaseOptions::default(),
            is_below_root: false,
        }
    }

    #[test]
    fn the_place_is_that_of_the_floor_that_counts() {
        for (requirement, floors, line) in [
            ("*", &[">=1.88", ">=1.96", ">=1.88"][..], 1),
            ("*", &[">=1.96", ">=1.88"], 0),
            ("*", &[">=3.11", ">=3.11"], 1),
            ("1.97", &[">=1.96"], 9),
        ] {
            let mut request = request(requirement, floors);
            request.requirement.origin.line = 9;
            for (line, floor) in (0..).zip(&mut request.floors) {
                floor.origin.line = line;
            }
            assert_eq!(decisive(&request).line, line, "{floors:?}");
        }
    }

    #[test]
    fn requirement_and_floors_are_one() {
        for (requirement, floors, expected) in [
            ("*", &[][..], "*"),
            ("*", &[">=3.11"], ">=3.11"),
            ("3.12", &[">=3.11"], "3.12"),
            ("3.12", &[">=3.12.4"], "3.12,>=3.12.4"),
            ("3.12.4", &[">=3.11", "<3.13"], "3.12.4"),
            ("*", &[">=3.11", "<4"], ">=3.11,<4"),
            (">=3.12,<4", &[">=3.11"], ">=3.12,<4"),
            ("20", &["^18 || ^20"], "20"),
            ("18", &["^18.12 || ^20"], "^18.12"),
            ("*", &["^18 || ^20", "^18 || ^20"], "^18 || ^20"),
            (
                "*",
                &["^18.1 || ^20.3", "^18.2 || ^20.1", "^18 || ^20"],
                "^18.2 || ^20.3",
            ),
            ("*", &["^18 || >=20"], "^18 || >=20"),
            ("*", &[">=3.11", ">=3.13", ">=3.12"], ">=3.13"),
            ("*", &[">=3.11", ">=3.11.0"], ">=3.11"),
            ("nightly", &[">=1.80"], "nightly"),
        ] {
            let request = request(requirement, floors);
            let whole = whole(&request);
            assert_eq!(whole, expected);
            let parsed: Requirement = whole.parse().unwrap();
            for version in [
                "3.11.2", "3.12.3", "3.12.4", "3.13.0", "4.0", "18.1", "19.0", "20.2",
            ] {
                let version: Version = version.parse().unwrap();
                let alike = request.admits(&version) == parsed.admits(&version);
                assert!(alike || parsed.channel().is_some(), "{expected} {version}");
            }
        }
    }

    #[test]
    fn bounds_of_many_files_are_one_or_listed() {
        let floors: Vec<String> = (0..100).map(|at| format!("^18.{at} || ^20.{at}")).collect();
        let floors: Vec<&str> = floors.iter().map(String::as_str).collect();
        let several = request("*", &floors);
        assert_eq!(whole(&several), "^18.99 || ^20.99");
        let all = |at: usize| format!("!=18.{at} || !=20.{at}");
        let floors: Vec<String> = (0..40).map(all).collect();
        let floors: Vec<&str> = floors.iter().map(String::as_str).collect();
        assert_eq!(whole(&request("20", &floors)), "20");
        let excluded = |at: usize| format!("!=20.{at}.* || >={at}.1");
        let floors: Vec<String> = (100..300).map(excluded).collect();
        let floors: Vec<&str> = floors.iter().map(String::as_str).collect();
        let several = request("20", &floors);
        assert_eq!(combined(&several), None);
        let shown = whole(&several);
        assert!(
            shown.starts_with("20, (!=20.100.* || >=100.1), "),
            "{shown}"
        );
        assert!(shown.ends_with(" and 193 more"), "{shown}");
        assert_eq!(whole(&request("^18 || ^20", &["<17"])), "(^18 || ^20), <17");
    }
}
