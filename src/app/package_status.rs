//! The Python packages that a dev shell asks for, as its lockfile has them.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    builder::PythonPackages,
    lockfile::Lockfile,
    manifest::DevShell,
    project::Project,
    python::{PythonPins, SelectionPart, normalize},
};

use super::{missing_parts::Unlocked, python_packages, session::Session};

/// The Python packages of a dev shell. The JSON form is part of the interface.
#[derive(Debug, Serialize)]
pub struct PackageStatus {
    /// The file that pins them, relative to the root.
    pub lockfile: PathBuf,
    pub groups: Vec<String>,
    pub extras: Vec<String>,
    /// The number of packages, without the project itself.
    pub count: usize,
    /// True if the project itself, or another directory, is installed too.
    pub installs_project: bool,
}

/// Exact Python packages, and what they were chosen from.
pub struct ChosenPackages {
    pub packages: PythonPackages,
    pub pins: PythonPins,
}

impl ChosenPackages {
    /// Returns the packages of a dev shell, if it has any and they are locked.
    pub fn of(
        session: &Session<'_>,
        project: &Project,
        shell: &DevShell,
        lockfile: &Lockfile,
    ) -> Option<Self> {
        let packages =
            python_packages::of_shell(project, shell, lockfile, &Unlocked::default()).ok()??;
        let version = python_packages::python_version(shell, lockfile);
        let pins = packages
            .pins(version.as_ref(), session.system().ok()?)
            .ok()?;
        Some(Self { packages, pins })
    }

    /// Returns the version and the lockfile of a package, if the dev shell has it.
    pub fn describe_pin(&self, name: &str) -> Option<String> {
        let name = normalize(name);
        let pin = self.pins.packages.iter().find(|pin| pin.name == name)?;
        let version = pin.version.as_ref().map(|version| format!(" {version}"));
        Some(format!(
            "{name}{} comes with `{}`",
            version.unwrap_or_default(),
            self.packages.lock.display()
        ))
    }

    /// Returns whether the lockfile has a package, by its normalised name, for any dev shell.
    pub fn has(&self, name: &str) -> bool {
        let listed = self.packages.locked.listed();
        listed.iter().any(|package| package.name == name)
    }

    pub fn status(&self) -> PackageStatus {
        let (mut groups, mut extras) = (Vec::new(), Vec::new());
        for part in self.packages.selection.parts() {
            match part {
                SelectionPart::Group(name) => groups.push(name),
                SelectionPart::Extra(name) => extras.push(name),
            }
        }
        PackageStatus {
            lockfile: self.packages.lock.clone(),
            groups,
            extras,
            count: self.pins.packages.len(),
            installs_project: !self.pins.directories.is_empty(),
        }
    }
}
