//! The progress of a running build for other processes: one small file, written a few times a second.
//!
//! The file only informs people; the lock of the build says whether it runs. So the file is renamed into place but
//! never synced, and a failed write does not disturb the build.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::{
    fetch::{Meter, Progress},
    util::files,
};

/// The recent state of a running build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildProgress {
    /// The process that builds.
    pub process: u32,
    /// The dev shells that it builds.
    pub shells: Vec<String>,
    /// True if it builds for a prompt.
    pub background: bool,
    /// When it began, in milliseconds since 1970.
    pub started: u64,
    /// The unfinished steps, in the order of their start.
    pub items: Vec<BuildStep>,
}

/// An unfinished step of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildStep {
    /// The subject (`ruff 0.12.4`).
    pub name: String,
    /// The activity (`unpacking`).
    pub phase: String,
    /// Finished bytes of the activity.
    pub done: u64,
    /// All bytes of the activity, if known.
    pub total: Option<u64>,
}

/// Longest file that is read, in bytes.
const LIMIT: u64 = 1 << 20;
/// The interval at which the file is written while bytes arrive.
const PERIOD: Duration = Duration::from_millis(200);

impl BuildProgress {
    /// Returns the progress of a build that starts at `now` in this process.
    pub fn begin(shells: Vec<String>, background: bool, now: SystemTime) -> Self {
        Self {
            process: std::process::id(),
            shells,
            background,
            started: milliseconds(now),
            items: Vec::new(),
        }
    }

    /// Reads the file; `None` if it does not exist or cannot be read.
    pub fn read(path: &Path) -> Option<Self> {
        let bytes = files::read_bounded(path, LIMIT).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    /// Returns the time since the start.
    pub fn elapsed(&self, now: SystemTime) -> Duration {
        Duration::from_millis(milliseconds(now).saturating_sub(self.started))
    }

    fn write(&self, path: &Path) {
        // Only the holder of the build's lock writes, so the name of the new file is free.
        let new = path.with_extension("new");
        let written = serde_json::to_vec(self)
            .map_err(std::io::Error::from)
            .and_then(|bytes| std::fs::write(&new, bytes))
            .and_then(|()| std::fs::rename(&new, path));
        if let Err(error) = written {
            tracing::debug!(%error, "cannot write the progress of the build");
        }
    }
}

impl BuildStep {
    /// Returns the finished part in percent, if the size is known.
    pub fn percent(&self) -> Option<u64> {
        let total = self.total.filter(|total| *total > 0)?;
        u64::try_from(u128::from(self.done.min(total)) * 100 / u128::from(total)).ok()
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Shows progress and writes it to a file.
pub struct ProgressRecorder<'a> {
    shown: &'a dyn Progress,
    board: Arc<Board>,
    /// Writes the file after changes.
    writer: Option<JoinHandle<()>>,
}

struct Board {
    /// The file; `None` if none is written.
    path: Option<PathBuf>,
    state: Mutex<BoardState>,
    /// Wakes the writer at the end.
    ended: Condvar,
}

#[derive(Default)]
struct BoardState {
    live: BuildProgress,
    /// The numbers of the items. An item keeps its number when others end.
    numbers: Vec<u64>,
    next: u64,
    /// True if the file was ever written.
    written: bool,
    /// True if something has changed since then.
    changed: bool,
    ended: bool,
}

impl<'a> ProgressRecorder<'a> {
    /// Returns progress that is shown by `shown` and written to `path`, beginning with `live`.
    pub fn new(shown: &'a dyn Progress, path: Option<PathBuf>, live: BuildProgress) -> Self {
        let state = BoardState {
            live,
            ..BoardState::default()
        };
        let board = Arc::new(Board {
            path,
            state: Mutex::new(state),
            ended: Condvar::new(),
        });
        let writer = board.path.is_some().then(|| {
            let board = Arc::clone(&board);
            thread::spawn(move || board.write_changes())
        });
        Self {
            shown,
            board,
            writer,
        }
    }

    /// Writes the file before the first step starts.
    pub fn announce(&self) {
        self.board.change(true, |_| ());
    }
}

impl Drop for ProgressRecorder<'_> {
    fn drop(&mut self) {
        let written = {
            let mut state = self.board.lock();
            state.ended = true;
            state.written
        };
        self.board.ended.notify_all();
        if let Some(writer) = self.writer.take() {
            // A panic of the writer would not affect the build.
            let _ended = writer.join();
        }
        if let Some(path) = self.board.path.as_ref().filter(|_| written) {
            // A file that stays is ignored once the lock is free.
            let _removed = std::fs::remove_file(path);
        }
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, BoardState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, at_once: bool, change: impl FnOnce(&mut BoardState)) {
        let mut state = self.lock();
        change(&mut state);
        state.changed = true;
        if at_once {
            self.write(&mut state);
        }
    }

    fn write(&self, state: &mut BoardState) {
        if let Some(path) = &self.path {
            state.live.write(path);
            state.written = true;
            state.changed = false;
        }
    }

    /// Writes changes in intervals, until the end.
    fn write_changes(&self) {
        let mut state = self.lock();
        while !state.ended {
            let waited = self.ended.wait_timeout(state, PERIOD);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.changed && !state.ended {
                self.write(&mut state);
            }
        }
    }
}

impl Progress for ProgressRecorder<'_> {
    fn start(&self, name: &str, step: &str, total: Option<u64>) -> Box<dyn Meter> {
        let mut number = 0;
        self.board.change(true, |state| {
            number = state.next;
            state.next += 1;
            state.numbers.push(number);
            state.live.items.push(BuildStep {
                name: name.to_owned(),
                phase: step.to_owned(),
                total,
                ..BuildStep::default()
            });
        });
        Box::new(RecordedMeter {
            shown: self.shown.start(name, step, total),
            board: Arc::clone(&self.board),
            number,
        })
    }
}

struct RecordedMeter {
    shown: Box<dyn Meter>,
    board: Arc<Board>,
    number: u64,
}

impl RecordedMeter {
    fn change(&self, at_once: bool, change: impl FnOnce(&mut BuildStep)) {
        self.board.change(at_once, |state| {
            let at = state
                .numbers
                .iter()
                .position(|number| *number == self.number);
            if let Some(item) = at.and_then(|at| state.live.items.get_mut(at)) {
                change(item);
            }
        });
    }
}

impl Meter for RecordedMeter {
    fn advance(&self, bytes: u64) {
        self.shown.advance(bytes);
        self.change(false, |item| item.done += bytes);
    }

    fn retract(&self, bytes: u64) {
        self.shown.retract(bytes);
        self.change(false, |item| item.done = item.done.saturating_sub(bytes));
    }

    fn step(&self, what: &str, total: Option<u64>) {
        self.shown.step(what, total);
        self.change(true, |item| {
            what.clone_into(&mut item.phase);
            item.done = 0;
            item.total = total;
        });
    }

    fn notice(&self, text: &str) {
        self.shown.notice(text);
    }

    fn finish(&self) {
        self.shown.finish();
        self.board.change(true, |state| {
            if let Some(at) = state
                .numbers
                .iter()
                .position(|number| *number == self.number)
            {
                state.numbers.remove(at);
                state.live.items.remove(at);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Silent;

    #[test]
    fn another_process_reads_the_progress() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("building.json");
        let now = UNIX_EPOCH + Duration::from_secs(100);
        let live = BuildProgress::begin(vec!["dev".to_owned()], true, now);
        let recorder = ProgressRecorder::new(&Silent, Some(path.clone()), live);
        assert_eq!(
            BuildProgress::read(&path),
            None,
            "nothing is written before the first step"
        );
        let one = recorder.start("ruff 1", "downloading", Some(200));
        let two = recorder.start("uv 2", "resolving", None);
        one.advance(120);
        one.retract(20);
        one.step("unpacking", Some(50));
        one.advance(25);
        two.step("waiting", None);
        let seen = BuildProgress::read(&path).unwrap();
        assert_eq!(seen.shells, ["dev"]);
        assert_eq!(
            seen.elapsed(now + Duration::from_secs(3)),
            Duration::from_secs(3)
        );
        assert_eq!(seen.items[0].percent(), Some(50));
        assert_eq!(seen.items[0].phase, "unpacking");
        assert_eq!(seen.items[1].percent(), None);
        one.finish();
        let seen = BuildProgress::read(&path).unwrap();
        assert_eq!(seen.items.len(), 1);
        assert_eq!(seen.items[0].name, "uv 2");
        drop(recorder);
        assert_eq!(BuildProgress::read(&path), None);
    }
}
