//! Names and passwords for servers: from the addresses in the settings, else from the user's netrc.
//!
//! Each is sent to its own server only, also after redirects, and is never printed. Netrc names hosts without ports: its
//! entries are for the usual port of HTTPS, and for the servers in the settings. Its `default` is only for the latter.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::percent_decode_str;
use url::Url;

/// `Authorization` headers by server.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Origins of the settings, each with the header if its address has credentials.
    origins: Vec<(String, Option<String>)>,
    /// Hosts of netrc, each with its header; the one without a name is the default.
    hosts: Vec<(Option<String>, String)>,
}

impl Credentials {
    /// Returns the credentials of the settings' addresses and of netrc's text.
    pub fn new<'a>(addresses: impl IntoIterator<Item = &'a Url>, netrc: &str) -> Self {
        let own = addresses
            .into_iter()
            .map(|url| (url.origin().ascii_serialization(), basic(url)));
        Self {
            origins: own.collect(),
            hosts: netrc_hosts(netrc),
        }
    }

    /// Uses this header for all requests to the server of `url`.
    pub(super) fn replace(&mut self, url: &Url, header: String) {
        let origin = url.origin().ascii_serialization();
        self.origins.retain(|(named, _)| *named != origin);
        self.origins.push((origin, Some(header)));
    }

    /// Adds tokens, each for the server of its address.
    #[must_use]
    pub fn with_tokens(mut self, tokens: impl IntoIterator<Item = (Url, String)>) -> Self {
        let headers = tokens.into_iter().map(|(url, token)| {
            let origin = url.origin().ascii_serialization();
            (origin, Some(format!("Bearer {token}")))
        });
        // The settings come first.
        self.origins.extend(headers);
        self
    }

    /// Returns the header for a request to `url`, if there is one.
    pub(super) fn header(&self, url: &Url) -> Option<String> {
        if let Some(own) = basic(url) {
            return Some(own);
        }
        let origin = url.origin().ascii_serialization();
        let mut same = self.origins.iter().filter(|(named, _)| *named == origin);
        if let Some(header) = same.clone().find_map(|(_, header)| header.clone()) {
            return Some(header);
        }
        let is_in_settings = same.next().is_some();
        let usual = url.scheme() == "https" && url.port().is_none();
        if !usual && !is_in_settings {
            return None;
        }
        let host = url.host_str();
        // A project can name any server, which the entry for all hosts is not meant for.
        let named = |(name, _): &&(Option<String>, String)| match name {
            Some(name) => Some(name.as_str()) == host,
            None => is_in_settings,
        };
        let entry = self.hosts.iter().find(named);
        entry.map(|(_, header)| header.clone())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credentials(…)")
    }
}

/// Returns the header for the name and password of an address.
fn basic(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    Some(encoded(
        &decoded(url.username()),
        &decoded(url.password().unwrap_or_default()),
    ))
}

fn encoded(name: &[u8], password: &[u8]) -> String {
    let both = [name, b":", password].concat();
    format!("Basic {}", BASE64_STANDARD.encode(both))
}

/// Reads netrc: `machine`, `login` and `password` in any order, `default` last; macros are skipped.
fn netrc_hosts(text: &str) -> Vec<(Option<String>, String)> {
    let mut hosts = Vec::new();
    let mut entry: Option<NetrcEntry> = None;
    let mut words = words(text).into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "machine" => {
                hosts.extend(entry.take().and_then(NetrcEntry::finish));
                entry = Some(NetrcEntry {
                    host: words.next(),
                    ..NetrcEntry::default()
                });
            }
            "default" => {
                hosts.extend(entry.take().and_then(NetrcEntry::finish));
                entry = Some(NetrcEntry::default());
            }
            "login" => set(entry.as_mut().map(|entry| &mut entry.login), words.next()),
            "password" => set(
                entry.as_mut().map(|entry| &mut entry.password),
                words.next(),
            ),
            "account" => drop(words.next()),
            _ => {}
        }
    }
    hosts.extend(entry.and_then(NetrcEntry::finish));
    hosts
}

#[derive(Default)]
struct NetrcEntry {
    host: Option<String>,
    login: Option<String>,
    password: Option<String>,
}

impl NetrcEntry {
    fn finish(self) -> Option<(Option<String>, String)> {
        let login = self.login.unwrap_or_default();
        let header = encoded(login.as_bytes(), self.password?.as_bytes());
        Some((self.host, header))
    }
}

fn set(place: Option<&mut Option<String>>, word: Option<String>) {
    if let Some(place) = place {
        *place = word;
    }
}

/// Returns the words of netrc, without comments and macros.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut in_macro = false;
    for line in text.lines() {
        if line.trim().is_empty() {
            in_macro = false;
            continue;
        }
        for word in line.split_whitespace() {
            // A password may begin with `#`; a comment is in the place of a keyword.
            let value = words
                .last()
                .is_some_and(|last| matches!(&**last, "password" | "login" | "account"));
            if word.starts_with('#') && !value {
                break;
            }
            if word == "macdef" && !value {
                in_macro = true;
            }
            if in_macro {
                break;
            }
            let plain = word
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            words.push(plain.unwrap_or(word).to_owned());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(credentials: &Credentials, url: &str) -> Option<String> {
        let header = credentials.header(&url.parse().unwrap())?;
        let text = BASE64_STANDARD
            .decode(header.strip_prefix("Basic ").unwrap())
            .unwrap();
        Some(String::from_utf8(text).unwrap())
    }

    #[test]
    fn credentials_are_for_their_own_server() {
        let index: Url = "https://me:p%40ss@index.example/simple/".parse().unwrap();
        let netrc = "# comment\nmachine files.example login you password #1\n\
                     macdef init\nmachine evil.example password x\n\nmachine b.example password \"q\"\n";
        let mirror: Url = "http://files.example:8080/npm/".parse().unwrap();
        let credentials = Credentials::new([&index, &mirror], netrc);
        for (url, expected) in [
            ("https://index.example/files/a", Some("me:p@ss")),
            ("https://index.example:8443/files/a", None),
            ("http://index.example/files/a", None),
            ("https://files.example/a", Some("you:#1")),
            ("http://files.example:8080/a", Some("you:#1")),
            ("https://files.example:8443/a", None),
            ("http://files.example/a", None),
            ("https://b.example/a", Some(":q")),
            ("https://evil.example/a", None),
            ("https://token@other.example/a", Some("token:")),
            ("https://other.example/a", None),
        ] {
            assert_eq!(header(&credentials, url).as_deref(), expected, "{url}");
        }
        assert!(!format!("{credentials:?}").contains("p@ss"));
        let own: Url = "https://index.example".parse().unwrap();
        let default = Credentials::new(
            [&own],
            "machine a.example password x\ndefault login u password p",
        );
        for (url, expected) in [
            ("https://index.example/a", Some("u:p")),
            ("https://a.example/", Some(":x")),
            ("https://named-by-a-project.example/", None),
        ] {
            assert_eq!(header(&default, url).as_deref(), expected, "{url}");
        }
    }
}
