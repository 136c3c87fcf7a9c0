//! `devsh verify`

use crate::{
    app::{
        session::Session,
        verify_store::{RepairOutcome, VerifyReport, verify_store},
    },
    config::units::bytes,
    report::{failure::Failure, style::Role, ui::Ui},
    util::terminal_text::SafeText,
};

pub fn run(session: &Session<'_>, ui: &Ui, repair: bool, json: bool) -> Result<(), Failure> {
    let report = verify_store(session, repair)?;
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
    lines
}
