//! Builds the tree of an object from archive members, none of which is trusted.
//!
//! Invariants: nothing is written outside the root; no file is written through a link, since links are made
//! last; every path is relative, plain and new; modes are 0444 or 0555, not those of the archive. The first
//! member that breaks a rule refuses the whole archive.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use unicode_normalization::UnicodeNormalization as _;

pub(super) use super::error::refused;

use super::{
    Error, Rule,
    file_manifest::{FileManifest, TreeNode},
    name_budget::NameBudget,
};
use crate::util::files;

/// Deepest path.
const DEPTH: usize = 64;

/// First modification time that is not kept, in seconds: the year 2106.
const LATEST: u64 = 1 << 32;

/// A tree that grows below a private directory.
pub(super) struct Tree {
    root: PathBuf,
    nodes: BTreeMap<String, TreeNode>,
    folded: BTreeSet<String>,
    /// Bytes that may still be written.
    budget: u64,
    names: NameBudget,
    /// Below these directories two names may differ in case alone.
    case_sensitive_below: Vec<&'static str>,
    /// True if links may lead through other links of the tree.
    follows_links: bool,
    /// The copy buffer for all files.
    buffer: Box<[u8]>,
}

/// The settings for one file.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Placed {
    /// True if it can be executed.
    pub(super) executable: bool,
    /// Seconds of its modification time; 1 where the artifact's does not matter.
    pub(super) mtime: Option<u64>,
}

impl Tree {
    /// Returns an empty tree, which may not grow yet, below `root`, which must exist, be empty and be private.
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            nodes: BTreeMap::new(),
            folded: BTreeSet::new(),
            budget: 0,
            names: NameBudget::whole(),
            case_sensitive_below: Vec::new(),
            follows_links: false,
            buffer: vec![0; 1 << 16].into(),
        }
    }

    /// Lets the tree grow by this many bytes more.
    pub(super) const fn admit(&mut self, bytes: u64) {
        self.budget = self.budget.saturating_add(bytes);
    }

    /// Admits names that differ in case alone below `directory`, on systems with case-sensitive file systems.
    ///
    /// The terminfo database, which `CPython` builds carry, is made of such names.
    pub(super) fn admit_case_below(&mut self, directory: &'static str) {
        if cfg!(target_os = "linux") {
            self.case_sensitive_below.push(directory);
        }
    }

    /// Admits links that lead through other links, as long as they stay inside.
    pub(super) const fn follow_links(&mut self) {
        self.follows_links = true;
    }

    /// Returns the node at `path`.
    pub(super) fn node(&self, path: &str) -> Option<&TreeNode> {
        self.nodes.get(path)
    }

    /// Returns every path with its node.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (&str, &TreeNode)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// Adds a directory, and those above it.
    pub(super) fn directory(&mut self, path: &str) -> Result<(), Error> {
        let path = checked(path)?;
        self.parents(path)?;
        self.one_directory(path)
    }

    /// Adds a file with the bytes of `data`, and returns its size.
    pub(super) fn file(
        &mut self,
        path: &str,
        placed: Placed,
        data: &mut dyn Read,
    ) -> Result<u64, Error> {
        let path = checked(path)?;
        self.parents(path)?;
        self.claim(path)?;
        self.fill(path, placed, data)
    }

    /// Writes a file whose path is claimed.
    fn fill(&mut self, path: &str, placed: Placed, data: &mut dyn Read) -> Result<u64, Error> {
        let place = self.root.join(path);
        let mut file = File::create_new(&place).map_err(files::at("write", &place))?;
        let (mut digest, mut size) = (blake3::Hasher::new(), 0);
        loop {
            let count = data
                .read(&mut self.buffer)
                .map_err(|error| Error::Archive {
                    member: path.to_owned(),
                    source: error,
                })?;
            if count == 0 {
                break;
            }
            size += count as u64;
            self.budget = self
                .budget
                .checked_sub(count as u64)
                .ok_or_else(|| refused(path, Rule::TooLarge))?;
            file.write_all(&self.buffer[..count])
                .map_err(files::at("write", &place))?;
            digest.update(&self.buffer[..count]);
        }
        seal(&file, placed).map_err(files::at("write", &place))?;
        let node = TreeNode::File {
            executable: placed.executable,
            size,
            digest: digest.finalize().into(),
        };
        self.nodes.insert(path.to_owned(), node);
        Ok(size)
    }

    /// Adds a symbolic link; it is checked and made at the end.
    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<(), Error> {
        let path = checked(path)?;
        self.parents(path)?;
        self.claim(path)?;
        self.names.take_target(path, target)?;
        let node = TreeNode::Link {
            target: target.to_owned(),
        };
        self.nodes.insert(path.to_owned(), node);
        Ok(())
    }

    /// Keeps a path for a link that is made after the tree is finished.
    pub(super) fn reserve(&mut self, path: &str) -> Result<(), Error> {
        let path = checked(path)?;
        let parent = path.rsplit_once('/').map(|(parent, _)| parent);
        if parent.is_some_and(|parent| self.nodes.get(parent) != Some(&TreeNode::Directory)) {
            return Err(refused(path, Rule::ThroughLink));
        }
        self.claim(path)
    }

    /// Adds a copy of an earlier file in place of a hard link.
    pub(super) fn copy(&mut self, path: &str, of: &str, placed: Placed) -> Result<(), Error> {
        let original = checked(of)?;
        let Some(TreeNode::File { executable, .. }) = self.nodes.get(original) else {
            return Err(refused(path, Rule::HardLink));
        };
        let placed = Placed {
            executable: *executable,
            ..placed
        };
        let source = self.root.join(original);
        let mut file = File::open(&source).map_err(files::at("read", &source))?;
        self.file(path, placed, &mut file).map(|_| ())
    }

    /// Adds a member of a published object, whose content must be intact: a file as a hard link if that is possible.
    pub(super) fn share(
        &mut self,
        path: &str,
        node: &TreeNode,
        object: &Path,
    ) -> Result<(), Error> {
        let (executable, size) = match node {
            TreeNode::Directory => return self.directory(path),
            TreeNode::Link { target } => return self.link(path, target),
            TreeNode::File {
                executable, size, ..
            } => (*executable, *size),
        };
        let path = checked(path)?;
        self.parents(path)?;
        self.claim(path)?;
        let source = object.join(path);
        if fs::hard_link(&source, self.root.join(path)).is_ok() {
            self.nodes.insert(path.to_owned(), node.clone());
            return Ok(());
        }
        // A file system without hard links, or a file with too many.
        let mut file = File::open(&source).map_err(files::at("read", &source))?;
        self.admit(size);
        let placed = Placed {
            executable,
            mtime: None,
        };
        self.fill(path, placed, &mut file).map(|_| ())
    }

    /// Makes the links and returns the manifest. A `closed` tree gets read-only directories, except for the root, which
    /// is renamed later.
    pub(super) fn finish(self, closed: bool) -> Result<FileManifest, Error> {
        for (path, node) in &self.nodes {
            if let TreeNode::Link { target } = node {
                check_link(&self.nodes, path, target, self.follows_links)?;
            }
        }
        for (path, node) in &self.nodes {
            if let TreeNode::Link { target } = node {
                let place = self.root.join(path);
                symlink(target, &place).map_err(files::at("link", &place))?;
            }
        }
        let mut nodes = self.nodes.iter().filter(|_| closed);
        nodes.try_for_each(|(path, node)| match node {
            TreeNode::Directory => {
                let place = self.root.join(path);
                let mode = fs::Permissions::from_mode(0o555);
                fs::set_permissions(&place, mode).map_err(files::at("write", &place))
            }
            _ => Ok(()),
        })?;
        Ok(FileManifest(self.nodes))
    }

    /// Adds the directories above `path`.
    fn parents(&mut self, path: &str) -> Result<(), Error> {
        for (at, _) in path.match_indices('/') {
            self.one_directory(&path[..at])?;
        }
        Ok(())
    }

    fn one_directory(&mut self, path: &str) -> Result<(), Error> {
        match self.nodes.get(path) {
            Some(TreeNode::Directory) => return Ok(()),
            Some(TreeNode::Link { .. }) => return Err(refused(path, Rule::ThroughLink)),
            Some(TreeNode::File { .. }) => return Err(refused(path, Rule::Duplicate)),
            None => {}
        }
        self.claim(path)?;
        let place = self.root.join(path);
        fs::create_dir(&place).map_err(files::at("create", &place))?;
        self.nodes.insert(path.to_owned(), TreeNode::Directory);
        Ok(())
    }

    /// Checks that nothing has this name yet.
    fn claim(&mut self, path: &str) -> Result<(), Error> {
        if self.nodes.contains_key(path) {
            return Err(refused(path, Rule::Duplicate));
        }
        self.names.take(path)?;
        let apart = self
            .case_sensitive_below
            .iter()
            .any(|directory| path.starts_with(directory));
        if !apart && !self.folded.insert(folded(path)) {
            return Err(refused(path, Rule::CaseCollision));
        }
        Ok(())
    }
}

/// Refuses the link at `path` if it leaves the tree of `nodes`. If it `follows_links`, it may lead through other links.
pub(super) fn check_link<'t>(
    nodes: &'t BTreeMap<String, TreeNode>,
    path: &'t str,
    target: &'t str,
    follows_links: bool,
) -> Result<(), Error> {
    let refuse = || refused(path, Rule::LinkTarget(target.to_owned()));
    if target.is_empty() || target.starts_with('/') || target.contains('\0') {
        return Err(refuse());
    }
    let mut at: Vec<&str> = path.split('/').collect();
    at.pop();
    let steps = |target: &'t str| target.split('/').filter(|part| !part.is_empty()).rev();
    let mut parts: Vec<&str> = steps(target).collect();
    let mut followed = 0;
    while let Some(part) = parts.pop() {
        match part {
            "." => {}
            ".." => {
                at.pop().ok_or_else(refuse)?;
            }
            name => at.push(name),
        }
        if parts.is_empty() {
            break;
        }
        if let Some(TreeNode::Link { target }) = nodes.get(&at.join("/")) {
            followed += 1;
            // The kernel gives up at 40.
            if !follows_links || followed > 40 || target.starts_with('/') {
                return Err(refuse());
            }
            at.pop();
            parts.extend(steps(target));
        }
    }
    Ok(())
}

/// Returns `path` as seen by a file system that ignores case and the forms of accents.
pub(super) fn folded(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    let upper = path.nfd().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).nfc().collect()
}

/// Returns `path` if it is relative and made of plain names.
pub(super) fn checked(path: &str) -> Result<&str, Error> {
    if path.starts_with('/') {
        return Err(refused(path, Rule::Absolute));
    }
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\0', '\\']);
    if !path.split('/').all(plain) || path.len() > 4000 {
        return Err(refused(path, Rule::OddPath));
    }
    if path.split('/').count() > DEPTH {
        return Err(refused(path, Rule::TooDeep));
    }
    Ok(path)
}

/// Gives a file its final mode and time.
fn seal(file: &File, placed: Placed) -> std::io::Result<()> {
    // An archive may claim a time that no clock can show.
    let seconds = placed
        .mtime
        .filter(|seconds| *seconds < LATEST)
        .unwrap_or(1);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    file.set_modified(time)?;
    let mode = if placed.executable { 0o555 } else { 0o444 };
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    Ok(())
}
