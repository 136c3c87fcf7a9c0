//! The words for operating systems, processors and C libraries in the names of published files.

use super::System;

/// The meaning of one word of a file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlatformWord {
    Linux,
    Macos,
    /// An operating system without dev shells.
    OtherOs,
    X86_64,
    Aarch64,
    /// A processor without dev shells.
    OtherArch,
    /// Every processor.
    Universal,
    /// A program that needs no library of the system.
    Static,
    Musl,
    /// A vendor, an interface or a C library that decides nothing.
    Neutral,
}

/// The words by meaning, in lower case.
const WORDS: &[(PlatformWord, &[&str])] = &[
    (PlatformWord::Linux, &["linux"]),
    (
        PlatformWord::Macos,
        &["apple", "darwin", "mac", "macos", "macosx", "osx"],
    ),
    (
        PlatformWord::OtherOs,
        &[
            "aix",
            "android",
            "dragonfly",
            "freebsd",
            "illumos",
            "ios",
            "netbsd",
            "openbsd",
            "plan9",
            "solaris",
            "wasi",
            "wasm",
            "wasm32",
            "win",
            "win32",
            "win64",
            "windows",
        ],
    ),
    (PlatformWord::X86_64, &["64bit", "amd64", "x64", "x8664"]),
    (
        PlatformWord::Aarch64,
        &["aarch64", "arm64", "arm64v8", "armv8"],
    ),
    (
        PlatformWord::OtherArch,
        &[
            "32bit",
            "386",
            "arm",
            "arm32",
            "armeabi",
            "armhf",
            "armv5",
            "armv6",
            "armv6hf",
            "armv6l",
            "armv7",
            "armv7a",
            "armv7l",
            "i386",
            "i686",
            "loong64",
            "loongarch64",
            "mips",
            "mips64",
            "mips64le",
            "mipsle",
            "powerpc64",
            "powerpc64le",
            "ppc64",
            "ppc64el",
            "ppc64le",
            "ppcle64",
            "riscv64",
            "riscv64gc",
            "s390x",
            "s39064",
            "sparc64",
            "thumbv7neon",
            "x86",
        ],
    ),
    (PlatformWord::Universal, &["all", "universal", "universal2"]),
    (PlatformWord::Static, &["static"]),
    (PlatformWord::Musl, &["musl"]),
    (
        PlatformWord::Neutral,
        &[
            "eabi",
            "eabihf",
            "glibc",
            "gnu",
            "gnueabi",
            "gnueabihf",
            "musleabi",
            "musleabihf",
            "pc",
            "unknown",
        ],
    ),
];

impl PlatformWord {
    /// Returns the meaning of a word in lower case, if it has one.
    pub fn find(word: &str) -> Option<Self> {
        let mut all = WORDS.iter().filter(|(_, words)| words.contains(&word));
        all.next().map(|(meaning, _)| *meaning)
    }
}

/// Returns the words of a file name in lower case; a processor such as `x86_64` is one word.
pub fn name_words(name: &str) -> Vec<String> {
    let mut name = name.to_ascii_lowercase();
    // Their own separators are no ends of words, and some names join system and processor.
    for (spelling, word) in [
        ("x86_64", "x8664"),
        ("x86-64", "x8664"),
        ("aarch_64", "aarch64"),
        ("ppcle_64", "ppcle64"),
        ("s390_64", "s39064"),
        ("64-bit", "64bit"),
        ("32-bit", "32bit"),
        ("linux64", "linux-x64"),
        ("linux32", "linux-x86"),
        ("macos64", "macos-x64"),
    ] {
        name = name.replace(spelling, word);
    }
    let words = name.split(|one: char| !one.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Returns the usual words of a system in addresses: operating system and processor.
pub const fn usual_words(system: System) -> (&'static str, &'static str) {
    let os = if system.is_linux() { "linux" } else { "darwin" };
    match system {
        System::LinuxX86_64 | System::MacosX86_64 => (os, "amd64"),
        System::LinuxAarch64 | System::MacosAarch64 => (os, "arm64"),
    }
}

/// Returns the name of a program without the words for a platform and without `version`: `yq` for `yq_linux_amd64`.
pub fn program_of_file(name: &str, version: &str) -> String {
    let mut rest = name;
    loop {
        let shorter = shortened(rest, version);
        if shorter == rest {
            return rest.to_owned();
        }
        rest = shorter;
    }
}

/// Removes the last word of a name if it is about a platform or the version.
fn shortened<'n>(name: &'n str, version: &str) -> &'n str {
    for version in [format!("v{version}"), version.to_owned()] {
        if let Some(rest) = name.strip_suffix(version.as_str())
            && let Some(rest) = without_separator(rest)
        {
            return rest;
        }
    }
    let ends = name.char_indices().filter(|(_, one)| "-_.".contains(*one));
    // The shortest end first, then those with a separator of their own (`x86_64`).
    for (at, _) in ends.rev().take(2) {
        let words = name_words(&name[at..]);
        let about_platform = |word: &String| PlatformWord::find(word).is_some();
        if at > 0 && !words.is_empty() && words.iter().all(about_platform) {
            return &name[..at];
        }
    }
    name
}

fn without_separator(name: &str) -> Option<&str> {
    name.strip_suffix(['-', '_', '.'])
        .filter(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_lose_the_words_for_platforms() {
        for (name, expected) in [
            ("argocd-linux-amd64", "argocd"),
            ("direnv.darwin-arm64", "direnv"),
            ("ec-linux-arm64", "ec"),
            ("gofumpt_v1.2.3_linux_amd64", "gofumpt"),
            ("jq-macos-amd64", "jq"),
            ("lefthook_1.2.3_Linux_x86_64", "lefthook"),
            ("opa_linux_amd64_static", "opa"),
            ("sops-v1.2.3.linux.amd64", "sops"),
            ("tree-sitter-linux-x64", "tree-sitter"),
            ("websocat.x86_64-unknown-linux-musl", "websocat"),
            ("kubectl", "kubectl"),
            ("git-lfs", "git-lfs"),
            ("python3.12", "python3.12"),
            ("cargo-nextest", "cargo-nextest"),
            ("linux", "linux"),
            ("ld.mold", "ld.mold"),
            ("", ""),
        ] {
            assert_eq!(program_of_file(name, "1.2.3"), expected, "{name}");
        }
    }

    #[test]
    fn no_word_has_two_meanings() {
        let mut all: Vec<&str> = WORDS
            .iter()
            .flat_map(|(_, words)| *words)
            .copied()
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
