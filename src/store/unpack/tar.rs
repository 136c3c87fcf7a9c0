//! Reads tar archives member by member: POSIX (ustar and PAX) and GNU long names, with nothing else accepted.
//!
//! Invariant: what two programs could read differently is refused. That is why headers of both families are
//! never mixed on one member, numbers are plain, and the archive ends in zeros and nothing else.

use std::io::{self, Read};

use super::{
    extension::Extension,
    header::{BLOCK, Header},
};
use crate::store::{
    Error, Rule,
    tree_builder::{ENTRIES, refused},
};

/// Longest accepted extension header, in bytes.
const EXTENSION: u64 = 1 << 20;
/// Most bytes that one archive may decompress to, kept or not.
const LARGEST: u64 = 8 << 30;

/// One member of an archive.
#[derive(Debug)]
pub(in crate::store) struct Member {
    /// Its path as written, without `./` in front and `/` at the end.
    pub(in crate::store) path: String,
    /// What it is.
    pub(in crate::store) kind: Kind,
    /// Seconds of its modification time.
    pub(in crate::store) mtime: u64,
}

/// What a member is.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link to this target.
    Link(String),
    /// A hard link to this earlier member.
    HardLink(String),
}

/// Gives each member of the archive and its data to `place`.
pub(in crate::store) fn read(
    archive: &mut dyn Read,
    mut place: impl FnMut(Member, &mut dyn Read) -> Result<(), Error>,
) -> Result<(), Error> {
    let (mut extension, mut last) = (Extension::default(), String::new());
    let (mut total, mut count) = (0_u64, 0);
    while let Some(header) = next(archive).map_err(damaged(&last))? {
        count += 1;
        // Each member may have two extension headers of its own.
        if count > 3 * ENTRIES {
            return Err(refused(&last, Rule::TooMany));
        }
        total = total.saturating_add(header.size);
        if total > LARGEST {
            return Err(refused(&last, Rule::TooLarge));
        }
        let mut data = Data::new(archive, header.size);
        if header.is_extension() {
            if header.size > EXTENSION {
                return Err(refused(&last, Rule::TooLarge));
            }
            let mut text = Vec::new();
            data.read_to_end(&mut text).map_err(damaged(&last))?;
            extension.take(&header, &text).map_err(damaged(&last))?;
        } else {
            let told = std::mem::take(&mut extension);
            told.check(&header).map_err(damaged(&last))?;
            let member = member(&header, told)?;
            last.clone_from(&member.path);
            if !member.path.is_empty() {
                place(member, &mut data)?;
            }
        }
        data.skip().map_err(damaged(&last))?;
    }
    extension.check_unused().map_err(damaged(&last))?;
    drain(archive).map_err(damaged(&last))
}

/// Reads the next header; nothing at the mark that ends an archive.
fn next(archive: &mut dyn Read) -> io::Result<Option<Header>> {
    let mut block = [0; BLOCK];
    archive.read_exact(&mut block)?;
    if block.iter().any(|byte| *byte != 0) {
        return Header::read(&block).map(Some);
    }
    archive.read_exact(&mut block)?;
    if block.iter().any(|byte| *byte != 0) {
        return Err(io::Error::other("data after the end of the archive"));
    }
    Ok(None)
}

fn member(header: &Header, told: Extension) -> Result<Member, Error> {
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec())
            .map_err(|_| refused(&String::from_utf8_lossy(bytes), Rule::OddPath))
    };
    let written = match told.path {
        Some(path) => path,
        None => text(&header.path)?,
    };
    let mut path = written.as_str();
    while let Some(rest) = path.strip_prefix("./") {
        path = rest;
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    let path = if path == "." { "" } else { path }.to_owned();
    let link = || match told.link.clone() {
        Some(link) => Ok(link),
        None => text(&header.link),
    };
    if header.mode & 0o6000 != 0 {
        return Err(refused(&path, Rule::Privileged));
    }
    let kind = match header.kind {
        // Older programs take this for a directory, newer ones for a file.
        0 | b'0' | b'7' if written.ends_with('/') => return Err(refused(&path, Rule::OddType)),
        0 if header.path.ends_with(b"/") => return Err(refused(&path, Rule::OddType)),
        0 | b'0' | b'7' => Kind::File {
            executable: header.mode & 0o100 != 0,
        },
        b'5' => Kind::Directory,
        b'2' => Kind::Link(link()?),
        b'1' => Kind::HardLink(link()?),
        _ => return Err(refused(&path, Rule::OddType)),
    };
    let file = matches!(kind, Kind::File { .. });
    // Some programs skip what others take for the next header.
    if !file && header.size != 0 {
        return Err(refused(&path, Rule::OddType));
    }
    if path.is_empty() && kind != Kind::Directory {
        return Err(refused(&written, Rule::OddPath));
    }
    let mtime = header.mtime;
    Ok(Member { path, kind, mtime })
}

/// The data of one member, padded to whole blocks.
struct Data<'a> {
    archive: &'a mut dyn Read,
    left: u64,
    padding: u64,
}

impl<'a> Data<'a> {
    fn new(archive: &'a mut dyn Read, size: u64) -> Self {
        let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        Self {
            archive,
            left: size,
            padding,
        }
    }

    /// Reads what nobody wanted.
    fn skip(mut self) -> io::Result<()> {
        let mut buffer = [0; 1 << 13];
        while self.read(&mut buffer)? > 0 {}
        let padding = usize::try_from(self.padding).unwrap_or_default();
        self.archive.read_exact(&mut buffer[..padding])
    }
}

impl Read for Data<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        let count = self.archive.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// Reads what follows the last member: zeros only, and the checks of the compression.
fn drain(rest: &mut dyn Read) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = rest.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        if buffer[..count].iter().any(|byte| *byte != 0) {
            return Err(io::Error::other("data after the end of the archive"));
        }
    }
}

fn damaged(member: &str) -> impl FnOnce(io::Error) -> Error + use<> {
    let member = member.to_owned();
    move |source| Error::Archive { member, source }
}
