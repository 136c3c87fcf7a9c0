//! The store: immutable, verified trees shared by all projects, made from artifacts.
//!
//! `install` takes the object's lock, downloads and verifies every artifact, unpacks them by the object's
//! recipe into a private directory, makes that durable and renames it to its store path. `seal` tells at a
//! glance whether an object is still what was published, `verify` by reading it. `collect` removes what nobody
//! uses.
//!
//! Invariants: an artifact is verified before any parser sees a byte of it; an object is whole or absent; an
//! object that is there is used without any network; of N processes that want one object, one makes it; a
//! store of a newer format is read and never written.

mod built_object;
mod collect;
mod error;
mod file_manifest;
mod free_space;
mod install;
mod layout;
pub mod live;
mod object;
mod path;
pub mod probe;
mod process;
mod remove;
mod seal;
mod sync;
mod tree_builder;
mod unpack;
mod uses;
mod verify;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub use built_object::Built;
pub use collect::Collection;
pub use error::{Error, Rule};
pub use file_manifest::{Damage, Fault};
pub use install::exchange;
pub use object::{ArtifactRecord, ObjectRecord};
pub use path::StorePath;
pub use process::ProcessMark;
pub use remove::{Size, remove_any, remove_file, remove_tree, size_of};
pub use seal::{holds, sealed_paths};
pub use sync::sync_tree;
pub use verify::Verdict;

use crate::{
    config::Config,
    fetch::Client,
    lockfile::Artifact,
    package::{PackageName, Version},
};

/// How artifacts become an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipe {
    /// A `CPython` tree under `python/`.
    Python,
    /// Components of the Rust dist server, merged.
    Rust,
    /// A wheel that carries programs.
    Wheel,
    /// Packages of the Python index, installed for one interpreter; built, not unpacked.
    Environment,
    /// Tarballs of npm packages, each at its place below `node_modules`.
    Npm,
}

/// What an object is made from; this alone decides its store path.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    /// The package's name at its source.
    pub name: &'a PackageName,
    /// Its version.
    pub version: &'a Version,
    /// How it is made.
    pub recipe: Recipe,
    /// What it is made from.
    pub artifacts: &'a [Artifact],
}

/// Where artifacts are downloaded from and to.
#[derive(Debug, Clone, Copy)]
pub struct Downloads<'a> {
    /// Asks servers.
    pub client: &'a Client,
    /// Names mirrors.
    pub config: &'a Config,
    /// Holds partial downloads.
    pub directory: &'a Path,
}

/// The store of one user. What it was asked for is kept from the collector until the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    uses: Arc<uses::Uses>,
}

impl Store {
    /// Returns the store below `data`; nothing is written before something is installed.
    pub fn open(data: &Path) -> Self {
        Self {
            root: data.join("store"),
            uses: Arc::default(),
        }
    }

    /// Returns the directory that holds the objects.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the object's directory if it is in the store and looks as it was published, and keeps it from the
    /// collector as long as this store is open.
    pub fn find(&self, path: &StorePath) -> Option<PathBuf> {
        self.claim(path).1
    }

    /// Returns the object's directory if it is in the store and looks as it was published.
    fn contains(&self, path: &StorePath) -> Option<PathBuf> {
        let place = self.root.join(path.as_str());
        holds(&place).then_some(place)
    }

    /// Keeps the object of this name from the collector, as long as this store is open; tells whether it is there.
    pub fn keep(&self, name: &str) -> bool {
        let _pass = self.root.parent().and_then(live::pass);
        // A store that cannot be written is not collected.
        let _known = self.uses.add(&self.root, &format!("store/{name}"));
        // Something else in its place is there as well, and is damage.
        self.root.join(name).symlink_metadata().is_ok()
    }

    /// Keeps the profile of this name from the collector, as long as this store is open.
    ///
    /// To be called before it is looked whether the profile is there.
    pub fn use_profile(&self, name: &str) -> Result<(), Error> {
        Ok(self.uses.add(&self.root, &format!("envs/{name}"))?)
    }

    /// Returns the names of all objects, in order.
    pub fn objects(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.root);
        let mut names: Vec<String> = entries
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }
}

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
