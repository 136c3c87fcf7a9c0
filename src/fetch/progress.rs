//! Progress of long work; `report` draws it.

/// Receives the progress of several things at the same time.
pub trait Progress: Send + Sync {
    /// Begins the meter of one thing (`python 3.12.4`), of `total` bytes where that is known.
    fn start(&self, name: &str, total: Option<u64>) -> Box<dyn Meter>;
}

/// The progress of one thing.
pub trait Meter: Send + Sync {
    /// Adds finished bytes.
    fn advance(&self, bytes: u64);

    /// Subtracts bytes that have to be repeated.
    fn retract(&self, bytes: u64);

    /// Names the current step (`unpacking`).
    fn phase(&self, what: &str);

    /// Prints a line for the user, also without a terminal.
    fn notice(&self, _text: &str) {}

    /// Ends the meter, also after a failure.
    fn finish(&self);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _name: &str, _total: Option<u64>) -> Box<dyn Meter> {
        Box::new(Self)
    }
}

impl Meter for Silent {
    fn advance(&self, _bytes: u64) {}
    fn retract(&self, _bytes: u64) {}
    fn phase(&self, _what: &str) {}
    fn finish(&self) {}
}
