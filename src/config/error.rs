//! Settings that cannot be used, and why.

use crate::util::files;

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] files::Error),
    /// The file is not what devsh understands.
    #[error("`{file}` is not valid: {message}")]
    Invalid {
        /// The file.
        file: String,
        /// What the parser said, one line.
        message: String,
        /// Where in the file, as byte offsets.
        span: Option<std::ops::Range<usize>>,
        /// The file's text.
        text: String,
    },
    /// A setting is not a time span.
    #[error("`{value}` in `{key}` is not a time span")]
    Span {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
    },
    /// A setting is not a size.
    #[error("`{value}` in `{key}` is not a size")]
    Size {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
    },
    /// The file says whom to trust, and somebody else could have written it.
    #[error("`{file}` has a table `trust`, and others can change the file")]
    Foreign {
        /// The file.
        file: String,
    },
    /// A variable or setting is not an address.
    #[error("`{value}` in {place} is not an address")]
    Address {
        /// The variable or key.
        place: String,
        /// The value, without credentials.
        value: String,
    },
}
