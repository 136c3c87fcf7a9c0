//! Extra fields of a zip header: 64-bit numbers, and nothing that would give a member another name.

use std::io;

use super::zip_directory::{number, odd, take};

/// The three numbers that a 64-bit field may replace, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extra {
    /// The size.
    pub(super) first: u64,
    /// The compressed size.
    pub(super) second: u64,
    /// The offset of the header.
    pub(super) third: u64,
}

/// A number that says that the 64-bit field has the real one.
const REPLACED: u64 = 0xffff_ffff;

/// Reads extra fields and returns `numbers` with what they replace.
pub(super) fn read(mut fields: &[u8], numbers: [u64; 3]) -> io::Result<Extra> {
    let [mut first, mut second, mut third] = numbers;
    let mut seen = false;
    while !fields.is_empty() {
        let (kind, length) = (number::<2>(&mut fields)?, number::<2>(&mut fields)?);
        let mut field = take(&mut fields, length)?;
        match kind {
            1 if seen => return Err(odd("a member has two 64-bit fields")),
            1 => {
                seen = true;
                for value in [&mut first, &mut second, &mut third] {
                    if *value == REPLACED {
                        *value = number::<8>(&mut field)?;
                    }
                }
            }
            0x7075 => return Err(odd("a member has two names")),
            _ => {}
        }
    }
    if !seen && numbers.contains(&REPLACED) {
        return Err(odd("a member lacks its 64-bit field"));
    }
    Ok(Extra {
        first,
        second,
        third,
    })
}
