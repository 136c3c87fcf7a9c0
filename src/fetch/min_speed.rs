//! Gives up a server that sends almost nothing for a long time.

use std::{
    io::{self, Read},
    time::{Duration, Instant},
};

/// The lowest accepted speed of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct MinSpeed {
    /// The time of one measurement.
    pub(super) period: Duration,
    /// The bytes that must arrive in that time.
    pub(super) bytes: u64,
}

impl Default for MinSpeed {
    fn default() -> Self {
        Self {
            period: Duration::from_mins(1),
            bytes: 60 << 10,
        }
    }
}

/// A body that ends with an error when it is too slow.
pub(super) struct SpeedChecked<R> {
    inner: R,
    min_speed: MinSpeed,
    since: Instant,
    bytes: u64,
}

impl<R: Read> SpeedChecked<R> {
    pub(super) fn new(inner: R, min_speed: MinSpeed) -> Self {
        Self {
            inner,
            min_speed,
            since: Instant::now(),
            bytes: 0,
        }
    }
}

impl<R: Read> Read for SpeedChecked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        if count > 0 && self.since.elapsed() >= self.min_speed.period {
            if self.bytes < self.min_speed.bytes {
                return Err(io::Error::other("it sends almost nothing"));
            }
            (self.since, self.bytes) = (Instant::now(), 0);
        }
        Ok(count)
    }
}
