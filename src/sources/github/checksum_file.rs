//! Files that give the SHA-256 of other files: their usual names and forms.

use crate::package::Sha256;

/// Returns the names of files that may have the digest of `asset`, the most particular first.
pub(super) fn candidates<'n>(asset: &str, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let own = [".sha256", ".sha256sum", ".sha256.txt", ".sha256sum.txt"];
    let mut ranked: Vec<(usize, String)> = names
        .filter_map(|name| {
            let particular = own.iter().any(|end| name.strip_suffix(end) == Some(asset));
            let lower = name.to_ascii_lowercase();
            let signed = [
                ".asc", ".bundle", ".cert", ".json", ".minisig", ".pem", ".pub", ".sig",
            ];
            if signed.iter().any(|end| lower.ends_with(end)) {
                return None;
            }
            // A list for one file of another name cannot help, but one for a whole release can have any name.
            let of_other = own.iter().any(|end| lower.ends_with(end))
                && !lower.contains("checksum")
                && !lower.starts_with("sha256");
            let general = lower.contains("checksum")
                || lower.contains("sha256")
                || lower.contains("shasum")
                || lower.contains("digests");
            match (particular, of_other, general) {
                (true, ..) => Some((0, name.to_owned())),
                (_, false, true) => Some((1, name.to_owned())),
                (_, true, _) => Some((2, name.to_owned())),
                _ => None,
            }
        })
        .collect();
    ranked.sort();
    // Further lists for single files are not read one by one.
    ranked.retain(|(rank, _)| *rank < 2);
    ranked.into_iter().map(|(_, name)| name).collect()
}

/// Returns the SHA-256 of `asset` in the text of a file called `file`.
///
/// The forms are those of `sha256sum` (`DIGEST  NAME`, `DIGEST *NAME`) and of BSD (`SHA256 (NAME) = DIGEST`); a file
/// for one asset may have the digest alone.
pub(in crate::sources) fn digest_of(asset: &str, file: &str, text: &str) -> Option<Sha256> {
    let digest = |word: &str| word.parse::<Sha256>().ok();
    let is_asset = |name: &str| {
        let name = name.trim().trim_start_matches('*').trim_start_matches("./");
        name == asset || name.rsplit('/').next() == Some(asset)
    };
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("SHA256 (")
            && let Some((name, value)) = rest.split_once(") = ")
            && is_asset(name)
        {
            return digest(value.trim());
        }
        if let Some((value, name)) = line.trim().split_once(char::is_whitespace)
            && is_asset(name)
            && let Some(found) = digest(value)
        {
            return Some(found);
        }
    }
    let is_own = file
        .strip_prefix(asset)
        .is_some_and(|end| end.starts_with('.'));
    let mut words = text.split_whitespace();
    match (is_own, words.next(), words.next()) {
        (true, Some(word), None) => digest(word),
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
    fn the_file_of_the_asset_comes_first() {
        let names = [
            "SHA256SUMS",
            "SHA256SUMS.sig",
            "checksums.txt.pem",
            "tool_1_checksums.txt",
            "x.zip",
            "x.zip.sha256",
            "y.zip.sha256",
        ];
        let found = candidates("x.zip", names.into_iter());
        assert_eq!(
            found,
            ["x.zip.sha256", "SHA256SUMS", "tool_1_checksums.txt"]
        );
    }
}
