//! A cheap look at an object: the `stat` of a few of its files against what it was when it was published.
//!
//! A seal covers the object's directory, its `bin` and `lib`, its record and its list of files, every program in
//! `bin`, and its largest files, at most `MOST` in all. Of a file it keeps inode, size, modification and change
//! time; of a directory all but the change time, which a rename moves. So an object that is gone, cut, zeroed or
//! rewritten is seen before it is used, at the price of a few microseconds. What the seal does not cover is
//! found by reading everything (`devsh verify`).
//!
//! A broken seal is a suspicion, not a verdict: the object is then read as a whole, and only when it is damaged
//! made anew. A store that was copied or restored from a backup is thus read once and sealed again.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{
    file_manifest::{LISTING, Listing, Node},
    object::{ObjectRecord, RECORD},
};
use crate::util::{
    codec::{Damaged, Reader, Writer},
    files,
};

/// First field of a seal.
const FORMAT: u64 = 1;
/// Most files of a seal.
const MOST: usize = 24;
/// Longest accepted seal, in bytes.
const LIMIT: u64 = 4 << 20;

/// What is known of some files of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seal {
    marks: Vec<Mark>,
    /// A copy of the object's record: should the one in the object be damaged, it can be made anew from this.
    record: Vec<u8>,
}

/// What is known of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    path: String,
    inode: u64,
    size: u64,
    mtime: (u64, u64),
    /// Zero for directories.
    ctime: (u64, u64),
}

/// Returns where the seal of the object in `directory` is.
fn place(directory: &Path) -> Option<PathBuf> {
    let name = directory.file_name()?;
    Some(directory.parent()?.join(".seals").join(name))
}

impl Seal {
    /// Looks at an object; nothing when a file that belongs to it is missing.
    pub(super) fn take(directory: &Path, listing: &Listing, record: &ObjectRecord) -> Option<Self> {
        let mut paths: Vec<String> = vec![String::new(), RECORD.to_owned(), LISTING.to_owned()];
        let folder = |name: &str| matches!(listing.0.get(name), Some(Node::Directory));
        let folders = ["bin", "lib"].into_iter().filter(|name| folder(name));
        paths.extend(folders.map(str::to_owned));
        paths.extend(sealed_files(listing));
        let marks = paths.into_iter().map(|path| Mark::of(directory, path));
        Some(Self {
            marks: marks.collect::<Option<_>>()?,
            record: record.bytes().ok()?,
        })
    }

    /// Writes the seal for the object that is or will be in `directory`.
    pub(super) fn write(&self, directory: &Path) -> Result<(), files::Error> {
        let Some(place) = place(directory) else {
            return Ok(());
        };
        let mut writer = Writer::default();
        writer.number(FORMAT);
        writer.list(self.marks.iter(), |writer, mark| {
            writer.bytes(&mark.path);
            let numbers = [mark.inode, mark.size, mark.mtime.0, mark.mtime.1];
            for number in numbers.into_iter().chain([mark.ctime.0, mark.ctime.1]) {
                writer.number(number);
            }
        });
        writer.bytes(&self.record);
        files::create_private_dir(place.parent().unwrap_or(directory))?;
        files::write_atomic(&place, &writer.into_bytes())
    }

    fn is_unbroken(&self, directory: &Path) -> bool {
        self.marks
            .iter()
            .all(|mark| Mark::of(directory, mark.path.clone()).as_ref() == Some(mark))
    }

    /// Reads the seal of an object: nothing where there is none, `Err` where it cannot be read.
    fn read(directory: &Path) -> Result<Option<Self>, Damaged> {
        let place = place(directory).ok_or(Damaged)?;
        let bytes = match files::read_bounded(&place, LIMIT) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(_) => return Err(Damaged),
        };
        let mut reader = Reader::new(&bytes);
        if reader.number()? != FORMAT {
            return Err(Damaged);
        }
        let marks = reader.list(|reader| {
            Ok(Mark {
                path: reader.text()?.to_owned(),
                inode: reader.number()?,
                size: reader.number()?,
                mtime: (reader.number()?, reader.number()?),
                ctime: (reader.number()?, reader.number()?),
            })
        })?;
        let record = reader.bytes()?.to_vec();
        reader.finish()?;
        Ok(Some(Self { marks, record }))
    }
}

/// Returns whether an object is there and looks as it was published.
///
/// An object without a seal counts: only its own store could give it one, and that may be read-only.
pub fn holds(directory: &Path) -> bool {
    match Seal::read(directory) {
        Ok(Some(seal)) => seal.is_unbroken(directory),
        Ok(None) => directory.join(RECORD).is_file(),
        Err(Damaged) => false,
    }
}

/// Returns whether an object has a seal, and looks as it was published.
pub(super) fn is_sealed(directory: &Path) -> bool {
    matches!(Seal::read(directory), Ok(Some(seal)) if seal.is_unbroken(directory))
}

/// Returns the files that a seal covers, for who keeps their stamps; nothing without a seal.
pub fn sealed_paths(directory: &Path) -> Vec<PathBuf> {
    let seal = Seal::read(directory).ok().flatten();
    let marks = seal.map(|seal| seal.marks).unwrap_or_default();
    marks
        .into_iter()
        .map(|mark| directory.join(mark.path))
        .collect()
}

/// Returns the record that was sealed with the object.
pub(super) fn sealed_record(directory: &Path) -> Option<ObjectRecord> {
    let seal = Seal::read(directory).ok()??;
    ObjectRecord::from_bytes(&seal.record, directory)
}

/// Makes the seal of an object one that does not hold.
pub(super) fn mar(directory: &Path) -> Result<(), files::Error> {
    match place(directory) {
        Some(place) => files::write_atomic(&place, b""),
        None => Ok(()),
    }
}

/// Removes the seal of an object that is gone.
pub(super) fn remove(directory: &Path) {
    if let Some(place) = place(directory) {
        // A seal without an object is of no harm.
        let _left = fs::remove_file(place);
    }
}

/// Chooses the programs in `bin` and then the largest files.
fn sealed_files(listing: &Listing) -> Vec<String> {
    let size = |path: &str| match listing.0.get(path) {
        Some(Node::File { size, .. }) => Some(*size),
        _ => None,
    };
    let mut chosen: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, node) in listing.0.range("bin/".to_owned()..) {
        if !path.starts_with("bin/") || chosen.len() >= MOST / 2 {
            break;
        }
        let path = match node {
            Node::Link { target } => linked(path, target),
            _ => path.clone(),
        };
        if size(&path).is_some() && seen.insert(path.clone()) {
            chosen.push(path);
        }
    }
    let mut rest: Vec<(u64, &String)> = listing
        .0
        .keys()
        .filter(|path| !seen.contains(*path))
        .filter_map(|path| Some((size(path)?, path)))
        .collect();
    rest.sort_by(|one, other| other.cmp(one));
    let left = MOST - chosen.len();
    chosen.extend(rest.into_iter().take(left).map(|(_, path)| path.clone()));
    chosen
}

/// Returns where a link at `path` leads, by names alone.
fn linked(path: &str, target: &str) -> String {
    let mut at: Vec<&str> = path.split('/').collect();
    at.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                at.pop();
            }
            name => at.push(name),
        }
    }
    at.join("/")
}

impl Mark {
    fn of(directory: &Path, path: String) -> Option<Self> {
        let place = if path.is_empty() {
            directory.to_owned()
        } else {
            directory.join(&path)
        };
        let found = fs::symlink_metadata(place).ok()?;
        let time =
            |seconds: i64, nanoseconds: i64| (seconds.cast_unsigned(), nanoseconds.cast_unsigned());
        Some(Self {
            path,
            inode: found.ino(),
            size: found.size(),
            mtime: time(found.mtime(), found.mtime_nsec()),
            ctime: if found.is_dir() {
                (0, 0)
            } else {
                time(found.ctime(), found.ctime_nsec())
            },
        })
    }
}
