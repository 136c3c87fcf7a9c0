//! `EnvDiff` as bytes. The session puts them, with what else it keeps, into one shell-safe variable.

use super::{
    EnvDiff,
    diff::{Entry, Fingerprint},
};
use crate::wire::{Damaged, Reader, Writer};

/// Returns `diff` as bytes.
pub fn encode(diff: &EnvDiff) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.list(diff.0.iter(), |writer, (name, entry)| {
        writer.bytes(name.as_str());
        match entry {
            Entry::Scalar { before, after } => {
                writer.number(0);
                writer.option(before.as_ref(), Writer::os);
                writer.bytes(after.0);
            }
            Entry::List {
                front,
                back,
                was_set,
            } => {
                writer.number(1 + u64::from(*was_set));
                writer.list(front.iter(), Writer::os);
                writer.list(back.iter(), Writer::os);
            }
        }
    });
    writer.into_bytes()
}

/// Reads what `encode` wrote; any other input gives an error.
pub fn decode(bytes: &[u8]) -> Result<EnvDiff, Damaged> {
    let mut reader = Reader::new(bytes);
    let entries = reader.list(|reader| {
        let name = reader.text()?.parse().map_err(|_| Damaged)?;
        let entry = match reader.number()? {
            0 => Entry::Scalar {
                before: reader.option(Reader::os)?,
                after: Fingerprint(reader.array()?),
            },
            kind @ (1 | 2) => Entry::List {
                front: reader.list(Reader::os)?,
                back: reader.list(Reader::os)?,
                was_set: kind == 2,
            },
            _ => return Err(Damaged),
        };
        Ok((name, entry))
    })?;
    reader.finish()?;
    Ok(EnvDiff(entries.into_iter().collect()))
}
