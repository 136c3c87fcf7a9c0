//! The checks that the hook makes with builtins at the next prompts.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    context::Context,
    env::VarName,
    project::{
        approval::Decisions,
        locate::{self, MANIFEST, SearchBounds},
        watch::{self, StampFiles, Watched},
    },
    shell::{Freshness, HostShell},
};

use super::{absent_files, mtime_batch, symlink_checks};

/// The inputs of the result of a prompt.
#[derive(Debug)]
pub struct Dependencies<'a> {
    /// Files that must not change.
    pub watched: &'a [Watched],
    /// The profile, which must exist.
    pub profile: Option<PathBuf>,
    /// Manifests that must not appear.
    pub manifests: Vec<PathBuf>,
    /// Variables that must not be exported.
    pub awaited: &'a [VarName],
}

/// Returns the conditions under which the result of a prompt stays right in this host shell.
pub fn freshness(context: &Context, shell: HostShell, on: Dependencies<'_>) -> Freshness {
    let directories = &context.directories;
    let stamps = StampFiles::new(&directories.state);
    let mut freshness = Freshness {
        same: symlink_checks::symlinks(context, on.watched),
        present: Vec::new(),
        seconds: Vec::new(),
        existing: on.profile.into_iter().collect(),
        absent: on.manifests,
        absent_groups: Vec::new(),
        unexported: on.awaited.to_vec(),
    };
    // Every decision about a project changes the generation file, so one check is enough for all decisions.
    let generation = watch::generation(&directories.state);
    let is_generation = |file: &Watched| file.path == generation && file.stamp.is_some();
    let has_generation = on.watched.iter().any(is_generation);
    let decisions = Decisions::new(&directories.data);
    let checked = |file: &&Watched| !has_generation || !decisions.holds(&file.path);
    // Devsh sets the mtime of the generation file, which need not be the time of the change.
    let by_clock = |file: &&Watched| file.path != generation;
    let old = on.watched.iter().filter(checked).filter(by_clock);
    freshness.seconds = mtime_batch::seconds(shell, old, context.now);
    let batched: BTreeSet<_> = freshness.seconds.iter().map(|(path, _)| path).collect();
    let rest = on.watched.iter().filter(checked);
    for file in rest.filter(|file| !batched.contains(&file.path)) {
        match &file.stamp {
            // Builtins cannot check a file without a stamp file, for example with a read-only state directory.
            Some(stamp) => {
                let carrier = stamps.carrier(stamp);
                freshness
                    .present
                    .extend(carrier.map(|carrier| (file.path.clone(), carrier)));
            }
            None => freshness.absent.push(file.path.clone()),
        }
    }
    (freshness.absent, freshness.absent_groups) =
        absent_files::group_by_directory(freshness.absent, &stamps, context.now);
    freshness
}

/// Returns the manifests between the working directory and the project at `root`, which would win if they appeared.
pub fn nearer_manifests(context: &Context, root: Option<&Path>) -> Vec<PathBuf> {
    let bounds = &SearchBounds::of(context);
    context
        .cwd
        .iter()
        .flat_map(|cwd| {
            locate::ancestors(cwd, bounds)
                .take_while(|directory| Some(*directory) != root)
                .map(|directory| directory.join(MANIFEST))
        })
        .collect()
}
