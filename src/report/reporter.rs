//! Reports of a use case about its progress, without knowing who reads them.

use std::fmt;

use crate::fetch::{Progress, Silent};

/// Receives messages and progress of a use case.
pub trait Reporter: fmt::Debug + Sync {
    /// Reports a step or a result.
    fn note(&self, text: &str);

    /// Reports a problem that does not end the work.
    fn warn(&self, text: &str);

    /// Returns a view of the progress of the next step.
    fn progress(&self) -> Box<dyn Progress>;
}

/// Reports nothing: for prompts and completion.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoReport;

impl Reporter for NoReport {
    fn note(&self, _text: &str) {}

    fn warn(&self, _text: &str) {}

    fn progress(&self) -> Box<dyn Progress> {
        Box::new(Silent)
    }
}
