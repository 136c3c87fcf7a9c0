//! The store: immutable, verified trees shared by all projects, made from artifacts.
//!
//! `install` takes the object's lock, downloads and verifies every artifact, unpacks them by the object's
//! recipe into a private directory, makes that durable and renames it to its store path.
//!
//! Invariants: an artifact is verified before any parser sees a byte of it; an object is whole or absent; an
//! object that is there is used without any network; of N processes that want one object, one makes it.

mod beneath;
mod built;
mod layout;
mod object;
mod path;
mod tree;
mod unpack;

use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

pub use built::Built;
pub use object::{ArtifactRecord, ObjectRecord};
pub use path::StorePath;

use crate::{
    config::Config,
    fetch::{self, Client, Download, Expected, Meter},
    fsx,
    lock::Artifact,
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

/// The store of one user.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// An object that could not be made or is not as it was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An artifact could not be had.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] fsx::Error),
    /// An artifact has the right digest and cannot be used all the same.
    #[error("cannot unpack `{artifact}`: {reason}")]
    Unpack {
        /// The file's name at its source.
        artifact: String,
        /// Why.
        reason: Box<Self>,
    },
    /// A member of an archive breaks a rule.
    #[error("member `{}` {rule}", member.escape_debug())]
    Refused {
        /// The member.
        member: String,
        /// The rule.
        rule: Rule,
    },
    /// An archive cannot be read.
    #[error("the archive is damaged near `{}`: {source}", member.escape_debug())]
    Archive {
        /// The member that was read.
        member: String,
        /// What the reader said.
        source: io::Error,
    },
    /// The archive is no Rust component, or one of a layout that devsh does not know.
    #[error("installer version {found} where 3 is needed")]
    Installer {
        /// The version found, or `none`.
        found: String,
    },
    /// The wheel holds Python programs only.
    #[error("`{package}` holds no program of its own, only Python code")]
    NeedsInterpreter {
        /// The package.
        package: PackageName,
    },
    /// The artifact holds nothing that can be run.
    #[error("`{package}` holds no program")]
    NoPrograms {
        /// The package.
        package: PackageName,
    },
    /// An object is not what was published.
    #[error("store object `{path}` was changed or damaged")]
    Damaged {
        /// Its store path.
        path: String,
    },
}

/// A rule of unpacking.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// Paths are relative.
    #[error("has an absolute path")]
    Absolute,
    /// Paths have plain names only.
    #[error("has a path that is not plain")]
    OddPath,
    /// Paths have at most 64 names.
    #[error("lies too deep")]
    TooDeep,
    /// Every path occurs once.
    #[error("occurs twice")]
    Duplicate,
    /// Paths differ in more than case.
    #[error("differs from another member in case or accents only")]
    CaseCollision,
    /// Members are files, directories and links.
    #[error("is of a kind that is not accepted")]
    OddType,
    /// Members have no setuid or setgid bit.
    #[error("asks for privileges")]
    Privileged,
    /// Nothing lies below a link.
    #[error("lies below a link")]
    ThroughLink,
    /// Links stay inside and lead through directories.
    #[error("links to `{0}`, which is not inside")]
    LinkTarget(String),
    /// Hard links name an earlier file.
    #[error("is a hard link to no earlier file")]
    HardLink,
    /// Sizes are bounded.
    #[error("makes the archive too large")]
    TooLarge,
    /// The number of members is bounded.
    #[error("is one member too many")]
    TooMany,
    /// The archive's own list of its files is right.
    #[error("is not as the archive's own list says")]
    NotAsListed,
}

impl Store {
    /// Returns the store below `data`; nothing is written before something is installed.
    pub fn open(data: &Path) -> Self {
        Self {
            root: data.join("store"),
        }
    }

    /// Returns the directory that holds the objects.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the object's directory if it is in the store.
    pub fn contains(&self, path: &StorePath) -> Option<PathBuf> {
        let place = self.root.join(path.as_str());
        place.join(object::RECORD).is_file().then_some(place)
    }

    /// Returns the record of the object in `directory` after comparing its whole tree with it.
    pub fn verify(&self, directory: &Path) -> Result<ObjectRecord, Error> {
        let damaged = || Error::Damaged {
            path: directory
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        };
        let record = ObjectRecord::read(directory)?.ok_or_else(damaged)?;
        if object::hash_on_disk(directory)? == record.tree {
            Ok(record)
        } else {
            Err(damaged())
        }
    }

    /// Returns the object's directory, making the object first when it is not there.
    pub fn install(
        &self,
        object: &Object<'_>,
        downloads: &Downloads<'_>,
        meter: &dyn Meter,
    ) -> Result<PathBuf, Error> {
        let path = StorePath::of(object);
        self.once(&path, meter, |temporary| {
            self.make(object, &path, downloads, (temporary, meter))
        })
    }

    /// Returns the object's directory if it is there, else lets `make` publish it, in one process at a time.
    fn once<E: From<Error>>(
        &self,
        path: &StorePath,
        meter: &dyn Meter,
        make: impl FnOnce(&Path) -> Result<PathBuf, E>,
    ) -> Result<PathBuf, E> {
        if let Some(place) = self.contains(path) {
            return Ok(place);
        }
        let (locks, building) = (self.root.join(".locks"), self.root.join(".building"));
        let ready = || -> Result<File, Error> {
            fsx::create_private_dir(&locks)?;
            fsx::create_private_dir(&building)?;
            self.sweep();
            meter.phase("waiting");
            Ok(fsx::lock(&locks.join(path.digest()))?)
        };
        let _lock = ready()?;
        if let Some(place) = self.contains(path) {
            return Ok(place);
        }
        let temporary = building.join(path.digest());
        remove_tree(&temporary).map_err(Error::from)?;
        let published = make(&temporary);
        if published.is_err() {
            // The error that stopped the work is the one to tell.
            let _left = remove_tree(&temporary);
        }
        published
    }

    /// Makes an object in `temporary` and publishes it.
    fn make(
        &self,
        object: &Object<'_>,
        path: &StorePath,
        downloads: &Downloads<'_>,
        (temporary, meter): (&Path, &dyn Meter),
    ) -> Result<PathBuf, Error> {
        fs::create_dir(temporary).map_err(fsx::at("create", temporary))?;
        let place = self.root.join(path.as_str());
        let tree = tree::Tree::new(temporary)?;
        let (hash, used) = thread::scope(|scope| {
            // Of several artifacts the next one downloads while this one is unpacked.
            let (sender, receiver) = mpsc::sync_channel(object.artifacts.len());
            scope.spawn(move || {
                for artifact in object.artifacts {
                    let download = downloads.artifact(artifact, meter);
                    let failed = download.is_err();
                    if sender
                        .send(download.map(|download| (artifact, download)))
                        .is_err()
                        || failed
                    {
                        return;
                    }
                }
                meter.phase("unpacking");
            });
            layout::build(object, receiver.into_iter(), tree, &place)
        })?;
        meter.phase("publishing");
        ObjectRecord::new(object, hash).write(temporary)?;
        publish(temporary, &place)?;
        used.into_iter().for_each(Download::discard);
        Ok(place)
    }

    /// Removes what dead processes left half made.
    fn sweep(&self) {
        let Ok(left) = fs::read_dir(self.root.join(".building")) else {
            return;
        };
        for entry in left.flatten() {
            let lock = self.root.join(".locks").join(entry.file_name());
            let Ok(lock) = fsx::open_lock(&lock) else {
                continue;
            };
            // Whoever is at work holds the lock.
            if lock.try_lock().is_ok() {
                let _left = remove_tree(&entry.path());
            }
        }
    }
}

impl Downloads<'_> {
    fn artifact(&self, artifact: &Artifact, meter: &dyn Meter) -> Result<Download, Error> {
        meter.phase("downloading");
        let expected = Expected {
            digest: artifact.digest,
            size: artifact.size,
        };
        let url = self.config.mirrored(&artifact.url);
        Ok(self
            .client
            .download(&url, &expected, self.directory, meter)?)
    }
}

/// Makes a finished tree durable and gives it its name.
fn publish(temporary: &Path, place: &Path) -> Result<(), Error> {
    let directory = File::open(temporary).map_err(fsx::at("sync", temporary))?;
    sync_tree(&directory).map_err(fsx::at("sync", temporary))?;
    // What is there under this name has no record: it was damaged from outside.
    remove_tree(place)?;
    fs::rename(temporary, place).map_err(fsx::at("publish", place))?;
    if let Some(parent) = place.parent() {
        fsx::sync_dir(parent)?;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn sync_tree(directory: &File) -> io::Result<()> {
    Ok(nix::unistd::syncfs(directory)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_tree(directory: &File) -> io::Result<()> {
    // Files were synced one by one.
    directory.sync_all()
}

/// Removes a directory and all below it, following no link; an absent one is no error.
pub(crate) fn remove_tree(path: &Path) -> Result<(), fsx::Error> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if fsx::is_absent(&error) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(path);
            fs::remove_dir_all(path).map_err(fsx::at("remove", path))
        }
        Err(error) => Err(fsx::at("remove", path)(error)),
    }
}

/// Lets the entries of every directory below `path` be removed.
fn make_writable(path: &Path) {
    // What cannot be changed shows when the removal is tried again.
    let _left = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
