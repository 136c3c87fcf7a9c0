//! Checks many files with one builtin that prints their times in whole seconds.
//!
//! Invariant: the recorded seconds are over, so a later change or replacement of a file moves a time to another second.
//! Zsh reads the ctime of a file, which no program can set. Fish reads the mtime only, which a replacement by rename
//! brings along, so the directory is checked, too. Fish misses a write after which a program sets the mtime back to the
//! same second.

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

/// Fewest files for one batch. Single comparisons are as fast for fewer files.
const MANY: usize = 8;

/// Returns files and directories with the seconds that the builtin of the shell must print.
///
/// Returns none if the files are few or the shell has no such builtin.
pub(super) fn seconds<'a>(
    shell: HostShell,
    files: impl Iterator<Item = &'a Watched>,
    now: SystemTime,
) -> Vec<(PathBuf, i64)> {
    let Some(time) = shell.batch_time() else {
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
    let mut batch = Vec::new();
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
        batch.push((file.path.clone(), second));
    }
    if batch.len() < MANY {
        return Vec::new();
    }
    let directories = directories.into_iter();
    batch.extend(directories.filter_map(|(path, second)| Some((path.to_owned(), second?))));
    batch
}
