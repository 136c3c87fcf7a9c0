//! What a dev shell wants of the environment, whatever the host shell has.

use std::{collections::BTreeMap, ffi::OsString};

use super::{Env, VarName, pathlist};

/// What happens to one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The variable gets this value.
    Set(OsString),
    /// The variable gets this value if the host shell has none.
    Default(OsString),
    /// The variable is removed.
    Unset,
    /// Entries are put before and after those of a list of paths.
    Extend {
        /// Entries for the front, the first one foremost.
        before: Vec<OsString>,
        /// Entries for the end.
        after: Vec<OsString>,
    },
}

/// A change for each variable a dev shell cares about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvPlan(pub BTreeMap<VarName, Change>);

impl EnvPlan {
    /// Returns `base` with the changes made.
    pub fn apply(&self, base: &Env) -> Env {
        let mut env = base.clone();
        for (name, change) in &self.0 {
            match change {
                Change::Set(value) => env.set(name.as_str(), value),
                Change::Default(value) => {
                    if base.get(name).is_none() {
                        env.set(name.as_str(), value);
                    }
                }
                Change::Unset => env.unset(name),
                Change::Extend { before, after } => {
                    let list = base.get(name).unwrap_or_default();
                    env.set(name.as_str(), pathlist::extend(list, before, after));
                }
            }
        }
        env
    }
}
