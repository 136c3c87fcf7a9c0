//! Tools of the npm registry: their dependencies, as npm resolves them on the locked node.

use crate::{
    builder::RequestedTool,
    lockfile::{LockKey, Lockfile},
    manifest::NamedRequest,
    report::failure::Failure,
    sources::newest_allowed,
};

use super::{
    python_tools::{TeamTools, with_uv},
    session::Session,
};

/// Returns the `package-lock.json` that npm writes for the locked version of `key`, on the newest node that
/// is asked for.
pub fn package_lock(
    session: &Session<'_>,
    key: &LockKey,
    lockfile: &Lockfile,
    requests: &[NamedRequest],
    ground: &TeamTools,
) -> Result<String, Failure> {
    let nodes = requests
        .iter()
        .chain(&ground.requests)
        .filter(|one| one.tool.name.as_str() == "node")
        .map(|NamedRequest { tool, request }| RequestedTool {
            tool,
            request,
            locked: lockfile
                .locked(tool, request)
                .or_else(|| ground.lockfile.locked(tool, request)),
            hidden: true,
        });
    let newest_node = nodes.max_by(|one, other| {
        let version =
            |requested: &RequestedTool<'_>| requested.locked.map(|locked| locked.version.clone());
        version(one).cmp(&version(other))
    });
    let Some(package) = lockfile.packages.get(key) else {
        return Err(Failure::new(format!("{key} is not locked")));
    };
    let newest = newest_allowed(&key.tool, session.config()?, session.context.now);
    with_uv(
        session,
        newest_node.into_iter().collect(),
        &[],
        |builder, request| {
            builder.npm_lock(request, &key.tool, &package.version, newest.as_deref())
        },
    )
}
