//! The part of garbage collection that moves entries of the data directory to the trash and removes them.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::{Error, Store, leases, process::ProcessMark, remove_any};
use crate::util::files;

/// A collection that decides: until it is finished no process begins to use an entry.
#[derive(Debug)]
pub struct GarbageCollection<'a> {
    store: &'a Store,
    /// The places of discarded entries in the trash.
    trash: Vec<PathBuf>,
    /// The directories that they were in.
    parents: BTreeSet<PathBuf>,
    lock: File,
}

impl Store {
    /// Begins a collection; calls `wait` first if it has to wait for other processes.
    pub fn collect(&self, wait: impl FnOnce()) -> Result<GarbageCollection<'_>, Error> {
        self.prepare()?;
        self.sweep();
        Ok(GarbageCollection {
            store: self,
            trash: Vec::new(),
            parents: BTreeSet::new(),
            lock: leases::without_passes(&self.root, wait)?,
        })
    }

    /// Returns the directory that holds the store and the profiles.
    pub(super) fn data(&self) -> &Path {
        self.root.parent().unwrap_or(&self.root)
    }
}

impl GarbageCollection<'_> {
    /// Moves an entry of the data directory to the trash; one that is gone is no error.
    ///
    /// The seal of an object stays until that is durable: a power cut may bring the object back.
    pub fn discard(&mut self, place: &Path) -> Result<(), Error> {
        let path = place.strip_prefix(self.store.data()).unwrap_or(place);
        let name = path.to_string_lossy().replace('/', "!");
        let name = format!("{name}.{}", ProcessMark::current());
        let trash = self.store.root.join(".trash").join(name);
        match fs::rename(place, &trash) {
            Ok(()) => {
                self.trash.push(trash);
                self.parents.extend(place.parent().map(Path::to_owned));
                Ok(())
            }
            Err(error) if files::is_absent(&error) => Ok(()),
            Err(error) => Err(files::at("remove", place)(error).into()),
        }
    }

    /// Lets other processes continue, and removes what was discarded.
    pub fn finish(self) -> Result<(), Error> {
        drop(self.lock);
        if self.trash.is_empty() {
            return Ok(());
        }
        // This removes the files of leases of profiles that are gone.
        let _leased = leases::leased(self.store.data());
        // After a power cut an entry is in its place and whole, or in the trash.
        files::sync_dir(&self.store.root.join(".trash"))?;
        for parent in &self.parents {
            files::sync_dir(parent)?;
        }
        for place in &self.trash {
            remove_any(place)?;
        }
        self.store.sweep_seals();
        Ok(())
    }
}
