//! The systems that an npm package is for: its fields `os`, `cpu` and `libc`.

use serde::{Deserialize, de::IgnoredAny};

use crate::package::System;

/// The fields of a package that restrict it to some systems.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Platforms {
    #[serde(default)]
    os: Words,
    #[serde(default)]
    cpu: Words,
    #[serde(default)]
    libc: Words,
}

/// A word or a list of words (`linux`, `!win32`).
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Many(Vec<String>),
    /// Old documents have other types here; they restrict nothing.
    Other(IgnoredAny),
}

impl Default for Words {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Words {
    fn admit(&self, name: &str) -> bool {
        let words = match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Many(words) => words,
            Self::Other(_) => &[],
        };
        let excluded = words
            .iter()
            .any(|word| word.strip_prefix('!') == Some(name));
        let mut included = words
            .iter()
            .filter(|word| !word.starts_with('!'))
            .peekable();
        !excluded
            && (included.peek().is_none() || included.any(|word| word == name || word == "any"))
    }
}

impl Platforms {
    pub(super) fn admit(&self, system: System) -> bool {
        let (os, cpu, libc) = match system {
            System::LinuxAarch64 => ("linux", "arm64", Some("glibc")),
            System::LinuxX86_64 => ("linux", "x64", Some("glibc")),
            System::MacosAarch64 => ("darwin", "arm64", None),
            System::MacosX86_64 => ("darwin", "x64", None),
        };
        self.os.admit(os) && self.cpu.admit(cpu) && libc.is_none_or(|libc| self.libc.admit(libc))
    }
}
