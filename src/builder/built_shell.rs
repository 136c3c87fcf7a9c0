//! A finished dev shell: its profile, tools and store objects.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{identity::EnvironmentId, request::BuildRequest};
use crate::{
    config::ToolsFrom,
    env::{Change, VarName},
    package::{Source, Tool, Version},
    store,
    util::{binary, files},
};

/// A dev shell that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltShell {
    pub id: EnvironmentId,
    /// The profile, whose `bin` belongs in front of `PATH`.
    #[serde(with = "binary::path")]
    pub profile: PathBuf,
    /// Further changes of variables.
    pub env: Vec<(VarName, Change)>,
    /// The tools, in the order of their names.
    pub tools: Vec<RealisedTool>,
    /// The scripts of the Python packages, sorted. Tools hide those of the same name.
    pub package_programs: Vec<String>,
    /// The scripts of the project and of other directories that are installed as packages, sorted.
    pub directory_programs: Vec<String>,
    /// The programs of each conda package that the lockfile has and that no requested package says it needs.
    pub unneeded_packages: BTreeMap<String, BTreeSet<String>>,
    /// The store objects that it needs; the head of a profile's record has them.
    #[serde(skip)]
    pub objects: Vec<PathBuf>,
    pub notices: Vec<BuildNotice>,
}

/// A tool of a dev shell that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealisedTool {
    pub tool: Tool,
    pub version: Version,
    pub origin: ToolOrigin,
    /// The names of the programs that it has for `PATH`, sorted; none if it only serves other tools.
    ///
    /// A program that another tool hides is included, so a change of that tool never reveals an unknown name.
    pub programs: Vec<String>,
}

/// The place of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToolOrigin {
    /// An object of the store.
    Store(#[serde(with = "binary::path")] PathBuf),
    /// The host.
    Host {
        /// The main program.
        #[serde(with = "binary::path")]
        program: PathBuf,
        /// The state of the program when its version was read.
        seal: String,
    },
}

/// Something the user should know about a dev shell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BuildNotice {
    /// A host tool is used instead of the locked artifact.
    HostServes {
        tool: Tool,
        /// The locked version, if there is one.
        wanted: Option<Version>,
        /// The version of the host tool.
        found: Version,
        #[serde(with = "binary::path")]
        program: PathBuf,
        /// The reason for not using the artifact, one line; empty if the settings ask for host tools.
        reason: String,
    },
    /// Two tools have a program of the same name.
    Conflict {
        program: String,
        /// The tool whose program is used.
        used: Tool,
        /// The tool whose program is hidden.
        hidden: Tool,
    },
    /// Something about conda packages, one line.
    Conda { note: String },
}

impl BuiltShell {
    /// Returns whether every tool is from the store.
    pub fn is_managed(&self) -> bool {
        let mut origins = self.tools.iter().map(|tool| &tool.origin);
        origins.all(|origin| matches!(origin, ToolOrigin::Store(_)))
    }

    /// Returns whether it has conda packages.
    pub fn has_conda(&self) -> bool {
        let is_conda = |one: &RealisedTool| {
            one.tool.source == Source::Conda && matches!(one.origin, ToolOrigin::Store(_))
        };
        self.tools.iter().any(is_conda)
    }

    /// Returns whether these tools fulfil a request.
    pub(super) fn fulfils(&self, request: &BuildRequest<'_>) -> bool {
        let mut tools = request.tools.iter().zip(&self.tools);
        request.tools.len() == self.tools.len()
            && tools.all(|(requested, tool)| {
                let host = matches!(tool.origin, ToolOrigin::Host { .. });
                let allowed = match request.tools_from {
                    ToolsFrom::Managed => !host,
                    ToolsFrom::Host => host,
                    ToolsFrom::Auto => true,
                };
                let is_locked_version = requested
                    .locked
                    .is_some_and(|locked| locked.version == tool.version);
                let replaces = host && !request.locked && requested.admits(&tool.version);
                requested.tool == &tool.tool && allowed && (is_locked_version || replaces)
            })
    }

    /// Returns the names of the programs that each tool puts on `PATH`. An approval covers them: a tool is its name
    /// and its source, and neither its version nor its place on this machine matters.
    ///
    /// They come from the installed artifacts and not from the lockfile, so a changed lockfile cannot hide one. A
    /// profile is built before it is loaded, so they are known before any of them can be run. `package_programs` has
    /// the scripts of Python packages.
    pub fn programs(&self) -> impl Iterator<Item = (&Tool, &[String])> {
        self.tools.iter().map(|one| (&one.tool, &*one.programs))
    }

    /// Returns whether its objects and host tools still exist unchanged.
    pub(super) fn is_alive(&self) -> bool {
        self.objects
            .iter()
            .all(|object| store::is_published(object))
            && self.tools.iter().all(|tool| match &tool.origin {
                ToolOrigin::Store(_) => true,
                ToolOrigin::Host { program, seal } => program_seal(program) == *seal,
            })
    }
}

impl ToolOrigin {
    /// Returns the origin of a host tool by its main program.
    pub(super) fn host(program: PathBuf) -> Self {
        Self::Host {
            seal: program_seal(&program),
            program,
        }
    }
}

/// Returns a text that changes when a program is replaced; empty if it is gone.
fn program_seal(program: &Path) -> String {
    let stamp = files::Stamp::of(program);
    stamp.map_or_else(String::new, |stamp| {
        format!("{}:{}.{:09}", stamp.size, stamp.mtime.0, stamp.mtime.1)
    })
}
