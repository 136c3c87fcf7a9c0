//! What the hook checks with builtins at the next prompts.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    context::Context,
    env::VarName,
    project::{
        approval::Decisions,
        locate::{self, Bounds, MANIFEST},
        watch::{self, StampFiles, Watched},
    },
    shell::{Freshness, HostShell},
};

use super::{absent_files, mtime_batch, symlink_checks};

/// Returns what the next prompts check with builtins: the files behind the outcome, what must only be there,
/// manifests that may appear, and variables that may.
pub fn freshness(
    (context, shell): (&Context, HostShell),
    watched: &[Watched],
    there: Option<PathBuf>,
    manifests: Vec<PathBuf>,
    awaited: &[VarName],
) -> Freshness {
    let directories = &context.directories;
    let stamps = StampFiles::new(&directories.state);
    let mut freshness = Freshness {
        same: symlink_checks::linked(context, watched),
        present: Vec::new(),
        seconds: Vec::new(),
        there: there.into_iter().collect(),
        absent: manifests,
        sheltered: Vec::new(),
        unexported: awaited.to_vec(),
    };
    // Whoever decides about a project moves the generation, too: it answers for the decisions.
    let generation = watch::generation(&directories.state);
    let answers = |file: &Watched| file.path == generation && file.stamp.is_some();
    let answered = watched.iter().any(answers);
    let decisions = Decisions::new(&directories.data);
    let asked = |file: &&Watched| !answered || !decisions.holds(&file.path);
    // This one's time is set and not left to the clock.
    let by_clock = |file: &&Watched| file.path != generation;
    let old = watched.iter().filter(asked).filter(by_clock);
    freshness.seconds = mtime_batch::seconds(shell, old, context.now);
    let told: BTreeSet<_> = freshness.seconds.iter().map(|(path, _)| path).collect();
    let rest = watched.iter().filter(asked);
    for file in rest.filter(|file| !told.contains(&file.path)) {
        match &file.stamp {
            // Without a stamp file (read-only state) the file cannot be watched by builtins.
            Some(stamp) => {
                let carrier = stamps.carrier(stamp);
                freshness
                    .present
                    .extend(carrier.map(|carrier| (file.path.clone(), carrier)));
            }
            None => freshness.absent.push(file.path.clone()),
        }
    }
    (freshness.absent, freshness.sheltered) =
        absent_files::shelter(freshness.absent, &stamps, context.now);
    freshness
}

/// Returns the manifests that would come before the project at `root` if they appeared, seen from the
/// working directory.
pub fn nearer_manifests(context: &Context, root: Option<&Path>) -> Vec<PathBuf> {
    let bounds = &Bounds::of(context);
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
