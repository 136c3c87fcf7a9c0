//! Names of programs and packages that a build brings and that the user has not approved.

use std::fmt;

/// The name under which the scripts of Python packages are listed.
pub const PACKAGES: &str = "Python packages";
/// The name under which the scripts of directories are listed that are installed as packages, as the project itself.
pub const LOCAL_PACKAGES: &str = "local packages";

/// A name that the user has not approved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NewName {
    /// A conda package that no requested one needs.
    CondaPackage(String),
    /// A program that an approved tool did not have before.
    Program { tool: String, program: String },
    /// A place of prebuilt programs that the lockfile gives for a crate.
    Place { tool: String, place: String },
    /// Another source of the catalogue than the tool had before.
    Source { tool: String, source: String },
    /// Another commit of a repository with a Python package: on GitHub it can be one of a fork.
    Commit { package: String, commit: String },
}

impl NewName {
    /// Returns whether it is a script of Python packages, which hides a program of the user.
    pub fn is_script(&self) -> bool {
        matches!(self, Self::Program { tool, .. } if [PACKAGES, LOCAL_PACKAGES].contains(&&**tool))
    }

    fn is_source(&self) -> bool {
        matches!(
            self,
            Self::Place { .. } | Self::Source { .. } | Self::Commit { .. }
        )
    }
}

impl fmt::Display for NewName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CondaPackage(name) => write!(formatter, "the conda package `{name}`"),
            Self::Program { tool, program } => write!(formatter, "`{program}` of `{tool}`"),
            Self::Place { tool, place } => write!(formatter, "`{place}` for `{tool}`"),
            Self::Source { tool, source } => write!(formatter, "`{source}` for `{tool}`"),
            Self::Commit { package, commit } => write!(formatter, "`{commit}` for `{package}`"),
        }
    }
}

/// The kind of several names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    CondaPackages,
    Sources,
    /// Scripts of Python packages, each of which hides a program of the user.
    Scripts,
    Programs,
}

impl NameKind {
    pub fn of(names: &[NewName]) -> Self {
        let all = |is_kind: fn(&NewName) -> bool| names.iter().all(is_kind);
        if all(|one| matches!(one, NewName::CondaPackage(_))) {
            Self::CondaPackages
        } else if all(NewName::is_source) {
            Self::Sources
        } else if all(NewName::is_script) {
            Self::Scripts
        } else {
            Self::Programs
        }
    }

    /// Returns why devsh asks about the names, as the beginning of a list of them.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::CondaPackages => {
                "these packages are new, and nothing that you have approved asks for them:"
            }
            Self::Sources => "programs come from sources that you have not approved:",
            Self::Scripts => "programs of packages would come before your own of the same name:",
            Self::Programs => {
                "these names are new on PATH, where each can take the place of a command of yours:"
            }
        }
    }
}

impl fmt::Display for NameKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::CondaPackages => "packages",
            Self::Sources => "sources of programs",
            Self::Scripts | Self::Programs => "programs",
        })
    }
}
