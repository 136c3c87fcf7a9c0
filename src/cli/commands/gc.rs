//! `devsh gc`

use std::path::Path;

use crate::{
    app::{
        collect_garbage::{GcLimits, GcReport, collect_garbage},
        session::Session,
    },
    cli::args::Gc,
    config::units::bytes,
    report::{failure::Failure, paths::display_path, ui::Ui},
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
    ui.listing(&render(session, ui, &report))
}

fn render(session: &Session<'_>, ui: &Ui, report: &GcReport) -> SafeText {
    let mut lines = SafeText::default();
    let mut line = |text: String| {
        lines.push(text);
        lines.end_line();
    };
    let (mut objects, mut others) = (0, 0);
    for one in &report.removed {
        if is_object(&one.path) {
            objects += 1;
        } else {
            others += 1;
        }
        if report.dry_run || ui.is_verbose() {
            let path = display_path(session.context, &one.path);
            line(format!("{:>9}  {path}", bytes(one.bytes)));
        }
    }
    if report.removed.is_empty() {
        let kept = bytes(report.kept_bytes);
        line(format!("nothing to remove; {kept} stay"));
        return lines;
    }
    let verb = if report.dry_run {
        "would free"
    } else {
        "freed"
    };
    let plural = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    };
    line(format!(
        "{verb} {}: {} and {}; {} stay",
        bytes(report.removed_bytes),
        plural(objects, "store object"),
        plural(others, "smaller file"),
        bytes(report.kept_bytes),
    ));
    lines
}

/// Whether a path is an object of the store.
fn is_object(path: &Path) -> bool {
    let parent = path.parent().and_then(Path::file_name);
    parent.is_some_and(|parent| parent == "store")
}
