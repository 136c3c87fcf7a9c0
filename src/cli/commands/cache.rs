//! `devsh cache`

use crate::{
    app::{
        cache::{
            inspect::{self, CacheInfo},
            keys,
            push::{self, PushReport, PushScope},
            push_targets,
        },
        session::Session,
    },
    cli::args::{CacheCommand, CachePush, KeyCommand},
    config::units::bytes,
    report::{
        failure::Failure,
        style::Role,
        table::{Cell, Column, Table},
        ui::Ui,
    },
    util::terminal_text::SafeText,
};

pub fn run(session: &Session<'_>, ui: &Ui, command: &CacheCommand) -> Result<(), Failure> {
    match command {
        CacheCommand::Push(options) => run_push(session, ui, options),
        CacheCommand::Export {
            bundle, all, json, ..
        } => {
            let scope = if *all {
                PushScope::All
            } else {
                PushScope::Project
            };
            let report = push::export(session, &scope, &session.cwd()?.join(bundle))?;
            print_reports(ui, &[report], *json)
        }
        CacheCommand::List { json, .. } => list(session, ui, *json),
        CacheCommand::Info { json, .. } => info(session, ui, *json),
        CacheCommand::Verify { json, .. } => verify(session, ui, *json),
        CacheCommand::Key {
            command: KeyCommand::New { name },
        } => new_key(session, ui, name),
    }
}

fn run_push(session: &Session<'_>, ui: &Ui, options: &CachePush) -> Result<(), Failure> {
    let scope = if options.all {
        PushScope::All
    } else if options.objects.is_empty() {
        PushScope::Project
    } else {
        PushScope::Objects(options.objects.clone())
    };
    let targets = push_targets(session, options.to.as_deref())?;
    let reports = push::push(session, &scope, &targets)?;
    print_reports(ui, &reports, options.json)
}

/// Prints what was pushed, and what stayed.
pub fn print_reports(ui: &Ui, reports: &[PushReport], json: bool) -> Result<(), Failure> {
    if json {
        return ui.json(&reports);
    }
    for report in reports {
        let size = bytes(report.written_bytes);
        ui.note(&format!(
            "{}: {} written ({size}), {} there already",
            report.cache, report.written, report.present
        ));
        for left in &report.not_shared {
            ui.warn(&format!("`{}` is not shared: {}", left.object, left.reason));
        }
        if report
            .not_shared
            .iter()
            .any(|left| left.reason == push::NO_KEY)
        {
            ui.hint("make a key with `devsh cache key new team-1`");
        }
    }
    Ok(())
}

fn new_key(session: &Session<'_>, ui: &Ui, name: &str) -> Result<(), Failure> {
    let key = keys::new_key(session, name)?;
    ui.note(&format!(
        "the secret key is in `{}`",
        session.display(&key.file)
    ));
    ui.note("give this public key to everyone who uses the cache, for `keys` in `[[caches]]`:");
    let mut line = SafeText::from(key.public.to_string());
    line.end_line();
    ui.listing(&line)
}

fn list(session: &Session<'_>, ui: &Ui, json: bool) -> Result<(), Failure> {
    let objects = inspect::list(session)?;
    if json {
        return ui.json(&objects);
    }
    let mut table = Table::new([
        Column::new("OBJECT").wrapped(),
        Column::new("KEY"),
        Column::new("CACHE").optional(),
    ]);
    for one in &objects {
        let key = if one.trusted {
            one.key.clone()
        } else {
            format!("{} (not trusted)", one.key)
        };
        table.row([
            (&one.object).into(),
            key.into(),
            Cell::new(Role::Dim, &one.cache),
        ]);
    }
    ui.table(&table)
}

fn info(session: &Session<'_>, ui: &Ui, json: bool) -> Result<(), Failure> {
    let all = inspect::info(session)?;
    if json {
        return ui.json(&all);
    }
    let mut table = Table::new([
        Column::new("CACHE").wrapped(),
        Column::new("KEYS"),
        Column::new("CONTENT").wrapped(),
    ]);
    for one in &all {
        let keys = if one.keys.is_empty() {
            "none".to_owned()
        } else {
            one.keys.join(", ")
        };
        let push = if one.push { " (push)" } else { "" };
        table.row([
            format!("{}{push}", one.cache).into(),
            keys.into(),
            content(one).into(),
        ]);
    }
    ui.table(&table)
}

fn content(info: &CacheInfo) -> String {
    if let Some(problem) = &info.problem {
        return problem.clone();
    }
    match (info.artifacts, info.objects, info.bytes) {
        (Some(artifacts), Some(objects), Some(size)) => format!(
            "{artifacts} artifacts, {objects} built objects, {}",
            bytes(size)
        ),
        _ => "answers; a web server has no list".to_owned(),
    }
}

fn verify(session: &Session<'_>, ui: &Ui, json: bool) -> Result<(), Failure> {
    let verdicts = inspect::verify(session)?;
    let damaged: usize = verdicts.iter().map(|one| one.damaged.len()).sum();
    let unchecked = verdicts
        .iter()
        .find_map(|one| Some((&one.cache, one.problem.as_ref()?)));
    if json {
        ui.json(&verdicts)?;
    } else {
        for verdict in verdicts.iter().filter(|one| one.problem.is_none()) {
            for one in &verdict.damaged {
                ui.warn(&format!("`{}` is damaged: {}", one.key, one.reason));
            }
            let untrusted = match verdict.untrusted {
                0 => String::new(),
                count => format!(", {count} of keys that you do not trust"),
            };
            ui.note(&format!(
                "{}: {} entries, {} damaged{untrusted}",
                verdict.cache,
                verdict.checked,
                verdict.damaged.len()
            ));
        }
    }
    match damaged {
        0 => match unchecked {
            None => Ok(()),
            Some((cache, problem)) => Err(Failure::new(format!(
                "the cache `{cache}` cannot be listed: {problem}"
            ))
            .hint("`devsh cache info` shows which caches answer")),
        },
        1 => Err(Failure::new("1 entry of the caches is damaged")
            .hint("delete it in the cache, then run `devsh cache push` again")),
        count => Err(
            Failure::new(format!("{count} entries of the caches are damaged"))
                .hint("delete them in the cache, then run `devsh cache push` again"),
        ),
    }
}
