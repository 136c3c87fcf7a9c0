//! Built objects from the caches of a team, and to them.

use std::{
    io::{Seek as _, Write as _},
    path::{Path, PathBuf},
};

use super::Builder;
use crate::{
    cache::{FoundObject, download_directory, signed_record::SharedRecord},
    package::{Glibc, Sha256, System},
    sources::glibc,
    store::{self, BuiltObject, PackOutcome, PackedObject, Recipe, SharedTree, Store, StorePath},
    util::files,
};

/// A packed object with the record that describes it.
#[derive(Debug)]
pub struct SharedObject {
    pub record: SharedRecord,
    /// The packed tree; removed when it is dropped.
    pub archive: tempfile::NamedTempFile,
}

/// An object for a cache.
#[derive(Debug)]
pub enum ShareOutcome {
    Shared(Box<SharedObject>),
    /// The reason for people.
    NotShared(String),
}

impl Builder<'_> {
    /// Returns a built object from the first cache that has it with a trusted signature. Any failure means that it is
    /// built here.
    pub(super) fn receive(&self, built: &BuiltObject<'_>, label: &str) -> Option<PathBuf> {
        if self.caches.is_empty() || !built.recipe.is_shareable() {
            return None;
        }
        let path = StorePath::of_built(built);
        let platform = self.context.system?.as_str();
        let meter = self.progress.start(label, "asking the caches", None);
        let found = self
            .caches
            .find_object(path.as_str(), platform, fits_machine, &*meter);
        let received = found.and_then(|found| {
            meter.step("downloading", Some(found.record.blob_size));
            let directory = download_directory(&self.context.directories.cache);
            let download = found.download(&directory, &*meter)?;
            let shared = tree_of(&found.record);
            let archive = download.open().ok()?;
            let received = self.store.receive(built, &shared, archive, &*meter);
            download.discard();
            self.use_or_refuse(&found, received, &*meter)
        });
        meter.finish();
        received
    }

    fn use_or_refuse(
        &self,
        found: &FoundObject,
        received: Result<PathBuf, store::Error>,
        meter: &dyn crate::fetch::Meter,
    ) -> Option<PathBuf> {
        match received {
            Ok(place) => Some(place),
            // A full disk or a store that cannot be written is reported by the build.
            Err(error @ (store::Error::Refused { .. } | store::Error::Archive { .. })) => {
                let object = &found.record.object;
                found.refuse(&format!("`{object}` cannot be unpacked: {error}"), meter);
                None
            }
            Err(error) => {
                tracing::warn!(%error, store = %self.store.root().display(), "not received");
                None
            }
        }
    }
}

/// Returns whether what was compiled for an object runs with the libraries of this machine.
fn fits_machine(record: &SharedRecord) -> bool {
    let Some(needed) = &record.glibc else {
        return true;
    };
    let needed: Option<Glibc> = needed.parse().ok();
    needed
        .zip(glibc::of_machine())
        .is_some_and(|(needed, machine)| needed <= machine)
}

fn tree_of(record: &SharedRecord) -> SharedTree {
    SharedTree {
        tree: record.tree.clone(),
        size: record.size,
        links: record.links.clone(),
        relocated: record.relocated.clone(),
    }
}

/// Returns whether an object is shared with a signed record; others are made of artifacts, which are shared.
pub fn is_shareable(recipe: Option<Recipe>) -> bool {
    recipe.is_some_and(Recipe::is_shareable)
}

/// Packs an object of the store for the caches.
pub fn share(
    store: &Store,
    name: &str,
    system: System,
    directory: &Path,
) -> Result<ShareOutcome, store::Error> {
    files::create_private_dir(directory)?;
    let at = |error| files::at("write", directory)(error);
    let mut archive = tempfile::NamedTempFile::new_in(directory).map_err(at)?;
    let packed = match store.pack(name, archive.as_file_mut())? {
        PackOutcome::Packed(packed) => *packed,
        PackOutcome::NotShared(reason) => return Ok(ShareOutcome::NotShared(reason)),
    };
    let PackedObject {
        tree,
        record,
        is_native,
    } = packed;
    archive
        .flush()
        .and_then(|()| archive.rewind())
        .map_err(at)?;
    let blob = Sha256::read(archive.as_file_mut()).map_err(at)?;
    let glibc = is_native.then(glibc::of_machine).flatten();
    Ok(ShareOutcome::Shared(Box::new(SharedObject {
        record: SharedRecord {
            object: name.to_owned(),
            tree: tree.tree,
            size: tree.size,
            blob: blob.to_string(),
            blob_size: archive.as_file().metadata().map_err(at)?.len(),
            platform: system.as_str().to_owned(),
            glibc: glibc.map(|glibc| glibc.to_string()),
            inputs: record.inputs,
            links: tree.links,
            relocated: tree.relocated,
        },
        archive,
    })))
}
