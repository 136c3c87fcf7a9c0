//! Files of checksums (`SHASUMS256.txt`, `checksums.txt`, `tool.tar.gz.sha256`): lines of a SHA-256 and the name of a file.

use std::collections::BTreeMap;

use crate::package::Sha256;

/// Largest accepted file, in bytes.
pub(super) const LIMIT: u64 = 16 << 20;

/// Returns the digests by the names of the files, which can have directories in front. Other lines are ignored: some
/// files are signed texts.
///
/// The forms are those of `sha256sum` (`DIGEST  NAME`, `DIGEST *NAME`) and of BSD (`SHA256 (NAME) = DIGEST`).
pub(super) fn parse_checksums(text: &str) -> BTreeMap<&str, Sha256> {
    let lines = text.lines().filter_map(|line| {
        let bsd = line.strip_prefix("SHA256 (");
        let (name, digest) = bsd.and_then(|rest| rest.split_once(") = ")).or_else(|| {
            let (digest, name) = line.trim().split_once(char::is_whitespace)?;
            Some((name, digest))
        })?;
        // `*` marks binary mode.
        let name = name.trim().trim_start_matches('*').trim_start_matches("./");
        Some((name, digest.trim().parse().ok()?))
    });
    lines.collect()
}

/// Returns the SHA-256 of `asset` in the text of a file called `file`; a file for one asset may have the digest alone.
pub(super) fn digest_of(asset: &str, file: &str, text: &str) -> Option<Sha256> {
    let digests = parse_checksums(text);
    let named = |name: &str| name.rsplit('/').next() == Some(asset);
    let below = || digests.iter().find(|(name, _)| named(name));
    if let Some(digest) = digests.get(asset).or_else(|| Some(below()?.1)) {
        return Some(*digest);
    }
    let is_own = file
        .strip_prefix(asset)
        .is_some_and(|end| end.starts_with('.'));
    let mut words = text.split_whitespace();
    match (is_own, words.next(), words.next()) {
        (true, Some(word), None) => word.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_in_every_usual_form() {
        let sum = "a".repeat(64);
        let other = "b".repeat(64);
        for (file, text) in [
            ("SHA256SUMS", format!("{other}  y.zip\n{sum}  x.zip\n")),
            ("checksums.txt", format!("{sum} *x.zip\r\n")),
            ("sums.sha256", format!("{sum}  ./dist/x.zip")),
            (
                "CHECKSUMS",
                format!("SHA256 (y.zip) = {other}\nSHA256 (x.zip) = {sum}"),
            ),
            ("x.zip.sha256", format!("{sum}\n")),
            ("x.zip.sha256sum", format!("{sum}  x.zip\n")),
        ] {
            let found = digest_of("x.zip", file, &text).map(|digest| digest.to_string());
            assert_eq!(found.as_deref(), Some(sum.as_str()), "{file}");
        }
        for (file, text) in [
            ("SHA256SUMS", format!("{sum}  xx.zip\n")),
            ("SHA256SUMS", format!("{sum}\n")),
            ("x.zip.sha256", format!("{sum}  y.zip\n")),
            ("x.zip.sha256", "<html>".to_owned()),
            ("x.zip.sha512", "c".repeat(128)),
        ] {
            assert_eq!(digest_of("x.zip", file, &text), None, "{text}");
        }
    }

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
