//! The caches of a team: `[[caches]]` in `config.toml`.

use std::path::PathBuf;

use crate::package::CachePlace;

/// One cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    pub place: CachePlace,
    /// Public keys (`team-1:BASE64`) whose built objects are used; without one, the cache serves artifacts only.
    pub keys: Vec<String>,
    /// True if `devsh cache push` writes to it.
    pub push: bool,
    /// The file with the secret key that signs what is pushed.
    pub signing_key: Option<PathBuf>,
}
