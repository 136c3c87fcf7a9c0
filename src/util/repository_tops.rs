//! The Git repositories around a directory, by their `.git` alone.

use std::path::Path;

/// Returns the tops of the repositories around `directory`, the innermost first.
///
/// A repository that holds the home directory does not count: all projects and programs of the user are in it.
pub fn repository_tops<'d>(
    directory: &'d Path,
    home: Option<&Path>,
) -> impl Iterator<Item = &'d Path> {
    let home = home.map(|home| home.canonicalize().unwrap_or_else(|_| home.to_owned()));
    let holds_home = move |top: &Path| match &home {
        _ if top.parent().is_none() => true,
        Some(home) => home.starts_with(top),
        None => false,
    };
    directory
        .ancestors()
        .filter(move |top| !holds_home(top) && top.join(".git").symlink_metadata().is_ok())
}
