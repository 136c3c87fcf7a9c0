//! Lockfiles of Python projects as one model: packages, what needs them, and which of them a dev shell gets.
//!
//! Each format has its reader (`uv`, `poetry`, `standard`, `pipfile`, `requirements`, `project`); `select` walks from the
//! project and the wanted groups and extras to exact pins with digests, for one interpreter on one system.
//! Nothing is resolved here: what the lockfile does not say is an error. Pure.
//!
//! Invariant: a name, version, digest or address that was read is one word, so it can stand in a line of
//! requirements without becoming an option.

mod lines;
mod marker;
mod pins;
mod pipfile;
mod poetry;
mod project;
mod read;
mod requirement;
mod requirements;
mod select;
mod standard;
mod uv;
mod wheels;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use marker::{Environment, Marker};
pub use pins::{Pin, Pins};
pub use requirement::PythonRequirement;
pub use requirements::{includes, pinned};
pub use select::Missing;
pub use wheels::{PackageWheels, Wheel, wheels};

use crate::manifest::{Error, PythonLockFormat, Text};

/// A lockfile that was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PythonLock {
    pub(self) packages: Vec<Package>,
    pub(self) roots: Vec<Root>,
    /// The groups that a dev shell gets which names none, as far as the lockfile's own tool says it.
    pub default_groups: BTreeSet<String>,
    /// The groups that exist.
    pub groups: BTreeSet<String>,
    /// The extras that exist.
    pub extras: BTreeSet<String>,
    /// What is asked for and not locked; such a list is resolved into `devshell.lock`.
    pub loose: Vec<Loose>,
    /// Bounds on what is still to be resolved.
    pub(self) constraints: Vec<Loose>,
    /// Which packages must be built or never are, as lines of a list of requirements.
    pub(self) building: Vec<String>,
    /// Lines that lead away from the public index (`--index-url …`).
    pub options: Vec<String>,
    /// The project's own name, for markers of conflicting groups.
    pub(self) project: String,
}

/// A requirement that nothing pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loose {
    /// When it counts.
    pub when: When,
    /// The requirement.
    pub requirement: PythonRequirement,
}

/// For which dev shells something of a lockfile counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// For every one.
    Always,
    /// For those that want the group.
    Group(String),
    /// For those that want the extra.
    Extra(String),
}

/// What a dev shell wants of a lockfile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Dependency groups, normalised.
    pub groups: BTreeSet<String>,
    /// Extras of the project, normalised.
    pub extras: BTreeSet<String>,
}

/// Where a locked package comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A package index; nothing for the default one.
    Index(Option<String>),
    /// One file at an address.
    Url(String),
    /// A commit of a repository, as a requirement writes it (`git+https://…@commit`).
    Repository(String),
    /// A directory, relative to the lockfile; the project itself is `.`.
    Directory {
        /// The directory.
        path: String,
        /// Whether it is a package to be installed.
        installed: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: Option<String>,
    source: Source,
    digests: Vec<String>,
    /// Where several versions are locked: when this one is meant.
    marker: Marker,
    dependencies: Vec<Edge>,
    extras: BTreeMap<String, Vec<Edge>>,
    /// What of it comes from elsewhere than the public index, in words.
    elsewhere: Option<String>,
}

/// A need for a package.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    name: String,
    version: Option<String>,
    /// Versions that do, where several are locked and none is named.
    wanted: Option<String>,
    extras: Vec<String>,
    marker: Marker,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Root {
    when: When,
    edge: Edge,
}

/// The files that a lockfile is read from.
#[derive(Debug, Clone)]
pub struct Files {
    /// The lockfile.
    pub lock: Text,
    /// The `pyproject.toml` beside it.
    pub project: Option<Text>,
    /// For a list of requirements: the lists that it includes and those of groups, by their names.
    pub lists: BTreeMap<String, Text>,
    /// For a list of requirements: the list of each group.
    pub groups: BTreeMap<String, String>,
}

/// Reads a lockfile by what its name says that it is.
pub fn read(files: &Files) -> Result<PythonLock, Error> {
    let path = files.lock.file().clone();
    let mut lock = match PythonLockFormat::of(&path) {
        Some(PythonLockFormat::Uv) => uv::read(&files.lock)?,
        Some(PythonLockFormat::Poetry) => poetry::read(&files.lock, files.project.as_ref())?,
        Some(PythonLockFormat::Pylock) => standard::read(&files.lock)?,
        Some(PythonLockFormat::Pipfile) => pipfile::read(&files.lock)?,
        Some(PythonLockFormat::Requirements) => requirements::read(files)?,
        Some(PythonLockFormat::Project) => project::read(&files.lock)?,
        None => {
            let formats = "not a lockfile that devsh reads";
            return Err(read::fault(&files.lock, 0..0, formats));
        }
    };
    if let Some(project) = &files.project {
        read::default_groups(project, &mut lock)?;
    }
    Ok(lock)
}

impl PythonLock {
    /// Adds the project itself as a package, which is always installed; `name` is normalised.
    fn add_project(&mut self, name: String) {
        self.project.clone_from(&name);
        self.packages.push(Package {
            name: name.clone(),
            version: None,
            source: Source::Directory {
                path: ".".to_owned(),
                installed: true,
            },
            digests: Vec::new(),
            marker: Marker::default(),
            dependencies: Vec::new(),
            extras: BTreeMap::new(),
            elsewhere: None,
        });
        self.roots.push(Root {
            when: When::Always,
            edge: Edge {
                name,
                ..Edge::default()
            },
        });
    }

    /// Drops packages that are there already, as when several lists name the same.
    fn dedup(&mut self) {
        let mut seen = BTreeSet::new();
        let fresh: Vec<bool> = self.packages.iter().map(|one| seen.insert(one)).collect();
        let mut fresh = fresh.into_iter();
        self.packages.retain(|_| fresh.next().unwrap_or(true));
    }

    /// Returns the packages that do not come, with digests, from the public index, with where they come from.
    pub fn foreign(&self) -> Vec<(String, String)> {
        let packages = self.packages.iter();
        let mut foreign: Vec<_> = packages
            .filter_map(|one| Some((one.name.clone(), one.elsewhere.clone()?)))
            .chain(
                self.options
                    .iter()
                    .map(|line| ("(option)".to_owned(), line.clone())),
            )
            .chain(
                self.loose
                    .iter()
                    .chain(&self.constraints)
                    .filter_map(|loose| {
                        let url = loose.requirement.url.clone()?;
                        Some((loose.requirement.name.to_string(), url))
                    }),
            )
            .collect();
        foreign.sort();
        foreign
    }

    /// Returns the directories that are installed as packages, relative to the lockfile: the project itself, its
    /// members, and what is beside it.
    pub fn directories(&self) -> BTreeSet<&str> {
        let sources = self.packages.iter().map(|package| &package.source);
        let installed = sources.filter_map(|source| match source {
            Source::Directory {
                path,
                installed: true,
            } => Some(path.as_str()),
            _ => None,
        });
        installed.collect()
    }

    /// Returns whether the project itself, or a member of it, is installed.
    pub fn installs_project(&self) -> bool {
        !self.directories().is_empty()
    }

    /// Takes over the directories of another lockfile, and what wants them.
    pub fn take_directories(&mut self, other: &Self) {
        for package in &other.packages {
            if matches!(package.source, Source::Directory { .. }) {
                self.packages.push(package.clone());
            }
        }
        let known = |edge: &Edge| self.packages.iter().any(|one| one.name == edge.name);
        let roots = other.roots.iter().filter(|root| known(&root.edge));
        self.roots.extend(roots.cloned());
    }

    /// Returns the requirements that nothing pins, as far as `selection` wants them.
    pub fn loose(&self, selection: &Selection) -> Vec<String> {
        selection.wanted(&self.loose)
    }

    /// Returns the bounds within which they are resolved.
    pub fn constraints(&self, selection: &Selection) -> Vec<String> {
        selection.wanted(&self.constraints)
    }
}

impl Selection {
    /// Returns whether something that counts `when` is wanted.
    fn wants(&self, when: &When) -> bool {
        match when {
            When::Always => true,
            When::Group(group) => self.groups.contains(group),
            When::Extra(extra) => self.extras.contains(extra),
        }
    }

    fn wanted(&self, all: &[Loose]) -> Vec<String> {
        let wanted = all.iter().filter(|one| self.wants(&one.when));
        wanted
            .map(|one| one.requirement.as_str().to_owned())
            .collect()
    }
}
