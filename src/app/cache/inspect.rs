//! Shows and checks what the caches have.

use serde::Serialize;

use crate::{
    cache::{
        backend::{self, CacheEntry, CacheKey},
        download_directory,
        signed_record::{self, SharedRecord},
        signing::PublicKey,
    },
    fetch::{ExpectedFile, Meter},
    package::{Digest, Sha256},
    report::failure::Failure,
    util::{files, hex, parallel},
};

use super::{
    super::{session::Session, trust},
    OpenCache,
};

/// The number of entries that are checked at the same time.
const THREADS: usize = 4;

/// One cache of the settings. The JSON form is part of the interface.
#[derive(Debug, Serialize)]
pub struct CacheInfo {
    pub cache: String,
    pub push: bool,
    /// The names of the trusted keys.
    pub keys: Vec<String>,
    /// The reason why it cannot be used now.
    pub problem: Option<String>,
    /// Nothing if the cache cannot be listed.
    pub artifacts: Option<usize>,
    pub objects: Option<usize>,
    pub bytes: Option<u64>,
}

/// A built object in a cache. The JSON form is part of the interface.
#[derive(Debug, Serialize)]
pub struct ListedObject {
    pub cache: String,
    pub object: String,
    /// The name of the key that signed it.
    pub key: String,
    /// True if the settings trust that key.
    pub trusted: bool,
}

/// The result of a check. The JSON form is part of the interface.
#[derive(Debug, Serialize)]
pub struct CacheVerdict {
    pub cache: String,
    pub checked: usize,
    /// Records of keys that the settings do not trust; they are never used.
    pub untrusted: usize,
    pub damaged: Vec<DamagedCacheEntry>,
    /// The reason why nothing could be checked.
    pub problem: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct DamagedCacheEntry {
    pub key: String,
    pub reason: String,
}

fn open_all(session: &Session<'_>) -> Result<Vec<OpenCache>, Failure> {
    // Outside of a project that the user trusts, only the user's own caches are asked.
    let project = match trust::trusted_project(session) {
        Err(failure) if session.options.trust => return Err(failure),
        project => project,
    };
    let all = session.readable_caches(project.as_ref().ok())?;
    if all.is_empty() {
        return Err(no_cache(session, project.err()));
    }
    all.into_iter()
        .map(|one| OpenCache::open(session, one))
        .collect()
}

/// Returns the failure of a command without a cache; `refusal` is the reason why the project is not read.
fn no_cache(session: &Session<'_>, refusal: Option<Failure>) -> Failure {
    let may_have_caches = session.place().is_ok()
        && session
            .project()
            .map_or(true, |project| !project.preview().caches.is_empty());
    match refusal.filter(|_| may_have_caches) {
        Some(refusal) => refusal.note(
            "there is no cache in `config.toml`, and those of the manifest need your approval",
        ),
        None => Failure::new("there is no cache in `config.toml` or in the manifest")
            .hint("add a table `[[caches]]` with a `url`; see `devsh help cache`"),
    }
}

/// Asks each cache of the settings what it has.
pub fn info(session: &Session<'_>) -> Result<Vec<CacheInfo>, Failure> {
    let all = open_all(session)?;
    Ok(parallel::map(all.len(), &all, describe))
}

fn describe(cache: &OpenCache) -> CacheInfo {
    let mut info = CacheInfo {
        cache: cache.name.clone(),
        push: cache.settings.push,
        keys: cache.settings.keys.iter().map(|key| name_of(key)).collect(),
        problem: None,
        artifacts: None,
        objects: None,
        bytes: None,
    };
    match cache.backend.list("") {
        Ok(entries) => {
            let count = |prefix: &str| {
                let named = entries
                    .iter()
                    .filter(|one| one.key.as_str().starts_with(prefix));
                named.count()
            };
            info.artifacts = Some(count(CacheKey::ARTIFACTS));
            info.objects = Some(count(CacheKey::OBJECTS));
            info.bytes = Some(entries.iter().filter_map(|one| one.size).sum());
        }
        Err(backend::Error::ReadOnly { .. }) => {
            // A name that no cache has shows whether the server answers.
            let nothing = CacheKey::artifact(&Digest::Sha256(Sha256::of(b"")));
            if let Err(error) = cache.backend.contains(&nothing) {
                info.problem = Some(error.to_string());
            }
        }
        Err(error) => info.problem = Some(error.to_string()),
    }
    info
}

fn name_of(key: &str) -> String {
    key.split(':').next().unwrap_or_default().to_owned()
}

/// Returns object and signer of the key of a record.
fn record_name(key: &CacheKey) -> Option<(&str, &str)> {
    key.as_str()
        .strip_prefix(CacheKey::OBJECTS)?
        .split_once('/')
}

/// Lists the built objects of the caches that can be listed.
pub fn list(session: &Session<'_>) -> Result<Vec<ListedObject>, Failure> {
    let mut objects = Vec::new();
    for cache in open_all(session)? {
        let trusted: Vec<String> = cache.settings.keys.iter().map(|key| name_of(key)).collect();
        let entries = match cache.backend.list(CacheKey::OBJECTS) {
            Ok(entries) => entries,
            Err(error) => {
                let failure = cache.failure("listed", &error);
                session.reporter.warn(&failure.error);
                continue;
            }
        };
        for entry in entries {
            let Some((object, key)) = record_name(&entry.key) else {
                continue;
            };
            objects.push(ListedObject {
                cache: cache.name.clone(),
                object: object.to_owned(),
                key: key.to_owned(),
                trusted: trusted.iter().any(|name| name == key),
            });
        }
    }
    Ok(objects)
}

/// Downloads and checks everything in the caches.
pub fn verify(session: &Session<'_>) -> Result<Vec<CacheVerdict>, Failure> {
    let directory = download_directory(&session.context.directories.cache);
    files::create_private_dir(&directory)?;
    let mut verdicts = Vec::new();
    for cache in open_all(session)? {
        let entries = match cache.backend.list("") {
            Ok(entries) => entries,
            Err(backend::Error::ReadOnly { .. }) => {
                session.reporter.note(&format!(
                    "the cache `{}` is not checked: a web server has no list",
                    cache.name
                ));
                continue;
            }
            Err(error) => {
                verdicts.push(CacheVerdict {
                    problem: Some(error.to_string()),
                    cache: cache.name,
                    checked: 0,
                    untrusted: 0,
                    damaged: Vec::new(),
                });
                continue;
            }
        };
        let progress = session.reporter.progress();
        let sizes = entries.iter().filter_map(|one| one.size).sum();
        let meter = progress.start(&cache.name, "verifying", Some(sizes));
        let keys = &cache.settings.keys;
        let check = EntryCheck {
            cache: &cache,
            keys: keys.iter().filter_map(|key| key.parse().ok()).collect(),
            directory: &directory,
            meter: &*meter,
        };
        let results = parallel::map(THREADS, &entries, |entry| check.entry(entry));
        meter.finish();
        let mut verdict = CacheVerdict {
            cache: cache.name.clone(),
            checked: entries.len(),
            untrusted: 0,
            damaged: Vec::new(),
            problem: None,
        };
        for (entry, result) in entries.iter().zip(results) {
            match result {
                EntryState::Whole => {}
                EntryState::Untrusted => verdict.untrusted += 1,
                EntryState::Damaged(reason) => verdict.damaged.push(DamagedCacheEntry {
                    key: entry.key.to_string(),
                    reason,
                }),
            }
        }
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

enum EntryState {
    Whole,
    Untrusted,
    Damaged(String),
}

struct EntryCheck<'a> {
    cache: &'a OpenCache,
    keys: Vec<PublicKey>,
    directory: &'a std::path::Path,
    meter: &'a dyn Meter,
}

impl EntryCheck<'_> {
    fn entry(&self, entry: &CacheEntry) -> EntryState {
        if let Some((object, key)) = record_name(&entry.key) {
            return self.record(&entry.key, object, key);
        }
        let Some(digest) = digest_of(&entry.key) else {
            return EntryState::Damaged("its name has no digest".to_owned());
        };
        let expected = ExpectedFile {
            digest,
            size: entry.size,
        };
        // Not the directory of downloads: a file there would pass for the one of the cache.
        let own = match tempfile::tempdir_in(self.directory) {
            Ok(own) => own,
            Err(error) => return EntryState::Damaged(error.to_string()),
        };
        let backend = &self.cache.backend;
        match backend.download(&entry.key, &expected, own.path(), self.meter) {
            Ok(_) => EntryState::Whole,
            Err(error) => EntryState::Damaged(error.to_string()),
        }
    }

    fn record(&self, name: &CacheKey, object: &str, key: &str) -> EntryState {
        if !self.keys.iter().any(|known| known.name == key) {
            return EntryState::Untrusted;
        }
        let backend = &self.cache.backend;
        let text = match backend.read(name, signed_record::LIMIT) {
            Ok(text) => text.unwrap_or_default(),
            Err(error) => return EntryState::Damaged(error.to_string()),
        };
        let Some((record, _)) = SharedRecord::verify(&text, &self.keys) else {
            return EntryState::Damaged(format!("`{key}` did not sign it"));
        };
        if record.object != object {
            return EntryState::Damaged(format!("it is the record of `{}`", record.object));
        }
        let there = record
            .blob_digest()
            .is_some_and(|blob| backend.contains(&CacheKey::blob(&blob)).unwrap_or(false));
        if there {
            EntryState::Whole
        } else {
            EntryState::Damaged("its packed tree is missing".to_owned())
        }
    }
}

/// Returns the digest in the key of an artifact or of a packed tree.
fn digest_of(key: &CacheKey) -> Option<Digest> {
    let mut parts = key.as_str().split('/').skip(1);
    let (kind, text) = (parts.next()?, parts.next()?);
    match kind {
        "sha256" => text.parse().ok().map(Digest::Sha256),
        "sha512" => hex::decode(text).map(Digest::Sha512),
        _ => None,
    }
}
