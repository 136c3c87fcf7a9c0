//! The client of OCI registries: manifests and blobs of one repository.
//!
//! Every answer is checked against the digest that was asked for. Logins go to the registry and to the token server
//! that it names, and are in no error.

mod login;
mod reference;

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use serde::Deserialize;
use url::Url;

pub use login::{Login, Logins};
pub use reference::Reference;

use super::{Answer, Client, Download, Error, Exchange, ExpectedFile, Meter, RequestBody};
use crate::{
    package::{Digest, Sha256},
    util::{files, redact::redact_url},
};

/// The largest accepted manifest, in bytes.
const MANIFEST_LIMIT: u64 = 4 << 20;
/// The most pages of a list. A page has a thousand entries in most registries.
const PAGES: usize = 1000;
/// The bytes of one part of an upload.
const CHUNK: u64 = 32 << 20;
/// The number of times that one session of an upload may break.
const BREAKS: u32 = 5;
/// The number of times that an upload may begin again.
const SESSIONS: u32 = 4;
/// The wait before an upload goes on, which grows.
const RESUME_PAUSE: Duration = Duration::from_millis(200);
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

/// A blob on this machine.
#[derive(Debug, Clone, Copy)]
pub struct LocalBlob<'a> {
    pub digest: Sha256,
    pub size: u64,
    pub file: &'a Path,
}

/// The way in which a blob came to the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The repository had it.
    Present,
    /// The registry took it from another repository.
    Mounted,
    Uploaded,
}

impl LocalBlob<'_> {
    /// Reads the part that begins at `start`.
    fn part(&self, start: u64) -> Result<Vec<u8>, Error> {
        let mut part = Vec::new();
        let read = File::open(self.file).and_then(|mut file| {
            file.seek(SeekFrom::Start(start))?;
            file.take(CHUNK).read_to_end(&mut part)
        });
        let empty = || io::Error::new(io::ErrorKind::UnexpectedEof, "it is shorter than it was");
        read.and_then(|count| if count == 0 { Err(empty()) } else { Ok(()) })
            .map_err(files::at("read", self.file))?;
        Ok(part)
    }
}

/// The part of an upload that a registry has.
struct UploadState {
    /// In bytes.
    received: u64,
    place: Url,
}

/// Why an upload did not end.
enum UploadError {
    /// The session is gone, or nobody knows what it has: another one can do.
    Lost(Error),
    Failed(Error),
}

impl UploadError {
    /// Decides whether another session can help.
    fn of(error: Error) -> Self {
        let gone = matches!(
            error,
            Error::Status {
                status: 404 | 416,
                ..
            }
        );
        if gone || error.is_transient() {
            Self::Lost(error)
        } else {
            Self::Failed(error)
        }
    }
}

impl From<Error> for UploadError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

#[derive(Deserialize)]
struct TagList {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
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
            client,
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
        let exchange = Exchange::new("PUT", &url)
            .header("content-type", media_type)
            .body(RequestBody::Bytes(bytes));
        let answer = self.send(exchange, RegistryAccess::Push)?;
        if answer.status == 201 {
            Ok(())
        } else {
            Err(answer.unexpected(&url))
        }
    }

    /// Returns whether the repository has a blob.
    pub fn has_blob(&self, digest: &Sha256) -> Result<bool, Error> {
        let url = self.blob_url(digest)?;
        self.is_present(Exchange::new("HEAD", &url), &url)
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
        Err(Error::TooManyPages {
            url: redact_url(&url),
            limit: PAGES,
        })
    }

    /// Brings a blob to the repository, from another one of the same registry if that has it.
    ///
    /// A broken connection costs the part that was on its way, and a session that the registry has lost costs the blob.
    pub fn push_blob(
        &self,
        blob: LocalBlob<'_>,
        mount_from: Option<&str>,
    ) -> Result<Pushed, Error> {
        let mut lost = 0;
        loop {
            // After a failure too: it may have been the last answer that did not arrive.
            if self.has_blob(&blob.digest)? {
                return Ok(if lost == 0 {
                    Pushed::Present
                } else {
                    Pushed::Uploaded
                });
            }
            match self.upload(&blob, mount_from) {
                Ok(pushed) => return Ok(pushed),
                Err(UploadError::Failed(error)) => return Err(error),
                Err(UploadError::Lost(error)) if lost == SESSIONS => return Err(error),
                Err(UploadError::Lost(error)) => {
                    tracing::debug!(%error, "the upload begins again");
                    thread::sleep(RESUME_PAUSE * (1 << lost));
                    lost += 1;
                }
            }
        }
    }

    fn upload(
        &self,
        blob: &LocalBlob<'_>,
        mount_from: Option<&str>,
    ) -> Result<Pushed, UploadError> {
        let mut url = self.url(&["blobs", "uploads", ""])?;
        let mut access = RegistryAccess::Push;
        if let Some(from) = mount_from {
            url.query_pairs_mut()
                .append_pair("mount", &format!("sha256:{}", blob.digest))
                .append_pair("from", from);
            access = RegistryAccess::Mount(from);
        }
        let answer = self.send(Exchange::new("POST", &url), access)?;
        match answer.status {
            201 => return Ok(Pushed::Mounted),
            202 => {}
            // This user may not read the other repository.
            _ if mount_from.is_some() => return self.upload(blob, None),
            _ => return Err(answer.unexpected(&url).into()),
        }
        let mut place = self.location(&answer, &url)?;
        let mut body = RequestBody::File(blob.file);
        if blob.size > CHUNK {
            place = self.upload_parts(blob, place)?;
            body = RequestBody::Empty;
        }
        self.finish_upload(&place, blob, body)?;
        Ok(Pushed::Uploaded)
    }

    /// Uploads a large blob in parts.
    fn upload_parts(&self, blob: &LocalBlob<'_>, mut place: Url) -> Result<Url, UploadError> {
        let (mut sent, mut breaks) = (0, 0);
        while sent < blob.size {
            let part = blob.part(sent)?;
            let end = sent + part.len() as u64;
            let exchange = Exchange::new("PATCH", &place)
                .header("content-type", "application/octet-stream")
                .header("content-range", format!("{sent}-{}", end.saturating_sub(1)))
                .body(RequestBody::Bytes(&part))
                .once();
            let error = match self.send(exchange, RegistryAccess::Push) {
                Ok(answer) if answer.status == 202 => {
                    place = self.location(&answer, &place)?;
                    sent = end;
                    continue;
                }
                Ok(answer) => UploadError::of(answer.unexpected(&place)),
                Err(error) => UploadError::of(error),
            };
            let UploadError::Lost(error) = error else {
                return Err(error);
            };
            breaks += 1;
            if breaks > BREAKS {
                return Err(UploadError::Lost(error));
            }
            tracing::debug!(%error, sent, "the upload of a part broke");
            thread::sleep(RESUME_PAUSE * breaks);
            match self.upload_state(&place)? {
                Some(state) if state.received <= blob.size => {
                    (sent, place) = (state.received, state.place);
                }
                _ => return Err(UploadError::Lost(error)),
            }
        }
        Ok(place)
    }

    /// Returns what the registry has of an upload; `None` if it does not know it any more.
    fn upload_state(&self, place: &Url) -> Result<Option<UploadState>, Error> {
        let answer = self.send(Exchange::new("GET", place), RegistryAccess::Push)?;
        let last = answer
            .header("range")
            .filter(|_| answer.status == 204)
            .and_then(|range| range.rsplit('-').next()?.parse::<u64>().ok());
        Ok(last.filter(|last| *last > 0).map(|last| UploadState {
            received: last + 1,
            place: self
                .location(&answer, place)
                .unwrap_or_else(|_| place.clone()),
        }))
    }

    fn finish_upload(
        &self,
        place: &Url,
        blob: &LocalBlob<'_>,
        body: RequestBody<'_>,
    ) -> Result<(), UploadError> {
        let mut url = place.clone();
        url.query_pairs_mut()
            .append_pair("digest", &format!("sha256:{}", blob.digest));
        let exchange = Exchange::new("PUT", &url)
            .header("content-type", "application/octet-stream")
            .body(body)
            .once();
        match self.send(exchange, RegistryAccess::Push) {
            Ok(answer) if answer.status == 201 => Ok(()),
            Ok(answer) => Err(UploadError::of(answer.unexpected(&url))),
            Err(error) => Err(UploadError::of(error)),
        }
    }

    fn location(&self, answer: &Answer, base: &Url) -> Result<Url, Error> {
        let next = answer
            .header("location")
            .and_then(|location| base.join(location).ok());
        // The authorization must not go to another server.
        next.filter(|next| next.origin() == self.server.origin())
            .ok_or_else(|| answer.unexpected(base))
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

    /// Sends a request; logs in when the registry asks for that.
    fn send(
        &self,
        mut exchange: Exchange<'_>,
        access: RegistryAccess<'_>,
    ) -> Result<Answer, Error> {
        let known = self.known_authorization();
        let without = exchange.headers.len();
        if let Some(header) = &known {
            exchange = exchange.header("authorization", header.clone());
        }
        let answer = self.client.exchange(&exchange)?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        let Some(header) = self.authorize(challenge, access)? else {
            return Ok(answer);
        };
        exchange.headers.truncate(without);
        exchange = exchange.header("authorization", header.clone());
        let answer = self.client.exchange(&exchange)?;
        if answer.status != 401 {
            *self.lock() = Some(header);
        }
        Ok(answer)
    }

    /// Answers a challenge; `None` if there is nothing to answer it with.
    fn authorize(
        &self,
        challenge: &str,
        access: RegistryAccess<'_>,
    ) -> Result<Option<String>, Error> {
        let (scheme, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Ok(match &self.login {
                Some(Login::Basic(both)) => Some(format!("Basic {both}")),
                _ => None,
            });
        }
        let parameters = parameters(rest);
        let get = |name: &str| {
            let found = parameters.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        let Some(mut realm) = get("realm").and_then(|realm| realm.parse::<Url>().ok()) else {
            return Ok(None);
        };
        let own = &self.repository;
        let scopes = match access {
            RegistryAccess::Pull => vec![format!("repository:{own}:pull")],
            RegistryAccess::Push => vec![format!("repository:{own}:pull,push")],
            RegistryAccess::Mount(from) => vec![
                format!("repository:{own}:pull,push"),
                format!("repository:{from}:pull"),
            ],
        };
        let service = get("service").unwrap_or_default();
        let answer = if let Some(Login::IdentityToken(token)) = &self.login {
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("grant_type", "refresh_token")
                .append_pair("client_id", "devsh")
                .append_pair("service", service)
                .append_pair("scope", &scopes.join(" "))
                .append_pair("refresh_token", token)
                .finish();
            let exchange = Exchange::new("POST", &realm)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(RequestBody::Bytes(form.as_bytes()));
            self.client.exchange(&exchange)?
        } else {
            realm
                .query_pairs_mut()
                .append_pair("service", service)
                .extend_pairs(scopes.iter().map(|scope| ("scope", scope)));
            let mut exchange = Exchange::new("GET", &realm);
            if let Some(Login::Basic(both)) = &self.login {
                exchange = exchange.header("authorization", format!("Basic {both}"));
            }
            self.client.exchange(&exchange)?
        };
        if answer.status != 200 {
            return Err(answer.unexpected(&realm));
        }
        let token: Option<TokenAnswer> = serde_json::from_slice(&answer.body).ok();
        let token = token.and_then(|answer| answer.token.or(answer.access_token));
        Ok(token.map(|token| format!("Bearer {token}")))
    }

    fn known_authorization(&self) -> Option<String> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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

/// The right that a request needs.
#[derive(Debug, Clone, Copy)]
enum RegistryAccess<'a> {
    Pull,
    Push,
    /// Push, and pull from this repository.
    Mount(&'a str),
}

/// Reads the parameters of a challenge: `realm="…",service="…"`.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    let mut rest = text.trim();
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',']).to_ascii_lowercase();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        parameters.push((name, value.to_owned()));
        rest = next;
    }
    parameters
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
