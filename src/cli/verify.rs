//! `devsh verify`: reads the whole store and tells, and mends, what is not as it was published.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde::Serialize;

use crate::{
    builder::collect::{self, Inventory, Kind},
    config::amount::bytes,
    failure::Failure,
    fetch::{Meter, Progress},
    safe::SafeText,
    store::{Damage, Downloads, ObjectRecord, Store, Verdict},
    ui::Role,
};

use super::{hints, work::Work};

/// The JSON form is part of the interface.
#[derive(Debug, Serialize)]
struct Report {
    /// Objects.
    checked: usize,
    profiles: usize,
    bytes: u64,
    damaged: Vec<Damaged>,
}

#[derive(Debug, Serialize)]
struct Damaged {
    /// The object, or `envs/` and the profile.
    object: String,
    files: Vec<DamagedFile>,
    /// `repaired`, or `removed` where it is made anew when it is next needed; nothing without `--repair`.
    outcome: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct DamagedFile {
    path: String,
    fault: &'static str,
}

impl Damaged {
    fn new(object: String, damage: &[Damage], outcome: Option<&'static str>) -> Self {
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

/// Runs `devsh verify`.
pub(super) fn run(work: &Work<'_>, repair: bool, json: bool) -> Result<(), Failure> {
    let store = Store::open(&work.context.directories.data);
    let inventory = Inventory::of(&work.context.directories.data);
    let inventory = inventory.map_err(|error| hints::file(&error))?;
    if repair {
        store.sweep();
    }
    let objects = inventory.of_kind(Kind::Object);
    let objects: Vec<(PathBuf, u64)> = objects
        .map(|(path, entry)| (path.clone(), entry.size.bytes))
        .collect();
    let total = objects.iter().map(|(_, bytes)| bytes).sum();
    let meter = work.ui.bars().start("verifying the store", Some(total));
    let verdicts = examine(&store, &objects, &*meter);
    meter.finish();
    let verdicts = verdicts?;
    let (checked, bytes) = (
        verdicts.len(),
        verdicts.iter().map(|(_, bytes)| bytes).sum(),
    );
    let mut damaged = Vec::new();
    for (verdict, _) in verdicts {
        if verdict.damage.is_empty() {
            continue;
        }
        let outcome = repair.then(|| mend(work, &store, &verdict)).transpose()?;
        damaged.push(Damaged::new(verdict.name, &verdict.damage, outcome));
    }
    let mut profiles = 0;
    for (path, _) in inventory.of_kind(Kind::Profile) {
        let damage = collect::examine(path).map_err(|error| hints::file(&error))?;
        let Some(damage) = damage else { continue };
        profiles += 1;
        if damage.is_empty() {
            continue;
        }
        let outcome = repair.then(|| remove(work, &store, path)).transpose()?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        damaged.push(Damaged::new(format!("envs/{name}"), &damage, outcome));
    }
    tell(
        work,
        json,
        &Report {
            checked,
            profiles,
            bytes,
            damaged,
        },
    )
}

/// Reads all objects that are there still, as many at once as the machine has cores; returns the size of each too.
fn examine(
    store: &Store,
    objects: &[(PathBuf, u64)],
    meter: &dyn Meter,
) -> Result<Vec<(Verdict, u64)>, Failure> {
    let (next, verdicts) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cores.min(objects.len()) {
            scope.spawn(|| {
                while let Some((path, bytes)) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                    meter.advance(*bytes);
                    let name = path.file_name().and_then(|name| name.to_str());
                    // What was collected meanwhile is not damaged.
                    if name.is_some_and(|name| !store.keep(name)) {
                        continue;
                    }
                    let verdict = store.examine(path).map(|verdict| (verdict, *bytes));
                    let mut all = verdicts.lock().unwrap_or_else(PoisonError::into_inner);
                    all.push(verdict);
                }
            });
        }
    });
    let verdicts = verdicts
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let verdicts: Result<Vec<_>, _> = verdicts.into_iter().collect();
    let mut verdicts = verdicts.map_err(|error| hints::store(&error))?;
    verdicts.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    Ok(verdicts)
}

/// Makes an object anew from its source or, where that cannot be told, takes it away.
fn mend(work: &Work<'_>, store: &Store, verdict: &Verdict) -> Result<&'static str, Failure> {
    let config = work.config()?;
    let client = work.client(&config);
    let downloads = Downloads {
        client: &client,
        config: &config,
        directory: &work.context.directories.cache.join("downloads"),
    };
    let sources = verdict.record.as_ref().and_then(ObjectRecord::sources);
    if let Some(strange) = sources
        .iter()
        .flatten()
        .find(|artifact| !config.trusts(&artifact.url))
    {
        return Err(hints::untrusted(&strange.url));
    }
    let meter = work.ui.bars().start(&verdict.name, None);
    let repaired = store.repair(verdict, &downloads, &*meter);
    meter.finish();
    if repaired.map_err(|error| hints::store(&error))?.is_some() {
        return Ok("repaired");
    }
    remove(work, store, &verdict.place)
}

/// Takes away what is damaged: it is made anew when it is next needed.
fn remove(work: &Work<'_>, store: &Store, place: &Path) -> Result<&'static str, Failure> {
    let wait = || work.ui.note("a collection is under way; waiting for it");
    let mut collection = store.collect(wait).map_err(|error| hints::store(&error))?;
    collection
        .condemn(place)
        .and_then(|()| collection.finish())
        .map_err(|error| hints::store(&error))?;
    Ok("removed")
}

fn tell(work: &Work<'_>, json: bool, report: &Report) -> Result<(), Failure> {
    let left = report
        .damaged
        .iter()
        .filter(|one| one.outcome.is_none())
        .count();
    if json {
        super::print_json(work.ui, report)?;
    } else {
        super::list(work.ui, &render(work, report))?;
    }
    if left == 0 {
        return Ok(());
    }
    let left = match left {
        1 => "1 thing in the store is".to_owned(),
        left => format!("{left} things in the store are"),
    };
    Err(Failure::new(format!("{left} damaged"))
        .hint("fetch or make the originals again with `devsh verify --repair`"))
}

fn render(work: &Work<'_>, report: &Report) -> SafeText {
    /// How many files of one object are named.
    const MOST: usize = 10;
    let style = work.ui.out_style();
    let mut lines = SafeText::default();
    let mut line = |text: SafeText| {
        lines.push(text);
        lines.end_line();
    };
    for one in &report.damaged {
        let outcome = match one.outcome {
            Some("removed") => "removed; it is made anew when it is next needed",
            Some(outcome) => outcome,
            None => "damaged",
        };
        let outcome = style.paint(Role::Strong, outcome);
        line(SafeText::from(&one.object).and(": ").and(outcome));
        for file in one.files.iter().take(MOST) {
            line(format!("  {:<10} {}", file.fault, file.path).into());
        }
        if one.files.len() > MOST {
            line(format!("  and {} more", one.files.len() - MOST).into());
        }
    }
    let counted = |count, one: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    };
    let objects = counted(report.checked, "object");
    let profiles = counted(report.profiles, "profile");
    let size = bytes(report.bytes);
    let ended = |outcome| {
        let all = report.damaged.iter();
        all.filter(|one| one.outcome == outcome).count()
    };
    let counts = [
        (ended(None), "not as published"),
        (ended(Some("repaired")), "repaired"),
        (ended(Some("removed")), "removed"),
    ];
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let all = if counts.is_empty() {
        "all as published".to_owned()
    } else {
        counts.join(", ")
    };
    let all = format!("{objects}, {size}, and {profiles}: {all}");
    line(all.into());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_collected_meanwhile_is_not_counted() {
        let data = tempfile::tempdir().unwrap();
        let store = Store::open(data.path());
        let gone = store.root().join("gone");
        let verdicts = examine(&store, &[(gone.clone(), 5)], &crate::fetch::Silent).unwrap();
        assert_eq!(verdicts.len(), 0);
        std::fs::create_dir_all(&gone).unwrap();
        let verdicts = examine(&store, &[(gone, 5)], &crate::fetch::Silent).unwrap();
        assert_eq!(verdicts.len(), 1);
    }
}
