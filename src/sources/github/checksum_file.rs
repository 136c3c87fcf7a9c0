//! The usual names of files that give the SHA-256 of other files of a release.

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

#[cfg(test)]
mod tests {
    use super::*;

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
