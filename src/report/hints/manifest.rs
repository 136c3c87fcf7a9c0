//! Hints for mistakes in a manifest or another file of the project.

use crate::{
    manifest::{self, ErrorKind, ExpectedKind, ValueKind},
    package::{Invalid, InvalidKind, Source},
    report::failure::{Excerpt, Failure},
};

use super::composition;

impl From<&manifest::Error> for Failure {
    fn from(error: &manifest::Error) -> Self {
        let mut failure = Self::new(error.to_string());
        failure.excerpt = Some(Excerpt {
            file: error.file.to_string(),
            text: error.text.to_string(),
            span: error.span.clone(),
            label: String::new(),
        });
        let written = &error.text[error.span.clone()];
        match content_hint(&error.kind, written, &error.file) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// Returns a hint for an error at the text `written` of `file`.
fn content_hint(kind: &ErrorKind, written: &str, file: &str) -> Option<String> {
    Some(match kind {
        ErrorKind::Composition(fault) => return composition::hint(fault, file),
        ErrorKind::UnknownKey { key, table, .. }
            if table == "caches" && ["push", "signing-key"].contains(&&**key) =>
        {
            format!("move `{key}` to your `config.toml`: no manifest lets devsh write to a cache")
        }
        ErrorKind::UnknownKey { suggestion: Some(name), .. }
        | ErrorKind::UnknownTool { suggestion: Some(name), .. } => format!("did you mean `{name}`?"),
        ErrorKind::UnknownTool { pypi: Some(name), .. } => {
            format!("for a tool of the Python package index write `\"{name}\"`")
        }
        ErrorKind::Unquoted { found, .. } => format!("write `\"{found}\"`"),
        ErrorKind::WrongType { key, expected: ExpectedKind::ListOfStrings, found: ValueKind::String } => {
            format!("write `{key} = [{written}]`")
        }
        ErrorKind::WrongType { key, expected: ExpectedKind::Table, found: ValueKind::List } if key == "tools" => {
            "write `[tools]`, and below it a line `NAME = \"VERSION\"` for each".to_owned()
        }
        ErrorKind::Invalid(invalid) if invalid.kind == InvalidKind::Source => source(&invalid.found),
        ErrorKind::Invalid(invalid) if invalid.kind == InvalidKind::Requirement => {
            "write a version such as `\"3.12\"` or bounds such as `\">=3.11,<3.13\"`".to_owned()
        }
        ErrorKind::UnknownShell { suggestion: Some(name), .. } => format!("did you mean `{name}`?"),
        ErrorKind::EmptyTable { keys, .. } if keys.contains(&"default") => {
            "write `{ default = \"…\" }`, `{ required = \"how to get it\" }`, `{ prepend = [\"…\"] }` \
             or `{ unset = true }`"
                .to_owned()
        }
        ErrorKind::PathEntry { .. } => "give each entry its own string".to_owned(),
        ErrorKind::HostTriple { channel } => {
            let plain = channel.split_once("-x86").or_else(|| channel.split_once("-aarch"));
            let plain = plain.map_or(channel.as_str(), |(plain, _)| plain);
            format!("write `{plain}`: a lockfile serves every machine")
        }
        ErrorKind::ToolchainPath => {
            "name a channel there, or the `rust` that counts in a `devshell.toml`".to_owned()
        }
        ErrorKind::DuplicateTool { .. } => "keep one of the two lines".to_owned(),
        _ => return None,
    })
}

/// Returns the hint for a word that is not a source.
pub fn not_a_source(invalid: &Invalid) -> Option<String> {
    (invalid.kind == InvalidKind::Source).then(|| source(&invalid.found))
}

/// Returns the hint for the word before the `:` of a tool.
fn source(found: &str) -> String {
    let all = Source::ALL.map(|one| format!("`{one}`")).join(", ");
    match found {
        "crates" | "gem" | "aqua" | "ubi" => format!(
            "the sources are {all}; install a tool that only `{found}` has yourself, in a directory on `PATH`"
        ),
        _ => format!("the sources are {all}"),
    }
}
