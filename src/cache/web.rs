//! A cache on a web server that has the files of a directory.

use std::path::Path;

use url::Url;

use super::backend::{Backend, CacheEntry, CacheKey, EntryContent, Error, Stored};
use crate::fetch::{self, Client, Download, ExpectedFile, Meter};

#[derive(Debug)]
pub(super) struct Web {
    /// Ends in `/`.
    pub(super) base: Url,
    pub(super) client: Client,
}

impl Web {
    fn url(&self, key: &CacheKey) -> Result<Url, Error> {
        let joined = self.base.join(key.as_str());
        joined.map_err(|error| Error::Settings {
            reason: error.to_string(),
        })
    }
}

/// Returns nothing for an answer that says that there is no such file.
pub(super) fn unless_absent<T>(answer: Result<T, fetch::Error>) -> Result<Option<T>, fetch::Error> {
    match answer {
        Err(fetch::Error::Status {
            status: 404 | 410, ..
        }) => Ok(None),
        answer => answer.map(Some),
    }
}

impl Backend for Web {
    fn contains(&self, key: &CacheKey) -> Result<bool, Error> {
        Ok(unless_absent(self.client.size(&self.url(key)?))?.is_some())
    }

    fn read(&self, key: &CacheKey, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        Ok(unless_absent(self.client.get(
            &self.url(key)?,
            "*/*",
            limit,
        ))?)
    }

    fn download(
        &self,
        key: &CacheKey,
        expected: &ExpectedFile,
        directory: &Path,
        meter: &dyn Meter,
    ) -> Result<Download, Error> {
        let url = self.url(key)?;
        Ok(self.client.download(&url, expected, directory, meter)?)
    }

    fn add(&self, _: &CacheKey, _: EntryContent<'_>) -> Result<Stored, Error> {
        Err(Error::ReadOnly {
            action: "written to",
        })
    }

    fn replace(&self, _: &CacheKey, _: EntryContent<'_>) -> Result<(), Error> {
        Err(Error::ReadOnly {
            action: "written to",
        })
    }

    fn list(&self, _: &str) -> Result<Vec<CacheEntry>, Error> {
        Err(Error::ReadOnly { action: "listed" })
    }
}
