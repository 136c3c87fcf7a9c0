//! The record of a published object: its sources and the hash of its tree.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    BuiltObject, Damage, DamageKind, Error, Object, Recipe, StorePath,
    file_manifest::{FileManifest, MANIFEST, RECORD},
};
use crate::{
    lockfile::Artifact,
    package::{Digest, PackageName, ReleaseOption, ReleaseOptions, Sha256, Source, Version},
    util::{digest_input::DigestInput, files},
};

/// Longest accepted record, in bytes.
const LIMIT: u64 = 1 << 20;
/// The directory of seals: for each object the BLAKE3 of its record. An object cannot vouch for itself, since whatever
/// changes its files can change its record too.
pub(super) const SEALS: &str = ".seals";
/// Longest accepted seal, in bytes.
const SEAL_LIMIT: u64 = 64;

/// The record of an object: an object is complete when it has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRecord {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The recipe that made it from its artifacts.
    pub recipe: String,
    /// The BLAKE3 of the list of its files.
    pub tree: String,
    pub artifacts: Vec<ArtifactRecord>,
    /// The inputs of an object that was built and not unpacked, or the layout of a release, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// True if it, or a part of it, came from a cache. This machine has not built it, and does not sign it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub received: bool,
    /// The BLAKE3 of everything above.
    pub check: String,
}

/// One artifact of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRecord {
    /// The part of the tool; empty for the only one.
    pub part: String,
    /// Its public address.
    pub url: String,
    /// Its SHA-256 in hexadecimal, or the integrity of an npm package (`sha512-…`).
    pub digest: String,
    /// Its size in bytes, where the lockfile knew it.
    pub size: Option<u64>,
}

impl ObjectRecord {
    /// Returns the record of `object` with this tree.
    pub(super) fn new(object: &Object<'_>, tree: String) -> Self {
        let artifact = |artifact: &Artifact| ArtifactRecord {
            part: artifact.part.clone(),
            url: crate::fetch::anonymous(&artifact.url).to_string(),
            digest: text_of(&artifact.digest),
            size: artifact.size,
        };
        let mut record = Self {
            name: object.name.to_string(),
            version: object.version.to_string(),
            recipe: object.recipe.as_str().to_owned(),
            tree,
            artifacts: object.artifacts.iter().map(artifact).collect(),
            inputs: object.layout.iter().map(ToString::to_string).collect(),
            received: false,
            check: String::new(),
        };
        record.check = record.digest();
        record
    }

    /// Returns where the programs are in a release, if all settings are known.
    pub(super) fn layout(&self) -> Option<ReleaseOptions> {
        let options = self
            .inputs
            .iter()
            .map(|input| input.parse::<ReleaseOption>().ok());
        options.collect()
    }

    /// Returns the record of a built object with this tree.
    pub(super) fn of_built(built: &BuiltObject<'_>, tree: String) -> Self {
        let mut record = Self {
            name: built.name.to_string(),
            version: built.version.to_string(),
            recipe: built.recipe.as_str().to_owned(),
            tree,
            artifacts: Vec::new(),
            inputs: built.inputs.to_vec(),
            received: built.is_received,
            check: String::new(),
        };
        record.check = record.digest();
        record
    }

    /// Makes the record fit another tree.
    #[cfg(test)]
    pub(super) fn reseal(&mut self, tree: String) {
        self.tree = tree;
        self.check = self.digest();
    }

    /// Returns the digest of all other fields.
    fn digest(&self) -> String {
        let mut input = DigestInput::default();
        for field in [&self.name, &self.version, &self.recipe, &self.tree] {
            input.bytes(field);
        }
        input.list(self.artifacts.iter(), |input, artifact| {
            input.bytes(&artifact.part);
            input.bytes(&artifact.url);
            input.bytes(&artifact.digest);
            input.option(artifact.size, DigestInput::number);
        });
        input.list(self.inputs.iter(), DigestInput::bytes);
        if self.received {
            input.bytes("received");
        }
        let digest = blake3::hash(&input.into_bytes());
        digest.to_hex().to_string()
    }

    /// Returns the artifacts, if all fields are as they were written.
    pub fn sources(&self) -> Option<Vec<Artifact>> {
        let one = |artifact: &ArtifactRecord| {
            Some(Artifact {
                part: artifact.part.clone(),
                url: artifact.url.parse().ok()?,
                digest: digest_of(&artifact.digest)?,
                size: artifact.size,
            })
        };
        self.artifacts.iter().map(one).collect()
    }

    /// Returns the recipe, if this devsh knows it.
    pub fn known_recipe(&self) -> Option<Recipe> {
        Recipe::ALL
            .into_iter()
            .find(|recipe| recipe.as_str() == self.recipe)
    }

    /// Returns the name and the version, in the grammar of their source.
    pub(super) fn identity(&self) -> Option<(PackageName, Version)> {
        let source = match self.known_recipe()? {
            Recipe::CondaPackage | Recipe::CondaPrefix => Source::Conda,
            _ => {
                let name = PackageName::recorded(&self.name).ok()?;
                return Some((name, self.version.parse().ok()?));
            }
        };
        Some((
            PackageName::of(source, &self.name).ok()?,
            Version::opaque(&self.version).ok()?,
        ))
    }

    /// Returns the store path that the record leads to; nothing for an object that was built.
    fn store_path(&self) -> Option<StorePath> {
        if self.artifacts.is_empty() {
            return None;
        }
        let sources = self.sources()?;
        let (name, version) = self.identity()?;
        Some(StorePath::of(&Object {
            name: &name,
            version: &version,
            recipe: self.known_recipe()?,
            artifacts: &sources,
            layout: &self.layout()?,
        }))
    }

    /// Reads the record of the object in `directory`; nothing when there is none, when it is damaged, or when it is
    /// not the published one.
    pub fn read(directory: &Path) -> Result<Option<Self>, Error> {
        let bytes = files::read_bounded(&directory.join(RECORD), LIMIT)?;
        let Some(bytes) = bytes else { return Ok(None) };
        let seal = files::read_bounded(&seal_path(directory), SEAL_LIMIT)?;
        let sealed = seal.is_some_and(|seal| seal == seal_of(&bytes).as_bytes());
        Ok(Self::from_bytes(&bytes, directory).filter(|_| sealed))
    }

    /// Reads a record, every byte of which must be as it was written for the object in `directory`.
    pub(super) fn from_bytes(bytes: &[u8], directory: &Path) -> Option<Self> {
        let record: Self = serde_json::from_slice(bytes).ok()?;
        let name = directory.file_name()?.to_str()?;
        let whole = record.digest() == record.check
            && record.bytes().is_ok_and(|written| written == bytes)
            && record.store_path().is_none_or(|path| path.as_str() == name);
        whole.then_some(record)
    }

    /// Returns the record as written to disk.
    pub(super) fn bytes(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Writes the record into `directory`, which is not published yet and is synced later, and its seal for `place`.
    ///
    /// The seal is durable with it or before it: without it an object counts as damaged.
    pub(super) fn write(&self, directory: &Path, place: &Path) -> Result<(), Error> {
        let path = directory.join(RECORD);
        let bytes = self
            .bytes()
            .map_err(|error| files::at("write", &path)(error.into()))?;
        write_read_only(&path, &bytes)?;
        let seal = seal_of(&bytes);
        if cfg!(target_os = "linux") {
            // The call that makes the object durable includes the whole file system.
            files::write_whole(&seal_path(place), seal.as_bytes())?;
        } else {
            files::write_atomic(&seal_path(place), seal.as_bytes())?;
        }
        Ok(())
    }

    /// Compares the whole tree in `directory` with the record, reading every byte.
    pub(super) fn compare(&self, directory: &Path) -> Vec<Damage> {
        let fault = match FileManifest::read(directory, &self.tree) {
            Ok(Some(manifest)) => return manifest.compare(directory),
            Ok(None) => DamageKind::Changed,
            Err(_) => DamageKind::Unreadable,
        };
        vec![Damage {
            path: MANIFEST.to_owned(),
            fault,
        }]
    }
}

/// Returns whether a published object is in `directory`. An object of another user counts as none, as does every
/// object in a store of another user.
pub fn is_published(directory: &Path) -> bool {
    let store = directory.parent().unwrap_or(directory);
    is_own(store) && is_own(directory) && directory.join(RECORD).is_file()
}

/// Returns whether a directory belongs to this user or to root, who can change everything anyway.
pub(super) fn is_own(directory: &Path) -> bool {
    let found = fs::metadata(directory);
    let own = nix::unistd::geteuid().as_raw();
    found.is_ok_and(|found| found.is_dir() && [own, 0].contains(&found.uid()))
}

/// Returns the path of an object's seal.
pub(super) fn seal_path(place: &Path) -> PathBuf {
    let store = place.parent().unwrap_or(place);
    store
        .join(SEALS)
        .join(place.file_name().unwrap_or_default())
}

fn seal_of(record: &[u8]) -> String {
    blake3::hash(record).to_hex().to_string()
}

pub(super) fn text_of(digest: &Digest) -> String {
    digest.integrity().unwrap_or_else(|| digest.hex())
}

fn digest_of(text: &str) -> Option<Digest> {
    if text.starts_with("sha512-") {
        return Digest::from_integrity(text).ok();
    }
    text.parse::<Sha256>().ok().map(Digest::from)
}

/// Writes a file that no program should change.
pub(super) fn write_read_only(path: &PathBuf, bytes: &[u8]) -> Result<(), files::Error> {
    fs::write(path, bytes)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o444)))
        .map_err(files::at("write", path))
}
