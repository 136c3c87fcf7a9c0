//! The memory that the indexes of all channels may take together.

use std::{
    io::{self, Read},
    sync::atomic::{AtomicU64, Ordering},
};

/// The bytes that are left for the indexes of one solve, which are read at the same time.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    whole: u64,
    left: AtomicU64,
}

impl MemoryBudget {
    pub(super) const fn new(bytes: u64) -> Self {
        Self {
            whole: bytes,
            left: AtomicU64::new(bytes),
        }
    }

    /// Takes bytes for what is kept until the end.
    pub(super) fn take(&self, bytes: u64) -> io::Result<()> {
        let rest = |left: u64| left.checked_sub(bytes);
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
        taken.map(|_| ()).map_err(|_| {
            let whole = self.whole >> 20;
            io::Error::other(format!(
                "the indexes of all channels take more than {whole} MiB of memory"
            ))
        })
    }

    /// Reads to the end, at most `limit` bytes, and takes them while it reads.
    pub(super) fn read(&self, source: impl Read, limit: u64) -> io::Result<Vec<u8>> {
        /// A small answer can grow to a thousand times its size, so the budget is asked often.
        const PIECE: u64 = 1 << 20;
        let mut data = Vec::new();
        let mut source = source.take(limit + 1);
        loop {
            let read = source.by_ref().take(PIECE).read_to_end(&mut data)?;
            if read == 0 {
                return Ok(data);
            }
            self.take(read as u64)?;
            if data.len() as u64 > limit {
                let message = format!("it has more than {} MiB", limit >> 20);
                return Err(io::Error::other(message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_readers_share_the_bytes() {
        let budget = MemoryBudget::new(3 << 20);
        let text = vec![b' '; 2 << 20];
        assert_eq!(budget.read(&text[..], 4 << 20).unwrap(), text);
        let error = budget.read(&text[..], 4 << 20).unwrap_err();
        let cause = "the indexes of all channels take more than 3 MiB of memory";
        assert_eq!(error.to_string(), cause);
        assert!(budget.take(1 << 20).is_err(), "what was read counts");
        let error = MemoryBudget::new(9 << 20).read(&text[..], 1 << 20);
        assert_eq!(error.unwrap_err().to_string(), "it has more than 1 MiB");
    }
}
