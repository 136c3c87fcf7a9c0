//! Fills caches from the store and the lockfile.
//!
//! An artifact or packed tree is written before the record that names it, so a stop at any moment leaves no record
//! without its blob. Everything can be pushed again: what a cache has is left alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use serde::Serialize;

use crate::{
    builder::{
        inventory::{EntryKind, Inventory, object_name},
        share::{self, ShareOutcome},
    },
    cache::{
        backend::{CacheKey, EntryContent, Stored},
        download_directory,
        signed_record::{self, SharedRecord},
        signing::SigningKey,
    },
    config::CacheSettings,
    fetch::{self, Meter},
    lockfile::Artifact,
    package::{CachePlace, Digest, Sha256, System},
    prompt::record::Record,
    report::{failure::Failure, hints},
    store::{Downloads, ObjectRecord, Recipe, Store},
    util::{files, parallel},
};

use super::{
    super::{lock_and_build::sync_project, session::Session},
    OpenCache, keys,
};

/// The number of uploads at the same time.
const THREADS: usize = 4;
/// The reason for not sharing a built object without a key.
pub const NO_KEY: &str = "there is no key to sign it";
/// A key signs only what its machine built: the cache that an object came from may be one that another user trusts less.
const RECEIVED: &str =
    "it came from a cache, or a part of it did, and the machine that built that shares it";

/// The artifacts and objects to push.
#[derive(Debug, Clone)]
pub enum PushScope {
    /// The dev shells of the project, which are built first.
    Project,
    /// These dev shells, which were built.
    Built(Vec<Record>),
    /// Everything in the store.
    All,
    /// Objects by name, or by the beginning of the name.
    Objects(Vec<String>),
}

/// The JSON form is part of the interface.
#[derive(Debug, Serialize)]
pub struct PushReport {
    pub cache: String,
    /// Artifacts and built objects that were written.
    pub written: usize,
    pub written_bytes: u64,
    /// Artifacts and built objects that the cache had.
    pub present: usize,
    pub not_shared: Vec<NotShared>,
}

/// An object that stays on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotShared {
    pub object: String,
    pub reason: String,
}

/// The artifacts and objects of a push.
#[derive(Debug, Default)]
struct PushList {
    artifacts: BTreeMap<Digest, Artifact>,
    objects: Vec<String>,
}

/// Writes to the caches that take it.
pub fn push(
    session: &Session<'_>,
    scope: &PushScope,
    targets: &[OpenCache],
) -> Result<Vec<PushReport>, Failure> {
    let list = collect(session, scope)?;
    targets
        .iter()
        .map(|target| push_to(session, &list, target))
        .collect()
}

/// Writes a bundle for machines without a network into a directory.
pub fn export(
    session: &Session<'_>,
    scope: &PushScope,
    directory: &Path,
) -> Result<PushReport, Failure> {
    let settings = CacheSettings {
        place: CachePlace::Directory(directory.to_owned()),
        keys: Vec::new(),
        push: true,
        signing_key: None,
    };
    let list = collect(session, scope)?;
    push_to(session, &list, &OpenCache::new(session, &settings)?)
}

fn collect(session: &Session<'_>, scope: &PushScope) -> Result<PushList, Failure> {
    let store = Store::open(&session.context.directories.data);
    let mut list = PushList::default();
    let names = match scope {
        PushScope::All => store.objects(),
        PushScope::Objects(names) => named_objects(&store, names)?,
        PushScope::Project => {
            let records = sync_project(session, None)?;
            let records: Vec<Record> = records.into_iter().map(|(_, record)| record).collect();
            add_locked_artifacts(session, &mut list)?;
            objects_of(session, &records)?
        }
        PushScope::Built(records) => {
            add_locked_artifacts(session, &mut list)?;
            objects_of(session, records)?
        }
    };
    for name in names {
        let record = ObjectRecord::read(&store.root().join(&name))?;
        let Some(record) = record else { continue };
        if record.artifacts.is_empty() {
            list.objects.push(name);
        } else {
            let artifacts = record.sources().unwrap_or_default();
            let keyed = artifacts.into_iter().map(|one| (one.digest, one));
            list.artifacts.extend(keyed);
        }
    }
    Ok(list)
}

/// Returns the objects that dev shells need.
fn objects_of(session: &Session<'_>, records: &[Record]) -> Result<Vec<String>, Failure> {
    let inventory = Inventory::of(&session.context.directories.data)?;
    let roots: Vec<&PathBuf> = records.iter().flat_map(|record| &record.objects).collect();
    let reached = inventory.reached(roots);
    let objects = inventory.of_kind(EntryKind::Object).map(|(path, _)| path);
    let names = objects.filter(|path| reached.contains(*path));
    let mut names: Vec<String> = names
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    names.extend(built_wheels(session, &names)?);
    Ok(names)
}

/// Returns the wheels that were built for Python environments. No profile needs them, but another environment may.
fn built_wheels(session: &Session<'_>, environments: &[String]) -> Result<Vec<String>, Failure> {
    let store = Store::open(&session.context.directories.data);
    let read = |name: &str| ObjectRecord::read(&store.root().join(name));
    let mut packages = BTreeSet::new();
    for name in environments {
        packages.extend(read(name)?.into_iter().flat_map(|record| record.inputs));
    }
    let mut wheels = Vec::new();
    for name in store.objects() {
        let record = read(&name)?;
        let is_wheel = |record: &ObjectRecord| {
            record.known_recipe() == Some(Recipe::BuiltWheel)
                && record.inputs.iter().all(|input| packages.contains(input))
        };
        if record.as_ref().is_some_and(is_wheel) {
            wheels.push(name);
        }
    }
    Ok(wheels)
}

/// Adds the artifacts of the project's lockfiles for this system.
fn add_locked_artifacts(session: &Session<'_>, list: &mut PushList) -> Result<(), Failure> {
    let (place, system) = (session.place()?, session.system()?);
    for path in session.lockfile_paths(&place) {
        let loaded = session.lockfile(&place.root, &path);
        let Some(lockfile) = loaded.content()? else {
            continue;
        };
        let artifacts = lockfile.packages.values();
        let artifacts = artifacts.filter_map(|package| package.artifacts.get(&system));
        let keyed = artifacts.flatten().map(|one| (one.digest, one.clone()));
        list.artifacts.extend(keyed);
    }
    Ok(())
}

fn named_objects(store: &Store, names: &[String]) -> Result<Vec<String>, Failure> {
    let all = store.objects();
    let mut chosen = Vec::new();
    for name in names {
        let is_named = |one: &&String| one.starts_with(name) || object_name(Path::new(one)) == name;
        let found: Vec<String> = all.iter().filter(is_named).cloned().collect();
        if found.is_empty() {
            return Err(Failure::new(format!("the store has no object `{name}`"))
                .hint("list them with `devsh du --objects`"));
        }
        chosen.extend(found);
    }
    Ok(chosen)
}

fn push_to(
    session: &Session<'_>,
    list: &PushList,
    target: &OpenCache,
) -> Result<PushReport, Failure> {
    let config = session.config()?;
    let client = session.client()?;
    let directory = download_directory(&session.context.directories.cache);
    let key = keys::signing_key(session, target)?;
    let total = list.artifacts.len() + list.objects.len();
    let progress = session.reporter.progress();
    let meter = progress.start(&target.name, "uploading", None);
    let push = Push {
        target,
        store: &Store::open(&session.context.directories.data),
        downloads: Downloads {
            client: &client,
            config,
            directory: &directory,
        },
        key: key.as_ref(),
        system: session.system()?,
        meter: &*meter,
        written: AtomicUsize::new(0),
        bytes: AtomicU64::new(0),
    };
    let artifacts: Vec<&Artifact> = list.artifacts.values().collect();
    let results = parallel::map(THREADS, &artifacts, |artifact| push.artifact(artifact));
    let pushed: Result<(), Failure> = results.into_iter().collect();
    let shared = pushed.and_then(|()| {
        let results = parallel::map(THREADS, &list.objects, |name| push.object(name));
        results.into_iter().collect::<Result<Vec<_>, Failure>>()
    });
    let (written, written_bytes) = (push.written.into_inner(), push.bytes.into_inner());
    meter.finish();
    let not_shared: Vec<NotShared> = shared?.into_iter().flatten().collect();
    Ok(PushReport {
        cache: target.name.clone(),
        written,
        written_bytes,
        present: total - written - not_shared.len(),
        not_shared,
    })
}

/// One push to one cache.
struct Push<'a> {
    target: &'a OpenCache,
    store: &'a Store,
    downloads: Downloads<'a>,
    key: Option<&'a SigningKey>,
    system: System,
    meter: &'a dyn Meter,
    written: AtomicUsize,
    bytes: AtomicU64,
}

impl Push<'_> {
    fn artifact(&self, artifact: &Artifact) -> Result<(), Failure> {
        let failed = |error| self.target.failure("written", &error);
        let backend = &self.target.backend;
        let key = CacheKey::artifact(&artifact.digest);
        if backend.contains(&key).map_err(failed)? {
            return Ok(());
        }
        if !self.downloads.config.trusts_stored(&artifact.url) {
            return Err(hints::untrusted(&artifact.url));
        }
        let directory = self.downloads.directory;
        let was_there = fetch::partial(directory, &artifact.digest).is_file();
        let download = self.downloads.artifact(artifact, self.meter)?;
        // Its name can go at any time, because other commands use the file too.
        let own = tempfile::tempdir_in(directory).map_err(files::at("create", directory))?;
        let path = own.path().join("artifact");
        download.copy_to(&path).map_err(files::at("write", &path))?;
        let size = path.metadata().map_err(files::at("read", &path))?.len();
        let digest = match artifact.digest {
            Digest::Sha256(digest) => digest,
            Digest::Sha512(_) => download
                .open()
                .and_then(Sha256::read)
                .map_err(files::at("read", &path))?,
        };
        let content = EntryContent::File {
            path: &path,
            size,
            digest,
        };
        self.count(backend.add(&key, content).map_err(failed)?, size);
        if !was_there {
            download.discard();
        }
        Ok(())
    }

    /// Pushes a built object, or returns why it is not shared.
    fn object(&self, name: &str) -> Result<Option<NotShared>, Failure> {
        let not_shared = |reason: &str| {
            Ok(Some(NotShared {
                object: name.to_owned(),
                reason: reason.to_owned(),
            }))
        };
        let record = ObjectRecord::read(&self.store.root().join(name))?;
        let received = record.as_ref().is_some_and(|record| record.received);
        if !share::is_shareable(record.and_then(|record| record.known_recipe())) {
            return not_shared("it is made again from its parts on each machine");
        }
        let Some(signing_key) = self.key else {
            return not_shared(NO_KEY);
        };
        let failed = |error| self.target.failure("written", &error);
        let backend = &self.target.backend;
        let key = CacheKey::record(name, signing_key.name());
        let known = backend.read(&key, signed_record::LIMIT).map_err(failed)?;
        let public = signing_key.public();
        let valid = known
            .as_ref()
            .and_then(|text| SharedRecord::verify(text, std::slice::from_ref(&public)))
            .map(|(record, _)| record)
            .filter(|record| record.object == name);
        if let Some(blob) = valid.as_ref().and_then(SharedRecord::blob_digest)
            && backend.contains(&CacheKey::blob(&blob)).map_err(failed)?
        {
            return Ok(None);
        }
        if received {
            return not_shared(RECEIVED);
        }
        let packed = self.store.with_object(name, |_| {
            share::share(self.store, name, self.system, self.downloads.directory)
        });
        let shared = match packed.transpose()? {
            Some(ShareOutcome::Shared(shared)) => *shared,
            Some(ShareOutcome::NotShared(reason)) => return not_shared(&reason),
            None => return not_shared("it was removed from the store"),
        };
        let digest = shared.record.blob_digest();
        let digest = digest.ok_or_else(|| Failure::new("the digest of an object is not valid"))?;
        let content = EntryContent::File {
            path: shared.archive.path(),
            size: shared.record.blob_size,
            digest,
        };
        backend
            .add(&CacheKey::blob(&digest), content)
            .map_err(failed)?;
        let text = shared.record.sign(signing_key).map_err(|error| {
            Failure::new(format!("the record of `{name}` cannot be written: {error}"))
        })?;
        let content = EntryContent::Bytes(&text);
        let stored = if known.is_some() {
            // It is damaged, or its blob is gone.
            backend.replace(&key, content).map_err(failed)?;
            Stored::Written
        } else {
            backend.add(&key, content).map_err(failed)?
        };
        self.count(stored, shared.record.blob_size);
        Ok(None)
    }

    fn count(&self, stored: Stored, bytes: u64) {
        if stored == Stored::Written {
            self.written.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}
