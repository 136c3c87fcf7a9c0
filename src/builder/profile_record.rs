//! The record of a profile: what `find` needs to use the profile without looking at anything else.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    built_shell::BuiltShell,
    profile_manifest::{self, Files, LINK, RECORD, os},
};
use crate::{
    store::{Damage, DamageKind},
    util::{binary, files},
};

/// The first bytes of every record.
const MAGIC: [u8; 8] = *b"devshenv";
/// Counts changes of what follows the head.
const FORMAT: u32 = 6;
/// Longest accepted record, in bytes.
const LIMIT: u64 = 64 << 20;

/// The beginning of a record in every format, for garbage collection, which keeps the objects of profiles of other
/// versions of devsh.
#[derive(Serialize, Deserialize)]
struct BuildRecordHead {
    magic: [u8; 8],
    format: u32,
    #[serde(with = "binary::paths")]
    objects: Vec<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct ProfileRecord {
    head: BuildRecordHead,
    /// Without the objects, which the head has.
    built: BuiltShell,
    files: Files,
}

/// Writes the record into a profile that is complete without it.
pub(super) fn write(directory: &Path, built: &BuiltShell) -> Result<(), files::Error> {
    let record = ProfileRecord {
        head: BuildRecordHead {
            magic: MAGIC,
            format: FORMAT,
            objects: built.objects.clone(),
        },
        built: built.clone(),
        files: profile_manifest::list(directory)?,
    };
    let path = directory.join(RECORD);
    let bytes = binary::encode(&record);
    if bytes.len() as u64 > LIMIT {
        let error = std::io::Error::other(format!("{} files are too many", record.files.len()));
        return Err(files::at("write", &path)(error));
    }
    files::write_atomic(&path, &bytes)
}

/// Reads the record of a profile; `None` if it is missing, damaged or of another version of devsh, or if the profile
/// is damaged.
pub(super) fn read(directory: &Path) -> Option<BuiltShell> {
    let bytes = files::read_bounded(&directory.join(RECORD), LIMIT).ok()??;
    let head = decode_head(&bytes)?;
    if head.format != FORMAT {
        return None;
    }
    let record = binary::decode::<ProfileRecord>(&bytes).ok()?;
    let intact = profile_manifest::damage(directory, &record.files).is_empty();
    intact.then_some(BuiltShell {
        objects: record.head.objects,
        ..record.built
    })
}

/// Returns the objects that a profile needs, whichever version of devsh made it; without a readable record, every
/// path that a symlink in the profile leads to.
pub(super) fn needs(directory: &Path) -> Result<Vec<PathBuf>, files::Error> {
    let bytes = match files::read_bounded(&directory.join(RECORD), LIMIT) {
        Ok(bytes) => bytes,
        // Not a regular file, which is damage.
        Err(error) if error.source.raw_os_error().is_none() => None,
        Err(error) => return Err(error),
    };
    if let Some(head) = bytes.as_deref().and_then(decode_head) {
        return Ok(head.objects);
    }
    let described = profile_manifest::list(directory)?.into_values();
    let targets = described.filter_map(|text| Some(PathBuf::from(os(text.strip_prefix(LINK)?))));
    Ok(targets.filter(|target| target.is_absolute()).collect())
}

/// Returns the damage of a profile; none for a profile of another version of devsh.
pub(super) fn damage(directory: &Path) -> Vec<Damage> {
    let fault = match files::read_bounded(&directory.join(RECORD), LIMIT) {
        Err(_) => DamageKind::Unreadable,
        Ok(None) => DamageKind::Missing,
        Ok(Some(bytes)) => match decode_head(&bytes) {
            Some(head) if head.format != FORMAT => return Vec::new(),
            Some(_) => match binary::decode::<ProfileRecord>(&bytes) {
                Ok(record) => return profile_manifest::damage(directory, &record.files),
                Err(_) => DamageKind::Changed,
            },
            None => DamageKind::Changed,
        },
    };
    vec![Damage {
        path: RECORD.to_owned(),
        fault,
    }]
}

fn decode_head(bytes: &[u8]) -> Option<BuildRecordHead> {
    let head = binary::decode_head::<BuildRecordHead>(bytes).ok();
    head.filter(|head| head.magic == MAGIC)
}
