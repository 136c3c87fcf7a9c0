//! The builder's input: the tools and Python packages of one dev shell.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Error;
use crate::{
    config::ToolsFrom,
    lockfile::LockedPackage,
    manifest::{ShellName, ToolRequest, presets::release_line_numbers},
    package::{CondaFloors, Source, System, Tool, Version},
    python::{PythonLock, PythonPins, Selection, SelectionError, TargetEnvironment},
    util::files,
};

/// Everything that decides what a dev shell consists of.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent permissions and facts, each with one reader"
)]
pub struct BuildRequest<'a> {
    /// The canonical root of the project.
    pub root: &'a Path,
    /// The files of the project as they were read for the approval; absent ones have no content.
    pub project_files: &'a BTreeMap<PathBuf, Option<Arc<[u8]>>>,
    /// The dev shell, for messages.
    pub shell: &'a ShellName,
    pub system: System,
    /// The tools, in the order of their names.
    pub tools: Vec<RequestedTool<'a>>,
    pub python: Option<PythonPackages>,
    /// The allowed kinds of tools: artifacts, host tools or both.
    pub tools_from: ToolsFrom,
    /// True if a host tool must have the locked version.
    pub locked: bool,
    /// True if code of the project and of its packages may run to build them or to report their dependencies. Not
    /// in the background of a prompt, and not for a manifest without approval.
    pub build_project: bool,
    /// True if code of fetched packages may run: builds of source archives, activation scripts. Not in the background of
    /// a prompt, because a changed lockfile can bring it and no one asked for the build.
    pub runs_package_code: bool,
    /// The conda packages that no requested one needs and that the user approved; `None` admits all.
    pub approved_conda: Option<BTreeSet<String>>,
    /// True if the dev shell is of use without any tool and package.
    pub is_more_than_tools: bool,
    /// The oldest systems that the conda packages are locked for.
    pub conda_floors: CondaFloors,
    /// The rest of the dev shell (variables, aliases, scripts), as bytes for the environment id.
    pub extra: &'a [u8],
}

/// A tool of a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestedTool<'a> {
    pub tool: &'a Tool,
    pub request: &'a ToolRequest,
    /// The locked package; `None` if it could not be resolved.
    pub locked: Option<&'a LockedPackage>,
    /// True if only other tools use it, and its programs are not in the dev shell.
    pub hidden: bool,
}

/// Packages of a Python lockfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonPackages {
    /// The lockfile, relative to the root.
    pub lock: PathBuf,
    /// Its content.
    pub locked: Arc<PythonLock>,
    pub selection: Selection,
    /// Packages of the public index that may run their own build, by normalised name. A lockfile is data, so the
    /// manifest names them.
    pub builds: BTreeSet<String>,
    /// A digest of the files that decide what the installed project is.
    pub project: [u8; 32],
    /// The settings of uv for the build of the project.
    pub build_settings: Option<String>,
    /// Packages that are not installed because they have no wheel.
    pub without: BTreeSet<String>,
}

impl PythonPackages {
    /// Returns the exact packages for an interpreter; without one, those that any Python 3 gets.
    pub fn pins(
        &self,
        python: Option<&Version>,
        system: System,
    ) -> Result<PythonPins, SelectionError> {
        let unknown = || "3".parse::<Version>().ok();
        let Some(version) = python.cloned().or_else(unknown) else {
            return Ok(PythonPins::default());
        };
        let target = TargetEnvironment::new(&version, system);
        let mut pins = self.locked.select(&self.selection, &target)?;
        pins.packages
            .retain(|pin| !self.without.contains(&pin.name));
        Ok(pins)
    }
}

impl BuildRequest<'_> {
    /// Fails if a file is not as it was read for the approval. Downloads and questions take time, and a build of the
    /// project reads its files again.
    pub(super) fn refuse_changed_project(&self) -> Result<(), Error> {
        let changed = self.project_files.iter().find(|(path, approved)| {
            let limit = approved.as_ref().map_or(0, |bytes| bytes.len() as u64);
            let now = files::read_bounded(path, limit);
            !now.is_ok_and(|now| now.as_deref() == approved.as_deref())
        });
        changed.map_or(Ok(()), |(path, _)| {
            let path = path.strip_prefix(self.root).unwrap_or(path).to_owned();
            Err(Error::ProjectChanged { path })
        })
    }

    /// Returns the Python packages for an interpreter; `None` without Python packages.
    ///
    /// An incomplete lockfile counts as empty: it cannot be built, so it needs no id.
    pub(super) fn pins(&self, python: Option<&Version>) -> Option<PythonPins> {
        let packages = self.python.as_ref()?;
        Some(packages.pins(python, self.system).unwrap_or_default())
    }

    /// Returns the locked version of the dev shell's Python.
    pub(super) fn locked_python(&self) -> Option<&Version> {
        let python = self.tools.get(self.python_position()?)?;
        python.locked.map(|locked| &locked.version)
    }

    /// Returns the position of the dev shell's Python among its tools.
    pub(super) fn python_position(&self) -> Option<usize> {
        let tools = self.tools.iter().enumerate();
        let pythons = tools.filter_map(|(position, requested)| {
            let rank = interpreter_rank(requested.tool, requested.hidden)?;
            Some((rank, position))
        });
        pythons.min().map(|(_, position)| position)
    }
}

impl RequestedTool<'_> {
    /// Returns whether the manifest admits `version`.
    pub(super) fn admits(&self, version: &Version) -> bool {
        let requirement = &self.request.requirement.value;
        // Only its server knows the versions of a channel, but all of them are stable.
        let stable = requirement.channel().is_none() || !version.is_prerelease();
        let mut floors = self.request.floors.iter();
        stable
            && self.is_of_line(version)
            && requirement.admits(version)
            && floors.all(|floor| floor.value.admits(version))
    }

    /// Returns whether a version of Node.js is of the release line that the request names, as far as this devsh knows.
    fn is_of_line(&self, version: &Version) -> bool {
        let requirement = &self.request.requirement.value;
        let line = requirement
            .channel()
            .filter(|_| self.tool.source == Source::Node);
        line.is_none_or(|line| {
            let numbers = release_line_numbers(line).ok().flatten();
            numbers.is_some_and(|numbers| numbers.admits(version))
        })
    }

    /// Returns whether it is made with other tools of the request: a Python application or a crate.
    pub(super) fn needs_others(&self) -> bool {
        self.locked.is_some_and(|locked| {
            locked.application.is_some() || locked.supplier.source == Source::Cargo
        })
    }
}

/// Returns the place of a tool among the interpreters for Python packages, the lowest first; `None` if it is none.
///
/// A hidden Python only serves applications.
pub(super) fn interpreter_rank(tool: &Tool, hidden: bool) -> Option<(bool, bool)> {
    tool.is_interpreter()
        .then(|| (hidden, tool.is_conda_python()))
}
