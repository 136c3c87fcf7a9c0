//! One header block of a tar archive, read strictly.

use std::io;

/// Size of a block, in bytes.
pub(super) const BLOCK: usize = 512;

/// What one block says.
#[derive(Debug)]
pub(super) struct Header {
    /// The path, with the prefix that POSIX headers may have.
    pub(super) path: Vec<u8>,
    /// The target of a link.
    pub(super) link: Vec<u8>,
    /// The kind of member, one letter.
    pub(super) kind: u8,
    /// Permissions.
    pub(super) mode: u64,
    /// Bytes of data that follow.
    pub(super) size: u64,
    /// Modification time, in seconds.
    pub(super) mtime: u64,
    /// Whether it is of the GNU family.
    pub(super) gnu: bool,
}

impl Header {
    /// Reads a block.
    pub(super) fn read(block: &[u8; BLOCK]) -> io::Result<Self> {
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| {
                u64::from(if (148..156).contains(&at) {
                    b' '
                } else {
                    *byte
                })
            })
            .sum();
        if number(&block[148..156])? != sum {
            return Err(io::Error::other("a header does not add up"));
        }
        // Owners and devices mean nothing here, but some programs stop where they cannot read one.
        for field in [108..116, 116..124, 329..337, 337..345] {
            let field = &block[field];
            if field.iter().any(|byte| !matches!(byte, 0 | b' ')) {
                number(field)?;
            }
        }
        let gnu = match &block[257..265] {
            b"ustar\x0000" => false,
            b"ustar  \0" => true,
            _ => return Err(io::Error::other("a header is neither POSIX nor GNU")),
        };
        let prefix = &block[345..500];
        // Here GNU archives may have times, which some programs take for the beginning of the path.
        if gnu && prefix[0] != 0 {
            return Err(io::Error::other(
                "a header has a path and times in one place",
            ));
        }
        let mut path = text(&block[..100]).to_vec();
        if !gnu && prefix[0] != 0 {
            path = [text(prefix), b"/", &path].concat();
        }
        Ok(Self {
            path,
            link: text(&block[157..257]).to_vec(),
            kind: block[156],
            mode: number(&block[100..108])?,
            size: number(&block[124..136])?,
            mtime: number(&block[136..148])?,
            gnu,
        })
    }

    /// Returns whether it only tells more about the member that follows.
    pub(super) const fn is_extension(&self) -> bool {
        matches!(self.kind, b'L' | b'K' | b'x' | b'g')
    }
}

/// Returns the bytes before the first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Reads an octal number or, marked by the first bit, a binary one.
fn number(field: &[u8]) -> io::Result<u64> {
    let odd = || io::Error::other("a header has an odd number");
    if field[0] == 0x80 {
        let mut value = 0_u64;
        for byte in &field[1..] {
            value = value
                .checked_mul(256)
                .and_then(|value| value.checked_add(u64::from(*byte)))
                .ok_or_else(odd)?;
        }
        return Ok(value);
    }
    let start = field
        .iter()
        .position(|byte| *byte != b' ')
        .ok_or_else(odd)?;
    let rest = &field[start..];
    let digits = rest.iter().take_while(|byte| (b'0'..=b'7').contains(*byte));
    let digits = digits.count();
    let ends = rest[digits..].iter().all(|byte| matches!(byte, 0 | b' '));
    if digits == 0 || !ends {
        return Err(odd());
    }
    // At most twelve digits, so it fits.
    Ok(rest[..digits]
        .iter()
        .fold(0, |value, digit| value * 8 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain() {
        assert_eq!(number(b"0000644\0").unwrap(), 0o644);
        assert_eq!(number(b"    644 ").unwrap(), 0o644);
        assert_eq!(number(b"\x80\0\0\0\0\0\x01\x02").unwrap(), 258);
        for odd in [
            &b"       \0"[..],
            b"0000648\0",
            b"-000644\0",
            b"644 1   ",
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(number(odd).is_err(), "{odd:?}");
        }
    }
}
