//! Reads which files Git tracks in a worktree, from its index.
//!
//! The index has SHA-1 digests: another object format is an extension in the configuration, with which no remote counts.
//! Of a split index only the files that changed since are found, and of a sparse one only those outside of its
//! directories. A missing file is never a match, so both only cost a match.

/// The bytes of an entry before its name: times, owner and size, digest, flags.
const FIXED: usize = 62;
/// The flag of an entry that has two more bytes of flags.
const EXTENDED: u16 = 0x4000;

/// Returns whether the index has a file whose path is accepted; not if it is damaged before this file.
pub(super) fn has_file(index: &[u8], accepts: impl Fn(&[u8]) -> bool) -> bool {
    find_file(&mut Input(index), accepts).is_some()
}

fn find_file(input: &mut Input<'_>, accepts: impl Fn(&[u8]) -> bool) -> Option<()> {
    let magic = input.take(4)?;
    let (version, count) = (input.number()?, input.number()?);
    if magic != b"DIRC" || !(2..=4).contains(&version) {
        return None;
    }
    let mut name = Vec::new();
    for _ in 0..count {
        let flags = input.take(FIXED)?.last_chunk::<2>()?;
        let is_extended = u16::from_be_bytes(*flags) & EXTENDED != 0;
        let more = if is_extended { 2 } else { 0 };
        input.take(more)?;
        // Version 4 has only the end of a name that begins as the one before.
        let kept = if version == 4 {
            name.len().checked_sub(input.varint()?)?
        } else {
            0
        };
        name.truncate(kept);
        let end = input.0.iter().position(|byte| *byte == 0)?;
        name.extend_from_slice(input.take(end)?);
        let padding = if version == 4 {
            1
        } else {
            8 - (FIXED + more + end) % 8
        };
        input.take(padding)?;
        if accepts(&name) {
            return Some(());
        }
    }
    None
}

/// The rest of an index.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        let bytes = self.take(4)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*bytes))
    }

    /// Reads a number of seven bits in each byte, in which every number has one form only.
    fn varint(&mut self) -> Option<usize> {
        let mut byte = *self.take(1)?.first()?;
        let mut value = usize::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            byte = *self.take(1)?.first()?;
            value = value.checked_add(1)?.checked_mul(0x80)? | usize::from(byte & 0x7f);
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns an index as Git writes it, without extensions and digest.
    fn index(version: u32, extended: bool, names: &[&str]) -> Vec<u8> {
        let mut bytes = b"DIRC".to_vec();
        bytes.extend(version.to_be_bytes());
        bytes.extend(u32::try_from(names.len()).unwrap().to_be_bytes());
        let mut before = "";
        for name in names {
            let start = bytes.len();
            bytes.extend([0xff; FIXED - 2]);
            let length = u16::try_from(name.len()).unwrap();
            bytes.extend((if extended { length | EXTENDED } else { length }).to_be_bytes());
            bytes.extend(if extended { &[0x20, 0][..] } else { &[] });
            if version == 4 {
                let same = name.bytes().zip(before.bytes());
                let same = same.take_while(|(one, other)| one == other).count();
                match before.len() - same {
                    strip @ 0..128 => bytes.push(u8::try_from(strip).unwrap()),
                    strip => {
                        let strip = u16::try_from(strip - 128).unwrap();
                        bytes.push(0x80 | u8::try_from(strip >> 7).unwrap());
                        bytes.push(u8::try_from(strip & 0x7f).unwrap());
                    }
                }
                bytes.extend(name[same..].bytes());
                bytes.push(0);
            } else {
                bytes.extend(name.bytes());
                bytes.resize(bytes.len() + 8 - (bytes.len() - start) % 8, 0);
            }
            before = name;
        }
        bytes
    }

    #[test]
    fn files_are_found_in_each_version() {
        let long = format!("b/{}", "x".repeat(300));
        let names = ["a", "app/devshell.toml", "app/x", &long, "devshell.toml"];
        for (version, extended) in [(2, false), (3, false), (3, true), (4, false), (4, true)] {
            let bytes = index(version, extended, &names);
            for name in names {
                let is = |found: &[u8]| found == name.as_bytes();
                assert!(has_file(&bytes, is), "{version} {name}");
            }
            for name in ["", "app", "pp/x", "evil/devshell.toml"] {
                let is = |found: &[u8]| found == name.as_bytes();
                assert!(!has_file(&bytes, is), "{version} {name}");
            }
            let is_last = |found: &[u8]| found == b"devshell.toml";
            for length in 0..bytes.len() - 8 {
                assert!(!has_file(&bytes[..length], is_last), "{version} {length}");
            }
        }
        assert!(!has_file(&index(5, false, &names), |_| true));
    }
}
