//! `devsh allow` and `devsh deny`: the user's decision about a project.

use std::collections::BTreeMap;

use crate::{
    manifest::ShellName,
    project::{
        approval::Standing,
        approval_summary::{self, Difference},
        watch,
    },
    report::{
        failure::{ExitStatus, Failure},
        ui::Role,
    },
    util::terminal_text::SafeText,
};

use super::sync;
use crate::{
    app::{background, fetch_extends, missing_vars, session::Work},
    report::hints,
    report::paths::display_path,
};

/// Shows what the project asks for, approves exactly that, and builds its dev shell.
pub fn allow(work: &Work<'_>) -> Result<(), Failure> {
    let project = work.project()?;
    let root = project.root().to_owned();
    if project.is_denied() {
        let name = display_path(work.context, &root);
        return Err(
            Failure::new(format!("`{name}` is denied by a rule of yours"))
                .hint("take it out of `deny` below `[trust]` in `config.toml`")
                .code(ExitStatus::NotAllowed),
        );
    }
    let standing = project
        .standing(&work.decisions)
        .map_err(|error| hints::file(&error))?;
    let before = work
        .decisions
        .approval(&root)
        .map_err(|error| hints::file(&error))?;
    let name = display_path(work.context, &root);
    if standing != Standing::Allowed && !project.layers().wanted.is_empty() {
        // What can be told without asking anybody comes first.
        let known = before.as_ref().map(|approval| &approval.facts);
        show(work, &project.facts(), known);
    }
    let project = fetch_extends::complete(work, project)?;
    if standing == Standing::Allowed {
        work.ui.note(&format!("{name} is allowed already"));
    } else {
        let known = before.map(|approval| approval.facts);
        show(work, &project.facts(), known.as_ref());
        for note in project.notes() {
            work.ui.note(&format!("{}: {}", note.origin, note.message));
        }
    }
    for one in missing_vars::missing(work.context, &project, &ShellName::dev()) {
        work.ui.warn(&one.to_string());
    }
    let project = project
        .allow(&work.decisions, work.context.now)
        .map_err(|error| hints::file(&error))?;
    advance(work)?;
    if standing != Standing::Allowed {
        work.ui.note(&format!("allowed {name}"));
    }
    sync::bring_up(work, &project, &[ShellName::dev()], sync::Mode::Foreground)?;
    Ok(())
}

/// Withdraws the approval and keeps the project out until it is allowed again.
pub fn deny(work: &Work<'_>) -> Result<(), Failure> {
    let place = work.place()?;
    work.decisions
        .deny(&place.root)
        .map_err(|error| hints::file(&error))?;
    if background::end(work.context, &place.root) {
        work.ui.note("ended the build that was under way");
    }
    advance(work)?;
    work.ui.note(&format!(
        "denied {}",
        display_path(work.context, &place.root)
    ));
    Ok(())
}

/// Makes every host shell look again at its next prompt.
pub fn advance(work: &Work<'_>) -> Result<(), Failure> {
    watch::advance_generation(&work.context.directories.state, work.context.now)
        .map_err(|error| hints::file(&error))
}

fn show(
    work: &Work<'_>,
    facts: &BTreeMap<String, String>,
    known: Option<&BTreeMap<String, String>>,
) {
    let nothing = BTreeMap::new();
    let differences = approval_summary::compare(known.unwrap_or(&nothing), facts);
    if known.is_some() && differences.is_empty() {
        work.ui
            .note("what it asks for is the same; only its text has changed");
    }
    // What can turn a value into code is seen before everything else.
    let (first, rest): (Vec<_>, Vec<_>) = differences
        .into_iter()
        .partition(|(name, _)| name.split(' ').any(|word| word == "grant"));
    for (name, difference) in first.into_iter().chain(rest) {
        let paint = |role, text: &str| work.ui.paint(role, text);
        let (sign, value) = match difference {
            Difference::Added(now) if known.is_none() => ("  ", paint(Role::Strong, &now)),
            Difference::Added(now) => ("+ ", paint(Role::Good, &now)),
            Difference::Removed(was) => ("- ", paint(Role::Error, &was)),
            Difference::Changed { before, after } => {
                let after = paint(Role::Good, &after);
                ("~ ", paint(Role::Error, &before).and(" → ").and(after))
            }
        };
        let name = paint(Role::Dim, &name);
        work.ui
            .line(SafeText::from(sign).and(name).and("  ").and(value));
    }
}
