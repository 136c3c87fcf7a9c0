//! The documents of the OCI image format, as far as devsh reads and writes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Error;
use crate::package::{Invalid, Sha256, System};

/// Media types that devsh writes; in bases it accepts docker's names as well.
#[derive(Debug, Clone, Copy)]
pub struct MediaType;

impl MediaType {
    pub const INDEX: &'static str = "application/vnd.oci.image.index.v1+json";
    pub const MANIFEST: &'static str = "application/vnd.oci.image.manifest.v1+json";
    pub const CONFIG: &'static str = "application/vnd.oci.image.config.v1+json";
    pub const LAYER: &'static str = "application/vnd.oci.image.layer.v1.tar+gzip";
    pub const EMPTY: &'static str = "application/vnd.oci.empty.v1+json";
    pub const SBOM: &'static str = "application/vnd.cyclonedx+json";
    pub const DOCKER_LIST: &'static str =
        "application/vnd.docker.distribution.manifest.list.v2+json";

    /// Returns the OCI name of a layer's media type; the bytes of the layer are the same.
    pub fn of_layer(found: &str) -> Option<&'static str> {
        match found {
            Self::LAYER | "application/vnd.docker.image.rootfs.diff.tar.gzip" => Some(Self::LAYER),
            "application/vnd.oci.image.layer.v1.tar" => {
                Some("application/vnd.oci.image.layer.v1.tar")
            }
            "application/vnd.oci.image.layer.v1.tar+zstd" => {
                Some("application/vnd.oci.image.layer.v1.tar+zstd")
            }
            _ => None,
        }
    }
}

/// Returns a digest as OCI writes it.
pub fn digest_of(sha256: &Sha256) -> String {
    format!("sha256:{sha256}")
}

/// A blob or manifest by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Returns the descriptor of a blob.
    pub fn new(media_type: &str, sha256: &Sha256, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: digest_of(sha256),
            size,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Returns the digest, if it is a SHA-256.
    pub fn sha256(&self) -> Option<Sha256> {
        self.digest.strip_prefix("sha256:")?.parse().ok()
    }

    /// Returns the digest, which must be a SHA-256.
    pub fn require_sha256(&self) -> Result<Sha256, Error> {
        self.sha256()
            .ok_or_else(|| Error::OtherDigest(self.digest.clone()))
    }
}

/// The operating system and processor of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    pub architecture: String,
    pub os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Returns the platform of a system; `None` for macOS, which has no images.
    pub fn of(system: System) -> Option<Self> {
        let architecture = match system {
            System::LinuxX86_64 => "amd64",
            System::LinuxAarch64 => "arm64",
            System::MacosAarch64 | System::MacosX86_64 => return None,
        };
        Some(Self {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            variant: None,
        })
    }

    /// Returns the system of a platform as the user writes it (`linux/arm64`).
    pub fn parse(text: &str) -> Result<System, Invalid> {
        let mut parts = text.split('/');
        let platform = Self {
            os: parts.next().unwrap_or_default().to_owned(),
            architecture: parts.next().unwrap_or_default().to_owned(),
            variant: parts.next().map(ToOwned::to_owned),
        };
        platform
            .system()
            .filter(|_| parts.next().is_none())
            .ok_or_else(|| Invalid::new("linux/amd64 or linux/arm64", text))
    }

    /// Returns the system of a platform, if devsh has one.
    pub fn system(&self) -> Option<System> {
        let variant = self.variant.as_deref();
        match (self.os.as_str(), self.architecture.as_str(), variant) {
            ("linux", "amd64", None) => Some(System::LinuxX86_64),
            ("linux", "arm64", None | Some("v8")) => Some(System::LinuxAarch64),
            _ => None,
        }
    }
}

/// An image index: the manifests of several platforms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageIndex {
    pub schema_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    pub manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A manifest of an image or of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    pub schema_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The configuration of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    #[serde(flatten)]
    pub platform: Platform,
    #[serde(default)]
    pub config: RunConfig,
    pub rootfs: RootFs,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
}

/// The settings for containers of the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
}

/// The layers of an image by the digests of their uncompressed archives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    #[serde(rename = "type")]
    pub kind: String,
    pub diff_ids: Vec<String>,
}

/// The origin of one layer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_layer: Option<bool>,
}
