//! Values of former dev shells that another tool may set again. Pure.
//!
//! Direnv, mise and others set a variable when they enter a directory, and when they leave it they restore the value
//! that they have found. If the hook of devsh runs before theirs, that value is the one of the dev shell, which devsh
//! has left a moment ago. So devsh remembers how to undo a variable that another tool has changed since. The host shell
//! compares these variables once after each run of devsh, before the next command.

use std::ffi::{OsStr, OsString};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    env::{Env, EnvDiff, Fingerprint, VarName, diff::DiffEntry},
    shell::ShellStatement,
    util::{binary, vars},
};

use super::session_var::ShellSession;

/// Most variables in the memory.
const MOST: usize = 32;
/// Most bytes of the memory, which is an environment variable of one process.
const LONGEST: usize = 32 << 10;
/// Ends the names of changed variables before the memory.
const CHANGED: char = '!';

/// The memory of one host shell, the oldest variable first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormerValues {
    entries: Vec<(VarName, DiffEntry)>,
    /// True if the hook has passed a memory.
    had_any: bool,
    /// The variables that another tool has changed since devsh ran.
    changed: Vec<VarName>,
}

/// An environment without values of former dev shells.
#[derive(Debug)]
pub struct Undone {
    pub env: Env,
    /// The variables that were undone.
    pub names: Vec<VarName>,
}

impl FormerValues {
    /// Reads the memory that the hook passes. A damaged one is empty.
    pub fn from_env(env: &Env) -> Self {
        let text = env.get(vars::FORMER_VALUES).and_then(OsStr::to_str);
        let text = text.unwrap_or_default();
        let (changed, encoded) = text.split_once(CHANGED).unwrap_or(("", text));
        let bytes = URL_SAFE_NO_PAD.decode(encoded);
        let entries = bytes.ok().and_then(|bytes| binary::decode(&bytes).ok());
        Self {
            had_any: !text.is_empty(),
            entries: entries.unwrap_or_default(),
            changed: changed
                .split(' ')
                .filter_map(|name| name.parse().ok())
                .collect(),
        }
    }

    /// Returns the memory as the hook keeps it; empty for none.
    fn text(&self) -> OsString {
        if self.entries.is_empty() {
            return OsString::new();
        }
        URL_SAFE_NO_PAD.encode(binary::encode(&self.entries)).into()
    }

    /// Returns the variables in the memory.
    fn names(&self) -> Vec<VarName> {
        let mut names: Vec<_> = self.entries.iter().map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns the statement that stores the memory; nothing if there is none and was none.
    pub fn statement(&self) -> Option<ShellStatement> {
        (self.had_any || !self.entries.is_empty()).then(|| ShellStatement::SetFormerValues {
            memory: self.text(),
            // A tool that changes a variable at each prompt must not make devsh run at each prompt.
            compared: if self.changed.is_empty() {
                self.names()
            } else {
                Vec::new()
            },
        })
    }

    /// Undoes each variable that has the value of a former dev shell again, and forgets it.
    ///
    /// A value that was not set just after devsh ran is the user's.
    pub fn undo(&mut self, env: &Env) -> Option<Undone> {
        let (mut env, mut names) = (env.clone(), Vec::new());
        // The older value may be that of another dev shell.
        while let Some(at) = self.entries.iter().position(|(name, entry)| {
            self.changed.contains(name) && Fingerprint::of(env.get(name)) == entry.after()
        }) {
            let (name, entry) = self.entries.remove(at);
            env = EnvDiff([(name.clone(), entry)].into()).revert(&env).0;
            names.push(name);
        }
        if names.is_empty() {
            return None;
        }
        self.changed.clear();
        Some(Undone { env, names })
    }

    /// Adds the variables of a session that another tool or the user has changed. `env` still has the session.
    pub fn add(&mut self, session: &ShellSession, env: &Env) {
        for (name, entry) in session.diff.overwritten(env) {
            // Former entries of `PATH` have their own memory.
            let entry = (name.clone(), entry.clone());
            if name.as_str() != vars::PATH && !self.entries.contains(&entry) {
                self.entries.push(entry);
            }
        }
        while self.entries.len() > MOST || self.text().len() > LONGEST {
            self.entries.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(values: &[(&str, &str)]) -> Env {
        let owned = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
        values.iter().map(owned).collect()
    }

    fn session(base: &Env, loaded: &Env) -> ShellSession {
        ShellSession {
            project: None,
            record: [0; 16],
            pinned: false,
            quiet: false,
            is_complete: true,
            awaited: Vec::new(),
            diff: EnvDiff::between(base, loaded),
        }
    }

    fn passed(memory: &FormerValues, mark: &str, env: &Env) -> (FormerValues, Env) {
        let mut env = env.clone();
        let mut text = OsString::from(mark);
        text.push(memory.text());
        env.set(vars::FORMER_VALUES, text);
        let read = FormerValues::from_env(&env);
        env.unset(vars::FORMER_VALUES);
        (read, env)
    }

    #[test]
    fn a_value_that_another_tool_restores_is_undone_once() {
        let host = env(&[("OWN", "host"), ("MANPATH", "/man"), ("PATH", "/bin")]);
        let inside = env(&[
            ("OWN", "project"),
            ("NEW", "project"),
            ("MANPATH", "/p:/man"),
            ("SAME", "project"),
            ("PATH", "/p:/bin"),
        ]);
        let mut other = inside.clone();
        for name in ["OWN", "NEW", "MANPATH", "PATH"] {
            other.set(name, "other");
        }
        let mut memory = FormerValues::default();
        memory.add(&session(&host, &inside), &other);
        let names: Vec<_> = memory.names().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["MANPATH", "NEW", "OWN"]);
        // Not just after devsh ran: the user has set it.
        assert!(passed(&memory, "", &inside).0.undo(&inside).is_none());
        let (mut read, now) = passed(&memory, "OWN MANPATH NEW!", &inside);
        let undone = read.undo(&now).unwrap();
        assert_eq!(undone.env.get("OWN"), Some(OsStr::new("host")));
        assert_eq!(undone.env.get("NEW"), None);
        assert_eq!(undone.env.get("MANPATH"), Some(OsStr::new("/man")));
        assert_eq!(undone.env.get("SAME"), Some(OsStr::new("project")));
        assert_eq!(read.text(), "");
        let (mut read, now) = passed(&memory, "NEW!", &inside);
        let undone = read.undo(&now).unwrap();
        assert_eq!(undone.env.get("OWN"), Some(OsStr::new("project")));
        // Other values stay.
        assert!(passed(&memory, "OWN!", &other).0.undo(&other).is_none());
    }

    #[test]
    fn values_of_several_dev_shells_are_undone_together() {
        let (host, one) = (env(&[]), env(&[("A", "one")]));
        let two = env(&[("A", "two")]);
        let mut memory = FormerValues::default();
        let other = env(&[("A", "other")]);
        memory.add(&session(&host, &one), &other);
        memory.add(&session(&one, &two), &other);
        memory.add(&session(&one, &two), &other);
        assert_eq!(memory.entries.len(), 2);
        let undone = passed(&memory, " A!", &two).0.undo(&two).unwrap();
        assert_eq!(undone.env.get("A"), None);
    }

    #[test]
    fn the_memory_stays_small() {
        let mut memory = FormerValues::default();
        for number in 0..40 {
            let host = env(&[("A", &format!("{number}{}", "x".repeat(2000)))]);
            memory.add(&session(&host, &env(&[])), &env(&[("A", "mine")]));
        }
        assert!(memory.text().len() <= LONGEST, "{}", memory.text().len());
        assert!(!memory.entries.is_empty());
        let huge = env(&[("A", &"x".repeat(2 * LONGEST))]);
        memory.add(&session(&huge, &env(&[])), &env(&[("A", "mine")]));
        assert!(memory.entries.is_empty());
    }
}
