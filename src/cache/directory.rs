//! A cache in a directory: a shared disk, or the bundle for a machine without a network.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use url::Url;

use super::backend::{Backend, CacheEntry, CacheKey, EntryContent, Error, Stored};
use crate::{
    fetch::{Client, Download, ExpectedFile, Meter},
    util::files,
};

/// The directory of files that are not complete.
const UPLOADS: &str = ".uploads";

#[derive(Debug)]
pub(super) struct Directory {
    pub(super) root: PathBuf,
    pub(super) client: Client,
}

impl Directory {
    fn place(&self, key: &CacheKey) -> PathBuf {
        self.root.join(key.as_str())
    }

    /// Writes the content on the file system of its place: one step gives it its name.
    fn write(
        &self,
        key: &CacheKey,
        content: EntryContent<'_>,
    ) -> Result<tempfile::NamedTempFile, Error> {
        let place = self.place(key);
        self.make_directory(Path::new(key.as_str()).parent().unwrap_or(Path::new("")))?;
        let uploads = self.make_directory(Path::new(UPLOADS))?;
        files::sweep_shared_temporaries(&uploads);
        let upload = uploads.join(place.file_name().unwrap_or_default());
        // Other users of the machine read the cache.
        let temporary = match content {
            EntryContent::Bytes(bytes) => files::write_temporary(&upload, bytes, 0o644)?,
            EntryContent::File { path, .. } => {
                let mut temporary = files::write_temporary(&upload, b"", 0o644)?;
                let mut source = File::open(path).map_err(files::at("read", path))?;
                io::copy(&mut source, &mut temporary).map_err(files::at("write", &place))?;
                temporary
            }
        };
        let synced = temporary.as_file().sync_all();
        synced.map_err(files::at("write", &place))?;
        Ok(temporary)
    }

    /// Creates a directory of the cache. Someone else who may write the cache could have put a symlink to a directory of
    /// this user there.
    fn make_directory(&self, path: &Path) -> Result<PathBuf, Error> {
        fs::create_dir_all(&self.root).map_err(files::at("create", &self.root))?;
        let mut place = self.root.clone();
        for name in path {
            place.push(name);
            match fs::create_dir(&place) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(files::at("create", &place)(error).into());
                }
                _ => {}
            }
            let found = place
                .symlink_metadata()
                .map_err(files::at("read", &place))?;
            if !found.is_dir() {
                let error = io::Error::other("it is not a directory");
                return Err(files::at("use", &place)(error).into());
            }
        }
        Ok(place)
    }

    fn sync_parent(&self, key: &CacheKey) -> Result<(), Error> {
        let place = self.place(key);
        Ok(files::sync_dir(place.parent().unwrap_or(&self.root))?)
    }
}

impl Backend for Directory {
    fn contains(&self, key: &CacheKey) -> Result<bool, Error> {
        Ok(self.place(key).is_file())
    }

    fn read(&self, key: &CacheKey, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        Ok(files::read_bounded(&self.place(key), limit)?)
    }

    fn download(
        &self,
        key: &CacheKey,
        expected: &ExpectedFile,
        directory: &Path,
        meter: &dyn Meter,
    ) -> Result<Download, Error> {
        let place = self.place(key);
        let url = Url::from_file_path(&place).map_err(|()| Error::Settings {
            reason: format!("`{}` is not a whole path", place.display()),
        })?;
        Ok(self.client.download(&url, expected, directory, meter)?)
    }

    fn add(&self, key: &CacheKey, content: EntryContent<'_>) -> Result<Stored, Error> {
        if self.contains(key)? {
            return Ok(Stored::Present);
        }
        let temporary = self.write(key, content)?;
        let stored = match temporary.persist_noclobber(self.place(key)) {
            Ok(_) => Stored::Written,
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Stored::Present,
            Err(error) => return Err(files::at("write", &self.place(key))(error.error).into()),
        };
        self.sync_parent(key)?;
        Ok(stored)
    }

    fn replace(&self, key: &CacheKey, content: EntryContent<'_>) -> Result<(), Error> {
        let temporary = self.write(key, content)?;
        let place = self.place(key);
        let persisted = temporary.persist(&place);
        persisted.map_err(|error| files::at("write", &place)(error.error))?;
        self.sync_parent(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<CacheEntry>, Error> {
        let (mut entries, mut pending) =
            (Vec::new(), vec![prefix.trim_end_matches('/').to_owned()]);
        while let Some(directory) = pending.pop() {
            let place = self.root.join(&directory);
            let read = match fs::read_dir(&place) {
                Ok(read) => read,
                Err(error) if files::is_absent(&error) => continue,
                Err(error) => return Err(files::at("read", &place)(error).into()),
            };
            for entry in read.flatten() {
                let Some(name) = entry.file_name().into_string().ok() else {
                    continue;
                };
                let path = match directory.as_str() {
                    "" => name,
                    directory => format!("{directory}/{name}"),
                };
                match entry.metadata() {
                    Ok(found) if found.is_dir() => pending.push(path),
                    Ok(found) => entries.extend(CacheKey::listed(&path).map(|key| CacheEntry {
                        key,
                        size: Some(found.len()),
                    })),
                    // It was removed since.
                    Err(_) => {}
                }
            }
        }
        entries.sort();
        Ok(entries)
    }
}
