//! The document of the npm registry on one package, as far as devsh needs it.

use std::collections::BTreeMap;

use nodejs_semver::{Range, Version};
use serde::{Deserialize, Deserializer, de::IgnoredAny};

use crate::{package::System, sources::time_seconds};

/// What the registry says of a package.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Packument {
    #[serde(default, rename = "dist-tags")]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    versions: BTreeMap<String, Release>,
    #[serde(default)]
    time: BTreeMap<String, Lenient<String>>,
}

/// One version of a package.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Release {
    pub(super) dist: Dist,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) deprecated: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    dependencies: Option<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "lenient")]
    optional_dependencies: Option<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "lenient")]
    peer_dependencies: Option<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "lenient")]
    peer_dependencies_meta: Option<BTreeMap<String, PeerMeta>>,
    #[serde(default, alias = "bundledDependencies", deserialize_with = "lenient")]
    bundle_dependencies: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    os: Option<Words>,
    #[serde(default, deserialize_with = "lenient")]
    cpu: Option<Words>,
    #[serde(default, deserialize_with = "lenient")]
    libc: Option<Words>,
}

/// Where the tarball is.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Dist {
    pub(super) tarball: String,
    #[serde(default)]
    pub(super) integrity: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct PeerMeta {
    #[serde(default)]
    optional: bool,
}

/// A word or a list of words.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Many(Vec<String>),
}

/// A value of a kind that old documents sometimes have wrong; then it is nothing.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Lenient<T> {
    Right(T),
    Wrong(IgnoredAny),
}

fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(match Lenient::deserialize(deserializer)? {
        Lenient::Right(value) => Some(value),
        Lenient::Wrong(_) => None,
    })
}

/// Something that a release needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    /// The name it is needed under.
    pub(super) name: String,
    /// What of it (`^1.2`, `npm:other@^1`).
    pub(super) wanted: String,
    /// Whether it may be missing.
    pub(super) optional: bool,
}

impl Packument {
    /// Reads a document; the error is one line.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| error.to_string())
    }

    /// Returns the version that the registry calls the latest.
    pub(super) fn latest(&self) -> Option<&str> {
        self.tags.get("latest").map(String::as_str)
    }

    /// Returns every version.
    pub(super) fn releases(&self) -> impl Iterator<Item = (&str, &Release)> {
        self.versions
            .iter()
            .map(|(version, release)| (version.as_str(), release))
    }

    /// Returns one version.
    pub(super) fn release(&self, version: &str) -> Option<&Release> {
        self.versions.get(version)
    }

    /// Returns when a version came out, as written.
    pub(super) fn time(&self, version: &str) -> Option<&str> {
        match self.time.get(version)? {
            Lenient::Right(time) => Some(time),
            Lenient::Wrong(_) => None,
        }
    }

    /// Returns the version that npm would choose for `wanted`: the latest if it will do, else the newest one
    /// that is not deprecated. `limit` is the last second at which it may have come out.
    pub(super) fn choose(&self, wanted: &str, limit: Option<u64>) -> Option<&str> {
        let old_enough = |version: &str| {
            limit.is_none_or(|limit| {
                let out = self.time(version).and_then(time_seconds);
                out.is_some_and(|out| out <= limit)
            })
        };
        if let Some(tagged) = self.tags.get(wanted)
            && self.versions.contains_key(tagged)
            && old_enough(tagged)
        {
            return Some(tagged);
        }
        let range = Range::parse(if wanted.is_empty() { "*" } else { wanted }).ok()?;
        let fits = |text: &str| {
            let version = Version::parse(text).ok()?;
            let fits = range.satisfies(&version) && old_enough(text);
            fits.then_some(version)
        };
        if let Some(latest) = self.latest()
            && self.versions.contains_key(latest)
            && fits(latest).is_some()
        {
            return Some(latest);
        }
        self.releases()
            .filter_map(|(text, release)| Some((fits(text)?, text, release)))
            .max_by(|(one, _, first), (other, _, second)| {
                let current = |release: &Release| release.deprecated.is_none();
                (current(first), one).cmp(&(current(second), other))
            })
            .map(|(_, text, _)| text)
    }
}

impl Release {
    /// Returns everything that the release needs and does not bring along, sorted by name.
    pub(super) fn needs(&self) -> Vec<Need> {
        let mut needs: BTreeMap<&String, Need> = BTreeMap::new();
        let mut add = |name, wanted: &String, optional| {
            let need = Need {
                name: String::clone(name),
                wanted: wanted.trim().to_owned(),
                optional,
            };
            needs.insert(name, need);
        };
        let optional_peer = |name: &String| {
            let meta = self.peer_dependencies_meta.as_ref();
            meta.and_then(|meta| meta.get(name))
                .is_some_and(|meta| meta.optional)
        };
        for (name, wanted) in self.peer_dependencies.iter().flatten() {
            if !optional_peer(name) {
                add(name, wanted, false);
            }
        }
        for (name, wanted) in self.dependencies.iter().flatten() {
            add(name, wanted, false);
        }
        // Registries list optional ones among the others too; optional wins, as in npm.
        for (name, wanted) in self.optional_dependencies.iter().flatten() {
            add(name, wanted, true);
        }
        for name in self.bundle_dependencies.iter().flatten() {
            needs.remove(name);
        }
        needs.into_values().collect()
    }

    /// Returns the systems that the release is for.
    pub(super) fn systems(&self) -> Vec<System> {
        let admits = |words: Option<&Words>, own: &str| {
            let words: Vec<&str> = match words {
                None => return true,
                Some(Words::One(word)) => vec![word],
                Some(Words::Many(words)) => words.iter().map(String::as_str).collect(),
            };
            let excluded = words.iter().any(|word| word.strip_prefix('!') == Some(own));
            let mut positive = words
                .iter()
                .filter(|word| !word.starts_with('!'))
                .peekable();
            !excluded
                && (positive.peek().is_none() || positive.any(|word| [own, "any"].contains(word)))
        };
        System::ALL
            .into_iter()
            .filter(|system| {
                let (os, cpu, libc) = match system {
                    System::LinuxAarch64 => ("linux", "arm64", Some("glibc")),
                    System::LinuxX86_64 => ("linux", "x64", Some("glibc")),
                    System::MacosAarch64 => ("darwin", "arm64", None),
                    System::MacosX86_64 => ("darwin", "x64", None),
                };
                admits(self.os.as_ref(), os)
                    && admits(self.cpu.as_ref(), cpu)
                    && libc.is_none_or(|libc| admits(self.libc.as_ref(), libc))
            })
            .collect()
    }
}
