//! The artifacts that are missing while devsh is offline.

use super::{
    Builder, Error, Unavailable,
    request::{BuildRequest, RequestedTool},
};
use crate::{
    fetch,
    lockfile::{Artifact, LockedPackage},
    package::{Tool, Version},
    python::choose_wheels,
};

/// An artifact that is neither in the store nor downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingArtifact {
    pub tool: Tool,
    /// Its locked version.
    pub version: Version,
    /// The part of the tool; empty for a tool of one artifact.
    pub part: String,
    /// The server, after the mirrors of the settings.
    pub host: String,
    /// The size in bytes, if known.
    pub size: Option<u64>,
}

/// A tool that could not be used.
pub(super) struct UnservedTool<'e> {
    pub(super) requested: &'e RequestedTool<'e>,
    pub(super) error: &'e Error,
}

impl Builder<'_> {
    /// Returns one error for all missing artifacts, if being offline is the only problem.
    pub(super) fn offline_error<'e>(
        &self,
        request: &BuildRequest<'_>,
        unserved: impl Iterator<Item = UnservedTool<'e>>,
    ) -> Option<Error> {
        let mut missing = Vec::new();
        for unserved in unserved {
            let requested = unserved.requested;
            match unserved.error {
                Error::Unavailable { managed, .. } if is_offline(managed) => {
                    missing.extend(self.missing_artifacts(request, requested));
                }
                // It was not tried, because a tool that it needs is missing.
                Error::ApplicationNeeds { .. } => {
                    missing.extend(self.missing_artifacts(request, requested));
                }
                // Another problem is reported first.
                _ => return None,
            }
        }
        (!missing.is_empty()).then_some(Error::Offline { missing })
    }

    fn missing_artifacts(
        &self,
        request: &BuildRequest<'_>,
        requested: &RequestedTool<'_>,
    ) -> Vec<MissingArtifact> {
        let Some(locked) = requested.locked else {
            return Vec::new();
        };
        let artifacts = needed_artifacts(request, locked);
        let downloads = self.context.directories.cache.join("downloads");
        let absent = artifacts.into_iter().filter(|artifact| {
            let path = fetch::partial(&downloads, &artifact.digest);
            let length = std::fs::metadata(path).map(|found| found.len());
            artifact.size.is_none() || length.ok() != artifact.size
        });
        absent
            .map(|artifact| {
                let url = self.config.mirrored(&artifact.url);
                MissingArtifact {
                    tool: requested.tool.clone(),
                    version: locked.version.clone(),
                    part: artifact.part.clone(),
                    host: url.host_str().unwrap_or(url.scheme()).to_owned(),
                    size: artifact.size,
                }
            })
            .collect()
    }
}

/// Returns the artifacts of a tool on this system; of an application one wheel for each package.
fn needed_artifacts<'l>(
    request: &BuildRequest<'_>,
    locked: &'l LockedPackage,
) -> Vec<&'l Artifact> {
    if locked.application.is_none() {
        return locked
            .artifacts
            .get(&request.system)
            .into_iter()
            .flatten()
            .collect();
    }
    let python = request.locked_python();
    let wheels = python.map(|python| choose_wheels(locked, python, request.system));
    wheels.and_then(Result::ok).unwrap_or_default()
}

fn is_offline(unavailable: &Unavailable) -> bool {
    matches!(
        unavailable,
        Unavailable::Unreachable(fetch::Error::Offline { .. })
    )
}
