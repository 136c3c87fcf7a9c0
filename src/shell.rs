//! Code for the host shells bash, zsh and fish. Pure.
//!
//! Invariant: names are checked, values are quoted, and the code ends with a mark that the hook expects, because the
//! hook must not evaluate code that was cut short.

mod bash_zsh;
pub mod export_formats;
mod fish;
pub mod hook;
pub mod prompt_code;

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

pub use crate::env::HostShell;
use crate::{env::VarName, manifest::AliasName};

/// Most checks that a host shell keeps.
const CHECKS: usize = 6;

/// One change of a host shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShellStatement {
    /// Sets and exports a variable.
    Export(VarName, OsString),
    /// Removes a variable.
    Unset(VarName),
    /// Sets and exports a list of paths that is not in the environment. If the host shell has a list that is not
    /// exported, it gets the entries.
    Extend {
        name: VarName,
        /// The value if the host shell has no such list.
        value: OsString,
        /// Entries for both ends, joined.
        front: OsString,
        back: OsString,
    },
    /// Saves and unsets the host shell's variables with these names. The environment does not show their attributes:
    /// not exported, array, integer.
    SaveVariables(Vec<VarName>),
    /// Restores the saved variables with these names.
    RestoreVariables(Vec<VarName>),
    /// Drops the saved variables with these names, because the user has given them other values.
    DiscardSaved(Vec<VarName>),
    /// Restores all saved variables, because nothing is loaded any more.
    RestoreAllVariables,
    /// Turns the leave scripts at the exit of the host shell on or off.
    LeaveOnExit(bool),
    /// Undoes `Aliases`.
    RestoreAliases,
    /// Runs the scripts in these files in the host shell itself and records what they change. The code defines the
    /// functions for that.
    Source(Vec<u8>, Vec<PathBuf>),
    /// Undoes the changes of the last `Source`.
    Unsource,
    /// Defines aliases and saves those that they hide.
    Aliases(Vec<(AliasName, String)>),
    /// Stores in an unexported variable what this shell, and not its parent, has loaded.
    SetLoaded(String),
    /// Stores entries of former dev shells that are no longer on `PATH`, joined.
    SetFormerEntries(OsString),
    /// Stores how to undo values of former dev shells that may come back. Follows `Check`.
    SetFormerValues {
        /// The memory; empty for none.
        memory: OsString,
        /// The variables that the hook compares once, before the next command.
        compared: Vec<VarName>,
    },
    /// Makes the next prompts run the check with this name.
    Check {
        /// A digest of the code.
        name: String,
        /// The code; `None` if the host shell has defined it before.
        code: Option<Vec<u8>>,
    },
    /// Removes all checks from the host shell.
    RemoveChecks,
}

impl ShellStatement {
    const fn is_export(&self) -> bool {
        matches!(self, Self::Export(..))
    }

    const fn is_unset(&self) -> bool {
        matches!(self, Self::Unset(..))
    }
}

/// Conditions under which the loaded environment is still right. Builtins can test them.
///
/// The hook itself compares the name of the working directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Freshness {
    /// Pairs of paths that must lead to the same file: a path through symlinks, and a path without.
    pub same: Vec<(PathBuf, PathBuf)>,
    /// Files that must have the modification time of their stamp file.
    pub present: Vec<(PathBuf, PathBuf)>,
    /// Files and directories whose time must be in this second since 1970; `HostShell::batch_time` says which time.
    pub seconds: Vec<(PathBuf, i64)>,
    /// Paths that must exist.
    pub existing: Vec<PathBuf>,
    /// Files that must not exist.
    pub absent: Vec<PathBuf>,
    /// Groups of files that must not exist.
    pub absent_groups: Vec<AbsentGroup>,
    /// Variables that must not be exported.
    pub unexported: Vec<VarName>,
}

impl Freshness {
    /// Returns conditions that never hold, so devsh is asked at each prompt.
    pub fn never() -> Self {
        Self {
            absent: vec!["/".into()],
            ..Self::default()
        }
    }

    /// Returns the seconds of all files in the form that the shells print.
    fn all_seconds(&self) -> String {
        let all = self.seconds.iter().map(|(_, second)| second.to_string());
        all.collect::<Vec<_>>().join(" ")
    }
}

/// A time of a file in the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileTime {
    /// The ctime, which no program can set.
    Changed,
    /// The mtime.
    Modified,
}

/// Files that cannot have appeared while their directory keeps its modification time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsentGroup {
    pub directory: PathBuf,
    /// A file with the modification time of the directory.
    pub stamp: PathBuf,
    /// The files that must not exist.
    pub absent: Vec<PathBuf>,
}

impl HostShell {
    /// Returns which time, in whole seconds, one builtin call can print for many files, if the shell has such a builtin.
    pub const fn batch_time(self) -> Option<FileTime> {
        match self {
            Self::Bash => None,
            Self::Zsh => Some(FileTime::Changed),
            Self::Fish => Some(FileTime::Modified),
        }
    }

    /// Returns the statements as code for this shell, with the mark at the end that contains `nonce`.
    pub fn render(self, statements: &[ShellStatement], nonce: &str) -> Vec<u8> {
        let mut code = self.render_plain(statements);
        code.extend_from_slice(b"# devsh ");
        code.extend(nonce.bytes().filter(u8::is_ascii_alphanumeric));
        code.push(b'\n');
        code
    }

    /// Returns the statements as code for this shell.
    pub fn render_plain(self, statements: &[ShellStatement]) -> Vec<u8> {
        let mut code = Vec::new();
        match self {
            Self::Bash | Self::Zsh => bash_zsh::render(self, statements, &mut code),
            Self::Fish => fish::render(statements, &mut code),
        }
        if code.last().is_some_and(|last| *last != b'\n') {
            code.push(b'\n');
        }
        code
    }

    /// Returns the statements that make the next prompts check `freshness`.
    ///
    /// `known` has the names of the checks that the host shell has defined before. They are not sent again, because
    /// shells parse code slowly.
    pub fn check(self, freshness: &Freshness, known: &str) -> Vec<ShellStatement> {
        let mut code = Vec::new();
        match self {
            Self::Bash | Self::Zsh => bash_zsh::fresh(self, freshness, &mut code),
            Self::Fish => fish::fresh(freshness, &mut code),
        }
        let name = blake3::hash(&code).to_hex()[..12].to_owned();
        let mut known: Vec<&str> = known.split_ascii_whitespace().collect();
        let mut statements = Vec::new();
        if known.len() >= CHECKS {
            statements.push(ShellStatement::RemoveChecks);
            known.clear();
        }
        let code = Some(code).filter(|_| !known.contains(&name.as_str()));
        statements.push(ShellStatement::Check { name, code });
        statements
    }

    /// Returns `value` as one word of this shell.
    pub fn quote(self, value: &OsStr) -> Vec<u8> {
        let mut word = Vec::new();
        match self {
            Self::Bash | Self::Zsh => bash_zsh::quote(value, &mut word),
            Self::Fish => fish::quote(value, &mut word),
        }
        word
    }
}

#[cfg(test)]
mod tests;
