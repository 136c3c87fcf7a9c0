//! Reads tar archives member by member: ustar, GNU long names and PAX, with nothing else accepted.
//!
//! The `tar` crate only finds headers here; it never writes a file.

use std::io::{self, Read};

use tar::{Archive, EntryType, Header};

use crate::store::{Error, Rule, tree::refused};

/// Longest accepted extension header, in bytes.
const EXTENSION: u64 = 1 << 20;

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

/// What extension headers say of the next member.
#[derive(Debug, Default)]
struct Extension {
    path: Option<String>,
    link: Option<String>,
    size: Option<u64>,
}

/// Gives each member of the archive and its data to `place`.
pub(in crate::store) fn read(
    archive: &mut dyn Read,
    mut place: impl FnMut(Member, &mut dyn Read) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut archive = Archive::new(archive);
    let mut extension = Extension::default();
    let mut last = String::new();
    for entry in archive.entries().map_err(damaged(""))?.raw(true) {
        let mut entry = entry.map_err(damaged(&last))?;
        let kind = entry.header().entry_type();
        if is_extension(kind) {
            if entry.size() > EXTENSION {
                return Err(refused(&last, Rule::TooLarge));
            }
            let mut data = Vec::new();
            entry.read_to_end(&mut data).map_err(damaged(&last))?;
            extension.take(kind, &data).map_err(damaged(&last))?;
            continue;
        }
        let told = std::mem::take(&mut extension);
        if told.size.is_some_and(|size| size != entry.size()) {
            return Err(refused(&last, Rule::OddType));
        }
        let member = member(entry.header(), told)?;
        last.clone_from(&member.path);
        if !member.path.is_empty() {
            place(member, &mut entry)?;
        }
    }
    drain(archive.into_inner()).map_err(damaged(&last))
}

impl Extension {
    fn take(&mut self, kind: EntryType, data: &[u8]) -> io::Result<()> {
        let odd = || io::Error::other("odd extension header");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| odd());
        match kind {
            EntryType::GNULongName => self.path = Some(text(until_nul(data))?),
            EntryType::GNULongLink => self.link = Some(text(until_nul(data))?),
            // A global header may only carry comments: what it says of names would hold for every member.
            EntryType::XGlobalHeader => {
                for (key, _) in pax(data).ok_or_else(odd)? {
                    if matches!(key, b"path" | b"linkpath" | b"size") {
                        return Err(odd());
                    }
                }
            }
            _ => {
                for (key, value) in pax(data).ok_or_else(odd)? {
                    match key {
                        b"path" => self.path = Some(text(value)?),
                        b"linkpath" => self.link = Some(text(value)?),
                        b"size" => {
                            self.size = Some(text(value)?.parse().map_err(|_| odd())?);
                        }
                        _ if key.starts_with(b"GNU.sparse") => return Err(odd()),
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns the records of a PAX header, or nothing when it is malformed.
fn pax(mut data: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut records = Vec::new();
    while !data.is_empty() {
        let space = data.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&data[..space]).ok()?.parse().ok()?;
        let record = data.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        records.push((&record[..equals], &record[equals + 1..]));
        data = &data[length..];
    }
    Some(records)
}

fn member(header: &Header, told: Extension) -> Result<Member, Error> {
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec())
            .map_err(|error| refused(&error.to_string(), Rule::OddPath))
    };
    let written = match told.path {
        Some(path) => path,
        None => text(&header.path_bytes())?,
    };
    let mut path = written.as_str();
    while let Some(rest) = path.strip_prefix("./") {
        path = rest;
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    let path = if path == "." { "" } else { path }.to_owned();
    let link = || match told.link.clone() {
        Some(link) => Ok(link),
        None => text(&header.link_name_bytes().unwrap_or_default()),
    };
    let mode = header.mode().map_err(damaged(&path))?;
    if mode & 0o6000 != 0 {
        return Err(refused(&path, Rule::Privileged));
    }
    let kind = match header.entry_type() {
        EntryType::Regular | EntryType::Continuous if written.ends_with('/') => {
            return Err(refused(&path, Rule::OddType));
        }
        EntryType::Regular | EntryType::Continuous => Kind::File {
            executable: mode & 0o100 != 0,
        },
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Link(link()?),
        EntryType::Link => Kind::HardLink(link()?),
        _ => return Err(refused(&path, Rule::OddType)),
    };
    let mtime = header.mtime().unwrap_or(1);
    Ok(Member { path, kind, mtime })
}

const fn is_extension(kind: EntryType) -> bool {
    matches!(
        kind,
        EntryType::GNULongName
            | EntryType::GNULongLink
            | EntryType::XHeader
            | EntryType::XGlobalHeader
    )
}

/// Reads what follows the last member: zeros only, and the checksums of the compression.
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

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn damaged(member: &str) -> impl FnOnce(io::Error) -> Error + use<> {
    let member = member.to_owned();
    move |source| Error::Archive { member, source }
}
