//! `devsh du`

use crate::{
    app::{
        disk_usage::{DiskUsage, disk_usage},
        session::Session,
    },
    config::units::bytes,
    report::{failure::Failure, paths::display_path, style::Role, ui::Ui},
    util::terminal_text::SafeText,
};

pub fn run(session: &Session<'_>, ui: &Ui, json: bool, objects: bool) -> Result<(), Failure> {
    let usage = disk_usage(session)?;
    if json {
        return ui.json(&usage);
    }
    ui.listing(&render(session, ui, &usage, objects))
}

fn render(session: &Session<'_>, ui: &Ui, usage: &DiskUsage, objects: bool) -> SafeText {
    let style = ui.out_style();
    let mut lines = SafeText::default();
    let mut line = |text: SafeText| {
        lines.push(text);
        lines.end_line();
    };
    if objects {
        let head = format!("{:>9}  {:>8}  store object", "size", "projects");
        line(style.paint(Role::Dim, head));
        for one in &usage.objects {
            let (size, projects, name) = (bytes(one.bytes), one.projects, &one.name);
            line(format!("{size:>9}  {projects:>8}  {name}").into());
        }
    } else if !usage.projects.is_empty() {
        let head = format!("{:>9}  {:>9}  project", "size", "its own");
        line(style.paint(Role::Dim, head));
        for one in &usage.projects {
            let root = display_path(session.context, &one.root);
            let (size, own) = (bytes(one.bytes), bytes(one.own_bytes));
            line(format!("{size:>9}  {own:>9}  {root}").into());
        }
    }
    let total = format!(
        "{:>9}  in all, of which {} are shared by several projects",
        bytes(usage.total_bytes),
        bytes(usage.shared_bytes),
    );
    line(total.into());
    if usage.unused_bytes > 0 {
        let unused = bytes(usage.unused_bytes);
        let freed = match usage.freed_bytes {
            0 => "keeps them, as the settings say".to_owned(),
            freed if freed == usage.unused_bytes => "frees them".to_owned(),
            freed => format!("frees {} of them, as the settings say", bytes(freed)),
        };
        line(format!("{unused:>9}  are unused; `devsh gc` {freed}").into());
    }
    lines
}
