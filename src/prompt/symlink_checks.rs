//! Paths through symlinks, whose target can change without a change of any file's mtime.

use std::path::{Path, PathBuf};

use crate::{context::Context, project::watch::Watched, util::vars};

/// Returns paths through symlinks with their current targets: the working directory, if `PWD` is such a path, and
/// watched files whose mtime shows no change.
pub(super) fn symlinks(context: &Context, watched: &[Watched]) -> Vec<(PathBuf, PathBuf)> {
    let name = context.shell_env.get(vars::PWD).map(Path::new);
    let place = context
        .cwd
        .as_ref()
        .filter(|cwd| name != Some(cwd.as_path()));
    let place = place.map(|cwd| (PathBuf::from("."), cwd.clone()));
    // Stores such as Nix's give all files the first second of 1970. Other files hardly ever share an mtime.
    let timeless = watched
        .iter()
        .filter(|file| file.stamp.is_some_and(|stamp| stamp.mtime.0 <= 1));
    let files = timeless.filter_map(|file| {
        let is_symlink = file
            .path
            .symlink_metadata()
            .is_ok_and(|found| found.is_symlink());
        let target = is_symlink.then(|| file.path.canonicalize())?;
        Some((file.path.clone(), target.ok()?))
    });
    place.into_iter().chain(files).collect()
}
