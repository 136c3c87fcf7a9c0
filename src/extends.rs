//! Fetches the files that a manifest extends, from a web server or a Git repository.
//!
//! A fetched file is stored below devsh's data directory by its digest, where `project` reads it. Invariant: a pinned
//! file has the pinned content or is an error; a file without a pin gets one for the received content.

mod git;

use std::collections::BTreeMap;

use crate::{
    context::Directories,
    fetch::{self, Client},
    lockfile::ExtendsPin,
    manifest::ExtendSource,
    package::Sha256,
    sources::host::HostSearch,
    util::files,
};

/// Longest file that is fetched, in bytes.
const LIMIT: u64 = 1 << 20;

/// A failed fetch.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The web server gave no usable answer.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    /// The content cannot be stored.
    #[error(transparent)]
    File(#[from] files::Error),
    /// `git` is not installed.
    #[error("`{source_name}` needs `git`, which is not on PATH")]
    NoGit {
        /// The source.
        source_name: String,
    },
    /// devsh may not use the network.
    #[error("cannot fetch `{source_name}` offline")]
    Offline {
        /// The source.
        source_name: String,
    },
    /// `git` failed.
    #[error("cannot fetch `{source_name}`")]
    Git {
        /// The source.
        source_name: String,
        /// The lines of git's messages.
        output: Vec<String>,
    },
    /// The repository has no such file at the revision.
    #[error("`{source_name}` is not a file of the repository")]
    NoFile {
        /// The source.
        source_name: String,
    },
    /// The content differs from the lockfile.
    #[error("`{source_name}` does not match the lockfile")]
    Changed {
        /// The source.
        source_name: String,
        /// The digest in the lockfile.
        expected: Sha256,
        /// The digest of the received content.
        received: Sha256,
    },
}

/// Fetches files and stores them; each Git revision is fetched once.
#[derive(Debug)]
pub struct Fetcher<'a> {
    client: &'a Client,
    directories: &'a Directories,
    programs: &'a HostSearch<'a>,
    offline: bool,
    revisions: BTreeMap<(String, String), git::Revision>,
}

impl<'a> Fetcher<'a> {
    /// Returns a fetcher that stores content in devsh's data directory; `programs` finds `git`.
    pub const fn new(
        client: &'a Client,
        directories: &'a Directories,
        programs: &'a HostSearch<'a>,
        offline: bool,
    ) -> Self {
        Self {
            client,
            directories,
            programs,
            offline,
            revisions: BTreeMap::new(),
        }
    }

    /// Fetches a file, stores it and returns its pin.
    pub fn fetch(
        &mut self,
        source: &ExtendSource,
        pin: Option<&ExtendsPin>,
    ) -> Result<ExtendsPin, Error> {
        let source_name = source.to_string();
        let (bytes, commit) = match source {
            ExtendSource::Path(_) => return Err(Error::NoFile { source_name }),
            ExtendSource::Https(url) => (self.client.get(url, "text/plain, */*", LIMIT)?, None),
            ExtendSource::Git(wanted) => {
                if self.offline && wanted.repository.scheme() != "file" {
                    return Err(Error::Offline { source_name });
                }
                let held = pin.and_then(|pin| pin.commit.as_deref());
                let revision = held.unwrap_or(&wanted.revision).to_owned();
                let key = (wanted.repository.to_string(), revision.clone());
                if !self.revisions.contains_key(&key) {
                    let fetched = git::Revision::fetch(
                        wanted,
                        &revision,
                        self.programs,
                        &self.directories.cache,
                    )?;
                    self.revisions.insert(key.clone(), fetched);
                }
                let Some(fetched) = self.revisions.get(&key) else {
                    return Err(Error::NoFile { source_name });
                };
                let bytes = fetched.read(wanted, self.programs, LIMIT)?;
                (bytes, Some(fetched.commit.clone()))
            }
        };
        let received = Sha256::of(&bytes);
        if let Some(pin) = pin.filter(|pin| pin.sha256 != received) {
            return Err(Error::Changed {
                source_name,
                expected: pin.sha256,
                received,
            });
        }
        let pin = ExtendsPin {
            commit,
            sha256: received,
        };
        let path = pin.content_path(&self.directories.data);
        files::create_private_dir(path.parent().unwrap_or(&path))?;
        files::write_atomic(&path, &bytes)?;
        Ok(pin)
    }
}
