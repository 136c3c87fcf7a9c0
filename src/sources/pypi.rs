//! The source `pypi`: programs and Python applications in wheels of the Python package index (simple API, as JSON or
//! HTML).
//!
//! A version with a wheel that needs no interpreter (`py3-none-<platform>`) is a program; of several wheels for a
//! system the one for the oldest machines is chosen. Any other version is an application, which needs an
//! interpreter and further packages.

mod html;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use url::Url;

use super::{
    Candidate, Error, IndexPage, PageAnswer, Sources, lockable_address, release_age::time_seconds,
    unreachable,
};
use crate::{
    fetch::{self, anonymous},
    lockfile::Artifact,
    package::{
        Glibc, PackageName, Sha256, System, Tool, Version, WheelName,
        wheel::{MINORS, PlatformRank},
    },
    util::redact::redact_url,
};

/// JSON where the index has it. Older mirrors and plain file servers have only HTML.
const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, text/html;q=0.1";
/// Largest accepted page, in bytes; the largest in use has 4 MB.
const LIMIT: u64 = 64 << 20;
#[derive(Deserialize)]
struct SimplePage {
    meta: Meta,
    files: Vec<PypiFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Meta {
    api_version: String,
}

#[derive(Deserialize)]
struct PypiFile {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    size: Option<u64>,
    #[serde(rename = "requires-python")]
    requires_python: Option<String>,
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
pub(super) fn candidates(tool: &Tool, sources: Sources<'_>) -> Result<Vec<Candidate>, Error> {
    let page = page_of(tool, sources)?;
    let index = IndexPage {
        address: &page,
        key: &page,
        accept: ACCEPT,
        limit: LIMIT,
    };
    let answer = index.fetch(sources);
    let new = match answer.map_err(|error| failed(tool, &page, error))? {
        PageAnswer::Known(candidates) => return Ok(candidates),
        PageAnswer::New(new) => new,
    };
    let candidates = read(tool, &page, &new.body)?;
    index.store(&new, sources, &candidates);
    Ok(candidates)
}

/// A file of the index.
pub struct IndexFile {
    /// Its name (`idna-3.10.tar.gz`).
    pub name: String,
    pub artifact: Artifact,
    /// The versions of Python that it is for (`>=3.10`); empty for all.
    pub python: String,
}

/// Returns all files of a package that have a SHA-256.
pub fn files(package: &PackageName, sources: Sources<'_>) -> Result<Vec<IndexFile>, Error> {
    let tool = format!("pypi:{package}").parse::<Tool>();
    let tool = tool.map_err(|error| Error::Unreadable {
        place: package.to_string(),
        message: error.to_string(),
    })?;
    let page = page_of(&tool, sources)?;
    let body = fetch_page(&tool, &page, sources)?;
    let listed = listed_files(&page, &body)?.into_iter();
    let files = listed.map(|file| {
        let artifact = artifact(&file, &page)?;
        Ok(artifact.map(|artifact| IndexFile {
            name: file.filename,
            artifact,
            python: file.requires_python.unwrap_or_default(),
        }))
    });
    files.filter_map(Result::transpose).collect()
}

/// The files of an index for the versions of a package that a requirement admits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmittedFiles {
    /// There is no such version. The newest one of the package is given, if the names of its files say it.
    NoVersion { newest: Option<Version> },
    /// No wheel that a Python 3 can use.
    NoWheel,
    /// Wheels for these minor versions of Python 3.
    Wheels { minors: BTreeSet<u32> },
}

/// Returns the kinds of files that the index has for the admitted versions of a package.
pub fn admitted_files(
    package: &PackageName,
    admits: impl Fn(&Version) -> bool,
    sources: Sources<'_>,
) -> Result<AdmittedFiles, Error> {
    let files = files(package, sources)?;
    Ok(sort_files(
        package,
        admits,
        files.iter().map(|one| &*one.name),
    ))
}

fn sort_files<'f>(
    package: &PackageName,
    admits: impl Fn(&Version) -> bool,
    files: impl Iterator<Item = &'f str>,
) -> AdmittedFiles {
    let (mut newest, mut minors, mut is_admitted) = (None, BTreeSet::new(), false);
    for file in files {
        let wheel = WheelName::parse(file);
        let version = match &wheel {
            Some(wheel) => Some(wheel.version.clone()),
            None => source_version(package, file),
        };
        // The name of an old archive can have any form.
        let counts = version.as_ref().is_none_or(&admits);
        newest = newest.max(version);
        is_admitted |= counts;
        let Some(wheel) = wheel.filter(|_| counts) else {
            continue;
        };
        let mut systems = System::ALL.into_iter();
        if wheel.is_everywhere() || systems.any(|system| wheel.any_platform_rank(system).is_some())
        {
            minors.extend(MINORS.filter(|minor| wheel.python_rank(*minor).is_some()));
        }
    }
    match (is_admitted, minors.is_empty()) {
        (false, _) => AdmittedFiles::NoVersion { newest },
        (true, true) => AdmittedFiles::NoWheel,
        (true, false) => AdmittedFiles::Wheels { minors },
    }
}

/// Returns the version in the name of a source archive (`idna-3.10.tar.gz`).
fn source_version(package: &PackageName, file: &str) -> Option<Version> {
    let ends = [".tar.gz", ".tar.bz2", ".tgz", ".zip"];
    let stem = ends.iter().find_map(|end| file.strip_suffix(end))?;
    let (_, version) = stem.match_indices('-').find_map(|(at, _)| {
        let (name, version) = (&stem[..at], &stem[at + 1..]);
        let name: PackageName = name.parse().ok()?;
        (name == *package).then_some((name, version))
    })?;
    version.parse().ok()
}

fn page_of(tool: &Tool, sources: Sources<'_>) -> Result<Url, Error> {
    let page = sources.config.pypi.join(&format!("{}/", tool.package));
    page.map_err(|error| Error::Unreadable {
        place: redact_url(&sources.config.pypi).to_string(),
        message: error.to_string(),
    })
}

fn fetch_page(tool: &Tool, page: &Url, sources: Sources<'_>) -> Result<Vec<u8>, Error> {
    let body = sources.client.get(page, ACCEPT, LIMIT);
    body.map_err(|error| failed(tool, page, error))
}

/// Returns the error for a page that the index did not send.
fn failed(tool: &Tool, page: &Url, error: fetch::Error) -> Error {
    match error {
        fetch::Error::Status {
            status: 404 | 410, ..
        } => Error::UnknownPackage {
            tool: tool.clone(),
            host: page.host_str().unwrap_or_default().to_owned(),
        },
        error => unreachable(tool)(error),
    }
}

/// Reads the page at `address`.
fn read(tool: &Tool, address: &Url, body: &[u8]) -> Result<Vec<Candidate>, Error> {
    candidates_of(tool, address, &listed_files(address, body)?)
}

fn listed_files(address: &Url, body: &[u8]) -> Result<Vec<PypiFile>, Error> {
    let unreadable = |message: String| Error::Unreadable {
        place: redact_url(address).to_string(),
        message,
    };
    if body.trim_ascii_start().starts_with(b"<") {
        let files = html::read(&String::from_utf8_lossy(body));
        if files.is_empty() {
            return Err(unreadable("the page has no links to files".to_owned()));
        }
        return Ok(files);
    }
    let page: SimplePage =
        serde_json::from_slice(body).map_err(|error| unreadable(error.to_string()))?;
    if !page.meta.api_version.starts_with("1.") {
        return Err(unreadable(format!(
            "version {} of the simple API",
            page.meta.api_version
        )));
    }
    Ok(page.files)
}

fn candidates_of(tool: &Tool, address: &Url, files: &[PypiFile]) -> Result<Vec<Candidate>, Error> {
    let mut found: BTreeMap<Version, PypiVersion<'_>> = BTreeMap::new();
    for file in files {
        let wheel = WheelName::parse(&file.filename).filter(|wheel| wheel.name == tool.package);
        if let Some(wheel) = wheel {
            let found = found.entry(wheel.version.clone()).or_default();
            found.add(&wheel, file);
        }
    }
    if found.is_empty() {
        return Err(Error::NoWheels { tool: tool.clone() });
    }
    found
        .into_iter()
        .map(|(version, found)| found.candidate(version, address))
        .collect()
}

/// The best file for each system.
type Best<'a> = BTreeMap<System, (PlatformRank, &'a PypiFile)>;

/// The files of one version.
#[derive(Default)]
struct PypiVersion<'a> {
    programs: Best<'a>,
    /// True if it has a program for any system, supported by devsh or not.
    is_program: bool,
    applications: Best<'a>,
}

impl<'a> PypiVersion<'a> {
    fn add(&mut self, wheel: &WheelName<'_>, file: &'a PypiFile) {
        self.is_program |= wheel.is_program();
        let usable = MINORS
            .into_iter()
            .any(|minor| wheel.python_rank(minor).is_some());
        for system in System::ALL {
            let rank = wheel.any_platform_rank(system);
            if let Some(rank) = rank.filter(|_| wheel.is_program()) {
                keep(&mut self.programs, system, (rank, file));
            } else if usable
                && let Some(rank) = rank.or_else(|| wheel.is_everywhere().then_some((0, 0, 0)))
            {
                keep(&mut self.applications, system, (rank, file));
            }
        }
    }

    fn candidate(self, version: Version, page: &Url) -> Result<Candidate, Error> {
        let files = if self.is_program {
            self.programs
        } else {
            self.applications
        };
        let mut candidate = Candidate::new(version);
        candidate.released = Some(0);
        for (system, (_, file)) in files {
            if let Some(artifact) = artifact(file, page)? {
                candidate.artifacts.insert(system, vec![artifact]);
                let glibc = WheelName::parse(&file.filename).and_then(|wheel| wheel.glibc(system));
                let newer = glibc.filter(|needed| *needed > Glibc::FLOOR);
                candidate.glibc.extend(newer.map(|needed| (system, needed)));
            }
            // Files can be added later: the version is as old as its newest file.
            let uploaded = file.upload_time.as_deref().and_then(time_seconds);
            let released = candidate.released.zip(uploaded);
            candidate.released = released.map(|(one, other)| one.max(other));
            match &file.yanked {
                Yanked::Flag(false) => {}
                Yanked::Flag(true) => candidate.yanked = Some(String::new()),
                Yanked::Reason(reason) => candidate.yanked = Some(reason.clone()),
            }
            if !self.is_program {
                let python = file.requires_python.clone();
                candidate.application = Some(python.unwrap_or_default());
            }
        }
        Ok(candidate)
    }
}

/// Keeps the file if it is the best one for the system so far.
fn keep<'a>(best: &mut Best<'a>, system: System, new: (PlatformRank, &'a PypiFile)) {
    let order = |(rank, file): &(PlatformRank, &PypiFile)| (*rank, file.filename.clone());
    match best.get(&system) {
        Some(known) if order(known) <= order(&new) => {}
        _ => drop(best.insert(system, new)),
    }
}

/// Returns nothing for a file without a SHA-256, which cannot be locked.
fn artifact(file: &PypiFile, page: &Url) -> Result<Option<Artifact>, Error> {
    let digest = file.hashes.get("sha256");
    let Some(digest) = digest.and_then(|text| text.parse::<Sha256>().ok()) else {
        return Ok(None);
    };
    let url = page.join(&file.url).map_err(|error| Error::Unreadable {
        place: redact_url(page).to_string(),
        message: error.to_string(),
    })?;
    let url = lockable_address(anonymous(&url))?;
    Ok(Some(Artifact {
        part: String::new(),
        url,
        digest: digest.into(),
        size: file.size,
    }))
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
        let newer = &find("0.12.1").unwrap().glibc;
        let expected = [(System::LinuxX86_64, "2.39".parse().unwrap())];
        assert_eq!(*newer, BTreeMap::from(expected));
        assert!(find("0.12.0").is_none(), "has only a source archive");
    }

    #[test]
    fn files_of_other_versions_and_systems_do_not_count() {
        let sort = |files: &[&str], oldest: &str| {
            let oldest: Version = oldest.parse().unwrap();
            let admits = |version: &Version| *version >= oldest;
            sort_files(&"my-pkg".parse().unwrap(), admits, files.iter().copied())
        };
        let files = [
            "my_pkg-1.0-cp310-cp310-manylinux_2_17_x86_64.whl",
            "my_pkg-1.0-cp311-cp311-win_amd64.whl",
            "my-pkg-1.0.tar.gz",
            "My.Pkg-2.0.zip",
        ];
        let minors = BTreeSet::from([10]);
        assert_eq!(sort(&files, "1.0"), AdmittedFiles::Wheels { minors });
        assert_eq!(sort(&files, "1.5"), AdmittedFiles::NoWheel);
        let newest = Some("2.0".parse().unwrap());
        assert_eq!(sort(&files, "3"), AdmittedFiles::NoVersion { newest });
        assert_eq!(sort(&["odd_name.tar.gz"], "3"), AdmittedFiles::NoWheel);
    }

    #[test]
    fn packages_without_programs_are_detected() {
        let with = |from: &str, to: &str| {
            let text = String::from_utf8(PAGE.to_vec()).unwrap();
            page(text.replace(from, to).as_bytes())
        };
        let applications = with("-py3-none-", "-cp311-cp311-").unwrap();
        let newest = applications.last().unwrap();
        assert_eq!(newest.application.as_deref(), Some(">=3.7"));
        assert_eq!(newest.artifacts.len(), System::ALL.len());
        let programs = page(PAGE).unwrap();
        assert!(programs.iter().all(|one| one.application.is_none()));
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
}
