//! Addresses of Git repositories, reduced to a server and a path.

use std::fmt;

use url::Url;

/// A repository or a group of them: `github.com/acme/app`, `github.com/acme`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote(Vec<String>);

impl Remote {
    /// Returns the repository of an address; nothing for local paths and for protocols that do not authenticate the
    /// server.
    pub fn of_url(url: &str) -> Option<Self> {
        if url.contains("://") {
            let url = Url::parse(url).ok()?;
            if !matches!(url.scheme(), "https" | "ssh" | "git+ssh") {
                return None;
            }
            let port = url.port().map_or(String::new(), |port| format!(":{port}"));
            return Self::new(&format!("{}{port}", url.host_str()?), url.path());
        }
        // `user@host:path`, as in scp; with a slash before the colon it is a path.
        let (host, path) = url.split_once(':')?;
        let host = host.rsplit('@').next()?;
        (!host.contains('/')).then(|| Self::new(host, path))?
    }

    /// Parses a group in the user's settings: an address, or `host/owner`.
    pub fn named(text: &str) -> Option<Self> {
        if text.contains("://") || text.contains('@') {
            return Self::of_url(text);
        }
        let (host, path) = text.split_once('/')?;
        Self::new(host, path)
    }

    /// Returns whether this is `group` or belongs to it; whole components are compared.
    pub fn is_below(&self, group: &Self) -> bool {
        self.0.starts_with(&group.0)
    }

    fn new(host: &str, path: &str) -> Option<Self> {
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        let names = path.split('/').map(str::to_owned);
        let parts: Vec<String> = std::iter::once(host.to_ascii_lowercase())
            .chain(names)
            .collect();
        let plain = |part: &String| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'%')
        };
        parts.iter().all(plain).then_some(Self(parts))
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_server_and_a_path() {
        for (url, expected) in [
            (
                "https://GitHub.com/acme/app.git",
                Some("github.com/acme/app"),
            ),
            (
                "https://me:secret@github.com/acme/app/",
                Some("github.com/acme/app"),
            ),
            ("git@github.com:acme/app.git", Some("github.com/acme/app")),
            (
                "ssh://git@git.corp:2222/acme/app",
                Some("git.corp:2222/acme/app"),
            ),
            (
                "https://github.com@evil.example/acme/app",
                Some("evil.example/acme/app"),
            ),
            (
                "https://evil.example/x/../github.com",
                Some("evil.example/github.com"),
            ),
            ("git@github.com:acme/../evil/app", None),
            ("git@github.com:", None),
            ("http://github.com/acme/app", None),
            ("git://github.com/acme/app", None),
            ("file:///srv/git/app", None),
            ("/srv/git/app", None),
            ("../github.com:acme/app", None),
            ("https://github.com/acme%2Fevil", None),
            ("", None),
        ] {
            let found = Remote::of_url(url).map(|remote| remote.to_string());
            assert_eq!(found.as_deref(), expected, "{url}");
        }
    }
}
