//! Reads the whole store, reports damage and repairs it.

use std::{
    path::{Path, PathBuf},
    thread,
};

use serde::Serialize;

use crate::{
    builder::inventory::{self, EntryKind},
    fetch::Meter,
    report::{failure::Failure, hints},
    store::{Damage, Downloads, ObjectRecord, ObjectVerdict, Store, size_of},
    util::parallel,
};

use super::{gc_roots::Roots, session::Session};

/// How the repair of an entry ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepairOutcome {
    /// Made again from its source.
    Repaired,
    /// Gone; it is made again when it is next needed.
    Removed,
    /// A process uses it, so it had to stay.
    InUse,
}

/// The JSON form is part of the interface.
#[derive(Debug, Serialize)]
pub struct VerifyReport {
    /// Objects.
    pub checked: usize,
    pub profiles: usize,
    pub bytes: u64,
    pub damaged: Vec<DamagedEntry>,
}

#[derive(Debug, Serialize)]
pub struct DamagedEntry {
    /// The object, or `envs/` and the profile.
    pub object: String,
    pub files: Vec<DamagedFile>,
    /// Nothing without a repair.
    pub outcome: Option<RepairOutcome>,
}

#[derive(Debug, Serialize)]
pub struct DamagedFile {
    pub path: String,
    pub fault: &'static str,
}

impl DamagedEntry {
    fn new(object: String, damage: &[Damage], outcome: Option<RepairOutcome>) -> Self {
        let files = damage.iter().map(|damage| DamagedFile {
            path: damage.path.clone(),
            fault: damage.fault.as_str(),
        });
        Self {
            object,
            files: files.collect(),
            outcome,
        }
    }
}

/// Reads every object and profile, and with `repair` makes damaged ones again or removes them.
pub fn verify_store(session: &Session<'_>, repair: bool) -> Result<VerifyReport, Failure> {
    let store = Store::open(&session.context.directories.data);
    let there = |kind| {
        let paths = inventory::paths(&session.context.directories.data, kind);
        paths.map_err(Failure::from)
    };
    if repair {
        store.sweep();
    }
    let objects = there(EntryKind::Object)?.into_iter();
    let objects: Vec<(PathBuf, u64)> = objects
        .map(|path| (path.clone(), size_of(&path).bytes))
        .collect();
    let total = objects.iter().map(|(_, bytes)| bytes).sum();
    let meter = session
        .reporter
        .progress()
        .start("verifying the store", Some(total));
    let verdicts = examine(&store, &objects, &*meter);
    meter.finish();
    let (checked, bytes) = (
        verdicts.len(),
        verdicts.iter().map(|(_, bytes)| bytes).sum(),
    );
    let mut damaged = Vec::new();
    for (verdict, _) in verdicts {
        if verdict.damage.is_empty() {
            continue;
        }
        let outcome = repair
            .then(|| repair_object(session, &store, &verdict))
            .transpose()?;
        damaged.push(DamagedEntry::new(verdict.name, &verdict.damage, outcome));
    }
    let mut profiles = 0;
    for path in there(EntryKind::Profile)? {
        let Some(damage) = inventory::examine(&path) else {
            continue;
        };
        profiles += 1;
        if damage.is_empty() {
            continue;
        }
        let outcome = repair.then(|| remove_profile(session, &store, &path));
        let outcome = outcome.transpose()?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        damaged.push(DamagedEntry::new(format!("envs/{name}"), &damage, outcome));
    }
    Ok(VerifyReport {
        checked,
        profiles,
        bytes,
        damaged,
    })
}

/// Reads all objects that still exist, on all cores; returns the size of each too.
fn examine(
    store: &Store,
    objects: &[(PathBuf, u64)],
    meter: &dyn Meter,
) -> Vec<(ObjectVerdict, u64)> {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let verdicts = parallel::map(cores, objects, |(path, bytes)| {
        meter.advance(*bytes);
        // An object that was collected since is not damaged.
        let name = path.file_name().and_then(|name| name.to_str())?;
        let verdict = store.with_object(name, |_| store.examine(path))?;
        Some((verdict, *bytes))
    });
    let mut verdicts: Vec<_> = verdicts.into_iter().flatten().collect();
    verdicts.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    verdicts
}

/// Makes an object again from its source or, where its source is not known, removes it.
fn repair_object(
    session: &Session<'_>,
    store: &Store,
    verdict: &ObjectVerdict,
) -> Result<RepairOutcome, Failure> {
    let config = session.config()?;
    let client = session.client()?;
    let downloads = Downloads {
        client: &client,
        config,
        directory: &session.context.directories.cache.join("downloads"),
    };
    let sources = verdict.record.as_ref().and_then(ObjectRecord::sources);
    if let Some(strange) = sources
        .iter()
        .flatten()
        .find(|artifact| !config.trusts(&artifact.url))
    {
        return Err(hints::untrusted(&strange.url));
    }
    let meter = session.reporter.progress().start(&verdict.name, None);
    let repaired = store.repair(verdict, &downloads, &*meter);
    meter.finish();
    if repaired?.is_some() {
        return Ok(RepairOutcome::Repaired);
    }
    let damaged = || !store.examine(&verdict.place).damage.is_empty();
    remove(session, store, &verdict.place, damaged, || Ok(false))
}

/// Removes a damaged profile unless it is in use. The next command that loads it, or `devsh sync`, makes it again.
fn remove_profile(
    session: &Session<'_>,
    store: &Store,
    place: &Path,
) -> Result<RepairOutcome, Failure> {
    let damaged = || inventory::examine(place).is_some_and(|damage| !damage.is_empty());
    let in_use = || {
        let roots = Roots::find(session.context)?;
        Ok(roots.leased.iter().any(|path| path.starts_with(place)))
    };
    remove(session, store, place, damaged, in_use)
}

/// Removes an entry that is still damaged while no process can begin to use it.
fn remove(
    session: &Session<'_>,
    store: &Store,
    place: &Path,
    damaged: impl FnOnce() -> bool,
    in_use: impl FnOnce() -> Result<bool, Failure>,
) -> Result<RepairOutcome, Failure> {
    let wait = || {
        session
            .reporter
            .note("waiting for other commands that use the store");
    };
    let mut collection = store.collect(wait)?;
    if !damaged() {
        return Ok(RepairOutcome::Repaired);
    }
    if in_use()? {
        return Ok(RepairOutcome::InUse);
    }
    collection.discard(place)?;
    collection.finish()?;
    Ok(RepairOutcome::Removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_that_are_gone_are_not_counted() {
        let data = tempfile::tempdir().unwrap();
        let store = Store::open(data.path());
        let gone = store.root().join("gone");
        let verdicts = examine(&store, &[(gone.clone(), 5)], &crate::fetch::Silent);
        assert_eq!(verdicts.len(), 0);
        std::fs::create_dir_all(&gone).unwrap();
        let verdicts = examine(&store, &[(gone, 5)], &crate::fetch::Silent);
        assert_eq!(verdicts.len(), 1);
    }
}
