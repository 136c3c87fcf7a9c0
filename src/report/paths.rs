//! Paths as people write them.

use std::path::Path;

use crate::context::Context;

/// Returns a path as people write it: below the home directory with `~`.
pub fn display_path(context: &Context, path: &Path) -> String {
    let home = context.directories.home.as_deref();
    let below = |home: &Path| {
        let below = path.strip_prefix(home).ok()?;
        (!below.as_os_str().is_empty()).then(|| format!("~/{}", below.display()))
    };
    // The paths of projects are canonical, and the home directory can be a symlink.
    home.and_then(below)
        .or_else(|| below(&home?.canonicalize().ok()?))
        .unwrap_or_else(|| path.display().to_string())
}
