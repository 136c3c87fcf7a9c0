//! The data of the catalogue has the right form.

use std::collections::BTreeSet;

use url::Url;

use super::{CATALOGUE, CatalogueEntry};
use crate::package::{MinisignKey, PackageName, ProgramName, Source, Supplier, System};

#[test]
fn every_tool_is_complete() {
    assert!(CATALOGUE.len() >= 150, "{}", CATALOGUE.len());
    assert!(CATALOGUE.is_sorted_by_key(|entry| entry.name));
    for entry in CATALOGUE {
        let name = entry.name;
        assert_eq!(name.parse::<PackageName>().unwrap().as_str(), name);
        assert!(!entry.description.is_empty(), "{name}");
        assert!(!entry.description.ends_with('.'), "{name}");
        assert_eq!(entry.home.parse::<Url>().unwrap().scheme(), "https");
        assert!(
            !entry.kind.is_empty() && !entry.suppliers.is_empty(),
            "{name}"
        );
        assert!(
            !entry.systems.is_empty() && entry.systems.is_sorted(),
            "{name}"
        );
        for program in entry.programs {
            assert!(program.parse::<ProgramName>().is_ok(), "{name}: {program}");
        }
        let main = entry.programs.first();
        assert_eq!(main, entry.version_command.first(), "{name}");
    }
}

#[test]
fn every_name_and_package_belongs_to_one_tool() {
    let mut names = BTreeSet::new();
    let mut packages = BTreeSet::new();
    for entry in CATALOGUE {
        for name in std::iter::once(&entry.name).chain(entry.also) {
            assert!(names.insert(name), "{name}");
        }
        for (source, package) in entry.suppliers {
            assert!(packages.insert((source, package)), "{package}");
            assert!(Supplier::new(*source, package).is_ok(), "{package}");
        }
    }
}

#[test]
fn settings_of_releases_belong_to_their_source() {
    for entry in CATALOGUE {
        let (name, release) = (entry.name, &entry.release);
        let is_from = |source| entry.suppliers.iter().any(|(one, _)| *one == source);
        assert_eq!(is_from(Source::Url), !release.url.is_empty(), "{name}");
        assert_eq!(is_from(Source::Url), release.versions.is_some(), "{name}");
        assert!(
            release.asset.is_empty() || is_from(Source::Github),
            "{name}"
        );
        assert!(
            release.tag_prefix.is_none() || is_from(Source::Github),
            "{name}"
        );
        assert!(
            release.checksums.is_empty() || is_from(Source::Url),
            "{name}"
        );
        if let Some(key) = release.minisign {
            assert!(is_from(Source::Url), "{name}");
            assert!(key.parse::<MinisignKey>().is_ok(), "{name}");
        }
        for (word, _) in release.words {
            assert!(
                ["aarch64", "linux", "macos", "x86_64"].contains(word),
                "{name}"
            );
        }
        for list in [release.url, release.asset, release.checksums] {
            let systems: Vec<System> = list.iter().map(|(system, _)| *system).collect();
            assert!(systems.is_sorted(), "{name}");
        }
        if is_from(Source::Url) {
            let systems: Vec<System> = release.url.iter().map(|(system, _)| *system).collect();
            assert_eq!(systems, entry.systems, "{name}");
        }
    }
}

#[test]
fn names_of_other_tools_are_known() {
    let find = |name: &str| CatalogueEntry::find_other_name(name).map(|entry| entry.name);
    for (name, expected) in [
        ("golang", Some("go")),
        ("aqua:BurntSushi/ripgrep", Some("ripgrep")),
        ("ubi:burntsushi/ripgrep", Some("ripgrep")),
        ("aqua:hashicorp/terraform", Some("terraform")),
        ("cargo:fd-find", Some("fd")),
        ("npm:typescript", Some("typescript")),
        ("rg", Some("ripgrep")),
        ("jq", Some("jq")),
        (
            "go:github.com/golangci/golangci-lint/cmd/golangci-lint",
            Some("golangci-lint"),
        ),
        ("go:github.com/nobody/nothing", None),
        ("go:golang.org/x/tools/gopls", None),
        ("aqua:nobody/nothing", None),
        ("nothing", None),
    ] {
        assert_eq!(find(name), expected, "{name}");
    }
}
