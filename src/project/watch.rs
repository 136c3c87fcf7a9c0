//! Watched files: the files that a loaded environment depends on, with cheap detection of changes.

use std::{
    fs::File,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use crate::util::{
    binary,
    files::{self, Stamp},
};

/// The state of a file, present or absent, when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// The file.
    #[serde(with = "binary::path")]
    pub path: PathBuf,
    /// Its stamp; nothing if there was no file.
    pub stamp: Option<Stamp>,
    /// The digest of its content, if a write in the same tick of the clock could leave the stamp unchanged.
    pub racy: Option<[u8; 32]>,
}

/// A file that changed so shortly before it was read may change again without a new time.
const TICK: Duration = Duration::from_millis(50);
/// The longest file that is hashed again, in bytes. It is the most that a project may have.
const LIMIT: u64 = 64 << 20;

impl Watched {
    /// Returns the state of the file at `now`.
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

    /// Returns the state of a file with these bytes, read at `now` after `fstat` returned its stamp.
    pub fn read_as(path: &Path, stamp: Stamp, bytes: &[u8], now: SystemTime) -> Self {
        let racy = is_recent(&stamp, now).then(|| *blake3::hash(bytes).as_bytes());
        Self {
            path: path.to_owned(),
            stamp: Some(stamp),
            racy,
        }
    }

    /// Returns the state of a file that no program should change. Its stamp is enough.
    pub fn settled_look(path: PathBuf) -> Self {
        Self {
            stamp: Stamp::of(&path),
            path,
            racy: None,
        }
    }

    /// Returns the state without the digest, if the stamp is old enough at `now`.
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

    /// Returns whether the file is in the same state.
    pub fn is_unchanged(&self) -> bool {
        Stamp::of(&self.path) == self.stamp
            && self
                .racy
                .is_none_or(|known| digest(&self.path) == Some(known))
    }
}

/// Returns whether a file could change at `now` without a new stamp.
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

/// Empty files with given modification times. The hooks compare other files with them by builtins.
///
/// A stamp file has its time as name and never changes, so all host shells and projects share it.
#[derive(Debug)]
pub struct StampFiles(PathBuf);

impl StampFiles {
    /// Returns the stamp files below devsh's state directory.
    pub fn new(state: &Path) -> Self {
        Self(state.join("stamps"))
    }

    /// Returns the file with the modification time of `stamp`, and creates it if it does not exist.
    ///
    /// Nothing if that fails, as on a read-only file system or one with coarser times.
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
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        let file = options
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&path)
            .ok()?;
        file.set_modified(base? + nanoseconds).ok()?;
        carries(&path).then_some(path)
    }
}

/// Returns the file whose modification time advances at every event that all host shells must notice: a project was
/// allowed or denied, or a build ended.
pub fn generation(state: &Path) -> PathBuf {
    state.join("generation")
}

/// Advances the modification time of the `generation` file.
pub fn advance_generation(state: &Path, now: SystemTime) -> Result<(), files::Error> {
    files::create_private_dir(state)?;
    let path = generation(state);
    let file = files::open_lock(&path)?;
    let last = file
        .metadata()
        .and_then(|metadata| metadata.modified())
        .unwrap_or(UNIX_EPOCH);
    // Two events in one tick of the clock need two times.
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
