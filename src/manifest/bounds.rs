//! The bounds that several files put on one tool, as one requirement or as they are written. Pure.
//!
//! Invariant: alternatives (`||`) multiply, and the files may be hostile: there is a cap on all that is tried.

use std::collections::BTreeSet;

use super::{Origin, ToolRequest};
use crate::package::{Requirement, Version, compatible, implied};

/// Most alternatives that are written as they come.
const FEW: usize = 4;
/// Most alternatives, and most bounds in one, that a requirement may come to.
const MOST: usize = 16;
/// Most pairs of alternatives that are tried.
const PAIRS: usize = 1000;
/// Most different bounds that are compared with each other.
const DIFFERENT: usize = 200;
/// Most bounds that are shown as they are written.
const SHOWN: usize = 8;

/// Returns the requirement and the floors of a request as text: one requirement, or each as it is written where
/// that would be too long.
pub fn whole(request: &ToolRequest) -> String {
    combined(request).unwrap_or_else(|| {
        let all = distinct(request);
        let shown = all.iter().take(SHOWN).map(|one| match one.as_str() {
            text if text.contains("||") => format!("({text})"),
            text => text.to_owned(),
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        match all.len().saturating_sub(SHOWN) {
            0 => shown,
            more => format!("{shown} and {more} more"),
        }
    })
}

/// Returns the requirement and the floors of a request as one requirement, unless it would be too long.
///
/// A floor that says nothing beyond the requirement and the other floors is left out. A channel stands alone:
/// no bound of a number can be written beside it.
pub(super) fn combined(request: &ToolRequest) -> Option<String> {
    let requirement = &request.requirement.value;
    if requirement.channel().is_some() {
        return Some(requirement.to_string());
    }
    let parts = distinct(request);
    if parts.len() > DIFFERENT {
        return None;
    }
    let own = parts.first() == Some(&requirement);
    let kept = parts.iter().enumerate().filter(|(at, part)| {
        let mut others = parts.iter().enumerate().filter(|(other, _)| other != at);
        // Of two that say the same the first stays.
        let said = others.any(|(other, stronger)| {
            follows(part, stronger) && (other < *at || !follows(stronger, part))
        });
        (own && *at == 0) || !said
    });
    let kept: Vec<&Requirement> = kept.map(|(_, part)| *part).collect();
    let counts = kept.iter().map(|part| part.as_str().split("||").count());
    let alternatives = if counts.fold(1, usize::saturating_mul) <= FEW {
        as_written(&kept)
    } else {
        reduced(&kept)?
    };
    Some(match alternatives.join(" || ") {
        empty if empty.is_empty() => "*".to_owned(),
        text => text,
    })
}

/// The requirement and the floors that say anything, each text once.
fn distinct(request: &ToolRequest) -> Vec<&Requirement> {
    let mut seen = BTreeSet::from(["*"]);
    let all = request.constraints().map(|one| &one.value);
    all.filter(|one| seen.insert(one.as_str())).collect()
}

fn as_written(parts: &[&Requirement]) -> Vec<String> {
    let mut alternatives = vec![String::new()];
    for part in parts {
        // What holds together with alternatives holds with each of them.
        alternatives = alternatives
            .iter()
            .flat_map(|before| {
                part.as_str()
                    .split("||")
                    .map(move |one| match before.as_str() {
                        "" => one.trim().to_owned(),
                        before => format!("{before},{}", one.trim()),
                    })
            })
            .collect();
    }
    alternatives
}

/// Returns the alternatives that can be met, without what others of their bounds say.
fn reduced(parts: &[&Requirement]) -> Option<Vec<String>> {
    let mut alternatives: Vec<Vec<Requirement>> = vec![Vec::new()];
    let mut pairs = 0;
    for part in parts {
        let ones = part.as_str().split("||").map(|one| one.parse().ok());
        let ones: Vec<Requirement> = ones.collect::<Option<_>>()?;
        pairs += alternatives.len() * ones.len();
        if pairs > PAIRS || ones.iter().any(|one| one.bounds().len() > MOST) {
            return None;
        }
        let mut next: Vec<Vec<Requirement>> = Vec::new();
        for before in &alternatives {
            for both in ones.iter().filter_map(|one| joined(before, one)) {
                if !next.contains(&both) {
                    next.push(both);
                }
            }
        }
        if next.is_empty() || next.len() > MOST || next.iter().any(|all| all.len() > MOST) {
            return None;
        }
        alternatives = next;
    }
    let text = |all: &Vec<Requirement>| {
        let all: Vec<&str> = all.iter().map(Requirement::as_str).collect();
        all.join(",")
    };
    Some(alternatives.iter().map(text).collect())
}

/// Returns the bounds with one more, if they can be met together.
fn joined(before: &[Requirement], one: &Requirement) -> Option<Vec<Requirement>> {
    let known: Vec<&Requirement> = before.iter().collect();
    let all: Vec<&Requirement> = known.iter().copied().chain([one]).collect();
    if !compatible(&all) {
        return None;
    }
    if !known.is_empty() && implied(&known, one) {
        return Some(before.to_vec());
    }
    let kept = known.into_iter().filter(|old| !implied(&[one], old));
    Some(kept.chain([one]).cloned().collect())
}

/// Returns where the request says most: a floor, where no version is asked for.
pub fn decisive(request: &ToolRequest) -> &Origin {
    let own = &request.requirement;
    let floors = request.floors.iter();
    let mut floors = floors.filter(|_| own.value.as_str() == "*");
    &floors.next_back().unwrap_or(own).origin
}

/// Whether a floor of one lower bound is met by everything that `requirement` admits.
fn follows(floor: &Requirement, requirement: &Requirement) -> bool {
    let bound = floor.as_str().strip_prefix(">=");
    let single = bound.is_some_and(|bound| !bound.contains([',', '|']));
    let mut parts = requirement.as_str().split(',');
    let met = |part: &str| {
        let lowest = part
            .trim()
            .trim_start_matches(['=', '~', '^', '>'])
            .trim_end_matches(".*");
        let bounded = !part.contains(['|', '<', '!']);
        bounded
            && lowest
                .parse::<Version>()
                .is_ok_and(|lowest| floor.covers(&lowest))
    };
    single && parts.any(met)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Located, Manifest, ShellName, init_template};

    fn request(requirement: &str, floors: &[&str]) -> ToolRequest {
        let located = |text: &&str| Located {
            value: text.parse().unwrap(),
            origin: Origin {
                file: "a".into(),
                line: 1,
            },
        };
        ToolRequest {
            requirement: located(&requirement),
            floors: floors.iter().map(located).collect(),
            components: Vec::new(),
            targets: Vec::new(),
        }
    }

    #[test]
    fn requirement_and_floors_are_one() {
        for (requirement, floors, expected) in [
            ("*", &[][..], "*"),
            ("*", &[">=3.11"], ">=3.11"),
            ("3.12", &[">=3.11"], "3.12"),
            ("3.12", &[">=3.12.4"], "3.12,>=3.12.4"),
            ("3.12.4", &[">=3.11", "<3.13"], "3.12.4,<3.13"),
            ("*", &[">=3.11", "<4"], ">=3.11,<4"),
            (">=3.12,<4", &[">=3.11"], ">=3.12,<4"),
            ("20", &["^18 || ^20"], "20,^18 || 20,^20"),
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
    fn alternatives_of_many_files_stay_few() {
        let floors: Vec<String> = (0..100).map(|at| format!("^18.{at} || ^20.{at}")).collect();
        let floors: Vec<&str> = floors.iter().map(String::as_str).collect();
        let several = request("*", &floors);
        assert_eq!(whole(&several), "^18.99 || ^20.99");
        let apart = |at: usize| format!("!=18.{at} || !=20.{at}");
        let floors: Vec<String> = (0..40).map(apart).collect();
        let floors: Vec<&str> = floors.iter().map(String::as_str).collect();
        let several = request("20", &floors);
        assert_eq!(combined(&several), None);
        let shown = whole(&several);
        assert!(shown.starts_with("20, (!=18.0 || !=20.0), "), "{shown}");
        assert!(shown.ends_with(" and 33 more"), "{shown}");
        let mut manifest = Manifest::default();
        let dev = manifest.shells.entry(ShellName::dev()).or_default();
        dev.tools.insert("node".parse().unwrap(), several);
        let text = init_template::draft(&manifest);
        let line = "node = \"20\"  # without the bounds of a: they are too many for one line\n";
        assert!(text.contains(line), "{text}");
    }
}
