//! Reading whole objects to find damage, and repairing them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{
    Damage, DamageKind, Downloads, Error, Object, ObjectRecord, Recipe, Store, StorePath,
    file_manifest::{FileManifest, RECORD},
    install::Existing,
    object::{is_own, seal_path},
    remove_tree,
};
use crate::{
    fetch::{Download, Meter, find_download},
    lockfile::Artifact,
    package::{PackageName, ReleaseOptions, Version},
};

/// Returns the paths of all members of an object as they were published, relative to the object. Other files, such as
/// bytecode that an interpreter left, are not among them.
pub fn published_files(object: &Path) -> Result<Option<BTreeSet<String>>, Error> {
    let Some(record) = ObjectRecord::read(object)? else {
        return Ok(None);
    };
    let manifest = FileManifest::read(object, &record.tree)?;
    Ok(manifest.map(|manifest| manifest.0.into_keys().collect()))
}

/// The result of examining one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVerdict {
    /// The object's name.
    pub name: String,
    /// Its directory.
    pub place: PathBuf,
    /// Its record, unless that is damaged.
    pub record: Option<ObjectRecord>,
    /// Empty when the object is whole.
    pub damage: Vec<Damage>,
}

/// The sources of an object, as its record has them.
struct RecordedObject {
    name: PackageName,
    version: Version,
    recipe: Recipe,
    artifacts: Vec<Artifact>,
    layout: ReleaseOptions,
}

impl RecordedObject {
    /// Reads a record; nothing for an object that was built and not unpacked, or one with an unknown recipe.
    fn of(record: &ObjectRecord) -> Option<Self> {
        // The record of a built object names no artifacts.
        (!record.artifacts.is_empty()).then_some(())?;
        let (name, version) = record.identity()?;
        Some(Self {
            name,
            version,
            recipe: record.known_recipe()?,
            artifacts: record.sources()?,
            layout: record.layout()?,
        })
    }

    fn object(&self) -> Object<'_> {
        Object {
            name: &self.name,
            version: &self.version,
            recipe: self.recipe,
            artifacts: &self.artifacts,
            layout: &self.layout,
        }
    }
}

/// The origin of the artifacts for a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArtifactsFrom {
    /// The download cache alone; nothing is compared if one is missing there.
    Cache,
    /// The servers, unless the download cache has them.
    Servers,
}

impl Store {
    /// Returns the record of the object in `directory` after comparing its whole tree with it.
    pub fn verify(&self, directory: &Path) -> Result<ObjectRecord, Error> {
        let verdict = self.examine(directory);
        match verdict.record.filter(|_| verdict.damage.is_empty()) {
            Some(record) => Ok(record),
            None => Err(Error::Damaged { path: verdict.name }),
        }
    }

    /// Reads every byte of the object in `directory` and returns its damage.
    pub fn examine(&self, directory: &Path) -> ObjectVerdict {
        let name = directory.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let (mut record, mut damage) = (None, Vec::new());
        let fault = match ObjectRecord::read(directory) {
            Ok(Some(found)) => {
                record = Some(found);
                None
            }
            Ok(None) if directory.join(RECORD).exists() => Some(DamageKind::Changed),
            Ok(None) => Some(DamageKind::Missing),
            Err(_) => Some(DamageKind::Unreadable),
        };
        if let Some(fault) = fault {
            let path = RECORD.to_owned();
            damage.push(Damage { path, fault });
        }
        if let Some(record) = &record {
            damage.extend(record.compare(directory));
        }
        if directory.exists() && !is_own(directory) && directory.is_dir() {
            damage.push(Damage {
                path: ".".to_owned(),
                fault: DamageKind::OtherOwner,
            });
        }
        ObjectVerdict {
            name,
            place: directory.to_owned(),
            record,
            damage,
        }
    }

    /// Returns the first damage of the object in `directory` that sizes and times of its files show, without reading what
    /// has not changed since the publication.
    pub fn find_recent_damage(&self, directory: &Path) -> Option<Damage> {
        let published = fs::metadata(seal_path(directory)).ok()?.modified().ok()?;
        let record = ObjectRecord::read(directory).ok()??;
        let manifest = FileManifest::read(directory, &record.tree).ok()?;
        match manifest {
            Some(manifest) => manifest.recent_damage(directory, published),
            None => record.compare(directory).into_iter().next(),
        }
    }

    /// Makes a damaged object again from the artifacts that its record names.
    ///
    /// Returns nothing when the record is damaged, when the object was built and not unpacked, or when this devsh
    /// does not know the recipe.
    pub fn repair(
        &self,
        verdict: &ObjectVerdict,
        downloads: &Downloads<'_>,
        meter: &dyn Meter,
    ) -> Result<Option<PathBuf>, Error> {
        let Some(recorded) = verdict.record.as_ref().and_then(RecordedObject::of) else {
            return Ok(None);
        };
        // A forged object is whole, so damage that was found elsewhere counts as well.
        let existing = if self.examine(&verdict.place).damage.is_empty() {
            Existing::Replaced
        } else {
            Existing::Suspected
        };
        self.install_over(existing, &recorded.object(), downloads, meter)
            .map(Some)
    }

    /// Unpacks the artifacts of an object again and returns the differences of the object.
    ///
    /// The name of an object is a digest of its artifacts, so a forged record cannot name others. Returns nothing if
    /// there is no artifact to compare with: the object was built here, or the cache lacks one.
    pub fn compare_with_artifacts(
        &self,
        verdict: &ObjectVerdict,
        from: ArtifactsFrom,
        downloads: &Downloads<'_>,
        meter: &dyn Meter,
    ) -> Result<Option<Vec<Damage>>, Error> {
        let Some(recorded) = verdict.record.as_ref().and_then(RecordedObject::of) else {
            return Ok(None);
        };
        let cached = recorded
            .artifacts
            .iter()
            .all(|artifact| find_download(downloads.directory, &artifact.digest).is_some());
        if from == ArtifactsFrom::Cache && !cached {
            return Ok(None);
        }
        self.prepare()?;
        let object = recorded.object();
        let path = StorePath::of(&object);
        let _lock = self.lock(&path, meter)?;
        let temporary = self.temporary(&path);
        remove_tree(&temporary)?;
        let unpacked = self.unpack(
            &object,
            Existing::Suspected,
            &temporary,
            &verdict.place,
            downloads,
            meter,
        );
        meter.step("comparing", None);
        let damage = unpacked.map(|(manifest, used)| {
            if !cached {
                used.into_iter().for_each(Download::discard);
            }
            manifest.compare(&verdict.place)
        });
        let removed = remove_tree(&temporary);
        let damage = damage?;
        removed?;
        Ok(Some(damage))
    }
}
