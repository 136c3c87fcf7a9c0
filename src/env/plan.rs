//! The changes of the environment that a dev shell asks for.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use serde::{Deserialize, Serialize};

use super::{
    Env, VarName, default_lists::default_list, limits::VARIABLE, order::by_reference, pathlist,
};

/// The change of one variable. A value is bytes or a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change<T = OsString> {
    /// The variable gets this value.
    Set(T),
    /// The variable gets this value if the host shell has none.
    Default(T),
    /// The variable is removed.
    Unset,
    /// Entries are added to a list of paths.
    Extend {
        /// Entries for the front, the first one first.
        before: Vec<T>,
        /// Entries for the end.
        after: Vec<T>,
    },
}

/// A value with references to variables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template(pub Vec<PlanPiece>);

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlanPiece {
    Text(OsString),
    /// The new value of a variable; in the value of the same variable, its value in the host shell.
    Variable {
        name: String,
        /// The text for a variable that is unset or empty.
        fallback: OsString,
    },
}

impl<T: Into<OsString>> From<T> for Template {
    fn from(text: T) -> Self {
        Self(vec![PlanPiece::Text(text.into())])
    }
}

impl Template {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            PlanPiece::Text(_) => None,
            PlanPiece::Variable { name, .. } => Some(name.as_str()),
        })
    }

    fn fill(&self, own: &VarName, base: &Env, env: &Env) -> OsString {
        let mut text = OsString::new();
        for piece in &self.0 {
            // Longer values are dropped later, and values that double each other would fill the memory before that.
            if text.len() > VARIABLE {
                break;
            }
            match piece {
                PlanPiece::Text(plain) => text.push(plain),
                PlanPiece::Variable { name, fallback } => {
                    let holder = if name == own.as_str() { base } else { env };
                    let value = holder.get(name).filter(|value| !value.is_empty());
                    text.push(value.unwrap_or(fallback));
                }
            }
        }
        text
    }
}

impl From<Change> for Change<Template> {
    fn from(change: Change) -> Self {
        let all = |entries: Vec<OsString>| entries.into_iter().map(Template::from).collect();
        match change {
            Change::Set(value) => Self::Set(value.into()),
            Change::Default(value) => Self::Default(value.into()),
            Change::Unset => Self::Unset,
            Change::Extend { before, after } => Self::Extend {
                before: all(before),
                after: all(after),
            },
        }
    }
}

impl Change<Template> {
    fn templates(&self) -> impl Iterator<Item = &Template> {
        let (one, before, after): (_, &[Template], &[Template]) = match self {
            Self::Set(value) | Self::Default(value) => (Some(value), &[], &[]),
            Self::Unset => (None, &[], &[]),
            Self::Extend { before, after } => (None, before, after),
        };
        one.into_iter().chain(before).chain(after)
    }

    /// Returns the variables that the new value refers to.
    fn references(&self) -> Vec<&str> {
        self.templates().flat_map(Template::names).collect()
    }
}

/// A change for each variable of a dev shell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvPlan(pub BTreeMap<VarName, Change<Template>>);

impl EnvPlan {
    /// Returns `base` with the changes, made in the order of their references.
    pub fn apply(&self, base: &Env) -> Env {
        let entries: Vec<(&VarName, &Change<Template>)> = self.0.iter().collect();
        let mut env = base.clone();
        // A manifest has no cycles. In a record that was tampered with, a cycle is cut somewhere.
        for at in by_reference(&self.0, Change::references).order {
            let (name, change) = entries[at];
            change.make(name, base, &mut env);
        }
        env
    }
}

impl Change<Template> {
    fn make(&self, name: &VarName, base: &Env, env: &mut Env) {
        match self {
            Self::Set(value) => env.set(name.as_str(), value.fill(name, base, env)),
            Self::Default(value) => {
                if base.get(name).is_none() {
                    env.set(name.as_str(), value.fill(name, base, env));
                }
            }
            Self::Unset => env.unset(name),
            Self::Extend { before, after } => {
                let fill = |entries: &[Template]| -> Vec<OsString> {
                    let filled = entries.iter().map(|entry| entry.fill(name, base, env));
                    filled.filter(|entry| is_absolute(entry)).collect()
                };
                let (before, after) = (fill(before), fill(after));
                let list = base.get(name).unwrap_or_default();
                let default = default_list(name, base).filter(|_| list.is_empty());
                let added = !before.is_empty() || !after.is_empty();
                env.set(
                    name.as_str(),
                    match default {
                        Some(default) if added => {
                            pathlist::extend_default(&default, &before, &after)
                        }
                        _ => pathlist::extend(list, &before, &after),
                    },
                );
            }
        }
    }
}

/// An entry that became empty or relative through a variable would depend on the working directory.
fn is_absolute(entry: &OsStr) -> bool {
    entry.as_bytes().first() == Some(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, fallback: &str) -> PlanPiece {
        PlanPiece::Variable {
            name: name.to_owned(),
            fallback: fallback.into(),
        }
    }

    #[test]
    fn references_see_final_values_and_their_own_see_the_host_s() {
        let name = |name: &str| name.parse::<VarName>().unwrap();
        let base: Env = [("A", "host"), ("EMPTY", ""), ("LIST", "/x")]
            .map(|(name, value)| (name.into(), value.into()))
            .into_iter()
            .collect();
        let text = |text: &str| PlanPiece::Text(text.into());
        let plan = EnvPlan(BTreeMap::from([
            (
                name("A"),
                Change::Set(Template(vec![
                    variable("A", ""),
                    text("+"),
                    variable("Z", ""),
                ])),
            ),
            (
                name("B"),
                Change::Set(Template(vec![variable("A", ""), variable("EMPTY", "none")])),
            ),
            (
                name("C"),
                Change::Default(Template(vec![variable("LIST", "")])),
            ),
            (
                name("LIST"),
                Change::Extend {
                    before: vec![Template(vec![variable("Z", "")]), "/p".into()],
                    after: vec![Template(vec![variable("NOTHING", "")])],
                },
            ),
            (name("Z"), Change::Set("z".into())),
        ]));
        let env = plan.apply(&base);
        for (name, value) in [
            ("A", "host+z"),
            ("B", "host+znone"),
            ("C", "/p:/x"),
            ("LIST", "/p:/x"),
        ] {
            assert_eq!(env.get(name), Some(OsStr::new(value)), "{name}");
        }
    }

    #[test]
    fn long_chains_and_values_that_double_each_other_end() {
        let last = 50_000;
        let name = |at: usize| format!("A{at}");
        let twice = |at| (1..=2).map(|_| variable(&name(at), "")).collect();
        let links = (0..last).map(|at| (name(at), Template(twice(at + 1))));
        let plan: BTreeMap<VarName, Change<Template>> = links
            .chain([(name(last), "".into())])
            .map(|(name, value)| (name.parse().unwrap(), Change::Set(value)))
            .collect();
        let mut plan = EnvPlan(plan);
        let env = plan.apply(&Env::default());
        assert_eq!(env.get("A0"), Some(OsStr::new("")));
        plan.0.retain(|name, _| name.as_str().len() < 4);
        plan.0
            .insert("A99".parse().unwrap(), Change::Set("x".into()));
        let env = plan.apply(&Env::default());
        assert!(env.get("A98").is_some_and(|value| value == "xx"));
        let longest = env.iter().map(|(_, value)| value.len()).max();
        assert!(longest.is_some_and(|longest| (VARIABLE..4 * VARIABLE).contains(&longest)));
    }
}
