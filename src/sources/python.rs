//! The source `python`: `CPython` builds of python-build-standalone, from the compiled-in index and the newest release,
//! or from a list in uv's format that the settings name.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use url::Url;

use super::{
    Candidate, Error, IndexPage, PageAnswer, Sources, checksums,
    page_cache::{self, CachedDocument},
    release_age::day_end,
    unreachable,
};
use crate::{
    config::PYTHON_RELEASES,
    fetch::anonymous,
    lockfile::{Artifact, lockable},
    package::{FREETHREADED, Sha256, System, Tool},
    util::redact::redact_url,
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

/// Returns every build of a flavour.
pub(super) fn candidates(
    tool: &Tool,
    flavour: &[String],
    sources: Sources<'_>,
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
        None => {
            let mut all = compiled_in(freethreaded)?;
            all.extend(newest_release(freethreaded, sources));
            Ok(all)
        }
        Some(list) => listed(tool, list, freethreaded, sources),
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

/// The time for which the list of the newest release is used.
const FRESH: Duration = Duration::from_hours(24);
/// The checksums of the newest release, from the address of all releases.
const NEWEST: &str = "../latest/download/SHA256SUMS";

/// Returns the builds of the newest release; none if its list cannot be had, because the compiled-in index serves too.
fn newest_release(freethreaded: bool, sources: Sources<'_>) -> Vec<Candidate> {
    let Ok(address) = sources.config.python.join(NEWEST) else {
        return Vec::new();
    };
    let mut key = address.clone();
    key.set_fragment(freethreaded.then_some(FREETHREADED));
    if sources.uses_recent_copies()
        && let Some(cached) = CachedDocument::<Vec<Candidate>>::load(sources.cache, &key)
    {
        // A server that did not answer is asked again after a few minutes.
        let fresh = if cached.content.is_empty() {
            page_cache::FRESH
        } else {
            FRESH
        };
        if cached.is_younger_than(fresh, sources.now) {
            return cached.content;
        }
    }
    if sources.client.is_offline() {
        return Vec::new();
    }
    let answer = sources.client.get(&address, "text/plain", checksums::LIMIT);
    let candidates = match answer {
        Ok(body) => builds_of_release(&String::from_utf8_lossy(&body), freethreaded),
        Err(error) => {
            tracing::debug!(%error, "no list of the newest release");
            Vec::new()
        }
    };
    page_cache::store(sources, &key, None, &candidates);
    candidates
}

/// Returns the builds that the checksums of a release name.
fn builds_of_release(checksums: &str, freethreaded: bool) -> Vec<Candidate> {
    let flavour = if freethreaded {
        "freethreaded-install_only_stripped.tar.gz"
    } else {
        "install_only_stripped.tar.gz"
    };
    let mut builds = PythonBuilds::default();
    for (name, digest) in checksums::parse_checksums(checksums) {
        let named = name
            .strip_prefix("cpython-")
            .and_then(|rest| rest.split_once('+'))
            .and_then(|(version, rest)| Some((version, rest.split_once('-')?)));
        let Some((version, (date, rest))) = named else {
            continue;
        };
        let mut systems = System::ALL.into_iter();
        let system = systems.find(|system| rest == format!("{}-{flavour}", system.triple()));
        let is_day = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
        let Some(system) = system.filter(|_| is_day) else {
            continue;
        };
        let build = Build {
            url: format!("{PYTHON_RELEASES}{date}/{}", name.replace('+', "%2B")),
            sha256: digest.to_string(),
            date: date.to_owned(),
        };
        // A name that is no version is a build that devsh does not know.
        if let Err(error) = builds.add(version, system, &build) {
            tracing::debug!(%error, name, "a build is left out");
        }
    }
    let mut candidates = builds.candidates();
    for candidate in &mut candidates {
        let tag = candidate.build.as_deref().unwrap_or_default();
        candidate.checked = Some(format!("digests of `SHA256SUMS` of release {tag}"));
    }
    candidates
}

/// Returns the builds of a list in uv's format.
fn listed(
    tool: &Tool,
    list: &Url,
    freethreaded: bool,
    sources: Sources<'_>,
) -> Result<Vec<Candidate>, Error> {
    let mut key = list.clone();
    key.set_fragment(freethreaded.then_some(FREETHREADED));
    let page = IndexPage {
        address: list,
        key: &key,
        accept: "application/json",
        limit: LIMIT,
    };
    let new = match page.fetch(sources).map_err(unreachable(tool))? {
        PageAnswer::Known(candidates) => return Ok(candidates),
        PageAnswer::New(new) => new,
    };
    let unreadable = |message: String| Error::Unreadable {
        place: redact_url(list).to_string(),
        message,
    };
    let all: BTreeMap<String, UvListEntry> =
        serde_json::from_slice(&new.body).map_err(|error| unreadable(error.to_string()))?;
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
    page.store(&new, sources, &candidates);
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
    fn the_checksums_of_a_release_name_its_builds() {
        let digest = "a".repeat(64);
        let names = [
            "cpython-3.14.9+20261128-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz",
            "cpython-3.14.9+20261128-aarch64-apple-darwin-install_only_stripped.tar.gz",
            "cpython-3.14.9+20261128-x86_64-unknown-linux-gnu-install_only.tar.gz",
            "cpython-3.14.9+20261128-x86_64-unknown-linux-musl-install_only_stripped.tar.gz",
            "cpython-3.14.9+20261128-x86_64-unknown-linux-gnu-freethreaded-install_only_stripped.tar.gz",
            "cpython-3.15.0a2+20261128-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz",
            "cpython-3.13.1+../../evil-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz",
            "SHA256SUMS",
        ];
        let lines = names.map(|name| format!("{digest}  {name}"));
        let text = lines.join("\n");
        let found = builds_of_release(&text, false);
        let versions: Vec<&str> = found.iter().map(|one| one.version.as_str()).collect();
        assert_eq!(versions, ["3.14.9", "3.15.0a2"]);
        assert_eq!(
            found[0].systems(),
            [System::LinuxX86_64, System::MacosAarch64]
        );
        assert_eq!(
            found[0].checked.as_deref(),
            Some("digests of `SHA256SUMS` of release 20261128")
        );
        assert_eq!(
            found[0].artifacts[&System::LinuxX86_64][0].url.as_str(),
            format!(
                "{PYTHON_RELEASES}20261128/cpython-3.14.9%2B20261128-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz"
            )
        );
        let free = builds_of_release(&text, true);
        assert_eq!(free[0].systems(), [System::LinuxX86_64]);
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
