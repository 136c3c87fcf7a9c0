//! Errors of several layers together, and of values that refer to each other.

use std::fmt;

use super::{Located, Origin};

/// An error in the composition of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompositionError {
    /// Two layers differ and neither builds on the other.
    #[error("{subject} is {} at {} and {} at {}", quoted(&first.value), first.origin, quoted(&second.value), second.origin)]
    Conflict {
        /// The subject of the two statements.
        subject: String,
        /// One value.
        first: Box<Located<String>>,
        /// The other value.
        second: Box<Located<String>>,
    },
    /// An entry that one table adds and removes.
    #[error("`{entry}` is both added and removed")]
    AddedAndRemoved {
        /// The entry.
        entry: String,
    },
    /// A `${` without a reference.
    #[error("`{found}` in `{value}` is not a reference to a variable")]
    Reference {
        /// The words that are not a reference.
        found: String,
        /// The whole value.
        value: String,
    },
    /// Variables that need each other.
    #[error("variables refer to each other in a cycle: {}", shown_cycle(cycle))]
    VariableCycle {
        /// Each variable of the cycle with its place; the first and the last are the same.
        cycle: Vec<(String, Origin)>,
    },
    /// A variable that can make a program run what it holds, without a grant.
    #[error("`{name}` {effect}, so it needs a grant")]
    Ungranted {
        name: Grant,
        /// The effect of the variable (`is read by the dynamic loader`).
        effect: &'static str,
    },
    /// A variable that is too long for the kernel.
    #[error(
        "`{name}` is {length} bytes long with its name, more than the {limit} that a program can get"
    )]
    ValueTooLong {
        /// The variable.
        name: String,
        /// The length in bytes.
        length: usize,
        /// The longest accepted length.
        limit: usize,
    },
    /// Variables that are too long together.
    #[error(
        "the variables are {length} bytes long together, more than the {limit} that a dev shell may add"
    )]
    EnvironmentTooLarge {
        /// The length in bytes.
        length: usize,
        /// The longest accepted length.
        limit: usize,
    },
    /// A grant in a fetched file.
    #[error("a fetched file cannot grant `{name}`: only the project can")]
    FetchedGrant { name: Grant },
    /// `presets` in another file than the project's manifest.
    #[error("only the `devshell.toml` of the project can follow presets")]
    ForeignPresets,
    /// A path of this machine in a fetched file.
    #[error("a fetched file cannot refer to `{path}` on this machine")]
    FetchedPath {
        /// The path.
        path: String,
    },
    /// A missing env file.
    #[error("there is no env file `{path}`")]
    EnvFileMissing {
        /// The file.
        path: String,
    },
    /// An env file that sets variables in another way too, whose values `devsh allow` would take for secrets.
    #[error("`{path}` is not only an env file: its variables come from it as a manifest too")]
    EnvFileIsManifest {
        /// The file.
        path: String,
    },
    /// A line of an env file that does not follow the grammar.
    #[error("{message}")]
    EnvFile {
        /// The problem.
        message: &'static str,
    },
    /// An entry of `extends` with an unknown form.
    #[error("`{entry}` is not a file, directory, `https://` address or Git repository to extend")]
    Source {
        /// The entry.
        entry: String,
    },
    /// A file to extend that does not exist.
    #[error("there is no `{path}` to extend")]
    Absent {
        /// The file.
        path: String,
        /// The nearest directory above that has a manifest, as an entry would name it.
        nearest: Option<String>,
    },
    /// A file that extends itself.
    #[error("files extend each other in a cycle: {}", cycle.join(" → "))]
    Cycle {
        /// The files of the cycle; the first and the last are the same.
        cycle: Vec<String>,
    },
    /// Too many layers.
    #[error("{counted} is more than the {limit} that devsh reads")]
    TooMuch {
        /// The thing that is counted, with its article.
        counted: &'static str,
        /// The greatest accepted number.
        limit: usize,
    },
}

fn quoted(value: &str) -> String {
    // The beginning is enough to recognise a long value.
    let short: String = value.chars().take(60).collect();
    let cut = if short.len() < value.len() { "…" } else { "" };
    format!("`{short}{cut}`")
}

/// Most links of a cycle of variables that a message shows.
const SHOWN: usize = 10;

fn shown_cycle(cycle: &[(String, Origin)]) -> String {
    let links = cycle
        .iter()
        .map(|(name, origin)| format!("`{name}` ({origin})"));
    let links: Vec<String> = links.collect();
    let Some(left) = links.len().checked_sub(SHOWN).filter(|left| *left > 1) else {
        return links.join(" → ");
    };
    // The beginning and the end of a long cycle show where to look.
    let (first, last) = (&links[..SHOWN - 1], &links[links.len() - 1..]);
    format!(
        "{} → ({left} more) → {}",
        first.join(" → "),
        last.join(" → ")
    )
}

/// The subject of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    Variable(String),
    /// Code for this host shell.
    Source(String),
}

impl fmt::Display for Grant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => formatter.write_str(name),
            Self::Source(shell) => write!(formatter, "source.{shell}"),
        }
    }
}
