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
    /// Returns the profile that fulfils a request without host tools. The project is installed in it.
    pub(super) fn complete(request: &BuildRequest<'_>) -> Self {
        Self::managed(request, true)
    }

    /// Returns the profile of the locked tools.
    pub(super) fn managed(request: &BuildRequest<'_>, with_project: bool) -> Self {
        let pins = request.pins(request.locked_python());
        let id = EnvironmentId::of_locked(request, pins.as_ref(), with_project);
        Self::new(&id, request, pins.as_ref())
    }

    /// Returns the profile of these tools, with its environment id.
    pub(super) fn of_served(
        request: &BuildRequest<'_>,
        served: &[ServedTool],
        with_project: bool,
    ) -> (EnvironmentId, Self) {
        let host_versions: Vec<_> = served.iter().map(ServedTool::host_version).collect();
        let (id, pins) = EnvironmentId::of_served(request, &host_versions, with_project);
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
