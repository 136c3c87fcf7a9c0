//! A server that sends next to nothing for long is given up.

use std::{
    io::{self, Read},
    time::{Duration, Instant},
};

/// The slowest that a body may come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Over how long it is measured.
    pub(super) over: Duration,
    /// The bytes that must have come in that time.
    pub(super) least: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            over: Duration::from_mins(1),
            least: 60 << 10,
        }
    }
}

/// A body that ends with an error when it comes too slowly.
pub(super) struct Paced<R> {
    inner: R,
    pace: Pace,
    since: Instant,
    bytes: u64,
}

impl<R: Read> Paced<R> {
    /// Watches how fast `inner` comes.
    pub(super) fn new(inner: R, pace: Pace) -> Self {
        Self {
            inner,
            pace,
            since: Instant::now(),
            bytes: 0,
        }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        if count > 0 && self.since.elapsed() >= self.pace.over {
            if self.bytes < self.pace.least {
                return Err(io::Error::other("it sends next to nothing"));
            }
            (self.since, self.bytes) = (Instant::now(), 0);
        }
        Ok(count)
    }
}
