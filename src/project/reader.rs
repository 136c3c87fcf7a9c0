//! Reads the files of a project. Only this module opens them.
//!
//! Invariants: every file is opened once, checked while it is open, and read whole into memory; everything is made from
//! that buffer. A file that was read or found absent is watched. A file outside of the project is opened only if the user
//! approved that.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use crate::{
    config::{
        ownership::{Access, Exposure},
        units,
    },
    manifest::{self, presets::PresetNote},
    util::{
        files::{self, Stamp},
        paths::relative,
    },
};

use super::{
    approval_summary::{Fact, FactCollision, Facts, fact_name},
    watch::Watched,
};

/// The most bytes that the files of one project may have together. Everything that is made from them takes linear time.
pub const PROJECT_SIZE: u64 = 64 << 20;
/// The most bytes that a command reads of a project whose manifest the user has not approved, also to show it for an
/// approval. The lockfiles of the largest public Python projects have about 5 MiB.
pub const UNAPPROVED_SIZE: u64 = 16 << 20;
/// The most bytes that a prompt reads of a project that the user never approved.
pub const UNKNOWN_AT_PROMPT_SIZE: u64 = 1 << 19;
/// The longest file that is read to find out where a project begins, or what it belongs to, in bytes.
const PEEK_SIZE: u64 = 1 << 20;

/// The kind of the facts about files outside of the project.
const OUTSIDE_FACT: &str = "file outside of the project";

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
    /// Two facts of the approval have one name.
    #[error(transparent)]
    Collision(#[from] FactCollision),
}

/// Reads the files of one project and records them.
#[derive(Debug)]
pub struct Inputs {
    root: PathBuf,
    now: SystemTime,
    access: Access,
    /// The number of bytes that may be read together, and the number that is left.
    limit: u64,
    size_left: u64,
    /// Directories of the user outside of the project, such as the one with personal manifests.
    own: Vec<PathBuf>,
    outside_rule: OutsideRule,
    outside: BTreeMap<String, OutsideFile>,
    /// Files with values that may be secrets.
    secret: BTreeSet<String>,
    read: BTreeMap<PathBuf, Bytes>,
    watched: BTreeMap<PathBuf, Watched>,
}

/// The files outside of the project that may be opened.
#[derive(Debug, Clone)]
pub enum OutsideRule {
    /// Those in the facts of these approvals.
    Approved(Vec<Facts>),
    /// All that the project names.
    All,
}

/// A file outside of the project.
#[derive(Debug)]
struct OutsideFile {
    /// Its path from the root, without symlinks.
    target: String,
    was_read: bool,
}

/// All files of a project, as they were when they were read.
///
/// Invariant: only `Inputs` creates it, from the bytes that it returned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectFiles {
    read: BTreeMap<PathBuf, Bytes>,
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
            limit: PROJECT_SIZE,
            size_left: PROJECT_SIZE,
            own: Vec::new(),
            outside_rule: OutsideRule::Approved(Vec::new()),
            outside: BTreeMap::new(),
            secret: BTreeSet::new(),
            read: BTreeMap::new(),
            watched: BTreeMap::new(),
        }
    }

    /// Limits the bytes of all files to `limit`, including those that were read already.
    pub(super) fn limit_size(&mut self, limit: u64) {
        let used = self.limit - self.size_left;
        self.limit = limit;
        self.size_left = limit.saturating_sub(used);
    }

    /// Adds a directory of the user, whose files may always be opened.
    pub(super) fn add_own(&mut self, directory: &Path) {
        self.own.extend(directory.canonicalize().ok());
    }

    /// Allows files outside of the project.
    pub(super) fn open_outside(&mut self, rule: OutsideRule) {
        self.outside_rule = rule;
    }

    /// Returns the facts about files outside of the project, which are part of the approval.
    pub(super) fn outside_facts(&self) -> Result<Facts, FactCollision> {
        let mut facts = Facts::new();
        for (name, file) in &self.outside {
            facts.add(OUTSIDE_FACT, &[name], file.fact(name))?;
        }
        Ok(facts)
    }

    /// Returns whether a file was not opened because it is outside of the project.
    pub(super) fn is_refused(&self, name: &str) -> bool {
        self.outside.get(name).is_some_and(|file| !file.was_read)
    }

    /// Returns whether any file was not opened because it is outside of the project.
    pub(super) fn has_refused(&self) -> bool {
        self.outside.values().any(|file| !file.was_read)
    }

    /// Notes that the values in a file may be secrets.
    pub(super) fn keep_secret(&mut self, name: &str) {
        self.secret.insert(name.to_owned());
    }

    /// Returns the error without the text of a file that may have secrets or is outside of the project.
    pub fn conceal(&self, error: Error) -> Error {
        match error {
            Error::Content(error)
                if self.outside.contains_key(&*error.file)
                    || self.secret.contains(&*error.file) =>
            {
                Error::Content(error.concealed())
            }
            error => error,
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

    /// Reads a file; `name` is relative to the root and may lead out of it.
    pub fn data(&mut self, name: &str) -> Result<Bytes, Error> {
        self.take(name)
    }

    /// Gives a file that is not written yet this content.
    pub(super) fn propose(&mut self, name: &str, content: &str) {
        let path = self.root.join(name);
        self.read.insert(path, Some(content.as_bytes().into()));
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

    /// Returns the names in a directory, sorted; none if the user has not approved that files outside of the project are
    /// opened.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let path = self.root.join(folder);
        if !is_inside(&self.root, &path) && self.has_refused() {
            return Vec::new();
        }
        let found = files::list(&path).unwrap_or_default();
        let names = found.iter().filter_map(|path| path.file_name()?.to_str());
        names.map(ToOwned::to_owned).collect()
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

    /// Returns the note without the text of a file that may have secrets or is outside of the project.
    pub fn conceal_note(&self, note: PresetNote) -> PresetNote {
        if self.outside.contains_key(&*note.origin.file) {
            PresetNote {
                message: "the file is outside of the project and cannot be used".to_owned(),
                ..note
            }
        } else {
            note
        }
    }

    pub fn close(self) -> ProjectFiles {
        ProjectFiles {
            read: self.read,
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
        if !self.may_open(name, &path) {
            let refused = Watched {
                stamp: Stamp::of(&path),
                path: path.clone(),
                racy: None,
            };
            self.watched.insert(path.clone(), refused);
            self.read.insert(path, None);
            return Ok(None);
        }
        let sizes = SizeLimit {
            left: self.size_left,
            whole: self.limit,
        };
        let read =
            read_checked(&mut self.access, &path, sizes).inspect_err(|_| self.watch(&path))?;
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

impl Inputs {
    /// Returns whether a file is in the project, or the user approved that it is opened.
    fn may_open(&mut self, name: &str, path: &Path) -> bool {
        let (Ok(file), Ok(root)) = (path.canonicalize(), self.root.canonicalize()) else {
            // Only an absent file has no canonical path; a symlink that leads nowhere is refused when it is opened.
            return true;
        };
        if file.starts_with(&root) || self.own.iter().any(|own| file.starts_with(own)) {
            return true;
        }
        let mut outside = OutsideFile {
            target: relative(&file, &root).to_string_lossy().into_owned(),
            was_read: true,
        };
        outside.was_read = match &self.outside_rule {
            OutsideRule::All => true,
            OutsideRule::Approved(approvals) => {
                let (name, fact) = (fact_name(OUTSIDE_FACT, &[name]), outside.fact(name));
                let mut approvals = approvals.iter();
                approvals.any(|facts| facts.get(&name) == Some(&fact))
            }
        };
        let may_open = outside.was_read;
        self.outside.insert(name.to_owned(), outside);
        may_open
    }
}

impl OutsideFile {
    fn fact(&self, name: &str) -> Fact {
        let state = if self.was_read {
            "read"
        } else {
            "not read yet"
        };
        let text = if self.target == name {
            state.to_owned()
        } else {
            format!("{state}, it is {}", self.target)
        };
        Fact::meaning(text, self.target.as_bytes(), name)
    }
}

/// Reads a file of which nothing is trusted: it only helps to find where a project begins, or what it belongs to.
///
/// No symlink on the way may lead out of the directory.
pub(super) fn peek(directory: &Path, name: impl AsRef<Path>) -> Option<Vec<u8>> {
    peek_at_most(directory, name, PEEK_SIZE)
}

/// Reads such a file of at most `limit` bytes.
pub(super) fn peek_at_most(
    directory: &Path,
    name: impl AsRef<Path>,
    limit: u64,
) -> Option<Vec<u8>> {
    let path = directory.join(name);
    if !is_inside(directory, &path) {
        return None;
    }
    files::read_bounded(&path, limit).ok().flatten()
}

/// Returns whether a file exists and is in a directory, wherever symlinks lead.
pub(super) fn is_inside(directory: &Path, path: &Path) -> bool {
    // Most files that are looked for do not exist, and to resolve a path is slower than to look.
    if path.symlink_metadata().is_err() {
        return false;
    }
    match (path.canonicalize(), directory.canonicalize()) {
        (Ok(path), Ok(directory)) => path.starts_with(directory),
        _ => false,
    }
}

/// Reads a file for the comparison with what was read and checked before.
pub fn content_now(path: &Path) -> Result<Option<Vec<u8>>, files::Error> {
    files::read_bounded(path, PROJECT_SIZE)
}

/// The number of bytes that may be read.
#[derive(Clone, Copy)]
pub(super) struct SizeLimit {
    pub(super) left: u64,
    /// The limit for all files together, which the error names.
    pub(super) whole: u64,
}

/// Reads a file that no other user could have changed; nothing if there is no such file.
pub(super) fn read_checked(
    access: &mut Access,
    path: &Path,
    size: SizeLimit,
) -> Result<Option<(Vec<u8>, Stamp)>, Error> {
    let Some((file, metadata)) = access.open::<Error>(path)? else {
        return Ok(None);
    };
    if metadata.len() > size.left {
        let when = if size.whole < PROJECT_SIZE {
            " before you allow it"
        } else {
            ""
        };
        let (length, limit) = (units::bytes(metadata.len()), units::bytes(size.whole));
        let message = format!(
            "it has {length}, and the files of a project may have at most {limit} together{when}"
        );
        return Err(files::at("read", path)(io::Error::other(message)).into());
    }
    let bytes = files::read_open(file, &metadata, path, size.left)?;
    Ok(Some((bytes, Stamp::from(&metadata))))
}

impl ProjectFiles {
    /// Returns whether each file is as in `before`, but the one at `path`, which has this content or is absent.
    pub fn is_same_but(&self, before: &Self, path: &Path, content: Option<&[u8]>) -> bool {
        self.read.iter().all(|(file, bytes)| {
            if file == path {
                bytes.as_deref() == content
            } else {
                before.read.get(file) == Some(bytes)
            }
        })
    }

    /// Returns whether each file has the same content now, and no file is new.
    pub fn is_same_now(&self) -> Result<bool, files::Error> {
        for (path, bytes) in &self.read {
            if content_now(path)?.as_deref() != bytes.as_deref() {
                return Ok(false);
            }
        }
        let mut absent = self.watched.iter().filter(|file| file.stamp.is_none());
        Ok(absent.all(|file| Stamp::of(&file.path).is_none()))
    }

    /// Returns the content of each file that was read, by path; absent ones have none.
    pub const fn contents(&self) -> &BTreeMap<PathBuf, Bytes> {
        &self.read
    }

    /// Returns the content of a file that was read.
    pub fn content(&self, path: &Path) -> Option<&[u8]> {
        self.read.get(path)?.as_deref()
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
        let second = inputs.data("a").unwrap().unwrap();
        assert_eq!((&*first, &*second), (&b"one"[..], &b"one"[..]));
        assert_eq!(inputs.data("b").unwrap(), None);
        assert!(!inputs.exists("c"));
        std::fs::write(directory.path().join("c"), "").unwrap();
        assert!(!inputs.exists("c"), "a file keeps its first state");
        let closure = inputs.close();
        assert_eq!(closure.content(&path), Some(&b"one"[..]));
        let mut other = closure.clone();
        assert!(closure.is_same_but(&other, &path, Some(b"one")));
        assert!(!closure.is_same_but(&other, &path, Some(b"two")));
        other
            .read
            .insert(directory.path().join("b"), Some(b"new"[..].into()));
        assert!(!closure.is_same_but(&other, &path, Some(b"one")));
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
        let Err(Error::File(error)) = inputs.data("b") else {
            panic!("read more than the limit");
        };
        let cause = error.source.to_string();
        assert!(cause.ends_with("at most 64.0 MiB together"), "{cause}");
        assert!(inputs.data("a").is_ok(), "a file that was read counts once");
    }

    #[test]
    fn a_file_outside_is_opened_only_if_that_was_approved() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("project");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(directory.path().join("secret"), "secret").unwrap();
        std::fs::write(root.join("inside"), "inside").unwrap();
        std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
        let mut inputs = Inputs::at(&root);
        for name in ["../secret", "link"] {
            assert_eq!(inputs.data(name).unwrap(), None);
            assert!(inputs.is_refused(name));
        }
        assert!(inputs.data("inside").unwrap().is_some());
        let facts = inputs.outside_facts().unwrap();
        assert_eq!(facts.names().count(), 2);
        let name = "file outside of the project link";
        let fact = facts.get(name).unwrap();
        assert_eq!(fact.text, "not read yet, it is ../secret");
        let mut approved = Inputs::at(&root);
        approved.open_outside(OutsideRule::Approved(vec![facts.clone()]));
        assert!(approved.data("link").unwrap().is_some());
        assert_eq!(approved.outside_facts().unwrap().get(name), Some(fact));
        // A link to another file is another fact.
        std::fs::remove_file(root.join("link")).unwrap();
        std::fs::write(directory.path().join("other"), "").unwrap();
        std::os::unix::fs::symlink("../other", root.join("link")).unwrap();
        let mut changed = Inputs::at(&root);
        changed.open_outside(OutsideRule::Approved(vec![facts]));
        assert_eq!(changed.data("link").unwrap(), None);
    }
}
