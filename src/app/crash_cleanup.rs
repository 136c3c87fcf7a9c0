//! What processes that were killed left unfinished: swept by the next command that builds, whatever it builds.

use std::path::Path;

use crate::{builder::collect, project::approval::project_key, store::Store, util::files};

use super::session::Work;

/// Removes what nobody is at work on any more. `live` tells of a build of this project, which is this one now.
pub fn run(work: &Work<'_>, root: &Path, live: Option<&Path>) {
    let directories = &work.context.directories;
    Store::open(&directories.data).sweep();
    collect::sweep(&directories.data);
    if let Some(live) = live {
        // It is there only where its writer was killed.
        let _left = std::fs::remove_file(live);
        let _left = std::fs::remove_file(live.with_extension("new"));
    }
    let places = [
        root.to_owned(),
        directories.data.join("allow"),
        directories.data.join("deny"),
        directories.state.clone(),
        directories.state.join("projects").join(project_key(root)),
        directories.cache.clone(),
        directories.cache.join("index"),
    ];
    for place in places {
        files::sweep_temporaries(&place);
    }
}
