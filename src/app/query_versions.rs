//! Questions to the sources beside the lockfile: what is the newest version, what would be chosen.

use crate::{
    lockfile::{LockedPackage, Lockfile, Upgrade},
    manifest::{Located, Origin, ToolRequest},
    package::{Requirement, System, Tool},
    report::failure::Failure,
    resolve,
    sources::{self, Index, Sources},
};

use super::session::Work;
use crate::{cli::commands::lock, report::hints};

/// A tool that is asked for on the command line.
pub fn request(requirement: Requirement) -> ToolRequest {
    ToolRequest {
        requirement: Located {
            value: requirement,
            origin: Origin {
                file: "the command line".into(),
                line: 0,
            },
        },
        floors: Vec::new(),
        components: Vec::new(),
        targets: Vec::new(),
    }
}

/// Returns what the sources offer for the requests, asked anew.
pub fn offers(work: &Work<'_>, requests: &[(Tool, ToolRequest)]) -> Result<Index, Failure> {
    let config = work.config()?;
    let client = work.client(&config);
    let sources = Sources {
        config: &config,
        client: &client,
        cache: &work.context.directories.cache,
        now: work.context.now,
        system: lock::system(work)?,
    };
    sources::fill(requests, &Lockfile::default(), &Upgrade::All, sources)
        .map_err(|error| hints::index(&error))
}

/// Returns the version that would be chosen now, whatever is locked.
pub fn choice(
    tool: &Tool,
    request: &ToolRequest,
    index: &Index,
    system: System,
) -> Result<LockedPackage, Failure> {
    let requests = [(tool.clone(), request.clone())];
    let nothing = Lockfile::default();
    let lockfile = resolve::resolve(&requests, index, &nothing, &Upgrade::All, system)
        .map_err(|error| hints::resolve(&error))?;
    let package = lockfile.packages.into_values().next();
    package.ok_or_else(|| Failure::new(format!("nothing was chosen for `{tool}`")))
}
