//! The manifest of an object: all its files with their digests.
//!
//! One line each, in order: `d path`, `l path<tab>target`, `f digest size path` and `x` for programs. The BLAKE3
//! of this text is the hash of the tree. Names hold no backslash, so a backslash can escape line breaks and tabs.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::util::{files, parallel};

/// The file with the record of an object, inside the object.
pub(super) const RECORD: &str = ".devsh-object.json";
/// The file with the list, inside the object.
pub(super) const MANIFEST: &str = ".devsh-files";
/// The directories of bytecode, to which Python adds files at any time.
pub const BYTECODE: &str = "__pycache__";
/// Longest accepted list, in bytes.
const LIMIT: u64 = 256 << 20;
/// Threads that read the files of one tree.
const THREADS: usize = 4;
/// Members of a tree whose sizes and times one thread compares at once.
const NODES_AT_ONCE: usize = 512;

/// One member of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TreeNode {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// True if it can be executed.
        executable: bool,
        /// Its size in bytes.
        size: u64,
        /// The BLAKE3 of its content.
        digest: [u8; 32],
    },
    /// A symbolic link.
    Link {
        /// The target.
        target: String,
    },
}

/// All members of a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FileManifest(pub(super) BTreeMap<String, TreeNode>);

/// A difference of a member from the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The member, below the object.
    pub path: String,
    pub fault: DamageKind,
}

/// Kinds of damage of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// It is not there.
    Missing,
    /// Its content, kind or target is another.
    Changed,
    /// It was not published.
    Added,
    /// It cannot be read.
    Unreadable,
    /// It belongs to another user.
    OtherOwner,
}

impl DamageKind {
    /// Returns the fault in one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Changed => "changed",
            Self::Added => "added",
            Self::Unreadable => "unreadable",
            Self::OtherOwner => "owner",
        }
    }
}

impl FileManifest {
    /// Returns the text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (path, node) in &self.0 {
            let path = escape(path);
            // Writing to a string cannot fail.
            let _written = match node {
                TreeNode::Directory => writeln!(text, "d {path}"),
                TreeNode::Link { target } => writeln!(text, "l {path}\t{}", escape(target)),
                TreeNode::File {
                    executable,
                    size,
                    digest,
                } => {
                    let kind = if *executable { 'x' } else { 'f' };
                    let digest = blake3::Hash::from_bytes(*digest).to_hex();
                    writeln!(text, "{kind} {digest} {size} {path}")
                }
            };
        }
        text
    }

    /// Returns the hash of the tree.
    pub(super) fn hash(&self) -> String {
        blake3::hash(self.text().as_bytes()).to_hex().to_string()
    }

    /// Reads the tree in `directory`.
    pub(super) fn of(directory: &Path) -> Result<Self, files::Error> {
        let names = names_on_disk(directory)?;
        let read = parallel::map(THREADS, &names, |path| node_on_disk(&directory.join(path)));
        let mut nodes = BTreeMap::new();
        for (path, node) in names.into_iter().zip(read) {
            nodes.extend(node?.map(|node| (path, node)));
        }
        Ok(Self(nodes))
    }

    /// Reads the list of the object in `directory`, if it is whole and has this hash.
    pub(super) fn read(directory: &Path, hash: &str) -> Result<Option<Self>, files::Error> {
        let Some(bytes) = files::read_bounded(&directory.join(MANIFEST), LIMIT)? else {
            return Ok(None);
        };
        if *blake3::hash(&bytes).to_hex() != *hash {
            return Ok(None);
        }
        Ok(std::str::from_utf8(&bytes).ok().and_then(parse))
    }

    /// Compares the tree in `directory` with the list, reading every byte.
    pub(super) fn compare(&self, directory: &Path) -> Vec<Damage> {
        let mut damage = Vec::new();
        let mut found = |path: &str, fault| {
            damage.push(Damage {
                path: path.to_owned(),
                fault,
            });
        };
        for (path, node) in &self.0 {
            match node_on_disk(&directory.join(path)) {
                Ok(Some(there)) if there == *node => {}
                Ok(Some(_)) => found(path, DamageKind::Changed),
                Ok(None) => found(path, DamageKind::Missing),
                Err(_) => found(path, DamageKind::Unreadable),
            }
        }
        let names = names_on_disk(directory).unwrap_or_else(|error| {
            let path = error.path.strip_prefix(directory).unwrap_or(&error.path);
            found(&path.to_string_lossy(), DamageKind::Unreadable);
            Vec::new()
        });
        for path in names {
            let own = matches!(path.as_str(), MANIFEST | RECORD);
            if !own && !self.0.contains_key(&path) && !is_bytecode(&path) {
                found(&path, DamageKind::Added);
            }
        }
        damage
    }

    /// Returns the first damage that sizes and times show: only files and directories that changed after `published`
    /// are read.
    pub(super) fn recent_damage(&self, directory: &Path, published: SystemTime) -> Option<Damage> {
        let root = [("", &TreeNode::Directory)].into_iter();
        let nodes = self.0.iter().map(|(path, node)| (path.as_str(), node));
        let nodes: Vec<(&str, &TreeNode)> = root.chain(nodes).collect();
        let parts: Vec<&[(&str, &TreeNode)]> = nodes.chunks(NODES_AT_ONCE).collect();
        let found = parallel::map(THREADS, &parts, |part| {
            let mut part = part.iter();
            part.find_map(|(path, node)| self.recent_damage_of(directory, path, node, published))
        });
        found.into_iter().flatten().next()
    }

    fn recent_damage_of(
        &self,
        directory: &Path,
        path: &str,
        node: &TreeNode,
        published: SystemTime,
    ) -> Option<Damage> {
        let place = directory.join(path);
        let damage = |path: &str, fault| {
            let path = path.to_owned();
            Some(Damage { path, fault })
        };
        let metadata = match fs::symlink_metadata(&place) {
            Ok(metadata) => metadata,
            Err(error) if files::is_absent(&error) => return damage(path, DamageKind::Missing),
            Err(_) => return damage(path, DamageKind::Unreadable),
        };
        let has_size = match node {
            TreeNode::File { size, .. } => metadata.len() == *size,
            _ => true,
        };
        if has_size && metadata.modified().is_ok_and(|time| time <= published) {
            return None;
        }
        match node_on_disk(&place) {
            Ok(Some(there)) if there == *node => {}
            Ok(Some(_)) => return damage(path, DamageKind::Changed),
            Ok(None) => return damage(path, DamageKind::Missing),
            Err(_) => return damage(path, DamageKind::Unreadable),
        }
        if *node != TreeNode::Directory || is_bytecode(path) {
            return None;
        }
        let Ok(entries) = files::list(&place) else {
            return damage(path, DamageKind::Unreadable);
        };
        let mut entries = entries
            .iter()
            .filter_map(|entry| entry.strip_prefix(directory).ok());
        let added = entries.find_map(|entry| {
            let entry = entry.to_string_lossy();
            let is_known = self.0.contains_key(&*entry) || matches!(&*entry, MANIFEST | RECORD);
            (!is_known && !is_bytecode(&entry)).then_some(entry)
        })?;
        damage(&added, DamageKind::Added)
    }
}

/// Python may write bytecode next to its modules at any time; that is no damage.
fn is_bytecode(path: &str) -> bool {
    path.split('/').any(|part| part == BYTECODE)
}

/// Returns the node at `path` on disk, if there is one.
pub(super) fn node_on_disk(path: &Path) -> Result<Option<TreeNode>, files::Error> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if files::is_absent(&error) => return Ok(None),
        Err(error) => return Err(files::at("read", path)(error)),
    };
    if metadata.is_dir() {
        return Ok(Some(TreeNode::Directory));
    }
    if metadata.is_symlink() {
        let target = fs::read_link(path).map_err(files::at("read", path))?;
        return Ok(Some(TreeNode::Link {
            target: target.to_string_lossy().into_owned(),
        }));
    }
    if !metadata.is_file() {
        return Err(files::at("read", path)(std::io::Error::other(
            "not a regular file",
        )));
    }
    let mut hasher = blake3::Hasher::new();
    let file = File::open(path).map_err(files::at("read", path))?;
    hasher
        .update_reader(file)
        .map_err(files::at("read", path))?;
    Ok(Some(TreeNode::File {
        executable: metadata.permissions().mode() & 0o111 != 0,
        size: metadata.len(),
        digest: hasher.finalize().into(),
    }))
}

/// Returns the paths of everything below `root`.
fn names_on_disk(root: &Path) -> Result<Vec<String>, files::Error> {
    let (mut names, mut pending) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(directory) = pending.pop() {
        let place = root.join(&directory);
        for entry in fs::read_dir(&place).map_err(files::at("read", &place))? {
            let entry = entry.map_err(files::at("read", &place))?;
            let path = directory.join(entry.file_name());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                pending.push(path.clone());
            }
            names.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

fn parse(text: &str) -> Option<FileManifest> {
    let mut nodes = BTreeMap::new();
    for line in text.lines() {
        let (kind, rest) = line.split_once(' ')?;
        let (path, node) = match kind {
            "d" => (rest, TreeNode::Directory),
            "l" => {
                let (path, target) = rest.split_once('\t')?;
                let target = unescape(target);
                (path, TreeNode::Link { target })
            }
            "f" | "x" => {
                let (digest, rest) = rest.split_once(' ')?;
                let (size, path) = rest.split_once(' ')?;
                let node = TreeNode::File {
                    executable: kind == "x",
                    size: size.parse().ok()?,
                    digest: blake3::Hash::from_hex(digest).ok()?.into(),
                };
                (path, node)
            }
            _ => return None,
        };
        nodes.insert(unescape(path), node);
    }
    Some(FileManifest(nodes))
}

fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\b").replace('\n', "\\n");
    text.replace('\t', "\\t").replace('\r', "\\r")
}

fn unescape(text: &str) -> String {
    let text = text.replace("\\r", "\r").replace("\\t", "\t");
    text.replace("\\n", "\n").replace("\\b", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_they_were_written() {
        let file = |executable| TreeNode::File {
            executable,
            size: 3,
            digest: [7; 32],
        };
        let link = |target: &str| TreeNode::Link {
            target: target.to_owned(),
        };
        let listing = FileManifest(BTreeMap::from([
            ("a".to_owned(), TreeNode::Directory),
            ("a/b c\nd\te".to_owned(), file(true)),
            ("a/ünï".to_owned(), file(false)),
            ("l".to_owned(), link("a\\\tb\\n\r")),
        ]));
        assert_eq!(parse(&listing.text()), Some(listing));
    }
}
