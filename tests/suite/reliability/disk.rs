//! A disk in memory that may lose changes that were not synced, for states after a power cut.
//!
//! Every change belongs to a file or to the directories that it enters or leaves. Of each of them the disk keeps
//! the changes up to some point, never fewer than what was synced; a renaming is one change of two directories.
//! With a journal all changes of names come in one order (ext4, XFS); without, every directory goes its own way.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use crate::support::Random;

/// Number of the directory at the top.
const TOP: usize = 0;
/// The group of all changes of names on a disk with a journal.
const JOURNAL: usize = usize::MAX;

/// A file, directory or link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Node {
    /// A directory and its mode.
    Directory(u32),
    /// A file: its mode and its content.
    File(u32, Vec<u8>),
    /// A symbolic link and where it leads.
    Link(String),
}

/// All nodes below a directory, by path.
pub(super) type Tree = BTreeMap<String, Node>;

/// A name in a directory, which is given by its number.
type Name = (usize, String);

/// One change, in the order in which programs saw them.
#[derive(Debug, Clone)]
enum Change {
    /// A name leads to something, or to nothing any more.
    Entry(Name, Option<usize>),
    /// A name moved.
    Rename(Name, Name),
    /// Two names changed places.
    Exchange(Name, Name),
    /// A file got bytes at its end.
    Append(usize, Vec<u8>),
    /// A file was cut or made longer.
    Length(usize, usize),
    /// A mode was set.
    Mode(usize, u32),
}

/// A group of changes that a sync makes durable together.
#[derive(Debug)]
struct Sync {
    /// One file or directory; everything without.
    of: Option<usize>,
    /// The number of changes before it and after it.
    began: usize,
    ended: usize,
}

/// Names and contents at one moment.
#[derive(Debug, Clone, Default)]
struct Content {
    nodes: HashMap<usize, Node>,
    names: BTreeMap<Name, usize>,
}

/// A disk and all that happened to it.
#[derive(Debug, Default)]
pub(super) struct Disk {
    before: Content,
    now: Content,
    changes: Vec<Change>,
    syncs: Vec<Sync>,
    known: usize,
}

impl Change {
    /// Returns the group of the change.
    fn places(&self, journal: bool) -> Vec<usize> {
        let mut places = match self {
            Self::Entry((directory, _), _) => vec![*directory],
            Self::Rename((one, _), (other, _)) | Self::Exchange((one, _), (other, _)) => {
                vec![*one, *other]
            }
            Self::Append(file, _) | Self::Length(file, _) | Self::Mode(file, _) => vec![*file],
        };
        let of_names = !matches!(self, Self::Append(..) | Self::Length(..));
        if journal && of_names {
            places.push(JOURNAL);
        }
        places
    }
}

impl Content {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Entry(name, Some(node)) => drop(self.names.insert(name.clone(), *node)),
            Change::Entry(name, None) => drop(self.names.remove(name)),
            Change::Rename(from, to) => {
                if let Some(node) = self.names.remove(from) {
                    self.names.insert(to.clone(), node);
                }
            }
            Change::Exchange(one, other) => {
                let (first, second) = (self.names.remove(one), self.names.remove(other));
                self.names.extend(first.map(|node| (other.clone(), node)));
                self.names.extend(second.map(|node| (one.clone(), node)));
            }
            Change::Append(file, bytes) => {
                if let Some(Node::File(_, content)) = self.nodes.get_mut(file) {
                    content.extend(bytes);
                }
            }
            Change::Length(file, length) => {
                if let Some(Node::File(_, content)) = self.nodes.get_mut(file) {
                    content.resize(*length, 0);
                }
            }
            Change::Mode(node, mode) => {
                if let Some(Node::Directory(known) | Node::File(known, _)) =
                    self.nodes.get_mut(node)
                {
                    *known = *mode;
                }
            }
        }
    }

    fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        self.collect(TOP, "", &mut tree);
        tree
    }

    fn collect(&self, directory: usize, prefix: &str, tree: &mut Tree) {
        let names = self.names.range((directory, String::new())..);
        for ((_, name), number) in names.take_while(|((of, _), _)| *of == directory) {
            let path = format!("{prefix}{name}");
            let node = self.nodes[number].clone();
            if matches!(node, Node::Directory(_)) {
                self.collect(*number, &format!("{path}/"), tree);
            }
            tree.insert(path, node);
        }
    }
}

impl Disk {
    /// Returns a disk with the content of `directory`, all of it durable.
    pub(super) fn of(directory: &Path) -> Self {
        let mut disk = Self {
            known: TOP + 1,
            ..Self::default()
        };
        for (path, node) in read(directory) {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", &path));
            let above = disk.find(above).unwrap();
            disk.now.nodes.insert(disk.known, node);
            disk.now.names.insert((above, name.to_owned()), disk.known);
            disk.known += 1;
        }
        disk.before = disk.now.clone();
        disk
    }

    /// Returns how many changes were made.
    pub(super) fn changes(&self) -> usize {
        self.changes.len()
    }

    /// Returns the content of the disk as programs see it.
    pub(super) fn tree(&self) -> Tree {
        self.now.tree()
    }

    /// Returns the number of the node at a path; a link at the end is not followed.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        if path.is_empty() {
            return Some(TOP);
        }
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let above = self.find(above)?;
        let above = match self.now.nodes.get(&above) {
            Some(Node::Link(_)) => panic!("`{path}` leads through a link"),
            _ => above,
        };
        self.now.names.get(&(above, name.to_owned())).copied()
    }

    fn name(&self, path: &str) -> Name {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        (self.find(above).unwrap(), name.to_owned())
    }

    fn change(&mut self, change: Change) {
        self.now.apply(&change);
        self.changes.push(change);
    }

    /// Makes something new at a path.
    pub(super) fn create(&mut self, path: &str, node: Node) {
        let (name, number) = (self.name(path), self.known);
        self.known += 1;
        // A node without a name cannot be seen, so it may have been there from the beginning.
        self.before.nodes.insert(number, node.clone());
        self.now.nodes.insert(number, node);
        self.change(Change::Entry(name, Some(number)));
    }

    /// Takes a name away.
    pub(super) fn remove(&mut self, path: &str) {
        self.change(Change::Entry(self.name(path), None));
    }

    /// Renames a node.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        self.change(Change::Rename(self.name(from), self.name(to)));
    }

    /// Exchanges two nodes.
    pub(super) fn exchange(&mut self, one: &str, other: &str) {
        self.change(Change::Exchange(self.name(one), self.name(other)));
    }

    /// Gives a node a second name.
    pub(super) fn link(&mut self, from: &str, to: &str) {
        self.change(Change::Entry(self.name(to), self.find(from)));
    }

    /// Adds bytes to the end of a file.
    pub(super) fn append(&mut self, file: usize, bytes: &[u8]) {
        self.change(Change::Append(file, bytes.to_vec()));
    }

    /// Sets the length of a file.
    pub(super) fn cut(&mut self, file: usize, length: usize) {
        self.change(Change::Length(file, length));
    }

    /// Sets the mode of a node.
    pub(super) fn mode(&mut self, node: usize, mode: u32) {
        self.change(Change::Mode(node, mode));
    }

    /// Makes the first `began` changes durable, of one node or of all.
    pub(super) fn sync(&mut self, of: Option<usize>, began: usize) {
        let ended = self.changes.len();
        self.syncs.push(Sync { of, began, ended });
    }

    /// Returns something that the disk may hold when the power goes after `at` changes.
    pub(super) fn after_a_cut(&self, at: usize, random: &mut Random) -> Tree {
        let journal = random.below(2) == 0;
        let changes = &self.changes[..at];
        let durable = self.durable(at, journal);
        let mut fates: HashMap<usize, usize> = HashMap::new();
        let mut broken = BTreeSet::new();
        let mut content = self.before.clone();
        for (index, change) in changes.iter().enumerate() {
            let places = change.places(journal);
            let lucky = places.iter().all(|place| {
                // Nothing more, everything, or up to some moment.
                let until = fates
                    .entry(*place)
                    .or_insert_with(|| match random.below(3) {
                        0 => 0,
                        1 => at,
                        _ => random.below(at + 1),
                    });
                index < *until && !broken.contains(place)
            });
            if durable[index] {
                content.apply(change);
            } else if lucky {
                content.apply(&damaged(change, random));
            } else {
                broken.extend(places);
            }
        }
        content.tree()
    }

    /// Returns for each of the first `at` changes whether it must be on the disk.
    fn durable(&self, at: usize, journal: bool) -> Vec<bool> {
        let mut durable = vec![false; at];
        let mut needed = BTreeSet::new();
        for (index, change) in self.changes[..at].iter().enumerate().rev() {
            let places = change.places(journal);
            let synced = self.syncs.iter().any(|sync| {
                let covers = sync.of.is_none_or(|of| change.places(false).contains(&of));
                sync.ended <= at && index < sync.began && covers
            });
            // Nor may anything be missing that came before it in the same place.
            if synced || places.iter().any(|place| needed.contains(place)) {
                durable[index] = true;
                needed.extend(places);
            }
        }
        durable
    }
}

/// Bytes that were never synced may be there in part, or as zeros of the right length.
fn damaged(change: &Change, random: &mut Random) -> Change {
    match change {
        Change::Append(file, bytes) => {
            let mut bytes = bytes.clone();
            match random.below(8) {
                0 => bytes.fill(0),
                1 => bytes.truncate(random.below(bytes.len() + 1)),
                _ => {}
            }
            Change::Append(*file, bytes)
        }
        _ => change.clone(),
    }
}

/// Returns the content of a directory.
pub(super) fn read(directory: &Path) -> Tree {
    let (mut tree, mut pending) = (Tree::new(), vec![directory.to_owned()]);
    while let Some(place) = pending.pop() {
        for entry in fs::read_dir(&place).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let mode = metadata.mode() & 0o7777;
            let node = if metadata.is_symlink() {
                Node::Link(fs::read_link(&path).unwrap().to_str().unwrap().to_owned())
            } else if metadata.is_dir() {
                Node::Directory(mode)
            } else {
                Node::File(mode, fs::read(&path).unwrap())
            };
            let name = path.strip_prefix(directory).unwrap();
            tree.insert(name.to_str().unwrap().to_owned(), node);
            if metadata.is_dir() {
                pending.push(path);
            }
        }
    }
    tree
}

/// Puts a tree where another one was.
pub(super) fn write(tree: &Tree, directory: &Path) {
    fs::remove_dir_all(directory).unwrap();
    fs::create_dir(directory).unwrap();
    for (path, node) in tree {
        let place = directory.join(path);
        match node {
            Node::Directory(_) => fs::create_dir(&place).unwrap(),
            Node::Link(target) => std::os::unix::fs::symlink(target, &place).unwrap(),
            Node::File(mode, content) => {
                fs::write(&place, content).unwrap();
                fs::set_permissions(&place, fs::Permissions::from_mode(*mode)).unwrap();
            }
        }
    }
    // Directories may be read-only, so their content comes first.
    for (path, node) in tree.iter().rev() {
        if let Node::Directory(mode) = node {
            let place = directory.join(path);
            fs::set_permissions(&place, fs::Permissions::from_mode(*mode)).unwrap();
        }
    }
}
