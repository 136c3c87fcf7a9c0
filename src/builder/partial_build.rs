//! A dev shell as far as it can be built: the parts that are there, and the error of each other part.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{BuiltShell, Error};
use crate::{package::Tool, python::SelectionPart};

/// A part of a dev shell that can be missing while the rest is usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShellPart {
    Tool(Tool),
    /// The packages of the dev shell's Python.
    PythonPackages,
    /// The packages that only this group or extra of the project needs: they do not resolve, or are not installed.
    PackagesOf(SelectionPart),
    /// Python packages that have no wheel and were not built, by normalised name.
    UnbuiltPackages(BTreeSet<String>),
    /// The changes of a list of requirements since its packages were locked.
    ListChanges(String),
    /// The editable installs of the project's own directories.
    Project,
}

impl ShellPart {
    pub fn is_python(&self) -> bool {
        matches!(self, Self::Tool(tool) if tool.is_interpreter())
    }
}

impl fmt::Display for ShellPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool(tool) => write!(formatter, "`{tool}`"),
            Self::PythonPackages => formatter.write_str("Python packages"),
            Self::PackagesOf(part) => {
                let (kind, name) = part.kind_and_name();
                write!(formatter, "{kind} `{name}`")
            }
            // The error names them.
            Self::UnbuiltPackages(names) => match names.len() {
                1 => formatter.write_str("a Python package"),
                count => write!(formatter, "{count} Python packages"),
            },
            Self::ListChanges(file) => write!(formatter, "changes of `{file}`"),
            Self::Project => formatter.write_str("the project itself"),
        }
    }
}

/// A part that could not be built.
#[derive(Debug)]
pub struct UnbuiltPart {
    pub part: ShellPart,
    pub error: Error,
}

/// A dev shell as far as it could be built.
#[derive(Debug)]
pub struct PartialBuild {
    pub built_shell: BuiltShell,
    pub unbuilt: UnbuiltParts,
}

/// The parts that could not be built, those that others depend on first.
#[derive(Debug, Default)]
pub struct UnbuiltParts {
    pub parts: Vec<UnbuiltPart>,
    /// One error for all missing artifacts, if being offline is the only problem of the tools.
    pub offline: Option<Error>,
}

impl UnbuiltParts {
    /// Returns the conda packages that are not approved, with their programs.
    pub fn unapproved_conda(&self) -> Option<&BTreeMap<String, BTreeSet<String>>> {
        self.parts.iter().find_map(|one| match &one.error {
            Error::CondaUnapproved { packages } => Some(packages),
            _ => None,
        })
    }

    /// Fails if any part is missing.
    pub fn complete(self) -> Result<(), Error> {
        let first = self.parts.into_iter().next().map(|one| one.error);
        self.offline.or(first).map_or(Ok(()), Err)
    }
}

impl PartialBuild {
    /// Returns the dev shell if no part is missing.
    pub fn complete(self) -> Result<BuiltShell, Error> {
        self.unbuilt.complete()?;
        Ok(self.built_shell)
    }
}
