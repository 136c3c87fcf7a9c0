//! How long work tells how far it is; `ui` draws it.

/// Receives the progress of several things that happen at once.
pub trait Progress: Send + Sync {
    /// Begins the meter of one thing (`python 3.12.4`), of `total` bytes where that is known.
    fn start(&self, name: &str, total: Option<u64>) -> Box<dyn Meter>;
}

/// How far one thing is.
pub trait Meter: Send + Sync {
    /// Adds bytes that are done.
    fn advance(&self, bytes: u64);

    /// Takes bytes back that have to be done again.
    fn retract(&self, bytes: u64);

    /// Tells what is going on now (`unpacking`).
    fn phase(&self, what: &str);

    /// Says something that the user should hear, also where no meter is drawn.
    fn notice(&self, _text: &str) {}

    /// Ends the meter, whether the work succeeded or not.
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
