//! Settings of a tool from releases: which file of a release it is, and where its programs are in it.

use std::{collections::BTreeSet, fmt, str::FromStr};

use super::{
    Invalid, MinisignKey, Sha256, System, catalogue::CatalogueRelease, platform_words::usual_words,
};

/// A setting of a tool from the sources `github`, `url` and `cargo`.
///
/// Its text form is `KEY=VALUE`, or `KEY.SYSTEM=VALUE` for one system, as the lockfile has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReleaseOption {
    /// The name of the asset of a release, for one system or for all.
    Asset(Option<System>, String),
    /// A program, as a path in the archive.
    Bin(String),
    /// The address of a file with the SHA-256 of the download.
    Checksums(Option<System>, String),
    /// True if a crate is built with its default features.
    DefaultFeatures(bool),
    /// A feature of a crate.
    Feature(String),
    /// The key with which the publisher signs the download: the signature is next to it, with `.minisig` after its name.
    Minisign(MinisignKey),
    /// The SHA-256 of the download.
    Sha256(System, Sha256),
    /// The number of directories at the top of the archive that are left out.
    Strip(u8),
    /// The text in front of the version in the name of a tag.
    TagPrefix(String),
    /// The address of the download, for one system or for all.
    Url(Option<System>, String),
    /// The package whose versions are those of a plain download.
    Versions(String),
    /// The word for an operating system or a processor: `macos`, `osx`.
    Word(String, String),
}

/// The settings of a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleaseOptions(BTreeSet<ReleaseOption>);

/// The names that `Word` can replace.
pub const WORD_NAMES: [&str; 4] = ["aarch64", "linux", "macos", "x86_64"];

impl ReleaseOptions {
    /// Returns the settings of the catalogue.
    pub fn of_catalogue(release: &CatalogueRelease) -> Self {
        let texts = |list: &[(System, &'static str)], make: fn(Option<System>, String) -> _| {
            let texts = list.iter();
            let texts = texts.map(|(system, text)| make(Some(*system), (*text).to_owned()));
            texts.collect::<Vec<ReleaseOption>>()
        };
        let words = release.words.iter();
        let words =
            words.map(|(name, word)| ReleaseOption::Word((*name).to_owned(), (*word).to_owned()));
        let bin = release.bin.iter();
        let bin = bin.map(|path| ReleaseOption::Bin((*path).to_owned()));
        let prefix = release.tag_prefix.iter();
        let prefix = prefix.map(|prefix| ReleaseOption::TagPrefix((*prefix).to_owned()));
        let versions = release.versions.iter();
        let versions = versions.map(|package| ReleaseOption::Versions((*package).to_owned()));
        let minisign = release.minisign.iter();
        let minisign = minisign.filter_map(|key| Some(ReleaseOption::Minisign(key.parse().ok()?)));
        let all = texts(release.asset, ReleaseOption::Asset)
            .into_iter()
            .chain(texts(release.checksums, ReleaseOption::Checksums))
            .chain(texts(release.url, ReleaseOption::Url))
            .chain(words)
            .chain(bin)
            .chain(prefix)
            .chain(minisign)
            .chain(versions);
        Self(all.collect())
    }

    pub fn insert(&mut self, option: ReleaseOption) {
        self.0.insert(option);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns every setting, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &ReleaseOption> {
        self.0.iter()
    }

    /// Returns these settings over `lower` ones: a kind of setting that is here hides that kind there.
    #[must_use]
    pub fn over(&self, lower: &Self) -> Self {
        let kinds: BTreeSet<&str> = self.0.iter().map(ReleaseOption::key).collect();
        let rest = lower.0.iter().filter(|one| !kinds.contains(one.key()));
        Self(self.0.iter().chain(rest).cloned().collect())
    }

    /// Returns the name of the asset, with its placeholders.
    pub fn asset(&self, system: System) -> Option<&str> {
        self.for_system(system, |option| match option {
            ReleaseOption::Asset(system, text) => Some((*system, text.as_str())),
            _ => None,
        })
    }

    /// Returns whether any system has the name of an asset.
    pub fn names_assets(&self) -> bool {
        self.0
            .iter()
            .any(|one| matches!(one, ReleaseOption::Asset(..)))
    }

    /// Returns the address of the download, with its placeholders.
    pub fn url(&self, system: System) -> Option<&str> {
        self.for_system(system, |option| match option {
            ReleaseOption::Url(system, text) => Some((*system, text.as_str())),
            _ => None,
        })
    }

    /// Returns the address of a file with digests, with its placeholders.
    pub fn checksums(&self, system: System) -> Option<&str> {
        self.for_system(system, |option| match option {
            ReleaseOption::Checksums(system, text) => Some((*system, text.as_str())),
            _ => None,
        })
    }

    /// Returns the key with which the publisher signs the download, if it is given.
    pub fn minisign(&self) -> Option<&MinisignKey> {
        self.0.iter().find_map(|option| match option {
            ReleaseOption::Minisign(key) => Some(key),
            _ => None,
        })
    }

    /// Returns the SHA-256 that the manifest gives.
    pub fn sha256(&self, system: System) -> Option<Sha256> {
        self.0.iter().find_map(|option| match option {
            ReleaseOption::Sha256(own, digest) if *own == system => Some(*digest),
            _ => None,
        })
    }

    /// Returns whether the manifest gives a SHA-256 for any system.
    pub fn has_digests(&self) -> bool {
        self.0
            .iter()
            .any(|one| matches!(one, ReleaseOption::Sha256(..)))
    }

    /// Returns the programs as paths in the archive; nothing if devsh has to find them.
    pub fn bin(&self) -> Vec<&str> {
        let paths = self.0.iter().filter_map(|option| match option {
            ReleaseOption::Bin(path) => Some(path.as_str()),
            _ => None,
        });
        paths.collect()
    }

    /// Returns the features of a crate.
    pub fn features(&self) -> Vec<&str> {
        let names = self.0.iter().filter_map(|option| match option {
            ReleaseOption::Feature(name) => Some(name.as_str()),
            _ => None,
        });
        names.collect()
    }

    /// Returns whether a crate is built with its default features.
    pub fn default_features(&self) -> bool {
        !self.0.contains(&ReleaseOption::DefaultFeatures(false))
    }

    /// Returns how many directories at the top are left out; nothing if devsh has to find that out.
    pub fn strip(&self) -> Option<u8> {
        self.0.iter().find_map(|option| match option {
            ReleaseOption::Strip(count) => Some(*count),
            _ => None,
        })
    }

    /// Returns the text in front of the version in the name of a tag, if it is given.
    pub fn tag_prefix(&self) -> Option<&str> {
        self.0.iter().find_map(|option| match option {
            ReleaseOption::TagPrefix(prefix) => Some(prefix.as_str()),
            _ => None,
        })
    }

    /// Returns the package whose versions are those of the tool, if it is given.
    pub fn versions(&self) -> Option<&str> {
        self.0.iter().find_map(|option| match option {
            ReleaseOption::Versions(package) => Some(package.as_str()),
            _ => None,
        })
    }

    /// Returns the settings that decide which programs are built from a crate.
    #[must_use]
    pub fn crate_build(&self) -> Self {
        let kept = self.0.iter().filter(|option| {
            matches!(
                option,
                ReleaseOption::Bin(_)
                    | ReleaseOption::DefaultFeatures(_)
                    | ReleaseOption::Feature(_)
            )
        });
        kept.cloned().collect()
    }

    /// Returns the settings that decide where programs are in a release.
    #[must_use]
    pub fn layout(&self) -> Self {
        let kept = self
            .0
            .iter()
            .filter(|option| matches!(option, ReleaseOption::Bin(_) | ReleaseOption::Strip(_)));
        kept.cloned().collect()
    }

    fn for_system<'o>(
        &'o self,
        system: System,
        read: impl Fn(&'o ReleaseOption) -> Option<(Option<System>, &'o str)>,
    ) -> Option<&'o str> {
        let found = |wanted: Option<System>| {
            let mut texts = self.0.iter().filter_map(&read);
            texts.find(|(system, _)| *system == wanted)
        };
        let text = found(Some(system)).or_else(|| found(None));
        text.map(|(_, text)| text)
    }

    /// Returns a text with its placeholders replaced: `{version}`, `{os}`, `{arch}`, `{target}` and `{tag}`.
    pub fn expand(&self, text: &str, release: &ReleaseName<'_>) -> Result<String, Invalid> {
        let word = |name: &str, usual: &str| {
            let own = self.0.iter().find_map(|option| match option {
                ReleaseOption::Word(replaced, word) if replaced == name => Some(word.clone()),
                _ => None,
            });
            own.unwrap_or_else(|| usual.to_owned())
        };
        let system = release.system;
        let (os, arch) = usual_words(system);
        let (os_name, arch_name) = system_names(system);
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            expanded.push_str(before);
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| Invalid::new("a text with closed `{…}`", text))?;
            match name {
                "version" => expanded.push_str(release.version),
                "tag" => expanded.push_str(release.tag),
                "os" => expanded.push_str(&word(os_name, os)),
                "arch" => expanded.push_str(&word(arch_name, arch)),
                "target" => expanded.push_str(system.triple()),
                _ => {
                    let expected = "`{version}`, `{tag}`, `{os}`, `{arch}` or `{target}`";
                    return Err(Invalid::new(expected, &format!("{{{name}}}")));
                }
            }
            rest = after;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

/// The values that replace `{version}`, `{os}` and the like.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseName<'a> {
    pub version: &'a str,
    /// The name of the tag; the version if there is no tag.
    pub tag: &'a str,
    pub system: System,
}

/// Returns devsh's own names of an operating system and a processor.
fn system_names(system: System) -> (&'static str, &'static str) {
    let name = system.as_str();
    name.split_once('-').unwrap_or((name, name))
}

impl ReleaseOption {
    /// Returns the key of the setting, as the manifest has it.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Asset(..) => "asset",
            Self::Bin(_) => "bin",
            Self::Checksums(..) => "checksums",
            Self::DefaultFeatures(_) => "default-features",
            Self::Feature(_) => "features",
            Self::Minisign(_) => "minisign",
            Self::Sha256(..) => "sha256",
            Self::Strip(_) => "strip",
            Self::TagPrefix(_) => "tag-prefix",
            Self::Url(..) => "url",
            Self::Versions(_) => "versions",
            Self::Word(..) => "words",
        }
    }
}

impl fmt::Display for ReleaseOption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key();
        match self {
            Self::Asset(Some(system), text)
            | Self::Checksums(Some(system), text)
            | Self::Url(Some(system), text) => write!(formatter, "{key}.{system}={text}"),
            Self::Minisign(public) => write!(formatter, "{key}={public}"),
            Self::Sha256(system, digest) => write!(formatter, "{key}.{system}={digest}"),
            Self::Word(name, word) => write!(formatter, "{key}.{name}={word}"),
            Self::Strip(count) => write!(formatter, "{key}={count}"),
            Self::DefaultFeatures(wanted) => write!(formatter, "{key}={wanted}"),
            Self::Asset(None, text)
            | Self::Checksums(None, text)
            | Self::Url(None, text)
            | Self::Bin(text)
            | Self::Feature(text)
            | Self::TagPrefix(text)
            | Self::Versions(text) => write!(formatter, "{key}={text}"),
        }
    }
}

impl FromStr for ReleaseOption {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("a setting of a release", text);
        let (key, value) = text.split_once('=').ok_or_else(invalid)?;
        let (key, part) = match key.split_once('.') {
            Some((key, part)) => (key, Some(part)),
            None => (key, None),
        };
        let system = || part.map(str::parse::<System>).transpose();
        let value = value.to_owned();
        Ok(match (key, part) {
            ("asset", _) => Self::Asset(system()?, value),
            ("checksums", _) => Self::Checksums(system()?, value),
            ("url", _) => Self::Url(system()?, value),
            ("sha256", Some(_)) => Self::Sha256(system()?.ok_or_else(invalid)?, value.parse()?),
            ("words", Some(name)) if WORD_NAMES.contains(&name) => {
                Self::Word(name.to_owned(), value)
            }
            ("bin", None) => Self::Bin(value),
            ("default-features", None) => {
                Self::DefaultFeatures(value.parse().map_err(|_| invalid())?)
            }
            ("features", None) => Self::Feature(value),
            ("minisign", None) => Self::Minisign(value.parse()?),
            ("strip", None) => Self::Strip(value.parse().map_err(|_| invalid())?),
            ("tag-prefix", None) => Self::TagPrefix(value),
            ("versions", None) => Self::Versions(value),
            _ => return Err(invalid()),
        })
    }
}

impl FromIterator<ReleaseOption> for ReleaseOptions {
    fn from_iter<I: IntoIterator<Item = ReleaseOption>>(options: I) -> Self {
        Self(options.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::catalogue::CATALOGUE;

    #[test]
    fn settings_print_as_they_parse() {
        let digest = "0".repeat(64);
        for text in [
            "asset=tool-{version}-{os}.zip",
            "asset.macos-aarch64=tool-mac.zip",
            "bin=bin/tool",
            "checksums=https://x.example/{version}/SHA256SUMS",
            "default-features=false",
            "features=vendored",
            "minisign=RWSGOq2NVecA2UPNdBUZykf1CCb147pkmdtYxgb3Ti+JO/wCYvhbAb/U",
            &format!("sha256.linux-x86_64={digest}"),
            "strip=1",
            "tag-prefix=cli/v",
            "url=https://x.example/a=b",
            "versions=github:helm/helm",
            "words.macos=osx",
        ] {
            assert_eq!(text.parse::<ReleaseOption>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "asset",
            "asset.bsd=x",
            "default-features=no",
            "strip=-1",
            "strip=a",
            "sha256=x",
            "words.bsd=x",
            "bin.x=y",
            "minisign=x",
        ] {
            assert!(bad.parse::<ReleaseOption>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn every_text_of_the_catalogue_expands_for_every_system() {
        for entry in CATALOGUE {
            let options = ReleaseOptions::of_catalogue(&entry.release);
            for system in entry.systems {
                let release = ReleaseName {
                    version: "1.2.3",
                    tag: "v1.2.3",
                    system: *system,
                };
                let texts = [
                    options.asset(*system),
                    options.url(*system),
                    options.checksums(*system),
                ];
                for text in texts.into_iter().flatten() {
                    let expanded = options.expand(text, &release).unwrap();
                    assert!(!expanded.contains(['{', '}']), "{expanded}");
                    if text.starts_with("https:") {
                        assert!(expanded.parse::<url::Url>().is_ok(), "{expanded}");
                    }
                }
            }
        }
    }

    #[test]
    fn assets_of_the_catalogue_have_the_names_of_real_releases() {
        for (name, system, expected) in [
            (
                "protoc",
                System::MacosAarch64,
                "protoc-1.2.3-osx-aarch_64.zip",
            ),
            (
                "protoc",
                System::LinuxX86_64,
                "protoc-1.2.3-linux-x86_64.zip",
            ),
            ("buildifier", System::LinuxAarch64, "buildifier-linux-arm64"),
            (
                "duckdb",
                System::MacosX86_64,
                "duckdb_cli-osx-universal.zip",
            ),
            ("hugo", System::LinuxX86_64, "hugo_1.2.3_linux-amd64.tar.gz"),
            (
                "hugo",
                System::MacosAarch64,
                "hugo_1.2.3_darwin-universal.tar.gz",
            ),
            (
                "kubectx",
                System::LinuxX86_64,
                "kubectx_v1.2.3_linux_x86_64.tar.gz",
            ),
            (
                "kubectx",
                System::MacosAarch64,
                "kubectx_v1.2.3_darwin_arm64.tar.gz",
            ),
            (
                "kubeseal",
                System::LinuxX86_64,
                "kubeseal-1.2.3-linux-amd64.tar.gz",
            ),
            ("regctl", System::MacosAarch64, "regctl-darwin-arm64"),
        ] {
            let entry = crate::package::catalogue::CatalogueEntry::find(name).unwrap();
            let options = ReleaseOptions::of_catalogue(&entry.release);
            let release = ReleaseName {
                version: "1.2.3",
                tag: "v1.2.3",
                system,
            };
            let asset = options.asset(system).unwrap();
            assert_eq!(options.expand(asset, &release).unwrap(), expected);
            assert!(options.expand("{user}", &release).is_err());
            assert!(options.expand("{version", &release).is_err());
        }
    }

    #[test]
    fn settings_hide_lower_ones_of_their_kind() {
        let options = |texts: &[&str]| -> ReleaseOptions {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let upper = options(&["bin=a", "strip=1"]);
        let merged = upper.over(&options(&["bin=b", "asset=x"]));
        assert_eq!(merged, options(&["asset=x", "bin=a", "strip=1"]));
    }
}
