//! Environments as values, and the changes of an activation. Pure.
//!
//! An `EnvPlan` is independent of the host shell's environment. Applied to one it gives the new environment, and an
//! `EnvDiff` reverts that exactly.
//!
//! Invariant: names that reach a shell are `VarName`s, and values are bytes.

mod default_lists;
pub mod diff;
pub mod grant;
mod host_shell;
pub mod limits;
pub mod name;
pub mod order;
pub mod pathlist;
pub mod plan;

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
};

pub use diff::EnvDiff;
pub use host_shell::HostShell;
pub use name::VarName;
pub use plan::{Change, EnvPlan, PlanPiece, Template};

/// A variable with its new value; `None` unsets it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assignment {
    pub name: VarName,
    pub value: Option<OsString>,
}

/// An environment, ordered by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Env(BTreeMap<OsString, OsString>);

impl Env {
    /// Returns the value of `name`, which may be empty.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.0.get(name.as_ref()).map(OsString::as_os_str)
    }

    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    pub fn unset(&mut self, name: impl AsRef<OsStr>) {
        self.0.remove(name.as_ref());
    }

    /// Returns all variables in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

impl FromIterator<(OsString, OsString)> for Env {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl IntoIterator for Env {
    type Item = (OsString, OsString);
    type IntoIter = std::collections::btree_map::IntoIter<OsString, OsString>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
