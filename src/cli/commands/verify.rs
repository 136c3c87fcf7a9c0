//! `devsh verify`: reads the whole store, reports damage and repairs it.

use std::{
    path::{Path, PathBuf},
    thread,
};

use serde::Serialize;

use crate::{
    builder::collect::{self, EntryKind},
    config::units::bytes,
    fetch::{Meter, Progress},
    report::{failure::Failure, style::Role, ui::Ui},
    store::{Damage, Downloads, ObjectRecord, ObjectVerdict, Store, size_of},
    util::{parallel, terminal_text::SafeText},
};

use crate::{
    app::{gc_roots::Roots, session::Session},
    report::hints,
};

/// Outcomes of a repair.
const REPAIRED: &str = "repaired";
const REMOVED: &str = "removed";
const IN_USE: &str = "in-use";

/// The JSON form is part of the interface.
#[derive(Debug, Serialize)]
struct VerifyReport {
    /// Objects.
    checked: usize,
    profiles: usize,
    bytes: u64,
    damaged: Vec<DamagedEntry>,
}

#[derive(Debug, Serialize)]
struct DamagedEntry {
    /// The object, or `envs/` and the profile.
    object: String,
    files: Vec<DamagedFile>,
    /// `repaired`, `removed` (it is made again when it is next needed) or `in-use` (it had to stay); nothing without
    /// `--repair`.
    outcome: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct DamagedFile {
    path: String,
    fault: &'static str,
}

impl DamagedEntry {
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
pub fn run(session: &Session<'_>, ui: &Ui, repair: bool, json: bool) -> Result<(), Failure> {
    let store = Store::open(&session.context.directories.data);
    let there = |kind| {
        let paths = collect::paths(&session.context.directories.data, kind);
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
    let meter = ui.bars().start("verifying the store", Some(total));
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
            .then(|| repair_object(session, ui, &store, &verdict))
            .transpose()?;
        damaged.push(DamagedEntry::new(verdict.name, &verdict.damage, outcome));
    }
    let mut profiles = 0;
    for path in there(EntryKind::Profile)? {
        let Some(damage) = collect::examine(&path) else {
            continue;
        };
        profiles += 1;
        if damage.is_empty() {
            continue;
        }
        let outcome = repair.then(|| remove_profile(session, ui, &store, &path));
        let outcome = outcome.transpose()?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        damaged.push(DamagedEntry::new(format!("envs/{name}"), &damage, outcome));
    }
    print_report(
        ui,
        json,
        &VerifyReport {
            checked,
            profiles,
            bytes,
            damaged,
        },
    )
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
    ui: &Ui,
    store: &Store,
    verdict: &ObjectVerdict,
) -> Result<&'static str, Failure> {
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
    let meter = ui.bars().start(&verdict.name, None);
    let repaired = store.repair(verdict, &downloads, &*meter);
    meter.finish();
    if repaired?.is_some() {
        return Ok(REPAIRED);
    }
    let damaged = || !store.examine(&verdict.place).damage.is_empty();
    remove(ui, store, &verdict.place, damaged, || Ok(false))
}

/// Removes a damaged profile unless it is in use. The next command that loads it, or `devsh sync`, makes it again.
fn remove_profile(
    session: &Session<'_>,
    ui: &Ui,
    store: &Store,
    place: &Path,
) -> Result<&'static str, Failure> {
    let damaged = || collect::examine(place).is_some_and(|damage| !damage.is_empty());
    let in_use = || {
        let roots = Roots::find(session.context)?;
        Ok(roots.leased.iter().any(|path| path.starts_with(place)))
    };
    remove(ui, store, place, damaged, in_use)
}

/// Removes an entry that is still damaged while no process can begin to use it.
fn remove(
    ui: &Ui,
    store: &Store,
    place: &Path,
    damaged: impl FnOnce() -> bool,
    in_use: impl FnOnce() -> Result<bool, Failure>,
) -> Result<&'static str, Failure> {
    let wait = || {
        ui.note("waiting for other commands that use the store");
    };
    let mut collection = store.collect(wait)?;
    if !damaged() {
        return Ok(REPAIRED);
    }
    if in_use()? {
        return Ok(IN_USE);
    }
    collection.discard(place)?;
    collection.finish()?;
    Ok(REMOVED)
}

fn print_report(ui: &Ui, json: bool, report: &VerifyReport) -> Result<(), Failure> {
    let left: Vec<_> = report
        .damaged
        .iter()
        .filter(|one| one.outcome.is_none_or(|outcome| outcome == IN_USE))
        .collect();
    let in_use = left.iter().all(|one| one.outcome.is_some());
    if json {
        ui.json(report)?;
    } else {
        ui.listing(&render(ui, report))?;
    }
    let left = match left.len() {
        0 => return Ok(()),
        1 => "1 thing in the store is".to_owned(),
        left => format!("{left} things in the store are"),
    };
    Err(Failure::new(format!("{left} damaged")).hint(if in_use {
        "run `devsh sync` in the project that uses it"
    } else {
        "fetch or make the originals again with `devsh verify --repair`"
    }))
}

fn render(ui: &Ui, report: &VerifyReport) -> SafeText {
    /// How many files of one object are named.
    const MOST: usize = 10;
    let style = ui.out_style();
    let mut lines = SafeText::default();
    let mut line = |text: SafeText| {
        lines.push(text);
        lines.end_line();
    };
    for one in &report.damaged {
        let outcome = match one.outcome {
            Some(REMOVED) => "removed; it is made again when it is next needed",
            Some(IN_USE) => "damaged and in use; `devsh sync` in its project repairs it",
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
        (ended(Some(IN_USE)), "damaged and in use"),
        (ended(Some(REPAIRED)), "repaired"),
        (ended(Some(REMOVED)), "removed"),
    ];
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, outcome)| format!("{count} {outcome}"))
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
