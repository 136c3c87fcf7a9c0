//! Tests of the choice of versions.

use proptest::{collection, prelude::*, sample};
use url::Url;

use super::*;
use crate::{
    lockfile::{Artifact, EntryOrigin, Stale, parse, print, stale},
    manifest::Located,
    package::{ReleaseOptions, Requirement, Sha256, Source},
    sources::{Candidate, CandidateKey, python},
};

const HERE: System = System::LinuxX86_64;

fn located(text: &str, line: u32) -> Located<Requirement> {
    Located {
        value: text.parse().unwrap(),
        origin: Origin {
            file: "devshell.toml".into(),
            is_preset: false,
            line,
        },
    }
}

fn request(tool: &str, requirement: &str, floors: &[&str]) -> NamedRequest {
    let request = ToolRequest {
        requirement: located(requirement, 4),
        floors: (10..)
            .zip(floors)
            .map(|(line, floor)| located(floor, line))
            .collect(),
        components: Vec::new(),
        targets: Vec::new(),
        options: ReleaseOptions::default(),
        is_below_root: false,
    };
    NamedRequest {
        tool: tool.parse().unwrap(),
        request,
    }
}

fn candidate(version: &str, systems: &[System]) -> Candidate {
    let artifact = Artifact {
        part: String::new(),
        url: Url::parse(&format!("https://files.example/{version}")).unwrap(),
        digest: Sha256::of(version.as_bytes()).into(),
        size: None,
    };
    Candidate {
        artifacts: systems
            .iter()
            .map(|system| (*system, vec![artifact.clone()]))
            .collect(),
        ..Candidate::new(version.parse().unwrap())
    }
}

/// The answers of the sources to these requests.
fn index(requests: &[NamedRequest]) -> Index {
    let mut index = Index::default();
    for NamedRequest { tool, request } in requests {
        let candidates = match tool.source {
            Source::Python => python::compiled_in(false).unwrap(),
            _ => vec![
                candidate("0.11.9", &System::ALL),
                candidate("0.12.0", &System::ALL),
                candidate("0.12.1", &System::ALL),
                Candidate {
                    yanked: Some("broken".to_owned()),
                    ..candidate("0.12.2", &System::ALL)
                },
                candidate("0.12.3", &[System::MacosAarch64]),
                candidate("0.13.0b1", &System::ALL),
            ],
        };
        index.offer(CandidateKey::of(tool, request), candidates);
    }
    index
}

fn fresh(requests: &[NamedRequest]) -> Result<Lockfile, Error> {
    resolve(
        requests,
        &index(requests),
        &Lockfile::default(),
        &Upgrade::None,
        HERE,
    )
}

fn version(lockfile: &Lockfile, NamedRequest { tool, request }: &NamedRequest) -> String {
    lockfile.locked(tool, request).unwrap().version.to_string()
}

#[test]
fn the_newest_usable_version_is_chosen() {
    let table: &[(&str, &str, &[&str], &str)] = &[
        ("ruff", "*", &[], "0.12.1"),
        ("ruff", "0.12", &[">=0.11"], "0.12.1"),
        ("ruff", "*", &["<0.12"], "0.11.9"),
        ("ruff", "0.12.2", &[], "0.12.2"),
        ("ruff", ">=0.13.0b1", &[], "0.13.0b1"),
        ("ruff", "0.13.0b1", &[">=0.11"], "0.13.0b1"),
        ("python", "3.12.4", &[">=3.11"], "3.12.4"),
        ("python", "*", &[">=3.11", "<3.12"], "3.11.16"),
    ];
    for (tool, requirement, floors, expected) in table {
        let asked = request(tool, requirement, floors);
        let lockfile = fresh(std::slice::from_ref(&asked)).unwrap();
        assert_eq!(
            version(&lockfile, &asked),
            *expected,
            "{tool} {requirement} {floors:?}"
        );
    }
}

#[test]
fn locked_versions_stay_until_they_are_upgraded() {
    let old = request("ruff", "0.12.0", &[]);
    let previous = fresh(std::slice::from_ref(&old)).unwrap();
    let new = [
        request("ruff", ">=0.11", &[]),
        request("python", "3.12", &[]),
    ];
    let ruff = |upgrade: &Upgrade| {
        let lockfile = resolve(&new, &index(&new), &previous, upgrade, HERE).unwrap();
        version(&lockfile, &new[0])
    };
    assert_eq!(ruff(&Upgrade::None), "0.12.0");
    assert_eq!(ruff(&Upgrade::All), "0.12.1");
    assert_eq!(
        ruff(&Upgrade::Tools([new[0].tool.clone()].into())),
        "0.12.1"
    );
    assert_eq!(
        ruff(&Upgrade::Tools([new[1].tool.clone()].into())),
        "0.12.0"
    );
    // Nothing is asked of any source for what stays.
    let only = &new[..1];
    let kept = resolve(only, &Index::default(), &previous, &Upgrade::None, HERE).unwrap();
    assert_eq!(version(&kept, &only[0]), "0.12.0");
    assert_eq!(
        kept.packages.len(),
        1,
        "what nothing asks for any more is gone"
    );
}

#[test]
fn a_locked_version_stays_when_parts_are_added() {
    let old = request("rust", "0.12.0", &[]);
    let previous = fresh(std::slice::from_ref(&old)).unwrap();
    let mut new = request("rust", "*", &[]);
    new.request.components = vec!["clippy".to_owned()];
    let new = [new];
    assert!(
        previous
            .kept(&new[0].tool, &new[0].request, &Upgrade::None, HERE)
            .is_none()
    );
    let lockfile = resolve(&new, &index(&new), &previous, &Upgrade::None, HERE).unwrap();
    assert_eq!(version(&lockfile, &new[0]), "0.12.0");
}

#[test]
fn a_channel_is_answered_by_itself_only() {
    let numbered = request("rust", "*", &[]);
    let previous = fresh(std::slice::from_ref(&numbered)).unwrap();
    let kept = |requirement| {
        let NamedRequest { tool, request } = request("rust", requirement, &[]);
        previous
            .kept(&tool, &request, &Upgrade::None, HERE)
            .is_some()
    };
    assert!(kept("0.12"));
    assert!(!kept("nightly"));
}

#[test]
fn contradictions_name_every_place() {
    for (requirement, floor) in [
        ("3.12.4", ">=3.13"),
        ("3.12", ">=3.13"),
        ("<3.10", ">=3.11"),
    ] {
        let asked = request("python", requirement, &[floor]);
        let error = resolve(
            &[asked],
            &Index::default(),
            &Lockfile::default(),
            &Upgrade::None,
            HERE,
        );
        let Err(Error::Contradiction { tool, constraints }) = error else {
            panic!("{error:?}")
        };
        assert_eq!(tool.to_string(), "python");
        let places: Vec<String> = constraints
            .iter()
            .map(|one| format!("{} {}", one.origin, one.requirement))
            .collect();
        let expected = [
            format!("devshell.toml:4 {requirement}"),
            format!("devshell.toml:10 {floor}"),
        ];
        assert_eq!(places, expected);
    }
}

#[test]
fn the_nearest_version_is_near_the_bound_that_excludes_it() {
    let error = fresh(&[request("python", "99", &[">=3.11.9"])]).unwrap_err();
    let Error::NoVersion { refused, .. } = error else {
        panic!("{error:?}")
    };
    // The floor would make 3.11 the nearest line.
    let stable = refused.iter().map(|one| &one.version);
    let newest = stable.filter(|version| !version.is_prerelease()).max();
    assert_eq!(Some(&refused[0].version), newest, "{refused:?}");
    assert!(refused[0].version.to_string().as_str() > "3.13");
}

#[test]
fn every_refusal_has_its_reasons() {
    let error = fresh(&[request("ruff", ">=0.12.2", &["<1"])]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no version of `ruff` satisfies every requirement"
    );
    let Error::NoVersion {
        constraints,
        refused,
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(constraints.len(), 2);
    let told: Vec<String> = refused
        .iter()
        .map(|one| {
            let reasons: Vec<String> = one.reasons.iter().map(ToString::to_string).collect();
            format!("{}: {}", one.version, reasons.join(", "))
        })
        .collect();
    let expected = [
        "0.12.2: withdrawn by its publisher: broken",
        "0.12.3: no artifact for linux-x86_64",
        "0.13.0b1: a pre-release",
        "0.12.1: not admitted by devshell.toml:4 (`>=0.12.2`)",
    ];
    let sorted: Vec<&str> = told.iter().map(String::as_str).collect();
    assert_eq!(sorted, expected);
}

#[test]
fn a_missing_part_is_named() {
    let asked = request("rust", "*", &[]);
    let mut index = Index::default();
    let without = Candidate {
        missing: [(
            HERE,
            UnavailablePart {
                part: "clipy".to_owned(),
                near: None,
            },
        )]
        .into(),
        ..candidate("1.89.0", &[System::MacosAarch64])
    };
    index.offer(CandidateKey::of(&asked.tool, &asked.request), vec![without]);
    let requests = [asked];
    let error = resolve(
        &requests,
        &index,
        &Lockfile::default(),
        &Upgrade::None,
        HERE,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`rust` 1.89.0 has no `clipy` for linux-x86_64"
    );
    let error = resolve(
        &requests,
        &Index::default(),
        &Lockfile::default(),
        &Upgrade::None,
        HERE,
    )
    .unwrap_err();
    assert_eq!(error.to_string(), "`rust` is not locked");
}

#[test]
fn staleness_is_seen() {
    let asked = [request("ruff", "0.12", &[]), request("python", "3.12", &[])];
    let mut lockfile = fresh(&asked).unwrap();
    assert_eq!(stale(&asked, &lockfile), []);
    let changed = [request("ruff", "0.12", &[]), request("python", "3.13", &[])];
    let found = stale(&changed, &lockfile);
    let key = |NamedRequest { tool, request }: &NamedRequest| LockKey::for_request(tool, request);
    assert_eq!(
        found,
        [
            Stale::Missing(key(&changed[1])),
            Stale::Superfluous(key(&asked[1]))
        ]
    );
    let wrong: Version = "0.11.9".parse().unwrap();
    lockfile.packages.get_mut(&key(&asked[0])).unwrap().version = wrong.clone();
    assert_eq!(
        stale(&asked, &lockfile),
        [Stale::Unfit {
            key: key(&asked[0]),
            version: wrong
        }]
    );
}

fn requests() -> impl Strategy<Value = Vec<NamedRequest>> {
    let one = (
        sample::select(vec!["ruff", "uv", "python", "rust"]),
        sample::select(vec!["*", ">=0.11", "<1000", "!=0.12.1"]),
        sample::subsequence(vec!["<999", ">=0.1", "!=0.12.0"], 0..3),
        collection::btree_set("clippy|rustfmt", 0..2),
    );
    let one = one.prop_map(|(tool, requirement, floors, components)| {
        let NamedRequest { tool, mut request } = request(tool, requirement, &floors);
        if tool.source == Source::Rust {
            request.components = components.into_iter().collect();
        }
        NamedRequest { tool, request }
    });
    collection::vec(one, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn resolving_from_its_own_lockfile_changes_nothing(requests in requests()) {
        let index = index(&requests);
        let first = fresh(&requests).unwrap();
        prop_assert_eq!(stale(&requests, &first), []);
        let read = parse("devshell.lock", &print(&first)).unwrap();
        for index in [&index, &Index::default()] {
            let again = resolve(&requests, index, &read, &Upgrade::None, HERE).unwrap();
            prop_assert_eq!(print(&again), print(&first));
            let mut packages = again.packages.values();
            prop_assert!(packages.all(|one| one.origin == EntryOrigin::Read));
        }
        let upgraded = resolve(&requests, &index, &first, &Upgrade::All, HERE).unwrap();
        prop_assert_eq!(&upgraded, &first);
    }

    #[test]
    fn the_order_of_requests_does_not_matter(
        (sorted, shuffled) in requests().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        old in requests(),
    ) {
        let previous = fresh(&old).unwrap();
        let answer = |requests: &[NamedRequest]| {
            let lockfile = resolve(requests, &index(requests), &previous, &Upgrade::None, HERE);
            print(&lockfile.unwrap())
        };
        prop_assert_eq!(answer(&sorted), answer(&shuffled));
    }
}
