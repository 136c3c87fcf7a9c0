//! The client of OCI registries: manifests and blobs of one repository.
//!
//! Every answer is checked against the digest that was asked for. Logins go to the registry and to the token server
//! that it names, and are in no error.

mod authorization;
mod reference;
mod saved_logins;
mod upload;

use std::{path::Path, sync::Mutex};

use serde::Deserialize;
use url::Url;

use authorization::RegistryAccess;
pub use reference::Reference;
pub use saved_logins::{Login, Logins};
pub use upload::{LocalBlob, Pushed};

use super::{
    Answer, Client, Credentials, Download, Error, Exchange, ExpectedFile, Meter, RequestBody,
};
use crate::{
    package::{Digest, Sha256},
    util::redact::redact_url,
};

/// The largest accepted manifest, in bytes.
const MANIFEST_LIMIT: u64 = 4 << 20;
/// The most pages of a list. A page has a thousand entries in most registries.
const PAGES: usize = 1000;
/// Most tags that are read.
const TAGS: usize = 200_000;
/// The forms of manifests that devsh reads.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// One repository of a registry.
#[derive(Debug)]
pub struct Registry {
    client: Client,
    server: Url,
    repository: String,
    login: Option<Login>,
    /// The value of `Authorization` that the registry accepted last.
    authorization: Mutex<Option<String>>,
}

/// A manifest as the registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    pub media_type: String,
    pub bytes: Vec<u8>,
    pub digest: Sha256,
}

#[derive(Deserialize)]
struct TagList {
    tags: Option<Vec<String>>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Login(…)")
    }
}

impl Registry {
    /// Returns the repository of a reference.
    pub fn new(client: Client, reference: &Reference, login: Option<Login>) -> Result<Self, Error> {
        let server = reference.server().map_err(|invalid| Error::Unreachable {
            host: reference.host.clone(),
            reason: invalid.to_string(),
            transient: false,
        })?;
        Ok(Self {
            // A challenge names any server as the realm of tokens: it must not get what the user's own credentials of
            // that server open.
            client: client.with_credentials(Credentials::default()),
            server,
            repository: reference.repository.clone(),
            login,
            authorization: Mutex::new(None),
        })
    }

    /// Returns a manifest by tag or digest (`sha256:…`).
    pub fn manifest(&self, version: &str) -> Result<StoredManifest, Error> {
        let url = self.url(&["manifests", version])?;
        let mut exchange = Exchange::new("GET", &url).header("accept", ACCEPT);
        exchange.limit = MANIFEST_LIMIT;
        let answer = self.send(exchange, RegistryAccess::Pull)?;
        if answer.status != 200 {
            return Err(answer.unexpected(&url));
        }
        let digest = Sha256::of(&answer.body);
        if let Some(expected) = version.strip_prefix("sha256:")
            && expected
                .parse()
                .is_ok_and(|expected: Sha256| expected != digest)
        {
            return Err(mismatch(&url, version, digest));
        }
        let media_type = answer.header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        Ok(StoredManifest {
            media_type: media_type.to_owned(),
            bytes: answer.body,
            digest,
        })
    }

    /// Returns whether the repository has a manifest.
    pub fn has_manifest(&self, version: &str) -> Result<bool, Error> {
        let url = self.url(&["manifests", version])?;
        let exchange = Exchange::new("HEAD", &url).header("accept", ACCEPT);
        self.is_present(exchange, &url)
    }

    /// Stores a manifest under a tag or its digest.
    pub fn put_manifest(&self, version: &str, media_type: &str, bytes: &[u8]) -> Result<(), Error> {
        let url = self.url(&["manifests", version])?;
        let answer = self.send_manifest(&url, media_type, bytes, &[])?;
        if answer.status == 201 {
            Ok(())
        } else {
            Err(answer.unexpected(&url))
        }
    }

    /// Stores a manifest unless the version has one; returns false if the registry says that it has.
    ///
    /// The distribution specification has no conditional requests yet: a registry that does not know them replaces the
    /// manifest of a client that came first.
    pub fn put_new_manifest(
        &self,
        version: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<bool, Error> {
        let url = self.url(&["manifests", version])?;
        let answer = self.send_manifest(&url, media_type, bytes, &[("if-none-match", "*")])?;
        match answer.status {
            201 => Ok(true),
            412 => Ok(false),
            _ => Err(answer.unexpected(&url)),
        }
    }

    fn send_manifest(
        &self,
        url: &Url,
        media_type: &str,
        bytes: &[u8],
        headers: &[(&'static str, &'static str)],
    ) -> Result<Answer, Error> {
        let mut exchange = Exchange::new("PUT", url)
            .header("content-type", media_type)
            .body(RequestBody::Bytes(bytes));
        for &(name, value) in headers {
            exchange = exchange.header(name, value);
        }
        self.send(exchange, RegistryAccess::Push)
    }

    /// Returns whether the repository has a blob.
    pub fn has_blob(&self, digest: &Sha256) -> Result<bool, Error> {
        let url = self.blob_url(digest)?;
        self.is_present(Exchange::new("HEAD", &url), &url)
    }

    /// Returns the error of a blob with more than `limit` bytes.
    pub fn too_large(&self, digest: &Sha256, limit: u64) -> Error {
        match self.blob_url(digest) {
            Ok(url) => Error::TooLarge {
                url: redact_url(&url),
                limit,
            },
            Err(error) => error,
        }
    }

    /// Returns a blob as a verified file in `directory`.
    pub fn blob(
        &self,
        digest: &Sha256,
        size: Option<u64>,
        directory: &Path,
        meter: &dyn Meter,
    ) -> Result<Download, Error> {
        let expected = ExpectedFile {
            digest: Digest::Sha256(*digest),
            size,
        };
        self.blob_as(digest, &expected, directory, meter)
    }

    /// Returns a blob as a file that is verified by another digest.
    pub fn blob_as(
        &self,
        digest: &Sha256,
        expected: &ExpectedFile,
        directory: &Path,
        meter: &dyn Meter,
    ) -> Result<Download, Error> {
        let url = self.blob_url(digest)?;
        if let Some(found) = super::find_download(directory, &expected.digest) {
            return Ok(found);
        }
        // The first request learns the authorization, which the download sends to this server only.
        let present = self.is_present(Exchange::new("HEAD", &url), &url)?;
        if !present {
            return Err(Error::Status {
                url: redact_url(&url),
                status: 404,
                wait: None,
            });
        }
        let mut client = self.client.clone();
        if let Some(header) = self.known_authorization() {
            client.credentials.replace(&url, header);
        }
        client.download(&url, expected, directory, meter)
    }

    /// Returns the tags of the repository; none for one that does not exist.
    pub fn tags(&self) -> Result<Vec<String>, Error> {
        let mut tags = Vec::new();
        let mut url = self.url(&["tags", "list"])?;
        for _ in 0..PAGES {
            let answer = self.send(Exchange::new("GET", &url), RegistryAccess::Pull)?;
            if answer.status == 404 {
                return Ok(tags);
            }
            let page: Option<TagList> = serde_json::from_slice(&answer.body).ok();
            let Some(page) = page.filter(|_| answer.status == 200) else {
                return Err(answer.unexpected(&url));
            };
            tags.extend(page.tags.unwrap_or_default());
            if tags.len() > TAGS {
                break;
            }
            // `Link: </v2/…?last=…>; rel="next"`
            let next = answer.header("link").and_then(|link| {
                let (path, _) = link.strip_prefix('<')?.split_once('>')?;
                url.join(path).ok()
            });
            match next.filter(|next| next.origin() == self.server.origin()) {
                Some(next) => url = next,
                None => return Ok(tags),
            }
        }
        Err(Error::EndlessList {
            url: redact_url(&url),
        })
    }

    fn is_present(&self, exchange: Exchange<'_>, url: &Url) -> Result<bool, Error> {
        let answer = self.send(exchange, RegistryAccess::Pull)?;
        match answer.status {
            // Some registries redirect to the place of a blob that they have.
            200 | 302 | 307 => Ok(true),
            404 => Ok(false),
            _ => Err(answer.unexpected(url)),
        }
    }

    fn blob_url(&self, digest: &Sha256) -> Result<Url, Error> {
        self.url(&["blobs", &format!("sha256:{digest}")])
    }

    fn url(&self, rest: &[&str]) -> Result<Url, Error> {
        let path = format!("v2/{}/{}", self.repository, rest.join("/"));
        self.server.join(&path).map_err(|error| Error::Unreachable {
            host: self.server.host_str().unwrap_or_default().to_owned(),
            reason: error.to_string(),
            transient: false,
        })
    }
}

fn mismatch(url: &Url, expected: &str, received: Sha256) -> Error {
    let expected = expected
        .trim_start_matches("sha256:")
        .parse()
        .unwrap_or(received);
    Error::DigestMismatch {
        url: Box::new(redact_url(url)),
        expected: Digest::Sha256(expected),
        received: Digest::Sha256(received),
    }
}

#[cfg(test)]
mod tests;
