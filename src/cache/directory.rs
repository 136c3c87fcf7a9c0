//! A cache in a directory: a shared disk, or the bundle for a machine without a network.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use url::Url;

use super::backend::{Backend, CacheEntry, CacheKey, EntryContent, Error, Stored};
use crate::{
    fetch::{Client, Download, ExpectedFile, Meter},
    util::files,
};

/// The directory of files that are not complete.
const UPLOADS: &str = ".uploads";
/// The age of files that a killed process left there.
const ABANDONED: Duration = Duration::from_hours(24);

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
        let uploads = self.root.join(UPLOADS);
        for directory in [place.parent().unwrap_or(&self.root), &uploads] {
            fs::create_dir_all(directory).map_err(files::at("create", directory))?;
        }
        let mut temporary = tempfile::Builder::new()
            // Other users of the machine read the cache.
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(&uploads)
            .map_err(files::at("write", &uploads))?;
        remove_old(&uploads, temporary.as_file());
        match content {
            EntryContent::Bytes(bytes) => temporary
                .write_all(bytes)
                .map_err(files::at("write", &place))?,
            EntryContent::File { path, .. } => {
                let mut source = File::open(path).map_err(files::at("read", path))?;
                io::copy(&mut source, &mut temporary).map_err(files::at("write", &place))?;
            }
        }
        let synced = temporary.as_file().sync_all();
        synced.map_err(files::at("write", &place))?;
        Ok(temporary)
    }

    fn sync_parent(&self, key: &CacheKey) -> Result<(), Error> {
        let place = self.place(key);
        Ok(files::sync_dir(place.parent().unwrap_or(&self.root))?)
    }
}

/// Removes files that are a day older than a new one.
fn remove_old(uploads: &Path, new: &File) {
    let time = |found: fs::Metadata| found.modified();
    let Ok(now) = new.metadata().and_then(time) else {
        return;
    };
    for path in files::list(uploads).unwrap_or_default() {
        let written = path.symlink_metadata().and_then(time);
        let age = written
            .ok()
            .and_then(|written| now.duration_since(written).ok());
        if age.is_some_and(|age| age > ABANDONED) {
            // Another process may have removed it.
            let _removed = fs::remove_file(&path);
        }
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
