//! Caches of a team: artifacts by their digests, and built objects with a signed record.
//!
//! A cache is never needed: one that is slow, broken or wrong is left out for the rest of the command, and the work is
//! done without it. An artifact is checked against the lockfile, so anyone may write it. A built object is used only if
//! a key that the user trusts signed its record; no key comes from a cache.

mod aws;
pub mod backend;
mod directory;
mod registry;
mod s3;
pub mod signed_record;
pub mod signing;
mod web;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    config::CacheSettings,
    env::Env,
    fetch::{
        self, Client, Credentials, Download, ExpectedFile, Meter, Mirror,
        registry::{Logins, Reference, Registry as Repository},
    },
    package::{CachePlace, Digest},
    util::redact::redact_invalid,
};

use aws::AwsSettings;
use backend::{Backend, CacheKey, Error, UploadState};
use signed_record::SharedRecord;
use signing::PublicKey;

/// The interval at which a waiting command checks whether a cache has failed.
const LOOK: Duration = Duration::from_millis(20);
/// The longest wait for the answer to one question. The client's own timeouts start again with every byte.
const PATIENCE: Duration = Duration::from_secs(10);

/// The parts of the process that all caches use.
#[derive(Debug, Clone, Copy)]
pub struct CacheServices<'a> {
    pub client: &'a Client,
    /// The user's environment without that of a project.
    pub env: &'a Env,
    pub home: Option<&'a Path>,
    /// devsh's cache directory.
    pub directory: &'a Path,
    /// The text of the user's netrc.
    pub netrc: &'a str,
}

/// The caches of the settings, and those of the project that a command works for.
#[derive(Debug)]
pub struct Caches {
    all: RwLock<Vec<Arc<Cache>>>,
    patience: Duration,
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            all: RwLock::default(),
            patience: PATIENCE,
        }
    }
}

/// A cache that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadableCache {
    pub settings: CacheSettings,
    /// True if a project named it: it gets none of the user's credentials.
    pub is_anonymous: bool,
}

/// One cache while a command runs.
#[derive(Debug)]
struct Cache {
    name: String,
    backend: Result<Box<dyn Backend>, String>,
    keys: Vec<PublicKey>,
    is_local: bool,
    is_offline: bool,
    /// The reason, if it is left out.
    failure: Mutex<Option<String>>,
    is_reported: AtomicBool,
    source: ReadableCache,
}

/// A built object that a cache has, with a valid signature.
#[derive(Debug)]
pub struct FoundObject {
    pub record: SharedRecord,
    cache: Arc<Cache>,
}

impl FoundObject {
    /// Returns the packed tree as a verified file in `directory`.
    pub fn download(&self, directory: &Path, meter: &dyn Meter) -> Option<Download> {
        let digest = self.record.blob_digest()?;
        let expected = ExpectedFile {
            digest: Digest::Sha256(digest),
            size: Some(self.record.blob_size),
        };
        let key = CacheKey::blob(&digest);
        self.cache.download(&key, &expected, directory, meter)
    }

    /// Leaves the cache out, because what it has is wrong.
    pub fn refuse(&self, reason: &str, meter: &dyn Meter) {
        self.cache.leave_out(reason.to_owned());
        self.cache.report(meter);
    }
}

impl ReadableCache {
    /// Opens the backend with the credentials that the cache may have.
    pub fn open(
        &self,
        services: &CacheServices<'_>,
        client: Client,
    ) -> Result<Box<dyn Backend>, Error> {
        if !self.is_anonymous {
            return open_backend(&self.settings.place, services, client);
        }
        let services = CacheServices {
            env: &Env::default(),
            home: None,
            netrc: "",
            ..*services
        };
        open_backend(&self.settings.place, &services, client)
    }
}

/// Opens the backend of a cache.
fn open_backend(
    place: &CachePlace,
    services: &CacheServices<'_>,
    client: Client,
) -> Result<Box<dyn Backend>, Error> {
    Ok(match place {
        CachePlace::Directory(root) => Box::new(directory::Directory {
            root: root.clone(),
            client,
        }),
        CachePlace::Web(base) => {
            let credentials = Credentials::new([base], services.netrc);
            Box::new(web::Web {
                base: base.clone(),
                client: client.with_credentials(credentials).allow_plain([base]),
            })
        }
        CachePlace::S3(place) => {
            let aws = AwsSettings::of(services.env, services.home);
            let uploads = UploadState(services.directory.join("uploads"));
            // Addresses are signed, and no other credentials are sent.
            let client = client.with_credentials(Credentials::default());
            Box::new(s3::S3::new(client, place, &aws, uploads)?)
        }
        CachePlace::Registry(name) => {
            let reference: Reference = name.parse().map_err(|_| Error::Settings {
                reason: format!(
                    "`{}` is not a repository of a registry",
                    redact_invalid(name)
                ),
            })?;
            let logins = Logins {
                env: services.env,
                home: services.home,
            };
            let login = logins.find(&reference.host, &reference.repository);
            Box::new(registry::RegistryCache {
                repository: Repository::new(client, &reference, login)?,
            })
        }
    })
}

impl Caches {
    /// Replaces the caches; one that is there already keeps its failure. Nothing is asked yet.
    pub fn replace(&self, wanted: &[ReadableCache], services: &CacheServices<'_>) {
        let known = self.all();
        let open = |one: &ReadableCache| {
            if let Some(same) = known.iter().find(|cache| cache.source == *one) {
                return Arc::clone(same);
            }
            let settings = &one.settings;
            let backend = one.open(services, services.client.clone().impatient());
            let keys = settings.keys.iter().filter_map(|key| key.parse().ok());
            Arc::new(Cache {
                name: settings.place.to_string(),
                backend: backend.map_err(|error| error.to_string()),
                keys: keys.collect(),
                is_local: matches!(settings.place, CachePlace::Directory(_)),
                is_offline: services.client.is_offline(),
                failure: Mutex::default(),
                is_reported: AtomicBool::default(),
                source: one.clone(),
            })
        };
        let opened = wanted.iter().map(open).collect();
        *self.all.write().unwrap_or_else(PoisonError::into_inner) = opened;
    }

    /// Returns whether there is no cache.
    pub fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    fn all(&self) -> Vec<Arc<Cache>> {
        let all = self.all.read();
        all.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns a built object that a trusted key signed for this system. A cache with a record that is not valid is left
    /// out.
    pub fn find_object(
        &self,
        object: &str,
        platform: &str,
        accepts: impl Fn(&SharedRecord) -> bool + Send + Sync + 'static,
        meter: &dyn Meter,
    ) -> Option<FoundObject> {
        let (object, platform) = (object.to_owned(), platform.to_owned());
        let (cache, record) = self.first(meter, move |cache, backend| {
            for key in &cache.keys {
                let name = CacheKey::record(&object, &key.name);
                let Some(text) = backend.read(&name, signed_record::LIMIT)? else {
                    continue;
                };
                let verified = SharedRecord::verify(&text, &cache.keys);
                let Some((record, _)) = verified.filter(|(record, _)| record.object == object)
                else {
                    return Err(Error::Record { key: name });
                };
                if record.platform == platform && accepts(&record) {
                    return Ok(Some(record));
                }
                tracing::warn!(cache = cache.name, %name, "this record is for other machines");
            }
            Ok(None)
        })?;
        Some(FoundObject { record, cache })
    }

    /// Asks all caches at the same time, and returns the first answer that is one. A cache that fails is left out.
    fn first<T: Send + 'static>(
        &self,
        meter: &dyn Meter,
        ask: impl Fn(&Cache, &dyn Backend) -> Result<Option<T>, Error> + Send + Sync + 'static,
    ) -> Option<(Arc<Cache>, T)> {
        let ask = Arc::new(ask);
        let (sender, receiver) = mpsc::channel();
        let all = self.all();
        let mut pending: Vec<Arc<Cache>> = Vec::new();
        for cache in all.iter().filter(|cache| cache.is_usable()) {
            pending.push(Arc::clone(cache));
            let (cache, ask, sender) = (Arc::clone(cache), Arc::clone(&ask), sender.clone());
            // Not joined: an answer of another cache need not wait for this one.
            thread::spawn(move || {
                let answer = match &cache.backend {
                    Ok(backend) => ask(&cache, &**backend),
                    Err(reason) => Err(Error::Settings {
                        reason: reason.clone(),
                    }),
                };
                let answer = answer.unwrap_or_else(|error| {
                    cache.fail(&error);
                    None
                });
                // Nothing waits any more if another cache was faster.
                let _unused = sender.send((cache, answer));
            });
        }
        let mut found = None;
        let asked = Instant::now();
        while !pending.is_empty() && found.is_none() {
            match receiver.recv_timeout(LOOK) {
                Ok((cache, Some(answer))) => found = Some((cache, answer)),
                Ok((cache, None)) => pending.retain(|one| !Arc::ptr_eq(one, &cache)),
                Err(RecvTimeoutError::Timeout) => {
                    if asked.elapsed() >= self.patience {
                        for cache in &pending {
                            cache.leave_out("its answer takes too long".to_owned());
                        }
                    }
                    // A failure that another request had counts for this one.
                    pending.retain(|one| one.is_usable());
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        for cache in &all {
            cache.report(meter);
        }
        found
    }
}

impl Mirror for Caches {
    fn fetch(
        &self,
        expected: &ExpectedFile,
        directory: &Path,
        meter: &dyn Meter,
    ) -> Option<Download> {
        let key = CacheKey::artifact(&expected.digest);
        let (wanted, all) = (key.clone(), expected);
        // The one that answers first may fail in the middle of the file.
        while let Some((cache, ())) = {
            let wanted = wanted.clone();
            self.first(meter, move |_, backend| {
                Ok(backend.contains(&wanted)?.then_some(()))
            })
        } {
            if let Some(download) = cache.download(&key, all, directory, meter) {
                return Some(download);
            }
        }
        None
    }
}

impl Cache {
    fn is_usable(&self) -> bool {
        (self.is_local || !self.is_offline) && self.lock().is_none()
    }

    fn fail(&self, error: &Error) {
        self.leave_out(error.to_string());
    }

    fn leave_out(&self, reason: String) {
        self.lock().get_or_insert(reason);
    }

    /// Tells the user once that the cache is not used.
    fn report(&self, meter: &dyn Meter) {
        let failure = self.lock().clone();
        if let Some(reason) = failure
            && !self.is_reported.swap(true, Ordering::Relaxed)
        {
            meter.notice(&format!("the cache `{}` is not used: {reason}", self.name));
        }
    }

    fn download(
        &self,
        key: &CacheKey,
        expected: &ExpectedFile,
        directory: &Path,
        meter: &dyn Meter,
    ) -> Option<Download> {
        let backend = self.backend.as_ref().ok()?;
        match backend.download(key, expected, directory, meter) {
            Ok(download) => Some(download),
            Err(error) => {
                if let Error::Fetch(
                    fetch::Error::DigestMismatch { .. } | fetch::Error::SizeMismatch { .. },
                ) = &error
                {
                    self.leave_out(format!("`{key}` is damaged there"));
                } else {
                    self.fail(&error);
                }
                self.report(meter);
                None
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the directory below devsh's cache in which files of caches are complete before they are used.
pub fn download_directory(cache: &Path) -> PathBuf {
    cache.join("downloads")
}

#[cfg(test)]
mod tests;
