//! Settings that cannot be used, and why.

use std::path::PathBuf;

use super::ownership::Exposure;
use crate::util::files;

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] files::Error),
    /// The file is not TOML, or a value in it cannot be used.
    #[error("`{file}` is not valid: {message}")]
    Invalid {
        file: String,
        /// The problem, one line.
        message: String,
        /// A fix, if one is known.
        hint: Option<String>,
        /// The place in the text, as byte offsets.
        span: Option<std::ops::Range<usize>>,
        text: String,
    },
    /// Another user could have written the file.
    #[error("`{}` is not used: {exposure}", file.display())]
    Exposed { file: PathBuf, exposure: Exposure },
    /// A variable is not an address.
    #[error("`{value}` in `{variable}` is not an address")]
    Address {
        variable: String,
        /// The value, without credentials.
        value: String,
    },
}
