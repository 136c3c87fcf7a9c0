//! The host shells: bash, zsh and fish, and how changes are written for each. Pure.
//!
//! Invariant: only checked names are printed, every value is quoted, and the text ends with the mark
//! that the hook waits for, so a cut text is never evaluated.

pub mod export_formats;
mod fish;
pub mod hook;
mod posix;

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

pub use crate::env::HostShell;
use crate::{env::VarName, manifest::AliasName};

/// How many checks a host shell keeps.
const CHECKS: usize = 32;

/// One change of a host shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// Sets and exports a variable.
    Export(VarName, OsString),
    /// Removes a variable.
    Unset(VarName),
    /// Puts the host shell's own variables of these names aside, with what the environment does not show of
    /// them: that they are not exported, arrays, integers.
    Hold(Vec<VarName>),
    /// Gives back what was put aside of these names.
    Release(Vec<VarName>),
    /// Forgets what was put aside of these names: the user has given them other values.
    Drop(Vec<VarName>),
    /// Gives back what is still put aside: nothing is loaded any more.
    Forget,
    /// Says whether scripts are to be run when the host shell exits.
    LeaveOnExit(bool),
    /// Takes back the aliases of the last `Alias` statements.
    RestoreAliases,
    /// Runs the scripts in these files in the host shell itself and remembers what they change; the code
    /// defines what does that.
    Source(Vec<u8>, Vec<PathBuf>),
    /// Undoes what the scripts of the last `Source` changed.
    Unsource,
    /// Defines an alias and remembers what it hides.
    Alias(AliasName, String),
    /// Remembers, unexported, what this very shell has loaded.
    Loaded(String),
    /// Has the next prompts make the check of this name, which is defined where the host shell does not have it.
    Check {
        /// Its name, which tells its content.
        name: String,
        /// Its code, unless the host shell has it.
        code: Option<Vec<u8>>,
    },
    /// Has the host shell forget the checks that it has.
    ForgetChecks,
}

impl Statement {
    const fn is_export(&self) -> bool {
        matches!(self, Self::Export(..))
    }

    const fn is_unset(&self) -> bool {
        matches!(self, Self::Unset(..))
    }
}

/// What must hold for the loaded environment to be still right, testable by builtins alone.
///
/// The name of the working directory is compared by the hook itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Freshness {
    /// Names that must lead to the same file or directory as the others, which no link does.
    pub same: Vec<(PathBuf, PathBuf)>,
    /// Files that must be there with the modification time of their stamp file.
    pub present: Vec<(PathBuf, PathBuf)>,
    /// Files and directories of which the time that the shell tells must be in this second, in seconds since 1970.
    pub seconds: Vec<(PathBuf, i64)>,
    /// What must be there, whatever its time.
    pub there: Vec<PathBuf>,
    /// Files that must not be there.
    pub absent: Vec<PathBuf>,
    /// More of them, many to a directory.
    pub sheltered: Vec<Shelter>,
    /// Variables that must not be exported.
    pub unexported: Vec<VarName>,
}

impl Freshness {
    /// Returns the seconds of all files, as the shells tell them.
    fn all_seconds(&self) -> String {
        let all = self.seconds.iter().map(|(_, second)| second.to_string());
        all.collect::<Vec<_>>().join(" ")
    }
}

/// A time that the file system keeps of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileTime {
    /// When the file or what is known of it was changed; no program can set it.
    Changed,
    /// When its content was.
    Modified,
}

/// Files that cannot have appeared while their directory has the modification time of a stamp file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelter {
    /// The directory.
    pub directory: PathBuf,
    /// The stamp file.
    pub stamp: PathBuf,
    /// The files that must not be there.
    pub absent: Vec<PathBuf>,
}

impl HostShell {
    /// Returns which time of many files a builtin tells at once, in whole seconds; nothing where there is none.
    pub const fn tells(self) -> Option<FileTime> {
        match self {
            Self::Bash => None,
            Self::Zsh => Some(FileTime::Changed),
            Self::Fish => Some(FileTime::Modified),
        }
    }

    /// Returns the changes as code for this shell, closed by the mark with `nonce`.
    pub fn render(self, statements: &[Statement], nonce: &str) -> Vec<u8> {
        let mut code = self.render_plain(statements);
        code.extend_from_slice(b"# devsh ");
        code.extend(nonce.bytes().filter(u8::is_ascii_alphanumeric));
        code.push(b'\n');
        code
    }

    /// Returns the changes as code for this shell.
    pub fn render_plain(self, statements: &[Statement]) -> Vec<u8> {
        let mut code = Vec::new();
        match self {
            Self::Bash | Self::Zsh => posix::render(self, statements, &mut code),
            Self::Fish => fish::render(statements, &mut code),
        }
        if code.last().is_some_and(|last| *last != b'\n') {
            code.push(b'\n');
        }
        code
    }

    /// Returns the statements that have the next prompts check `freshness`, in a host shell that has the checks
    /// of the names `known`.
    ///
    /// Shells read code slowly: who comes back to a place where nothing has changed is not told it again.
    pub fn check(self, freshness: &Freshness, known: &str) -> Vec<Statement> {
        let mut code = Vec::new();
        match self {
            Self::Bash | Self::Zsh => posix::fresh(self, freshness, &mut code),
            Self::Fish => fish::fresh(freshness, &mut code),
        }
        let name = blake3::hash(&code).to_hex()[..12].to_owned();
        let mut known: Vec<&str> = known.split_ascii_whitespace().collect();
        let mut statements = Vec::new();
        if known.len() >= CHECKS {
            statements.push(Statement::ForgetChecks);
            known.clear();
        }
        let code = Some(code).filter(|_| !known.contains(&name.as_str()));
        statements.push(Statement::Check { name, code });
        statements
    }

    /// Returns `value` as one word of this shell.
    pub fn quote(self, value: &OsStr) -> Vec<u8> {
        let mut word = Vec::new();
        match self {
            Self::Bash | Self::Zsh => posix::quote(value, &mut word),
            Self::Fish => fish::quote(value, &mut word),
        }
        word
    }
}

#[cfg(test)]
mod tests;
