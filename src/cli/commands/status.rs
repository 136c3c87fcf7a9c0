//! `devsh status`

use crate::{
    app::{
        package_status::PackageStatus,
        project_status::{ProjectStatus, project_status, standing_words},
        running_build::{BuildItem, BuildStep, RunningBuild},
        session::Session,
        store_changes,
        tool_status::ToolStatus,
    },
    config::units::{bytes, span},
    project::{approval::ApprovalState, locate::MANIFEST},
    prompt::record::MissingPart,
    report::{
        failure::Failure,
        style::Role,
        table::{Cell, Column, Table},
        ui::Ui,
    },
    util::word_lists::join_first,
};

/// The most notes that are shown without `--verbose`.
const SHOWN_NOTES: usize = 3;
/// The most missing parts with one reason that are named.
const SHOWN_PARTS: usize = 4;

pub fn run(session: &Session<'_>, ui: &Ui, json: bool) -> Result<(), Failure> {
    let status = project_status(session)?;
    if json {
        return ui.json(&status);
    }
    let mut listing = table(session, ui, &status).render(ui.layout());
    if ui.is_verbose() && !status.tools.is_empty() {
        listing.end_line();
        listing.push(tool_table(&status.tools).render(ui.layout()));
    }
    ui.listing(&listing)?;
    if let Some(next) = next(session, &status) {
        ui.hint(&next);
    }
    Ok(())
}

fn table(session: &Session<'_>, ui: &Ui, status: &ProjectStatus) -> Table {
    let mut table = Table::labels();
    let root = session.display(&status.root);
    let from = format!(" ({})", status.from.join(", "));
    table.label("project", Cell::new(Role::Strong, root).and(None, from));
    let role = if status.standing == ApprovalState::Allowed {
        Role::Good
    } else {
        Role::Warning
    };
    table.label("trust", Cell::new(role, standing_words(status.standing)));
    table.label("loaded", loaded(session, status));
    table.label("dev shells", status.shells.join(", "));
    table.label("lockfile", lockfile(session, ui, status));
    table.label("environment", environment(ui, status));
    if !status.unapproved.is_empty() {
        let names = status.unapproved.join(", ");
        table.label("not allowed", Cell::new(Role::Warning, names));
    }
    if let Some(building) = &status.building {
        table.label("building", Cell::new(Role::Hint, build_heading(building)));
        for item in build_lines(building) {
            table.label("", item);
        }
    } else if let Some(failed) = &status.failed {
        table.label("build failed", Cell::new(Role::Error, &failed.error));
        if failed.log.exists() {
            table.label("log", session.display(&failed.log));
        }
    }
    if !ui.is_verbose() && !status.tools.is_empty() {
        table.label("tools", tools_in_short(&status.tools));
    }
    if let Some(packages) = &status.packages {
        table.label("packages", packages_in_short(packages));
    }
    for tool in &status.tools {
        if let Some(host) = &tool.host {
            let version = tool.version();
            let place = session.display(host);
            let mut text = format!("{} {version} is `{place}`", tool.name);
            if let Some(locked) = tool.locked.as_deref().filter(|locked| *locked != version) {
                text = format!("{text}; the lockfile has {locked}");
            }
            table.label("from host", Cell::new(Role::Warning, text));
        }
    }
    for changed in &status.changed_objects {
        let object = session.display(&changed.object);
        let text = format!("`{}` in `{object}`, by another program", changed.path);
        table.label("changed", Cell::new(Role::Error, text));
    }
    if !status.changed_objects.is_empty() {
        table.label("", store_changes::REPAIR);
    }
    for (parts, first) in by_reason(&status.missing_parts) {
        let text = format!("{}: {}", names_in_short(&parts), first.reason);
        if first.is_left_out {
            table.label("left out", Cell::new(Role::Warning, text));
        } else {
            table.label("missing", Cell::new(Role::Error, text));
        }
        if let Some(hint) = &first.hint {
            table.label("", hint.as_str());
        }
    }
    if let Some(seconds) = status.retry_in {
        table.label("next try", format!("by itself in {}", span(seconds)));
    }
    for one in &status.missing {
        let role = if one.required {
            Role::Error
        } else {
            Role::Warning
        };
        table.label("missing", Cell::new(role, one.to_string()));
    }
    let shown = if ui.is_verbose() {
        status.notes.len()
    } else {
        SHOWN_NOTES
    };
    for note in status.notes.iter().take(shown) {
        table.label("note", format!("{}: {}", note.place, note.message));
    }
    if status.notes.len() > shown {
        let more = status.notes.len() - shown;
        let verbose = session.command("status --verbose");
        table.label("", format!("and {more} more: `{verbose}` shows them"));
    }
    if let Some(problem) = &status.problem {
        table.label("problem", Cell::new(Role::Error, problem));
    }
    table
}

/// Returns the missing parts with the same reason together, each group with its first part.
fn by_reason(parts: &[MissingPart]) -> Vec<(Vec<&MissingPart>, &MissingPart)> {
    let mut groups: Vec<(Vec<&MissingPart>, &MissingPart)> = Vec::new();
    for part in parts {
        let known = groups.iter_mut().find(|(_, first)| {
            first.reason == part.reason && first.is_left_out == part.is_left_out
        });
        match known {
            Some((group, _)) => group.push(part),
            None => groups.push((vec![part], part)),
        }
    }
    groups
}

fn names_in_short(parts: &[&MissingPart]) -> String {
    let names: Vec<&str> = parts.iter().map(|part| &*part.name).collect();
    join_first(&names, SHOWN_PARTS)
}

fn environment(ui: &Ui, status: &ProjectStatus) -> Cell {
    let Some(id) = &status.environment else {
        return "not built".into();
    };
    let built = Cell::new(Role::Good, "built");
    if ui.is_verbose() {
        built.and(Some(Role::Dim), format!(" ({id})"))
    } else {
        built
    }
}

fn loaded(session: &Session<'_>, status: &ProjectStatus) -> Cell {
    match &status.loaded {
        None => match &status.loaded_elsewhere {
            None => "nothing in this shell".into(),
            Some(other) => format!("{} of {}", other.shell, session.display(&other.root)).into(),
        },
        Some(shell) if status.gone => {
            let text = format!("{shell}, and it is no longer in the store");
            Cell::new(Role::Error, text)
        }
        Some(shell) => shell.into(),
    }
}

fn lockfile(session: &Session<'_>, ui: &Ui, status: &ProjectStatus) -> Cell {
    let Some(path) = &status.lockfile else {
        let none = if status.lockfile_fits {
            "none needed"
        } else {
            "none yet"
        };
        return none.into();
    };
    // A project without a manifest has its lockfile in devsh's own state, below a digest.
    let is_kept = !path.starts_with(&status.root);
    let path = if is_kept && !ui.is_verbose() {
        "kept by devsh".to_owned()
    } else {
        session.display(path)
    };
    if status.lockfile_fits {
        path.into()
    } else if status.standing == ApprovalState::Allowed {
        let and = if is_kept { ", and" } else { "" };
        let text = format!("{path}{and} does not fit the files of the project");
        Cell::new(Role::Warning, text)
    } else {
        format!("{path} is read after you allow the project").into()
    }
}

/// Returns the tools with their versions, or with the requirements of those that are not locked.
fn tools_in_short(tools: &[ToolStatus]) -> Cell {
    let mut cell = Cell::default();
    for (at, tool) in tools.iter().enumerate() {
        let text = match tool.version.as_ref().or(tool.locked.as_ref()) {
            Some(version) => format!("{} {version}", tool.name),
            None => format!("{} {} (not locked)", tool.name, tool.requirement),
        };
        let separator = if at == 0 { "" } else { ", " };
        cell = cell.and(None, separator).and(None, text);
    }
    cell
}

/// Returns the number of the Python packages, their lockfile, and the groups and extras that are chosen.
fn packages_in_short(packages: &PackageStatus) -> String {
    let PackageStatus {
        lockfile,
        groups,
        extras,
        count,
        installs_project,
    } = packages;
    let parts = [("groups", groups), ("extras", extras)];
    let parts = parts.iter().filter(|(_, names)| !names.is_empty());
    let parts = parts.map(|(kind, names)| format!(", {kind} {}", names.join(" ")));
    let parts: String = parts.collect();
    let lockfile = lockfile.display();
    if *count == 0 && *installs_project {
        return format!("the project itself ({lockfile}){parts}");
    }
    format!("{count} of {lockfile}{parts}")
}

/// Returns a row for each tool, with its requirement and the place of that.
fn tool_table(tools: &[ToolStatus]) -> Table {
    let mut table = Table::new([
        Column::new("TOOL"),
        Column::new("VERSION"),
        Column::new("ASKED FOR").wrapped(),
        Column::new("PLACE").wrapped(),
    ]);
    for tool in tools {
        table.row([
            Cell::new(Role::Strong, &tool.name),
            tool.version().into(),
            (&tool.requirement).into(),
            Cell::new(Role::Dim, &tool.place),
        ]);
    }
    table
}

/// Returns the dev shells, the kind and the duration of a build.
fn build_heading(build: &RunningBuild) -> String {
    // A build that still looks up versions has no process number yet.
    if build.process == 0 {
        return "has begun".to_owned();
    }
    let place = if build.background {
        "in the background"
    } else {
        "by a command"
    };
    let (shells, seconds) = (build.shells.join(", "), build.seconds);
    format!(
        "{shells} {place} for {seconds} s (process {})",
        build.process
    )
}

/// Returns a line for each item of a build.
fn build_lines(build: &RunningBuild) -> Vec<String> {
    let width = build.items.iter().map(|part| part.item.name.len()).max();
    let line = |part: &BuildItem| {
        let BuildStep {
            name,
            phase,
            done,
            total,
        } = &part.item;
        // In front of its name, a step is `building app of`.
        let phase = phase.strip_suffix(" of").unwrap_or(phase);
        let far = match total {
            Some(total) if done < total => format!(
                "{phase}  {:>3} %  {} of {}",
                part.percent.unwrap_or_default(),
                bytes(*done),
                bytes(*total)
            ),
            None if *done > 0 => format!("{phase}  {}", bytes(*done)),
            _ => phase.to_owned(),
        };
        format!("{name:<0$}  {far}", width.unwrap_or_default())
    };
    build.items.iter().map(line).collect()
}

/// Returns what the user can do during a build.
fn build_hint(build: &RunningBuild, sync: &str) -> String {
    if build.background {
        format!("it is loaded at your next prompt once it is ready; `{sync}` waits for it")
    } else {
        format!("`{sync}` waits for it")
    }
}

/// Returns the next step for the user, if there is one.
fn next(session: &Session<'_>, status: &ProjectStatus) -> Option<String> {
    let command = |words: &str| session.command(words);
    match status.standing {
        ApprovalState::Allowed => {}
        ApprovalState::Denied => {
            return Some(format!("`{}` allows it after all", command("allow")));
        }
        ApprovalState::Changed | ApprovalState::Unknown => {
            return Some(format!("review and approve it with `{}`", command("allow")));
        }
    }
    if !status.unapproved.is_empty() {
        return Some(format!(
            "review and approve them with `{}`",
            command("allow")
        ));
    }
    if let Some(building) = &status.building {
        return Some(build_hint(building, &command("sync")));
    }
    if let Some(failed) = &status.failed {
        let own = failed.hint.clone();
        return Some(own.unwrap_or_else(|| format!("`{}` tries it again", command("sync"))));
    }
    // `devsh sync` retries only parts that need nothing from the user first.
    let is_retried = |part: &MissingPart| !part.is_left_out && part.hint.is_none();
    if status.missing_parts.iter().any(is_retried) {
        return Some(format!("`{}` tries it again", command("sync")));
    }
    if !status.lockfile_fits && status.problem.is_none() {
        // Without a manifest, the lockfile is in devsh's own state.
        let prepared = status.from == [MANIFEST];
        return Some(if prepared {
            format!("`{}` brings the lockfile up to date", command("lock"))
        } else {
            format!("`{}` locks and builds it", command("sync"))
        });
    }
    if !status.ready && status.problem.is_none() {
        return Some(format!("`{}` builds it", command("sync")));
    }
    let missing = status.missing.iter().find(|one| one.required);
    missing.map(|one| format!("set `{}` in your own shell: {}", one.name, one.help))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::builder::build_progress::BuildProgress;

    #[test]
    fn a_running_build_shows_items_amounts_and_time() {
        let now = UNIX_EPOCH + Duration::from_secs(50);
        let mut live = BuildProgress::begin(vec!["dev".to_owned()], true, now);
        live.process = 7;
        live.items = vec![
            BuildStep {
                name: "python 3.12.4".to_owned(),
                phase: "unpacking".to_owned(),
                ..BuildStep::default()
            },
            BuildStep {
                name: "ruff 0.12.4".to_owned(),
                phase: "downloading".to_owned(),
                done: 5 << 20,
                total: Some(20 << 20),
            },
            BuildStep {
                name: "the project".to_owned(),
                phase: "building app of".to_owned(),
                ..BuildStep::default()
            },
        ];
        let building = RunningBuild::new(&live, now + Duration::from_secs(12));
        assert_eq!(
            build_heading(&building),
            "dev in the background for 12 s (process 7)"
        );
        assert_eq!(
            build_lines(&building),
            [
                "python 3.12.4  unpacking",
                "ruff 0.12.4    downloading   25 %  5.0 MiB of 20.0 MiB",
                "the project    building app"
            ]
        );
        let json = serde_json::to_value(&building).unwrap();
        assert_eq!(json["items"][1]["percent"], 25);
        assert_eq!(json["items"][0]["percent"], serde_json::Value::Null);
    }
}
