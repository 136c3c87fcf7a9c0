//! Reads the members of tar archives with the `tar` crate, as the tree builder needs them.

use std::io::{self, Read};

use tar::{Archive, Entry, EntryType, PaxExtensions};

use crate::store::{Error, Rule, name_budget::NameBudget, tree_builder::refused};

/// Most bytes that one archive may decompress to, kept or not.
const LARGEST: u64 = 8 << 30;

/// Most bytes of a header that gives the next member a long name or other properties.
const LONGEST_EXTENSION: u64 = 1 << 20;

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
    // The crate would read extension headers of any length into memory.
    let entries = tar.entries().map_err(damaged(&last))?.raw(true);
    let (mut names, mut extensions) = (NameBudget::whole(), Extensions::default());
    for entry in entries {
        let mut entry = entry.map_err(damaged(&last))?;
        let place_of = match entry.header().entry_type() {
            EntryType::XGlobalHeader => continue,
            EntryType::GNULongName => &mut extensions.name,
            EntryType::GNULongLink => &mut extensions.link,
            EntryType::XHeader => &mut extensions.records,
            _ => {
                let member = member(&entry, &std::mem::take(&mut extensions))?;
                names.take(&member.path)?;
                if let TarKind::Link(target) | TarKind::HardLink(target) = &member.kind {
                    names.take_target(&member.path, target)?;
                }
                last.clone_from(&member.path);
                if !member.path.is_empty() {
                    place(member, &mut entry)?;
                }
                continue;
            }
        };
        if entry.size() > LONGEST_EXTENSION || place_of.is_some() {
            return Err(refused(&last, Rule::TooLarge));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(damaged(&last))?;
        *place_of = Some(content);
    }
    // The rest of the stream ends with the checksum that the compression adds.
    let mut rest = tar.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(damaged(&last))?;
    if rest.limit() == 0 {
        return Err(refused(&last, Rule::TooLarge));
    }
    Ok(())
}

/// The headers before that of a member, which belong to it.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    /// The properties of a PAX header.
    records: Option<Vec<u8>>,
}

/// The properties of a PAX header that count.
#[derive(Default)]
struct PaxRecords {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<Vec<u8>>,
    is_sparse: bool,
}

impl PaxRecords {
    fn read(records: &[u8]) -> io::Result<Self> {
        let mut found = Self::default();
        for record in PaxExtensions::new(records) {
            let record = record?;
            let value = || Some(record.value_bytes().to_vec());
            match record.key_bytes() {
                b"path" => found.path = value(),
                b"linkpath" => found.link = value(),
                b"size" => found.size = value(),
                key => found.is_sparse |= key.starts_with(b"GNU.sparse"),
            }
        }
        Ok(found)
    }
}

fn member(entry: &Entry<'_, impl Read>, extensions: &Extensions) -> Result<TarMember, Error> {
    let header = entry.header();
    let shown = || String::from_utf8_lossy(&header.path_bytes()).into_owned();
    let records = extensions.records.as_deref().unwrap_or_default();
    let records = PaxRecords::read(records).map_err(|error| damaged(&shown())(error))?;
    if records.is_sparse {
        return Err(refused(&shown(), Rule::OddType));
    }
    // Other programs would find the next member at another place.
    let size = entry.size().to_string();
    if records.size.is_some_and(|found| found != size.as_bytes()) {
        return Err(refused(&shown(), Rule::TooLarge));
    }
    let long = |gnu: &Option<Vec<u8>>, pax: Option<Vec<u8>>| match gnu {
        Some(name) => Some(name.strip_suffix(b"\0").unwrap_or(name).to_vec()),
        None => pax,
    };
    let written = long(&extensions.name, records.path);
    let written = text(written.unwrap_or_else(|| header.path_bytes().into_owned()))?;
    let mut path = written.as_str();
    while let Some(rest) = path.strip_prefix("./") {
        path = rest;
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    let path = if path == "." { "" } else { path }.to_owned();
    let number = |read: io::Result<u64>| read.map_err(damaged(&path));
    let mode = number(header.mode().map(u64::from))?;
    // For years cargo wrote no time for `Cargo.toml`.
    let mtime = header.mtime().unwrap_or_default();
    if mode & 0o6000 != 0 {
        return Err(refused(&path, Rule::Privileged));
    }
    let target = || {
        let own = || header.link_name_bytes().unwrap_or_default().into_owned();
        text(long(&extensions.link, records.link.clone()).unwrap_or_else(own))
    };
    let kind = match header.entry_type() {
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
