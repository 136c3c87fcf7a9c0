//! The prebuilt programs that a crate names, in place of its sources.
//!
//! The names are in the `Cargo.toml` of the crate, which has the digest of the index. Files of a GitHub release get the
//! supplier `github:OWNER/REPO`, files of other servers `url:CRATE`.

use std::{collections::BTreeMap, fs::File, io::Read as _, slice};

use percent_encoding::percent_decode_str;
use url::Url;

use super::binstall;
use crate::{
    fetch::{self, Download, ExpectedFile, Silent},
    lockfile::{Artifact, LockedPackage, lockable},
    package::{Source, Supplier, System, Tool, Version},
    sources::{
        Candidate, Error, Sources, UnusedSupplier, computed_digest,
        github::{self, ReleaseFile},
        release_age, unreachable,
        url::artifact,
    },
    util::parallel,
};

/// Largest accepted `Cargo.toml`, in bytes.
const LONGEST_MANIFEST: u64 = 4 << 20;
/// The number of bytes of an unpacked crate that are searched for it.
const SEARCHED: u64 = 64 << 20;

/// The result of a search for prebuilt programs.
#[derive(Debug)]
pub(in crate::sources) enum Published {
    /// The crate names none.
    Unnamed,
    /// Those that it names cannot be used.
    Unused(UnusedSupplier),
    /// The version with the files of the supplier that the crate names.
    Served(Box<Candidate>),
}

/// Searches the prebuilt programs of a version of a crate, which serves the tool `requested`.
///
/// They are used only if they are as old as the settings ask for, and no system of the crate lacks them.
pub(in crate::sources) fn find(
    tool: &Tool,
    requested: &Tool,
    candidate: &Candidate,
    sources: Sources<'_>,
) -> Result<Published, Error> {
    let artifacts = candidate.artifacts.get(&sources.system);
    let Some([artifact]) = artifacts.map(Vec::as_slice) else {
        return Ok(Published::Unnamed);
    };
    let download = match download(artifact, sources) {
        // The build reports it, if there is one.
        Err(error) if error.is_unreachable() => return Ok(Published::Unnamed),
        Err(fetch::Error::DigestMismatch {
            url,
            expected,
            received,
        }) => {
            return Err(Error::Digest {
                url,
                expected,
                received,
            });
        }
        other => other.map_err(unreachable(tool))?,
    };
    let Some(named) = NamedFiles::read(&download, &candidate.version, sources.system) else {
        return Ok(Published::Unnamed);
    };
    let supplier = named.supplier(tool);
    let unused = |supplier, reason: &str| {
        Ok(Published::Unused(UnusedSupplier {
            supplier,
            reason: reason.to_owned(),
            may_pass: false,
        }))
    };
    let Some(supplier) = supplier else {
        return Ok(Published::Unnamed);
    };
    if requested.supplier_rank(&supplier).is_none() {
        return unused(supplier, "it is none of the sources of this tool");
    }
    let published = tool.from_supplier(&supplier);
    let held = |candidate: &mut Candidate| {
        release_age::hold(slice::from_mut(candidate), requested, sources);
        candidate.held
    };
    let mut plain = Candidate {
        artifacts: BTreeMap::new(),
        ..candidate.clone()
    };
    if matches!(named, NamedFiles::Downloads(_)) {
        // Their server gives no publication time.
        plain.released = None;
        if let Some(young) = held(&mut plain) {
            return unused(supplier, &young.to_string());
        }
    }
    let found = match &named {
        NamedFiles::Releases { files, .. } => {
            github::named_files(&published, files, &plain, sources)
        }
        NamedFiles::Downloads(urls) => downloads(&published, urls, plain, sources),
    };
    let mut served = match found {
        Ok(Some(served)) => served,
        Ok(None) => return unused(supplier, "it has none of the files that the crate names"),
        Err(error) => {
            let Some(reason) = error.unavailable() else {
                return Err(error);
            };
            return unused(supplier, &reason);
        }
    };
    if let Some(young) = held(&mut served) {
        return unused(supplier, &young.to_string());
    }
    let mut systems = candidate.artifacts.keys();
    if let Some(system) = systems.find(|system| !served.supports(**system)) {
        // One lockfile serves all systems, and none of them may lose the tool.
        return unused(supplier, &format!("it has no file for {system}"));
    }
    // The crate is not compiled.
    download.discard();
    served.rust = None;
    served.checked = served
        .checked
        .map(|checked| format!("{checked}, at addresses of `Cargo.toml` of the crate"));
    served.supplier = Some(supplier);
    Ok(Published::Served(Box::new(served)))
}

/// Returns whether a crate itself names the files that a lockfile has for it and for the system of the sources.
pub fn names_files(
    tool: &Tool,
    locked: &LockedPackage,
    sources: Sources<'_>,
) -> Result<bool, Error> {
    let candidates = super::candidates(tool, sources)?;
    let mut candidates = candidates.iter();
    let Some(candidate) = candidates.find(|one| one.version == locked.version) else {
        return Ok(false);
    };
    let artifacts = candidate.artifacts.get(&sources.system);
    let Some([artifact]) = artifacts.map(Vec::as_slice) else {
        return Ok(false);
    };
    let download = download(artifact, sources).map_err(unreachable(tool))?;
    let named = NamedFiles::read(&download, &locked.version, sources.system);
    download.discard();
    let locked_files = locked.artifacts.get(&sources.system);
    let mut locked_files = locked_files.into_iter().flatten();
    Ok(named.is_some_and(|named| {
        named.supplier(tool).as_ref() == Some(&locked.supplier)
            && locked_files.all(|file| named.contains(&file.url, sources.system))
    }))
}

/// Downloads the file of a crate; it stays in the cache for the build.
fn download(artifact: &Artifact, sources: Sources<'_>) -> Result<Download, fetch::Error> {
    let expected = ExpectedFile {
        digest: artifact.digest,
        size: artifact.size,
    };
    let url = sources.config.mirrored(&artifact.url);
    let directory = sources.cache.join("downloads");
    sources
        .client
        .download(&url, &expected, &directory, &Silent)
}

/// Returns the `Cargo.toml` of a crate; nothing if the file cannot be read.
fn read_manifest(file: &File) -> Option<String> {
    let data = flate2::read::MultiGzDecoder::new(file).take(SEARCHED);
    let mut archive = tar::Archive::new(data);
    for entry in archive.entries().ok()? {
        let entry = entry.ok()?;
        let path = entry.path().ok()?.into_owned();
        if path.components().count() == 2 && path.ends_with("Cargo.toml") {
            let mut text = String::new();
            entry
                .take(LONGEST_MANIFEST)
                .read_to_string(&mut text)
                .ok()?;
            return Some(text);
        }
    }
    None
}

/// The files that a crate names, for each system the best first.
#[derive(Debug, PartialEq, Eq)]
enum NamedFiles {
    /// Files of releases of one repository.
    Releases {
        repository: String,
        files: BTreeMap<System, Vec<ReleaseFile>>,
    },
    /// Plain downloads.
    Downloads(BTreeMap<System, Vec<Url>>),
}

impl NamedFiles {
    /// Reads the file of a crate; nothing if it names no files.
    fn read(download: &Download, version: &Version, system: System) -> Option<Self> {
        let manifest = download.open().ok().and_then(read_manifest)?;
        Self::new(binstall::addresses(&manifest)?, version, system)
    }

    /// Returns whether the crate names this file for a system. The server of releases is checked elsewhere.
    fn contains(&self, url: &Url, system: System) -> bool {
        match self {
            Self::Releases { repository, files } => {
                let wanted = files.get(&system);
                let found = release_file(url);
                found.is_some_and(|(owner, file)| {
                    owner == *repository && wanted.is_some_and(|wanted| wanted.contains(&file))
                })
            }
            Self::Downloads(urls) => urls.get(&system).is_some_and(|urls| urls.contains(url)),
        }
    }

    /// Sorts addresses by their kind; those for this system decide which kind counts.
    fn new(
        addresses: BTreeMap<System, Vec<Url>>,
        version: &Version,
        system: System,
    ) -> Option<Self> {
        let of_repository = |url: &Url| -> Option<(String, ReleaseFile)> {
            let (repository, file) = release_file(url)?;
            names_version(&file.tag, version).then_some((repository, file))
        };
        let first = addresses.get(&system)?.first()?;
        if !is_github(first) {
            let safe = |url: &Url| lockable(url) && !is_github(url);
            let kept = addresses.into_iter().map(|(system, mut urls)| {
                urls.retain(safe);
                (system, urls)
            });
            return Some(Self::Downloads(kept.collect()));
        }
        let (repository, _) = addresses.get(&system)?.iter().find_map(of_repository)?;
        let files = addresses.iter().map(|(system, urls)| {
            let files = urls.iter().filter_map(of_repository);
            let files = files.filter(|(one, _)| *one == repository);
            (*system, files.map(|(_, file)| file).collect())
        });
        Some(Self::Releases {
            files: files.collect(),
            repository,
        })
    }

    fn supplier(&self, tool: &Tool) -> Option<Supplier> {
        match self {
            Self::Releases { repository, .. } => Supplier::new(Source::Github, repository).ok(),
            Self::Downloads(_) => Supplier::new(Source::Url, tool.package.as_str()).ok(),
        }
    }
}

/// Returns whether an address is on the server of all repositories, where only releases have an owner.
fn is_github(url: &Url) -> bool {
    url.host_str() == Some("github.com")
}

/// Returns the repository and the file of `https://github.com/OWNER/REPO/releases/download/TAG/NAME`.
fn release_file(url: &Url) -> Option<(String, ReleaseFile)> {
    let parts: Vec<&str> = url.path_segments()?.collect();
    let [owner, repository, "releases", "download", tag @ .., name] = &parts[..] else {
        return None;
    };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let file = ReleaseFile {
        tag: decoded(&tag.join("/")),
        name: decoded(name),
    };
    Some((format!("{owner}/{repository}"), file))
}

/// Returns whether a tag ends with the version, as that of a release must.
fn names_version(tag: &str, version: &Version) -> bool {
    let before = tag.strip_suffix(version.as_str());
    before.is_some_and(|before| !before.ends_with(|one: char| one.is_ascii_digit() || one == '.'))
}

/// Returns the version with its plain downloads; nothing if none is for this system.
fn downloads(
    tool: &Tool,
    urls: &BTreeMap<System, Vec<Url>>,
    mut candidate: Candidate,
    sources: Sources<'_>,
) -> Result<Option<Candidate>, Error> {
    let all: Vec<(&System, &Vec<Url>)> = urls.iter().collect();
    let found = parallel::map(all.len().max(1), &all, |(system, urls)| {
        first_download(tool, urls, **system, sources)
    });
    for ((system, _), found) in all.into_iter().zip(found) {
        let artifacts = found?.map(|artifact| (*system, vec![artifact]));
        candidate.artifacts.extend(artifacts);
    }
    candidate.checked = Some("digests computed from the downloads".to_owned());
    Ok(candidate.supports(sources.system).then_some(candidate))
}

/// Returns the first of these downloads that exists.
fn first_download(
    tool: &Tool,
    urls: &[Url],
    system: System,
    sources: Sources<'_>,
) -> Result<Option<Artifact>, Error> {
    for url in urls {
        match computed_digest(tool, url, system, sources, |_| Ok(())) {
            Ok((digest, size)) => return Ok(Some(artifact(url.clone(), digest, Some(size)))),
            Err(error) if error.is_absent() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(url: &str) -> Option<NamedFiles> {
        let urls = vec![url.parse().unwrap()];
        let version = "1.2.3".parse().unwrap();
        let addresses = BTreeMap::from([(System::LinuxX86_64, urls)]);
        NamedFiles::new(addresses, &version, System::LinuxX86_64)
    }

    #[test]
    fn addresses_lead_to_releases_or_plain_downloads() {
        let releases = "https://github.com/o/r/releases/download";
        let supplier = |url: &str| {
            let tool = "cargo:Big_Tool".parse().unwrap();
            Some(named(url)?.supplier(&tool)?.to_string())
        };
        for (url, expected) in [
            (format!("{releases}/v1.2.3/x.tgz"), Some("github:o/r")),
            (format!("{releases}/x%2Fv1.2.3/x.tgz"), Some("github:o/r")),
            // The archive of another version, or none at all.
            (format!("{releases}/v11.2.3/x.tgz"), None),
            (format!("{releases}/latest/x.tgz"), None),
            ("https://github.com/o/r/raw/1.2.3/x.tgz".to_owned(), None),
            (
                "https://x.example/1.2.3/x.tgz".to_owned(),
                Some("url:big-tool"),
            ),
        ] {
            assert_eq!(supplier(&url).as_deref(), expected, "{url}");
        }
        let Some(NamedFiles::Releases { files, .. }) =
            named(&format!("{releases}/x%2Fv1.2.3/a%2Bb.tgz"))
        else {
            panic!("releases");
        };
        let file = &files[&System::LinuxX86_64][0];
        assert_eq!((&*file.tag, &*file.name), ("x/v1.2.3", "a+b.tgz"));
        assert_eq!(
            named("http://x.example/1.2.3/x.tgz"),
            Some(NamedFiles::Downloads(BTreeMap::from([(
                System::LinuxX86_64,
                Vec::new()
            )])))
        );
    }
}
