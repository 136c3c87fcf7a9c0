//! A cache in a repository of an OCI registry. Each entry is an artifact with one layer, and a tag that is a digest of
//! its key.

use std::{collections::BTreeMap, io::Write as _, path::Path, thread, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    backend::{Backend, CacheEntry, CacheKey, EntryContent, Error, Stored},
    web::unless_absent,
};
use crate::{
    fetch::{
        self, Download, ExpectedFile, Meter, Silent,
        registry::{LocalBlob, Registry as Repository},
    },
    package::Sha256,
    util::{files, parallel},
};

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const ARTIFACT_TYPE: &str = "application/vnd.devsh.cache.v1";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const LAYER_TYPE: &str = "application/octet-stream";
const EMPTY: &[u8] = b"{}";
/// The number of times that an entry is sent again.
const TRIES: u32 = 4;
/// The number of manifests of a list that are read at the same time.
const THREADS: usize = 8;
/// The annotation with the key of an entry.
const KEY: &str = "dev.devsh.key";
/// The beginning of the tags of entries.
const TAG: &str = "devsh-";

#[derive(Debug)]
pub(super) struct RegistryCache {
    pub(super) repository: Repository,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryManifest {
    schema_version: u8,
    media_type: String,
    artifact_type: String,
    config: EntryDescriptor,
    layers: Vec<EntryDescriptor>,
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryDescriptor {
    media_type: String,
    digest: String,
    size: u64,
}

impl EntryDescriptor {
    fn new(media_type: &str, digest: Sha256, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: format!("sha256:{digest}"),
            size,
        }
    }
}

/// The layer of an entry.
struct EntryLayer {
    digest: Sha256,
    size: u64,
    key: Option<CacheKey>,
}

/// Tells a write to replace an entry that exists, or to keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replaced {
    Yes,
    No,
}

fn tag(key: &CacheKey) -> String {
    format!("{TAG}{}", Sha256::of(key.as_str().as_bytes()))
}

impl RegistryCache {
    fn layer(&self, tag: &str) -> Result<Option<EntryLayer>, Error> {
        let Some(stored) = unless_absent(self.repository.manifest(tag))? else {
            return Ok(None);
        };
        let invalid = |reason: String| Error::Answer { reason };
        let manifest: EntryManifest =
            serde_json::from_slice(&stored.bytes).map_err(|error| invalid(error.to_string()))?;
        let layer = manifest.layers.into_iter().next();
        let layer = layer.ok_or_else(|| invalid("a manifest without layers".to_owned()))?;
        let digest = layer.digest.strip_prefix("sha256:");
        let digest = digest.and_then(|digest| digest.parse().ok());
        Ok(Some(EntryLayer {
            digest: digest.ok_or_else(|| invalid(format!("the digest `{}`", layer.digest)))?,
            size: layer.size,
            key: manifest
                .annotations
                .get(KEY)
                .and_then(|key| CacheKey::listed(key)),
        }))
    }

    /// Writes an entry with its parts; an entry that is there stays if `replaced` is `Replaced::No` and the registry has
    /// conditional requests.
    fn write(
        &self,
        key: &CacheKey,
        content: EntryContent<'_>,
        replaced: Replaced,
    ) -> Result<Stored, Error> {
        let layer = match content {
            EntryContent::Bytes(bytes) => self.push_bytes(bytes)?,
            EntryContent::File { path, size, digest } => {
                let blob = LocalBlob {
                    digest,
                    size,
                    file: path,
                };
                self.repository.push_blob(blob, None)?;
                EntryDescriptor::new(LAYER_TYPE, digest, size)
            }
        };
        let config = self.push_bytes(EMPTY)?;
        let manifest = EntryManifest {
            schema_version: 2,
            media_type: MANIFEST_TYPE.to_owned(),
            artifact_type: ARTIFACT_TYPE.to_owned(),
            config: EntryDescriptor {
                media_type: EMPTY_TYPE.to_owned(),
                ..config
            },
            layers: vec![layer],
            annotations: BTreeMap::from([(KEY.to_owned(), key.as_str().to_owned())]),
        };
        let bytes = serde_json::to_vec(&manifest).map_err(|error| Error::Answer {
            reason: error.to_string(),
        })?;
        let tag = tag(key);
        let is_new = match replaced {
            Replaced::Yes => {
                let put = self.repository.put_manifest(&tag, MANIFEST_TYPE, &bytes);
                put.map(|()| true)
            }
            Replaced::No => self
                .repository
                .put_new_manifest(&tag, MANIFEST_TYPE, &bytes),
        };
        Ok(if is_new? {
            Stored::Written
        } else {
            Stored::Present
        })
    }

    /// Writes an entry, again if the registry misses a part of it for a moment.
    fn write_again(
        &self,
        key: &CacheKey,
        content: EntryContent<'_>,
        replaced: Replaced,
    ) -> Result<Stored, Error> {
        let mut tries = 0;
        loop {
            match self.write(key, content, replaced) {
                // docker-registry misses a blob for a moment while another client sends the same one.
                Err(Error::Fetch(fetch::Error::Status {
                    status: 400 | 404, ..
                })) if tries < TRIES => {
                    thread::sleep(Duration::from_millis(100 << tries));
                    tries += 1;
                }
                written => return written,
            }
        }
    }

    fn push_bytes(&self, bytes: &[u8]) -> Result<EntryDescriptor, Error> {
        let mut file = tempfile::NamedTempFile::new()
            .map_err(files::at("write", Path::new("a temporary file")))?;
        let path = file.path().to_owned();
        file.write_all(bytes).map_err(files::at("write", &path))?;
        let (digest, size) = (Sha256::of(bytes), bytes.len() as u64);
        let blob = LocalBlob {
            digest,
            size,
            file: &path,
        };
        self.repository.push_blob(blob, None)?;
        Ok(EntryDescriptor::new(LAYER_TYPE, digest, size))
    }
}

impl Backend for RegistryCache {
    fn contains(&self, key: &CacheKey) -> Result<bool, Error> {
        Ok(self.repository.has_manifest(&tag(key))?)
    }

    fn read(&self, key: &CacheKey, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let Some(layer) = self.layer(&tag(key))? else {
            return Ok(None);
        };
        if layer.size > limit {
            return Err(Error::Answer {
                reason: format!("`{key}` has {} bytes", layer.size),
            });
        }
        let directory =
            tempfile::tempdir().map_err(files::at("create", Path::new("a temporary directory")))?;
        let download =
            self.repository
                .blob(&layer.digest, Some(layer.size), directory.path(), &Silent)?;
        let mut bytes = Vec::new();
        let read = download
            .open()
            .and_then(|mut file| std::io::Read::read_to_end(&mut file, &mut bytes));
        read.map_err(files::at("read", directory.path()))?;
        Ok(Some(bytes))
    }

    fn download(
        &self,
        key: &CacheKey,
        expected: &ExpectedFile,
        directory: &Path,
        meter: &dyn Meter,
    ) -> Result<Download, Error> {
        let layer = self.layer(&tag(key))?.ok_or_else(|| Error::Answer {
            reason: format!("`{key}` is gone"),
        })?;
        if let crate::package::Digest::Sha256(digest) = expected.digest {
            let blob = self
                .repository
                .blob(&digest, expected.size, directory, meter)?;
            return Ok(blob);
        }
        // The registry knows the file by another digest than the lockfile.
        Ok(self
            .repository
            .blob_as(&layer.digest, expected, directory, meter)?)
    }

    fn add(&self, key: &CacheKey, content: EntryContent<'_>) -> Result<Stored, Error> {
        if self.contains(key)? {
            return Ok(Stored::Present);
        }
        self.write_again(key, content, Replaced::No)
    }

    fn replace(&self, key: &CacheKey, content: EntryContent<'_>) -> Result<(), Error> {
        self.write_again(key, content, Replaced::Yes).map(drop)
    }

    fn list(&self, prefix: &str) -> Result<Vec<CacheEntry>, Error> {
        let mut entries = Vec::new();
        let tags = self.repository.tags()?.into_iter();
        let tags: Vec<String> = tags.filter(|tag| tag.starts_with(TAG)).collect();
        // A tag does not show its key, so each manifest is read.
        for layer in parallel::map(THREADS, &tags, |tag| self.layer(tag)) {
            let Some(layer) = layer? else {
                continue;
            };
            let key = layer.key.filter(|key| key.as_str().starts_with(prefix));
            entries.extend(key.map(|key| CacheEntry {
                key,
                size: Some(layer.size),
            }));
        }
        entries.sort();
        Ok(entries)
    }
}

#[cfg(test)]
mod tests;
