//! The channel manifest of the Rust dist server, version 2: the archives of a toolchain.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::util::nearest::nearest;
use crate::{
    config,
    lockfile::{Artifact, lockable},
    package::{PROFILE, Sha256, System, Version},
    sources::{Candidate, UnavailablePart, release_age::day_seconds},
};

/// The parts of every toolchain.
const DEFAULT: [&str; 3] = ["cargo", "rust-std", "rustc"];

/// A channel manifest, as far as devsh needs it.
#[derive(Debug)]
pub(super) struct ChannelManifest {
    raw: ManifestContent,
    server: Url,
    version: Version,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ManifestContent {
    manifest_version: String,
    date: String,
    pkg: BTreeMap<String, Package>,
    #[serde(default)]
    renames: BTreeMap<String, Rename>,
    #[serde(default)]
    profiles: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Rename {
    to: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Package {
    #[serde(default)]
    version: String,
    #[serde(default)]
    target: BTreeMap<String, Archive>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Archive {
    available: bool,
    url: Option<String>,
    hash: Option<String>,
    xz_url: Option<String>,
    xz_hash: Option<String>,
}

impl ChannelManifest {
    /// Reads a manifest from `server`; the error is one line.
    pub(super) fn parse(text: &str, server: &Url) -> Result<Self, String> {
        let raw: ManifestContent = toml::from_str(text).map_err(|error| {
            error
                .message()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        })?;
        Self::of(raw, server)
    }

    /// Returns the content, for the cache.
    pub(super) const fn content(&self) -> &ManifestContent {
        &self.raw
    }

    /// Checks the content of a manifest from `server`; the error is one line.
    pub(super) fn of(raw: ManifestContent, server: &Url) -> Result<Self, String> {
        if raw.manifest_version != "2" {
            return Err(format!("it is a version {} manifest", raw.manifest_version));
        }
        let dated = raw.date.len() == 10
            && raw
                .date
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'-');
        if !dated {
            return Err(format!("`{}` is not a day", raw.date));
        }
        let text = raw
            .pkg
            .get("rustc")
            .map(|package| package.version.as_str())
            .unwrap_or_default();
        let version =
            version(text, &raw.date).ok_or_else(|| format!("`{text}` is not a version"))?;
        Ok(Self {
            raw,
            server: server.clone(),
            version,
        })
    }

    /// Returns the toolchain with these components and targets added; the error is one line.
    pub(super) fn candidate(
        &self,
        components: &[String],
        targets: &[String],
    ) -> Result<Candidate, String> {
        let mut candidate = Candidate::new(self.version.clone());
        candidate.build = Some(self.raw.date.clone());
        candidate.released = day_seconds(&self.raw.date);
        let (profiles, named): (Vec<&str>, Vec<&str>) = components
            .iter()
            .map(String::as_str)
            .partition(|component| component.starts_with(PROFILE));
        let parts: BTreeSet<&str> = DEFAULT.into_iter().chain(named).collect();
        let usual = self.profiled(&profiles);
        for system in System::ALL {
            let own = parts
                .iter()
                .map(|part| ((*part).to_owned(), *part, system.triple()));
            let foreign = targets
                .iter()
                .filter(|target| *target != system.triple())
                .map(|target| (format!("rust-std-{target}"), "rust-std", target.as_str()));
            let mut artifacts = Vec::new();
            // A profile may lack a component on a system; a named component must exist.
            for part in usual.difference(&parts) {
                artifacts.extend(self.artifact(part, part, system.triple())?);
            }
            for (part, package, target) in own.chain(foreign) {
                if let Some(artifact) = self.artifact(&part, package, target)? {
                    artifacts.push(artifact);
                } else {
                    let near = self.near(package, target, system);
                    let missing = candidate.missing.entry(system);
                    missing.or_insert(UnavailablePart { part, near });
                }
            }
            if !candidate.missing.contains_key(&system) {
                artifacts.sort_by(|a, b| a.part.cmp(&b.part));
                candidate.artifacts.insert(system, artifacts);
            }
        }
        Ok(candidate)
    }

    /// Returns the components of profiles under their usual names.
    ///
    /// The documentation is half of a toolchain and mostly read on the web: only a request by name includes it.
    fn profiled(&self, profiles: &[&str]) -> BTreeSet<&str> {
        let lists = profiles.iter().filter_map(|profile| {
            let name = profile.strip_prefix(PROFILE)?;
            self.raw.profiles.get(name)
        });
        let renamed = |component: &'_ String| {
            let mut renames = self.raw.renames.iter();
            renames
                .find(|(_, rename)| rename.to == *component)
                .map(|(name, _)| name.as_str())
        };
        lists
            .flatten()
            .map(|component| renamed(component).unwrap_or(component))
            .filter(|component| *component != "rust-docs")
            .collect()
    }

    /// Returns the component or target of this system with the name most similar to a missing one.
    fn near(&self, package: &str, target: &str, system: System) -> Option<String> {
        let available = |package: &Package, target: &str| {
            let archive = package.target.get(target);
            archive
                .or_else(|| package.target.get("*"))
                .is_some_and(|archive| archive.available)
        };
        if target != system.triple() {
            let targets = &self.raw.pkg.get(package)?.target;
            let there = targets.iter().filter(|(_, archive)| archive.available);
            return nearest(target, there.map(|(target, _)| target)).cloned();
        }
        let usual = self.raw.renames.iter();
        let usual = usual.map(|(name, rename)| (name, &rename.to));
        let plain = self.raw.pkg.keys().map(|name| (name, name));
        let there = usual.chain(plain).filter(|(_, name)| {
            let package = self.raw.pkg.get(*name);
            package.is_some_and(|package| available(package, target))
        });
        nearest(package, there.map(|(name, _)| name)).cloned()
    }

    fn artifact(
        &self,
        part: &str,
        package: &str,
        target: &str,
    ) -> Result<Option<Artifact>, String> {
        let name = self
            .raw
            .renames
            .get(package)
            .map_or(package, |rename| &rename.to);
        let archive = self
            .raw
            .pkg
            .get(name)
            .and_then(|package| {
                package
                    .target
                    .get(target)
                    .or_else(|| package.target.get("*"))
            })
            .filter(|archive| archive.available);
        let Some(archive) = archive else {
            return Ok(None);
        };
        let xz = archive.xz_url.as_ref().zip(archive.xz_hash.as_ref());
        let Some((url, hash)) = xz.or_else(|| archive.url.as_ref().zip(archive.hash.as_ref()))
        else {
            return Ok(None);
        };
        Ok(Some(Artifact {
            part: part.to_owned(),
            url: self.public(url)?,
            digest: hash
                .parse::<Sha256>()
                .map_err(|error| format!("{error}"))?
                .into(),
            size: None,
        }))
    }

    /// Returns the public address of an archive; the manifest of a mirror has the mirror's addresses.
    fn public(&self, address: &str) -> Result<Url, String> {
        let public = match address.strip_prefix(self.server.as_str()) {
            Some(rest) => format!("{}{rest}", config::RUST),
            None => address.to_owned(),
        };
        Url::parse(&public)
            .ok()
            .filter(lockable)
            .ok_or_else(|| "an archive's address is not an https address".to_owned())
    }
}

/// Reads `1.89.0 (29483883e 2025-08-04)`.
///
/// All nightlies of six weeks share one number, so the day is added, in the form that orders them by day
/// and before the release.
fn version(text: &str, date: &str) -> Option<Version> {
    let number = text.split_whitespace().next()?;
    match number.strip_suffix("-nightly") {
        Some(release) => format!("{release}.dev{}", date.replace('-', ""))
            .parse()
            .ok(),
        None => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = include_str!("../../../tests/fixtures/index/channel-rust.toml");

    fn manifest(text: &str, server: &str) -> Result<ChannelManifest, String> {
        ChannelManifest::parse(text, &server.parse().unwrap())
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn parts_are_found_under_their_names() {
        let manifest = manifest(TEXT, config::RUST).unwrap();
        let components = words(&["clippy", "rust-src", "rustc"]);
        let targets = words(&["wasm32-unknown-unknown", "x86_64-unknown-linux-gnu"]);
        let candidate = manifest.candidate(&components, &targets).unwrap();
        assert_eq!(candidate.version.as_str(), "1.89.0");
        assert_eq!(candidate.build.as_deref(), Some("2025-08-07"));
        let linux: Vec<(&str, &str)> = candidate.artifacts[&System::LinuxX86_64]
            .iter()
            .map(|artifact| (artifact.part.as_str(), artifact.url.path()))
            .collect();
        let expected = [
            (
                "cargo",
                "/dist/2025-08-07/cargo-1.89.0-x86_64-unknown-linux-gnu.tar.xz",
            ),
            (
                "clippy",
                "/dist/2025-08-07/clippy-1.89.0-x86_64-unknown-linux-gnu.tar.xz",
            ),
            ("rust-src", "/dist/2025-08-07/rust-src-1.89.0.tar.xz"),
            (
                "rust-std",
                "/dist/2025-08-07/rust-std-1.89.0-x86_64-unknown-linux-gnu.tar.gz",
            ),
            (
                "rust-std-wasm32-unknown-unknown",
                "/dist/2025-08-07/rust-std-1.89.0-wasm32-unknown-unknown.tar.xz",
            ),
            (
                "rustc",
                "/dist/2025-08-07/rustc-1.89.0-x86_64-unknown-linux-gnu.tar.xz",
            ),
        ];
        assert_eq!(linux, expected);
        assert_eq!(candidate.missing[&System::MacosX86_64].part, "cargo");
        assert_eq!(candidate.missing[&System::LinuxAarch64].part, "clippy");
        let plain = manifest.candidate(&[], &[]).unwrap();
        assert_eq!(plain.artifacts[&System::LinuxAarch64].len(), 3);
        let unknown = manifest.candidate(&words(&["clipy"]), &[]).unwrap();
        let missing = |part: &str, near: &str| UnavailablePart {
            part: part.to_owned(),
            near: Some(near.to_owned()),
        };
        let here = System::LinuxX86_64;
        assert_eq!(unknown.missing[&here], missing("clipy", "clippy"));
        assert!(unknown.artifacts.is_empty());
        let unknown = manifest.candidate(&[], &words(&["wasm32-unknwon-unknown"]));
        let expected = missing("rust-std-wasm32-unknwon-unknown", "wasm32-unknown-unknown");
        assert_eq!(unknown.unwrap().missing[&here], expected);
    }

    #[test]
    fn profiles_have_only_published_components() {
        let text = format!(
            "{}[profiles]\nminimal = [\"rustc\", \"cargo\", \"rust-std\"]\n\
             default = [\"rustc\", \"clippy-preview\", \"rust-docs\", \"rust-src\", \"rust-mingw\"]\n",
            TEXT.split("[profiles]").next().unwrap()
        );
        let manifest = manifest(&text, config::RUST).unwrap();
        let parts = |components: &[&str]| -> Vec<String> {
            let candidate = manifest.candidate(&words(components), &[]).unwrap();
            let artifacts = &candidate.artifacts[&System::LinuxX86_64];
            artifacts
                .iter()
                .map(|artifact| artifact.part.clone())
                .collect()
        };
        let expected = ["cargo", "clippy", "rust-src", "rust-std", "rustc"];
        assert_eq!(parts(&["profile-default"]), expected);
        assert_eq!(parts(&["clippy", "profile-default"]), expected);
        assert_eq!(parts(&["profile-minimal"]), ["cargo", "rust-std", "rustc"]);
    }

    #[test]
    fn addresses_of_a_mirror_become_public_ones() {
        let mirror = "http://127.0.0.1:8000/rust/";
        let text = TEXT.replace(config::RUST, mirror);
        let mirrored = manifest(&text, mirror)
            .unwrap()
            .candidate(&[], &[])
            .unwrap();
        let public = manifest(TEXT, config::RUST)
            .unwrap()
            .candidate(&[], &[])
            .unwrap();
        assert_eq!(mirrored, public);
        let text = TEXT.replace(config::RUST, "http://elsewhere.example/");
        assert!(
            manifest(&text, mirror)
                .unwrap()
                .candidate(&[], &[])
                .is_err()
        );
    }

    #[test]
    fn versions_of_channels_are_ordered_by_day() {
        let read = |text, date| version(text, date).unwrap();
        let nightly = read("1.97.0-nightly (31d3246e0 2026-10-27)", "2026-10-30");
        assert_eq!(nightly.as_str(), "1.97.0.dev20261030");
        assert!(nightly > read("1.97.0-nightly (a 2026-10-26)", "2026-10-29"));
        assert!(nightly < read("1.97.0-beta.2 (a 2026-11-01)", "2026-11-02"));
        assert!(nightly < read("1.97.0 (a 2026-12-01)", "2026-12-02"));
        assert!(version("", "2026-10-30").is_none());
        assert!(version("x", "2026-10-30").is_none());
    }

    #[test]
    fn other_manifests_are_refused() {
        for (from, to) in [
            ("manifest-version = \"2\"", "manifest-version = \"3\""),
            ("\"2025-08-07\"", "\"../../etc\""),
            ("1.89.0 (29483883e 2025-08-04)", "unknown"),
            ("[pkg.rustc]", "[pkg.other]"),
            ("available = true", "available = 1"),
        ] {
            assert!(
                manifest(&TEXT.replace(from, to), config::RUST).is_err(),
                "{to}"
            );
        }
    }
}
