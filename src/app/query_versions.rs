//! Questions to the sources without the lockfile: the available versions, and the one that would be chosen.

use crate::{
    lockfile::{Lockfile, Upgrade},
    manifest::{DevShell, ToolRequest},
    package::{System, Tool},
    report::failure::Failure,
    resolve,
    sources::{
        self, Candidate, Index, Lookup, SoughtTool, Sources,
        conda::{self, CondaRelease},
    },
};

use super::session::Session;

/// Returns the versions that the sources offer for the requests, without a cached answer.
pub fn offers(session: &Session<'_>, requests: &[(Tool, ToolRequest)]) -> Result<Index, Failure> {
    let sources = Sources {
        config: session.config()?,
        client: &session.client()?,
        cache: &session.context.directories.cache,
        now: session.context.now,
        system: session.system()?,
    };
    let lookup = Lookup {
        previous: &Lockfile::default(),
        upgrade: &Upgrade::All,
        sources,
        best: resolve::best,
        digests: false,
    };
    Ok(sources::fill(requests, lookup)?)
}

/// Returns the versions that the usual channel has of a conda package, newest first.
pub fn conda_releases(session: &Session<'_>, name: &str) -> Result<Vec<CondaRelease>, Failure> {
    let channels = DevShell::default().conda_channels()?;
    let sources = Sources {
        config: session.config()?,
        client: &session.client()?,
        cache: &session.context.directories.cache,
        now: session.context.now,
        system: session.system()?,
    };
    Ok(conda::releases(&channels, name, sources, false)?)
}

/// Returns the version that would be chosen without a lockfile.
pub fn choose<'i>(
    tool: &Tool,
    request: &ToolRequest,
    index: &'i Index,
    system: System,
) -> Result<&'i Candidate, Failure> {
    let sought = SoughtTool {
        tool,
        request,
        previous: &Lockfile::default(),
        upgrade: &Upgrade::All,
        system,
    };
    Ok(resolve::chosen(sought, index)?)
}
