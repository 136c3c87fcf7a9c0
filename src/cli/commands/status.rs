//! `devsh status`

use crate::{
    app::{
        project_status::{ProjectStatus, project_status, standing_words},
        running_build::{BuildItem, BuildStep, RunningBuild},
        session::Session,
        tool_status::ToolStatus,
    },
    config::units::bytes,
    project::{approval::ApprovalState, locate::MANIFEST},
    report::{
        failure::Failure,
        style::{Role, Style},
        ui::Ui,
    },
    util::terminal_text::SafeText,
};

pub fn run(session: &Session<'_>, ui: &Ui, json: bool) -> Result<(), Failure> {
    let status = project_status(session)?;
    if json {
        return ui.json(&status);
    }
    ui.listing(&render(session, ui, &status))?;
    if let Some(next) = next(session, &status) {
        ui.hint(&next);
    }
    Ok(())
}

/// The listing: labels with values.
struct Rows {
    style: Style,
    text: SafeText,
}

impl Rows {
    fn row(&mut self, label: &str, role: Option<Role>, value: &str) {
        let label = self.style.paint(Role::Dim, format!("{label:<12}"));
        let value = SafeText::from(value);
        let value = role.map_or_else(|| value.clone(), |role| self.style.paint(role, &value));
        self.text.push(label.and(" ").and(value));
        self.text.end_line();
    }
}

fn render(session: &Session<'_>, ui: &Ui, status: &ProjectStatus) -> SafeText {
    let mut rows = Rows {
        style: ui.out_style(),
        text: SafeText::default(),
    };
    let root = session.display(&status.root);
    let from = status.from.join(", ");
    rows.row("project", Some(Role::Strong), &format!("{root} ({from})"));
    let role = if status.standing == ApprovalState::Allowed {
        Role::Good
    } else {
        Role::Warning
    };
    rows.row("trust", Some(role), standing_words(status.standing));
    match &status.loaded {
        None => rows.row("loaded", None, "nothing in this shell"),
        Some(shell) if status.gone => {
            let text = format!("{shell}, and it is no longer in the store");
            rows.row("loaded", Some(Role::Error), &text);
        }
        Some(shell) => rows.row("loaded", None, shell),
    }
    rows.row("dev shells", None, &status.shells.join(", "));
    match (&status.lockfile, status.lockfile_fits) {
        (None, true) => rows.row("lockfile", None, "none needed"),
        (None, false) => rows.row("lockfile", None, "none yet"),
        (Some(path), true) => rows.row("lockfile", None, &session.display(path)),
        (Some(path), false) if status.standing != ApprovalState::Allowed => {
            let text = format!(
                "{} is read after you allow the project",
                session.display(path)
            );
            rows.row("lockfile", None, &text);
        }
        (Some(path), false) => {
            let text = format!("{} does not fit the manifest", session.display(path));
            rows.row("lockfile", Some(Role::Warning), &text);
        }
    }
    let environment = status.environment.as_deref();
    rows.row("environment", None, environment.unwrap_or("not built"));
    if let Some(building) = &status.building {
        rows.row("building", Some(Role::Hint), &build_heading(building));
        for item in build_lines(building) {
            rows.row("", None, &item);
        }
    } else if let Some(failed) = &status.failed {
        rows.row("build failed", Some(Role::Error), &failed.error);
        rows.row("log", None, &session.display(&failed.log));
    }
    for line in tool_lines(&status.tools) {
        rows.row("tool", None, &line);
    }
    for one in &status.missing {
        let role = if one.required {
            Role::Error
        } else {
            Role::Warning
        };
        rows.row("missing", Some(role), &one.to_string());
    }
    for note in &status.notes {
        rows.row("unused", None, &format!("{}: {}", note.place, note.message));
    }
    if let Some(problem) = &status.problem {
        rows.row("problem", Some(Role::Error), problem);
    }
    rows.text
}

/// Returns an aligned line for each tool: name, version, and the place that requests it.
fn tool_lines(tools: &[ToolStatus]) -> Vec<String> {
    let width = |length: fn(&ToolStatus) -> usize| tools.iter().map(length).max().unwrap_or(0);
    let name = width(|tool| tool.name.chars().count());
    let version = width(|tool| tool.version().chars().count());
    let line = |tool: &ToolStatus| {
        format!(
            "{:<name$}  {:<version$}  {}",
            tool.name,
            tool.version(),
            tool.remarks()
        )
    };
    tools.iter().map(line).collect()
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
        let phase = phase.as_deref().unwrap_or("downloading");
        let far = match total {
            Some(total) if done < total => format!(
                "{phase}  {:>3} %  {} of {}",
                part.percent.unwrap_or_default(),
                bytes(*done),
                bytes(*total)
            ),
            None if *done > 0 => format!("{phase}  {}", bytes(*done)),
            // Steps after the last byte, such as unpacking, have no measure.
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
    if let Some(building) = &status.building {
        return Some(build_hint(building, &command("sync")));
    }
    if let Some(failed) = &status.failed {
        let own = failed.hint.clone();
        return Some(own.unwrap_or_else(|| format!("`{}` tries it again", command("sync"))));
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
                phase: Some("unpacking".to_owned()),
                ..BuildStep::default()
            },
            BuildStep {
                name: "ruff 0.12.4".to_owned(),
                done: 5 << 20,
                total: Some(20 << 20),
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
                "ruff 0.12.4    downloading   25 %  5.0 MiB of 20.0 MiB"
            ]
        );
        let json = serde_json::to_value(&building).unwrap();
        assert_eq!(json["items"][1]["percent"], 25);
        assert_eq!(json["items"][0]["percent"], serde_json::Value::Null);
    }
}
