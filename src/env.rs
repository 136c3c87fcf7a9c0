//! Environments as values: an ordered map of OS strings, and what activation changes in one. Pure.
//!
//! `EnvPlan` is what a dev shell wants, whatever the host shell has. Applied to an environment it gives
//! the new environment and an `EnvDiff`, which reverts it exactly.
//!
//! Invariant: names that reach a shell are `VarName`s; values are bytes from end to end.

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
pub use plan::{Change, EnvPlan, Piece, Template};

/// An environment: names to values, in the order of the names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Env(BTreeMap<OsString, OsString>);

impl Env {
    /// Returns the value of `name`; an empty value is not an absent one.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.0.get(name.as_ref()).map(OsString::as_os_str)
    }

    /// Gives `name` a value.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// Removes `name`.
    pub fn unset(&mut self, name: impl AsRef<OsStr>) {
        self.0.remove(name.as_ref());
    }

    /// Returns every variable in the order of the names.
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
