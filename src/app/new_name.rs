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

/// Returns the word for names of this kind.
pub fn kind_of_names(names: &[NewName]) -> &'static str {
    let is_package = |one: &NewName| matches!(one, NewName::CondaPackage(_));
    let is_source = |one: &NewName| {
        matches!(
            one,
            NewName::Place { .. } | NewName::Source { .. } | NewName::Commit { .. }
        )
    };
    if names.iter().all(is_package) {
        "packages"
    } else if names.iter().all(is_source) {
        "sources of programs"
    } else {
        "programs"
    }
}
