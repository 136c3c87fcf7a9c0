//! Errors of the store, and the rules for members of archives.

use std::{io, path::PathBuf};

use crate::{config::units::bytes, fetch, package::PackageName, util::files};

/// An object that could not be made or is not as it was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An artifact could not be downloaded.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] files::Error),
    /// An artifact has the right digest but cannot be unpacked.
    #[error("cannot unpack `{artifact}`: {reason}")]
    Unpack {
        /// The file's name at its source.
        artifact: String,
        /// Why.
        reason: Box<Self>,
    },
    /// A member of an archive breaks a rule.
    #[error("member `{}` {rule}", member.escape_debug())]
    Refused {
        /// The member.
        member: String,
        /// The rule.
        rule: Rule,
    },
    /// An archive cannot be read.
    #[error("the archive is damaged near `{}`: {source}", member.escape_debug())]
    Archive {
        /// The member that was read.
        member: String,
        source: io::Error,
    },
    /// An artifact has the right digest but is another package or another version.
    #[error("the artifact is {} of `{}`", if version.is_empty() { "an unknown version".to_owned() } else { format!("version {}", version.escape_debug()) }, name.escape_debug())]
    OtherPackage {
        /// The name in the artifact.
        name: String,
        /// The version in the artifact; empty if it shows none.
        version: String,
    },
    /// A package of a tool that no other one asks for.
    #[error("no package asks for `{}`", package.escape_debug())]
    NotRequested {
        /// Its place below `node_modules`.
        package: String,
    },
    /// The archive is not a Rust component, or has an unknown layout.
    #[error("installer version {found} where 3 is needed")]
    Installer {
        /// The version found, or `none`.
        found: String,
    },
    /// The wheel holds Python programs only.
    #[error("`{package}` has no program, only Python code")]
    NeedsInterpreter {
        /// The package.
        package: PackageName,
    },
    /// The Python package has no commands.
    #[error("`{package}` is a library without commands")]
    Library {
        /// The package.
        package: PackageName,
    },
    /// The artifact holds nothing that can be run.
    #[error("`{package}` has no program")]
    NoPrograms {
        /// The package.
        package: PackageName,
    },
    /// Conda packages cannot be linked at the place of the store.
    #[error("conda packages cannot be linked in `{}`: they need a path of at most {longest} bytes without spaces", place.display())]
    PrefixPlace {
        place: PathBuf,
        /// In bytes.
        longest: usize,
    },
    /// A conda package of Python code in an environment without Python.
    #[error("the conda package `{package}` needs python, which is not locked")]
    NoPython { package: String },
    /// The archive has files, and nothing says which are programs.
    #[error("nothing in the archive of `{package}` is a program for sure")]
    UnclearPrograms {
        package: PackageName,
        /// Some of its files.
        found: Vec<String>,
    },
    /// The archive lacks a program that the settings name.
    #[error("the archive has no `{program}`")]
    NoSuchProgram {
        program: String,
        /// Some of its files.
        found: Vec<String>,
    },
    /// A program for another system.
    #[error("`{program}` is a program for {built_for}")]
    ForeignProgram {
        program: String,
        built_for: &'static str,
    },
    /// An object differs from its manifest.
    #[error("store object `{path}` was changed or damaged")]
    Damaged {
        /// Its store path.
        path: String,
    },
    /// There is too little disk space.
    #[error("`{package}` needs at least {} in `{}`, where {} are free", bytes(*needed), place.display(), bytes(*free))]
    NoRoom {
        /// The package.
        package: PackageName,
        /// The place.
        place: PathBuf,
        /// The bytes that are needed at least.
        needed: u64,
        /// The bytes that are free.
        free: u64,
    },
    /// The store is not the user's.
    #[error("the store `{}` belongs to another user", place.display())]
    OtherOwner {
        /// Its directory.
        place: PathBuf,
    },
    /// The store was made by a newer devsh.
    #[error("the store has format {found}, and this devsh knows {known} at most")]
    Newer {
        /// The format of the store.
        found: u64,
        /// The newest that is known.
        known: u64,
    },
}

/// A rule of unpacking.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// Paths are relative.
    #[error("has an absolute path")]
    Absolute,
    /// Paths have plain names only.
    #[error("has a path that is not plain")]
    OddPath,
    /// Paths have at most 64 names.
    #[error("is nested too deep")]
    TooDeep,
    /// Every path occurs once.
    #[error("occurs twice")]
    Duplicate,
    /// Paths differ in more than case.
    #[error("differs from another member in case or accents only")]
    CaseCollision,
    /// Members are files, directories and links.
    #[error("is neither a file, a directory nor a link")]
    OddType,
    /// Members have no setuid or setgid bit.
    #[error("has a setuid or setgid bit")]
    Privileged,
    /// No member is below a link.
    #[error("is below a link")]
    ThroughLink,
    /// Links stay inside and lead through directories.
    #[error("links to `{0}`, which is not inside")]
    LinkTarget(String),
    /// Hard links name an earlier file.
    #[error("is a hard link to no earlier file")]
    HardLink,
    /// Sizes are bounded.
    #[error("makes the archive too large")]
    TooLarge,
    /// The number of members is bounded.
    #[error("is one member too many")]
    TooMany,
    /// The length of all names is bounded.
    #[error("makes the names of the archive too long together")]
    LongNames,
    /// The archive's own list of its files is right.
    #[error("does not match the archive's own list")]
    NotAsListed,
}

/// Returns the error for a member that breaks a rule.
pub(super) fn refused(member: &str, rule: Rule) -> Error {
    Error::Refused {
        member: member.to_owned(),
        rule,
    }
}
