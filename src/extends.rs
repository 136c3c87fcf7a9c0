//! Files that a manifest stands on and that are fetched: from a web server or a Git repository.
//!
//! A fetched file is kept below devsh's data directory by its digest, where `project` reads it. Invariant:
//! what is held by a pin is that very content, or an error; what is not held is pinned by what arrived.

mod git;

use std::collections::BTreeMap;

use crate::{
    context::Directories,
    env::Env,
    fetch::{self, Client},
    lockfile::Pin,
    manifest::Source,
    package::Sha256,
    util::files,
};

/// Longest file that is fetched, in bytes.
const LIMIT: u64 = 1 << 20;

/// A file that could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A web server gave no usable answer.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    /// Its content cannot be kept.
    #[error(transparent)]
    File(#[from] files::Error),
    /// `git` is needed and not there.
    #[error("`{source_name}` needs `git`, and there is none on PATH")]
    NoGit {
        /// What was to be fetched.
        source_name: String,
    },
    /// A Git repository cannot be asked.
    #[error("`{source_name}` is needed and devsh is offline")]
    Offline {
        /// What was to be fetched.
        source_name: String,
    },
    /// `git` failed.
    #[error("cannot fetch `{source_name}`")]
    Git {
        /// What was to be fetched.
        source_name: String,
        /// What git said, a line each.
        output: Vec<String>,
    },
    /// The repository has no such file at the revision.
    #[error("`{source_name}` is no file of the repository")]
    NoFile {
        /// What was to be fetched.
        source_name: String,
    },
    /// The content is not what the lockfile holds.
    #[error("`{source_name}` is not what the lockfile holds")]
    Changed {
        /// What was fetched.
        source_name: String,
        /// The digest in the lockfile.
        expected: Sha256,
        /// The digest of what arrived.
        received: Sha256,
    },
}

/// Fetches files and keeps them; one Git revision is asked for once.
#[derive(Debug)]
pub struct Fetcher<'a> {
    client: &'a Client,
    directories: &'a Directories,
    env: &'a Env,
    offline: bool,
    revisions: BTreeMap<(String, String), git::Revision>,
}

impl<'a> Fetcher<'a> {
    /// Returns a fetcher that keeps content in devsh's data directory; `env` is what `git` runs in.
    pub const fn new(
        client: &'a Client,
        directories: &'a Directories,
        env: &'a Env,
        offline: bool,
    ) -> Self {
        Self {
            client,
            directories,
            env,
            offline,
            revisions: BTreeMap::new(),
        }
    }

    /// Fetches a file and keeps it, and returns what it is held at.
    pub fn fetch(&mut self, source: &Source, pin: Option<&Pin>) -> Result<Pin, Error> {
        let source_name = source.to_string();
        let (bytes, commit) = match source {
            Source::Path(_) => return Err(Error::NoFile { source_name }),
            Source::Https(url) => (self.client.get(url, "text/plain, */*", LIMIT)?, None),
            Source::Git(wanted) => {
                if self.offline && wanted.repository.scheme() != "file" {
                    return Err(Error::Offline { source_name });
                }
                let held = pin.and_then(|pin| pin.commit.as_deref());
                let revision = held.unwrap_or(&wanted.revision).to_owned();
                let key = (wanted.repository.to_string(), revision.clone());
                if !self.revisions.contains_key(&key) {
                    let fetched =
                        git::Revision::fetch(wanted, &revision, self.env, &self.directories.cache)?;
                    self.revisions.insert(key.clone(), fetched);
                }
                let Some(fetched) = self.revisions.get(&key) else {
                    return Err(Error::NoFile { source_name });
                };
                let bytes = fetched.read(wanted, self.env, LIMIT)?;
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
        let pin = Pin {
            commit,
            sha256: received,
        };
        let path = pin.content_path(&self.directories.data);
        files::create_private_dir(path.parent().unwrap_or(&path))?;
        files::write_atomic(&path, &bytes)?;
        Ok(pin)
    }
}
