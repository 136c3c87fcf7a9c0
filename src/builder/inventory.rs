//! The inventory for garbage collection: every profile, object and Python environment, and
//! the entries that each needs.
//!
//! A GC root is a path below the data directory that is in use: named by the record of an allowed project or leased by
//! a running process. A profile needs its objects. An entry that no root reaches is unused.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{profile_name::profiles_directory, profile_record};
use crate::{
    store::{self, CountedFiles, Damage, Size},
    util::{files, word_lists::join_first},
};

/// Kinds of entries of the data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A profile, or the symlink to one.
    Profile,
    /// A Python environment of one checkout.
    Environment,
    /// An object of the store.
    Object,
}

/// The most objects in the name of a profile.
const NAMED: usize = 3;

/// Something that can be collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryEntry {
    pub kind: EntryKind,
    /// Without the files that an earlier entry has as well.
    pub size: Size,
    /// The last known use.
    pub used: SystemTime,
    /// The entries that it needs.
    pub needs: BTreeSet<PathBuf>,
}

/// All entries that can be collected, by path.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    data: PathBuf,
    /// The files that several entries can have as hard links, each of which counts for the first one.
    counted: CountedFiles,
    pub entries: BTreeMap<PathBuf, InventoryEntry>,
}

/// Limits for the removal of unused entries; without limits all are removed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Budget {
    /// Entries that were used since then stay.
    pub unused_since: Option<SystemTime>,
    /// The most recently used entries stay while all entries take no more bytes than this.
    pub keep: Option<u64>,
}

impl Inventory {
    /// Lists all entries below the data directory.
    ///
    /// An error means that some may be missing.
    pub fn of(data: &Path) -> Result<Self, files::Error> {
        let mut inventory = Self {
            data: data.to_owned(),
            counted: CountedFiles::new(),
            entries: BTreeMap::new(),
        };
        inventory.update()?;
        Ok(inventory)
    }

    /// Adds the entries that were made since the last look.
    pub fn update(&mut self) -> Result<(), files::Error> {
        let data = self.data.clone();
        let (known, counted) = (&self.entries, &mut self.counted);
        let new = |path: &PathBuf| !known.contains_key(path);
        let mut found = BTreeMap::new();
        for kind in [
            EntryKind::Profile,
            EntryKind::Environment,
            EntryKind::Object,
        ] {
            let mut paths: Vec<PathBuf> = paths(&data, kind)?.into_iter().filter(new).collect();
            // A prefix consists of files of packages, which own their bytes.
            paths.sort_by_key(|path| is_prefix(path));
            for path in paths {
                let entry = match kind {
                    EntryKind::Profile => profile_entry(&data, &path, counted)?,
                    _ => plain_entry(kind, &path, counted),
                };
                found.insert(path, entry);
            }
        }
        self.entries.extend(found);
        self.spread_use();
        Ok(())
    }

    /// Returns the entries of one kind.
    pub fn of_kind(&self, kind: EntryKind) -> impl Iterator<Item = (&PathBuf, &InventoryEntry)> {
        let entries = self.entries.iter();
        entries.filter(move |(_, entry)| entry.kind == kind)
    }

    /// Returns a name that says more than the digest in a path: of a profile the objects that it needs.
    pub fn name(&self, path: &Path) -> String {
        let Some(entry) = self.entries.get(path) else {
            return object_name(path).to_owned();
        };
        match entry.kind {
            EntryKind::Object => object_name(path).to_owned(),
            EntryKind::Environment => "of a checkout".to_owned(),
            EntryKind::Profile => {
                let objects = entry.needs.iter();
                let mut names: Vec<&str> = objects
                    .filter(|need| {
                        need.parent()
                            .is_some_and(|parent| parent.ends_with("store"))
                    })
                    .map(|need| object_name(need))
                    .collect();
                names.sort_unstable();
                match names.as_slice() {
                    [] => "without tools of the store".to_owned(),
                    names => format!("with {}", join_first(names, NAMED)),
                }
            }
        }
    }

    /// Returns the entry that `path` is or is part of.
    pub fn entry_of(&self, path: &Path) -> Option<&Path> {
        let below = path.strip_prefix(&self.data).ok()?;
        let found = (2..=3).find_map(|length| {
            let entry = self
                .data
                .join(below.iter().take(length).collect::<PathBuf>());
            self.entries.get_key_value(&entry)
        });
        found.map(|(entry, _)| entry.as_path())
    }

    /// Returns the entries that are reached from any of `roots`.
    pub fn reached<'a>(&self, roots: impl IntoIterator<Item = &'a PathBuf>) -> BTreeSet<PathBuf> {
        let mut reached = BTreeSet::new();
        let mut pending: Vec<PathBuf> = roots
            .into_iter()
            .filter_map(|root| self.entry_of(root).map(Path::to_owned))
            .collect();
        while let Some(path) = pending.pop() {
            let Some(entry) = self.entries.get(&path) else {
                continue;
            };
            if reached.insert(path) {
                let needs = entry.needs.iter();
                pending.extend(needs.filter_map(|need| self.entry_of(need).map(Path::to_owned)));
            }
        }
        // The symlink to a profile of host tools is in use while that profile is.
        let links = self.entries.iter().filter(|(path, entry)| {
            let link = path
                .extension()
                .is_some_and(|extension| extension == "host");
            link && entry.needs.iter().any(|need| reached.contains(need))
        });
        let links: Vec<PathBuf> = links.map(|(path, _)| path.clone()).collect();
        reached.extend(links);
        reached
    }

    /// Chooses the entries to remove: profiles first, then what they need.
    pub fn choose(&self, live: &BTreeSet<PathBuf>, budget: Budget) -> Vec<PathBuf> {
        let mut unused: Vec<(&PathBuf, &InventoryEntry)> = self
            .entries
            .iter()
            .filter(|(path, _)| !live.contains(*path))
            .collect();
        unused.sort_by_key(|(path, entry)| (entry.used, *path));
        let mut total: u64 = self.entries.values().map(|entry| entry.size.bytes).sum();
        let mut gone = BTreeSet::new();
        for (path, entry) in unused {
            let old = budget.unused_since.is_some_and(|since| entry.used < since);
            let over = budget.keep.is_some_and(|keep| total > keep);
            let all = budget.unused_since.is_none() && budget.keep.is_none();
            if old || over || all {
                total = total.saturating_sub(entry.size.bytes);
                gone.insert(path.clone());
            }
        }
        // A profile is of no use without one of its objects.
        for (path, entry) in &self.entries {
            if !live.contains(path) && entry.needs.iter().any(|need| gone.contains(need)) {
                gone.insert(path.clone());
            }
        }
        let mut gone: Vec<PathBuf> = gone.into_iter().collect();
        gone.sort_by_key(|path| self.entries.get(path).map(|entry| entry.kind));
        gone
    }

    /// Objects were used when a profile that needs them was.
    fn spread_use(&mut self) {
        let used: Vec<(PathBuf, SystemTime)> = self
            .entries
            .values()
            .flat_map(|entry| entry.needs.iter().map(|need| (need.clone(), entry.used)))
            .collect();
        for (path, used) in used {
            if let Some(entry) = self.entries.get_mut(&path) {
                entry.used = entry.used.max(used);
            }
        }
    }
}

/// Returns the name and version of an object, which follow the digest in its file name.
pub fn object_name(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default();
    name.split_once('-').map_or(name, |(_, name)| name)
}

/// Returns the beginning of the digest in the file name of an entry.
pub fn short_digest(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str());
    name.unwrap_or_default().get(..8).unwrap_or_default()
}

/// Gives a profile the current time, which `--older-than` takes for its last use.
pub fn mark_used(profile: &Path) {
    let marked = fs::File::open(profile).and_then(|file| file.set_modified(SystemTime::now()));
    // A failure only makes the profile look older.
    if let Err(error) = marked {
        tracing::debug!(%error, "cannot mark a profile as used");
    }
}

/// Removes unfinished profiles of processes that were killed; a process that makes one holds the lock.
pub fn sweep(data: &Path) {
    let envs = profiles_directory(data);
    let left = [".building", ".replaced", ".pointer"].map(|name| envs.join(name));
    if !left.iter().any(|path| path.symlink_metadata().is_ok()) {
        return;
    }
    let lock = files::open_lock(&envs.join(".lock"));
    if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
        for path in left {
            // One of them is a link. The next sweep removes leftovers.
            let _left = fs::remove_file(&path);
            let _left = store::remove_tree(&path);
        }
    }
}

/// Returns the path of every entry of one kind.
pub fn paths(data: &Path, kind: EntryKind) -> Result<Vec<PathBuf>, files::Error> {
    match kind {
        EntryKind::Profile => children(&profiles_directory(data)),
        EntryKind::Object => children(&data.join("store")),
        EntryKind::Environment => {
            let checkouts = children(&data.join("python"))?;
            let inside = checkouts.iter().map(|checkout| children(checkout));
            Ok(inside.collect::<Result<Vec<_>, _>>()?.concat())
        }
    }
}

/// Returns the damage of a profile; nothing for a symlink to one, or one that is gone by now.
pub fn examine(profile: &Path) -> Option<Vec<Damage>> {
    let there = || {
        let found = profile.symlink_metadata();
        found.is_ok_and(|found| found.is_dir())
    };
    if !there() {
        return None;
    }
    let mut damage = profile_record::damage(profile);
    if !damage.is_empty() {
        // A process that holds this lock may just have replaced it.
        let _lock = files::lock(&profile.with_file_name(".lock"));
        damage = profile_record::damage(profile);
    }
    there().then_some(damage)
}

/// Returns whether an object is a prefix of conda packages.
fn is_prefix(path: &Path) -> bool {
    path.join("conda-meta").is_dir()
}

fn children(directory: &Path) -> Result<Vec<PathBuf>, files::Error> {
    let hidden = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.as_encoded_bytes().starts_with(b".")
    };
    let mut paths = files::list(directory)?;
    paths.retain(|path| !hidden(path));
    Ok(paths)
}

fn plain_entry(kind: EntryKind, path: &Path, counted: &mut CountedFiles) -> InventoryEntry {
    InventoryEntry {
        kind,
        size: store::size_without(path, counted),
        used: last_use(path),
        needs: BTreeSet::new(),
    }
}

fn profile_entry(
    data: &Path,
    path: &Path,
    counted: &mut CountedFiles,
) -> Result<InventoryEntry, files::Error> {
    let mut entry = plain_entry(EntryKind::Profile, path, counted);
    if let Ok(target) = fs::read_link(path) {
        entry.needs.insert(profiles_directory(data).join(target));
        return Ok(entry);
    }
    entry.needs.extend(profile_record::needs(path)?);
    Ok(entry)
}

/// Returns when an entry was made or marked as used.
fn last_use(path: &Path) -> SystemTime {
    let found = fs::symlink_metadata(path).and_then(|found| found.modified());
    found.unwrap_or(SystemTime::UNIX_EPOCH)
}
