//! Addresses that a lockfile may hold.

use url::{Host, Url};

/// Returns whether a lockfile may hold `url`: https, or http to this machine; no name, no password.
pub fn lockable(url: &Url) -> bool {
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    let anonymous = url.username().is_empty() && url.password().is_none();
    anonymous && (url.scheme() == "https" || (url.scheme() == "http" && local))
}
