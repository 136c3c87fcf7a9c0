//! Cleanup after processes that were killed, by the next command that builds.

use std::path::Path;

use crate::{builder::inventory, project::approval::project_key, store::Store, util::files};

use super::session::Session;

/// Removes unfinished files that no running process works on. `live` is the progress file of this project's build.
pub fn run(session: &Session<'_>, root: &Path, live: Option<&Path>) {
    let directories = &session.context.directories;
    Store::open(&directories.data).sweep();
    inventory::sweep(&directories.data);
    if let Some(live) = live {
        // It exists only where its writer was killed.
        let _left = std::fs::remove_file(live);
        let _left = std::fs::remove_file(live.with_extension("new"));
    }
    session.decisions.sweep();
    session.context.session_key.sweep();
    let places = [
        root.to_owned(),
        directories.state.clone(),
        directories.state.join("projects").join(project_key(root)),
        directories.cache.clone(),
        directories.cache.join("index"),
    ];
    for place in places {
        files::sweep_temporaries(&place);
    }
}
