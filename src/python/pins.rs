//! Exact packages with digests, and the lines by which uv installs them.

use std::{collections::BTreeSet, fmt};

use super::Source;

/// Exactly what is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    /// The packages, sorted.
    pub packages: Vec<Pin>,
    /// Directories of the project that are installed where they are, relative to the lockfile, sorted.
    pub directories: Vec<String>,
    /// Which packages must be built or never are, as lines of a list of requirements.
    pub building: Vec<String>,
}

/// One exact package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// The name, normalised.
    pub name: String,
    /// The version, where the source has several.
    pub version: Option<String>,
    /// Where it comes from.
    pub source: Source,
    /// The digests (`sha256:…`) of which one must be met.
    pub digests: Vec<String>,
}

impl Pins {
    /// Returns the lines for everything that has digests.
    pub fn hashed(&self) -> String {
        let lines = self.packages.iter().filter_map(|pin| {
            let mut line = match &pin.source {
                Source::Index(_) => format!("{}=={}", pin.name, pin.version.as_ref()?),
                Source::Url(url) => format!("{} @ {url}", pin.name),
                Source::Repository(_) | Source::Directory { .. } => return None,
            };
            for digest in &pin.digests {
                line.push_str(" --hash=");
                line.push_str(digest);
            }
            line.push('\n');
            Some(line)
        });
        let lines: String = lines.collect();
        if lines.is_empty() {
            return lines;
        }
        let options = self.building.iter().map(|line| format!("{line}\n"));
        options.collect::<String>() + &lines
    }

    /// Returns the lines for what has none, because a commit names it.
    pub fn repositories(&self) -> String {
        let lines = self.packages.iter().filter_map(|pin| match &pin.source {
            Source::Repository(address) => Some(format!("{} @ {address}\n", pin.name)),
            _ => None,
        });
        lines.collect()
    }

    /// Returns everything that is installed and stays as it is, as bytes; not the directories.
    pub fn to_bytes(&self) -> Vec<u8> {
        let indexes: Vec<&str> = self.indexes().into_iter().collect();
        let text = [&*self.hashed(), &*self.repositories(), &*indexes.join("\n")];
        text.join("\0").into_bytes()
    }

    /// Returns the indexes beside the default one.
    pub fn indexes(&self) -> BTreeSet<&str> {
        let indexes = self.packages.iter().filter_map(|pin| match &pin.source {
            Source::Index(index) => index.as_deref(),
            _ => None,
        });
        indexes.collect()
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        if let Some(version) = &self.version {
            write!(formatter, " {version}")?;
        }
        match &self.source {
            Source::Index(None) | Source::Directory { .. } => Ok(()),
            Source::Index(Some(place)) | Source::Url(place) | Source::Repository(place) => {
                write!(formatter, " from {place}")
            }
        }
    }
}
