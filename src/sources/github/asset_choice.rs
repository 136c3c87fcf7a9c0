//! Chooses the file of a release for a system by the words of the names.

use std::cmp::Reverse;

use crate::package::{
    System,
    platform_words::{PlatformWord, name_words},
};

/// The packing of a published file, the preferred kinds first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum FileKind {
    Tar,
    Zip,
    /// One program, compressed.
    Compressed,
    /// One program.
    Program,
}

/// The ends of names by kind.
const ENDS: &[(FileKind, &[&str])] = &[
    (
        FileKind::Tar,
        &[
            ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".tar.bz2", ".tbz2", ".tbz",
        ],
    ),
    (FileKind::Zip, &[".zip"]),
    (FileKind::Compressed, &[".gz", ".xz", ".zst", ".bz2"]),
];

/// The ends of names of files that are no programs, or that only a package manager installs.
const OTHER_FILES: &[&str] = &[
    "apk",
    "appimage",
    "asc",
    "att",
    "b2",
    "b2sum",
    "blob",
    "bundle",
    "cat",
    "cdx",
    "cer",
    "cert",
    "checksum",
    "checksums",
    "conda",
    "crate",
    "crt",
    "crx",
    "css",
    "deb",
    "desktop",
    "dll",
    "dmg",
    "dylib",
    "exe",
    "flatpak",
    "gem",
    "h",
    "html",
    "intoto",
    "iso",
    "jar",
    "js",
    "json",
    "jsonl",
    "lib",
    "lock",
    "man",
    "map",
    "md",
    "md5",
    "minisig",
    "mjs",
    "msi",
    "msix",
    "msixbundle",
    "nupkg",
    "pdb",
    "pdf",
    "pem",
    "pkg",
    "plist",
    "proof",
    "prov",
    "provenance",
    "ps1",
    "pub",
    "py",
    "qcow2",
    "rb",
    "rpm",
    "run",
    "sbom",
    "sh",
    "sha1",
    "sha256",
    "sha256sum",
    "sha256sums",
    "sha512",
    "sha512sum",
    "sha512sums",
    "shasum",
    "sig",
    "sigstore",
    "snap",
    "so",
    "spdx",
    "symbols",
    "toml",
    "ts",
    "txt",
    "vsix",
    "wasm",
    "whl",
    "xml",
    "yaml",
    "yml",
];

/// The suitability of a file for a system; the least is the best.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// True if it needs the translation of Intel programs on Apple silicon.
    translated: bool,
    /// Words that are neither about a platform nor about the tool: `extended`, `debug`.
    extra: usize,
    processor: ProcessorFit,
    library: LibraryFit,
    kind: FileKind,
    length: usize,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ProcessorFit {
    Same,
    Universal,
    Unnamed,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum LibraryFit {
    /// Runs on every Linux.
    Static,
    Usual,
    /// Needs the loader of musl, which most machines do not have.
    Musl,
}

/// A release whose file is chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReleaseFiles<'a> {
    /// The names of its assets.
    pub(super) names: &'a [&'a str],
    /// `owner/repository`.
    pub(super) repository: &'a str,
    pub(super) version: &'a str,
}

impl<'a> ReleaseFiles<'a> {
    /// Returns the file for a system; nothing if none says that it is for it.
    pub(super) fn choose(&self, system: System) -> Option<&'a str> {
        let ranked = self.names.iter().filter_map(|name| {
            let rank = self.rank(name, system)?;
            Some((rank, *name))
        });
        ranked.min().map(|(_, name)| name)
    }

    fn rank(&self, name: &str, system: System) -> Option<Rank> {
        let lower = name.to_ascii_lowercase();
        let (kind, stem) = kind_of(&lower)?;
        let stem = stem.replace(&self.version.to_ascii_lowercase(), "");
        let words = name_words(&stem);
        let meanings: Vec<PlatformWord> = words
            .iter()
            .filter_map(|word| PlatformWord::find(word))
            .collect();
        let has = |wanted: PlatformWord| meanings.contains(&wanted);
        let os = if system.is_linux() {
            PlatformWord::Linux
        } else {
            PlatformWord::Macos
        };
        if !has(os) || has(PlatformWord::OtherOs) {
            return None;
        }
        let (own, other) = match system {
            System::LinuxX86_64 | System::MacosX86_64 => {
                (PlatformWord::X86_64, PlatformWord::Aarch64)
            }
            System::LinuxAarch64 | System::MacosAarch64 => {
                (PlatformWord::Aarch64, PlatformWord::X86_64)
            }
        };
        let mut translated = false;
        let processor = if has(own) {
            ProcessorFit::Same
        } else if has(PlatformWord::Universal) {
            ProcessorFit::Universal
        } else if has(other) && system == System::MacosAarch64 {
            translated = true;
            ProcessorFit::Same
        } else if has(other) || has(PlatformWord::OtherArch) || system == System::LinuxAarch64 {
            return None;
        } else {
            ProcessorFit::Unnamed
        };
        let rust_triple = words.iter().any(|word| word == "unknown");
        let library = match (has(PlatformWord::Static), has(PlatformWord::Musl)) {
            (true, _) => LibraryFit::Static,
            (false, true) if rust_triple => LibraryFit::Static,
            (false, true) if system.is_linux() => LibraryFit::Musl,
            _ => LibraryFit::Usual,
        };
        let own_words = name_words(self.repository);
        let is_extra = |word: &&String| {
            PlatformWord::find(word).is_none()
                && !own_words.contains(word)
                && !matches!(word.as_str(), "cli" | "v")
        };
        Some(Rank {
            translated,
            extra: words.iter().filter(is_extra).count(),
            processor,
            library,
            kind,
            length: name.len(),
        })
    }
}

/// Returns the kind of a file and its name without the end; nothing for a file that has no program.
fn kind_of(name: &str) -> Option<(FileKind, &str)> {
    let mut ends: Vec<(FileKind, &str)> = ENDS
        .iter()
        .flat_map(|(kind, ends)| ends.iter().map(|end| (*kind, *end)))
        .collect();
    ends.sort_by_key(|(_, end)| Reverse(end.len()));
    for (kind, end) in ends {
        if let Some(stem) = name.strip_suffix(end) {
            // `tool.sbom.json.gz`, `tool.deb.gz`
            return (!is_other_file(stem)).then_some((kind, stem));
        }
    }
    let names_sums = name.contains("checksum") || name.contains("sha256sum");
    (!is_other_file(name) && !names_sums).then_some((FileKind::Program, name))
}

fn is_other_file(name: &str) -> bool {
    let end = name.rsplit_once('.').map(|(_, end)| end);
    end.is_some_and(|end| OTHER_FILES.contains(&end))
}

#[cfg(test)]
mod tests;
