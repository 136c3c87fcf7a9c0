//! Reads the whole store, reports damage and repairs it.

use std::{
    path::{Path, PathBuf},
    thread,
};

use serde::Serialize;

use crate::{
    builder::inventory::{self, EntryKind, Inventory},
    config::Config,
    fetch::{Client, Meter},
    report::{failure::Failure, hints},
    store::{ArtifactsFrom, Damage, Downloads, ObjectRecord, ObjectVerdict, Store, size_of},
    util::parallel,
};

use super::{gc_roots::Roots, session::Session};

/// The options of a verification.
#[derive(Debug, Clone, Copy)]
pub struct VerifyOptions {
    /// True if damaged entries are made again or removed.
    pub repair: bool,
    /// True if every object is compared with its artifacts, downloaded again.
    pub refetch: bool,
}

/// The result of the repair of an entry.
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
    /// Nothing unless the artifacts were downloaded again.
    pub comparison: Option<ComparisonReport>,
}

/// The number of objects that were compared with their artifacts.
#[derive(Debug, Default, Serialize)]
pub struct ComparisonReport {
    pub compared: usize,
    pub not_compared: Vec<UncomparedObject>,
}

#[derive(Debug, Serialize)]
pub struct UncomparedObject {
    pub object: String,
    pub reason: UncomparedReason,
    /// Nothing without a repair.
    pub outcome: Option<RepairOutcome>,
}

/// The reason why an object has no artifact to compare with.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UncomparedReason {
    /// devsh built it from packages.
    Built,
    /// The artifact could not be downloaded or unpacked.
    Failed(String),
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

/// The client for the store's downloads.
struct Fetching<'a> {
    config: &'a Config,
    client: Client,
    directory: PathBuf,
}

impl<'a> Fetching<'a> {
    fn new(session: &'a Session<'_>) -> Result<Self, Failure> {
        Ok(Self {
            config: session.config()?,
            client: session.client()?,
            directory: session.context.directories.cache.join("downloads"),
        })
    }

    fn downloads(&self) -> Downloads<'_> {
        Downloads {
            client: &self.client,
            config: self.config,
            directory: &self.directory,
        }
    }

    /// Refuses to ask a server that is not a source of the user.
    fn check_servers(&self, record: Option<&ObjectRecord>) -> Result<(), Failure> {
        let artifacts = record.and_then(ObjectRecord::sources).unwrap_or_default();
        let strange = artifacts
            .iter()
            .find(|artifact| !self.config.trusts_stored(&artifact.url));
        strange.map_or(Ok(()), |artifact| Err(hints::untrusted(&artifact.url)))
    }
}

/// Reads every object and profile, and with `repair` makes damaged ones again or removes them.
pub fn verify_store(
    session: &Session<'_>,
    options: VerifyOptions,
) -> Result<VerifyReport, Failure> {
    let VerifyOptions { repair, refetch } = options;
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
        .start("the store", "verifying", Some(total));
    let mut verdicts = examine(&store, &objects, &*meter);
    meter.finish();
    let fetching = Fetching::new(session)?;
    let mut comparison = compare_all(session, &store, &fetching, refetch, &mut verdicts);
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
            .then(|| repair_object(session, &store, &fetching, &verdict))
            .transpose()?;
        damaged.push(DamagedEntry::new(verdict.name, &verdict.damage, outcome));
    }
    if repair && refetch {
        for built in &mut comparison.not_compared {
            if built.reason == UncomparedReason::Built {
                let place = store.root().join(&built.object);
                let in_use = || is_leased(session, &place);
                built.outcome = Some(remove(session, &store, &place, || true, in_use)?);
            }
        }
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
        comparison: refetch.then_some(comparison),
    })
}

/// Compares the undamaged objects with their artifacts: with `refetch` all, else those whose artifacts are in the cache.
fn compare_all(
    session: &Session<'_>,
    store: &Store,
    fetching: &Fetching<'_>,
    refetch: bool,
    verdicts: &mut [(ObjectVerdict, u64)],
) -> ComparisonReport {
    let from = if refetch {
        ArtifactsFrom::Servers
    } else {
        ArtifactsFrom::Cache
    };
    let mut report = ComparisonReport::default();
    let whole = verdicts
        .iter_mut()
        .filter(|(verdict, _)| verdict.damage.is_empty());
    for (verdict, _) in whole {
        let progress = session.reporter.progress();
        let meter = progress.start(&verdict.name, "downloading", None);
        let compared = store.with_object(&verdict.name, |_| {
            if refetch {
                fetching.check_servers(verdict.record.as_ref())?;
            }
            let compared =
                store.compare_with_artifacts(verdict, from, &fetching.downloads(), &*meter);
            compared.map_err(Failure::from)
        });
        meter.finish();
        let reason = match compared {
            None => continue,
            Some(Ok(Some(damage))) => {
                report.compared += 1;
                verdict.damage = damage;
                continue;
            }
            Some(Ok(None)) => UncomparedReason::Built,
            Some(Err(failure)) => UncomparedReason::Failed(failure.error),
        };
        report.not_compared.push(UncomparedObject {
            object: verdict.name.clone(),
            reason,
            outcome: None,
        });
    }
    report
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
    fetching: &Fetching<'_>,
    verdict: &ObjectVerdict,
) -> Result<RepairOutcome, Failure> {
    fetching.check_servers(verdict.record.as_ref())?;
    let progress = session.reporter.progress();
    let meter = progress.start(&verdict.name, "downloading", None);
    let repaired = store.repair(verdict, &fetching.downloads(), &*meter);
    meter.finish();
    if repaired?.is_some() {
        return Ok(RepairOutcome::Repaired);
    }
    let damaged = || !store.examine(&verdict.place).damage.is_empty();
    remove(session, store, &verdict.place, damaged, || Ok(false))
}

/// Returns whether a running process uses an object.
fn is_leased(session: &Session<'_>, object: &Path) -> Result<bool, Failure> {
    let inventory = Inventory::of(&session.context.directories.data)?;
    let roots = Roots::find(session.context)?;
    Ok(inventory.reached(&roots.leased).contains(object))
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
