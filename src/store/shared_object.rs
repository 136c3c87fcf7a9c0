//! Built objects on their way to and from a cache: packed as a deterministic tar archive, and unpacked by the strict
//! reader.
//!
//! A packed tree does not name a machine. Links to other objects are in the record and not in the archive. Text files
//! that name the store have a placeholder instead, and get the path of the receiving store. An object that names the
//! store in another way, or any other place outside of it, is not shared.

mod pack;
mod receive;

use std::collections::{BTreeMap, BTreeSet};

pub use pack::{PackOutcome, PackedObject};

/// Takes the place of the store's path in packed files.
const PLACEHOLDER: &[u8] = b"@devsh-store@";
/// The largest object that is shared, in bytes.
const LARGEST: u64 = 8 << 30;

/// The description of a packed tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedTree {
    /// The digest of the list of its files.
    pub tree: String,
    /// The unpacked bytes.
    pub size: u64,
    /// Links to other objects, each with its target below the store.
    pub links: BTreeMap<String, String>,
    /// The files with the placeholder.
    pub relocated: BTreeSet<String>,
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let (first, rest) = wanted.split_first()?;
    let mut start = 0;
    // Looking for one byte first makes this linear for all real files.
    while let Some(offset) = bytes[start..].iter().position(|byte| byte == first) {
        let at = start + offset;
        if bytes[at + 1..].starts_with(rest) {
            return Some(at);
        }
        start = at + 1;
    }
    None
}

fn replace_all(bytes: &[u8], wanted: &[u8], by: &[u8]) -> Vec<u8> {
    let (mut text, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some(at) = find(rest, wanted) {
        text.extend_from_slice(&rest[..at]);
        text.extend_from_slice(by);
        rest = &rest[at + wanted.len()..];
    }
    text.extend_from_slice(rest);
    text
}

#[cfg(test)]
mod tests;
