//! Paths as people write them.

use std::path::Path;

use crate::context::Context;

/// Returns a path as people write it: below the home directory with `~`.
pub fn display_path(context: &Context, path: &Path) -> String {
    let below = context
        .directories
        .home
        .as_deref()
        .and_then(|home| path.strip_prefix(home).ok())
        .filter(|below| !below.as_os_str().is_empty());
    below.map_or_else(
        || path.display().to_string(),
        |below| format!("~/{}", below.display()),
    )
}
