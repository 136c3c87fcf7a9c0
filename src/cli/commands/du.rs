//! `devsh du`

use crate::{
    app::{
        disk_usage::{DiskUsage, ObjectUsage, ProjectUsage, disk_usage},
        session::Session,
    },
    config::units::bytes,
    report::{
        failure::Failure,
        paths::display_path,
        style::Role,
        table::{Cell, Column, Table},
        ui::Ui,
    },
};

pub fn run(session: &Session<'_>, ui: &Ui, json: bool, objects: bool) -> Result<(), Failure> {
    let usage = disk_usage(session)?;
    if json {
        return ui.json(&usage);
    }
    let table = if objects {
        object_table(&usage.objects)
    } else {
        project_table(session, &usage.projects)
    };
    let layout = ui.layout();
    let mut listing = table.render(layout);
    if !table.is_empty() {
        listing.end_line();
    }
    listing.push(totals(&usage).render(layout));
    ui.listing(&listing)
}

fn project_table(session: &Session<'_>, projects: &[ProjectUsage]) -> Table {
    let mut table = Table::new([
        Column::new("SIZE").right(),
        Column::new("OWN").right(),
        Column::new("USAGE").optional(),
        Column::new("PROJECT").wrapped(),
    ]);
    let most = projects.iter().map(|one| one.bytes).max().unwrap_or(0);
    for one in projects {
        let own = SizeBar::length(one.own_bytes, most);
        table.row([
            bytes(one.bytes).into(),
            bytes(one.own_bytes).into(),
            SizeBar {
                full: own,
                light: SizeBar::length(one.bytes, most) - own,
            }
            .cell(),
            Cell::new(Role::Strong, display_path(session.context, &one.root)),
        ]);
    }
    table
}

fn object_table(objects: &[ObjectUsage]) -> Table {
    let mut table = Table::new([
        Column::new("SIZE").right(),
        Column::new("PROJECTS").right(),
        Column::new("USAGE").optional(),
        Column::new("OBJECT").wrapped(),
        Column::new("ID").optional(),
    ]);
    let most = objects.iter().map(|one| one.bytes).max().unwrap_or(0);
    for one in objects {
        let length = SizeBar::length(one.bytes, most);
        // An object that no project uses is what `devsh gc` is for.
        let bar = if one.projects == 0 {
            SizeBar {
                full: 0,
                light: length,
            }
        } else {
            SizeBar {
                full: length,
                light: 0,
            }
        };
        table.row([
            bytes(one.bytes).into(),
            one.projects.to_string().into(),
            bar.cell(),
            Cell::new(Role::Strong, &one.tool),
            Cell::new(Role::Dim, &one.id),
        ]);
    }
    table
}

/// A bar that compares sizes. Its light part is shared, or unused.
struct SizeBar {
    full: usize,
    light: usize,
}

impl SizeBar {
    const WIDTH: usize = 16;

    /// Returns the length of the bar for a size, if `most` fills the whole width.
    fn length(size: u64, most: u64) -> usize {
        let width = Self::WIDTH as u128;
        let length = (u128::from(size) * width).div_ceil(u128::from(most.max(1)));
        usize::try_from(length.min(width)).unwrap_or_default()
    }

    fn cell(&self) -> Cell {
        let full = Cell::new(Role::Hint, "█".repeat(self.full));
        full.and(Some(Role::Dim), "░".repeat(self.light))
    }
}

fn totals(usage: &DiskUsage) -> Table {
    let columns = [Column::new("").right(), Column::new("").wrapped()];
    let mut table = Table::new(columns).without_header();
    let shared = match usage.shared_bytes {
        0 => "in all".to_owned(),
        shared => format!("in all, {} of it shared by several projects", bytes(shared)),
    };
    table.row([bytes(usage.total_bytes).into(), shared.into()]);
    if usage.unused_bytes > 0 {
        let freed = match usage.freed_bytes {
            0 => "keeps it, as the settings say".to_owned(),
            freed if freed == usage.unused_bytes => "frees it".to_owned(),
            freed => format!("frees {} of it, as the settings say", bytes(freed)),
        };
        let text = format!("unused; `devsh gc` {freed}");
        table.row([bytes(usage.unused_bytes).into(), text.into()]);
    }
    table
}
