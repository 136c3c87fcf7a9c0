//! The address of a cache, and the text form of the keys that its readers trust.

use std::{fmt, path::PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use url::Url;

use crate::util::{
    address::{check_address, directory_address},
    redact::{redact_text, redact_url},
};

/// The address of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CachePlace {
    Directory(PathBuf),
    /// A web server with the files of a directory, ending in `/`; read-only.
    Web(Url),
    S3(S3Place),
    /// A repository of an OCI registry (`registry.example/team/cache`).
    Registry(String),
}

/// A bucket of S3-compatible storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Place {
    pub bucket: String,
    /// The beginning of all keys, empty or ending in `/`.
    pub prefix: String,
    /// The address of the server; AWS without it.
    pub endpoint: Option<Url>,
    pub region: Option<String>,
    /// True if the bucket is in the path of addresses and not in the host name. Default: if there is an endpoint.
    pub path_style: Option<bool>,
}

impl CachePlace {
    /// Parses the address of a cache.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        check_address(text).ok()?;
        if let Some(rest) = text.strip_prefix("oci://") {
            let rest = rest.trim_end_matches('/');
            let (host, repository) = rest.split_once('/')?;
            return (!host.is_empty() && !repository.is_empty())
                .then(|| Self::Registry(rest.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let prefix = prefix.trim_matches('/');
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            let is_name = |name: &str| {
                !name.is_empty() && name.bytes().all(plain) && name != "." && name != ".."
            };
            if !is_name(bucket) || !(prefix.is_empty() || prefix.split('/').all(is_name)) {
                return None;
            }
            return Some(Self::S3(S3Place {
                bucket: bucket.to_owned(),
                prefix: if prefix.is_empty() {
                    String::new()
                } else {
                    format!("{prefix}/")
                },
                endpoint: None,
                region: None,
                path_style: None,
            }));
        }
        let url = directory_address(text)?;
        match url.scheme() {
            "file" => Some(Self::Directory(url.to_file_path().ok()?)),
            _ => Some(Self::Web(url)),
        }
    }
}

impl fmt::Display for CachePlace {
    /// Writes the address without credentials.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(formatter, "file://{}", path.display()),
            Self::Web(url) => write!(formatter, "{}", redact_url(url)),
            Self::S3(place) => write!(
                formatter,
                "s3://{}/{}",
                place.bucket,
                place.prefix.trim_end_matches('/')
            ),
            Self::Registry(repository) => {
                formatter.write_str(&redact_text(&format!("oci://{repository}")))
            }
        }
    }
}

/// Returns whether a text is a public key: `NAME:BASE64` of 32 bytes.
pub fn is_public_key(text: &str) -> bool {
    text.split_once(':').is_some_and(|(name, key)| {
        is_key_name(name) && BASE64_STANDARD.decode(key).is_ok_and(|key| key.len() == 32)
    })
}

/// Returns whether a text can name a key; the name is also a part of addresses.
pub fn is_key_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.len() <= 64 && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_the_kind_of_cache() {
        let shown = |text: &str| CachePlace::parse(text).map(|place| place.to_string());
        for (text, expected) in [
            ("file:///srv/cache", Some("file:///srv/cache/")),
            ("https://me:pw@host/c", Some("https://host/c/")),
            (
                "https://host/c/t/pw/x?token=pw",
                Some("https://host/c/t/.../x"),
            ),
            ("oci://me:pw@host/team", Some("oci://host/team")),
            ("s3://bucket/a/b/", Some("s3://bucket/a/b")),
            ("s3://bucket", Some("s3://bucket/")),
            (
                "oci://host:5000/team/cache",
                Some("oci://host:5000/team/cache"),
            ),
            ("s3://bucket/../other", None),
            ("s3:///a", None),
            ("oci://host", None),
            (r"oci://evil.example\@host/team", None),
            (r"https://evil.example\@host/c", None),
            ("ftp://host/a", None),
            ("host/a", None),
        ] {
            assert_eq!(shown(text).as_deref(), expected, "{text}");
        }
    }
}
