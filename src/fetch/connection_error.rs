//! Errors of connections: which ones another try can help.

use std::io;

use ureq::Timeout;
use url::Url;

use super::Error;

/// The server's answer leads nowhere; a retry does not help.
pub(super) fn unusable(url: &Url, reason: &str) -> Error {
    Error::Unreachable {
        host: host(url),
        reason: reason.to_owned(),
        transient: false,
    }
}

/// The connection broke within a body.
pub(super) fn broken(url: &Url, error: &io::Error) -> Error {
    Error::Unreachable {
        host: host(url),
        reason: one_line(&error.to_string()),
        transient: true,
    }
}

/// No answer.
pub(super) fn failed(url: &Url, error: &ureq::Error) -> Error {
    let transient = match error {
        ureq::Error::Io(error) => is_transient(error.kind()),
        ureq::Error::Timeout(_) => !is_silent(error),
        ureq::Error::Protocol(_) => true,
        _ => false,
    };
    let reason = match error {
        ureq::Error::Io(error) => one_line(&error.to_string()),
        error => one_line(&error.to_string()),
    };
    let host = host(url);
    if is_untrusted(error) {
        return Error::UntrustedCertificate { host, reason };
    }
    Error::Unreachable {
        host,
        reason,
        transient,
    }
}

/// Returns whether a connection may work the next time. A failed look-up of a name is not recognised, because its error
/// has no kind.
pub(super) const fn is_transient(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        kind,
        Kind::BrokenPipe
            | Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NotConnected
            | Kind::TimedOut
            | Kind::UnexpectedEof
            | Kind::WouldBlock
    )
}

/// Returns whether no connection was made in time.
pub(super) const fn is_silent(error: &ureq::Error) -> bool {
    matches!(
        error,
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect)
    )
}

/// Returns whether the TLS library refused the server's certificate.
pub(super) fn is_untrusted(error: &ureq::Error) -> bool {
    let inner = match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

pub(super) fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
