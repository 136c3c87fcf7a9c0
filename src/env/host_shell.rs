//! The host shells.

use std::{ffi::OsStr, fmt, path::Path, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::package::Invalid;

/// A shell with a hook of devsh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HostShell {
    /// Bash 3.2 and later.
    Bash,
    /// Zsh 5.
    Zsh,
    /// Fish 3.6 and later.
    Fish,
}

impl HostShell {
    pub const ALL: [Self; 3] = [Self::Bash, Self::Zsh, Self::Fish];

    /// Returns the name of the shell and of its program.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }

    /// Returns the shell of a program by its file name (`/bin/zsh`, `-bash`).
    pub fn of_program(program: &OsStr) -> Option<Self> {
        let name = Path::new(program).file_name()?.to_str()?;
        name.trim_start_matches('-').parse().ok()
    }
}

impl FromStr for HostShell {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|shell| shell.as_str() == text)
            .ok_or_else(|| Invalid::new("a host shell (bash, zsh or fish)", text))
    }
}

impl fmt::Display for HostShell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
