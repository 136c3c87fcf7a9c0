//! One `[[extends]]` block: a fetched file with its digest, and with the commit if it is in a Git repository.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

use super::{
    problem::{Problem, SpannedProblem},
    values::{invalid, line, quoted, value},
};
use crate::{
    manifest::ExtendSource,
    package::{Sha256, is_commit},
};

/// The locked content of a fetched file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExtendsPin {
    /// The commit (40 or 64 hexadecimal digits) of a file in a Git repository.
    pub commit: Option<String>,
    pub sha256: Sha256,
}

/// The pins by the source that `extends` names.
pub type ExtendsPins = BTreeMap<String, ExtendsPin>;

impl ExtendsPin {
    /// Returns the path of the content in devsh's data directory.
    pub fn content_path(&self, data: &Path) -> PathBuf {
        data.join("extends").join(self.sha256.to_string())
    }
}

impl fmt::Display for ExtendsPin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(commit) = &self.commit {
            return write!(formatter, "commit {}", commit.get(..12).unwrap_or(commit));
        }
        let digest = self.sha256.to_string();
        write!(formatter, "sha256 {}", digest.get(..12).unwrap_or(&digest))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PinBlock {
    source: Spanned<String>,
    commit: Option<Spanned<String>>,
    sha256: Spanned<String>,
}

/// Reads a block.
pub(super) fn read(raw: PinBlock) -> Result<(String, ExtendsPin), SpannedProblem> {
    let sha256 = value(&raw.sha256)?;
    let span = raw.source.span();
    let source = raw.source.into_inner();
    let known = ExtendSource::parse(&source).filter(|known| known.to_string() == source);
    let is_git = match known {
        Some(ExtendSource::Git(_)) => true,
        Some(ExtendSource::Https(_)) => false,
        _ => {
            return Err(invalid("a file that is fetched", &source, span));
        }
    };
    let commit = raw.commit.map(|commit| {
        if is_git && is_commit(commit.get_ref()) {
            return Ok(commit.into_inner());
        }
        Err(invalid(
            "a commit of a Git repository",
            commit.get_ref(),
            commit.span(),
        ))
    });
    let commit = commit.transpose()?;
    if is_git && commit.is_none() {
        return Err(Problem::Syntax("missing field `commit`".to_owned()).at(span));
    }
    Ok((source, ExtendsPin { commit, sha256 }))
}

/// Writes a block.
pub(super) fn print(text: &mut String, source: &str, pin: &ExtendsPin) {
    text.push_str("\n[[extends]]\n");
    line(text, "source", quoted(source));
    if let Some(commit) = &pin.commit {
        line(text, "commit", quoted(commit));
    }
    // Last, and required by the reader: a truncated block is an error.
    line(text, "sha256", quoted(&pin.sha256.to_string()));
}
