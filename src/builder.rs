//! Makes a dev shell real: every tool from the store or the machine, and a profile that has them all.
//!
//! `find` answers from what is there, with a few `stat` calls; `realise` downloads what is missing, lets
//! host tools serve where the policy allows it, builds the Python environment and links the profile.
//!
//! Invariants: an environment id names a resolved plan and nothing of a machine; a host tool gives another
//! id than the artifact it stands for, so neither is ever taken for the other.

mod application;
pub mod build_progress;
mod choose_artifact;
pub mod collect;
mod compile;
mod error;
mod identity;
mod installer;
mod npm;
mod offline;
mod profile;
mod profile_manifest;
mod python;
mod record;
mod uv_lock_output;
mod venv;
mod wheels;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub use error::{Error, Unavailable};
pub use identity::EnvironmentId;
pub use offline::MissingArtifact;
pub use uv_lock_output::{locked_application, oldest_python};
pub use wheels::{Unfit, wheels};

use crate::{
    config::{Config, ToolsFrom},
    context::Context,
    env::{Change, VarName},
    fetch::{Client, Progress},
    lockfile::LockedPackage,
    manifest::{ShellName, ToolRequest},
    package::{Source, System, Tool, Version},
    python::{PythonLock, Selection},
    store::{self, Store},
};

/// What one dev shell needs.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The canonical root of the project.
    pub root: &'a Path,
    /// The dev shell, for messages.
    pub shell: &'a ShellName,
    /// The system to build for.
    pub system: System,
    /// The tools, in the order of their names.
    pub tools: Vec<Wanted<'a>>,
    /// The Python packages.
    pub python: Option<PythonPackages>,
    /// Whether artifacts, host tools or either may serve.
    pub tools_from: ToolsFrom,
    /// Whether a host tool must have the locked version.
    pub locked: bool,
    /// Whether code of the project, or of packages that it names, may run to build it or to learn what they
    /// depend on; not in the background of a prompt, nor for a manifest that nobody approved.
    pub build_project: bool,
    /// Whatever else the dev shell consists of (variables, aliases, hooks), as bytes.
    pub extra: &'a [u8],
}

/// A tool that is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The tool.
    pub tool: &'a Tool,
    /// What the manifest asks of it.
    pub request: &'a ToolRequest,
    /// What the lockfile has for it; nothing where it could not be resolved.
    pub locked: Option<&'a LockedPackage>,
    /// Whether it only serves the others, and its programs stay out of the dev shell.
    pub hidden: bool,
}

/// Packages of a Python lockfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonPackages {
    /// The lockfile, relative to the root.
    pub lock: PathBuf,
    /// What it says.
    pub locked: Arc<PythonLock>,
    /// What is wanted of it.
    pub selection: Selection,
    /// A digest of what an installed project depends on beside the lockfile.
    pub project: [u8; 32],
}

/// What a dev shell is built with.
#[derive(Clone, Copy)]
pub struct Builder<'a> {
    /// The process.
    pub context: &'a Context,
    /// The user's settings.
    pub config: &'a Config,
    /// The store.
    pub store: &'a Store,
    /// Asks servers.
    pub client: &'a Client,
    /// Shows how far it is.
    pub progress: &'a dyn Progress,
}

/// A dev shell that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realised {
    /// What it was made from.
    pub id: EnvironmentId,
    /// Its profile; the profile's `bin` belongs in front of `PATH`.
    pub profile: PathBuf,
    /// Further changes of variables.
    pub env: Vec<(VarName, Change)>,
    /// The tools, in the order of their names.
    pub tools: Vec<RealisedTool>,
    /// The store objects it needs.
    pub objects: Vec<PathBuf>,
    /// What the user should know of it.
    pub notices: Vec<Notice>,
}

/// A tool of a dev shell that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealisedTool {
    /// The tool.
    pub tool: Tool,
    /// Its version.
    pub version: Version,
    /// Where it is.
    pub origin: ToolOrigin,
}

/// Where a tool of a dev shell is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolOrigin {
    /// In the store, in this directory.
    Store(PathBuf),
    /// On the machine.
    Host {
        /// Its main program.
        program: PathBuf,
        /// Tells whether the program is still the one that was asked for its version.
        seal: String,
    },
}

/// Something to tell of a dev shell that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A tool of the machine serves instead of the locked artifact.
    HostServes {
        /// The tool.
        tool: Tool,
        /// The locked version, if there is one.
        wanted: Option<Version>,
        /// The version that serves.
        found: Version,
        /// The program.
        program: PathBuf,
        /// Why the artifact does not serve, one line; empty where the policy wants host tools.
        reason: String,
    },
    /// Two tools have a program of the same name.
    Conflict {
        /// The program.
        program: String,
        /// The tool whose program is used.
        used: Tool,
        /// The tool whose program is hidden.
        hidden: Tool,
    },
}

/// Returns the dev shell if it is there, without network and without changing anything.
///
/// `data` is devsh's data directory.
pub fn find(data: &Path, request: &Request<'_>) -> Option<Realised> {
    let names = request.names();
    let managed = names.iter().map(|name| name.as_str().to_owned());
    let host = names.iter().map(profile::host_pointer);
    let order: Vec<String> = if request.tools_from == ToolsFrom::Host {
        host.collect()
    } else {
        managed.chain(host).collect()
    };
    order.iter().find_map(|name| {
        let realised = record::read(&profile::directory(data).join(name))?;
        (request.accepts(&realised) && realised.is_alive()).then_some(realised)
    })
}

impl Builder<'_> {
    /// Returns the dev shell, making what is missing of it.
    ///
    /// Artifacts are tried before host tools, also where a host tool served the last time.
    pub fn realise(&self, request: &Request<'_>) -> Result<Realised, Error> {
        let data = &self.context.directories.data;
        let pass = store::leases::pass(data);
        for name in request.names() {
            // Where nothing can be written nothing is collected either.
            let _leased = self.store.lease_profile(name.as_str());
        }
        let found = find(data, request);
        drop(pass);
        if let Some(realised) = found
            && realised.is_managed()
        {
            return Ok(realised);
        }
        let served = self.serve(request)?;
        let python = self.python(request, &served)?;
        let realised = profile::build((data, self.store), request, served, python.as_ref())?;
        if let Some(own) = python.and_then(|python| python.own) {
            own.discard()?;
        }
        Ok(realised)
    }
}

impl Request<'_> {
    /// Returns the profiles that do for this request if no host tool serves, the best first.
    fn names(&self) -> Vec<profile::Name> {
        // An environment with the project inside also does where the project must not be built.
        let variants: &[bool] = if self.build_project || self.directories().is_empty() {
            &[true]
        } else {
            &[true, false]
        };
        let id = |with_project: &bool| EnvironmentId::wanted(self, *with_project);
        variants
            .iter()
            .map(|with_project| profile::Name::new(&id(with_project), self))
            .collect()
    }

    /// Returns the directories of the project that are installed as packages.
    fn directories(&self) -> Vec<String> {
        let pins = self.python.as_ref().map(|python| {
            let python_tool = |wanted: &&Wanted<'_>| wanted.tool.source == Source::Python;
            let wanted = self.tools.iter().find(python_tool);
            python.pins(
                wanted.and_then(|wanted| Some(&wanted.locked?.version)),
                self.system,
            )
        });
        pins.and_then(Result::ok)
            .map(|pins| pins.directories)
            .unwrap_or_default()
    }

    /// Returns whether the policy admits what serves in `realised`.
    fn accepts(&self, realised: &Realised) -> bool {
        self.tools.len() == realised.tools.len()
            && self
                .tools
                .iter()
                .zip(&realised.tools)
                .all(|(wanted, have)| {
                    let host = matches!(have.origin, ToolOrigin::Host { .. });
                    let same = wanted
                        .locked
                        .is_some_and(|locked| locked.version == have.version);
                    let policy = match self.tools_from {
                        ToolsFrom::Managed => !host,
                        ToolsFrom::Host => host,
                        ToolsFrom::Auto => true,
                    };
                    let served = host && !self.locked && wanted.admits(&have.version);
                    wanted.tool == &have.tool && policy && (same || served)
                })
    }
}

impl Wanted<'_> {
    /// Returns whether the manifest is content with `version`, locked or not.
    fn admits(&self, version: &Version) -> bool {
        let requirement = &self.request.requirement.value;
        // A channel names versions that only its server knows; all that can be said is that they are stable.
        let stable = requirement.channel().is_none() || !version.is_prerelease();
        let mut floors = self.request.floors.iter();
        stable && requirement.admits(version) && floors.all(|floor| floor.value.admits(version))
    }
}

impl Realised {
    /// Returns whether every tool is from the store.
    pub fn is_managed(&self) -> bool {
        let mut origins = self.tools.iter().map(|tool| &tool.origin);
        origins.all(|origin| matches!(origin, ToolOrigin::Store(_)))
    }

    /// Returns whether everything it was made from is still there.
    fn is_alive(&self) -> bool {
        self.objects
            .iter()
            .all(|object| store::is_published(object))
            && self.tools.iter().all(|tool| match &tool.origin {
                ToolOrigin::Store(_) => true,
                ToolOrigin::Host { program, seal } => choose_artifact::seal(program) == *seal,
            })
    }
}

#[cfg(test)]
mod tests;
