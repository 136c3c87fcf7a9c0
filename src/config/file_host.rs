//! Servers of files, as `sources.hosts` names them.

use url::Url;

use crate::util::address::parse_address;

/// A server that a lockfile may name, and the beginning of the paths there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHost {
    host: String,
    /// The port, if it is not the usual one.
    port: Option<u16>,
    /// The path, with `/` at both ends.
    path: String,
}

impl FileHost {
    /// Parses `HOST`, `HOST:PORT` or `HOST:PORT/PATH`.
    pub fn named(text: &str) -> Option<Self> {
        let written = !text.contains("//") && !text.starts_with('/');
        written.then_some(())?;
        let url = parse_address(&format!("https://{}/", text.trim_end_matches('/'))).ok()?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        plain.then_some(())?;
        Some(Self {
            host: url.host_str()?.to_owned(),
            port: url.port(),
            path: url.path().to_owned(),
        })
    }

    /// Returns whether `url` is on this server and below the path.
    pub fn has(&self, url: &Url) -> bool {
        url.host_str() == Some(&self.host)
            && url.port() == self.port
            && url.path().starts_with(&self.path)
    }
}
