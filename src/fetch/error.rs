//! Why a request failed, and whether another try can help.

use std::time::Duration;

use url::Url;

use crate::{package::Digest, util::files};

/// A request without a usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// devsh must not use the network.
    #[error("`{}` must be asked, and devsh is offline", url.host_str().unwrap_or_default())]
    Offline { url: Url },
    /// The server could not be reached, or the connection broke.
    #[error("cannot reach `{host}`: {reason}")]
    Unreachable {
        host: String,
        /// The cause, one line.
        reason: String,
        /// True if another try can help.
        transient: bool,
    },
    /// The machine does not trust the server's certificate.
    #[error("cannot trust the certificate of `{host}`: {reason}")]
    UntrustedCertificate {
        host: String,
        /// The cause, one line.
        reason: String,
    },
    /// Plain HTTP to a server that no setting names, or another scheme.
    #[error("`{url}` is not a secure address")]
    Insecure { url: Url },
    /// The server answered with an error.
    #[error("`{url}` answered {status}")]
    Status {
        url: Url,
        /// The HTTP status.
        status: u16,
        /// The time after which the server accepts another request.
        wait: Option<Duration>,
    },
    /// The server answers no more requests of this user for a while.
    #[error("`{host}` accepts no more requests until {}", end.as_deref().unwrap_or("later"))]
    RateLimited {
        host: String,
        /// The time of the day when it accepts the next one, in UTC.
        end: Option<String>,
        /// True if the request had a token.
        with_token: bool,
    },
    /// The answer is longer than the limit.
    #[error("`{url}` is larger than {limit} bytes")]
    TooLarge {
        url: Url,
        /// In bytes.
        limit: u64,
    },
    /// The list of a server has too many pages or entries, perhaps without end.
    #[error("the list at `{url}` is too long")]
    EndlessList { url: Url },
    /// The file is shorter or longer than the lockfile says.
    #[error("`{url}` has {received} bytes instead of {expected}")]
    SizeMismatch {
        url: Url,
        /// The size in bytes in the lockfile.
        expected: u64,
        /// The received bytes; less than the whole file if it is too long.
        received: u64,
    },
    /// The file is not the locked one.
    #[error("digest mismatch for `{url}`")]
    DigestMismatch {
        url: Box<Url>,
        /// The digest in the lockfile.
        expected: Digest,
        received: Digest,
    },
    /// A file at a `file:` address could not be read.
    #[error(transparent)]
    Mirror(files::Error),
    /// A file of the cache could not be read or written.
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Error {
    /// Returns the cause in a few words, for a line that says more.
    pub fn in_short(&self) -> String {
        match self {
            Self::Offline { .. } => "devsh is offline".to_owned(),
            Self::Unreachable { host, .. } => format!("cannot reach `{host}`"),
            other => other.to_string(),
        }
    }

    /// Returns whether other requests to the same host will fail too.
    pub fn is_about_host(&self) -> bool {
        matches!(
            self,
            Self::Offline { .. }
                | Self::Unreachable { .. }
                | Self::RateLimited { .. }
                | Self::UntrustedCertificate { .. }
        )
    }

    /// Returns whether the same request may succeed later.
    pub(super) fn is_transient(&self) -> bool {
        is_transient(self)
    }

    /// Returns whether the artifact may be fine and only cannot be downloaded now.
    ///
    /// A wrong digest or size is an error of its own: no fallback may hide it.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Offline { .. }
            | Self::Unreachable { .. }
            | Self::UntrustedCertificate { .. }
            | Self::Insecure { .. }
            | Self::RateLimited { .. }
            | Self::Status { .. } => true,
            Self::Mirror(error) => files::is_absent(&error.source),
            Self::File(_)
            | Self::TooLarge { .. }
            | Self::EndlessList { .. }
            | Self::SizeMismatch { .. }
            | Self::DigestMismatch { .. } => false,
        }
    }
}

/// Longest wait that a server can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Returns the wait before retry number `tries`; nothing if a retry does not help.
pub(super) fn pause(error: &Error, tries: u32) -> Option<Duration> {
    let own = Duration::from_millis(200 << tries.min(8));
    match error {
        Error::Status {
            wait: Some(wait), ..
        } if *wait > LONGEST_WAIT => None,
        Error::Status {
            wait: Some(wait), ..
        } => is_transient(error).then_some(own.max(*wait)),
        _ => is_transient(error).then_some(own),
    }
}

fn is_transient(error: &Error) -> bool {
    match error {
        Error::Unreachable { transient, .. } => *transient,
        Error::Status { status, .. } => *status >= 500 || *status == 429 || *status == 408,
        Error::SizeMismatch {
            expected, received, ..
        } => received < expected,
        _ => false,
    }
}
