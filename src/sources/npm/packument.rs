//! The registry's document on one package, as far as devsh needs it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::IgnoredAny};

use super::platforms::Platforms;

/// The registry's document on a package.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Packument {
    #[serde(default, rename = "dist-tags")]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    versions: BTreeMap<String, VersionEntry>,
    #[serde(default)]
    time: BTreeMap<String, Lenient<String>>,
}

/// One version of a package.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VersionEntry {
    pub(super) dist: Dist,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) deprecated: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    dependencies: Option<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "lenient")]
    optional_dependencies: Option<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "lenient")]
    peer_dependencies: Option<BTreeMap<String, String>>,
    #[serde(default, alias = "bundledDependencies", deserialize_with = "lenient")]
    bundle_dependencies: Option<Vec<String>>,
    #[serde(flatten)]
    pub(super) platforms: Platforms,
}

/// The address and digest of the tarball.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Dist {
    pub(super) tarball: String,
    #[serde(default)]
    pub(super) integrity: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) signatures: Option<Vec<SignatureEntry>>,
}

/// A signature of the registry.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SignatureEntry {
    #[serde(rename = "keyid")]
    pub(super) key: String,
    pub(super) sig: String,
}

/// A value that old documents sometimes have in another type; it is ignored then.
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

impl Packument {
    /// Reads a document; the error is one line.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| error.to_string())
    }

    /// Returns the tags that name a version.
    pub(super) fn tags_of(&self, version: &str) -> Vec<String> {
        let tags = self.tags.iter().filter(|(_, named)| *named == version);
        tags.map(|(tag, _)| tag.clone()).collect()
    }

    pub(super) fn releases(&self) -> impl Iterator<Item = (&str, &VersionEntry)> {
        self.versions
            .iter()
            .map(|(version, release)| (version.as_str(), release))
    }

    pub(super) fn release(&self, version: &str) -> Option<&VersionEntry> {
        self.versions.get(version)
    }

    /// Returns the publication time of a version, as written.
    pub(super) fn time(&self, version: &str) -> Option<&str> {
        match self.time.get(version)? {
            Lenient::Right(time) => Some(time),
            Lenient::Wrong(_) => None,
        }
    }
}

impl VersionEntry {
    /// Returns whether npm would install other packages with this one.
    pub(super) fn has_dependencies(&self) -> bool {
        let bundled = self.bundle_dependencies.as_deref().unwrap_or_default();
        [
            &self.dependencies,
            &self.optional_dependencies,
            &self.peer_dependencies,
        ]
        .into_iter()
        .flatten()
        .flat_map(BTreeMap::keys)
        .any(|name| !bundled.contains(name))
    }
}
