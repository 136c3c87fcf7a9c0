//! Reads members of zip archives; `zip_directory` has found where they are and that nothing contradicts it.
//!
//! Invariant: a member that was read to its end has the size and the CRC that the directory says, and its
//! compressed data ends where the directory says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
};

use flate2::{Crc, bufread::DeflateDecoder};

use super::zip_directory::{self, Entry, odd};
use crate::store::{
    Error, Rule,
    tree::{ENTRIES, checked, folded, refused},
};

/// A zip archive whose directory agrees with its members.
pub(in crate::store) struct Zip<'a> {
    file: &'a File,
    entries: BTreeMap<String, Entry>,
}

/// One member of an archive.
#[derive(Debug)]
pub(in crate::store) struct Member {
    /// Whether it is a directory.
    pub(in crate::store) directory: bool,
    /// Whether its owner may execute it.
    pub(in crate::store) executable: bool,
}

impl<'a> Zip<'a> {
    /// Opens `file` and checks that directory and members agree and that all names are plain and different.
    pub(in crate::store) fn open(file: &'a File) -> Result<Self, Error> {
        let listed = zip_directory::read(file).map_err(damaged(""))?;
        if listed.len() > ENTRIES {
            return Err(refused(&listed[ENTRIES].name, Rule::TooMany));
        }
        let (mut entries, mut names) = (BTreeMap::new(), BTreeSet::new());
        for entry in listed {
            let path = checked(entry.name.strip_suffix('/').unwrap_or(&entry.name))?;
            if !names.insert(folded(path)) {
                let rule = if entries.contains_key(&entry.name) {
                    Rule::Duplicate
                } else {
                    Rule::CaseCollision
                };
                return Err(refused(&entry.name, rule));
            }
            entries.insert(entry.name.clone(), entry);
        }
        Ok(Self { file, entries })
    }

    /// Returns the path of every member as written.
    pub(in crate::store) fn names(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// Returns the content of a small member.
    pub(in crate::store) fn text(&self, name: &str, limit: u64) -> Result<String, Error> {
        let entry = self.entry(name)?;
        if entry.size > limit {
            return Err(refused(name, Rule::TooLarge));
        }
        let mut text = String::new();
        self.reader(entry)
            .read_to_string(&mut text)
            .map_err(damaged(name))?;
        Ok(text)
    }

    /// Gives a member and its data to `place`.
    pub(in crate::store) fn member(
        &self,
        name: &str,
        place: impl FnOnce(Member, &mut dyn Read) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let entry = self.entry(name)?;
        let directory = name.ends_with('/');
        let kind = entry.mode & 0o170_000;
        let expected = if directory { 0o040_000 } else { 0o100_000 };
        if (kind != 0 && kind != expected) || (directory && entry.size != 0) {
            return Err(refused(name, Rule::OddType));
        }
        if entry.mode & 0o6000 != 0 {
            return Err(refused(name, Rule::Privileged));
        }
        let member = Member {
            directory,
            executable: entry.mode & 0o100 != 0,
        };
        place(member, &mut self.reader(entry))
    }

    fn entry(&self, name: &str) -> Result<&Entry, Error> {
        self.entries
            .get(name)
            .ok_or_else(|| refused(name, Rule::NotAsListed))
    }

    fn reader(&self, entry: &Entry) -> Contents<'a> {
        let section = Section {
            file: self.file,
            at: entry.offset,
            left: entry.compressed,
        };
        let data = BufReader::with_capacity(1 << 16, section);
        Contents {
            data: match entry.method {
                0 => Data::Stored(data),
                _ => Data::Deflated(Box::new(DeflateDecoder::new(data))),
            },
            crc: Crc::new(),
            left: entry.size,
            entry: entry.clone(),
        }
    }
}

/// A part of a file.
struct Section<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        let count = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

enum Data<'a> {
    Stored(BufReader<Section<'a>>),
    Deflated(Box<DeflateDecoder<BufReader<Section<'a>>>>),
}

/// The content of a member, checked at its end.
struct Contents<'a> {
    data: Data<'a>,
    crc: Crc,
    left: u64,
    entry: Entry,
}

impl Contents<'_> {
    /// Checks what can be told only at the end.
    fn check(&self) -> io::Result<()> {
        let rest = match &self.data {
            Data::Stored(_) => 0,
            Data::Deflated(decoder) => self.entry.compressed - decoder.total_in(),
        };
        if self.left != 0 || rest != 0 || self.crc.sum() != self.entry.crc {
            return Err(odd("its content is not as the directory says"));
        }
        Ok(())
    }
}

impl Read for Contents<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = match &mut self.data {
            Data::Stored(data) => data.read(buffer)?,
            Data::Deflated(data) => data.read(buffer)?,
        };
        if count == 0 {
            self.check()?;
            return Ok(0);
        }
        self.crc.update(&buffer[..count]);
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| odd("it has more content than the directory says"))?;
        Ok(count)
    }
}

fn damaged(member: &str) -> impl FnOnce(io::Error) -> Error + use<> {
    let member = member.to_owned();
    move |source| Error::Archive { member, source }
}
