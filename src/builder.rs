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
mod built_wheels;
mod choose_artifact;
mod conda;
mod conda_activation;
mod crate_build;
mod early_packages;
mod error;
mod guards;
mod identity;
pub mod inventory;
mod npm_resolve;
mod offline;
mod package_wheels;
mod partial_build;
mod profile;
mod profile_manifest;
mod profile_name;
mod profile_record;
mod python_env;
mod python_resolve;
mod request;
pub mod share;

#[cfg(test)]
mod tests;

use std::path::Path;

use crate::{
    cache::Caches,
    config::{Config, ToolsFrom},
    context::Context,
    fetch::{Client, Progress},
    package::{Source, System, Tool},
    sources::{CacheUse, Sources},
    store::{self, Store},
};

pub use built_shell::{BuildNotice, BuiltShell, RealisedTool, ToolOrigin};
pub use crate_build::CrateFailure;
pub use error::{BuildRule, Error, HostPython, Unavailable};
pub use identity::EnvironmentId;
pub use offline::MissingArtifact;
pub use partial_build::{PartialBuild, ShellPart, UnbuiltPart, UnbuiltParts};
pub use python_resolve::{ApplicationQuery, PackageQuery};
pub use request::{BuildRequest, PythonPackages, RequestedTool};

use choose_artifact::{ServedTools, put_causes_first};
use profile_name::{ProfileName, profiles_directory};

/// The services that a build uses.
#[derive(Clone, Copy)]
pub struct Builder<'a> {
    pub context: &'a Context,
    pub config: &'a Config,
    pub store: &'a Store,
    pub client: &'a Client,
    pub progress: &'a dyn Progress,
    /// The team's caches, which are asked before something is built.
    pub caches: &'a Caches,
}

/// Returns the dev shell if it was built before, without network and without any change.
///
/// `data` is devsh's data directory.
pub fn find(data: &Path, request: &BuildRequest<'_>) -> Option<BuiltShell> {
    find_named(data, request, &ProfileName::complete(request))
}

/// Returns the dev shell of a profile, if it is intact.
pub fn built_at(profile: &Path) -> Option<BuiltShell> {
    profile_record::read(profile)
}

fn find_named(
    data: &Path,
    request: &BuildRequest<'_>,
    profile: &ProfileName,
) -> Option<BuiltShell> {
    let host = profile.host_pointer();
    let order = if request.tools_from == ToolsFrom::Host {
        vec![host]
    } else {
        vec![profile.as_str().to_owned(), host]
    };
    order.iter().find_map(|name| {
        let built = profile_record::read(&profiles_directory(data).join(name))?;
        // The profile can be of another machine with the same home directory.
        let runs_here = || {
            let own = System::current() == Some(request.system);
            !(own && built.has_conda()) || conda::older_system(request.conda_floors).is_none()
        };
        (built.fulfils(request) && built.is_alive() && runs_here()).then_some(built)
    })
}

impl Builder<'_> {
    /// Returns whether a dev shell is for another system than this machine's, whose programs do not run here.
    fn is_foreign(&self, request: &BuildRequest<'_>) -> bool {
        self.context.system.is_some_and(|own| own != request.system)
    }

    /// Returns the sources as a build asks them.
    fn sources(&self, system: System) -> Sources<'_> {
        Sources {
            config: self.config,
            client: self.client,
            cache: &self.context.directories.cache,
            now: self.context.now,
            system,
            cache_use: CacheUse::Recent,
        }
    }

    /// Returns the dev shell, building what is not there. A part that fails does not stop the others.
    ///
    /// Artifacts are tried before host tools, even if a host tool was used the last time.
    pub fn find_or_build(&self, request: &BuildRequest<'_>) -> Result<PartialBuild, Error> {
        let data = &self.context.directories.data;
        let complete = ProfileName::complete(request);
        let pass = store::leases::pass(data);
        // If nothing can be written here, garbage collection cannot run either.
        let _leased = self.store.lease_profile(complete.as_str());
        let found = find_named(data, request, &complete);
        drop(pass);
        if let Some(built) = found
            && built.is_managed()
        {
            return Ok(PartialBuild {
                built_shell: built,
                unbuilt: UnbuiltParts::default(),
            });
        }
        let (tools, early) = self.serve_and_install(request);
        let ServedTools {
            tools: mut served,
            mut unbuilt,
        } = tools;
        // The profile is that of a dev shell which asks for nothing but these parts.
        let mut request = request.clone();
        request.tools.retain(|requested| {
            let mut tools = served.iter();
            tools.any(|one| one.tool == *requested.tool)
        });
        let conda = match self.conda_environment(&request, &served) {
            Ok(conda) => conda,
            Err(error) => {
                let is_conda = |tool: &Tool| tool.source == Source::Conda;
                let failed = served.iter().find(|one| is_conda(&one.tool));
                unbuilt.parts.extend(failed.map(|one| UnbuiltPart {
                    part: ShellPart::Tool(one.tool.clone()),
                    error,
                }));
                request.tools.retain(|requested| !is_conda(requested.tool));
                served.retain(|one| !is_conda(&one.tool));
                None
            }
        };
        let python = self
            .reduce_python(&mut request, &served, conda.as_ref(), early)
            .and_then(|failed| {
                unbuilt.parts.extend(failed);
                self.python_environment(&request, &served, conda.as_ref())
            });
        let python = match python {
            Ok(python) => python,
            Err(error) => {
                request.python = None;
                unbuilt.parts.push(UnbuiltPart {
                    part: ShellPart::PythonPackages,
                    error,
                });
                put_causes_first(&mut unbuilt.parts);
                None
            }
        };
        let (python, failed_project) = match python {
            Some((python, failed)) => (Some(python), failed),
            None => (None, None),
        };
        if let Some(error) = failed_project {
            unbuilt.parts.push(UnbuiltPart {
                part: ShellPart::Project,
                error,
            });
        }
        let is_empty = served.is_empty() && python.is_none();
        if is_empty && !request.is_more_than_tools {
            unbuilt.complete()?;
            unbuilt = UnbuiltParts::default();
        }
        let environments = profile::Environments { conda, python };
        let built_shell =
            profile::build_profile(data, self.store, &request, served, &environments)?;
        let python = environments.python;
        if let Some(editable) = python.and_then(|python| python.editable) {
            editable.discard()?;
        }
        Ok(PartialBuild {
            built_shell,
            unbuilt,
        })
    }
}
