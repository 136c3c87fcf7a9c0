//! Exact packages with digests, and the lines with which uv installs them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{lock::PackageSource, locked_wheel::LockedWheel, marker::normalize};

/// The exact content of an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PythonPins {
    /// The packages, sorted.
    pub packages: Vec<PythonPin>,
    /// Directories for editable installs, relative to the lockfile, sorted.
    pub directories: Vec<String>,
    /// Options that decide where files come from and which are used, as lines of a list of requirements.
    pub options: Vec<String>,
}

/// One exact package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PythonPin {
    /// The name, normalised.
    pub name: String,
    /// The version, if the source has several.
    pub version: Option<String>,
    pub source: PackageSource,
    /// The digests (`sha256:…`); a file must have one of them.
    pub digests: Vec<String>,
    /// Its wheel for the target, if the lockfile has the address.
    pub wheel: Option<LockedWheel>,
}

impl PythonPins {
    /// Returns the lines for the packages with digests.
    pub fn hashed(&self) -> String {
        self.hashed_with(&BTreeMap::new())
    }

    /// Returns the same lines with further digests by package.
    pub fn hashed_with(&self, more: &BTreeMap<&str, String>) -> String {
        let lines = self.packages.iter().filter_map(|pin| {
            let line = match &pin.source {
                // Another index could have a file with a digest of the lockfile.
                PackageSource::Index(Some(_)) => {
                    let wheel = pin.wheel.as_ref()?;
                    return Some(format!(
                        "{} @ {} --hash=sha256:{}\n",
                        pin.name, wheel.url, wheel.sha256
                    ));
                }
                PackageSource::Index(None) => format!("{}=={}", pin.name, pin.version.as_ref()?),
                PackageSource::Url(url) => format!("{} @ {url}", pin.name),
                PackageSource::Repository(_) | PackageSource::Directory { .. } => return None,
            };
            Some(with_digests(
                line,
                pin.digests.iter().chain(more.get(&*pin.name)),
            ))
        });
        lines.collect()
    }

    /// Returns a package without a digest that needs one.
    pub fn without_digest(&self) -> Option<&PythonPin> {
        self.packages.iter().find(|pin| {
            pin.digests.is_empty()
                && pin.wheel.is_none()
                && matches!(pin.source, PackageSource::Index(_) | PackageSource::Url(_))
        })
    }

    /// Returns the packages of the public index that must not run their own build.
    pub fn wheels_only(&self, builds: &BTreeSet<String>) -> impl Iterator<Item = &str> {
        let public = self
            .packages
            .iter()
            .filter(|pin| pin.source == PackageSource::Index(None));
        public
            .map(|pin| &*pin.name)
            .filter(|name| !builds.contains(*name))
    }

    /// Returns a package that the lockfile wants to be built and that must not run its own build.
    pub fn forced_build(&self, builds: &BTreeSet<String>) -> Option<&str> {
        let forced: Vec<&str> = self
            .options
            .iter()
            .filter_map(|line| line.strip_prefix("--no-binary "))
            .collect();
        let is_forced = |name: &str| {
            forced
                .iter()
                .any(|one| *one == ":all:" || normalize(one) == name)
        };
        self.wheels_only(builds).find(|name| is_forced(name))
    }

    /// Returns the lines for repositories, which have a commit instead of a digest.
    pub fn repositories(&self) -> String {
        let lines = self.packages.iter().filter_map(|pin| match &pin.source {
            PackageSource::Repository(address) => Some(format!("{} @ {address}\n", pin.name)),
            _ => None,
        });
        lines.collect()
    }

    /// Returns the content without the directories, as bytes for a digest.
    pub fn to_bytes(&self) -> Vec<u8> {
        let of_indexes = self
            .packages
            .iter()
            .filter(|pin| pin.is_searched_in_own_index());
        let of_indexes: String = of_indexes
            .map(|pin| with_digests(pin.to_string(), &pin.digests))
            .collect();
        let text = [
            &*self.options.join("\n"),
            &*self.hashed(),
            &*self.repositories(),
            &*of_indexes,
        ];
        text.join("\0").into_bytes()
    }
}

impl PythonPin {
    /// Returns whether uv must search the package in the index that the lockfile names for it.
    pub(super) const fn is_searched_in_own_index(&self) -> bool {
        matches!(self.source, PackageSource::Index(Some(_))) && self.wheel.is_none()
    }
}

/// Returns a line of a list of requirements with digests.
pub(super) fn with_digests<'a>(
    mut line: String,
    digests: impl IntoIterator<Item = &'a String>,
) -> String {
    for digest in digests {
        line.push_str(" --hash=");
        line.push_str(digest);
    }
    line.push('\n');
    line
}

impl fmt::Display for PythonPin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        if let Some(version) = &self.version {
            write!(formatter, " {version}")?;
        }
        match &self.source {
            PackageSource::Index(None) | PackageSource::Directory { .. } => Ok(()),
            PackageSource::Index(Some(place))
            | PackageSource::Url(place)
            | PackageSource::Repository(place) => {
                write!(formatter, " from {place}")
            }
        }
    }
}
