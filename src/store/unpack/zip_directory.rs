//! The directory of a zip archive, and its agreement with the members in every byte.
//!
//! Invariant: members, directory and end record fill the file without gap or overlap, there is one end record,
//! and what a member says of itself is what the directory says of it. So every program reads the same archive.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
};

use super::zip_extra::{self, Extra};

/// Length of the end record without its remark.
const END: u64 = 22;
/// Length of the locator of the 64-bit end record.
const LOCATOR: u64 = 20;
/// Length of the 64-bit end record.
const END_64: u64 = 56;
/// Longest accepted directory, in bytes.
const LONGEST: u64 = 128 << 20;
/// Newest version of the format that a member may need: 6.3.
const VERSION: u64 = 63;
/// Flags that change nothing for the reader: compression levels, a descriptor behind the data, UTF-8 names.
const FLAGS: u16 = 0b1000_0000_1110;
/// The flag of a descriptor behind the data.
const DESCRIPTOR: u16 = 1 << 3;
/// The flag of UTF-8 names.
const UTF_8: u16 = 1 << 11;

/// A member as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) flags: u16,
    /// 0 is stored, 8 is deflated.
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) compressed: u64,
    pub(super) size: u64,
    /// The Unix mode, or 0 where the writer knew none.
    pub(super) mode: u32,
    /// Where its header is, and after `check_members` its data.
    pub(super) offset: u64,
}

/// Where the directory is.
struct End {
    entries: u64,
    size: u64,
    offset: u64,
}

/// Reads the directory of `file` and compares the members with it.
pub(super) fn read(file: &File) -> io::Result<Vec<Entry>> {
    let end = find_end(file)?;
    if end.size > LONGEST {
        return Err(odd("its directory is too long"));
    }
    let mut bytes = vec![0; usize::try_from(end.size).unwrap_or_default()];
    file.read_exact_at(&mut bytes, end.offset)?;
    let (mut rest, mut entries) = (bytes.as_slice(), Vec::new());
    while !rest.is_empty() {
        entries.push(entry(&mut rest)?);
    }
    if entries.len() as u64 != end.entries {
        return Err(odd("its end record counts other members"));
    }
    check_members(file, &mut entries, end.offset)?;
    Ok(entries)
}

/// Finds the one end record: it ends the file, and the directory ends where it begins.
fn find_end(file: &File) -> io::Result<End> {
    let length = file.metadata()?.len();
    let window = length.min(END + u64::from(u16::MAX));
    let mut tail = vec![0; usize::try_from(window).unwrap_or_default()];
    file.read_exact_at(&mut tail, length - window)?;
    let last = tail
        .len()
        .checked_sub(22)
        .ok_or_else(|| odd("it has no end record"))?;
    let at = (0..=last)
        .rev()
        .find(|at| tail[*at..].starts_with(b"PK\x05\x06"));
    let at = at.ok_or_else(|| odd("it has no end record"))?;
    let mut record = &tail[at + 4..];
    let disks = number::<4>(&mut record)?;
    let (here, entries) = (number::<2>(&mut record)?, number::<2>(&mut record)?);
    let (size, offset) = (number::<4>(&mut record)?, number::<4>(&mut record)?);
    let remark = number::<2>(&mut record)?;
    if disks != 0 || here != entries || remark != record.len() as u64 {
        return Err(odd("its end record is odd, or something follows it"));
    }
    let start = length - window + at as u64;
    let mut end = End {
        entries,
        size,
        offset,
    };
    let mut directory_ends = start;
    if let Some((large, begins)) = find_end_64(file, start)? {
        let same = |small: u64, large: u64, most: u64| small == large || small == most;
        let agree = same(entries, large.entries, 0xffff)
            && same(size, large.size, 0xffff_ffff)
            && same(offset, large.offset, 0xffff_ffff);
        if !agree {
            return Err(odd("its two end records differ"));
        }
        (end, directory_ends) = (large, begins);
    } else if entries == 0xffff || size == 0xffff_ffff || offset == 0xffff_ffff {
        return Err(odd("it lacks its 64-bit end record"));
    }
    if end.offset.checked_add(end.size) != Some(directory_ends) {
        return Err(odd("its directory does not end at the end record"));
    }
    Ok(end)
}

/// Finds the 64-bit end record that stands in front of the other one.
fn find_end_64(file: &File, end: u64) -> io::Result<Option<(End, u64)>> {
    let Some(at) = end.checked_sub(LOCATOR) else {
        return Ok(None);
    };
    let mut locator = [0; 20];
    file.read_exact_at(&mut locator, at)?;
    let Some(mut rest) = locator.strip_prefix(b"PK\x06\x07") else {
        return Ok(None);
    };
    let (disk, offset) = (number::<4>(&mut rest)?, number::<8>(&mut rest)?);
    let disks = number::<4>(&mut rest)?;
    if disk != 0 || disks > 1 || offset.checked_add(END_64) != Some(at) {
        return Err(odd("its 64-bit end record is not where it should be"));
    }
    let mut record = [0; 56];
    file.read_exact_at(&mut record, offset)?;
    let mut rest = record
        .strip_prefix(b"PK\x06\x06")
        .ok_or_else(|| odd("its 64-bit end record is odd"))?;
    let size = number::<8>(&mut rest)?;
    let _versions = number::<4>(&mut rest)?;
    let disks = number::<8>(&mut rest)?;
    let (here, entries) = (number::<8>(&mut rest)?, number::<8>(&mut rest)?);
    if size != END_64 - 12 || disks != 0 || here != entries {
        return Err(odd("its 64-bit end record is odd"));
    }
    let (size, start) = (number::<8>(&mut rest)?, number::<8>(&mut rest)?);
    Ok(Some((
        End {
            entries,
            size,
            offset: start,
        },
        offset,
    )))
}

/// Reads one entry of the directory.
fn entry(rest: &mut &[u8]) -> io::Result<Entry> {
    *rest = rest
        .strip_prefix(b"PK\x01\x02")
        .ok_or_else(|| odd("its directory is odd"))?;
    let (made_by, needed) = (number::<2>(rest)?, number::<2>(rest)?);
    let (flags, method) = (small(rest)?, small(rest)?);
    let _time = number::<4>(rest)?;
    let crc = number::<4>(rest)?;
    let (compressed, size) = (number::<4>(rest)?, number::<4>(rest)?);
    let (name, extra, remark) = (number::<2>(rest)?, number::<2>(rest)?, number::<2>(rest)?);
    let disk = number::<2>(rest)?;
    let _internal = number::<2>(rest)?;
    let attributes = number::<4>(rest)?;
    let offset = number::<4>(rest)?;
    let name = name_of(take(rest, name)?, flags)?;
    let extra = zip_extra::read(take(rest, extra)?, [size, compressed, offset])?;
    take(rest, remark)?;
    // Other programs stop at members of a later version of the format, whatever they hold.
    if needed & 0xff > VERSION || disk != 0 || flags & !FLAGS != 0 || !matches!(method, 0 | 8) {
        return Err(odd(&format!(
            "`{}` is encrypted or odd",
            name.escape_debug()
        )));
    }
    let unix = made_by >> 8 == 3;
    Ok(Entry {
        name,
        flags,
        method,
        crc: u32::try_from(crc).unwrap_or_default(),
        size: extra.first,
        compressed: extra.second,
        offset: extra.third,
        mode: if unix {
            u32::try_from(attributes >> 16).unwrap_or_default()
        } else {
            0
        },
    })
}

/// Compares every member with its entry; together they must fill the file up to the directory.
fn check_members(file: &File, entries: &mut [Entry], directory: u64) -> io::Result<()> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|at| entries[*at].offset);
    let mut expected = 0;
    for (position, at) in order.iter().enumerate() {
        let next = order
            .get(position + 1)
            .map_or(directory, |next| entries[*next].offset);
        let entry = &mut entries[*at];
        let differs = || {
            odd(&format!(
                "`{}` is not as the directory says",
                entry.name.escape_debug()
            ))
        };
        if entry.offset != expected || next <= entry.offset {
            return Err(odd("its members leave a gap or overlap"));
        }
        let data = entry.offset + check_local(file, entry)?.ok_or_else(differs)?;
        let end = data.checked_add(entry.compressed).ok_or_else(differs)?;
        let behind = next.checked_sub(end).ok_or_else(differs)?;
        if !check_descriptor(file, entry, end, behind)? {
            return Err(differs());
        }
        entry.offset = data;
        expected = next;
    }
    if expected != directory {
        return Err(odd("its members leave a gap or overlap"));
    }
    Ok(())
}

/// Compares a member's own header with its entry and returns its length, or nothing when they differ.
fn check_local(file: &File, entry: &Entry) -> io::Result<Option<u64>> {
    let mut header = [0; 30];
    file.read_exact_at(&mut header, entry.offset)?;
    let Some(mut rest) = header.strip_prefix(b"PK\x03\x04") else {
        return Ok(None);
    };
    let rest = &mut rest;
    let _needed = number::<2>(rest)?;
    let (flags, method) = (small(rest)?, small(rest)?);
    let _time = number::<4>(rest)?;
    let crc = number::<4>(rest)?;
    let (compressed, size) = (number::<4>(rest)?, number::<4>(rest)?);
    let (name, extra) = (number::<2>(rest)?, number::<2>(rest)?);
    let mut more = vec![0; usize::try_from(name + extra).unwrap_or_default()];
    file.read_exact_at(&mut more, entry.offset + 30)?;
    let (own_name, own_extra) = more.split_at(usize::try_from(name).unwrap_or_default());
    let Extra { first, second, .. } = zip_extra::read(own_extra, [size, compressed, 0])?;
    let told = [crc, first, second];
    let listed = [u64::from(entry.crc), entry.size, entry.compressed];
    // A writer that could not go back left these open and told them behind the data.
    let open = flags & DESCRIPTOR != 0 && told == [0; 3];
    let same = flags == entry.flags
        && method == entry.method
        && own_name == entry.name.as_bytes()
        && (open || told == listed);
    Ok(same.then_some(30 + name + extra))
}

/// Returns whether what stands between a member's data and the next member is its descriptor, or nothing
/// where it has none.
fn check_descriptor(file: &File, entry: &Entry, at: u64, length: u64) -> io::Result<bool> {
    if entry.flags & DESCRIPTOR == 0 {
        return Ok(length == 0);
    }
    if !matches!(length, 12 | 16 | 20 | 24) {
        return Ok(false);
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut bytes, at)?;
    let mut rest = bytes.as_slice();
    if matches!(length, 16 | 24) {
        let Some(marked) = rest.strip_prefix(b"PK\x07\x08") else {
            return Ok(false);
        };
        rest = marked;
    }
    let crc = number::<4>(&mut rest)?;
    let sizes = if rest.len() == 16 {
        [number::<8>(&mut rest)?, number::<8>(&mut rest)?]
    } else {
        [number::<4>(&mut rest)?, number::<4>(&mut rest)?]
    };
    Ok(crc == u64::from(entry.crc) && sizes == [entry.compressed, entry.size])
}

/// Returns a name; beyond ASCII it must be marked as UTF-8, or programs would read different ones.
fn name_of(bytes: &[u8], flags: u16) -> io::Result<String> {
    let text = std::str::from_utf8(bytes).ok();
    text.filter(|text| !text.is_empty() && (text.is_ascii() || flags & UTF_8 != 0))
        .map(str::to_owned)
        .ok_or_else(|| odd(&format!("`{}` is an odd name", bytes.escape_ascii())))
}

/// Takes a number of `N` bytes from the front.
pub(super) fn number<const N: usize>(rest: &mut &[u8]) -> io::Result<u64> {
    let mut bytes = [0; 8];
    rest.read_exact(&mut bytes[..N])?;
    Ok(u64::from_le_bytes(bytes))
}

fn small(rest: &mut &[u8]) -> io::Result<u16> {
    Ok(u16::try_from(number::<2>(rest)?).unwrap_or_default())
}

/// Takes bytes from the front.
pub(super) fn take<'a>(rest: &mut &'a [u8], length: u64) -> io::Result<&'a [u8]> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let (first, after) = rest
        .split_at_checked(length)
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    *rest = after;
    Ok(first)
}

pub(super) fn odd(what: &str) -> io::Error {
    io::Error::other(what.to_owned())
}
