//! Large files: written to disk, checked against their digest, resumed after a break.
//!
//! A `Download` has exactly the bytes of its digest. A partial file stays on disk under the name of the digest,
//! so another process can resume it.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    thread,
};

use tempfile::NamedTempFile;
use ureq::http::header;
use url::Url;

use super::{
    Client, Error, Meter, SpeedChecked, broken, content_length, open_file, pause, successful,
};
use crate::{
    package::{Digest, Hasher, Sha256},
    util::{files, redact::redact_url},
};

/// Largest accepted file, in bytes: a server can give any size.
const LIMIT: u64 = 8 << 30;

/// The digest and size of the right file.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedFile {
    /// The digest of the whole file.
    pub digest: Digest,
    /// The size in bytes, if it is known.
    pub size: Option<u64>,
}

/// A verified file in the cache. Others may share it; it is never written again.
#[derive(Debug)]
pub struct Download {
    file: File,
    path: PathBuf,
}

impl Download {
    /// Returns the file, at its beginning.
    pub fn open(&self) -> io::Result<&File> {
        (&self.file).seek(SeekFrom::Start(0))?;
        Ok(&self.file)
    }

    /// Copies the file to a new place.
    ///
    /// It reads the descriptor: another build that shares this file may have removed its name.
    pub fn copy_to(&self, place: &Path) -> io::Result<()> {
        let mut source = self.open()?;
        io::copy(&mut source, &mut File::create_new(place)?).map(|_| ())
    }

    /// Removes the file from the cache.
    pub fn discard(self) {
        // The name may belong to a newer download now.
        if files::is_named(&self.file, &self.path) {
            // A remaining file only costs space.
            let _left = std::fs::remove_file(&self.path);
        }
    }
}

/// A file whose digest was not known before. It is removed unless it is kept.
#[derive(Debug)]
pub struct MeasuredFile {
    file: NamedTempFile,
    pub digest: Sha256,
    /// In bytes.
    pub size: u64,
}

impl MeasuredFile {
    /// Returns the file, at its beginning the first time.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Keeps the file in `directory` for `download`.
    pub fn keep(self, directory: &Path) -> Result<(), Error> {
        let place = partial(directory, &self.digest.into());
        let kept = self.file.persist(&place);
        kept.map_err(|error| files::at("write", &place)(error.error))?;
        Ok(())
    }
}

impl Client {
    /// Downloads `url` into `directory` and returns the file after its size and digest were checked.
    pub fn download(
        &self,
        url: &Url,
        expected: &ExpectedFile,
        directory: &Path,
        meter: &dyn Meter,
    ) -> Result<Download, Error> {
        files::create_private_dir(directory)?;
        if let Some(mirror) = &self.mirror
            && !is_there(directory, expected)
            && let Some(download) = mirror.fetch(expected, directory, meter)
        {
            return Ok(download);
        }
        let mut partial = Partial::open(directory, expected, meter)?;
        partial.resume(url, expected)?;
        self.complete(url, expected, &mut partial)?;
        let Partial { file, path, .. } = partial;
        // Complete files are never written again, so others with the same content need not wait: two parts of an
        // object may be one file, and two objects may share two files in either order.
        file.unlock().or_else(|error| {
            if files::lacks_locks(&error) {
                Ok(())
            } else {
                Err(files::at("unlock", &path)(error))
            }
        })?;
        Ok(Download { file, path })
    }

    /// Downloads `url` into a temporary file in `directory` to find out its SHA-256 and its size.
    pub fn measure(&self, url: &Url, directory: &Path) -> Result<MeasuredFile, Error> {
        files::create_private_dir(directory)?;
        self.with_retries(|| self.measure_once(url, directory))
    }

    fn measure_once(&self, url: &Url, directory: &Path) -> Result<MeasuredFile, Error> {
        let mut file = NamedTempFile::new_in(directory).map_err(files::at("write", directory))?;
        let body: Box<dyn Read> = if url.scheme() == "file" {
            Box::new(open_file(url)?)
        } else {
            let headers = [("accept", "*/*"), ("accept-encoding", "identity")];
            let response = self.send_get(url, &headers)?;
            Box::new(successful(url, response)?.into_body().into_reader())
        };
        let mut body = SpeedChecked::new(body, self.min_speed).take(LIMIT + 1);
        let mut hasher: sha2::Sha256 = sha2::Digest::new();
        let (mut buffer, mut size) = (vec![0; 1 << 17], 0);
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(url, &error)),
            };
            file.write_all(&buffer[..count])
                .map_err(files::at("write", directory))?;
            sha2::Digest::update(&mut hasher, &buffer[..count]);
            size += count as u64;
        }
        if size > LIMIT {
            return Err(Error::TooLarge {
                url: redact_url(url),
                limit: LIMIT,
            });
        }
        file.rewind().map_err(files::at("read", directory))?;
        Ok(MeasuredFile {
            file,
            digest: Sha256::from_bytes(sha2::Digest::finalize(hasher).into()),
            size,
        })
    }

    /// Fills the partial file, with retries, until it is complete and verified.
    fn complete(
        &self,
        url: &Url,
        expected: &ExpectedFile,
        partial: &mut Partial,
    ) -> Result<(), Error> {
        let (mut retries, mut furthest) = (0, partial.length);
        loop {
            let outcome = if partial.is_full(expected) {
                Ok(())
            } else {
                self.attempt(url, expected, partial)
            };
            let error = match outcome {
                Ok(()) => match partial.check(url, expected) {
                    Ok(()) => return Ok(()),
                    // The partial file of an earlier run may be damaged: start again.
                    Err(Error::DigestMismatch { .. }) if partial.resumed => {
                        partial.restart()?;
                        continue;
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            let Some(pause) = pause(&error, retries) else {
                if matches!(
                    error,
                    Error::DigestMismatch { .. } | Error::SizeMismatch { .. }
                ) {
                    let _left = std::fs::remove_file(&partial.path);
                }
                return Err(error);
            };
            // An answer that adds enough resets the retries, so a server that cuts each answer still succeeds. One byte is
            // not enough: a server could send one an hour.
            if partial.length >= furthest + self.min_speed.bytes {
                furthest = partial.length;
                retries = 0;
            }
            if retries == self.retries {
                return Err(error);
            }
            thread::sleep(pause);
            retries += 1;
        }
    }

    /// Requests the missing bytes once and appends them.
    pub(super) fn attempt(
        &self,
        url: &Url,
        expected: &ExpectedFile,
        partial: &mut Partial,
    ) -> Result<(), Error> {
        let body: Box<dyn Read> = if url.scheme() == "file" {
            let mut file = open_file(url)?;
            let start = file.seek(SeekFrom::Start(partial.length));
            start.map_err(|error| broken(url, &error))?;
            Box::new(file)
        } else {
            let range = format!("bytes={}-", partial.length);
            let mut headers = vec![("accept", "*/*"), ("accept-encoding", "identity")];
            if partial.length > 0 {
                headers.push(("range", &range));
            }
            let response = self.send_get(url, &headers)?;
            let status = response.status().as_u16();
            if status == 416 && partial.length > 0 {
                partial.restart()?;
                return self.attempt(url, expected, partial);
            }
            let continues = status == 206 && {
                let range = response.headers().get(header::CONTENT_RANGE);
                let start = format!("bytes {}-", partial.length);
                range.is_some_and(|range| range.as_bytes().starts_with(start.as_bytes()))
            };
            let response = successful(url, response)?;
            if !continues && partial.length > 0 {
                partial.restart()?;
            }
            let announced = content_length(&response).map(|length| partial.length + length);
            if let (Some(expected), Some(received)) = (expected.size, announced)
                && received > expected
            {
                return Err(size_mismatch(url, expected, received));
            }
            Box::new(response.into_body().into_reader())
        };
        let mut body = SpeedChecked::new(body, self.min_speed);
        partial.append(url, expected, &mut body)
    }
}

/// Returns whether as many bytes as the file has are in `directory`; they are checked later.
fn is_there(directory: &Path, expected: &ExpectedFile) -> bool {
    let length = std::fs::metadata(partial(directory, &expected.digest)).map(|found| found.len());
    expected.size.is_some() && length.ok() == expected.size
}

/// Returns the file with this digest if all of it is in `directory`.
pub fn find_download(directory: &Path, digest: &Digest) -> Option<Download> {
    let path = partial(directory, digest);
    let mut file = File::open(&path).ok()?;
    let (mut hasher, mut buffer) = (digest.hasher(), vec![0; 1 << 17]);
    loop {
        match file.read(&mut buffer).ok()? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    (hasher.finish() == *digest).then_some(Download { file, path })
}

/// Returns the path of a download, complete or partial.
pub fn partial(directory: &Path, digest: &Digest) -> PathBuf {
    directory.join(format!("{}.partial", digest.hex()))
}

/// The file of a download.
pub(super) struct Partial<'a> {
    file: File,
    path: PathBuf,
    digest: Hasher,
    fresh: Hasher,
    length: u64,
    /// True if an earlier run wrote some of the bytes.
    resumed: bool,
    meter: &'a dyn Meter,
}

impl<'a> Partial<'a> {
    /// Opens the file and waits for other processes that use it.
    pub(super) fn open(
        directory: &Path,
        expected: &ExpectedFile,
        meter: &'a dyn Meter,
    ) -> Result<Self, Error> {
        let path = partial(directory, &expected.digest);
        Ok(Self {
            file: files::lock(&path)?,
            path,
            digest: expected.digest.hasher(),
            fresh: expected.digest.hasher(),
            length: 0,
            resumed: false,
            meter,
        })
    }

    /// Reads the bytes of an earlier run.
    pub(super) fn resume(&mut self, url: &Url, expected: &ExpectedFile) -> Result<(), Error> {
        let mut buffer = vec![0; 1 << 17];
        loop {
            let count = self
                .file
                .read(&mut buffer)
                .map_err(files::at("read", &self.path))?;
            if count == 0 {
                break;
            }
            self.digest.update(&buffer[..count]);
            self.length += count as u64;
        }
        self.resumed = self.length > 0;
        self.meter.advance(self.length);
        if let Some(size) = expected.size
            && size != self.length
            && self.resumed
            && self.received() == expected.digest
        {
            // Others may read it: a complete file must not be changed, even if the lockfile has another size.
            return Err(size_mismatch(url, size, self.length));
        }
        if self.length > expected.size.unwrap_or(LIMIT) {
            self.restart()?;
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Error> {
        self.file
            .set_len(0)
            .map_err(files::at("write", &self.path))?;
        self.file
            .seek(SeekFrom::Start(0))
            .map_err(files::at("write", &self.path))?;
        self.digest = self.fresh.clone();
        self.meter.retract(self.length);
        self.length = 0;
        self.resumed = false;
        Ok(())
    }

    /// Returns whether no bytes are missing.
    pub(super) fn is_full(&self, expected: &ExpectedFile) -> bool {
        match expected.size {
            Some(size) => self.length == size,
            None => self.length > 0 && self.received() == expected.digest,
        }
    }

    fn append(
        &mut self,
        url: &Url,
        expected: &ExpectedFile,
        body: &mut dyn Read,
    ) -> Result<(), Error> {
        let mut buffer = vec![0; 1 << 17];
        let limit = expected.size.unwrap_or(LIMIT).min(LIMIT);
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(url, &error)),
            };
            if self.length + count as u64 > limit {
                return Err(match expected.size {
                    Some(size) if size <= LIMIT => {
                        size_mismatch(url, size, self.length + count as u64)
                    }
                    _ => Error::TooLarge {
                        url: redact_url(url),
                        limit,
                    },
                });
            }
            self.file
                .write_all(&buffer[..count])
                .map_err(files::at("write", &self.path))?;
            self.digest.update(&buffer[..count]);
            self.length += count as u64;
            self.meter.advance(count as u64);
        }
        Ok(())
    }

    fn check(&self, url: &Url, expected: &ExpectedFile) -> Result<(), Error> {
        if let Some(size) = expected.size
            && size != self.length
        {
            return Err(size_mismatch(url, size, self.length));
        }
        let received = self.received();
        if received == expected.digest {
            return Ok(());
        }
        Err(Error::DigestMismatch {
            url: Box::new(redact_url(url)),
            expected: expected.digest,
            received,
        })
    }

    fn received(&self) -> Digest {
        self.digest.finish()
    }
}

fn size_mismatch(url: &Url, expected: u64, received: u64) -> Error {
    Error::SizeMismatch {
        url: redact_url(url),
        expected,
        received,
    }
}
