//! Reads members of zip archives; `zip_directory` has found where they are and that nothing contradicts it.
//!
//! Invariant: a member that was read to its end has the size and the CRC that the directory says, and its
//! compressed data ends where the directory says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufRead, Read},
    ops::Range,
    os::unix::fs::FileExt,
};

use flate2::{Crc, bufread::DeflateDecoder};

use super::zip_directory::{self, Entry, odd};
use crate::store::{
    Error, Rule,
    tree_builder::{ENTRIES, checked, folded, refused},
};

/// The method of members that are not compressed.
const STORED: u16 = 0;

/// A zip archive whose directory agrees with its members.
pub(in crate::store) struct Zip<'a> {
    entries: BTreeMap<String, Entry>,
    /// One for all members: most are so small that making it would take longer than using it.
    decoder: DeflateDecoder<Section<'a>>,
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
        Ok(Self {
            entries,
            decoder: DeflateDecoder::new(Section::of(file)),
        })
    }

    /// Returns the path of every member as written.
    pub(in crate::store) fn names(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// Returns the content of a small member.
    pub(in crate::store) fn text(&mut self, name: &str, limit: u64) -> Result<String, Error> {
        let (entry, mut contents) = self.open_member(name)?;
        if entry.size > limit {
            return Err(refused(name, Rule::TooLarge));
        }
        let mut text = String::new();
        contents.read_to_string(&mut text).map_err(damaged(name))?;
        Ok(text)
    }

    /// Gives a member and its data to `place`.
    pub(in crate::store) fn member(
        &mut self,
        name: &str,
        place: impl FnOnce(Member, &mut dyn Read) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (entry, mut contents) = self.open_member(name)?;
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
        place(member, &mut contents)
    }

    /// Returns a member, and its data.
    fn open_member(&mut self, name: &str) -> Result<(&Entry, Contents<'_, 'a>), Error> {
        let entry = self
            .entries
            .get(name)
            .ok_or_else(|| refused(name, Rule::NotAsListed))?;
        self.decoder.reset_data();
        self.decoder.get_mut().start(entry);
        let contents = Contents {
            decoder: &mut self.decoder,
            entry,
            crc: Crc::new(),
            left: entry.size,
        };
        Ok((entry, contents))
    }
}

/// A part of a file, read through a buffer.
struct Section<'a> {
    file: &'a File,
    /// Where the buffer was not filled from yet, and how many bytes are left from there.
    at: u64,
    left: u64,
    buffer: Box<[u8]>,
    /// What of the buffer was not taken yet.
    filled: Range<usize>,
}

impl<'a> Section<'a> {
    /// Returns an empty part.
    fn of(file: &'a File) -> Self {
        Self {
            file,
            at: 0,
            left: 0,
            buffer: vec![0; 1 << 16].into(),
            filled: 0..0,
        }
    }

    /// Becomes the part with the data of a member.
    fn start(&mut self, entry: &Entry) {
        (self.at, self.left) = (entry.offset, entry.compressed);
        self.filled = 0..0;
    }
}

impl BufRead for Section<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.filled.is_empty() {
            let most = usize::try_from(self.left).unwrap_or(usize::MAX);
            let most = most.min(self.buffer.len());
            let count = self.file.read_at(&mut self.buffer[..most], self.at)?;
            self.at += count as u64;
            self.left -= count as u64;
            self.filled = 0..count;
        }
        Ok(&self.buffer[self.filled.clone()])
    }

    fn consume(&mut self, count: usize) {
        self.filled.start = self.filled.end.min(self.filled.start + count);
    }
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

/// The content of a member, checked at its end.
struct Contents<'z, 'a> {
    decoder: &'z mut DeflateDecoder<Section<'a>>,
    entry: &'z Entry,
    crc: Crc,
    left: u64,
}

impl Contents<'_, '_> {
    /// Checks what can be told only at the end.
    fn check(&self) -> io::Result<()> {
        let rest = match self.entry.method {
            STORED => 0,
            _ => self.entry.compressed - self.decoder.total_in(),
        };
        if self.left != 0 || rest != 0 || self.crc.sum() != self.entry.crc {
            return Err(odd("its content is not as the directory says"));
        }
        Ok(())
    }
}

impl Read for Contents<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = match self.entry.method {
            STORED => self.decoder.get_mut().read(buffer)?,
            _ => self.decoder.read(buffer)?,
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
