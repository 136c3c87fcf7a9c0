//! What a running build tells other processes: one small file, written a few times a second.
//!
//! It is advice for people, not truth: whether a build runs at all is told by the lock it holds. So the file
//! is renamed into place but never synced, and a write that fails does not disturb the build.

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

/// A build as it was a moment ago.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// The process that builds.
    pub process: u32,
    /// The dev shells that it builds.
    pub shells: Vec<String>,
    /// Whether it builds for a prompt.
    pub background: bool,
    /// When it began, in milliseconds since 1970.
    pub started: u64,
    /// What is under way, in the order of its beginning.
    pub items: Vec<Item>,
}

/// One thing that is under way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What it is (`ruff 0.12.4`).
    pub name: String,
    /// What is being done (`unpacking`); nothing while it is downloaded.
    pub phase: Option<String>,
    /// Bytes that are done.
    pub done: u64,
    /// Bytes in all, where that is known.
    pub total: Option<u64>,
}

/// Longest file that is read, in bytes.
const LIMIT: u64 = 1 << 20;
/// How often bytes that have arrived are told.
const PERIOD: Duration = Duration::from_millis(200);

impl Live {
    /// Returns what a build that began at `now` in this process tells first.
    pub fn begin(shells: Vec<String>, background: bool, now: SystemTime) -> Self {
        Self {
            process: std::process::id(),
            shells,
            background,
            started: milliseconds(now),
            items: Vec::new(),
        }
    }

    /// Reads what a build tells; nothing where there is no build or it tells nothing.
    pub fn read(path: &Path) -> Option<Self> {
        let bytes = files::read_bounded(path, LIMIT).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    /// Returns for how long it has been building.
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
            tracing::debug!(%error, "the progress of the build cannot be told");
        }
    }
}

impl Item {
    /// Returns how far it is, in percent, where that can be told.
    pub fn percent(&self) -> Option<u64> {
        let total = self.total.filter(|total| *total > 0)?;
        u64::try_from(u128::from(self.done.min(total)) * 100 / u128::from(total)).ok()
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Tells a file what it shows.
pub struct Recorder<'a> {
    shown: &'a dyn Progress,
    board: Arc<Board>,
    /// Tells what has changed since it last did.
    teller: Option<JoinHandle<()>>,
}

struct Board {
    /// Where it is told; nothing where nobody can be told.
    path: Option<PathBuf>,
    state: Mutex<State>,
    /// Wakes the teller when there is nothing more to tell.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    live: Live,
    /// The numbers of the items, which stay when others end.
    numbers: Vec<u64>,
    next: u64,
    /// Whether the file was ever written.
    told: bool,
    /// Whether something has changed since.
    changed: bool,
    ended: bool,
}

impl<'a> Recorder<'a> {
    /// Returns progress that is shown by `shown` and told in the file `path`, for a build that begins so.
    pub fn new(shown: &'a dyn Progress, path: Option<PathBuf>, live: Live) -> Self {
        let state = State {
            live,
            ..State::default()
        };
        let board = Arc::new(Board {
            path,
            state: Mutex::new(state),
            ended: Condvar::new(),
        });
        let teller = board.path.is_some().then(|| {
            let board = Arc::clone(&board);
            thread::spawn(move || board.tell())
        });
        Self {
            shown,
            board,
            teller,
        }
    }

    /// Tells that the build has begun, before anything of it has.
    pub fn announce(&self) {
        self.board.change(true, |_| ());
    }
}

impl Drop for Recorder<'_> {
    fn drop(&mut self) {
        let told = {
            let mut state = self.board.lock();
            state.ended = true;
            state.told
        };
        self.board.ended.notify_all();
        if let Some(teller) = self.teller.take() {
            // It has nothing that could panic, and nothing would follow from it.
            let _ended = teller.join();
        }
        if let Some(path) = self.board.path.as_ref().filter(|_| told) {
            // A file that stays is taken for nothing once the lock is free.
            let _removed = std::fs::remove_file(path);
        }
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, at_once: bool, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        state.changed = true;
        if at_once {
            self.write(&mut state);
        }
    }

    fn write(&self, state: &mut State) {
        if let Some(path) = &self.path {
            state.live.write(path);
            state.told = true;
            state.changed = false;
        }
    }

    /// Tells now and then what has changed, until the end.
    fn tell(&self) {
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

impl Progress for Recorder<'_> {
    fn start(&self, name: &str, total: Option<u64>) -> Box<dyn Meter> {
        let mut number = 0;
        self.board.change(true, |state| {
            number = state.next;
            state.next += 1;
            state.numbers.push(number);
            state.live.items.push(Item {
                name: name.to_owned(),
                total,
                ..Item::default()
            });
        });
        Box::new(Told {
            shown: self.shown.start(name, total),
            board: Arc::clone(&self.board),
            number,
        })
    }
}

struct Told {
    shown: Box<dyn Meter>,
    board: Arc<Board>,
    number: u64,
}

impl Told {
    fn change(&self, at_once: bool, change: impl FnOnce(&mut Item)) {
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

impl Meter for Told {
    fn advance(&self, bytes: u64) {
        self.shown.advance(bytes);
        self.change(false, |item| item.done += bytes);
    }

    fn retract(&self, bytes: u64) {
        self.shown.retract(bytes);
        self.change(false, |item| item.done = item.done.saturating_sub(bytes));
    }

    fn phase(&self, what: &str) {
        self.shown.phase(what);
        self.change(true, |item| item.phase = Some(what.to_owned()));
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
    fn another_process_sees_how_far_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("building.json");
        let now = UNIX_EPOCH + Duration::from_secs(100);
        let live = Live::begin(vec!["dev".to_owned()], true, now);
        let recorder = Recorder::new(&Silent, Some(path.clone()), live);
        assert_eq!(
            Live::read(&path),
            None,
            "nothing is told before something happens"
        );
        let one = recorder.start("ruff 1", Some(200));
        let two = recorder.start("uv 2", None);
        one.advance(120);
        one.retract(20);
        one.phase("unpacking");
        let seen = Live::read(&path).unwrap();
        assert_eq!(seen.shells, ["dev"]);
        assert_eq!(
            seen.elapsed(now + Duration::from_secs(3)),
            Duration::from_secs(3)
        );
        assert_eq!(seen.items[0].percent(), Some(50));
        assert_eq!(seen.items[0].phase.as_deref(), Some("unpacking"));
        assert_eq!(seen.items[1].percent(), None);
        one.finish();
        two.phase("waiting");
        let seen = Live::read(&path).unwrap();
        assert_eq!(seen.items.len(), 1);
        assert_eq!(seen.items[0].name, "uv 2");
        drop(recorder);
        assert_eq!(Live::read(&path), None);
    }
}
