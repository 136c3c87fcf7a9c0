//! Settings of other tools that a manifest can have.

use std::collections::BTreeMap;

use super::{AliasName, EnvValue, Located};
use crate::{env::VarName, package::Tool};

/// The settings of files of other tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportedSettings {
    /// Requirements of tools.
    pub tools: BTreeMap<Tool, Located<String>>,
    /// Requirements of Python packages.
    pub packages: Vec<Located<String>>,
    pub env: BTreeMap<VarName, EnvValue>,
    pub env_files: Vec<ImportedEnvFile>,
    pub aliases: BTreeMap<AliasName, String>,
    /// Shell code that runs when the dev shell is loaded.
    pub enter: Vec<Located<String>>,
    /// Lines that have no form in a manifest, with the reason.
    pub left: Vec<Located<String>>,
}

/// A file of variables.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImportedEnvFile {
    pub path: String,
    /// Whether it may be missing.
    pub optional: bool,
}

impl ImportedSettings {
    /// Returns whether nothing was taken over.
    pub fn is_empty(&self) -> bool {
        *self
            == Self {
                left: self.left.clone(),
                enter: self.enter.clone(),
                ..Self::default()
            }
    }

    /// Returns how many settings were taken over.
    pub fn len(&self) -> usize {
        self.tools.len()
            + self.packages.len()
            + self.env.len()
            + self.env_files.len()
            + self.aliases.len()
    }

    /// Adds the settings of another file; those that exist already win.
    pub fn add(&mut self, other: Self) {
        for (tool, requirement) in other.tools {
            self.tools.entry(tool).or_insert(requirement);
        }
        for (name, value) in other.env {
            match (self.env.get_mut(&name), value) {
                (
                    Some(EnvValue::Extend { prepend, append }),
                    EnvValue::Extend {
                        prepend: more,
                        append: end,
                    },
                ) => {
                    prepend.extend(more);
                    append.extend(end);
                }
                (Some(_), _) => {}
                (None, value) => {
                    self.env.insert(name, value);
                }
            }
        }
        for (name, command) in other.aliases {
            self.aliases.entry(name).or_insert(command);
        }
        self.packages.extend(other.packages);
        self.env_files.extend(other.env_files);
        self.enter.extend(other.enter);
        self.left.extend(other.left);
    }
}
