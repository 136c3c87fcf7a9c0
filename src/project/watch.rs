//! Watched files: what the loaded environment was made from, and how to see cheaply that it changed.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::util::{
    binary,
    files::{self, Stamp},
};

/// A file, present or absent, as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// The file.
    #[serde(with = "binary::path")]
    pub path: PathBuf,
    /// Its stamp; nothing when there was no file.
    pub stamp: Option<Stamp>,
    /// Its content's digest, where a write in the same tick of the clock could hide behind the stamp.
    pub racy: Option<[u8; 32]>,
}

/// Files changed this shortly before they were read may change again without a new time.
const TICK: Duration = Duration::from_millis(50);
/// The longest file that is hashed again, in bytes. It is the most that a project may have.
const LIMIT: u64 = 64 << 20;

impl Watched {
    /// Returns the file as it is at `now`.
    pub fn look(path: &Path, now: SystemTime) -> Self {
        let stamp = Stamp::of(path);
        let racy = stamp
            .as_ref()
            .filter(|stamp| is_recent(stamp, now))
            .and_then(|_| digest(path));
        Self {
            path: path.to_owned(),
            stamp,
            racy,
        }
    }

    /// Returns the file with these bytes, read at `now` after `fstat` told its stamp.
    pub fn read_as(path: &Path, stamp: Stamp, bytes: &[u8], now: SystemTime) -> Self {
        let racy = is_recent(&stamp, now).then(|| *blake3::hash(bytes).as_bytes());
        Self {
            path: path.to_owned(),
            stamp: Some(stamp),
            racy,
        }
    }

    /// Returns a file that nobody changes by right, as it is now: its stamp is relied on.
    pub fn settled_look(path: PathBuf) -> Self {
        Self {
            stamp: Stamp::of(&path),
            path,
            racy: None,
        }
    }

    /// Returns the file without its digest, once its stamp is old enough at `now` to be relied on.
    #[must_use]
    pub fn settled(&self, now: SystemTime) -> Self {
        let racy = self.racy.filter(|_| {
            self.stamp
                .as_ref()
                .is_some_and(|stamp| is_recent(stamp, now))
        });
        Self {
            racy,
            ..self.clone()
        }
    }

    /// Returns whether the file is still as it was.
    pub fn is_unchanged(&self) -> bool {
        Stamp::of(&self.path) == self.stamp
            && self
                .racy
                .is_none_or(|known| digest(&self.path) == Some(known))
    }
}

/// Returns whether a file could be changed again at `now` without its stamp showing it.
pub fn is_recent(stamp: &Stamp, now: SystemTime) -> bool {
    let (seconds, nanoseconds) = stamp.ctime;
    let changed = Duration::new(
        seconds.try_into().unwrap_or(0),
        nanoseconds.try_into().unwrap_or(0),
    );
    UNIX_EPOCH + changed + TICK >= now
}

fn digest(path: &Path) -> Option<[u8; 32]> {
    let bytes = files::read_bounded(path, LIMIT).ok()??;
    Some(*blake3::hash(&bytes).as_bytes())
}

/// Empty files that carry a modification time each, for the hook's builtins to compare with.
///
/// A file is named by its time and never changed, so all host shells and projects share them.
#[derive(Debug)]
pub struct StampFiles(PathBuf);

impl StampFiles {
    /// Returns the stamp files below devsh's state directory.
    pub fn new(state: &Path) -> Self {
        Self(state.join("stamps"))
    }

    /// Returns the file that has the modification time of `stamp`, which is made if need be.
    ///
    /// Nothing where it cannot be: read-only, or a file system with coarser times.
    pub fn carrier(&self, stamp: &Stamp) -> Option<PathBuf> {
        let (seconds, nanoseconds) = stamp.mtime;
        let path = self.0.join(format!("{seconds}.{nanoseconds:09}"));
        let carries = |path: &Path| Stamp::of(path).is_some_and(|found| found.mtime == stamp.mtime);
        if carries(&path) {
            return Some(path);
        }
        let nanoseconds = Duration::from_nanos(nanoseconds.try_into().ok()?);
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let base = if seconds < 0 {
            UNIX_EPOCH.checked_sub(whole)
        } else {
            UNIX_EPOCH.checked_add(whole)
        };
        files::create_private_dir(&self.0).ok()?;
        let file = File::create(&path).ok()?;
        file.set_modified(base? + nanoseconds).ok()?;
        carries(&path).then_some(path)
    }
}

/// Returns the file whose time moves when something happens that every host shell should look at:
/// a project was allowed or denied, a build ended.
pub fn generation(state: &Path) -> PathBuf {
    state.join("generation")
}

/// Moves the time of `generation` forward.
pub fn advance_generation(state: &Path, now: SystemTime) -> Result<(), files::Error> {
    files::create_private_dir(state)?;
    let path = generation(state);
    let file = files::open_lock(&path)?;
    let last = file
        .metadata()
        .and_then(|metadata| metadata.modified())
        .unwrap_or(UNIX_EPOCH);
    // Two events in one tick of the clock are still two.
    let next = now.max(last + Duration::from_millis(1));
    file.set_modified(next).map_err(files::at("write", &path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let absent = Watched::look(&path, SystemTime::now());
        assert!(absent.is_unchanged());
        std::fs::write(&path, "one").unwrap();
        assert!(!absent.is_unchanged());
        let present = Watched::look(&path, SystemTime::now());
        assert!(present.racy.is_some(), "just written");
        assert!(present.is_unchanged());
        // The same size and time, as a write in the same tick leaves them.
        let mut hidden = present.clone();
        std::fs::write(&path, "two").unwrap();
        hidden.stamp = Stamp::of(&path);
        assert!(!hidden.is_unchanged());
        let later = SystemTime::now() + Duration::from_secs(1);
        assert!(Watched::look(&path, later).racy.is_none());
        assert_eq!(binary::decode(&binary::encode(&present)), Ok(present));
    }

    #[test]
    fn stamp_files_carry_times_exactly() {
        let directory = tempfile::tempdir().unwrap();
        let stamps = StampFiles::new(directory.path());
        for mtime in [(0, 1), (1_700_000_000, 123_456_789), (-5, 7)] {
            let stamp = Stamp {
                identity: (0, 0),
                size: 0,
                mtime,
                ctime: (0, 0),
            };
            let carrier = stamps.carrier(&stamp).unwrap();
            assert_eq!(Stamp::of(&carrier).unwrap().mtime, mtime);
            assert_eq!(stamps.carrier(&stamp), Some(carrier));
        }
    }

    #[test]
    fn generations_always_advance() {
        let directory = tempfile::tempdir().unwrap();
        let mut last = None;
        for _ in 0..3 {
            advance_generation(directory.path(), UNIX_EPOCH + Duration::from_secs(9)).unwrap();
            let time = Stamp::of(&generation(directory.path())).unwrap().mtime;
            assert!(last.is_none_or(|last| last < time));
            last = Some(time);
        }
    }
}
