//! Makes objects: one process makes an object and others wait; it is whole and durable, or absent.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

use super::{
    Downloads, Error, Object, ObjectRecord, Store, StorePath,
    file_manifest::{FileManifest, MANIFEST},
    free_space, is_published, leases,
    object::{SEALS, is_own, write_read_only},
    process::ProcessMark,
    recipes, remove_any, remove_tree,
    shared_components::SharedComponents,
    sync_tree,
    tree_builder::Tree,
};
use crate::{
    fetch::{Download, ExpectedFile, Meter},
    lockfile::Artifact,
    util::files,
};

/// The format of the store: raised when an older devsh could not leave it whole.
pub(super) const FORMAT: u64 = 1;

/// The treatment of an object that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// It is used.
    Trusted,
    /// It is read, and made again unless it is whole.
    Suspected,
    /// It is made again.
    Replaced,
}

/// An object while this process keeps it from removal.
pub(super) struct LeasedObject {
    /// An error if the lease could not be written.
    pub(super) leased: Result<(), files::Error>,
    /// The directory, if the object exists.
    pub(super) place: Option<PathBuf>,
}

impl Store {
    /// Returns the object's directory, making the object first when it is not there.
    pub fn install(
        &self,
        object: &Object<'_>,
        downloads: &Downloads<'_>,
        meter: &dyn Meter,
    ) -> Result<PathBuf, Error> {
        self.install_over(Existing::Trusted, object, downloads, meter)
    }

    pub(super) fn install_over(
        &self,
        existing: Existing,
        object: &Object<'_>,
        downloads: &Downloads<'_>,
        meter: &dyn Meter,
    ) -> Result<PathBuf, Error> {
        let path = StorePath::of(object);
        self.make_once(existing, &path, meter, |temporary| {
            let place = self.root.join(path.as_str());
            self.make(object, existing, temporary, &place, downloads, meter)
        })
    }

    /// Returns the object's directory if it is there, else lets `make` publish it, in one process at a time.
    pub(super) fn make_once<E: From<Error>>(
        &self,
        existing: Existing,
        path: &StorePath,
        meter: &dyn Meter,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        let usable = |place: &Path| match existing {
            Existing::Trusted => is_published(place),
            Existing::Suspected => self.examine(place).damage.is_empty(),
            Existing::Replaced => false,
        };
        let lease = self.lease(path);
        if let Some(place) = lease.place
            && existing == Existing::Trusted
        {
            return Ok(place);
        }
        lease.leased.map_err(Error::from)?;
        self.prepare()?;
        // Once: the installation of many objects would look through the store for each of them.
        self.swept.call_once(|| self.sweep());
        let _lock = self.lock(path, meter)?;
        let place = self.root.join(path.as_str());
        if usable(&place) {
            return Ok(place);
        }
        let temporary = self.temporary(path);
        remove_tree(&temporary).map_err(Error::from)?;
        let outcome = make(&temporary);
        if outcome.is_err() {
            // The error that stopped the work is the one to report.
            let _left = remove_tree(&temporary);
        }
        outcome.map(|()| place)
    }

    /// Takes the lock of an object, which the process that makes it holds.
    pub(super) fn lock(&self, path: &StorePath, meter: &dyn Meter) -> Result<File, Error> {
        let lock = self.root.join(".locks").join(path.digest());
        let lock = files::lock_or_wait(&lock, || meter.notice("another devsh is making it"));
        Ok(lock?)
    }

    /// Returns the directory in which this process makes an object.
    pub(super) fn temporary(&self, path: &StorePath) -> PathBuf {
        let name = format!("{}.{}", path.digest(), ProcessMark::current());
        self.root.join(".building").join(name)
    }

    /// Leases an object.
    ///
    /// A store that cannot be written is not collected, so a failed lease matters only where the object is made.
    pub(super) fn lease(&self, path: &StorePath) -> LeasedObject {
        let _pass = leases::pass(self.data());
        let leased = self.leases.add(&self.root, format!("store/{path}"));
        let place = self.root.join(path.as_str());
        LeasedObject {
            leased,
            place: is_published(&place).then_some(place),
        }
    }

    /// Creates the directories of the store, and checks that this devsh may write into it.
    pub(super) fn prepare(&self) -> Result<(), Error> {
        if self.root.symlink_metadata().is_ok() && !is_own(&self.root) {
            let place = self.root.clone();
            return Err(Error::OtherOwner { place });
        }
        for place in [".locks", ".building", ".trash", SEALS] {
            files::create_private_dir(&self.root.join(place))?;
        }
        let marker = self.root.join(".format");
        let text = files::read_bounded(&marker, 64)?;
        let found = text
            .as_ref()
            .and_then(|text| std::str::from_utf8(text).ok()?.trim().parse::<u64>().ok());
        match found {
            Some(found) if found > FORMAT => Err(Error::Newer {
                found,
                known: FORMAT,
            }),
            Some(_) => Ok(()),
            // Damaged or not there yet.
            None => Ok(files::write_atomic(
                &marker,
                format!("{FORMAT}\n").as_bytes(),
            )?),
        }
    }

    /// Makes an object in `temporary` and publishes it as `place`.
    fn make(
        &self,
        object: &Object<'_>,
        existing: Existing,
        temporary: &Path,
        place: &Path,
        downloads: &Downloads<'_>,
        meter: &dyn Meter,
    ) -> Result<(), Error> {
        let (manifest, used) = self.unpack(object, existing, temporary, place, downloads, meter)?;
        meter.step("publishing", None);
        let record = ObjectRecord::new(object, manifest.hash());
        // Durable by then, and nothing stays over should this process be killed in between.
        let durable = || used.into_iter().for_each(Download::discard);
        self.publish(temporary, place, &manifest, &record, durable)
    }

    /// Downloads and unpacks an object into `temporary`, for use as `place`; returns its files and the downloads.
    ///
    /// A new toolchain shares components with others; one that replaces a damaged object does not.
    pub(super) fn unpack(
        &self,
        object: &Object<'_>,
        existing: Existing,
        temporary: &Path,
        place: &Path,
        downloads: &Downloads<'_>,
        meter: &dyn Meter,
    ) -> Result<(FileManifest, Vec<Download>), Error> {
        fs::create_dir(temporary).map_err(files::at("create", temporary))?;
        let mut tree = Tree::new(temporary);
        let shared = if existing == Existing::Trusted {
            self.share_components(object, &mut tree)?
        } else {
            SharedComponents::default()
        };
        let is_missing = |artifact: &&Artifact| !shared.parts.contains(&artifact.part);
        let artifacts: Vec<&Artifact> = object.artifacts.iter().filter(is_missing).collect();
        free_space::check(object.name, &artifacts, &self.root, downloads)?;
        let unpacking = &Unpacking::new(meter);
        thread::scope(|scope| {
            // The next artifact downloads while this one is unpacked.
            let (sender, receiver) = mpsc::sync_channel(artifacts.len());
            scope.spawn(move || {
                for artifact in artifacts {
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
                unpacking.begin();
            });
            let report = |bytes| unpacking.advance(bytes);
            recipes::build(object, receiver.into_iter(), tree, shared, place, &report)
        })
    }

    /// Records a finished tree, makes it durable, calls `durable`, and gives the tree its name. A damaged
    /// object of this name is removed.
    pub(super) fn publish(
        &self,
        temporary: &Path,
        place: &Path,
        manifest: &FileManifest,
        record: &ObjectRecord,
        durable: impl FnOnce(),
    ) -> Result<(), Error> {
        write_read_only(&temporary.join(MANIFEST), manifest.text().as_bytes())?;
        record.write(temporary, place)?;
        self.trees.sync(|| sync_tree(temporary))?;
        durable();
        let aside = if exchange(temporary, place) {
            temporary.to_owned()
        } else {
            let name = place.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("{name}.{}", ProcessMark::current());
            let aside = self.root.join(".trash").join(name);
            match fs::rename(place, &aside) {
                Err(error) if !files::is_absent(&error) => {
                    return Err(files::at("replace", place)(error).into());
                }
                _ => {}
            }
            fs::rename(temporary, place).map_err(files::at("publish", place))?;
            aside
        };
        self.names.sync(|| files::sync_dir(&self.root))?;
        // The next command removes leftovers.
        let _left = remove_tree(&aside);
        Ok(())
    }

    /// Removes the unfinished work of processes that were killed.
    pub fn sweep(&self) {
        // This removes the leases of processes that ended.
        let _leased = leases::leased(self.data());
        for entry in entries(&self.root.join(".building")) {
            // A process of another container has no process id here, but holds the object's lock.
            let digest = entry.split('.').next().unwrap_or_default();
            if !is_owned(&entry)
                && let Some(_lock) = self.free(digest)
            {
                let _left = remove_tree(&self.root.join(".building").join(entry));
            }
        }
        for entry in entries(&self.root.join(".trash")) {
            if !is_owned(&entry) {
                let _left = remove_any(&self.root.join(".trash").join(entry));
            }
        }
        self.sweep_seals();
        files::sweep_temporaries(&self.root);
        files::sweep_temporaries(&self.root.join(SEALS));
    }

    /// Removes the seals of objects that are gone.
    pub(super) fn sweep_seals(&self) {
        let is_absent = |name: &String| self.root.join(name).symlink_metadata().is_err();
        let seals = entries(&self.root.join(SEALS)).into_iter();
        let orphans: Vec<String> = seals
            .filter(|name| !name.starts_with('.') && is_absent(name))
            .collect();
        // Without this a power cut could bring an object back whose seal is gone.
        if !orphans.is_empty() && files::sync_dir(&self.root).is_err() {
            return;
        }
        for name in orphans {
            let is_gone = || is_absent(&name);
            // A process that holds the lock is about to publish the object.
            if is_gone()
                && let Some(_lock) = self.free(name.split('-').next().unwrap_or_default())
                && is_gone()
            {
                let _left = remove_any(&self.root.join(SEALS).join(&name));
            }
        }
    }

    /// Takes the lock of an object that no process is making.
    fn free(&self, digest: &str) -> Option<File> {
        let lock = files::open_lock(&self.root.join(".locks").join(digest)).ok()?;
        files::try_lock(&lock).unwrap_or(false).then_some(lock)
    }
}

/// The progress of unpacking, which is shown once every artifact is downloaded.
struct Unpacking<'a> {
    meter: &'a dyn Meter,
    state: Mutex<UnpackingState>,
}

#[derive(Default)]
struct UnpackingState {
    is_shown: bool,
    done: u64,
}

impl<'a> Unpacking<'a> {
    fn new(meter: &'a dyn Meter) -> Self {
        Self {
            meter,
            state: Mutex::default(),
        }
    }

    fn begin(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_shown = true;
        // The unpacked size is known only at the end, so there is no total.
        self.meter.step("unpacking", None);
        self.meter.advance(state.done);
    }

    fn advance(&self, bytes: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done += bytes;
        if state.is_shown {
            self.meter.advance(bytes);
        }
    }
}

impl Downloads<'_> {
    /// Downloads an artifact and returns the file once it has the digest of the lockfile.
    pub fn artifact(&self, artifact: &Artifact, meter: &dyn Meter) -> Result<Download, Error> {
        let expected = ExpectedFile {
            digest: artifact.digest,
            size: artifact.size,
        };
        let url = self.config.mirrored(&artifact.url);
        Ok(self
            .client
            .download(&url, &expected, self.directory, meter)?)
    }
}

/// Exchanges the names of two directories in one step, which leaves no moment without either name; returns whether it did.
///
/// It does not when one of them is missing, or where the file system or a sandbox does not allow it. The caller then
/// tries two steps, which report any other error.
pub fn exchange(one: &Path, other: &Path) -> bool {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok()
}

/// Returns whether the process in `<name>.<mark of the process>` still uses an entry; names may have dots.
fn is_owned(name: &str) -> bool {
    // A mark has two dots.
    let start = name.rmatch_indices('.').nth(2).map_or(0, |(at, _)| at + 1);
    let owner = name[start..].parse::<ProcessMark>();
    owner.is_ok_and(ProcessMark::is_alive)
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}
