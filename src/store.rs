//! The store: immutable, verified trees shared by all projects, made from artifacts.
//!
//! `install` takes the object's lock, downloads and verifies every artifact, unpacks them by the object's
//! recipe into a private directory, makes that durable and renames it to its store path. `verify` reads whole
//! objects. `collect` removes what no process and no project uses.
//!
//! Below the store are `.locks` (one for each object that is made), `.leases` (what running processes use),
//! `.building` (objects that are not published yet), `.trash` (what is being removed) and `.seals` (the digest of every
//! object's record).
//!
//! Invariants: an artifact is verified before any parser sees a byte of it; it proves its name and version, which are
//! compared with those of the lockfile; an object is whole or absent; a
//! published object is trusted until `verify` reads it; an object that is there is used without any network; of N
//! processes that want one object, one makes it; a store of a newer format is read and never written.

mod built_object;
mod conda_prefix;
mod durable;
mod error;
mod file_manifest;
mod free_space;
pub mod fuzz_entries;
mod install;
pub mod leases;
mod name_budget;
mod object;
mod path;
mod process;
mod recipes;
mod remove;
mod shared_components;
mod shared_object;
mod trash;
mod tree_builder;
mod unpack;
mod verify;
mod wheel_environment;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Once},
};

pub use built_object::BuiltObject;
pub use conda_prefix::{ClobberedFile, MovedPrefix, PrefixNotes, PrefixPackages};
use durable::SharedSync;
pub use durable::sync_tree;
pub use error::{Error, Rule};
pub use file_manifest::{BYTECODE, Damage, DamageKind};
pub use install::exchange;
pub use object::{ArtifactRecord, ObjectRecord, is_published};
pub use path::StorePath;
pub use process::ProcessMark;
pub use recipes::{WheelSummary, check_wheel, digest_in_wheel, unpack_crate};
pub use remove::{CountedFiles, Size, remove_any, remove_file, remove_tree, size_of, size_without};
pub use shared_object::{PackOutcome, PackedObject, SharedTree};
pub use trash::GarbageCollection;
pub use verify::{ArtifactsFrom, ObjectVerdict, published_files};
pub use wheel_environment::{EnvironmentPython, PackageWheel};

use crate::{
    config::Config,
    fetch::Client,
    lockfile::Artifact,
    package::{PackageName, ReleaseOptions, Source, Version},
};

/// The way in which artifacts become an object.
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
    /// The wheel of a source distribution; built, not unpacked.
    BuiltWheel,
    /// Tarballs of npm packages, each at its place below `node_modules`.
    Npm,
    /// A package of a conda channel, with the placeholders of its prefix.
    CondaPackage,
    /// Conda packages, linked for the place of the object; built, not unpacked.
    CondaPrefix,
    /// The npm registry's package of a program for one platform.
    NpmPlatform,
    /// An official archive of Node.js or Go.
    Toolchain,
    /// The archive or the program of a release.
    Release,
    /// The programs of a crate; built, not unpacked.
    Crate,
}

impl Recipe {
    /// Returns the recipe for the artifacts of a source.
    pub const fn of(source: Source) -> Option<Self> {
        match source {
            Source::Python => Some(Self::Python),
            Source::Rust => Some(Self::Rust),
            Source::Pypi => Some(Self::Wheel),
            Source::Npm => Some(Self::Npm),
            Source::NpmPlatform => Some(Self::NpmPlatform),
            Source::Go | Source::Node => Some(Self::Toolchain),
            Source::Github | Source::Url => Some(Self::Release),
            Source::Cargo => Some(Self::Crate),
            Source::Conda => None,
        }
    }
}

/// The sources of an object; they alone decide its store path.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    /// The package's name at its source.
    pub name: &'a PackageName,
    /// Its version.
    pub version: &'a Version,
    /// The recipe of the object.
    pub recipe: Recipe,
    pub artifacts: &'a [Artifact],
    /// The places of the programs in a release.
    pub layout: &'a ReleaseOptions,
}

/// The servers and the directory of downloads.
#[derive(Debug, Clone, Copy)]
pub struct Downloads<'a> {
    /// Asks servers.
    pub client: &'a Client,
    /// Names mirrors.
    pub config: &'a Config,
    /// Holds partial downloads.
    pub directory: &'a Path,
}

/// The store of one user. It keeps its leases until the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    leases: Arc<leases::Leases>,
    /// True once the unfinished work of killed processes was removed.
    swept: Arc<Once>,
    trees: Arc<SharedSync>,
    names: Arc<SharedSync>,
}

impl Store {
    /// Returns the store below `data`; nothing is written before something is installed.
    pub fn open(data: &Path) -> Self {
        Self {
            root: data.join("store"),
            leases: Arc::default(),
            swept: Arc::new(Once::new()),
            trees: Arc::default(),
            names: Arc::default(),
        }
    }

    /// Returns the directory that holds the objects.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Leases an object and returns its directory if it is there.
    pub fn find(&self, path: &StorePath) -> Option<PathBuf> {
        self.lease(path).place
    }

    /// Leases a profile; take a pass before, and look afterwards whether the profile is there.
    pub fn lease_profile(&self, name: &str) -> Result<(), Error> {
        Ok(self.leases.add(&self.root, format!("envs/{name}"))?)
    }

    /// Leases an object that is there while `read` runs.
    pub fn with_object<T>(&self, name: &str, read: impl FnOnce(&Path) -> T) -> Option<T> {
        let pass = leases::pass(self.data());
        // A store that cannot be written is not collected.
        let lease = leases::Lease::take(&self.root, &format!("store/{name}")).ok();
        let place = self.root.join(name);
        // A file in the place of an object is there as well, and is damage.
        let there = place.symlink_metadata().is_ok();
        drop(pass);
        let result = there.then(|| read(&place));
        if let Some(lease) = lease {
            lease.release();
        }
        result
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
