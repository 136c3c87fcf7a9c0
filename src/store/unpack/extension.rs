//! What extension headers of a tar archive say of the next member: PAX records or GNU long names.

use std::{collections::BTreeSet, io};

use super::header::{Header, text};

/// What was said and is to be used for the next member.
#[derive(Debug, Default)]
pub(super) struct Extension {
    /// Its path.
    pub(super) path: Option<String>,
    /// The target of a link.
    pub(super) link: Option<String>,
    size: Option<u64>,
    /// Whether PAX or GNU headers said it.
    gnu: bool,
    pax: bool,
}

impl Extension {
    /// Takes in one extension header.
    pub(super) fn take(&mut self, header: &Header, data: &[u8]) -> io::Result<()> {
        if self.pax {
            return Err(odd("a PAX header applies to another extension header"));
        }
        match header.kind {
            b'L' | b'K' if !header.gnu => Err(odd("a GNU long name in a POSIX header")),
            b'L' => long(&mut self.path, data, &mut self.gnu),
            b'K' => long(&mut self.link, data, &mut self.gnu),
            _ if self.gnu => Err(odd("PAX and GNU headers for one member")),
            _ if header.gnu => Err(odd("a PAX header in GNU form")),
            b'g' => global(data),
            _ => self.records(data),
        }
    }

    /// Checks that this may be said of the member with `header`.
    pub(super) fn check(&self, header: &Header) -> io::Result<()> {
        if (self.pax && header.gnu) || (self.gnu && !header.gnu) {
            return Err(odd("PAX and GNU headers for one member"));
        }
        if self.size.is_some_and(|size| size != header.size) {
            return Err(odd("two sizes for one member"));
        }
        Ok(())
    }

    /// Checks that nothing was said of a member that never came.
    pub(super) fn check_unused(&self) -> io::Result<()> {
        if self.pax || self.gnu {
            return Err(odd("an extension header without a member"));
        }
        Ok(())
    }

    fn records(&mut self, data: &[u8]) -> io::Result<()> {
        self.pax = true;
        let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(text) if !text.is_empty() && !text.contains('\0') => Ok(text.to_owned()),
            _ => Err(odd("a PAX header with an odd text")),
        };
        let mut keys = BTreeSet::new();
        for (key, value) in pax(data).ok_or_else(|| odd("a malformed PAX header"))? {
            if !keys.insert(key) {
                return Err(odd("a PAX header that says one thing twice"));
            }
            check_number(key, value)?;
            match key {
                b"path" => self.path = Some(text(value)?),
                b"linkpath" => self.link = Some(text(value)?),
                b"size" => {
                    let size = plain(value).ok_or_else(|| odd("a PAX header with an odd size"))?;
                    self.size = Some(size);
                }
                b"hdrcharset" if value != b"ISO-IR 10646 2000 UTF-8" => {
                    return Err(odd("a PAX header in another character set"));
                }
                _ if key.starts_with(b"GNU.sparse") => return Err(odd("a sparse file")),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Takes in a GNU long name.
fn long(name: &mut Option<String>, data: &[u8], gnu: &mut bool) -> io::Result<()> {
    let first = text(data);
    let ends = data[first.len()..].iter().all(|byte| *byte == 0);
    let plain = std::str::from_utf8(first)
        .ok()
        .filter(|name| !name.is_empty() && ends);
    let Some(plain) = plain.filter(|_| name.is_none()) else {
        return Err(odd("an odd GNU long name"));
    };
    *name = Some(plain.to_owned());
    *gnu = true;
    Ok(())
}

/// A global header may only carry remarks: what it says of names would hold for every member.
fn global(data: &[u8]) -> io::Result<()> {
    for (key, value) in pax(data).ok_or_else(|| odd("a malformed PAX header"))? {
        check_number(key, value)?;
        let named = matches!(key, b"path" | b"linkpath" | b"size" | b"hdrcharset");
        if named || key.starts_with(b"GNU.") {
            return Err(odd("a global header that names members"));
        }
    }
    Ok(())
}

/// Checks what is not used here and stops GNU tar when it is odd: times and owners.
fn check_number(key: &[u8], value: &[u8]) -> io::Result<()> {
    let fits = match key {
        b"uid" | b"gid" => plain(value).is_some(),
        b"atime" | b"ctime" | b"mtime" => is_time(value),
        _ => true,
    };
    if fits {
        return Ok(());
    }
    Err(odd("a PAX header with an odd time or owner"))
}

/// Whether this is a time in seconds, perhaps with a fraction.
fn is_time(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"-").unwrap_or(value);
    let mut parts = value.splitn(2, |byte| *byte == b'.');
    let whole = parts.next().unwrap_or_default();
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    (1..=18).contains(&whole.len()) && digits(whole) && parts.next().is_none_or(digits)
}

/// Returns the records of a PAX header, or nothing when it is malformed.
fn pax(mut data: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut records = Vec::new();
    while !data.is_empty() {
        let space = data.iter().position(|byte| *byte == b' ')?;
        let length = usize::try_from(plain(&data[..space])?).ok()?;
        let record = data.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        if equals == 0 {
            return None;
        }
        records.push((&record[..equals], &record[equals + 1..]));
        data = &data[length..];
    }
    Some(records)
}

/// Reads a decimal number without sign or leading zeros.
fn plain(digits: &[u8]) -> Option<u64> {
    let leading = digits.len() > 1 && digits[0] == b'0';
    let only = digits.iter().all(u8::is_ascii_digit);
    (only && !leading).then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

fn odd(what: &str) -> io::Error {
    io::Error::other(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::check_number;

    #[test]
    fn times_and_owners_are_numbers() {
        for (key, value, fits) in [
            ("ctime", "1795565212.358029863", true),
            ("mtime", "-1", true),
            ("atime", "0.", true),
            ("ctime", "L795565212.358029863", false),
            ("mtime", "", false),
            ("mtime", "1.2.3", false),
            ("mtime", "9999999999999999999", false),
            ("uid", "1000", true),
            ("gid", "-1", false),
            ("comment", "L", true),
        ] {
            let checked = check_number(key.as_bytes(), value.as_bytes());
            assert_eq!(checked.is_ok(), fits, "{key}={value}");
        }
    }
}
