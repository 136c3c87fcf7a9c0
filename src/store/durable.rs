//! Making a tree durable before it gets its name.

use std::{
    fs::File,
    path::Path,
    sync::{Condvar, Mutex, PoisonError},
};

use crate::util::files;

/// Lets threads share one call that makes their work durable.
///
/// A call serves everyone who asked for it before it began.
#[derive(Debug, Default)]
pub(super) struct SharedSync {
    state: Mutex<SyncState>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct SyncState {
    /// The number of the last call that began.
    begun: u64,
    /// The number of the last call that succeeded.
    done: u64,
    is_running: bool,
}

impl SharedSync {
    /// Returns when a call of `sync` has succeeded that began after this one.
    pub(super) fn sync<E>(&self, sync: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = state.begun + 1;
        while state.is_running && state.done < needed {
            let waited = self.ended.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if state.done >= needed {
            return Ok(());
        }
        state.is_running = true;
        state.begun += 1;
        let number = state.begun;
        drop(state);
        let outcome = sync();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_running = false;
        if outcome.is_ok() {
            state.done = number;
        }
        drop(state);
        self.ended.notify_all();
        outcome
    }
}

/// Makes a directory and all below it durable: one call for the whole file system.
#[cfg(target_os = "linux")]
pub fn sync_tree(directory: &Path) -> Result<(), files::Error> {
    let opened = File::open(directory).map_err(files::at("sync", directory))?;
    nix::unistd::syncfs(opened).map_err(|error| files::at("sync", directory)(error.into()))
}

/// Makes a directory and all below it durable, one file after the other.
#[cfg(not(target_os = "linux"))]
pub fn sync_tree(directory: &Path) -> Result<(), files::Error> {
    for path in files::list(directory)? {
        let found = path.symlink_metadata().map_err(files::at("sync", &path))?;
        if found.is_dir() {
            sync_tree(&path)?;
        } else if found.is_file() {
            let file = File::open(&path).and_then(|file| file.sync_all());
            file.map_err(files::at("sync", &path))?;
        }
    }
    files::sync_dir(directory)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Barrier,
            atomic::{AtomicU32, Ordering},
            mpsc,
        },
        thread,
    };

    use super::SharedSync;

    #[test]
    fn a_call_serves_those_who_asked_before_it_began() {
        let shared = SharedSync::default();
        let calls = AtomicU32::new(0);
        let (began, has_begun) = mpsc::channel();
        let (end, may_end) = mpsc::channel::<()>();
        let waiting = Barrier::new(4);
        thread::scope(|scope| {
            let (shared, calls, waiting) = (&shared, &calls, &waiting);
            scope.spawn(move || {
                shared.sync(|| {
                    calls.fetch_add(1, Ordering::SeqCst);
                    began.send(()).unwrap();
                    may_end.recv().map_err(|_| ())
                })
            });
            has_begun.recv().unwrap();
            // The first call began before these had anything to make durable.
            for _ in 0..3 {
                scope.spawn(|| {
                    waiting.wait();
                    shared.sync(|| {
                        calls.fetch_add(1, Ordering::SeqCst);
                        Ok::<(), ()>(())
                    })
                });
            }
            waiting.wait();
            end.send(()).unwrap();
        });
        let calls = calls.into_inner();
        assert!((2..=4).contains(&calls), "{calls}");
        // A failed sync must not count as done for other callers.
        assert_eq!(shared.sync(|| Err(())), Err(()));
        assert_eq!(shared.sync(|| Ok::<(), ()>(())), Ok(()));
    }
}
