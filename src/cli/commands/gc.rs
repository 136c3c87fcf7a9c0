//! `devsh gc`

use crate::{
    app::{
        collect_garbage::{GcLimits, GcReport, RemovedEntry, RemovedKind, collect_garbage},
        session::Session,
    },
    cli::args::Gc,
    config::units::bytes,
    report::{
        failure::Failure,
        style::Role,
        table::{Cell, Column, Table},
        ui::Ui,
    },
    util::terminal_text::SafeText,
};

pub fn run(session: &Session<'_>, ui: &Ui, options: &Gc) -> Result<(), Failure> {
    let limits = GcLimits {
        older_than: options.older_than.as_deref(),
        keep_size: options.keep_size.as_deref(),
    };
    let report = collect_garbage(session, limits, options.dry_run)?;
    if options.json {
        return ui.json(&report);
    }
    let mut listing = if report.dry_run || ui.is_verbose() {
        table(&report.removed).render(ui.layout())
    } else {
        SafeText::default()
    };
    listing.push(summary(&report));
    listing.end_line();
    ui.listing(&listing)
}

/// Returns a row for each removed entry, the largest first.
fn table(removed: &[RemovedEntry]) -> Table {
    let mut table = Table::new([
        Column::new("SIZE").right(),
        Column::new("KIND"),
        Column::new("NAME").wrapped(),
        Column::new("ID").optional(),
    ]);
    let mut removed: Vec<&RemovedEntry> = removed.iter().collect();
    removed.sort_by_key(|one| (std::cmp::Reverse(one.bytes), &one.name));
    // Links have no size of their own.
    for one in removed.into_iter().filter(|one| one.bytes > 0) {
        let kind = match one.kind {
            RemovedKind::Object => "object",
            RemovedKind::Profile => "profile",
            RemovedKind::Environment => "Python",
            RemovedKind::Download => "download",
            RemovedKind::Build => "build",
        };
        table.row([
            bytes(one.bytes).into(),
            Cell::new(Role::Dim, kind),
            (&one.name).into(),
            Cell::new(Role::Dim, &one.id),
        ]);
    }
    table
}

fn summary(report: &GcReport) -> String {
    let kept = bytes(report.kept_bytes);
    if report.removed.is_empty() {
        return format!("nothing to remove; {kept} stay");
    }
    let verb = if report.dry_run {
        "would free"
    } else {
        "freed"
    };
    let is_object = |one: &&RemovedEntry| one.kind == RemovedKind::Object;
    let objects = report.removed.iter().filter(is_object).count();
    let counts = [
        (objects, "object"),
        (report.removed.len() - objects, "smaller item"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(count, name)| match count {
            1 => format!("1 {name}"),
            _ => format!("{count} {name}s"),
        })
        .collect();
    let freed = bytes(report.removed_bytes);
    format!("{verb} {freed} ({}); {kept} stay", counts.join(", "))
}
