//! `devsh verify`

use crate::{
    app::{
        session::Session,
        verify_store::{
            RepairOutcome, UncomparedReason, VerifyOptions, VerifyReport, verify_store,
        },
    },
    config::units::bytes,
    report::{failure::Failure, style::Role, ui::Ui},
    util::terminal_text::SafeText,
};

pub fn run(
    session: &Session<'_>,
    ui: &Ui,
    options: VerifyOptions,
    json: bool,
) -> Result<(), Failure> {
    let report = verify_store(session, options)?;
    print_report(ui, json, &report)
}

fn print_report(ui: &Ui, json: bool, report: &VerifyReport) -> Result<(), Failure> {
    let left: Vec<_> = report
        .damaged
        .iter()
        .filter(|one| {
            one.outcome
                .is_none_or(|outcome| outcome == RepairOutcome::InUse)
        })
        .collect();
    let in_use = left.iter().all(|one| one.outcome.is_some());
    if json {
        ui.json(report)?;
    } else {
        ui.listing(&render(ui, report))?;
    }
    let failed = report.comparison.iter().flat_map(|one| &one.not_compared);
    let failed = failed.filter(|one| one.reason != UncomparedReason::Built);
    let left = match left.len() {
        0 => {
            return match failed.count() {
                0 => Ok(()),
                1 => Err(Failure::new("1 object could not be compared")),
                count => Err(Failure::new(format!(
                    "{count} objects could not be compared"
                ))),
            };
        }
        1 => "1 thing in the store is".to_owned(),
        left => format!("{left} things in the store are"),
    };
    Err(Failure::new(format!("{left} damaged")).hint(if in_use {
        "run `devsh sync` in the project that uses it"
    } else if report.comparison.is_some() {
        "fetch or make the originals again with `devsh verify --refetch --repair`"
    } else {
        "fetch or make the originals again with `devsh verify --repair`"
    }))
}

fn render(ui: &Ui, report: &VerifyReport) -> SafeText {
    /// The number of files of one object that are named.
    const MOST: usize = 10;
    let style = ui.layout().style;
    let mut lines = SafeText::default();
    let mut line = |text: SafeText| {
        lines.push(text);
        lines.end_line();
    };
    for one in &report.damaged {
        let outcome = match one.outcome {
            Some(RepairOutcome::Removed) => "removed; it is made again when it is next needed",
            Some(RepairOutcome::InUse) => {
                "damaged and in use; `devsh sync` in its project repairs it"
            }
            Some(RepairOutcome::Repaired) => "repaired",
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
        (ended(Some(RepairOutcome::InUse)), "damaged and in use"),
        (ended(Some(RepairOutcome::Repaired)), "repaired"),
        (ended(Some(RepairOutcome::Removed)), "removed"),
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
    if let Some(comparison) = &report.comparison {
        let compared = counted(comparison.compared, "object");
        line(format!("{compared} compared with a fresh download").into());
        for left in &comparison.not_compared {
            let reason = match (&left.reason, left.outcome) {
                (UncomparedReason::Failed(reason), _) => reason,
                (UncomparedReason::Built, None) => "built from packages",
                (UncomparedReason::Built, Some(RepairOutcome::InUse)) => {
                    "built from packages, in use"
                }
                (UncomparedReason::Built, Some(_)) => {
                    "removed; it is built again when it is next needed"
                }
            };
            line(format!("  not compared: {} ({reason})", left.object).into());
        }
    }
    lines
}
