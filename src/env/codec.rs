//! `EnvDiff` as bytes. The session puts them, with what else it keeps, into one shell-safe variable.

use super::{
    EnvDiff,
    diff::{Entry, Fingerprint},
    pathlist::Added,
};
use crate::util::codec::{Damaged, Reader, Writer};

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
            Entry::List { added, was_set } => {
                let doubled = !added.own.is_empty();
                writer.number(1 + u64::from(*was_set) + 2 * u64::from(doubled));
                writer.list(added.front.iter(), Writer::os);
                writer.list(added.back.iter(), Writer::os);
                if doubled {
                    writer.list(added.own.iter(), |writer, (entry, after)| {
                        writer.os(entry);
                        writer.number(*after);
                    });
                }
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
            kind @ 1..=4 => Entry::List {
                added: Added {
                    front: reader.list(Reader::os)?,
                    back: reader.list(Reader::os)?,
                    own: if kind > 2 {
                        reader.list(|reader| Ok((reader.os()?, reader.number()?)))?
                    } else {
                        Vec::new()
                    },
                },
                was_set: matches!(kind, 2 | 4),
            },
            _ => return Err(Damaged),
        };
        Ok((name, entry))
    })?;
    reader.finish()?;
    Ok(EnvDiff(entries.into_iter().collect()))
}
