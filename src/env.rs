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
    cmp::Ordering,
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    sync::Arc,
};

pub use diff::{EnvDiff, Fingerprint};
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
///
/// Clones share the variables until one of them changes: a prompt makes several, mostly of hundreds of variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Env(Arc<BTreeMap<OsString, OsString>>);

/// A variable that two environments do not have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvDifference<'a> {
    pub name: &'a OsStr,
    pub before: Option<&'a OsStr>,
    pub after: Option<&'a OsStr>,
}

impl Env {
    /// Returns the value of `name`, which may be empty.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.0.get(name.as_ref()).map(OsString::as_os_str)
    }

    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        Arc::make_mut(&mut self.0).insert(name.into(), value.into());
    }

    pub fn unset(&mut self, name: impl AsRef<OsStr>) {
        if self.0.contains_key(name.as_ref()) {
            Arc::make_mut(&mut self.0).remove(name.as_ref());
        }
    }

    /// Returns all variables in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Returns the variables that differ in `after`, in the order of their names.
    pub fn differences<'a>(&'a self, after: &'a Self) -> impl Iterator<Item = EnvDifference<'a>> {
        let (mut olds, mut news) = (self.iter().peekable(), after.iter().peekable());
        std::iter::from_fn(move || {
            let order = match (olds.peek(), news.peek()) {
                (Some((old, _)), Some((new, _))) => old.cmp(new),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return None,
            };
            let old = if order.is_le() { olds.next() } else { None };
            let new = if order.is_ge() { news.next() } else { None };
            let (name, _) = old.or(new)?;
            let value = |one: Option<(_, &'a OsStr)>| one.map(|(_, value)| value);
            Some(EnvDifference {
                name,
                before: value(old),
                after: value(new),
            })
        })
        .filter(|difference| difference.before != difference.after)
    }
}

impl FromIterator<(OsString, OsString)> for Env {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(variables: I) -> Self {
        Self(Arc::new(variables.into_iter().collect()))
    }
}

impl IntoIterator for Env {
    type Item = (OsString, OsString);
    type IntoIter = std::collections::btree_map::IntoIter<OsString, OsString>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn env() -> impl Strategy<Value = Env> {
        prop::collection::btree_map("[A-D]", "[xy]?", 0..4).prop_map(|variables| {
            let own = |(name, value): (String, String)| (name.into(), value.into());
            variables.into_iter().map(own).collect()
        })
    }

    proptest! {
        #[test]
        fn applied_differences_give_the_other_environment(before in env(), after in env()) {
            let mut env = before.clone();
            for one in before.differences(&after) {
                prop_assert_eq!(one.before, before.get(one.name));
                prop_assert_ne!(one.before, one.after);
                match one.after {
                    Some(value) => env.set(one.name, value),
                    None => env.unset(one.name),
                }
            }
            prop_assert_eq!(env, after);
        }
    }
}
