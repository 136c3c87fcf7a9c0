//! Names of images: `[HOST[:PORT]/]PATH[:TAG][@sha256:DIGEST]`.

use std::{fmt, str::FromStr};

use url::{Host, Url};

use crate::{
    package::{Invalid, Sha256},
    util::address::parse_address,
};

/// The registry of names without a host.
const DEFAULT_HOST: &str = "docker.io";
/// The server that answers for `docker.io`.
const DEFAULT_SERVER: &str = "registry-1.docker.io";

/// The name of an image or of another artifact in a registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The host with its port, as written; `docker.io` if the name has none.
    pub host: String,
    /// The path (`library/debian`).
    pub repository: String,
    pub tag: Option<String>,
    /// The digest of the manifest.
    pub digest: Option<Sha256>,
}

impl Reference {
    /// Returns the tag or digest that the registry is asked for.
    pub fn version(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("sha256:{digest}"),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }

    /// Returns the address of the server. Only this machine is asked without encryption.
    pub fn server(&self) -> Result<Url, Invalid> {
        let host = match self.host.as_str() {
            DEFAULT_HOST => DEFAULT_SERVER,
            host => host,
        };
        let address = |scheme| -> Result<Url, Invalid> {
            let address = format!("{scheme}://{host}/").parse();
            address.map_err(|_| invalid(&self.host))
        };
        let server = address("https")?;
        let is_loopback = match server.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        if is_loopback {
            address("http")
        } else {
            Ok(server)
        }
    }
}

impl FromStr for Reference {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                let digest = digest
                    .strip_prefix("sha256:")
                    .ok_or_else(|| invalid(text))?;
                (name, Some(digest.parse().map_err(|_| invalid(text))?))
            }
            None => (text, None),
        };
        let (path, tag) = match name.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (name, None),
        };
        let (host, repository) = match path.split_once('/') {
            Some((host, rest))
                if host.contains(['.', ':']) || host == "localhost" || host.starts_with('[') =>
            {
                (host, rest.to_owned())
            }
            Some(_) => (DEFAULT_HOST, path.to_owned()),
            None => (DEFAULT_HOST, format!("library/{path}")),
        };
        let component = |one: &str| {
            let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
            edge(one.bytes().next())
                && edge(one.bytes().last())
                && one.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte)
                })
        };
        let valid_tag = |tag: &str| {
            (1..=128).contains(&tag.len())
                && !tag.starts_with(['.', '-'])
                && tag
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let valid = repository.len() <= 255
            && repository.split('/').all(component)
            && tag.is_none_or(valid_tag)
            && host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[')
            && parse_address(&format!("https://{host}/")).is_ok_and(|url| {
                url.path() == "/" && url.username().is_empty() && url.password().is_none()
            });
        if !valid {
            return Err(invalid(text));
        }
        Ok(Self {
            host: host.to_owned(),
            repository,
            tag: tag.map(ToOwned::to_owned),
            digest,
        })
    }
}

fn invalid(text: &str) -> Invalid {
    Invalid::new(
        "the name of an image (`debian:12-slim`, `registry.example/team/app:1.0`)",
        text,
    )
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@sha256:{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_the_usual_host_and_path() {
        let hex = "a".repeat(64);
        for (text, whole, server) in [
            (
                "debian:12-slim",
                "docker.io/library/debian:12-slim",
                "https://registry-1.docker.io/",
            ),
            (
                "team/app",
                "docker.io/team/app",
                "https://registry-1.docker.io/",
            ),
            ("ghcr.io/a/b/c:1.0", "ghcr.io/a/b/c:1.0", "https://ghcr.io/"),
            (
                "127.0.0.1:5000/base:x",
                "127.0.0.1:5000/base:x",
                "http://127.0.0.1:5000/",
            ),
            (
                "localhost:5000/base",
                "localhost:5000/base",
                "http://localhost:5000/",
            ),
            ("[::1]:5000/base", "[::1]:5000/base", "http://[::1]:5000/"),
            (
                "127.other.example/base",
                "127.other.example/base",
                "https://127.other.example/",
            ),
            (
                "localhost.example:80/base",
                "localhost.example:80/base",
                "https://localhost.example:80/",
            ),
            (
                &format!("a.example:8443/x@sha256:{hex}"),
                &format!("a.example:8443/x@sha256:{hex}"),
                "https://a.example:8443/",
            ),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), whole);
            assert_eq!(reference.server().unwrap().as_str(), server);
        }
        for bad in [
            "",
            "A/b",
            "a//b",
            "a:",
            "a@sha256:12",
            "a@md5:12",
            "../x",
            "u:p@h.example/x",
            "a:b c",
            "a.example/",
            "-x",
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }
}
