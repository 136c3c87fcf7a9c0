//! The source `python`: `CPython` builds of python-build-standalone, from the compiled-in index or from a list in
//! uv's format that the settings name.

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;

use super::{Candidate, Error, Sources, page_cache, release_age::day_end};
use crate::{
    fetch::{self, anonymous, redacted},
    lockfile::{Artifact, lockable},
    package::{FREETHREADED, Sha256, System, Tool},
};

const BUILDS: &str = include_str!("python-builds.json");
/// Largest accepted list, in bytes; uv's own has 3 MB.
const LIMIT: u64 = 64 << 20;

#[derive(Deserialize)]
struct Builds {
    versions: BTreeMap<String, BTreeMap<String, Build>>,
    freethreaded: BTreeMap<String, BTreeMap<String, Build>>,
}

#[derive(Deserialize)]
struct Build {
    url: String,
    sha256: String,
    #[serde(rename = "build")]
    date: String,
}

/// One entry of uv's list.
#[derive(Deserialize)]
struct UvListEntry {
    name: String,
    arch: Arch,
    os: String,
    libc: String,
    major: u64,
    minor: u64,
    patch: u64,
    #[serde(default)]
    prerelease: Option<String>,
    url: String,
    sha256: Option<String>,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    build: Option<String>,
}

/// The processor of an entry; older lists have only its name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Arch {
    Name(String),
    Family {
        family: String,
        variant: Option<String>,
    },
}

/// Returns every build of a flavour; `use_cache` allows a list that was fetched a short time ago.
pub(super) fn candidates(
    tool: &Tool,
    flavour: &[String],
    sources: Sources<'_>,
    use_cache: bool,
) -> Result<Vec<Candidate>, Error> {
    let freethreaded = match flavour {
        [] => false,
        [one] if one == FREETHREADED => true,
        [one, ..] => {
            return Err(Error::NoFlavour {
                flavour: one.clone(),
            });
        }
    };
    match &sources.config.python_list {
        None => compiled_in(freethreaded),
        Some(list) => listed(tool, list, freethreaded, sources, use_cache),
    }
}

/// Returns every build of the compiled-in index.
pub fn compiled_in(freethreaded: bool) -> Result<Vec<Candidate>, Error> {
    let unreadable = |message: String| Error::Unreadable {
        place: "python-builds.json".to_owned(),
        message,
    };
    let builds: Builds =
        serde_json::from_str(BUILDS).map_err(|error| unreadable(error.to_string()))?;
    let versions = if freethreaded {
        builds.freethreaded
    } else {
        builds.versions
    };
    let mut builds_by_version = PythonBuilds::default();
    for (version, targets) in versions {
        for system in System::ALL {
            if let Some(build) = targets.get(system.triple()) {
                builds_by_version
                    .add(&version, system, build)
                    .map_err(unreadable)?;
            }
        }
    }
    Ok(builds_by_version.candidates())
}

/// Returns the builds of a list in uv's format.
fn listed(
    tool: &Tool,
    list: &Url,
    freethreaded: bool,
    sources: Sources<'_>,
    use_cache: bool,
) -> Result<Vec<Candidate>, Error> {
    let mut key = list.clone();
    key.set_fragment(freethreaded.then_some(FREETHREADED));
    if use_cache && let Some(candidates) = page_cache::load(sources.cache, &key, sources.now) {
        return Ok(candidates);
    }
    let unreadable = |message: String| Error::Unreadable {
        place: redacted(list).to_string(),
        message,
    };
    let body = sources
        .client
        .get(list, "application/json", LIMIT)
        .map_err(|source: fetch::Error| Error::Fetch {
            tool: tool.clone(),
            source: Box::new(source),
        })?;
    let all: BTreeMap<String, UvListEntry> =
        serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))?;
    let mut builds_by_version = PythonBuilds::default();
    for one in all.values() {
        let Some((version, system, build)) = one.build(freethreaded) else {
            continue;
        };
        builds_by_version
            .add(&version, system, &build)
            .map_err(unreadable)?;
    }
    let candidates = builds_by_version.candidates();
    page_cache::store(sources.cache, &key, sources.now, &candidates);
    Ok(candidates)
}

impl UvListEntry {
    /// Returns the build if devsh can use it: a released `CPython` with a digest, for a supported system.
    fn build(&self, freethreaded: bool) -> Option<(String, System, Build)> {
        let processor = match &self.arch {
            Arch::Name(name) => name,
            Arch::Family {
                family,
                variant: None,
            } => family,
            Arch::Family { .. } => return None,
        };
        let system = match (&*self.os, &**processor, &*self.libc) {
            ("linux", "aarch64", "gnu") => System::LinuxAarch64,
            ("linux", "x86_64", "gnu") => System::LinuxX86_64,
            ("darwin", "aarch64", _) => System::MacosAarch64,
            ("darwin", "x86_64", _) => System::MacosX86_64,
            _ => return None,
        };
        let wanted = if freethreaded {
            Some(FREETHREADED)
        } else {
            None
        };
        let usable = self.name == "cpython" && self.variant.as_deref() == wanted;
        let prerelease = self.prerelease.as_deref().unwrap_or_default();
        let version = format!("{}.{}.{}{prerelease}", self.major, self.minor, self.patch);
        let build = Build {
            url: self.url.clone(),
            sha256: self.sha256.clone()?,
            date: self.build.clone().unwrap_or_default(),
        };
        usable.then_some((version, system, build))
    }
}

/// Builds by version.
#[derive(Default)]
struct PythonBuilds(BTreeMap<String, Candidate>);

impl PythonBuilds {
    /// Adds a build; the error is one line.
    fn add(&mut self, version: &str, system: System, build: &Build) -> Result<(), String> {
        let url = Url::parse(&build.url)
            .ok()
            .map(|url| anonymous(&url))
            .filter(lockable)
            .ok_or_else(|| format!("`{}` is no address for an artifact", build.url))?;
        let digest: Sha256 = build.sha256.parse().map_err(|error| format!("{error}"))?;
        let parsed = version.parse().map_err(|error| format!("{error}"))?;
        let candidate = self
            .0
            .entry(version.to_owned())
            .or_insert_with(|| Candidate::new(parsed));
        if !build.date.is_empty() {
            candidate.build = candidate.build.take().max(Some(build.date.clone()));
        }
        candidate.released = candidate.released.max(date_seconds(&build.date));
        let artifact = Artifact {
            part: String::new(),
            url,
            digest: digest.into(),
            size: None,
        };
        candidate
            .artifacts
            .entry(system)
            .or_insert_with(|| vec![artifact]);
        Ok(())
    }

    fn candidates(self) -> Vec<Candidate> {
        self.0.into_values().collect()
    }
}

/// Returns the end of a day written `20260814`.
fn date_seconds(date: &str) -> Option<u64> {
    let (year, rest) = date.split_at_checked(4)?;
    let (month, day) = rest.split_at_checked(2)?;
    day_end(&format!("{year}-{month}-{day}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PYTHON_RELEASES;

    #[test]
    fn the_compiled_in_index_is_whole() {
        for (freethreaded, most) in [(false, 116), (true, 24)] {
            let candidates = compiled_in(freethreaded).unwrap();
            assert_eq!(candidates.len(), most);
            let newest = candidates
                .iter()
                .max_by_key(|candidate| &candidate.version)
                .unwrap();
            assert_eq!(newest.artifacts.len(), System::ALL.len());
            for candidate in &candidates {
                assert!(!candidate.version.is_prerelease());
                assert!(candidate.released.is_some(), "{}", candidate.version);
                for artifact in candidate.artifacts.values().flatten() {
                    assert!(artifact.url.as_str().starts_with(PYTHON_RELEASES));
                    assert_eq!(artifact.url.as_str().contains("freethreaded"), freethreaded);
                }
            }
        }
    }

    #[test]
    fn a_list_of_uv_gives_the_usable_builds() {
        let entry = |arch: &str, variant: &str, sha256: &str| {
            format!(
                r#"{{"name": "cpython", "arch": {arch}, "os": "linux", "libc": "gnu", "major": 3,
                "minor": 14, "patch": 0, "prerelease": "rc1", "url": "https://m.example/a.tar.gz",
                "sha256": {sha256}, "variant": {variant}, "build": "20250801"}}"#
            )
        };
        let digest = format!("\"{}\"", "0".repeat(64));
        let family = r#"{"family": "x86_64", "variant": null}"#;
        let read = |text: String| serde_json::from_str::<UvListEntry>(&text).unwrap();
        let usable = read(entry(family, "null", &digest));
        let (version, system, _) = usable.build(false).unwrap();
        assert_eq!((&*version, system), ("3.14.0rc1", System::LinuxX86_64));
        assert!(usable.build(true).is_none());
        assert!(
            read(entry(r#""aarch64""#, "null", &digest))
                .build(false)
                .is_some()
        );
        let free = read(entry(family, "\"freethreaded\"", &digest));
        assert!(free.build(true).is_some() && free.build(false).is_none());
        let level = read(entry(
            r#"{"family": "x86_64", "variant": "v3"}"#,
            "null",
            &digest,
        ));
        assert!(level.build(false).is_none());
        assert!(read(entry(family, "null", "null")).build(false).is_none());
    }
}
