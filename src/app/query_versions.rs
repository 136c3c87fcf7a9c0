//! Questions to the sources without the lockfile: the available versions, and the one that would be chosen.

use crate::{
    lockfile::{LockedPackage, Lockfile, Upgrade},
    manifest::ToolRequest,
    package::{System, Tool},
    report::failure::Failure,
    resolve,
    sources::{self, Index, Sources},
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
    Ok(sources::fill(
        requests,
        &Lockfile::default(),
        &Upgrade::All,
        sources,
    )?)
}

/// Returns the version that would be chosen without a lockfile.
pub fn choose(
    tool: &Tool,
    request: &ToolRequest,
    index: &Index,
    system: System,
) -> Result<LockedPackage, Failure> {
    let requests = [(tool.clone(), request.clone())];
    let nothing = Lockfile::default();
    let lockfile = resolve::resolve(&requests, index, &nothing, &Upgrade::All, system)?;
    let package = lockfile.packages.into_values().next();
    package.ok_or_else(|| Failure::new(format!("no version of `{tool}` was chosen")))
}
