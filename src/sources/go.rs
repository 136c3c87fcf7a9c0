//! The source `go`: the official list of Go releases, which has every version with its digests.

use serde::Deserialize;
use url::Url;

use super::{Candidate, Error, ReleaseList, Sources};
use crate::{
    config::GO,
    lockfile::Artifact,
    package::{Sha256, System, Tool, Version},
};

/// Largest accepted list, in bytes; the one in use has 3 MB.
const LIMIT: u64 = 32 << 20;

#[derive(Deserialize)]
struct GoRelease {
    version: String,
    files: Vec<GoFile>,
}

#[derive(Deserialize)]
struct GoFile {
    filename: String,
    os: String,
    arch: String,
    #[serde(default)]
    sha256: String,
    size: Option<u64>,
    #[serde(default)]
    kind: String,
}

/// Returns every version with its archives.
pub(super) fn candidates(tool: &Tool, sources: Sources<'_>) -> Result<Vec<Candidate>, Error> {
    let mut list = sources.config.go.clone();
    list.set_query(Some("mode=json&include=all"));
    ReleaseList {
        address: &list,
        limit: LIMIT,
        candidate,
    }
    .read(tool, sources)
}

fn candidate(release: &GoRelease) -> Option<Candidate> {
    let version = parse_version(&release.version)?;
    let mut candidate = Candidate::new(version);
    for system in System::ALL {
        let (os, arch) = match system {
            System::LinuxAarch64 => ("linux", "arm64"),
            System::LinuxX86_64 => ("linux", "amd64"),
            System::MacosAarch64 => ("darwin", "arm64"),
            System::MacosX86_64 => ("darwin", "amd64"),
        };
        let mut files = release
            .files
            .iter()
            .filter(|file| file.kind == "archive" && (&*file.os, &*file.arch) == (os, arch));
        // The oldest releases have no digests, and several archives for one system.
        let artifact = files.find_map(|file| {
            let plain = !file.filename.contains(['/', '\\', '?', '#', '%']);
            Some(Artifact {
                part: String::new(),
                url: Url::parse(&format!("{GO}{}", file.filename))
                    .ok()
                    .filter(|_| plain)?,
                digest: file.sha256.parse::<Sha256>().ok()?.into(),
                size: file.size,
            })
        });
        candidate
            .artifacts
            .extend(artifact.map(|artifact| (system, vec![artifact])));
    }
    Some(candidate)
}

/// Returns the version of a release; pre-releases are written as PEP 440 writes them.
fn parse_version(name: &str) -> Option<Version> {
    name.strip_prefix("go")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_archives_with_digests() {
        let file = |os: &str, arch: &str, kind: &str, sha256: &str| {
            format!(
                r#"{{"filename":"go1.22.3.{os}-{arch}.tar.gz","os":"{os}","arch":"{arch}","version":"go1.22.3",
                "sha256":"{sha256}","size":5,"kind":"{kind}"}}"#
            )
        };
        let digest = "a".repeat(64);
        let files = [
            file("", "", "source", &digest),
            file("linux", "amd64", "archive", &digest),
            file("linux", "arm64", "archive", ""),
            file("darwin", "arm64", "installer", &digest),
        ];
        let text = format!(
            r#"{{"version":"go1.22.3","stable":true,"files":[{}]}}"#,
            files.join(",")
        );
        let release = candidate(&serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(release.systems(), [System::LinuxX86_64]);
        let artifact = &release.artifacts[&System::LinuxX86_64][0];
        assert_eq!(
            artifact.url.as_str(),
            "https://go.dev/dl/go1.22.3.linux-amd64.tar.gz"
        );
        assert_eq!(artifact.size, Some(5));
    }

    #[test]
    fn versions_of_go_are_read() {
        for (name, version, prerelease) in [
            ("go1.22.3", "1.22.3", false),
            ("go1.20", "1.20", false),
            ("go1.23rc2", "1.23rc2", true),
            ("go1.4beta1", "1.4beta1", true),
        ] {
            let parsed = parse_version(name).unwrap();
            assert_eq!(
                (parsed.as_str(), parsed.is_prerelease()),
                (version, prerelease)
            );
        }
        assert_eq!(parse_version("weekly.2012"), None);
    }
}
