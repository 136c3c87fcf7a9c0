//! Uploads of blobs, which go on after a broken connection.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
    thread,
    time::Duration,
};

use url::Url;

use super::{Registry, authorization::RegistryAccess};
use crate::{
    fetch::{Answer, Error, Exchange, RequestBody},
    package::Sha256,
    util::files,
};

/// The bytes of one part of an upload.
const CHUNK: u64 = 32 << 20;

/// The number of times that one session of an upload may break.
const BREAKS: u32 = 5;

/// The number of times that an upload may begin again.
const SESSIONS: u32 = 4;

/// The wait before an upload goes on, which grows.
const RESUME_PAUSE: Duration = Duration::from_millis(200);

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

/// The reason why an upload did not end.
enum UploadError {
    /// The session is gone, or its content is unknown: another session can succeed.
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

impl Registry {
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
}
