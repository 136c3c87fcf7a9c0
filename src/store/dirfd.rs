//! File operations below one open directory: paths are resolved from its descriptor and never through a link.
//!
//! Linux resolves them in one call (`openat2`); elsewhere, and where a sandbox forbids that call, every
//! component is opened by itself with `O_NOFOLLOW`. Either way nobody who renames directories or plants
//! links meanwhile can lead a write out of the directory.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, openat},
    sys::stat::{Mode, mkdirat},
    unistd::symlinkat,
};

use crate::util::files;

/// How directories are opened.
const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// An open directory below which files are made.
#[derive(Debug)]
pub(super) struct Beneath {
    root: OwnedFd,
    /// Where it is, for messages.
    path: PathBuf,
    /// The directory that was used last: members of an archive come in groups.
    last: Option<(String, OwnedFd)>,
    /// Whether one call resolves a whole path.
    resolves: bool,
}

impl Beneath {
    /// Opens the directory `path`.
    pub(super) fn open(path: &Path) -> Result<Self, files::Error> {
        let root = nix::fcntl::open(path, DIRECTORY, Mode::empty());
        Ok(Self {
            root: root
                .map_err(io::Error::from)
                .map_err(files::at("open", path))?,
            path: path.to_owned(),
            last: None,
            resolves: cfg!(target_os = "linux"),
        })
    }

    /// Returns the full path, for messages.
    pub(super) fn place(&self, path: &str) -> PathBuf {
        self.path.join(path)
    }

    /// Makes a new file and opens it for writing; whatever has its name already is an error.
    pub(super) fn create_file(&mut self, path: &str) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        self.open_file(path, flags, Mode::S_IRUSR | Mode::S_IWUSR)
    }

    /// Opens a file for reading.
    pub(super) fn read_file(&mut self, path: &str) -> io::Result<File> {
        self.open_file(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK, Mode::empty())
    }

    /// Makes a new directory.
    pub(super) fn create_dir(&mut self, path: &str) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        Ok(mkdirat(parent, name, Mode::from_bits_truncate(0o755))?)
    }

    /// Makes a new symbolic link.
    pub(super) fn symlink(&mut self, path: &str, target: &str) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        Ok(symlinkat(target, parent, name)?)
    }

    fn open_file(&mut self, path: &str, flags: OFlag, mode: Mode) -> io::Result<File> {
        let (parent, name) = self.parent(path)?;
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(openat(parent, name, flags, mode)?.into())
    }

    /// Returns the open directory above `path`, and the last name of it.
    fn parent<'p>(&mut self, path: &'p str) -> io::Result<(BorrowedFd<'_>, &'p str)> {
        let Some((directory, name)) = path.rsplit_once('/') else {
            return Ok((self.root.as_fd(), path));
        };
        if self.last.as_ref().is_none_or(|(last, _)| last != directory) {
            self.last = Some((directory.to_owned(), self.open_dir(directory)?));
        }
        let opened = self.last.as_ref().map(|(_, opened)| opened.as_fd());
        Ok((opened.unwrap_or(self.root.as_fd()), name))
    }

    fn open_dir(&mut self, path: &str) -> io::Result<OwnedFd> {
        if self.resolves {
            match resolve(&self.root, path) {
                // Old kernels lack the call; some sandboxes answer that it is forbidden.
                Err(nix::Error::ENOSYS | nix::Error::EPERM) => self.resolves = false,
                other => return Ok(other?),
            }
        }
        let mut at: Option<OwnedFd> = None;
        for name in path.split('/') {
            let from = at.as_ref().map_or(self.root.as_fd(), AsFd::as_fd);
            at = Some(openat(from, name, DIRECTORY, Mode::empty())?);
        }
        at.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[cfg(target_os = "linux")]
fn resolve(root: &OwnedFd, path: &str) -> nix::Result<OwnedFd> {
    use nix::fcntl::{OpenHow, ResolveFlag, openat2};
    let how = OpenHow::new()
        .flags(DIRECTORY)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
    openat2(root, path, how)
}

#[cfg(not(target_os = "linux"))]
fn resolve(_root: &OwnedFd, _path: &str) -> nix::Result<OwnedFd> {
    Err(nix::Error::ENOSYS)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _, os::unix::fs::symlink};

    use super::*;

    /// Both ways of resolving must refuse the same things.
    fn both(check: impl Fn(&mut Beneath, &Path)) {
        for resolves in [true, false] {
            let place = tempfile::tempdir().unwrap();
            let inside = place.path().join("inside");
            fs::create_dir(&inside).unwrap();
            fs::create_dir(place.path().join("outside")).unwrap();
            let mut beneath = Beneath::open(&inside).unwrap();
            beneath.resolves = resolves && beneath.resolves;
            check(&mut beneath, place.path());
        }
    }

    #[test]
    fn what_is_made_is_inside() {
        both(|beneath, place| {
            beneath.create_dir("a").unwrap();
            beneath.create_dir("a/b").unwrap();
            let mut file = beneath.create_file("a/b/c").unwrap();
            file.write_all(b"x").unwrap();
            beneath.symlink("a/l", "b/c").unwrap();
            assert_eq!(fs::read(place.join("inside/a/l")).unwrap(), b"x");
            assert!(beneath.create_file("a/b/c").is_err(), "it is there already");
        });
    }

    #[test]
    fn links_that_somebody_plants_lead_nowhere() {
        both(|beneath, place| {
            let outside = place.join("outside");
            symlink(&outside, place.join("inside/a")).unwrap();
            symlink(outside.join("x"), place.join("inside/f")).unwrap();
            assert!(beneath.create_file("a/x").is_err());
            assert!(beneath.create_dir("a/x").is_err());
            assert!(beneath.symlink("a/x", "y").is_err());
            assert!(beneath.create_file("f").is_err());
            assert!(beneath.read_file("f").is_err());
            assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        });
    }

    #[test]
    fn a_directory_that_is_moved_away_takes_its_files_along() {
        both(|beneath, place| {
            beneath.create_dir("a").unwrap();
            drop(beneath.create_file("a/one").unwrap());
            fs::rename(place.join("inside/a"), place.join("moved")).unwrap();
            symlink(place.join("outside"), place.join("inside/a")).unwrap();
            drop(beneath.create_file("a/two").unwrap());
            assert!(place.join("moved/two").exists());
            assert!(!place.join("outside/two").exists());
        });
    }
}
