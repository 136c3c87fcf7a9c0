//! The fields of a digest as bytes. Every field has its length, so that two different lists of fields never give
//! the same bytes. Digests name objects of the store, so the bytes of a field never change.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

/// Writes the fields of a digest.
#[derive(Debug, Clone, Default)]
pub struct DigestInput(Vec<u8>);

impl DigestInput {
    /// Appends a number as LEB128.
    pub fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    /// Appends the length of a byte string, then its bytes.
    pub fn bytes(&mut self, value: impl AsRef<[u8]>) {
        self.number(value.as_ref().len() as u64);
        self.0.extend_from_slice(value.as_ref());
    }

    /// Appends an OS string.
    pub fn os(&mut self, value: impl AsRef<OsStr>) {
        self.bytes(value.as_ref().as_bytes());
    }

    /// Appends an optional value.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.number(u64::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// Appends the length of a list, then its values.
    pub fn list<T>(
        &mut self,
        values: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.number(values.len() as u64);
        values.for_each(|value| write(self, value));
    }

    /// Returns the bytes of all fields.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(write: impl FnOnce(&mut DigestInput)) -> Vec<u8> {
        let mut input = DigestInput::default();
        write(&mut input);
        input.into_bytes()
    }

    #[test]
    fn the_border_between_two_fields_counts() {
        let first = bytes(|input| {
            input.bytes("a");
            input.bytes("bc");
        });
        let second = bytes(|input| {
            input.bytes("ab");
            input.bytes("c");
        });
        assert_ne!(first, second);
        let none = bytes(|input| input.option(None::<&str>, DigestInput::bytes));
        let empty = bytes(|input| input.option(Some(""), DigestInput::bytes));
        assert_ne!(none, empty);
    }

    #[test]
    fn the_bytes_are_those_of_stored_objects() {
        let fields = bytes(|input| {
            input.number(300);
            input.os("x");
            input.list([1, 2].into_iter(), DigestInput::number);
        });
        assert_eq!(fields, [0xac, 0x02, 1, b'x', 2, 1, 2]);
    }
}
