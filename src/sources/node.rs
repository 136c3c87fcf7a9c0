//! The source `node`: the official releases of Node.js.
//!
//! `index.json` lists the versions and their files, `SHASUMS256.txt` of a version has the digests. The signature of
//! that file is not checked.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::{Deserialize, de::IgnoredAny};
use url::Url;

use super::{
    Candidate, Error, ReleaseList, Sources,
    checksums::{self, parse_checksums},
    release_age::day_end,
    unreadable,
};
use crate::{
    config::NODE,
    lockfile::Artifact,
    manifest::presets::release_line_numbers,
    package::{System, Tool, Version},
};

/// Largest accepted list, in bytes; the one in use has 400 kB.
const LIMIT: u64 = 16 << 20;
/// The file with the digests of a version.
const CHECKSUMS: &str = "SHASUMS256.txt";

#[derive(Deserialize)]
struct NodeRelease {
    version: String,
    #[serde(default)]
    date: String,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    lts: Lts,
}

/// The name of a release line with long-term support.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lts {
    Name(String),
    /// `false` for other lines.
    Not(IgnoredAny),
}

impl Default for Lts {
    fn default() -> Self {
        Self::Not(IgnoredAny)
    }
}

/// Returns every version, without digests.
pub(super) fn candidates(tool: &Tool, sources: Sources<'_>) -> Result<Vec<Candidate>, Error> {
    let list = sources
        .config
        .node
        .join("index.json")
        .map_err(|error| unreadable(&sources.config.node, &error.to_string()))?;
    ReleaseList {
        address: &list,
        limit: LIMIT,
        candidate,
    }
    .read(tool, sources)
}

fn candidate(release: &NodeRelease) -> Option<Candidate> {
    let number = release.version.strip_prefix('v')?;
    let mut candidate = Candidate::new(number.parse::<Version>().ok()?);
    candidate.released = day_end(&release.date);
    if let Lts::Name(name) = &release.lts {
        candidate.tags = vec![format!("lts/{}", name.to_ascii_lowercase())];
    }
    for system in System::ALL {
        let (listed, platform) = names(system);
        if release.files.iter().any(|file| file == listed) {
            let address = format!("{NODE}v{number}/node-v{number}-{platform}.tar.xz");
            candidate
                .undigested
                .insert(system, Url::parse(&address).ok()?);
        }
    }
    Some(candidate)
}

/// Returns the name of a system in the list, and in the names of files.
const fn names(system: System) -> (&'static str, &'static str) {
    match system {
        System::LinuxAarch64 => ("linux-arm64", "linux-arm64"),
        System::LinuxX86_64 => ("linux-x64", "linux-x64"),
        System::MacosAarch64 => ("osx-arm64-tar", "darwin-arm64"),
        System::MacosX86_64 => ("osx-x64-tar", "darwin-x64"),
    }
}

/// Keeps the versions of the release line that a request names: `lts/jod`, `lts/*` for all lines, `lts/-1` for the one
/// before the newest.
pub(super) fn select_line(
    tool: &Tool,
    candidates: &mut Vec<Candidate>,
    line: &str,
) -> Result<(), Error> {
    let mut lines: BTreeMap<&String, &Version> = BTreeMap::new();
    for candidate in &*candidates {
        for tag in &candidate.tags {
            let newest = lines.entry(tag).or_insert(&candidate.version);
            *newest = (*newest).max(&candidate.version);
        }
    }
    let earlier = line.strip_prefix("lts/-").and_then(|age| age.parse().ok());
    let asked: Vec<String> = match earlier {
        Some(age) => {
            let mut by_age: Vec<&String> = lines.keys().copied().collect();
            by_age.sort_by_key(|tag| Reverse(lines[tag]));
            by_age.into_iter().nth(age).cloned().into_iter().collect()
        }
        None if line == "lts/*" => lines.keys().copied().cloned().collect(),
        None => vec![line.to_owned()],
    };
    let known: Vec<String> = lines.into_keys().cloned().collect();
    candidates.retain(|one| one.tags.iter().any(|tag| asked.contains(tag)));
    if candidates.is_empty() {
        return Err(Error::UnknownTag {
            tool: tool.clone(),
            tag: line.to_owned(),
            known,
        });
    }
    Ok(())
}

/// Keeps the versions of a release line by the numbers that this devsh knows, for sources that name no lines.
pub(super) fn select_numbers(candidates: &mut Vec<Candidate>, line: &str) -> Result<(), Error> {
    let numbers = release_line_numbers(line).map_err(|error| Error::Unreadable {
        place: "presets".to_owned(),
        message: error.to_string(),
    })?;
    candidates.retain(|one| {
        numbers
            .as_ref()
            .is_some_and(|numbers| numbers.admits(&one.version))
    });
    Ok(())
}

/// Adds the digests of the version. Old versions have no archive of this kind for some systems.
pub(super) fn with_digests(
    tool: &Tool,
    candidate: &Candidate,
    sources: Sources<'_>,
) -> Result<Candidate, Error> {
    let file = format!("{NODE}v{}/{CHECKSUMS}", candidate.version);
    let address =
        Url::parse(&file).map_err(|error| unreadable(&sources.config.node, &error.to_string()))?;
    let address = sources.config.mirrored(&address);
    let body = super::get(tool, &address, "text/plain", checksums::LIMIT, sources)?;
    let text = String::from_utf8_lossy(&body);
    let digests = parse_checksums(&text);
    if digests.is_empty() {
        return Err(unreadable(&address, "it has no SHA-256"));
    }
    let artifacts: BTreeMap<System, Vec<Artifact>> = candidate
        .undigested
        .iter()
        .filter_map(|(system, url)| {
            let name = url.path_segments()?.next_back()?;
            let artifact = Artifact {
                part: String::new(),
                url: url.clone(),
                digest: (*digests.get(name)?).into(),
                size: None,
            };
            Some((*system, vec![artifact]))
        })
        .collect();
    Ok(Candidate {
        artifacts,
        undigested: BTreeMap::new(),
        checked: Some(format!("digests of `{CHECKSUMS}`")),
        ..candidate.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_a_line_and_a_file_for_each_system() {
        let text = r#"{"version":"v22.11.0","date":"2024-10-29","files":["headers","linux-arm64","linux-x64",
            "osx-arm64-tar","osx-x64-pkg","src","win-x64-zip"],"npm":"10.9.0","lts":"Jod","security":false}"#;
        let release = candidate(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(release.version.as_str(), "22.11.0");
        assert_eq!(release.tags, ["lts/jod"]);
        let systems: Vec<System> = release.undigested.keys().copied().collect();
        assert_eq!(
            systems,
            [
                System::LinuxAarch64,
                System::LinuxX86_64,
                System::MacosAarch64
            ]
        );
        assert_eq!(
            release.undigested[&System::MacosAarch64].as_str(),
            "https://nodejs.org/dist/v22.11.0/node-v22.11.0-darwin-arm64.tar.xz"
        );
        let current = r#"{"version":"v23.0.0","files":[],"lts":false}"#;
        let current = candidate(&serde_json::from_str(current).unwrap()).unwrap();
        assert!(current.tags.is_empty() && current.released.is_none());
    }
}
