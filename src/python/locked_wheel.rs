//! The wheel of an index with its address.

use url::Url;

use crate::package::Sha256;

/// A wheel of an index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedWheel {
    pub url: Url,
    pub sha256: Sha256,
    /// The size in bytes, if the index has it.
    pub size: Option<u64>,
}
