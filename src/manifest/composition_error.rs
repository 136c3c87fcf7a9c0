//! What can be wrong where several layers meet, and in values that refer to each other.

use super::{Located, Origin};

/// What is wrong with the composition of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompositionError {
    /// Two layers say different things and neither stands on the other.
    #[error("{subject} is {} at {} and {} at {}", quoted(&first.value), first.origin, quoted(&second.value), second.origin)]
    Conflict {
        /// What it is about.
        subject: String,
        /// One value.
        first: Box<Located<String>>,
        /// The other value.
        second: Box<Located<String>>,
    },
    /// A list that gains and loses the same entry at one place.
    #[error("`{entry}` is both added and removed")]
    AddedAndRemoved {
        /// The entry.
        entry: String,
    },
    /// A `${` that means nothing.
    #[error("`{found}` in `{value}` is no reference to a variable")]
    Reference {
        /// The words at fault.
        found: String,
        /// The whole value.
        value: String,
    },
    /// Variables that need each other.
    #[error("variables refer to each other in a circle: {}", shown_circle(circle))]
    VariableCycle {
        /// Each variable along the circle with its place; the first and the last are the same.
        circle: Vec<(String, Origin)>,
    },
    /// A variable that can make a program run what it holds, without a grant.
    #[error("`{name}` {effect}, so it needs a grant")]
    Ungranted {
        /// The variable.
        name: String,
        /// What the variable can do (`is read by the dynamic loader`).
        effect: &'static str,
    },
    /// A variable that no program could be given.
    #[error(
        "`{name}` is {length} bytes long with its name, and {limit} is the most that a program can be given"
    )]
    ValueTooLong {
        /// The variable.
        name: String,
        /// How long it is, in bytes.
        length: usize,
        /// How long it may be.
        limit: usize,
    },
    /// Variables that are too much together.
    #[error(
        "the variables are {length} bytes long together, and {limit} is the most that a dev shell may add"
    )]
    EnvironmentTooLarge {
        /// How long they are, in bytes.
        length: usize,
        /// How long they may be.
        limit: usize,
    },
    /// A grant in a file that came from elsewhere.
    #[error("a fetched file cannot grant anything: `{name}` is granted by the project alone")]
    FetchedGrant {
        /// The variable.
        name: String,
    },
    /// A path that a file from elsewhere cannot mean.
    #[error("a fetched file cannot name `{path}` of this machine")]
    FetchedPath {
        /// The path.
        path: String,
    },
    /// An env file that must be there and is not.
    #[error("there is no env file `{path}`")]
    EnvFileMissing {
        /// The file.
        path: String,
    },
    /// A line of an env file that does not follow the grammar.
    #[error("{message}")]
    EnvFile {
        /// What is wrong.
        message: &'static str,
    },
    /// An entry of `extends` that names nothing.
    #[error("`{entry}` is no file, directory, `https://` address or Git repository to extend")]
    Source {
        /// The entry.
        entry: String,
    },
    /// A file to extend that does not exist.
    #[error("there is no `{path}` to extend")]
    Absent {
        /// The file.
        path: String,
        /// The nearest directory above that has a manifest, as it would be written.
        nearest: Option<String>,
    },
    /// A file that stands on itself.
    #[error("files extend each other in a circle: {}", circle.join(" → "))]
    Cycle {
        /// The files along the circle; the first and the last are the same.
        circle: Vec<String>,
    },
    /// More layers than any project needs.
    #[error("{what} is more than the {limit} that devsh reads")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The greatest accepted number.
        limit: usize,
    },
}

fn quoted(value: &str) -> String {
    // What is longer is recognised by its beginning.
    let short: String = value.chars().take(60).collect();
    let cut = if short.len() < value.len() { "…" } else { "" };
    format!("`{short}{cut}`")
}

/// Most links of a circle of variables that are shown.
const SHOWN: usize = 10;

fn shown_circle(circle: &[(String, Origin)]) -> String {
    let links = circle
        .iter()
        .map(|(name, origin)| format!("`{name}` ({origin})"));
    let links: Vec<String> = links.collect();
    let Some(left) = links.len().checked_sub(SHOWN).filter(|left| *left > 1) else {
        return links.join(" → ");
    };
    // The beginning and the end of a long one say where to look.
    let (first, last) = (&links[..SHOWN - 1], &links[links.len() - 1..]);
    format!(
        "{} → ({left} more) → {}",
        first.join(" → "),
        last.join(" → ")
    )
}
