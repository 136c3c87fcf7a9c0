//! Leases keep the entries that running processes use from garbage collection.
//!
//! A build and a command lease an entry (a profile or an object) with a shared lock on a file named after it. The
//! lock lasts until the last process ends that inherited the file, so `run` and `enter` keep it open across exec.
//! A host shell outlives the process that loads its dev shell: its lease is a symlink to the profile, named after
//! the process id, start time and PID namespace of the shell.
//!
//! Invariant: a process takes a pass (a shared lock on the store), then its lease, and only then looks whether the
//! entry is there. A collection decides and moves entries away while it holds that lock alone. So either the
//! collection sees the lease, or the process sees that the entry is gone.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, SystemTime},
};

use nix::fcntl::{FcntlArg, fcntl};

use super::process::ProcessMark;
use crate::util::files;

/// The directory of the leases, below the store.
const DIRECTORY: &str = ".leases";
/// Below it, the leases of host shells.
const SHELLS: &str = "shells";
/// From the lease of a host shell to the data directory.
const DATA: &str = "../../..";
/// The file whose lock passes and collections share.
const PASSES: &str = ".format";
/// The time for which a prompt waits for a collection, which may have been stopped by a signal.
const PATIENCE: Duration = Duration::from_secs(1);
/// First file descriptor that a lease may have in a program: scripts use the low ones.
const DESCRIPTOR: i32 = 64;

/// The lease of one entry.
#[derive(Debug)]
pub struct Lease {
    file: File,
    place: PathBuf,
    /// The profile or object itself.
    entry: PathBuf,
}

impl Lease {
    /// Leases an entry of the data directory, such as `envs/<name>`; take a pass before.
    pub(super) fn take(store: &Path, entry: &str) -> Result<Self, files::Error> {
        let place = store.join(DIRECTORY).join(entry);
        let entry = store.parent().unwrap_or(store).join(entry);
        loop {
            let file = match files::open_lock(&place) {
                Err(error) if files::is_absent(&error.source) => {
                    files::create_private_dir(place.parent().unwrap_or(store))?;
                    files::open_lock(&place)?
                }
                opened => opened?,
            };
            match file.lock_shared() {
                Err(error) if !files::lacks_locks(&error) => {
                    return Err(files::at("lock", &place)(error));
                }
                _ => {}
            }
            // A process that found the file unlocked may have removed it.
            if files::is_named(&file, &place) {
                return Ok(Self { file, place, entry });
            }
        }
    }

    /// Keeps the lease for the rest of this process, and for the programs that it becomes or starts.
    pub fn keep_across_exec(self) -> io::Result<()> {
        // The copy shares the lock and, unlike the original, stays open in an exec.
        fcntl(&self.file, FcntlArg::F_DUPFD(DESCRIPTOR))?;
        Ok(())
    }

    /// Ends the lease, and removes its file unless it is still of use.
    pub(super) fn release(self) {
        if self.file.try_lock().is_ok() {
            remove_unused(&self.file, &self.place, &self.entry);
        }
    }
}

/// The leases of one process, released when they are dropped.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<BTreeMap<String, Lease>>);

impl Leases {
    /// Leases an entry of the data directory until this is dropped.
    pub(super) fn add(&self, store: &Path, entry: String) -> Result<(), files::Error> {
        let mut leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Vacant(vacant) = leases.entry(entry) {
            let lease = Lease::take(store, vacant.key())?;
            vacant.insert(lease);
        }
        Ok(())
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        let leases = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (_, lease) in std::mem::take(leases) {
            lease.release();
        }
    }
}

/// Keeps every entry where it is until the returned file is closed; nothing without a store, or one with locks.
pub fn pass(data: &Path) -> Option<File> {
    let file = File::open(data.join("store").join(PASSES)).ok()?;
    file.lock_shared().ok()?;
    Some(file)
}

/// Returns a pass, or nothing after a second in which a collection has not moved on.
fn pass_soon(data: &Path) -> Option<File> {
    let file = File::open(data.join("store").join(PASSES)).ok()?;
    let begin = std::time::Instant::now();
    loop {
        match file.try_lock_shared() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) if begin.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(2));
            }
            Err(_) => return None,
        }
    }
}

/// Waits until no pass is out; none is given before the returned file is closed.
pub(super) fn without_passes(store: &Path, wait: impl FnOnce()) -> Result<File, files::Error> {
    files::lock_or_wait(&store.join(PASSES), wait)
}

/// Leases a profile for the programs that this process becomes; nothing happens for a profile outside of `data`.
pub fn lease_until_exit(data: &Path, profile: &Path) -> io::Result<()> {
    let Some(entry) = profile
        .strip_prefix(data)
        .ok()
        .and_then(|entry| entry.to_str())
    else {
        return Ok(());
    };
    let lease = Lease::take(&data.join("store"), entry).map_err(|error| error.source)?;
    lease.keep_across_exec()
}

/// Leases `profile` for a host shell instead of its last one, and returns whether the profile is there.
pub fn lease_for_shell(data: &Path, shell: ProcessMark, profile: &Path) -> bool {
    let _pass = pass_soon(data);
    // If nothing can be written here, nothing is collected either.
    let _leased = link(data, shell, profile);
    profile.exists()
}

/// Ends the lease of a host shell.
pub fn release_shell(data: &Path, shell: ProcessMark) {
    // One that stays ends with its process.
    let _left = fs::remove_file(shells(data).join(shell.to_string()));
}

fn shells(data: &Path) -> PathBuf {
    data.join("store").join(DIRECTORY).join(SHELLS)
}

fn link(data: &Path, shell: ProcessMark, profile: &Path) -> io::Result<()> {
    let directory = shells(data);
    let place = directory.join(shell.to_string());
    let target = target(data, profile);
    match symlink(&target, &place) {
        Err(error) if files::is_absent(&error) => {
            files::create_private_dir(&directory).map_err(|error| error.source)?;
            symlink(&target, &place)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::read_link(&place).is_ok_and(|held| held == *target) {
                return Ok(());
            }
            let aside = directory.join(format!("{shell}.{}", ProcessMark::current()));
            symlink(&target, &aside)?;
            fs::rename(&aside, &place)
        }
        made => made,
    }
}

/// Returns the text of the symlink to a profile.
///
/// File systems keep a short target in the inode (ext4 up to 59 bytes): making and removing such a link takes a
/// fifth of the time, and every `cd` in and out does that.
fn target<'a>(data: &Path, profile: &'a Path) -> Cow<'a, Path> {
    match profile.strip_prefix(data) {
        Ok(rest) => Path::new(DATA).join(rest).into(),
        Err(_) => profile.into(),
    }
}

/// Returns every leased entry as a path, and removes the leases of processes that ended.
///
/// An error says that not every lease could be read.
pub fn leased(data: &Path) -> Result<Vec<PathBuf>, files::Error> {
    let mut leased = Vec::new();
    for kind in ["envs", "store"] {
        for place in files::list(&data.join("store").join(DIRECTORY).join(kind))? {
            let entry = data.join(kind).join(place.file_name().unwrap_or_default());
            if is_held(&place, &entry)? {
                leased.push(entry);
            }
        }
    }
    for place in files::list(&shells(data))? {
        if !ProcessMark::of_file(&place).is_some_and(|mark| mark.owns(&place)) {
            let _left = fs::remove_file(&place);
            continue;
        }
        match fs::read_link(&place) {
            Ok(target) => leased.push(match target.strip_prefix(DATA) {
                Ok(rest) => data.join(rest),
                Err(_) => target,
            }),
            Err(error) if files::is_absent(&error) => {}
            Err(error) => return Err(files::at("read", &place)(error)),
        }
    }
    Ok(leased)
}

/// Returns whether a process has a lease; removes the file of one that no process has.
fn is_held(place: &Path, entry: &Path) -> Result<bool, files::Error> {
    let file = match OpenOptions::new().read(true).write(true).open(place) {
        Ok(file) => file,
        Err(error) if files::is_absent(&error) => return Ok(false),
        Err(error) => return Err(files::at("read", place)(error)),
    };
    match file.try_lock() {
        Ok(()) => {
            remove_unused(&file, place, entry);
            Ok(false)
        }
        Err(TryLockError::WouldBlock) => Ok(true),
        // Without locks any process may have it.
        Err(TryLockError::Error(error)) if files::lacks_locks(&error) => Ok(true),
        Err(TryLockError::Error(error)) => Err(files::at("lock", place)(error)),
    }
}

/// Removes the file of a lease that this process has locked alone.
///
/// The file of a profile stays as long as the profile: a command that only runs then writes nothing.
fn remove_unused(file: &File, place: &Path, entry: &Path) {
    let of_profile = place
        .parent()
        .is_some_and(|parent| parent.ends_with("envs"));
    if files::is_named(file, place) && !(of_profile && entry.exists()) {
        // The next command that looks at leases tries again.
        let _left = fs::remove_file(place);
    }
}

/// Returns when the first of the host shells that still run loaded its dev shell; nothing when none has one.
///
/// Call it after `leased`, which removes the leases of shells that ended.
pub fn first_shell_lease(data: &Path) -> Result<Option<SystemTime>, files::Error> {
    let mut first = None;
    for place in files::list(&shells(data))? {
        // The time of the link, not of the profile.
        let made = place.symlink_metadata().and_then(|found| found.modified());
        match made {
            Ok(made) => first = Some(first.map_or(made, |first: SystemTime| first.min(made))),
            Err(error) if files::is_absent(&error) => {}
            Err(error) => return Err(files::at("read", &place)(error)),
        }
    }
    Ok(first)
}

#[cfg(test)]
mod tests;
