//! What would have to be downloaded, where nothing may be.

use super::{Builder, Error, Request, Unavailable, Wanted, wheels::wheels};
use crate::{
    fetch,
    lockfile::{Artifact, LockedPackage},
    package::{Source, Tool, Version},
};

/// An artifact that is neither in the store nor downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingArtifact {
    /// The tool.
    pub tool: Tool,
    /// Its locked version.
    pub version: Version,
    /// Which part of the tool; empty for a tool of one artifact.
    pub part: String,
    /// The server that has it, as the settings lead to it.
    pub host: String,
    /// Its size in bytes, where it is known.
    pub size: Option<u64>,
}

impl Builder<'_> {
    /// Returns the one error for everything that is missing, if being offline is what is wrong.
    ///
    /// Without an error a tool was not tried, since what it stands on is missing.
    pub(super) fn offline<'e>(
        &self,
        request: &Request<'_>,
        unserved: impl Iterator<Item = (&'e Wanted<'e>, Option<&'e Error>)>,
    ) -> Option<Error> {
        let mut missing = Vec::new();
        for (wanted, error) in unserved {
            match error {
                None => missing.extend(self.missing(request, wanted)),
                Some(Error::Unavailable { managed, .. }) if is_offline(managed) => {
                    missing.extend(self.missing(request, wanted));
                }
                // Something else is wrong as well: that is to be heard first.
                Some(_) => return None,
            }
        }
        (!missing.is_empty()).then_some(Error::Offline { missing })
    }

    fn missing(&self, request: &Request<'_>, wanted: &Wanted<'_>) -> Vec<MissingArtifact> {
        let Some(locked) = wanted.locked else {
            return Vec::new();
        };
        let artifacts = needed(request, locked);
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
                    tool: wanted.tool.clone(),
                    version: locked.version.clone(),
                    part: artifact.part.clone(),
                    host: url.host_str().unwrap_or(url.scheme()).to_owned(),
                    size: artifact.size,
                }
            })
            .collect()
    }
}

/// Returns the artifacts that a tool needs here: of an application one wheel for each package.
fn needed<'l>(request: &Request<'_>, locked: &'l LockedPackage) -> Vec<&'l Artifact> {
    if locked.application.is_none() {
        return locked
            .artifacts
            .get(&request.system)
            .into_iter()
            .flatten()
            .collect();
    }
    let mut tools = request.tools.iter();
    let python = tools.find(|wanted| wanted.tool.source == Source::Python);
    let python = python.and_then(|python| Some(&python.locked?.version));
    let wheels = python.map(|python| wheels(locked, python, request.system));
    wheels.and_then(Result::ok).unwrap_or_default()
}

fn is_offline(unavailable: &Unavailable) -> bool {
    matches!(
        unavailable,
        Unavailable::Unreachable(fetch::Error::Offline { .. })
    )
}
