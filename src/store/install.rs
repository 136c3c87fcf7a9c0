//! Making an object: one process does, others wait; whole and durable, or not at all.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use super::{
    Downloads, Error, Object, ObjectRecord, Store, StorePath,
    file_manifest::{LISTING, Listing},
    free_space, layout, live,
    object::write_sealed,
    process::ProcessMark,
    remove_any, remove_tree,
    seal::{self, Seal},
    sync_tree,
    tree_builder::Tree,
    uses,
};
use crate::{
    fetch::{Download, Expected, Meter},
    lockfile::Artifact,
    util::files,
};

/// The format of the store: raised when an older devsh could not leave it whole.
pub(super) const FORMAT: u64 = 1;

impl Store {
    /// Returns the object's directory, making the object first when it is not there or is damaged.
    pub fn install(
        &self,
        object: &Object<'_>,
        downloads: &Downloads<'_>,
        meter: &dyn Meter,
    ) -> Result<PathBuf, Error> {
        let path = StorePath::of(object);
        self.once(&path, meter, |temporary| {
            self.make(
                object,
                (temporary, &self.root.join(path.as_str())),
                downloads,
                meter,
            )
        })
    }

    /// Returns the object's directory if it is there and whole, else lets `make` publish it, in one process
    /// at a time.
    pub(super) fn once<E: From<Error>>(
        &self,
        path: &StorePath,
        meter: &dyn Meter,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        let (known, found) = self.claim(path);
        if let Some(place) = found {
            return Ok(place);
        }
        known.map_err(Error::from)?;
        self.prepare()?;
        self.sweep();
        let lock = self.root.join(".locks").join(path.digest());
        let lock = files::lock_or_wait(&lock, || meter.notice("another devsh is at work on it"));
        let _lock = lock.map_err(Error::from)?;
        let place = self.root.join(path.as_str());
        if self.contains(path).is_some() || reseal(&place)? {
            return Ok(place);
        }
        let name = format!("{}.{}", path.digest(), ProcessMark::current());
        let temporary = self.root.join(".building").join(name);
        remove_tree(&temporary).map_err(Error::from)?;
        let outcome = make(&temporary);
        if outcome.is_err() {
            // The error that stopped the work is the one to tell.
            let _left = remove_tree(&temporary);
        }
        outcome.map(|()| place)
    }

    /// Keeps an object from the collector as long as this store is open, and returns it if it is there.
    ///
    /// A store that cannot be written is not collected, so the first outcome matters only where the object is made.
    pub(super) fn claim(&self, path: &StorePath) -> (Result<(), files::Error>, Option<PathBuf>) {
        let _pass = live::pass(self.data());
        let known = self.uses.add(&self.root, &format!("store/{path}"));
        (known, self.contains(path))
    }

    /// Makes the places of work, and checks that this devsh may write into the store.
    pub(super) fn prepare(&self) -> Result<(), Error> {
        for place in [".locks", ".building", ".trash"] {
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
        (temporary, place): (&Path, &Path),
        downloads: &Downloads<'_>,
        meter: &dyn Meter,
    ) -> Result<(), Error> {
        free_space::check(object, &self.root, downloads)?;
        fs::create_dir(temporary).map_err(files::at("create", temporary))?;
        let tree = Tree::new(temporary);
        let (listing, used) = thread::scope(|scope| {
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
            layout::build(object, receiver.into_iter(), tree, place)
        })?;
        meter.phase("publishing");
        let record = ObjectRecord::new(object, listing.hash());
        // Durable by then, and nothing stays over should this process be killed in between.
        let durable = || used.into_iter().for_each(Download::discard);
        self.publish(temporary, place, (&listing, &record), durable)
    }

    /// Records a finished tree, makes it durable, and gives it its name; what is there under it is damaged,
    /// and goes.
    pub(super) fn publish(
        &self,
        temporary: &Path,
        place: &Path,
        (listing, record): (&Listing, &ObjectRecord),
        durable: impl FnOnce(),
    ) -> Result<(), Error> {
        write_sealed(&temporary.join(LISTING), listing.text().as_bytes())?;
        record.write(temporary)?;
        sync_tree(temporary)?;
        if let Some(seal) = Seal::take(temporary, listing, record) {
            seal.write(place)?;
        }
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
        files::sync_dir(&self.root)?;
        // What stays is swept by the next run.
        let _left = remove_tree(&aside);
        Ok(())
    }

    /// Removes what dead processes left half made.
    pub fn sweep(&self) {
        // It is asked for what it removes.
        let _left = uses::in_use(&self.root);
        for entry in entries(&self.root.join(".building")) {
            // A dead process of another machine or container may be a live one there: whoever makes an object
            // holds its lock.
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
        files::sweep_temporaries(&self.root.join(".seals"));
        files::sweep_temporaries(&self.root);
    }

    /// Removes the seals of objects that are gone.
    pub(super) fn sweep_seals(&self) {
        for name in entries(&self.root.join(".seals")) {
            let digest = name.split('-').next().unwrap_or_default();
            // What is not there before and after a look aside did not come back meanwhile.
            let is_gone = || {
                let absent = || !self.root.join(&name).exists();
                absent() && !self.is_condemned(&name) && absent()
            };
            // Whoever is about to publish holds the lock.
            if !name.starts_with('.')
                && is_gone()
                && let Some(_lock) = self.free(digest)
                && is_gone()
            {
                seal::remove(&self.root.join(&name));
            }
        }
    }

    /// Takes the lock of an object if nobody is making it.
    fn free(&self, digest: &str) -> Option<File> {
        let lock = files::open_lock(&self.root.join(".locks").join(digest)).ok()?;
        files::try_lock(&lock).unwrap_or(false).then_some(lock)
    }
}

impl Downloads<'_> {
    /// Downloads an artifact and returns the file once it is what the lockfile says.
    pub fn artifact(&self, artifact: &Artifact, meter: &dyn Meter) -> Result<Download, Error> {
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

/// Lets two directories change names in one step, so that neither name is ever missing; tells whether they did.
///
/// They do not where one of them is not there, or the file system or a sandbox does not let them; whatever else is
/// wrong, the two steps that are tried then tell.
pub fn exchange(one: &Path, other: &Path) -> bool {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok()
}

/// Seals an object whose seal is broken anew if it is as it was published.
pub(super) fn reseal(place: &Path) -> Result<bool, Error> {
    // What cannot be read is made anew.
    let Ok(Some(record)) = ObjectRecord::read(place) else {
        return Ok(false);
    };
    if !record.compare(place).is_empty() {
        return Ok(false);
    }
    let listing = Listing::read(place, &record.tree)?;
    let seal = listing.and_then(|listing| Seal::take(place, &listing, &record));
    let Some(seal) = seal else { return Ok(false) };
    seal.write(place)?;
    Ok(true)
}

/// Returns whether a live process is at work on `digest.process.start` or `name.process.start`, where names may
/// have dots.
fn is_owned(entry: &str) -> bool {
    let mut parts = entry.rsplitn(3, '.');
    let (start, pid) = (parts.next().unwrap_or("0"), parts.next().unwrap_or("0"));
    let owner = format!("{pid}.{start}").parse::<ProcessMark>();
    owner.is_ok_and(ProcessMark::is_alive)
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}
