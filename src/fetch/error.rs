//! What may be wrong with a request, and whether it can pass.

use std::time::Duration;

use url::Url;

use crate::{package::Digest, util::files};

/// A request that gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The network is not to be used.
    #[error("`{url}` is needed and devsh is offline")]
    Offline {
        /// What would have been asked.
        url: Url,
    },
    /// The server could not be reached, or the connection broke.
    #[error("cannot reach `{host}`: {reason}")]
    Unreachable {
        /// The server.
        host: String,
        /// Why, one line.
        reason: String,
    },
    /// The server's certificate is not signed by anyone this machine trusts.
    #[error("cannot trust the certificate of `{host}`: {reason}")]
    UntrustedCertificate {
        /// The server.
        host: String,
        /// Why, one line.
        reason: String,
    },
    /// The address is not one that devsh asks: plain HTTP to a server that no setting names.
    #[error("`{url}` is not a secure address")]
    Insecure {
        /// What would have been asked.
        url: Url,
    },
    /// The server answered with an error.
    #[error("`{url}` answered {status}")]
    Status {
        /// What was asked.
        url: Url,
        /// The HTTP status.
        status: u16,
        /// How long the server asks to be left alone.
        wait: Option<Duration>,
    },
    /// The answer was longer than devsh accepts.
    #[error("`{url}` is larger than {limit} bytes")]
    TooLarge {
        /// What was asked.
        url: Url,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The file ended early or goes on after its end.
    #[error("`{url}` has {received} bytes instead of {expected}")]
    SizeMismatch {
        /// What was asked.
        url: Url,
        /// The size in bytes that the lockfile names.
        expected: u64,
        /// The bytes received; where the file goes on, what was seen of it.
        received: u64,
    },
    /// The file is not the one that was locked.
    #[error("digest mismatch for `{url}`")]
    DigestMismatch {
        /// What was asked.
        url: Box<Url>,
        /// The digest that the lockfile names.
        expected: Digest,
        /// The digest of what came.
        received: Digest,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Error {
    /// Returns whether nothing else can be had from the same host either.
    pub fn is_about_host(&self) -> bool {
        matches!(
            self,
            Self::Offline { .. } | Self::Unreachable { .. } | Self::UntrustedCertificate { .. }
        )
    }

    /// Returns whether the artifact may be well, but cannot be had from here now.
    ///
    /// A wrong digest or size is never this: it must be heard, not worked around.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Offline { .. }
            | Self::Unreachable { .. }
            | Self::UntrustedCertificate { .. }
            | Self::Insecure { .. }
            | Self::Status { .. } => true,
            Self::File(error) => error.action == "fetch" && files::is_absent(&error.source),
            Self::TooLarge { .. } | Self::SizeMismatch { .. } | Self::DigestMismatch { .. } => {
                false
            }
        }
    }
}

/// Longest time that a server is waited for because it says so.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns how long to wait before asking again for the `tries`th time; nothing where that does not help.
pub(super) fn pause(error: &Error, tries: u32) -> Option<Duration> {
    let own = Duration::from_millis(200 << tries.min(8));
    match error {
        Error::Status {
            wait: Some(wait), ..
        } if *wait > PATIENCE => None,
        Error::Status {
            wait: Some(wait), ..
        } => is_transient(error).then_some(own.max(*wait)),
        _ => is_transient(error).then_some(own),
    }
}

fn is_transient(error: &Error) -> bool {
    match error {
        Error::Unreachable { reason, .. } => {
            let settled = ["failed to lookup", "host not found", "Connection refused"];
            !settled.iter().any(|sign| reason.contains(sign))
        }
        Error::Status { status, .. } => *status >= 500 || *status == 429 || *status == 408,
        Error::SizeMismatch {
            expected, received, ..
        } => received < expected,
        _ => false,
    }
}
