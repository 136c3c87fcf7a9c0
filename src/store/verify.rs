//! Reading whole objects to find damage, and repairing them.

use std::path::{Path, PathBuf};

use super::{
    Damage, DamageKind, Downloads, Error, Object, ObjectRecord, Store, file_manifest::RECORD,
    install::Existing,
};
use crate::fetch::Meter;

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
        ObjectVerdict {
            name,
            place: directory.to_owned(),
            record,
            damage,
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
        let record = verdict.record.as_ref();
        // The record of a built object names no artifacts.
        let Some(record) = record.filter(|record| !record.artifacts.is_empty()) else {
            return Ok(None);
        };
        let parts = (
            record.name.parse(),
            record.version.parse(),
            record.known_recipe(),
            record.sources(),
        );
        let (Ok(name), Ok(version), Some(recipe), Some(artifacts)) = parts else {
            return Ok(None);
        };
        let object = Object {
            name: &name,
            version: &version,
            recipe,
            artifacts: &artifacts,
        };
        self.install_over(Existing::Suspected, &object, downloads, meter)
            .map(Some)
    }
}
