//! What can be collected: every profile, object and Python environment, and what keeps which of them.
//!
//! A root is any path below the data directory that somebody uses: the profile of an allowed project's record,
//! of a running host shell, of a build under way, or the program of a running process. From a profile its
//! objects are reached. What no root reaches is unused.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{profile, record};
use crate::{
    store::{self, Damage, Size, Store},
    util::files,
};

/// What an entry of the data directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A profile, or the link to one.
    Profile,
    /// A Python environment of one checkout.
    Environment,
    /// An object of the store.
    Object,
}

/// Something that can be collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// What it takes.
    pub size: Size,
    /// When somebody began or ceased to use it, as far as is known.
    pub used: SystemTime,
    /// The entries that it needs.
    pub needs: BTreeSet<PathBuf>,
}

/// Everything that can be collected, by its path.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    data: PathBuf,
    /// The entries.
    pub entries: BTreeMap<PathBuf, Entry>,
}

/// What is to be collected of what is unused; without limits everything is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Budget {
    /// What was used since then stays.
    pub unused_since: Option<SystemTime>,
    /// What was used last stays as long as everything together takes no more bytes than this.
    pub keep: Option<u64>,
}

impl Inventory {
    /// Looks at everything below devsh's data directory.
    ///
    /// An error says that not everything could be seen.
    pub fn of(data: &Path) -> Result<Self, files::Error> {
        let mut inventory = Self {
            data: data.to_owned(),
            entries: BTreeMap::new(),
        };
        inventory.update()?;
        Ok(inventory)
    }

    /// Looks at what was not there when it was looked the last time.
    pub fn update(&mut self) -> Result<(), files::Error> {
        let data = self.data.clone();
        let new = |path: &PathBuf| !self.entries.contains_key(path);
        let mut found = BTreeMap::new();
        for kind in [Kind::Profile, Kind::Environment, Kind::Object] {
            for path in paths(&data, kind)?.into_iter().filter(new) {
                let entry = match kind {
                    Kind::Profile => profile_entry(&data, &path)?,
                    _ => plain_entry(&data, kind, &path),
                };
                found.insert(path, entry);
            }
        }
        self.entries.extend(found);
        self.spread_use();
        Ok(())
    }

    /// Returns the entries of one kind.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&PathBuf, &Entry)> {
        let entries = self.entries.iter();
        entries.filter(move |(_, entry)| entry.kind == kind)
    }

    /// Returns the entry that `path` is or lies in.
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
        // The link to what serves instead of a profile is of use while that is.
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

    /// Chooses what goes: profiles first, then what they need.
    pub fn choose(&self, live: &BTreeSet<PathBuf>, budget: Budget) -> Vec<PathBuf> {
        let mut unused: Vec<(&PathBuf, &Entry)> = self
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

    /// What a profile needs was used when the profile was.
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

/// Notes that a profile is used now, for who collects what was not used for long.
pub fn mark_used(data: &Path, profile: &Path) {
    let Some(name) = profile.file_name() else {
        return;
    };
    let place = data.join("store/.used").join(name);
    let touched = fs::create_dir_all(data.join("store/.used"))
        .and_then(|()| fs::File::create(&place))
        .and_then(|file| file.set_modified(SystemTime::now()));
    // It only makes the profile look older.
    if let Err(error) = touched {
        tracing::debug!(%error, "cannot note the use of a profile");
    }
}

/// Removes what a process that was killed left of profiles; whoever makes one holds the lock.
pub fn sweep(data: &Path) {
    let envs = profile::directory(data);
    let left = [".building", ".replaced", ".pointer"].map(|name| envs.join(name));
    if !left.iter().any(|path| path.symlink_metadata().is_ok()) {
        return;
    }
    let lock = files::open_lock(&envs.join(".lock"));
    if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
        for path in left {
            // One of them is a link. What stays is swept the next time.
            let _left = fs::remove_file(&path);
            let _left = store::remove_tree(&path);
        }
    }
}

/// Returns every entry of one kind that is there, without looking into it.
pub fn paths(data: &Path, kind: Kind) -> Result<Vec<PathBuf>, files::Error> {
    match kind {
        Kind::Profile => children(&profile::directory(data)),
        Kind::Object => children(&data.join("store")),
        Kind::Environment => {
            let checkouts = children(&data.join("python"))?;
            let inside = checkouts.iter().map(|checkout| children(checkout));
            Ok(inside.collect::<Result<Vec<_>, _>>()?.concat())
        }
    }
}

/// Returns what of a profile is not as it was published; nothing for a link to one, or one that is gone by now.
pub fn examine(profile: &Path) -> Option<Vec<Damage>> {
    let there = || {
        let found = profile.symlink_metadata();
        found.is_ok_and(|found| found.is_dir())
    };
    if !there() {
        return None;
    }
    let mut damage = record::damage(profile);
    if !damage.is_empty() {
        // Somebody may just have put another one in its place, of which a part was seen: whoever does has this lock.
        let _lock = files::lock(&profile.with_file_name(".lock"));
        damage = record::damage(profile);
    }
    there().then_some(damage)
}

/// Returns what the store's own notes of running processes name.
pub fn in_use(data: &Path, store: &Store) -> Result<Vec<PathBuf>, store::Error> {
    let names = store.in_use()?.into_iter();
    Ok(names.map(|name| data.join(name)).collect())
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

fn plain_entry(data: &Path, kind: Kind, path: &Path) -> Entry {
    Entry {
        kind,
        size: store::size_of(path),
        used: last_use(data, path),
        needs: BTreeSet::new(),
    }
}

fn profile_entry(data: &Path, path: &Path) -> Result<Entry, files::Error> {
    let mut entry = plain_entry(data, Kind::Profile, path);
    if let Ok(target) = fs::read_link(path) {
        entry.needs.insert(profile::directory(data).join(target));
        return Ok(entry);
    }
    entry.needs.extend(record::needs(path)?);
    Ok(entry)
}

/// Returns when an entry was made or, if that is known, used.
fn last_use(data: &Path, path: &Path) -> SystemTime {
    let changed = |path: &Path| {
        let found = fs::symlink_metadata(path).ok()?;
        found.modified().ok()
    };
    let noted = path
        .file_name()
        .map(|name| data.join("store/.used").join(name));
    let noted = noted.and_then(|path| changed(&path));
    noted.max(changed(path)).unwrap_or(SystemTime::UNIX_EPOCH)
}
