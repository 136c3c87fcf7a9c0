//! The names of profiles: the environment id, and the checkout if the profile has paths of it.

use std::{
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use super::{choose_artifact::ServedTool, identity::EnvironmentId, request::BuildRequest};
use crate::python::PythonPins;

/// The name of a profile's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProfileName(String);

impl ProfileName {
    /// Returns the profiles that fulfil a request without host tools, the best first.
    pub(super) fn candidates(request: &BuildRequest<'_>) -> Vec<Self> {
        let pins = request.pins(request.locked_python());
        let name = |with_project| Self::managed(request, pins.as_ref(), with_project);
        let mut names = vec![name(true)];
        // A profile with the installed project is also good where the project must not be built.
        if !request.build_project && has_directories(pins.as_ref()) {
            names.push(name(false));
        }
        names
    }

    /// Returns the profile that the lockfile asks for.
    pub(super) fn wanted(request: &BuildRequest<'_>) -> Self {
        let pins = request.pins(request.locked_python());
        Self::managed(request, pins.as_ref(), request.build_project)
    }

    fn managed(request: &BuildRequest<'_>, pins: Option<&PythonPins>, with_project: bool) -> Self {
        let id = EnvironmentId::of_locked(request, pins, with_project);
        Self::new(&id, request, pins)
    }

    /// Returns the profile of these tools, with its environment id.
    pub(super) fn of_served(
        request: &BuildRequest<'_>,
        served: &[ServedTool],
    ) -> (EnvironmentId, Self) {
        let host_versions: Vec<_> = served.iter().map(ServedTool::host_version).collect();
        let (id, pins) = EnvironmentId::of_served(request, &host_versions);
        let name = Self::new(&id, request, pins.as_ref());
        (id, name)
    }

    fn new(id: &EnvironmentId, request: &BuildRequest<'_>, pins: Option<&PythonPins>) -> Self {
        Self(if has_directories(pins) {
            format!("{id}-{}", checkout_digest(request.root, 8))
        } else {
            id.to_string()
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of the link from this profile to the one with host tools that is used instead.
    pub(super) fn host_pointer(&self) -> String {
        format!("{}.host", self.0)
    }
}

fn has_directories(pins: Option<&PythonPins>) -> bool {
    pins.is_some_and(|pins| !pins.directories.is_empty())
}

/// Returns the directory that holds the profiles.
pub(super) fn profiles_directory(data: &Path) -> PathBuf {
    data.join("envs")
}

/// Returns the first `length` hexadecimal digits of the digest of a checkout's path.
pub(super) fn checkout_digest(root: &Path, length: usize) -> String {
    let digest = blake3::hash(root.as_os_str().as_bytes()).to_hex();
    digest[..length].to_owned()
}
