//! Questions to the sources without the lockfile: the available versions, and the one that would be chosen.

use crate::{
    fetch::Client,
    lockfile::{Lockfile, Upgrade},
    manifest::{NamedRequest, ToolRequest},
    package::{CondaChannel, System, Tool},
    report::failure::Failure,
    resolve,
    sources::{
        CacheUse, Candidate, Index, Lookup, Sources, ToolQuery,
        conda::{self, CondaRelease},
        fill,
    },
};

use super::session::Session;

/// Returns the sources as this command asks them.
pub fn sources<'a>(session: &'a Session<'_>, client: &'a Client) -> Result<Sources<'a>, Failure> {
    Ok(Sources {
        config: session.config()?,
        client,
        cache: &session.context.directories.cache,
        now: session.context.now,
        system: session.system()?,
        cache_use: CacheUse::Recent,
    })
}

/// Returns the versions that the sources offer for the requests, without a cached answer.
pub fn offers(session: &Session<'_>, requests: &[NamedRequest]) -> Result<Index, Failure> {
    let client = session.client()?;
    let sources = sources(session, &client)?;
    let lookup = Lookup {
        previous: &Lockfile::default(),
        upgrade: &Upgrade::All,
        sources,
        best: resolve::best,
        digests: false,
    };
    Ok(fill(requests, lookup)?)
}

/// Returns the versions that channels have of a conda package, newest first.
pub fn conda_releases(
    session: &Session<'_>,
    channels: &[CondaChannel],
    name: &str,
) -> Result<Vec<CondaRelease>, Failure> {
    let client = session.client()?;
    let sources = sources(session, &client)?;
    Ok(conda::releases(channels, name, sources.revalidating())?)
}

/// Returns the version that would be chosen without a lockfile.
pub fn choose<'i>(
    tool: &Tool,
    request: &ToolRequest,
    index: &'i Index,
    system: System,
) -> Result<&'i Candidate, Failure> {
    let sought = ToolQuery {
        tool,
        request,
        previous: &Lockfile::default(),
        upgrade: &Upgrade::All,
        system,
    };
    Ok(resolve::chosen(sought, index)?)
}
