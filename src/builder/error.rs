//! Why a dev shell cannot be built.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{CrateFailure, MissingArtifact};
use crate::{
    fetch,
    package::{Glibc, OLDEST_KERNEL, System, Tool, Version},
    python::{SelectionError, UnfitApplication, UvError},
    sources, store,
    util::{files, word_lists::in_backticks},
};

/// The reason why the artifact of a tool cannot be used, although nothing is wrong with it.
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
    /// The locked artifact needs a newer glibc.
    #[error("it needs glibc {needed}, and this machine has {machine}")]
    NewerGlibc { needed: Glibc, machine: Glibc },
    /// The locked packages need a newer system.
    #[error("it needs {what} {needed}, and this machine has {machine}")]
    OlderSystem {
        /// `glibc` or `macOS`.
        what: &'static str,
        needed: String,
        machine: String,
    },
    /// The packages of conda need a newer kernel.
    #[error("it needs Linux {OLDEST_KERNEL}, and this machine has {machine}")]
    OlderKernel { machine: String },
    /// The server cannot be reached.
    #[error(transparent)]
    Unreachable(fetch::Error),
}

/// The Python packages that may run their own build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildRule {
    /// None, and none can be allowed.
    Never,
    /// None, because the manifest is not approved.
    NotApproved,
    /// None, because no one asked for the build.
    NotAtPrompts,
    /// Those that the manifest names.
    Named,
}

/// A Python of the host that replaces the locked one and has another minor version.
#[derive(Debug, Clone)]
pub struct HostPython {
    pub locked: Version,
    pub found: Version,
    /// The reason for using the host's, one line.
    pub reason: String,
}

/// The reason why a dev shell cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tool's artifact cannot be installed.
    #[error("cannot install `{tool}` {version}: {reason}")]
    Install {
        tool: Box<Tool>,
        version: Version,
        reason: Box<store::Error>,
    },
    /// Conda packages that no requested one needs are not approved, so no code of the environment may run.
    #[error("the conda packages `{}` are not approved", packages.keys().cloned().collect::<Vec<_>>().join("`, `"))]
    CondaUnapproved {
        /// Their programs.
        packages: BTreeMap<String, BTreeSet<String>>,
    },
    /// Conda packages have scripts that must not run now.
    #[error("conda packages have scripts that set variables")]
    CondaScripts,
    /// Python packages must not be installed now: the interpreter runs code of conda packages.
    #[error("the Python packages for the `python` of conda are not installed yet")]
    CondaPython,
    /// Something must run on the system that it is built for.
    #[error("{what} cannot be built for {system} on this machine")]
    Foreign { what: String, system: System },
    /// The scripts of conda packages failed.
    #[error("cannot activate the conda packages: {}", .0.source)]
    CondaActivation(files::Error),
    /// The project must not be built now. Without an earlier build it is not installed.
    #[error("{}", if *has_earlier {
        "an earlier build of it is used until `devsh sync` builds it again"
    } else {
        "it is built only when you ask, with `devsh sync`"
    })]
    ProjectNotBuilt { has_earlier: bool },
    /// A crate must not be built now.
    #[error("`{tool}` {version} is not built yet")]
    CrateNotBuilt { tool: Box<Tool>, version: Version },
    /// A crate cannot be built.
    #[error("cannot build `{tool}` {version}: {reason}")]
    CrateBuild {
        tool: Box<Tool>,
        version: Version,
        reason: CrateFailure,
    },
    /// Artifacts are missing, and devsh is offline.
    #[error(
        "{} not in the store, and devsh is offline",
        if missing.len() == 1 { "an artifact is".to_owned() } else { format!("{} artifacts are", missing.len()) }
    )]
    Offline {
        /// In the order of the tools.
        missing: Vec<MissingArtifact>,
    },
    /// Neither the artifact nor a host tool can be used.
    #[error("cannot get `{tool}` {wanted}: {managed}")]
    Unavailable {
        tool: Box<Tool>,
        /// The locked version or, without one, the requirement.
        wanted: String,
        /// The requirement for a host tool, as text.
        accepted: String,
        managed: Box<Unavailable>,
        /// True if only the locked version is accepted.
        only_locked: bool,
        /// Host tools with other versions; `None` if host tools are not allowed.
        host: Option<Vec<Version>>,
    },
    /// Python packages need a tool that the dev shell lacks.
    #[error("the packages of `{}` need `{tool}`", lock.display())]
    PythonNeeds {
        lock: PathBuf,
        /// `python` or `uv`.
        tool: &'static str,
    },
    /// Python packages need a tool that could not be served. The error of that tool has the reason.
    #[error("the packages of `{}` need `{tool}`, which is missing", lock.display())]
    PythonNeedsMissing { lock: PathBuf, tool: &'static str },
    /// A Python application or a crate needs a tool that is missing.
    #[error("`{application}` needs `{tool}`")]
    ApplicationNeeds {
        application: Box<Tool>,
        /// `python`, `uv` or `rust`.
        tool: &'static str,
    },
    /// An application or a crate needs a tool that could not be served. The error of that tool has the reason.
    #[error("`{application}` needs `{tool}`, which is missing")]
    NeedsMissing {
        application: Box<Tool>,
        tool: &'static str,
    },
    /// A Python application does not run on the interpreter of the dev shell.
    #[error("cannot install `{tool}` {version}: {reason}")]
    Unfit {
        tool: Box<Tool>,
        version: Version,
        reason: UnfitApplication,
    },
    /// Installing the Python packages failed.
    #[error("cannot install the packages of `{}`", lock.display())]
    PythonInstall {
        lock: PathBuf,
        /// The last lines of uv.
        output: Vec<String>,
        builds: BuildRule,
    },
    /// The editable install of the project failed.
    #[error("cannot build the project itself")]
    ProjectBuild {
        /// The last lines of uv.
        output: Vec<String>,
    },
    /// The project was changed while it waited for its build.
    #[error("`{}` has changed since devsh read it", path.display())]
    ProjectChanged {
        /// Relative to the root.
        path: PathBuf,
    },
    /// Python packages have no wheel, and their own build did not run or failed.
    #[error("{} of `{}` {}", quoted_list(packages), lock.display(), if *may_build {
        "cannot be built"
    } else if packages.len() == 1 {
        "has no wheel"
    } else {
        "have no wheels"
    })]
    PythonBuild {
        lock: PathBuf,
        packages: BTreeSet<String>,
        /// True if they may run their own build.
        is_permitted: bool,
        /// True if they may run it now.
        may_build: bool,
        /// The last lines of uv.
        output: Vec<String>,
    },
    /// Python packages that fit the locked Python have no wheel for the Python of the host that replaces it.
    #[error("{} of `{}` {} for Python {}, and {} of the host replaces it", quoted_list(packages), lock.display(), if packages.len() == 1 {
        "is locked"
    } else {
        "are locked"
    }, python.locked, python.found)]
    PythonReplaced {
        lock: PathBuf,
        packages: BTreeSet<String>,
        python: HostPython,
    },
    /// Python packages failed on a Python of the host with another minor version than the locked one.
    #[error("{error}")]
    OnHostPython {
        error: Box<Self>,
        python: HostPython,
    },
    /// uv could not resolve requirements.
    #[error("cannot resolve {purpose}")]
    PythonResolve {
        /// The purpose of the requirements, in words.
        purpose: String,
        /// The last lines of uv.
        output: Vec<String>,
        builds: BuildRule,
    },
    /// A requirement or an index needs a variable of the environment.
    #[error("`{line}` needs the variable `{name}`, which is not set")]
    PythonVariable { name: String, line: String },
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
    /// The Python lockfile gives no packages.
    #[error("`{}` {error}", lock.display())]
    PythonSelection {
        lock: PathBuf,
        error: SelectionError,
    },
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

/// Returns names in backquotes, with commas.
fn quoted_list(names: &BTreeSet<String>) -> String {
    in_backticks(names).join(", ")
}

impl Error {
    /// Adds that a Python of the host may be the cause, if packages could not be installed or built with it.
    pub(super) fn on_host_python(self, python: &HostPython) -> Self {
        match self {
            Self::PythonInstall { .. }
            | Self::PythonBuild {
                may_build: true, ..
            } => Self::OnHostPython {
                error: Box::new(self),
                python: python.clone(),
            },
            other => other,
        }
    }

    /// Returns the error for packages of `lock` that uv could not install.
    pub(super) fn install_packages(lock: &Path, error: UvError) -> Self {
        Self::installing(lock, error, BuildRule::Named)
    }

    /// Returns the error for a project that uv could not build.
    pub(super) fn build_project(lock: &Path, error: UvError) -> Self {
        match error {
            UvError::Failed { output } => Self::ProjectBuild { output },
            error => Self::install(lock, error),
        }
    }

    /// Returns the error for an application, or packages that all have wheels, that uv could not install.
    pub(super) fn install(lock: &Path, error: UvError) -> Self {
        Self::installing(lock, error, BuildRule::Never)
    }

    fn installing(lock: &Path, error: UvError, builds: BuildRule) -> Self {
        match error {
            UvError::Failed { output } => Self::PythonInstall {
                lock: lock.to_owned(),
                output,
                builds,
            },
            UvError::Variable { name, line } => Self::PythonVariable { name, line },
            UvError::Store(error) => error.into(),
            UvError::File(error) => error.into(),
        }
    }
}
