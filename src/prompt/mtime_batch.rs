//! Many files that have not changed for a while: one builtin tells the times of all, in whole seconds.
//!
//! Invariant: whoever changes one of these files, or puts another in its place, moves one of the times into a second
//! that had not come when they were taken. Of zsh this holds of the file's own change time, which nobody can set. Fish
//! tells modification times alone, which move with a file: so the directory is looked at, too, whose time a file that
//! comes moves. What fish cannot see is who writes into a file and then sets its time back to the very second.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    project::watch::Watched,
    shell::{FileTime, HostShell},
    util::files::Stamp,
};

/// From how many files on they are looked at all at once. For less the single comparisons are as fast.
const MANY: usize = 8;

/// Returns files, and what else must be looked at for them, with the second that the shell's builtin must tell; nothing
/// where there are not many, or the shell has no such builtin.
pub(super) fn seconds<'a>(
    shell: HostShell,
    files: impl Iterator<Item = &'a Watched>,
    now: SystemTime,
) -> Vec<(PathBuf, i64)> {
    let Some(time) = shell.tells() else {
        return Vec::new();
    };
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let past = i64::try_from(now.as_secs()).unwrap_or(i64::MAX) - 2;
    let old = |stamp: Stamp| {
        let second = match time {
            FileTime::Changed => stamp.ctime.0,
            FileTime::Modified => stamp.mtime.0,
        };
        (second < past).then_some(second)
    };
    let mut directories = BTreeMap::new();
    let mut told = Vec::new();
    for file in files {
        let Some(second) = file.stamp.and_then(old) else {
            continue;
        };
        if time == FileTime::Modified {
            let Some(directory) = file.path.parent() else {
                continue;
            };
            let known = directories
                .entry(directory)
                .or_insert_with(|| Stamp::of(directory).and_then(old));
            if known.is_none() {
                continue;
            }
        }
        told.push((file.path.clone(), second));
    }
    if told.len() < MANY {
        return Vec::new();
    }
    let directories = directories.into_iter();
    told.extend(directories.filter_map(|(path, second)| Some((path.to_owned(), second?))));
    told
}
