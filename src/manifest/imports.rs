//! Settings in the files of other tools that `devsh init` takes over into a manifest. Pure.
//!
//! A line that has no form in a manifest is kept with its place, so nothing is lost silently.

mod conda;
mod conda_lock;
mod devbox;
mod environment;
mod envrc;
mod mise;
mod pipfile_scripts;
mod pixi;

use std::collections::BTreeMap;

use super::{
    AliasName, EnvValue, Error, Located, Origin, Text,
    document::{Node, Value},
    imported_settings::{ImportedEnvFile, ImportedSettings},
    init_template::init_template,
    merge::merge,
    presets::Documents,
    reader,
};
use crate::{
    env::VarName,
    package::{Requirement, Tool},
};
use conda::CondaDependency;

/// The files with settings that `devsh init` takes over, best first.
pub const IMPORTED_FILES: [&str; 16] = [
    "mise.toml",
    ".mise.toml",
    "mise/config.toml",
    ".mise/config.toml",
    ".config/mise.toml",
    ".config/mise/config.toml",
    "devbox.json",
    PIPFILE,
    "pixi.toml",
    "pyproject.toml",
    "conda-lock.yml",
    "conda-lock.yaml",
    "environment.yml",
    "environment.yaml",
    "conda.yaml",
    ENVRC,
];
/// The file of direnv, which stays active until the user decides otherwise.
pub const ENVRC: &str = ".envrc";

/// The file of pipenv.
const PIPFILE: &str = "Pipfile";

/// The table of pixi in a `pyproject.toml`.
pub(super) const PIXI: &str = "tool.pixi";

/// Reads a file of another tool; `read` returns other files of the project by their path from its root.
pub fn import(text: &Text, read: &dyn Fn(&str) -> Option<Text>) -> ImportedSettings {
    let mut importer = Importer::new(text);
    let name = text.file().clone();
    let end = name.rsplit('/').next().unwrap_or(&name);
    if end.starts_with(ENVRC) {
        match text.check_conflict() {
            Ok(()) => envrc::read(&mut importer, read),
            Err(error) => importer.settings.left.push(error.note()),
        }
    } else {
        let documents = Documents::default();
        let root = documents.parse(text);
        match end {
            "devbox.json" => devbox::read(&mut importer, &root),
            PIPFILE => pipfile_scripts::read(&mut importer, &root),
            "pixi.toml" => pixi::read(&mut importer, &root),
            "pyproject.toml" => {
                for table in root.select(PIXI) {
                    pixi::read(&mut importer, table);
                }
            }
            "conda-lock.yml" | "conda-lock.yaml" => conda_lock::read(&mut importer, &root),
            "environment.yml" | "environment.yaml" | "conda.yaml" => {
                environment::read(&mut importer, &root);
            }
            _ => mise::read(&mut importer, &root),
        }
        importer.finish_conda();
        let unread = documents.unread();
        importer
            .settings
            .left
            .extend(unread.iter().map(Error::note));
    }
    importer.settings
}

/// Collects the settings of one file.
struct Importer<'t> {
    text: &'t Text,
    settings: ImportedSettings,
    dependencies: Vec<CondaDependency>,
}

impl<'t> Importer<'t> {
    fn new(text: &'t Text) -> Self {
        Self {
            text,
            settings: ImportedSettings::default(),
            dependencies: Vec::new(),
        }
    }

    fn leave(&mut self, origin: Origin, reason: impl Into<String>) {
        let value = reason.into();
        self.settings.left.push(Located { value, origin });
    }

    fn leave_node(&mut self, node: &Node<'_>, reason: impl Into<String>) {
        self.leave(self.text.origin(node.span.start), reason);
    }

    /// Adds a tool, if devsh has one of this name.
    fn tool(&mut self, origin: Origin, name: &str, version: &str) {
        let Ok(tool) = name.parse::<Tool>() else {
            self.leave(
                origin,
                format!("devsh has no tool `{name}`: look with `devsh search {name}`"),
            );
            return;
        };
        let version = match version.trim() {
            "" | "latest" => "*",
            version => version,
        };
        if version.parse::<Requirement>().is_err() {
            self.leave(origin, format!("`{version}` is not a version of `{tool}`"));
            return;
        }
        let value = version.to_owned();
        let located = Located { value, origin };
        self.settings.tools.entry(tool).or_insert(located);
    }

    /// Adds a variable, if a manifest can have it.
    fn variable(&mut self, origin: Origin, name: &str, value: EnvValue) {
        let checked: Result<VarName, _> = name.parse();
        let Ok(variable) = checked else {
            self.leave(origin, format!("`{name}` is not the name of a variable"));
            return;
        };
        let alone = ImportedSettings {
            env: BTreeMap::from([(
                variable,
                Located {
                    value,
                    origin: origin.clone(),
                },
            )]),
            ..ImportedSettings::default()
        };
        let text = init_template(&[], &alone);
        let read = reader::parse(super::MANIFEST, &text).and_then(|layer| merge(&[layer]));
        if let Err(error) = read {
            self.leave(origin, error.to_string());
            return;
        }
        self.settings.add(alone);
    }

    /// Adds entries to the front of a list such as `PATH`.
    fn prepend(&mut self, origin: Origin, name: &str, entries: Vec<String>) {
        let append = Vec::new();
        let value = EnvValue::Extend {
            prepend: entries,
            append,
        };
        self.variable(origin, name, value);
    }

    /// Adds a file of variables, if it is in the project.
    fn env_file(&mut self, origin: Origin, path: &str, optional: bool) {
        let path = path.strip_prefix("./").unwrap_or(path);
        if path.starts_with(['/', '~', '$']) || path.split('/').any(|part| part == "..") {
            self.leave(origin, format!("`{path}` is outside of the project"));
            return;
        }
        self.settings.env_files.push(ImportedEnvFile {
            path: path.to_owned(),
            optional,
        });
    }

    /// Adds an alias, if it is one command.
    fn alias(&mut self, origin: Origin, name: &str, command: &str) {
        match name.parse::<AliasName>() {
            Ok(alias) if !command.contains('\n') && !command.trim().is_empty() => {
                self.settings
                    .aliases
                    .entry(alias)
                    .or_insert(command.trim().to_owned());
            }
            Ok(_) => self.leave(
                origin,
                format!("the task `{name}` has several lines: write a script for it"),
            ),
            Err(_) => self.leave(origin, format!("`{name}` cannot be the name of an alias")),
        }
    }
}

/// Returns a text, a number or a truth value as text.
fn word(text: &Text, node: &Node<'_>) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.to_string()),
        Value::Boolean(value) => Some(value.to_string()),
        Value::Integer(_) | Value::Other(_) => {
            text.as_str().get(node.span.clone()).map(str::to_owned)
        }
        Value::List(_) | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests;
