//! Archives made in memory, the same bytes every time.

use std::io::Write;

use sha2::{Digest, Sha256};

/// A file of an archive: path, content, and whether it is a program.
pub(crate) type Member<'a> = (&'a str, &'a [u8], bool);

/// Returns the SHA-256 as text.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").expect("text takes all");
    }
    text
}

/// Returns a plain tar of `members` and `links` (path, target).
pub(crate) fn tar(members: &[Member<'_>], links: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content, program) in members {
        let mut header = header(
            tar::EntryType::Regular,
            if *program { 0o755 } else { 0o644 },
        );
        header.set_size(content.len() as u64);
        builder
            .append_data(&mut header, path, *content)
            .expect("memory takes all");
    }
    for (path, target) in links {
        builder
            .append_link(&mut header(tar::EntryType::Symlink, 0o777), path, target)
            .expect("memory takes all");
    }
    builder.into_inner().expect("memory takes all")
}

fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(0);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Compresses as `.gz`.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

/// Compresses as `.xz`.
pub(crate) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

/// Returns a script that prints a version for `--version`, and its arguments otherwise.
pub(crate) fn script(name: &str, version: &str) -> Vec<u8> {
    format!(
        "#!/bin/sh\ncase ${{1-}} in --version|-V) echo '{name} {version}' ;; *) echo \"{name}:$*\" ;; esac\n"
    )
    .into_bytes()
}
