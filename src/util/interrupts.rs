//! Signals that end devsh, held back until what they would leave half done is ended or put back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{SigSet, Signal, raise};

/// SIGINT, SIGTERM and SIGHUP, held back for as long as this lives.
#[derive(Debug)]
pub struct Interrupts {
    signals: SigSet,
    /// Whether there is nothing to be done any more before devsh ends.
    over: Arc<Mutex<bool>>,
}

impl Interrupts {
    /// Holds the signals back until it is known what is to be done first.
    pub fn held() -> Self {
        let mut signals = SigSet::empty();
        let ignored = ignored();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            // Under `nohup` a hangup is to end nothing.
            if ignored & (1 << (signal as i32 - 1)) == 0 {
                signals.add(signal);
            }
        }
        // Without it devsh ends at once.
        let _held = signals.thread_block();
        Self {
            signals,
            over: Arc::default(),
        }
    }

    /// Waits for the signals: when one comes, does `first`, and then ends devsh as the signal would have.
    pub fn after(self, first: impl FnOnce() + Send + 'static) -> std::io::Result<Self> {
        let (signals, over) = (self.signals, Arc::clone(&self.over));
        std::thread::Builder::new().spawn(move || {
            if let Ok(signal) = signals.wait() {
                // Who settles things is let finish.
                let over = over.lock().unwrap_or_else(PoisonError::into_inner);
                if !*over {
                    first();
                }
                let _free = signals.thread_unblock();
                let _raised = raise(signal);
            }
        })?;
        Ok(self)
    }

    /// Returns once there is nothing to be done first any more; a signal ends devsh only when what is returned is
    /// dropped.
    pub fn settle(&self) -> MutexGuard<'_, bool> {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        *over = true;
        over
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        drop(self.settle());
        let _free = self.signals.thread_unblock();
    }
}

/// Returns the signals that this process ignores, a bit each; none where the system does not tell.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .unwrap_or(0)
}
