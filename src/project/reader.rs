//! Reads the files of a project. Only this module opens them.
//!
//! Invariant: every file is opened once, checked while it is open, and read whole into memory; everything is made from
//! that buffer. A file that was read or found absent is watched. A file that decides which code runs, or what the
//! environment is, is part of the approval as well.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use crate::{
    config::ownership::{Access, Exposure},
    manifest,
    util::files::{self, Stamp},
};

use super::watch::Watched;

/// The most bytes that the files of one project may have together. It is the only limit on their size: a project is
/// read before the user approved it, and everything that is made from its files takes linear time.
pub const PROJECT_SIZE: u64 = 64 << 20;

/// The bytes of a file, shared by all readers; nothing when there is no such file.
pub type Bytes = Option<Arc<[u8]>>;

/// A project whose files cannot be read or understood.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] files::Error),
    /// Other users could change a file.
    #[error(transparent)]
    Exposed(#[from] Exposure),
    /// A file has content that its format does not allow.
    #[error(transparent)]
    Content(#[from] manifest::Error),
}

/// Reads the files of one project and records them.
#[derive(Debug)]
pub struct Inputs {
    root: PathBuf,
    now: SystemTime,
    access: Access,
    /// How many more bytes may be read.
    size_left: u64,
    read: BTreeMap<PathBuf, Bytes>,
    watched: BTreeMap<PathBuf, Watched>,
    approved: BTreeMap<String, Bytes>,
}

/// All files of a project: those that the user approves, and those that are watched for changes.
///
/// Invariant: only `Inputs` creates it, from the bytes that it returned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closure {
    approved: BTreeMap<String, Option<[u8; 32]>>,
    watched: Vec<Watched>,
}

impl Inputs {
    /// Returns a reader of the project at `root`; `access` is the rule for whose files may be read, and `now` the time
    /// before the first file is read.
    pub fn new(root: &Path, access: Access, now: SystemTime) -> Self {
        Self {
            root: root.to_owned(),
            now,
            access,
            size_left: PROJECT_SIZE,
            read: BTreeMap::new(),
            watched: BTreeMap::new(),
            approved: BTreeMap::new(),
        }
    }

    /// Returns a reader for a test.
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self::new(root, Access::default(), SystemTime::now())
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Reads a file whose content the user approves: a manifest, a layer, an env file, a script.
    ///
    /// `name` is relative to the root and may lead out of it. The absence of a file is approved like content.
    pub fn approved(&mut self, name: &str) -> Result<Bytes, Error> {
        let bytes = self.take(name)?;
        self.approved.insert(name.to_owned(), bytes.clone());
        Ok(bytes)
    }

    /// Reads a file whose changes need no approval: a lockfile of another tool, a version file.
    pub fn data(&mut self, name: &str) -> Result<Bytes, Error> {
        self.take(name)
    }

    /// Returns whether a file exists.
    pub fn exists(&mut self, name: &str) -> bool {
        let path = self.root.join(name);
        let stamp = Stamp::of(&path);
        let watched = self.watched.entry(path.clone()).or_insert_with(|| Watched {
            path,
            stamp,
            racy: None,
        });
        watched.stamp.is_some()
    }

    /// Adds a part of a data file to the approval (`pyproject.toml (build-system)`).
    pub fn approve(&mut self, name: &str, content: &[u8]) {
        self.approved.insert(name.to_owned(), Some(content.into()));
    }

    /// Adds the absence of a file to the approval.
    pub fn approve_absence(&mut self, name: &str) {
        self.approved.insert(name.to_owned(), None);
    }

    /// Watches a file that is not part of the project, such as an approval.
    pub fn watch(&mut self, path: &Path) {
        let watched = Watched::look(path, self.now);
        self.watched.insert(path.to_owned(), watched);
    }

    /// Returns the full paths of the files that were read or found absent.
    pub fn seen(&self) -> BTreeSet<&Path> {
        self.watched.keys().map(PathBuf::as_path).collect()
    }

    /// Returns the files that were read or found absent so far, for when reading fails.
    pub fn watched(&self) -> Vec<Watched> {
        self.watched.values().cloned().collect()
    }

    pub fn close(self) -> Closure {
        let digest = |bytes: Bytes| bytes.map(|bytes| *blake3::hash(&bytes).as_bytes());
        Closure {
            approved: self
                .approved
                .into_iter()
                .map(|(name, bytes)| (name, digest(bytes)))
                .collect(),
            watched: self.watched.into_values().collect(),
        }
    }

    /// Returns whether no other user can change the file at `path`.
    pub fn is_safe(&mut self, path: &Path) -> bool {
        self.access.check(path).is_ok()
    }

    fn take(&mut self, name: &str) -> Result<Bytes, Error> {
        let path = self.root.join(name);
        if let Some(bytes) = self.read.get(&path) {
            return Ok(bytes.clone());
        }
        let read = read_checked(&mut self.access, &path, self.size_left)
            .inspect_err(|_| self.watch(&path))?;
        let (bytes, watched) = if let Some((bytes, stamp)) = read {
            self.size_left = self.size_left.saturating_sub(bytes.len() as u64);
            let watched = Watched::read_as(&path, stamp, &bytes, self.now);
            (Some(Arc::from(bytes)), watched)
        } else {
            let absent = Watched {
                path: path.clone(),
                stamp: None,
                racy: None,
            };
            (None, absent)
        };
        self.watched.insert(path.clone(), watched);
        self.read.insert(path, bytes.clone());
        Ok(bytes)
    }
}

/// Reads a file of which nothing is trusted: it only helps to find where a project begins, or what it belongs to.
pub(super) fn peek(path: &Path) -> Option<Vec<u8>> {
    files::read_bounded(path, PROJECT_SIZE).ok().flatten()
}

/// Reads a file that no other user could have changed; nothing if there is no such file.
pub(super) fn read_checked(
    access: &mut Access,
    path: &Path,
    limit: u64,
) -> Result<Option<(Vec<u8>, Stamp)>, Error> {
    // The kind of the file is checked first: a message about the mode of a device would help no one.
    let Some((file, metadata)) = files::open_regular(path)? else {
        access.check(path)?;
        return Ok(None);
    };
    access.check(path)?;
    access.check_open(path, &metadata)?;
    if metadata.len() > limit {
        let limit = PROJECT_SIZE >> 20;
        let message = format!("the files of a project may have at most {limit} MiB together");
        return Err(files::at("read", path)(io::Error::other(message)).into());
    }
    let bytes = files::read_open(file, &metadata, path, limit)?;
    Ok(Some((bytes, Stamp::from(&metadata))))
}

impl Closure {
    /// Returns the names and digests of the files that the user approves.
    pub const fn approved(&self) -> &BTreeMap<String, Option<[u8; 32]>> {
        &self.approved
    }

    /// Returns the files that were read or found absent, in their state at that time.
    pub fn watched(&self) -> &[Watched] {
        &self.watched
    }

    /// Watches a file on which the standing depends.
    pub(super) fn watch(&mut self, path: &Path, now: SystemTime) {
        self.watched.push(Watched::look(path, now));
    }

    /// Updates the state of a file that devsh wrote.
    pub(super) fn look_again(&mut self, path: &Path, now: SystemTime) {
        for file in self.watched.iter_mut().filter(|file| file.path == path) {
            *file = Watched::look(path, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        std::fs::write(&path, "one").unwrap();
        let mut inputs = Inputs::at(directory.path());
        let first = inputs.data("a").unwrap().unwrap();
        std::fs::write(&path, "two").unwrap();
        let second = inputs.approved("a").unwrap().unwrap();
        assert_eq!((&*first, &*second), (&b"one"[..], &b"one"[..]));
        assert_eq!(inputs.approved("b").unwrap(), None);
        assert!(!inputs.exists("c"));
        std::fs::write(directory.path().join("c"), "").unwrap();
        assert!(!inputs.exists("c"), "a file keeps its first state");
        let closure = inputs.close();
        let digest = *blake3::hash(b"one").as_bytes();
        let expected = [("a".to_owned(), Some(digest)), ("b".to_owned(), None)];
        assert_eq!(*closure.approved(), BTreeMap::from(expected));
        assert_eq!(closure.watched().len(), 3);
        assert!(!closure.watched()[0].is_unchanged());
    }

    #[test]
    fn the_files_of_a_project_share_one_limit() {
        let directory = tempfile::tempdir().unwrap();
        let mut inputs = Inputs::at(directory.path());
        inputs.size_left = 10;
        std::fs::write(directory.path().join("a"), "1234567").unwrap();
        std::fs::write(directory.path().join("b"), "1234567").unwrap();
        assert!(inputs.data("a").is_ok());
        let Err(Error::File(error)) = inputs.approved("b") else {
            panic!("read more than the limit");
        };
        let cause = error.source.to_string();
        assert!(cause.ends_with("at most 64 MiB together"), "{cause}");
        assert!(inputs.data("a").is_ok(), "a file that was read counts once");
    }
}
