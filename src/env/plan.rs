//! What a dev shell wants of the environment, whatever the host shell has.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use super::{Env, VarName, pathlist};

/// What happens to one variable; a value is plain bytes or a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<T = OsString> {
    /// The variable gets this value.
    Set(T),
    /// The variable gets this value if the host shell has none.
    Default(T),
    /// The variable is removed.
    Unset,
    /// Entries are put before and after those of a list of paths.
    Extend {
        /// Entries for the front, the first one foremost.
        before: Vec<T>,
        /// Entries for the end.
        after: Vec<T>,
    },
}

/// A value with what other variables hold in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template(pub Vec<Piece>);

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes as they are.
    Text(OsString),
    /// What a variable holds in the end; in its own value, what the host shell has.
    Variable {
        /// The variable.
        name: String,
        /// What stands for it when it is not set or empty.
        fallback: OsString,
    },
}

impl<T: Into<OsString>> From<T> for Template {
    fn from(text: T) -> Self {
        Self(vec![Piece::Text(text.into())])
    }
}

impl Template {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Variable { name, .. } => Some(name.as_str()),
        })
    }

    fn fill(&self, own: &VarName, base: &Env, env: &Env) -> OsString {
        let mut text = OsString::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push(plain),
                Piece::Variable { name, fallback } => {
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
}

/// A change for each variable a dev shell cares about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvPlan(pub BTreeMap<VarName, Change<Template>>);

impl EnvPlan {
    /// Returns `base` with the changes made, those first that others refer to.
    pub fn apply(&self, base: &Env) -> Env {
        let mut env = base.clone();
        let mut begun = BTreeSet::new();
        for (name, change) in &self.0 {
            self.make(name, change, base, (&mut env, &mut begun));
        }
        env
    }

    fn make<'a>(
        &'a self,
        name: &'a VarName,
        change: &'a Change<Template>,
        base: &Env,
        (env, begun): (&mut Env, &mut BTreeSet<&'a VarName>),
    ) {
        // The manifest has no circles; a record that was tampered with ends here all the same.
        if !begun.insert(name) {
            return;
        }
        for other in change.templates().flat_map(Template::names) {
            let known = self.0.iter().find(|(one, _)| one.as_str() == other);
            if let Some((other, change)) = known.filter(|(other, _)| *other != name) {
                self.make(other, change, base, (env, begun));
            }
        }
        match change {
            Change::Set(value) => env.set(name.as_str(), value.fill(name, base, env)),
            Change::Default(value) => {
                if base.get(name).is_none() {
                    env.set(name.as_str(), value.fill(name, base, env));
                }
            }
            Change::Unset => env.unset(name),
            Change::Extend { before, after } => {
                let fill = |entries: &[Template]| -> Vec<OsString> {
                    let filled = entries.iter().map(|entry| entry.fill(name, base, env));
                    filled.filter(|entry| is_absolute(entry)).collect()
                };
                let (before, after) = (fill(before), fill(after));
                let list = base.get(name).unwrap_or_default();
                env.set(name.as_str(), pathlist::extend(list, &before, &after));
            }
        }
    }
}

/// An entry that a variable left empty or relative would mean the working directory, wherever that is.
fn is_absolute(entry: &OsStr) -> bool {
    entry.as_bytes().first() == Some(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, fallback: &str) -> Piece {
        Piece::Variable {
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
        let text = |text: &str| Piece::Text(text.into());
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
}
