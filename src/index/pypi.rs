//! Programs in wheels of the Python package index, by its simple API.
//!
//! Only wheels that hold a program and need no interpreter count: `py3-none-<platform>`. Of several for a
//! system the one that runs on most machines is taken.

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;

use super::{Candidate, Error, Sources, anonymous, pages, time_seconds};
use crate::{
    fetch,
    lock::{Artifact, lockable},
    package::{PackageName, Sha256, System, Tool, Version},
};

const ACCEPT: &str = "application/vnd.pypi.simple.v1+json";
/// Longest accepted page, in bytes; the longest in use has 4 MB.
const LIMIT: u64 = 64 << 20;
/// The newest glibc that an artifact may need, as `(major, minor)`.
const GLIBC: (u32, u32) = (2, 28);

#[derive(Deserialize)]
struct Page {
    meta: Meta,
    files: Vec<File>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Meta {
    api_version: String,
}

#[derive(Deserialize)]
struct File {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    size: Option<u64>,
    #[serde(rename = "upload-time")]
    upload_time: Option<String>,
    #[serde(default)]
    yanked: Yanked,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Yanked {
    Flag(bool),
    Reason(String),
}

impl Default for Yanked {
    fn default() -> Self {
        Self::Flag(false)
    }
}

/// Returns every version of the package, with the wheels for each system.
///
/// `kept` tells whether a page that was kept a short time ago does.
pub(super) fn candidates(
    tool: &Tool,
    sources: Sources<'_>,
    kept: bool,
) -> Result<Vec<Candidate>, Error> {
    let unreadable = |message: String| Error::Unreadable {
        place: anonymous(sources.config.pypi.clone()).to_string(),
        message,
    };
    let page = sources
        .config
        .pypi
        .join(&format!("{}/", tool.package))
        .map_err(|error| unreadable(error.to_string()))?;
    if kept && let Some(candidates) = pages::load(sources.cache, &page, sources.now) {
        return Ok(candidates);
    }
    let body = sources
        .client
        .get(&page, ACCEPT, LIMIT)
        .map_err(|error| match error {
            fetch::Error::Status {
                status: 404 | 410, ..
            } => Error::UnknownPackage {
                tool: tool.clone(),
                host: page.host_str().unwrap_or_default().to_owned(),
            },
            source => Error::Fetch {
                tool: tool.clone(),
                source: Box::new(source),
            },
        })?;
    let candidates = read(tool, &page, &body)?;
    pages::store(sources.cache, &page, sources.now, &candidates);
    Ok(candidates)
}

/// Reads the page at `address`.
fn read(tool: &Tool, address: &Url, body: &[u8]) -> Result<Vec<Candidate>, Error> {
    let unreadable = |message: String| Error::Unreadable {
        place: anonymous(address.clone()).to_string(),
        message,
    };
    let page: Page = serde_json::from_slice(body).map_err(|error| unreadable(error.to_string()))?;
    if !page.meta.api_version.starts_with("1.") {
        return Err(unreadable(format!(
            "version {} of the simple API",
            page.meta.api_version
        )));
    }
    let mut found: BTreeMap<Version, Found<'_>> = BTreeMap::new();
    let (mut wheels, mut programs) = (false, false);
    for file in &page.files {
        let Some(wheel) = Wheel::parse(&file.filename, &tool.package) else {
            continue;
        };
        wheels = true;
        programs |= wheel.is_program();
        let found = found.entry(wheel.version.clone()).or_default();
        for system in System::ALL {
            if let Some(rank) = wheel.rank(system) {
                found.add(system, rank, file);
            }
        }
    }
    match (wheels, programs) {
        (false, _) => return Err(Error::NoWheels { tool: tool.clone() }),
        (true, false) => return Err(Error::Application { tool: tool.clone() }),
        (true, true) => {}
    }
    found
        .into_iter()
        .map(|(version, found)| found.candidate(version, address))
        .collect()
}

/// How widely a wheel runs: second choices last, then the glibc or macOS needed; the smallest is the best.
type Rank = (u32, u32, u32);

/// The best file for each system of one version.
#[derive(Default)]
struct Found<'a> {
    files: BTreeMap<System, (Rank, &'a File)>,
}

impl<'a> Found<'a> {
    fn add(&mut self, system: System, rank: Rank, file: &'a File) {
        let order = |(rank, file): &(Rank, &'a File)| (*rank, file.filename.clone());
        let new = (rank, file);
        match self.files.get(&system) {
            Some(best) if order(best) <= order(&new) => {}
            _ => drop(self.files.insert(system, new)),
        }
    }

    fn candidate(self, version: Version, page: &Url) -> Result<Candidate, Error> {
        let mut artifacts = BTreeMap::new();
        let (mut yanked, mut released) = (None, Some(0));
        for (system, (_, file)) in self.files {
            if let Some(artifact) = artifact(file, page)? {
                artifacts.insert(system, vec![artifact]);
            }
            // A file that was added later counts: the version is as old as its youngest part.
            let uploaded = file.upload_time.as_deref().and_then(time_seconds);
            released = released.zip(uploaded).map(|(one, other)| one.max(other));
            match &file.yanked {
                Yanked::Flag(false) => {}
                Yanked::Flag(true) => yanked = Some(String::new()),
                Yanked::Reason(reason) => yanked = Some(reason.clone()),
            }
        }
        let mut candidate = Candidate::new(version);
        candidate.artifacts = artifacts;
        candidate.yanked = yanked;
        candidate.released = released;
        Ok(candidate)
    }
}

/// A file without a SHA-256 cannot be locked: it gives nothing.
fn artifact(file: &File, page: &Url) -> Result<Option<Artifact>, Error> {
    let digest = file.hashes.get("sha256");
    let Some(digest) = digest.and_then(|text| text.parse::<Sha256>().ok()) else {
        return Ok(None);
    };
    let url = page.join(&file.url).map_err(|error| Error::Unreadable {
        place: anonymous(page.clone()).to_string(),
        message: error.to_string(),
    })?;
    let url = anonymous(url);
    if !lockable(&url) {
        return Err(Error::Insecure { url });
    }
    Ok(Some(Artifact {
        part: String::new(),
        url,
        digest: digest.into(),
        size: file.size,
    }))
}

/// The name of a wheel, taken apart.
struct Wheel<'a> {
    version: Version,
    python: &'a str,
    abi: &'a str,
    platforms: &'a str,
}

impl<'a> Wheel<'a> {
    fn parse(filename: &'a str, package: &PackageName) -> Option<Self> {
        let fields: Vec<&str> = filename.strip_suffix(".whl")?.split('-').collect();
        let (name, version, [python, abi, platforms]) = match fields[..] {
            [name, version, python, abi, platforms]
            | [name, version, _, python, abi, platforms] => {
                (name, version, [python, abi, platforms])
            }
            _ => return None,
        };
        if name.parse::<PackageName>().ok()? != *package {
            return None;
        }
        Some(Self {
            version: version.parse().ok()?,
            python,
            abi,
            platforms,
        })
    }

    /// Returns whether the wheel is made for a platform and for no particular interpreter.
    fn is_program(&self) -> bool {
        self.abi == "none"
            && self.python.split('.').any(|tag| tag == "py3")
            && self.platforms.split('.').any(|tag| tag != "any")
    }

    /// Returns how widely the wheel runs on `system`, or nothing where it does not run.
    fn rank(&self, system: System) -> Option<Rank> {
        if !self.is_program() {
            return None;
        }
        self.platforms
            .split('.')
            .filter_map(|tag| platform_rank(tag, system))
            .min()
    }
}

fn platform_rank(tag: &str, system: System) -> Option<Rank> {
    match system {
        System::LinuxAarch64 => linux_rank(tag, "_aarch64"),
        System::LinuxX86_64 => linux_rank(tag, "_x86_64"),
        System::MacosAarch64 => macos_rank(tag, "_arm64"),
        System::MacosX86_64 => macos_rank(tag, "_x86_64"),
    }
}

fn linux_rank(tag: &str, processor: &str) -> Option<Rank> {
    let base = tag.strip_suffix(processor)?;
    let glibc = match base {
        "manylinux1" => (2, 5),
        "manylinux2010" => (2, 12),
        "manylinux2014" => (2, 17),
        // Nobody promised anything about it: after all that say what they need.
        "linux" => return Some((1, 0, 0)),
        _ => numbers(base.strip_prefix("manylinux_")?)?,
    };
    (glibc <= GLIBC).then_some((0, glibc.0, glibc.1))
}

fn macos_rank(tag: &str, processor: &str) -> Option<Rank> {
    let rest = tag.strip_prefix("macosx_")?;
    let (base, universal) = match rest.strip_suffix(processor) {
        Some(base) => (base, false),
        None => (rest.strip_suffix("_universal2")?, true),
    };
    let (major, minor) = numbers(base)?;
    Some((u32::from(universal), major, minor))
}

fn numbers(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('_')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &[u8] = include_bytes!("../../tests/fixtures/index/pypi-tool.json");

    fn page(text: &[u8]) -> Result<Vec<Candidate>, Error> {
        let address: Url = "https://me:secret@index.example/simple/ruff/"
            .parse()
            .unwrap();
        read(&"ruff".parse().unwrap(), &address, text)
    }

    #[test]
    fn the_widest_wheel_is_taken_for_each_system() {
        let candidates = page(PAGE).unwrap();
        let newest = candidates.last().unwrap();
        assert_eq!(newest.version.as_str(), "0.12.4");
        let files: Vec<(System, &str)> = newest
            .artifacts
            .iter()
            .map(|(system, artifacts)| (*system, artifacts[0].url.path()))
            .collect();
        let expected = [
            (System::LinuxAarch64, "/files/ruff-0.12.4-aarch64.whl"),
            (System::LinuxX86_64, "/files/ruff-0.12.4-glibc-2.17.whl"),
            (System::MacosAarch64, "/files/ruff-0.12.4-arm64.whl"),
            (System::MacosX86_64, "/files/ruff-0.12.4-universal2.whl"),
        ];
        assert_eq!(files, expected);
        let artifact = &newest.artifacts[&System::LinuxX86_64][0];
        assert_eq!(artifact.size, Some(11));
        assert_eq!(artifact.url.host_str(), Some("index.example"));
        assert!(!artifact.url.as_str().contains("secret"));
    }

    #[test]
    fn withdrawn_and_unusable_versions_are_marked() {
        let candidates = page(PAGE).unwrap();
        let find = |version: &str| {
            let version: Version = version.parse().unwrap();
            candidates
                .iter()
                .find(|candidate| candidate.version == version)
        };
        assert_eq!(find("0.12.3").unwrap().yanked.as_deref(), Some("broken"));
        assert_eq!(find("0.12.2").unwrap().yanked, None);
        assert!(
            find("0.12.1").unwrap().artifacts.is_empty(),
            "needs glibc 2.39"
        );
        assert!(find("0.12.0").is_none(), "has only a source archive");
    }

    #[test]
    fn what_is_no_program_is_told_apart() {
        let with = |from: &str, to: &str| {
            let text = String::from_utf8(PAGE.to_vec()).unwrap();
            page(text.replace(from, to).as_bytes())
        };
        assert!(matches!(
            with("-py3-none-", "-cp311-cp311-"),
            Err(Error::Application { .. })
        ));
        assert!(matches!(
            with(".whl\"", ".zip\""),
            Err(Error::NoWheels { .. })
        ));
        assert!(matches!(
            with("\"1.1\"", "\"2.0\""),
            Err(Error::Unreadable { .. })
        ));
        assert!(matches!(page(b"<html>"), Err(Error::Unreadable { .. })));
        let insecure = with("../../files/", "http://files.example/");
        assert!(matches!(insecure, Err(Error::Insecure { .. })));
    }

    #[test]
    fn platform_tags_are_ranked() {
        let table = [
            (
                "manylinux_2_28_x86_64",
                System::LinuxX86_64,
                Some((0, 2, 28)),
            ),
            ("manylinux_2_29_x86_64", System::LinuxX86_64, None),
            ("manylinux1_x86_64", System::LinuxX86_64, Some((0, 2, 5))),
            (
                "manylinux2014_aarch64",
                System::LinuxAarch64,
                Some((0, 2, 17)),
            ),
            ("manylinux2014_aarch64", System::LinuxX86_64, None),
            ("linux_x86_64", System::LinuxX86_64, Some((1, 0, 0))),
            ("musllinux_1_2_x86_64", System::LinuxX86_64, None),
            ("macosx_11_0_arm64", System::MacosAarch64, Some((0, 11, 0))),
            (
                "macosx_10_9_universal2",
                System::MacosAarch64,
                Some((1, 10, 9)),
            ),
            ("macosx_10_9_x86_64", System::MacosAarch64, None),
            ("win_amd64", System::LinuxX86_64, None),
            ("any", System::LinuxX86_64, None),
        ];
        for (tag, system, rank) in table {
            assert_eq!(platform_rank(tag, system), rank, "{tag} {system}");
        }
    }
}
