//! The collector's hands: entries of the data directory are moved aside, looked at once more, and removed.
//!
//! Who wants an entry takes a pass, writes down what it wants, and looks for it; the collector looks who wants what
//! and moves the rest aside while no pass is out. Who takes no pass writes down first and looks second all the same,
//! and the collector looks once more after it has moved things: so one of the two always notices the other, and
//! nothing that is wanted is lost. Entries that a dead collector had moved aside go back where they were; those
//! that it had begun to remove lie elsewhere by then, and are removed.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::{Error, Store, live, process::ProcessMark, remove_any, uses};
use crate::util::files;

/// Where entries wait for the verdict, below the store.
const ASIDE: &str = ".condemned";

/// A collection under way; only one runs at a time.
#[derive(Debug)]
pub struct Collection<'a> {
    store: &'a Store,
    /// Where entries were and are.
    moved: Vec<(PathBuf, PathBuf)>,
    _lock: File,
}

impl Store {
    /// Begins a collection, once no other is under way.
    pub fn collect(&self, wait: impl FnOnce()) -> Result<Collection<'_>, Error> {
        self.prepare()?;
        let lock = files::lock_or_wait(&self.root.join(".locks/collector"), wait)?;
        // First, since a sweep takes the seals of what is not there.
        self.restore_condemned()?;
        self.sweep();
        files::create_private_dir(&self.root.join(ASIDE))?;
        Ok(Collection {
            store: self,
            moved: Vec::new(),
            _lock: lock,
        })
    }

    /// Returns what running processes are about to use, as `store/<name>` and `envs/<name>`.
    pub fn in_use(&self) -> Result<Vec<String>, Error> {
        Ok(uses::in_use(&self.root)?.into_iter().collect())
    }

    /// Puts back what a dead collector moved aside.
    fn restore_condemned(&self) -> Result<(), Error> {
        for path in files::list(&self.root.join(ASIDE))? {
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(place) = name.and_then(|name| self.origin(name)) {
                put_back(&path, &place)?;
            }
        }
        Ok(())
    }

    /// Returns whether an object lies aside, from where it may come back.
    pub(super) fn is_condemned(&self, name: &str) -> bool {
        let entries = fs::read_dir(self.root.join(ASIDE));
        let mut names = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name());
        let place = self.root.join(name);
        names.any(|aside| {
            aside.to_str().and_then(|aside| self.origin(aside)).as_ref() == Some(&place)
        })
    }

    /// Returns the directory that holds the store, the profiles and all else.
    pub(super) fn data(&self) -> &Path {
        self.root.parent().unwrap_or(&self.root)
    }

    /// Returns where a condemned entry was.
    fn origin(&self, name: &str) -> Option<PathBuf> {
        let (path, mark) = name.split_once('!')?;
        mark.parse::<ProcessMark>().ok()?;
        Some(
            self.data()
                .join(path.replace("%2F", "/").replace("%25", "%")),
        )
    }
}

impl Collection<'_> {
    /// Moves aside what `choose` names, puts back what `wanted` names then, and returns what stays away.
    ///
    /// Meanwhile no pass is given and none is out, so whoever has one never finds something that is gone a moment
    /// later. Where there are no locks, and for who takes no pass, looking twice is what helps: an entry that is
    /// used may be away for that moment, and comes back.
    pub fn sift<E: From<Error>>(
        &mut self,
        choose: impl FnOnce() -> Result<Vec<PathBuf>, E>,
        wanted: impl FnOnce() -> Result<BTreeSet<PathBuf>, E>,
    ) -> Result<Vec<PathBuf>, E> {
        let _quiet = live::without_passes(&self.store.root).map_err(Error::from)?;
        let chosen = choose()?;
        let moved = chosen.iter().try_for_each(|path| self.condemn(path));
        let wanted = moved.map_err(E::from).and_then(|()| wanted());
        match wanted {
            Ok(wanted) => self.spare(|path| wanted.contains(path))?,
            Err(error) => {
                self.spare(|_| true)?;
                return Err(error);
            }
        }
        Ok(self.moved.iter().map(|(place, _)| place.clone()).collect())
    }

    /// Moves an entry of the data directory aside.
    pub fn condemn(&mut self, place: &Path) -> Result<(), Error> {
        let path = place.strip_prefix(self.store.data()).unwrap_or(place);
        let path = path.to_string_lossy();
        let name = path.replace('%', "%25").replace('/', "%2F");
        let name = format!("{name}!{}", ProcessMark::current());
        let aside = self.store.root.join(ASIDE).join(name);
        match fs::rename(place, &aside) {
            Ok(()) => self.moved.push((place.to_owned(), aside)),
            Err(error) if files::is_absent(&error) => {}
            Err(error) => return Err(files::at("remove", place)(error).into()),
        }
        Ok(())
    }

    /// Puts back what is wanted after all.
    fn spare(&mut self, wanted: impl Fn(&Path) -> bool) -> Result<(), Error> {
        let (spared, moved): (Vec<_>, Vec<_>) =
            self.moved.drain(..).partition(|(place, _)| wanted(place));
        self.moved = moved;
        spared
            .iter()
            .try_for_each(|(place, aside)| put_back(aside, place))
    }

    /// Removes what was moved aside.
    pub fn finish(self) -> Result<(), Error> {
        if self.moved.is_empty() {
            return Ok(());
        }
        let (aside, trash) = (self.store.root.join(ASIDE), self.store.root.join(".trash"));
        let mut condemned = Vec::new();
        for (_, path) in &self.moved {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let place = trash.join(format!("{name}.{}", ProcessMark::current()));
            fs::rename(path, &place).map_err(files::at("remove", path))?;
            condemned.push(place);
        }
        // Only now may anything be half there: whatever stops this from here on, nothing is put back.
        files::sync_dir(&aside)?;
        files::sync_dir(&trash)?;
        for place in &condemned {
            remove_any(place)?;
        }
        self.store.sweep_seals();
        Ok(())
    }
}

/// Gives an entry its place again, unless something is there by now.
fn put_back(aside: &Path, place: &Path) -> Result<(), Error> {
    if place.symlink_metadata().is_ok() {
        return Ok(remove_any(aside)?);
    }
    match fs::rename(aside, place) {
        Ok(()) => Ok(()),
        // Made anew in the meantime.
        Err(_) if place.symlink_metadata().is_ok() => Ok(remove_any(aside)?),
        Err(error) => Err(files::at("restore", place)(error).into()),
    }
}
