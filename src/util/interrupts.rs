//! Delays SIGINT, SIGTERM and SIGHUP while devsh must clean up before it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{SigSet, Signal, raise};

/// Held by a thread that writes a file which a cleanup may restore, and by a cleanup until the process ends.
static WRITING: Mutex<()> = Mutex::new(());

/// Waits for a cleanup, which ends the process, or keeps it from beginning while the guard exists.
pub fn hold_cleanups() -> MutexGuard<'static, ()> {
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Blocks SIGINT, SIGTERM and SIGHUP until it is dropped.
#[derive(Debug)]
pub struct Interrupts {
    signals: SigSet,
    /// The signals that were blocked before, and stay so.
    outer: SigSet,
    /// True if there is nothing to clean up any more.
    settled: Arc<Mutex<bool>>,
}

impl Interrupts {
    /// Blocks the signals. Call it before the action that needs a cleanup, then `after`.
    pub fn held() -> Self {
        let mut signals = SigSet::empty();
        let outer = SigSet::thread_get_mask().unwrap_or_else(|_| SigSet::empty());
        let ignored = ignored();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            // Under `nohup` SIGHUP is ignored and stays ignored.
            if ignored & (1 << (signal as i32 - 1)) == 0 {
                signals.add(signal);
            }
        }
        // If this fails, a signal ends devsh without the cleanup.
        let _held = signals.thread_block();
        Self {
            signals,
            outer,
            settled: Arc::default(),
        }
    }

    /// Starts a thread that waits for a signal, calls `cleanup`, and then ends devsh with that signal.
    pub fn after(self, cleanup: impl FnOnce() + Send + 'static) -> std::io::Result<Self> {
        let (signals, settled) = (self.signals, Arc::clone(&self.settled));
        std::thread::Builder::new().spawn(move || {
            if let Ok(signal) = signals.wait() {
                // Waits while `settle` is in use.
                let settled = settled.lock().unwrap_or_else(PoisonError::into_inner);
                // The other threads write nothing that was restored.
                let _others = hold_cleanups();
                if !*settled {
                    cleanup();
                }
                let _free = signals.thread_unblock();
                let _raised = raise(signal);
            }
        })?;
        Ok(self)
    }

    /// Turns the cleanup off. While the returned guard exists, a signal does not end devsh.
    pub fn settle(&self) -> MutexGuard<'_, bool> {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        *settled = true;
        settled
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        drop(self.settle());
        let mut freed = SigSet::empty();
        for signal in &self.signals {
            if !self.outer.contains(signal) {
                freed.add(signal);
            }
        }
        let _free = freed.thread_unblock();
    }
}

/// Returns the ignored signals as bits, from `/proc`; none on other systems.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .unwrap_or(0)
}
