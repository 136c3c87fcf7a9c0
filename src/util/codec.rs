//! A sequence of fields as bytes, mainly as the input of a digest. Private files use `binary`.
//!
//! Invariant: any input gives values or an error, and memory is allocated only for bytes that are in the input.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

pub use super::binary::Damaged;

/// Writes fields.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
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
    pub fn os(&mut self, value: impl AsRef<std::ffi::OsStr>) {
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

/// Reads fields in the order in which they were written.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Returns a reader of `input`.
    pub const fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// Reads a number.
    pub fn number(&mut self) -> Result<u64, Damaged> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Damaged)?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            value |= bits
                .checked_shl(shift)
                .filter(|shifted| shifted >> shift == bits)
                .ok_or(Damaged)?;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Damaged)
    }

    /// Reads a byte string.
    pub fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let length = usize::try_from(self.number()?).map_err(|_| Damaged)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Damaged)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Reads a byte string of a fixed length.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        self.bytes()?.try_into().map_err(|_| Damaged)
    }

    /// Reads UTF-8 text.
    pub fn text(&mut self) -> Result<&'a str, Damaged> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Damaged)
    }

    /// Reads a path.
    pub fn path(&mut self) -> Result<PathBuf, Damaged> {
        Ok(Path::new(std::ffi::OsStr::from_bytes(self.bytes()?)).to_owned())
    }

    /// Reads an optional value.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Damaged>,
    ) -> Result<Option<T>, Damaged> {
        match self.number()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(Damaged),
        }
    }

    /// Reads a list.
    pub fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Damaged>,
    ) -> Result<Vec<T>, Damaged> {
        let length = usize::try_from(self.number()?).map_err(|_| Damaged)?;
        // Each value has at least one byte.
        if length > self.0.len() {
            return Err(Damaged);
        }
        (0..length).map(|_| read(self)).collect()
    }

    /// Checks that no bytes are left.
    pub const fn finish(self) -> Result<(), Damaged> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Damaged)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fields_round_trip(number: u64, bytes: Vec<u8>, list: Vec<Option<u64>>) {
            let mut writer = Writer::default();
            writer.number(number);
            writer.bytes(&bytes);
            writer.list(list.iter(), |writer, value| writer.option(*value, Writer::number));
            let encoded = writer.into_bytes();
            let mut reader = Reader::new(&encoded);
            prop_assert_eq!(reader.number().unwrap(), number);
            prop_assert_eq!(reader.bytes().unwrap(), &bytes);
            prop_assert_eq!(reader.list(|reader| reader.option(Reader::number)).unwrap(), list);
            prop_assert!(reader.finish().is_ok());
        }

        #[test]
        fn reading_never_panics(input: Vec<u8>) {
            let mut reader = Reader::new(&input);
            let _list = reader.list(|reader| reader.option(Reader::path));
            let mut reader = Reader::new(&input);
            let _number = reader.number();
            let _text = reader.text();
        }
    }
}
