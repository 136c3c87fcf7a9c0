//! Why a dev shell cannot be had.

use std::path::PathBuf;

use super::{MissingArtifact, Unfit};
use crate::{
    fetch,
    package::{System, Tool, Version},
    python::Missing,
    sources, store,
    util::files,
};

/// Why the artifact of a tool cannot serve, where nothing is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The settings want host tools only.
    #[error("only host tools are allowed")]
    HostOnly,
    /// The tool is not in the lockfile.
    #[error("it is not locked")]
    NotLocked,
    /// The lockfile has no artifact for this system.
    #[error("there is no artifact for {0}")]
    NoArtifact(System),
    /// The artifact cannot be had from here.
    #[error(transparent)]
    Unreachable(fetch::Error),
}

/// A dev shell that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tool's artifact cannot be installed.
    #[error("cannot install `{tool}` {version}: {reason}")]
    Install {
        /// The tool.
        tool: Box<Tool>,
        /// The version.
        version: Version,
        /// Why.
        reason: Box<store::Error>,
    },
    /// Artifacts are not in the store, and nothing may be downloaded.
    #[error(
        "{} not in the store, and devsh is offline",
        if missing.len() == 1 { "an artifact is".to_owned() } else { format!("{} artifacts are", missing.len()) }
    )]
    Offline {
        /// All of them, in the order of the tools.
        missing: Vec<MissingArtifact>,
    },
    /// Neither an artifact nor the machine has the tool.
    #[error("cannot get `{tool}` {wanted}: {managed}")]
    Unavailable {
        /// The tool.
        tool: Box<Tool>,
        /// The locked version or, without one, the requirement.
        wanted: String,
        /// What a host tool would have to be, as text.
        accepted: String,
        /// Why the artifact cannot serve.
        managed: Box<Unavailable>,
        /// Versions that the machine has and that do not do; nothing where host tools are not allowed.
        host: Option<Vec<Version>>,
    },
    /// Python packages are wanted and a tool for them is not.
    #[error("the packages of `{}` need `{tool}`", lock.display())]
    PythonNeeds {
        /// The lockfile.
        lock: PathBuf,
        /// The missing tool, `python` or `uv`.
        tool: &'static str,
    },
    /// A Python application is wanted and a tool for it is not.
    #[error("`{application}` needs `{tool}`")]
    ApplicationNeeds {
        /// The application.
        application: Box<Tool>,
        /// The missing tool, `python` or `uv`.
        tool: &'static str,
    },
    /// A Python application does not run on the interpreter that serves.
    #[error("cannot install `{tool}` {version}: {reason}")]
    Unfit {
        /// The application.
        tool: Box<Tool>,
        /// Its version.
        version: Version,
        /// Why.
        reason: Unfit,
    },
    /// Installing the Python packages failed.
    #[error("cannot install the packages of `{}`", lock.display())]
    PythonInstall {
        /// The lockfile.
        lock: PathBuf,
        /// The last lines that the installer wrote.
        output: Vec<String>,
    },
    /// No exact packages answer what is asked for.
    #[error("cannot resolve {purpose}")]
    PythonResolve {
        /// What was to be resolved, in words.
        purpose: String,
        /// The last lines that uv wrote.
        output: Vec<String>,
        /// Whether packages were allowed to be built for it.
        builds: bool,
    },
    /// npm found no versions of what a tool needs.
    #[error("cannot resolve the dependencies of `{tool}` {version}")]
    NpmResolve {
        tool: Box<Tool>,
        version: Version,
        /// The last lines that npm wrote.
        output: Vec<String>,
    },
    /// A source gave no usable answer.
    #[error(transparent)]
    Source(#[from] Box<sources::Error>),
    /// The Python lockfile lacks something that it needs.
    #[error("`{}` is not whole: {missing}", lock.display())]
    PythonMissing {
        /// The lockfile.
        lock: PathBuf,
        /// What is missing.
        missing: Missing,
    },
    /// The store could not take what was built.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] files::Error),
}
