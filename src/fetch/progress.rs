//! Progress of long work; `report` draws it.

/// Receives the progress of several things at the same time.
pub trait Progress: Send + Sync {
    /// Begins the meter of one thing (`python 3.12.4`) with its first step (`downloading`), of `total` bytes if known.
    fn start(&self, name: &str, step: &str, total: Option<u64>) -> Box<dyn Meter>;
}

/// The progress of one thing.
pub trait Meter: Send + Sync {
    /// Adds finished bytes.
    fn advance(&self, bytes: u64);

    /// Subtracts bytes that have to be repeated.
    fn retract(&self, bytes: u64);

    /// Begins the next step (`unpacking`), of `total` bytes if known.
    fn step(&self, what: &str, total: Option<u64>);

    /// Prints a line for the user, also without a terminal.
    fn notice(&self, _text: &str) {}

    /// Ends the meter, also after a failure.
    fn finish(&self);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _name: &str, _step: &str, _total: Option<u64>) -> Box<dyn Meter> {
        Box::new(Self)
    }
}

impl Meter for Silent {
    fn advance(&self, _bytes: u64) {}
    fn retract(&self, _bytes: u64) {}
    fn step(&self, _what: &str, _total: Option<u64>) {}
    fn finish(&self) {}
}
