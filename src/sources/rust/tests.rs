//! Tests of the search for a channel manifest, on a server of known releases.

use super::*;
use crate::{
    config,
    lockfile::{EntryOrigin, LockKey},
    manifest::{Located, Origin},
    package::{ReleaseOptions, Requirement, Source, Supplier},
};

const TEXT: &str = include_str!("../../../tests/fixtures/index/channel-rust.toml");

fn located(text: &str) -> Located<Requirement> {
    let origin = Origin {
        file: "devshell.toml".into(),
        is_preset: false,
        line: 1,
    };
    Located {
        value: text.parse().unwrap(),
        origin,
    }
}

fn request(requirement: &str, floors: &[&str]) -> ToolRequest {
    ToolRequest {
        requirement: located(requirement),
        floors: floors.iter().map(|floor| located(floor)).collect(),
        components: Vec::new(),
        targets: Vec::new(),
        options: ReleaseOptions::default(),
        is_below_root: false,
    }
}

/// A server with 1.31 to 1.97, two patch versions each.
fn manifest(channel: &RustChannel) -> Option<ChannelManifest> {
    let (number, date) = match (channel.name.as_str(), &channel.date) {
        ("stable", None) => ("1.97.1".to_owned(), "2026-09-01"),
        ("nightly", None) => ("1.99.0-nightly".to_owned(), "2026-10-30"),
        ("nightly", Some(date)) if date == "2026-10-01" => {
            ("1.99.0-nightly".to_owned(), "2026-10-01")
        }
        (name, None) => {
            let numbers: Vec<u64> = name.split('.').map(|part| part.parse().unwrap()).collect();
            match numbers[..] {
                [1, minor @ 31..=97] => (format!("1.{minor}.1"), "2026-01-01"),
                [1, minor @ 20..=97, patch @ 0..=1] => (format!("1.{minor}.{patch}"), "2026-01-01"),
                _ => return None,
            }
        }
        _ => return None,
    };
    let text = TEXT
        .replace("1.89.0 (", &format!("{number} ("))
        .replace("date = \"2025-08-07\"", &format!("date = \"{date}\""));
    Some(ChannelManifest::parse(&text, &config::RUST.parse().unwrap()).unwrap())
}

/// Returns what was asked, and the version that satisfies.
fn search(request: &ToolRequest, preferred: &[LockedPackage]) -> (Vec<String>, Option<String>) {
    let mut asked = Vec::new();
    let wanted = ToolchainRequest {
        tool: &"rust".parse().unwrap(),
        request,
        preferred: preferred.iter().collect(),
    };
    let mut search = ToolchainSearch {
        wanted: &wanted,
        system: System::LinuxX86_64,
        host: "dist.example",
        load: &mut |channel| {
            asked.push(
                channel.path()[5..]
                    .replace("channel-rust-", "")
                    .replace(".toml", ""),
            );
            Ok(manifest(channel).map(Rc::new))
        },
        found: Vec::new(),
        asked: 0,
        limit: None,
    };
    search.run().unwrap();
    let best = search
        .found
        .iter()
        .filter(|candidate| request.admits(&candidate.version))
        .max_by_key(|candidate| &candidate.version)
        .map(|candidate| candidate.version.to_string());
    (asked, best)
}

/// Requirement, floors, manifests asked for, version found.
type Row = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    Option<&'static str>,
);

#[test]
fn few_manifests_are_read() {
    let table: &[Row] = &[
        ("1.89.0", &[], &["1.89.0"], Some("1.89.0")),
        ("==1.89", &[], &["1.89.0"], Some("1.89.0")),
        ("1.89", &[], &["1.89"], Some("1.89.1")),
        ("~=1.89.0", &[">=1.80"], &["1.89"], Some("1.89.1")),
        ("1.89,!=1.89.1", &[], &["1.89", "1.89.0"], Some("1.89.0")),
        ("*", &[], &["stable"], Some("1.97.1")),
        ("1", &[">=1.80"], &["stable"], Some("1.97.1")),
        ("stable", &[">=1.80"], &["stable"], Some("1.97.1")),
        ("<1.90", &[], &["1.89"], Some("1.89.1")),
        (">=1.50", &["<1.60"], &["1.59"], Some("1.59.1")),
        ("!=1.97.*", &[], &["stable", "1.96"], Some("1.96.1")),
        ("*", &["<1.97.1"], &["1.97", "1.97.0"], Some("1.97.0")),
        ("<1.200", &[], &["1.199", "stable"], Some("1.97.1")),
        ("1.200", &[], &["1.200", "stable"], None),
        ("1.200.0", &[], &["1.200.0", "1.200", "stable"], None),
        ("2", &[], &["stable"], None),
        (
            "nightly",
            &[">=1.99"],
            &["nightly"],
            Some("1.99.0.dev20261030"),
        ),
        (
            "nightly-2026-10-01",
            &[],
            &["2026-10-01/nightly"],
            Some("1.99.0.dev20261001"),
        ),
    ];
    for (requirement, floors, asked, best) in table {
        let found = search(&request(requirement, floors), &[]);
        let asked = asked.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(
            found,
            (asked, best.map(ToOwned::to_owned)),
            "{requirement} {floors:?}"
        );
    }
}

#[test]
fn the_search_ends() {
    let (asked, best) = search(&request(">=1.0,<1.20", &[]), &[]);
    assert_eq!(best, None);
    assert!(asked.len() <= 60, "{}", asked.len());
}

#[test]
fn the_locked_channel_is_requested_first() {
    let package = |version: &str, build: &str| LockedPackage {
        origin: EntryOrigin::Read,
        version: version.parse().unwrap(),
        supplier: Supplier::new(Source::Rust, "rust").unwrap(),
        build: Some(build.to_owned()),
        checked: None,
        verified: None,
        artifacts: BTreeMap::new(),
        application: None,
    };
    let (asked, best) = search(&request("1", &[]), &[package("1.88.0", "2026-01-01")]);
    assert_eq!(
        (asked, best.as_deref()),
        (vec!["1.88.0".to_owned()], Some("1.88.0"))
    );
    let locked = [package("1.99.0.dev20261001", "2026-10-01")];
    let (asked, best) = search(&request("nightly", &[]), &locked);
    assert_eq!(asked, ["2026-10-01/nightly"]);
    assert_eq!(best.as_deref(), Some("1.99.0.dev20261001"));
}

#[test]
fn an_unknown_channel_is_an_error() {
    let request = request("nightly-2001-01-01", &[]);
    let tool = "rust".parse().unwrap();
    let key = LockKey::for_request(&tool, &request);
    assert_eq!(key.requirement, "nightly-2001-01-01");
    let mut search = ToolchainSearch {
        wanted: &ToolchainRequest {
            tool: &tool,
            request: &request,
            preferred: Vec::new(),
        },
        system: System::LinuxX86_64,
        host: "dist.example",
        load: &mut |_| Ok(None),
        found: Vec::new(),
        asked: 0,
        limit: None,
    };
    let error = search.run().unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no rust toolchain `nightly-2001-01-01`"
    );
}
