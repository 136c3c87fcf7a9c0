//! Names that lead through links, which can come to lead elsewhere without any file being changed.

use std::path::{Path, PathBuf};

use crate::{context::Context, project::watch::Watched, util::vars};

/// Returns such names, each with where it leads now: that of the working directory where the host shell has one, and
/// those of watched files whose time says nothing.
pub(super) fn linked(context: &Context, watched: &[Watched]) -> Vec<(PathBuf, PathBuf)> {
    let name = context.env.get(vars::PWD).map(Path::new);
    let place = context
        .cwd
        .as_ref()
        .filter(|cwd| name != Some(cwd.as_path()));
    let place = place.map(|cwd| (PathBuf::from("."), cwd.clone()));
    // Stores such as Nix's give everything one time, the first second there is; other files hardly ever share theirs.
    let timeless = watched
        .iter()
        .filter(|file| file.stamp.is_some_and(|stamp| stamp.mtime.0 <= 1));
    let files = timeless.filter_map(|file| {
        let linked = file
            .path
            .symlink_metadata()
            .is_ok_and(|found| found.is_symlink());
        let target = linked.then(|| file.path.canonicalize())?;
        Some((file.path.clone(), target.ok()?))
    });
    place.into_iter().chain(files).collect()
}
