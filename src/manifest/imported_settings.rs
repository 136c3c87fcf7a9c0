//! Settings of other tools that a manifest can have.

use std::collections::BTreeMap;

use super::{AliasName, CondaRequest, EnvValue, Located, Origin, ShellName};
use crate::{env::VarName, package::Tool};

/// The settings of files of other tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportedSettings {
    /// Requirements of tools.
    pub tools: BTreeMap<Tool, Located<String>>,
    /// Requirements of Python packages.
    pub packages: Vec<Located<String>>,
    /// Packages of conda.
    pub conda: CondaRequest,
    /// The place that asks for the Python of conda.
    pub python_of_conda: Option<Origin>,
    pub env: BTreeMap<VarName, Located<EnvValue>>,
    pub env_files: Vec<ImportedEnvFile>,
    pub aliases: BTreeMap<AliasName, String>,
    /// Shell code that runs when the dev shell is loaded.
    pub enter: Vec<Located<String>>,
    /// Further dev shells.
    pub shells: BTreeMap<ShellName, Self>,
    /// True if a further dev shell has nothing of `dev`.
    pub is_standalone: bool,
    /// Lines that have no form in a manifest, with the reason.
    pub left: Vec<Located<String>>,
}

/// A file of variables.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImportedEnvFile {
    pub path: String,
    /// True if it may be missing.
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
            + self.conda.packages.len()
            + self.env.len()
            + self.env_files.len()
            + self.aliases.len()
            + self.shells.len()
    }

    /// Adds the settings of another file; those that exist already win.
    pub fn add(&mut self, other: Self) {
        for (tool, requirement) in other.tools {
            self.tools.entry(tool).or_insert(requirement);
        }
        for (name, value) in other.env {
            match (self.env.get_mut(&name), value) {
                (Some(own), more) => {
                    if let (
                        EnvValue::Extend { prepend, append },
                        EnvValue::Extend {
                            prepend: more,
                            append: end,
                        },
                    ) = (&mut own.value, more.value)
                    {
                        prepend.extend(more);
                        append.extend(end);
                    }
                }
                (None, value) => {
                    self.env.insert(name, value);
                }
            }
        }
        for (name, command) in other.aliases {
            self.aliases.entry(name).or_insert(command);
        }
        self.packages.extend(other.packages);
        for (name, shell) in other.shells {
            self.shells.entry(name).or_default().add(shell);
        }
        self.is_standalone |= other.is_standalone;
        let conda = other.conda;
        self.conda.channels.extend(conda.channels);
        self.conda.packages.extend(conda.packages);
        self.conda.glibc = self.conda.glibc.take().or(conda.glibc);
        self.conda.macos = self.conda.macos.take().or(conda.macos);
        self.python_of_conda = self.python_of_conda.take().or(other.python_of_conda);
        self.env_files.extend(other.env_files);
        self.enter.extend(other.enter);
        self.left.extend(other.left);
    }
}
