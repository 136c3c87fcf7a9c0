//! Where a fetched layer is held: the content by its digest, and of a Git repository the commit.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

use super::{
    Problem,
    format::{Fault, value},
    print::{line, quoted},
};
use crate::{
    manifest::Source,
    package::{Invalid, Sha256},
};

/// What a file that is fetched is held at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// The commit, 40 or 64 hexadecimal digits, where it comes from a Git repository.
    pub commit: Option<String>,
    /// The digest of the file.
    pub sha256: Sha256,
}

/// The pins of files that are fetched, by their source as `extends` names it.
pub type Pins = BTreeMap<String, Pin>;

impl Pin {
    /// Returns where the content is kept below devsh's data directory.
    pub fn content_path(&self, data: &Path) -> PathBuf {
        data.join("extends").join(self.sha256.to_string())
    }
}

impl fmt::Display for Pin {
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
pub(super) struct Raw {
    source: Spanned<String>,
    commit: Option<Spanned<String>>,
    sha256: Spanned<String>,
}

/// Takes one block.
pub(super) fn read(raw: Raw) -> Result<(String, Pin), Fault> {
    let sha256 = value(&raw.sha256)?;
    let span = raw.source.span();
    let source = raw.source.into_inner();
    let known = Source::parse(&source).filter(|known| known.to_string() == source);
    let is_git = match known {
        Some(Source::Git(_)) => true,
        Some(Source::Https(_)) => false,
        _ => {
            return Err((
                span,
                Problem::Value(Invalid::new("a file that is fetched", &source)),
            ));
        }
    };
    let commit = raw.commit.map(|commit| {
        if is_git && is_commit(commit.get_ref()) {
            return Ok(commit.into_inner());
        }
        let invalid = Invalid::new("a commit of a Git repository", commit.get_ref());
        Err((commit.span(), Problem::Value(invalid)))
    });
    let commit = commit.transpose()?;
    if is_git && commit.is_none() {
        return Err((span, Problem::Syntax("missing field `commit`".to_owned())));
    }
    Ok((source, Pin { commit, sha256 }))
}

/// Writes one block.
pub(super) fn print(text: &mut String, source: &str, pin: &Pin) {
    text.push_str("\n[[extends]]\n");
    line(text, "source", quoted(source));
    if let Some(commit) = &pin.commit {
        line(text, "commit", quoted(commit));
    }
    // Last, and required when reading: a block that was cut off can never pass for a whole one.
    line(text, "sha256", quoted(&pin.sha256.to_string()));
}

/// Returns whether a text is a commit's name.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
