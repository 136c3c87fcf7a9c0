//! One build per project at a time: the second one shows the progress of the first one and waits.

use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::{
    builder::build_progress::{BuildProgress, BuildStep},
    fetch::Meter,
    report::failure::Failure,
    util::files,
};

use super::{build_files::BuildTraces, session::Session};

/// The interval at which the progress of another build is read.
const INTERVAL: Duration = Duration::from_millis(100);
/// The number and the interval of the tries to get the lock without waiting for a build: a process that only checks for
/// a build holds the lock for a moment.
const TRIES: (u32, Duration) = (20, Duration::from_millis(10));

/// The right to build a project, until it is dropped.
#[derive(Debug, Default)]
pub struct BuildClaim {
    _lock: Option<File>,
    /// The file for the progress of the build.
    pub live: Option<PathBuf>,
    /// True if another build ran before.
    pub waited: bool,
}

/// Takes the right to build the project at `root`; shows a running build and waits for its end.
pub fn claim(session: &Session<'_>, root: &Path) -> BuildClaim {
    let traces = BuildTraces::new(session.context, root);
    // In a read-only home, existing environments can still be used, and the store has its own locks.
    let opened = files::create_private_dir(&traces.directory)
        .and_then(|()| files::open_lock(&traces.lock()));
    let Ok(file) = opened else {
        return BuildClaim::default();
    };
    let waited = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    if waited {
        show_other_build(session, &traces, &file);
    }
    BuildClaim {
        _lock: Some(file),
        live: Some(traces.live()),
        waited,
    }
}

/// Shows the progress of the build that holds the lock of `file`, until it ends.
fn show_other_build(session: &Session<'_>, traces: &BuildTraces, file: &File) {
    let progress = session.reporter.progress();
    let mut meters: BTreeMap<String, OtherMeter> = BTreeMap::new();
    let mut is_reported = false;
    while let Err(TryLockError::WouldBlock) = file.try_lock() {
        thread::sleep(INTERVAL);
        // A process that only checks for a build also holds the lock for a moment.
        let Some(live) = BuildProgress::read(&traces.live()) else {
            continue;
        };
        if !is_reported {
            let by = live.process;
            session
                .reporter
                .note(&format!("waiting for the running build (process {by})"));
            is_reported = true;
        }
        meters.retain(|name, shown| {
            let stays = live.items.iter().any(|item| item.name == *name);
            if !stays {
                shown.meter.finish();
            }
            stays
        });
        for item in live.items {
            let shown = meters
                .entry(item.name.clone())
                .or_insert_with(|| OtherMeter {
                    meter: progress.start(&item.name, &item.phase, item.total),
                    done: 0,
                    phase: item.phase.clone(),
                });
            shown.update(item);
        }
    }
    for shown in meters.values() {
        shown.meter.finish();
    }
}

/// The meter of one step of another process's build.
struct OtherMeter {
    meter: Box<dyn Meter>,
    done: u64,
    phase: String,
}

impl OtherMeter {
    fn update(&mut self, item: BuildStep) {
        if item.phase != self.phase {
            // A step has its own amount.
            self.meter.step(&item.phase, item.total);
            self.phase = item.phase;
            self.done = 0;
        }
        let done = item.done;
        if done >= self.done {
            self.meter.advance(done - self.done);
        } else {
            self.meter.retract(self.done - done);
        }
        self.done = done;
    }
}

/// Returns whether another process builds.
pub fn is_taken(traces: &BuildTraces) -> bool {
    try_claim(traces).is_ok_and(|claim| claim.is_none())
}

/// Takes the right to build, unless another process has it.
pub fn try_claim(traces: &BuildTraces) -> Result<Option<BuildClaim>, Failure> {
    let file = files::open_lock(&traces.lock())?;
    let (tries, pause) = TRIES;
    for _ in 0..tries {
        if !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Ok(Some(BuildClaim {
                _lock: Some(file),
                live: Some(traces.live()),
                waited: false,
            }));
        }
        thread::sleep(pause);
    }
    Ok(None)
}
