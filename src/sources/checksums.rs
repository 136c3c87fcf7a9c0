//! Files of checksums (`SHASUMS256.txt`, `SHA256SUMS`): lines of a SHA-256 and the name of a file.

use std::collections::BTreeMap;

use crate::package::Sha256;

/// Largest accepted file, in bytes.
pub(super) const LIMIT: u64 = 16 << 20;

/// Returns the digests by the names of the files. Other lines are ignored: some files are signed texts.
pub(super) fn parse_checksums(text: &str) -> BTreeMap<&str, Sha256> {
    let lines = text.lines().filter_map(|line| {
        let (digest, name) = line.split_once(char::is_whitespace)?;
        // `*` marks binary mode. Some publishers put a directory in front.
        let name = name.trim().trim_start_matches('*').trim_start_matches("./");
        Some((name, digest.parse().ok()?))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_by_name() {
        let (one, other) = ("a".repeat(64), "b".repeat(64));
        let text = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{one}  a b.tar.gz\r\n{other} *./c\n\
             1234  short\n-----BEGIN PGP SIGNATURE-----\n"
        );
        let digests = parse_checksums(&text);
        assert_eq!(digests.len(), 2);
        assert_eq!(digests["a b.tar.gz"].to_string(), one);
        assert_eq!(digests["c"].to_string(), other);
    }
}
