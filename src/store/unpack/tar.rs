//! Reads the members of tar archives with the `tar` crate, as the tree builder needs them.

use std::io::{self, Read};

use tar::{Archive, Entry, EntryType};

use crate::store::{
    Error, Rule,
    tree_builder::{ENTRIES, refused},
};

/// Most bytes that one archive may decompress to, kept or not.
const LARGEST: u64 = 8 << 30;

/// One member of a tar archive.
#[derive(Debug)]
pub(in crate::store) struct TarMember {
    /// Its path as written, without `./` in front and `/` at the end.
    pub(in crate::store) path: String,
    pub(in crate::store) kind: TarKind,
    /// Modification time in seconds since 1970.
    pub(in crate::store) mtime: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) enum TarKind {
    Directory,
    File {
        /// True if its owner may execute it.
        executable: bool,
    },
    /// A symlink to this target.
    Link(String),
    /// A hard link to this earlier member.
    HardLink(String),
}

/// Passes each member of the archive and its data to `place`.
pub(in crate::store) fn read(
    archive: &mut dyn Read,
    mut place: impl FnMut(TarMember, &mut dyn Read) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut last = String::new();
    let mut tar = Archive::new(archive.take(LARGEST));
    let entries = tar.entries().map_err(damaged(&last))?;
    for (count, entry) in entries.enumerate() {
        let mut entry = entry.map_err(damaged(&last))?;
        if count >= ENTRIES {
            return Err(refused(&last, Rule::TooMany));
        }
        if entry.header().entry_type() == EntryType::XGlobalHeader {
            continue;
        }
        let member = member(&mut entry)?;
        last.clone_from(&member.path);
        if !member.path.is_empty() {
            place(member, &mut entry)?;
        }
    }
    // The rest of the stream ends with the checksum that the compression adds.
    let mut rest = tar.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(damaged(&last))?;
    if rest.limit() == 0 {
        return Err(refused(&last, Rule::TooLarge));
    }
    Ok(())
}

fn member(entry: &mut Entry<'_, impl Read>) -> Result<TarMember, Error> {
    let written = text(entry.path_bytes().into_owned())?;
    let mut path = written.as_str();
    while let Some(rest) = path.strip_prefix("./") {
        path = rest;
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    let path = if path == "." { "" } else { path }.to_owned();
    let number = |read: io::Result<u64>| read.map_err(damaged(&path));
    let mode = number(entry.header().mode().map(u64::from))?;
    // For years cargo wrote no time for `Cargo.toml`.
    let mtime = entry.header().mtime().unwrap_or_default();
    if mode & 0o6000 != 0 {
        return Err(refused(&path, Rule::Privileged));
    }
    let sparse = entry
        .pax_extensions()
        .map_err(damaged(&path))?
        .into_iter()
        .flatten()
        .flatten()
        .any(|record| record.key_bytes().starts_with(b"GNU.sparse"));
    let target = || text(entry.link_name_bytes().unwrap_or_default().into_owned());
    let kind = match entry.header().entry_type() {
        _ if sparse => return Err(refused(&path, Rule::OddType)),
        // Old programs take a file with this name for a directory.
        EntryType::Regular | EntryType::Continuous if written.ends_with('/') => {
            return Err(refused(&path, Rule::OddType));
        }
        EntryType::Regular | EntryType::Continuous => TarKind::File {
            executable: mode & 0o100 != 0,
        },
        EntryType::Directory => TarKind::Directory,
        EntryType::Symlink => TarKind::Link(target()?),
        EntryType::Link => TarKind::HardLink(target()?),
        _ => return Err(refused(&path, Rule::OddType)),
    };
    if path.is_empty() && kind != TarKind::Directory {
        return Err(refused(&written, Rule::OddPath));
    }
    Ok(TarMember { path, kind, mtime })
}

fn text(bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes)
        .map_err(|error| refused(&String::from_utf8_lossy(error.as_bytes()), Rule::OddPath))
}

fn damaged(member: &str) -> impl FnOnce(io::Error) -> Error + use<> {
    let member = member.to_owned();
    move |source| Error::Archive { member, source }
}
