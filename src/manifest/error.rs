//! Errors in a manifest or another file of a project, with their places.

use std::{fmt, ops::Range, sync::Arc};

use super::{CompositionError, Located, Origin};
use crate::{
    package::{Invalid, Source},
    util::{
        terminal_text::{SafeText, shorten},
        word_lists::{in_backticks, join_with_and, join_with_or},
    },
};

/// An error in a file, with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", SafeText::from(shorten(&kind.to_string()).as_ref()))]
pub struct Error {
    /// The file, relative to the project's root; `preset python` for a preset.
    pub file: Arc<str>,
    /// The file's whole text.
    pub text: Arc<str>,
    /// The bytes of the text that are wrong.
    pub span: Range<usize>,
    /// The kind of error.
    pub kind: ErrorKind,
}

impl Error {
    /// Returns the error as a note on a file that is not used.
    pub(super) fn note(&self) -> Located<String> {
        Located {
            value: self.to_string(),
            origin: self.origin(),
        }
    }

    /// Returns whether the file cannot be read at all, for any tool.
    pub(super) const fn is_about_file(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Syntax { .. } | ErrorKind::Conflict | ErrorKind::TooManyValues { .. }
        )
    }

    /// Returns the error without any text of its file, which may have secrets.
    #[must_use]
    pub fn concealed(self) -> Self {
        let line = usize::try_from(self.origin().line).unwrap_or(usize::MAX);
        // A blank in the line of the error gives it a place.
        let text = format!("{} ", "\n".repeat(line.saturating_sub(1)));
        let kind = match self.kind {
            kind @ (ErrorKind::NotText
            | ErrorKind::Conflict
            | ErrorKind::TooManyValues { .. }
            | ErrorKind::UnknownKey { .. }
            | ErrorKind::WrongType { .. }
            | ErrorKind::Composition(_)
            | ErrorKind::Concealed(_)) => kind,
            ErrorKind::Syntax { format, .. } => ErrorKind::Concealed(format!("not valid {format}")),
            _ => ErrorKind::Concealed("this line cannot be used".to_owned()),
        };
        Self {
            file: self.file,
            span: text.len() - 1..text.len(),
            text: text.into(),
            kind,
        }
    }

    /// Returns the file and line.
    pub fn origin(&self) -> Origin {
        let before = self.text.as_bytes().get(..self.span.start);
        let lines = before.map_or(1, |before| before.split(|byte| *byte == b'\n').count());
        Origin {
            file: self.file.clone(),
            is_preset: false,
            line: u32::try_from(lines).unwrap_or(u32::MAX),
        }
    }
}

/// A kind of error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// The text does not follow the grammar of its format.
    #[error("not valid {format}: {message}")]
    Syntax {
        /// `TOML` or `YAML`.
        format: &'static str,
        /// The parser's message, one line.
        message: String,
    },
    /// The file has the marks of a merge that was not finished.
    #[error("has conflict markers of Git: finish the merge first")]
    Conflict,
    /// An error in a file whose text must not be shown.
    #[error("{0}; its text is not shown, because it may hold a secret")]
    Concealed(String),
    /// The file has bytes that are not text.
    #[error("not UTF-8 text")]
    NotText,
    /// More values than any such file needs.
    #[error("it has more than {limit} values")]
    TooManyValues { limit: usize },
    /// A key that the table cannot have.
    #[error("unknown key `{key}` in {}", shown_table(table))]
    UnknownKey {
        /// The key as found.
        key: String,
        /// The table of the key as a header names it (`tools.rust`); empty for the top level.
        table: String,
        /// The nearest known key.
        suggestion: Option<&'static str>,
    },
    /// A value of another type than its key takes.
    #[error("`{key}` must be {expected}, not {found}")]
    WrongType {
        /// The key.
        key: String,
        /// The type that it takes.
        expected: ExpectedKind,
        /// The type of the value.
        found: ValueKind,
    },
    /// A number, boolean or date in place of a string.
    #[error("`{key}` must be a string: `{found}` needs quotes")]
    Unquoted {
        /// The key.
        key: String,
        /// The value as written.
        found: String,
    },
    /// A text that its type refuses.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Layers that contradict each other, or wrong references.
    #[error(transparent)]
    Composition(#[from] CompositionError),
    /// A short name that devsh does not know.
    #[error("`{name}` is not a known tool")]
    UnknownTool {
        /// The name as found.
        name: String,
        /// The nearest short name.
        suggestion: Option<&'static str>,
        /// The package of the Python index with this name (`pypi:mypy`), if the name is valid there.
        pypi: Option<String>,
    },
    /// One tool under two spellings.
    #[error("tool `{tool}` is already named on line {line}")]
    DuplicateTool {
        /// The tool in its shortest spelling.
        tool: String,
        /// The line that names it first.
        line: u32,
    },
    /// A key that only the Rust toolchain has.
    #[error("`{key}` is only for `rust`, not for `{tool}`")]
    OnlyRust {
        /// `components` or `targets`.
        key: &'static str,
        /// The tool that has it.
        tool: String,
    },
    /// A key for tools of other sources.
    #[error("`{key}` is not for `{tool}`, only for tools of {}", quoted(sources))]
    OnlySources {
        key: String,
        tool: String,
        sources: &'static [Source],
    },
    /// A key that only python has.
    #[error("`variant` is only for `python`, not for `{tool}`")]
    OnlyPython {
        /// The tool that has it.
        tool: String,
    },
    /// A table without a key that it needs.
    #[error("`{key}` is missing in {}", shown_table(table))]
    MissingKey {
        key: &'static str,
        /// The table as a header names it.
        table: String,
    },
    /// A table without a key where one is needed.
    #[error("`{key}` needs {}", shown_keys(keys))]
    EmptyTable {
        /// The key of the table.
        key: String,
        /// The keys that the table can have.
        keys: Vec<&'static str>,
    },
    /// A key next to others that it does not go with.
    #[error("`{key}` cannot be combined with `{other}`")]
    NotAlone {
        /// The key that must be the only one.
        key: String,
        /// Another key of the table.
        other: String,
    },
    /// `unset = false`.
    #[error("`unset` can only be `true`")]
    UnsetFalse,
    /// An invalid entry of a list of paths.
    #[error("`{entry}` cannot be an entry of a list of paths")]
    PathEntry {
        /// The entry; it is empty or has a `:`.
        entry: String,
    },
    /// A NUL character, which variables, arguments and scripts cannot have.
    #[error("`{key}` has a NUL character")]
    Nul {
        /// The key.
        key: String,
    },
    /// `inherits` names a dev shell that does not exist.
    #[error("there is no dev shell `{name}`")]
    UnknownShell {
        /// The name as found.
        name: String,
        /// The nearest name that exists.
        suggestion: Option<String>,
    },
    /// Dev shells that inherit from each other in a cycle.
    #[error("dev shells inherit in a cycle: {}", cycle.join(" → "))]
    InheritCycle {
        /// The names of the cycle; the first and the last are the same.
        cycle: Vec<String>,
    },
    /// A chain of `inherits` that is too long.
    #[error("dev shells inherit more than {limit} levels deep")]
    InheritDepth {
        /// The deepest accepted chain.
        limit: usize,
    },
    /// A toolchain file that names a target triple of the machine.
    #[error("channel `{channel}` names a host triple")]
    HostTriple {
        /// The channel as found.
        channel: String,
    },
    /// A toolchain file that names a directory of one machine.
    #[error("`path` in a toolchain file is not supported: only channels can be locked")]
    ToolchainPath,
    /// A toolchain file without content.
    #[error("a toolchain file needs `channel`, `components`, `targets` or `profile`")]
    EmptyToolchain,
    /// Packages in a project that has a lockfile.
    #[error("`packages` are for a project without a lockfile, and line {line} names `{lock}`")]
    PackagesBesideLock {
        /// The lockfile.
        lock: String,
        /// The line that names it.
        line: u32,
    },
    /// A Python lockfile that is invalid or that devsh cannot install.
    #[error("{0}")]
    PythonLock(String),
    /// A kind of `CPython` build that devsh does not have.
    #[error("`{found}` asks for a {variant} build of Python, which devsh does not support yet")]
    PythonVariant {
        /// The request as found.
        found: String,
        /// `free-threaded` or `debug`.
        variant: &'static str,
    },
}

/// The type that a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedKind {
    /// A string.
    String,
    /// A boolean.
    Boolean,
    /// A list of strings.
    ListOfStrings,
    /// A table.
    Table,
    /// A number from 0 to 255.
    SmallNumber,
    /// The version of a tool, or a table.
    VersionOrTable,
}

impl fmt::Display for ExpectedKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::String => "a string",
            Self::Boolean => "`true` or `false`",
            Self::ListOfStrings => "a list of strings",
            Self::Table => "a table",
            Self::SmallNumber => "a small number",
            Self::VersionOrTable => "a version or a table",
        })
    }
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// A string.
    String,
    /// A boolean.
    Boolean,
    /// A list.
    List,
    /// A table.
    Table,
    /// A number or a date, with its article.
    Other(&'static str),
}

impl fmt::Display for ValueKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::String => "a string",
            Self::Boolean => "a boolean",
            Self::List => "a list",
            Self::Table => "a table",
            Self::Other(kind) => kind,
        })
    }
}

fn shown_table(path: &str) -> String {
    if path.is_empty() {
        "the top level".to_owned()
    } else {
        format!("`[{path}]`")
    }
}

fn shown_keys(keys: &[&str]) -> String {
    join_with_or(&in_backticks(keys))
}

/// Returns the names of sources in backticks.
fn quoted(sources: &[Source]) -> String {
    join_with_and(&in_backticks(sources))
}
