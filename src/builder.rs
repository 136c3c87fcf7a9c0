//! Builds a dev shell: every tool from the store or the host, and a profile with all of them.
//!
//! `find` answers from an existing profile, with a few `stat` calls. `find_or_build` downloads missing artifacts, uses host
//! tools if the settings allow it, builds the Python environment and links the profile.
//!
//! Invariants: an environment id names a resolved plan and nothing of a machine. A host tool gives another id than
//! the artifact that it replaces, so neither is ever taken for the other.

mod application;
pub mod build_progress;
mod built_shell;
mod choose_artifact;
mod error;
mod identity;
pub mod inventory;
mod npm_resolve;
mod offline;
mod profile;
mod profile_manifest;
mod profile_name;
mod python_env;
mod python_resolve;
mod record;
mod request;

#[cfg(test)]
mod tests;

use std::path::Path;

use crate::{
    config::{Config, ToolsFrom},
    context::Context,
    fetch::{Client, Progress},
    store::{self, Store},
};

pub use built_shell::{BuildNotice, BuiltShell, RealisedTool, ToolOrigin};
pub use error::{BuildRule, Error, Unavailable};
pub use identity::EnvironmentId;
pub use offline::MissingArtifact;
pub use python_resolve::{ApplicationQuery, PackageQuery};
pub use request::{BuildRequest, PythonPackages, RequestedTool};

use profile_name::{ProfileName, profiles_directory};

/// The services that a build uses.
#[derive(Clone, Copy)]
pub struct Builder<'a> {
    pub context: &'a Context,
    pub config: &'a Config,
    pub store: &'a Store,
    pub client: &'a Client,
    pub progress: &'a dyn Progress,
}

/// Returns the dev shell if it was built before, without network and without any change.
///
/// `data` is devsh's data directory.
pub fn find(data: &Path, request: &BuildRequest<'_>) -> Option<BuiltShell> {
    find_named(data, request, &ProfileName::candidates(request))
}

fn find_named(
    data: &Path,
    request: &BuildRequest<'_>,
    candidates: &[ProfileName],
) -> Option<BuiltShell> {
    let managed = candidates.iter().map(|name| name.as_str().to_owned());
    let host = candidates.iter().map(ProfileName::host_pointer);
    let order: Vec<String> = if request.tools_from == ToolsFrom::Host {
        host.collect()
    } else {
        managed.chain(host).collect()
    };
    order.iter().find_map(|name| {
        let built = record::read(&profiles_directory(data).join(name))?;
        (built.fulfils(request) && built.is_alive()).then_some(built)
    })
}

impl Builder<'_> {
    /// Returns the dev shell, building the missing parts.
    ///
    /// Artifacts are tried before host tools, even if a host tool was used the last time.
    pub fn find_or_build(&self, request: &BuildRequest<'_>) -> Result<BuiltShell, Error> {
        let data = &self.context.directories.data;
        let candidates = ProfileName::candidates(request);
        let pass = store::leases::pass(data);
        for name in &candidates {
            // If nothing can be written here, garbage collection cannot run either.
            let _leased = self.store.lease_profile(name.as_str());
        }
        let found = find_named(data, request, &candidates);
        drop(pass);
        if let Some(built) = found
            && built.is_managed()
        {
            return Ok(built);
        }
        let served = self.serve(request)?;
        let python = self.python_environment(request, &served)?;
        let built = profile::build_profile(data, self.store, request, served, python.as_ref())?;
        if let Some(editable) = python.and_then(|python| python.editable) {
            editable.discard()?;
        }
        Ok(built)
    }
}
