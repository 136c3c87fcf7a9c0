//! What would have to be downloaded, where nothing may be.

use super::{Builder, Error, Request, Unavailable, Wanted};
use crate::{
    fetch,
    package::{Tool, Version},
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
    pub(super) fn offline<'e>(
        &self,
        request: &Request<'_>,
        results: impl Iterator<Item = (&'e Wanted<'e>, &'e Error)>,
    ) -> Option<Error> {
        let mut missing = Vec::new();
        for (wanted, error) in results {
            match error {
                Error::Unavailable { managed, .. } if is_offline(managed) => {
                    missing.extend(self.missing(request, wanted));
                }
                // Something else is wrong as well: that is to be heard first.
                _ => return None,
            }
        }
        (!missing.is_empty()).then_some(Error::Offline { missing })
    }

    fn missing(&self, request: &Request<'_>, wanted: &Wanted<'_>) -> Vec<MissingArtifact> {
        let Some(locked) = wanted.locked else {
            return Vec::new();
        };
        let artifacts = locked.artifacts.get(&request.system);
        let downloads = self.context.directories.cache.join("downloads");
        let absent = artifacts.into_iter().flatten().filter(|artifact| {
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

fn is_offline(unavailable: &Unavailable) -> bool {
    matches!(
        unavailable,
        Unavailable::Unreachable(fetch::Error::Offline { .. })
    )
}
