//! Other places that have files by their digests.

use std::{fmt::Debug, path::Path};

use super::{Download, ExpectedFile, Meter};

/// Serves files by their digests, instead of their publishers.
pub trait Mirror: Debug + Send + Sync {
    /// Returns the verified file in `directory` if the mirror has it. A failure of the mirror counts as no file.
    fn fetch(
        &self,
        expected: &ExpectedFile,
        directory: &Path,
        meter: &dyn Meter,
    ) -> Option<Download>;
}
