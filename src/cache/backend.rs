//! The one form in which all kinds of caches are used.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    fetch::{self, Download, ExpectedFile, Meter},
    package::{Digest, Sha256},
    util::{files, terminal_text::shorten},
};

/// The name of an entry: a relative path with plain names. Its content never changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CacheKey(String);

impl CacheKey {
    /// The beginning of the keys of artifacts.
    pub const ARTIFACTS: &'static str = "artifacts/";
    /// The beginning of the keys of records.
    pub const OBJECTS: &'static str = "objects/";

    /// Returns the key of an artifact of a lockfile.
    pub fn artifact(digest: &Digest) -> Self {
        let kind = match digest {
            Digest::Sha256(_) => "sha256",
            Digest::Sha512(_) => "sha512",
        };
        Self(format!("{}{kind}/{}", Self::ARTIFACTS, digest.hex()))
    }

    /// Returns the key of the packed tree of an object.
    pub fn blob(digest: &Sha256) -> Self {
        Self(format!("blobs/sha256/{digest}"))
    }

    /// Returns the key of the record of an object that was signed with the key of this name.
    pub fn record(object: &str, signer: &str) -> Self {
        Self(format!("{}{object}/{signer}", Self::OBJECTS))
    }

    /// Reads a key as a cache lists it; nothing if it is no key of devsh.
    pub fn listed(text: &str) -> Option<Self> {
        let plain = |name: &str| {
            !name.is_empty() && !name.starts_with('.') && !name.contains(['\\', '\0', ':'])
        };
        let known = [Self::ARTIFACTS, Self::OBJECTS, "blobs/"];
        let known = known.iter().any(|prefix| text.starts_with(prefix));
        (known && text.split('/').all(plain)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The content of a new entry.
#[derive(Debug, Clone, Copy)]
pub enum EntryContent<'a> {
    Bytes(&'a [u8]),
    File {
        path: &'a Path,
        /// In bytes.
        size: u64,
        digest: Sha256,
    },
}

/// The result of writing an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    Written,
    /// The cache had it.
    Present,
}

/// An entry of a cache.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CacheEntry {
    pub key: CacheKey,
    /// In bytes, if the cache says it.
    pub size: Option<u64>,
}

/// A cache that does not answer as it must.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    #[error("{}: {}", .0, .0.source)]
    File(#[from] files::Error),
    /// A web server has no list, and takes no files.
    #[error("a web server cannot be {action}")]
    ReadOnly {
        /// `listed` or `written to`.
        action: &'static str,
    },
    /// The server refuses a request.
    #[error("it answers {refusal}")]
    Refused { refusal: Refusal },
    /// The answer of a server has another form.
    #[error("its answer is not valid: {}", shorten(.reason))]
    Answer { reason: String },
    /// The record of an object has no signature of a trusted key, or is that of another object.
    #[error("`{key}` has no valid signature")]
    Record { key: CacheKey },
    /// The settings of the cache are incomplete.
    #[error("{reason}")]
    Settings { reason: String },
}

/// An answer with which a server refuses a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// The code of S3 that says why (`AccessDenied`).
    pub code: Option<String>,
    /// The difference between the clocks of the server and of this machine, if that is the reason.
    pub clock_difference: Option<Duration>,
}

impl Refusal {
    /// Returns whether the storage has no room left.
    pub fn is_full(&self) -> bool {
        let full = [
            "XMinioStorageFull",
            "XAmzStorageFull",
            "QuotaExceeded",
            "InsufficientStorage",
        ];
        self.status == 507
            || self
                .code
                .as_deref()
                .is_some_and(|code| full.contains(&code))
    }

    /// Returns whether the clock of this machine is wrong, or the server's.
    pub fn is_of_clock(&self) -> bool {
        self.clock_difference.is_some() || self.code.as_deref() == Some("RequestTimeTooSkewed")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.status)?;
        if let Some(code) = &self.code {
            write!(formatter, " {code}")?;
        }
        if let Some(difference) = self.clock_difference {
            let minutes = difference.as_secs() / 60;
            write!(formatter, ", and its clock differs by {minutes} minutes")?;
        }
        Ok(())
    }
}

/// One kind of cache.
pub trait Backend: fmt::Debug + Send + Sync {
    /// Returns whether the cache has an entry.
    fn contains(&self, key: &CacheKey) -> Result<bool, Error>;

    /// Returns a small entry of at most `limit` bytes.
    fn read(&self, key: &CacheKey, limit: u64) -> Result<Option<Vec<u8>>, Error>;

    /// Returns an entry as a verified file in `directory`.
    fn download(
        &self,
        key: &CacheKey,
        expected: &ExpectedFile,
        directory: &Path,
        meter: &dyn Meter,
    ) -> Result<Download, Error>;

    /// Adds an entry unless the cache has it.
    fn add(&self, key: &CacheKey, content: EntryContent<'_>) -> Result<Stored, Error>;

    /// Replaces an entry that is damaged.
    fn replace(&self, key: &CacheKey, content: EntryContent<'_>) -> Result<(), Error>;

    /// Lists the entries whose keys begin with `prefix`.
    fn list(&self, prefix: &str) -> Result<Vec<CacheEntry>, Error>;
}

/// The directory with the state of uploads that were interrupted.
#[derive(Debug, Clone)]
pub struct UploadState(pub PathBuf);
