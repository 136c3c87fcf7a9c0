//! The systems that a lockfile covers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Invalid;
use crate::util::word_lists::join_with_and;

/// An operating system and processor that devsh locks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum System {
    /// 64-bit ARM Linux.
    LinuxAarch64,
    /// 64-bit Intel/AMD Linux.
    LinuxX86_64,
    /// Apple silicon.
    MacosAarch64,
    /// Intel Macs.
    MacosX86_64,
}

impl System {
    /// Every system, in lockfile order.
    pub const ALL: [Self; 4] = [
        Self::LinuxAarch64,
        Self::LinuxX86_64,
        Self::MacosAarch64,
        Self::MacosX86_64,
    ];

    /// Returns the system that this program was built for; nothing if there are no artifacts for it.
    pub const fn current() -> Option<Self> {
        Some(
            match (cfg!(target_os = "linux"), cfg!(target_os = "macos")) {
                (true, _) if cfg!(target_arch = "x86_64") => Self::LinuxX86_64,
                (true, _) if cfg!(target_arch = "aarch64") => Self::LinuxAarch64,
                (_, true) if cfg!(target_arch = "x86_64") => Self::MacosX86_64,
                (_, true) if cfg!(target_arch = "aarch64") => Self::MacosAarch64,
                _ => return None,
            },
        )
    }

    pub const fn is_linux(self) -> bool {
        matches!(self, Self::LinuxAarch64 | Self::LinuxX86_64)
    }

    /// Returns the name that lockfiles use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LinuxAarch64 => "linux-aarch64",
            Self::LinuxX86_64 => "linux-x86_64",
            Self::MacosAarch64 => "macos-aarch64",
            Self::MacosX86_64 => "macos-x86_64",
        }
    }

    /// Returns the target triple under which Rust and `CPython` builds are published.
    pub const fn triple(self) -> &'static str {
        match self {
            Self::LinuxAarch64 => "aarch64-unknown-linux-gnu",
            Self::LinuxX86_64 => "x86_64-unknown-linux-gnu",
            Self::MacosAarch64 => "aarch64-apple-darwin",
            Self::MacosX86_64 => "x86_64-apple-darwin",
        }
    }
}

/// Returns systems in plain words: `macOS`, `Linux on aarch64 and macOS`.
pub fn describe_systems(systems: &[System]) -> String {
    use System::{LinuxAarch64, LinuxX86_64, MacosAarch64, MacosX86_64};
    let pairs = [
        ("Linux", LinuxAarch64, LinuxX86_64),
        ("macOS", MacosAarch64, MacosX86_64),
    ];
    let words = pairs.into_iter().filter_map(|(name, arm, intel)| {
        match (systems.contains(&arm), systems.contains(&intel)) {
            (true, true) => Some(name.to_owned()),
            (true, false) => Some(format!("{name} on aarch64")),
            (false, true) => Some(format!("{name} on x86_64")),
            (false, false) => None,
        }
    });
    join_with_and(&words.collect::<Vec<_>>())
}

impl FromStr for System {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|system| system.as_str() == text)
            .ok_or_else(|| Invalid::new("a system", text))
    }
}

impl fmt::Display for System {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
