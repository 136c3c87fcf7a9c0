//! The manifest: the tools, variables, aliases and hooks of each dev shell of a project, with their places.
//!
//! `document` is the text as a tree of values. `schema` defines the grammar, `reader` reads a file by it into a
//! `layer`, and `merge` combines layers into dev shells. `provenance` keeps the statements that lost. `presets` has
//! the built-in layers, and `version_files` reads the versions that files of other tools name. Pure.

mod bounds;
mod cache;
mod check;
mod composition_error;
mod conda;
mod cost;
mod document;
pub mod dotenv;
mod edit;
mod error;
mod extend_source;
mod form;
mod image;
mod image_values;
mod imported_settings;
pub mod imports;
mod init_template;
mod json;
mod layer;
mod merge;
mod overlay;
mod plain_names;
mod preset_files;
pub mod presets;
mod provenance;
mod pyproject_deps;
mod python;
mod reader;
mod rebase;
mod scalars;
mod schema;
mod source_scripts;
pub mod template;
mod tool;
mod variable;
mod version_files;
mod yaml;

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

pub use bounds::{decisive, whole};
pub use cache::CacheRequest;
pub use check::needed_host_variables;
pub use composition_error::{CompositionError, Grant};
pub use conda::{CondaRequest, PlacedRequirement};
pub(crate) use document::{Node, NodeEntry, Value};
pub use document::{Text, VALUES, count_values, decode_utf16, parse_table};
pub use edit::{EditError, add, remove};
pub use error::{Error, ErrorKind, ExpectedKind, ValueKind};
pub use extend_source::{ExtendSource, GitSource};
pub use image::{CopyRule, DEFAULT_BASE, ImageRequest, SCRATCH};
pub use imported_settings::{ImportedEnvFile, ImportedSettings};
pub use init_template::init_template;
pub(crate) use json::parse as json;
pub use layer::{EnvEntry, EnvFile, Layer, ShellSection, Tables, ToolEntry};
pub use merge::{merge, merge_with, statements};
pub use plain_names::find_plain_names;
pub use provenance::{Claim, Statement, Subject};
pub(crate) use pyproject_deps::is_dynamic;
pub use pyproject_deps::{Needs, needs, setup_name};
pub use python::{PYTHON_LOCKS, PythonLockFormat, PythonRequest, group_lists};
pub use reader::{parse, parse_bytes};
pub use scalars::unknown_tool;
pub use schema::schema;
pub use source_scripts::{EFFECT as SOURCE_EFFECT, SourceScripts};

use crate::{
    env::VarName,
    package::{
        Invalid, PackageName, ReleaseOptions, Requirement, Tool, Version,
        catalogue::CatalogueEntry, compatible,
    },
};

/// The file that makes a directory a prepared project.
pub const MANIFEST: &str = "devshell.toml";

/// The place of a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file, relative to the project's root if it is inside; `preset python` for a preset.
    pub file: Arc<str>,
    /// True if it is in a preset. The name does not say it: a project may have a file `preset python`.
    pub is_preset: bool,
    /// The line, from 1; 0 if only the file is known.
    pub line: u32,
}

impl Origin {
    /// Returns the place for a listing. A preset is no file that the user can open, so its line means nothing.
    pub fn listed(&self) -> String {
        if self.is_preset {
            self.file.to_string()
        } else {
            self.to_string()
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => formatter.write_str(&self.file),
            line => write!(formatter, "{}:{line}", self.file),
        }
    }
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub origin: Origin,
}

impl<T> Located<T> {
    /// Returns the changed value with the same place.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located {
            value: change(self.value),
            origin: self.origin,
        }
    }
}

/// The dev shells of a project, merged from all layers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The dev shells by name; there is always a `dev`.
    pub shells: BTreeMap<ShellName, DevShell>,
    /// The container images; the one without a name is `[image]`.
    pub images: BTreeMap<Option<PackageName>, ImageRequest>,
    pub caches: Vec<CacheRequest>,
}

/// One named environment of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DevShell {
    /// The tools by name.
    pub tools: BTreeMap<Tool, ToolRequest>,
    /// The Python packages wanted.
    pub python: PythonRequest,
    /// The conda packages wanted.
    pub conda: CondaRequest,
    /// Changes of variables.
    pub env: BTreeMap<VarName, Located<EnvValue>>,
    /// Short commands of the host shell.
    pub aliases: BTreeMap<AliasName, Located<String>>,
    /// Scripts run on enter, in order.
    pub enter: Vec<Located<String>>,
    /// Scripts run on leave, in order.
    pub leave: Vec<Located<String>>,
    /// Scripts for the host shell.
    pub source_scripts: SourceScripts,
    /// Variables whose values other programs may run as code.
    pub grants: Vec<Located<VarName>>,
}

/// A tool and the request for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRequest {
    pub tool: Tool,
    pub request: ToolRequest,
}

impl NamedRequest {
    /// Copies an entry of the tools of a dev shell.
    pub fn of((tool, request): (&Tool, &ToolRequest)) -> Self {
        Self {
            tool: tool.clone(),
            request: request.clone(),
        }
    }

    /// Returns it in the form of an entry of the tools of a dev shell.
    pub const fn pair(&self) -> (&Tool, &ToolRequest) {
        (&self.tool, &self.request)
    }
}

/// The versions and parts of a tool that a dev shell needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolRequest {
    /// The version.
    pub requirement: Located<Requirement>,
    /// Bounds of other files that the version must also meet (`requires-python`).
    pub floors: Vec<Located<Requirement>>,
    /// Components beyond the default ones (`clippy`), sorted.
    pub components: Vec<String>,
    /// Further compilation targets, sorted; only for rust.
    pub targets: Vec<String>,
    /// Settings of the tool's releases.
    pub options: ReleaseOptions,
    /// True if only directories below the root ask for the tool. The rest of the project works without it.
    pub is_below_root: bool,
}

impl ToolRequest {
    /// Returns a request that the user made on the command line.
    pub fn new(requirement: Requirement) -> Self {
        Self {
            requirement: Located {
                value: requirement,
                origin: Origin {
                    file: "the command line".into(),
                    is_preset: false,
                    line: 0,
                },
            },
            floors: Vec::new(),
            components: Vec::new(),
            targets: Vec::new(),
            options: ReleaseOptions::default(),
            is_below_root: false,
        }
    }

    /// Returns the settings of the tool's releases: those of the manifest over those of the catalogue.
    pub fn release_options(&self, tool: &Tool) -> ReleaseOptions {
        match CatalogueEntry::of(tool) {
            Some(entry) => self
                .options
                .over(&ReleaseOptions::of_catalogue(&entry.release)),
            None => self.options.clone(),
        }
    }

    /// Returns all bounds on the version: the requirement, then the floors.
    pub fn constraints(&self) -> impl Iterator<Item = &Located<Requirement>> {
        std::iter::once(&self.requirement).chain(&self.floors)
    }

    /// Returns whether the requirement and all floors admit `version`.
    ///
    /// Only the requirement can ask for pre-releases. Floors are compared with the release that a version of a
    /// channel leads to, as cargo does it: nightly 1.97 builds a crate whose `rust-version` is 1.97.
    pub fn admits(&self, version: &Version) -> bool {
        let compared = match self.requirement.value.channel() {
            Some(_) => version.final_release(),
            None => version.clone(),
        };
        self.requirement.value.admits(version)
            && self
                .floors
                .iter()
                .all(|floor| floor.value.covers(&compared))
    }

    /// Returns whether no version can satisfy the requirement and all floors.
    pub fn is_contradictory(&self) -> bool {
        let all: Vec<&Requirement> = self.constraints().map(|one| &one.value).collect();
        !compatible(&all)
    }
}

/// The change of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    /// The variable gets this value.
    Set(String),
    /// The variable gets this value unless the host shell has one.
    Default(String),
    /// The host shell must have the variable; the text says how to get the value.
    Required(String),
    /// A list of paths gets more entries; relative ones are below the project's root.
    Extend {
        /// Entries before the present ones.
        prepend: Vec<String>,
        /// Entries after the present ones.
        append: Vec<String>,
    },
    /// The variable is removed.
    Unset,
}

impl fmt::Display for EnvValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(value) => formatter.write_str(value),
            Self::Default(value) => write!(formatter, "{value} (unless set)"),
            Self::Required(_) => formatter.write_str("must be set"),
            Self::Extend { prepend, append } => {
                let text = format!("{}:…:{}", prepend.join(":"), append.join(":"));
                formatter.write_str(text.trim_matches(':'))
            }
            Self::Unset => formatter.write_str("removed"),
        }
    }
}

/// The name of a dev shell: lower-case letters, digits, `-` and `_`; a combination has `,` between the names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShellName(String);

impl ShellName {
    /// Returns the name of the dev shell that activation loads, `dev`.
    pub fn dev() -> Self {
        Self("dev".to_owned())
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the single names, the lowest first.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split(',')
    }

    /// Returns whether this is one name, not a combination.
    pub fn is_single(&self) -> bool {
        !self.0.contains(',')
    }
}

impl FromStr for ShellName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let valid = |name: &str| {
            (1..=64).contains(&name.len())
                && name.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
                })
                && name.as_bytes()[0].is_ascii_alphanumeric()
        };
        // A name becomes the name of a file.
        if text.len() <= 128 && text.split(',').all(valid) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(
                "a dev shell's name (lower-case letters, digits, `-` and `_`)",
                text,
            ))
        }
    }
}

impl fmt::Display for ShellName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The name of an alias: letters, digits, `-`, `_` and `.`, beginning with a letter or `_`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct AliasName(String);

impl AliasName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The words of the grammars of bash, zsh and fish. An alias of such a name would change all code that a shell reads.
const RESERVED: [&str; 22] = [
    "begin",
    "case",
    "coproc",
    "do",
    "done",
    "elif",
    "else",
    "end",
    "esac",
    "fi",
    "for",
    "foreach",
    "function",
    "if",
    "in",
    "nocorrect",
    "repeat",
    "select",
    "then",
    "time",
    "until",
    "while",
];

impl FromStr for AliasName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let valid = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            && (text.as_bytes()[0].is_ascii_alphabetic() || text.as_bytes()[0] == b'_')
            && !text.starts_with("__devsh")
            && !RESERVED.contains(&text)
            // fish calls functions with these names by itself.
            && !["fish_", "__fish"].iter().any(|own| text.starts_with(own));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(
                "an alias name (letters, digits, `-`, `_` and `.`, no word of a shell's grammar, and none that fish calls)",
                text,
            ))
        }
    }
}

impl TryFrom<String> for AliasName {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<AliasName> for String {
    fn from(name: AliasName) -> Self {
        name.0
    }
}

impl fmt::Display for AliasName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod merge_laws;
