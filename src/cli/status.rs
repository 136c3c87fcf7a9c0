//! `devsh status`: what is active here, what it is made of, and where it differs from the lockfile.

use std::{fmt::Write as _, path::PathBuf};

use serde::Serialize;

use crate::{
    activation::{record::Record, session::Session},
    failure::Failure,
    manifest::ShellName,
    project::{Project, locate::Kind, trust::Standing},
    ui::Role,
};

use super::{hints, lock, shown, tools, work::Work};

/// What is shown; the JSON form is part of the interface.
#[derive(Debug, Serialize)]
struct Status {
    root: PathBuf,
    /// `devshell.toml`, or the presets that apply.
    from: Vec<String>,
    standing: &'static str,
    /// The dev shell that this host shell has loaded here.
    loaded: Option<String>,
    shells: Vec<String>,
    lockfile: Option<PathBuf>,
    lockfile_fits: bool,
    environment: Option<String>,
    ready: bool,
    tools: Vec<tools::ToolStatus>,
    /// Why the tools cannot be told, if they cannot.
    problem: Option<String>,
}

/// Runs `devsh status`.
pub(super) fn run(work: &Work<'_>, json: bool) -> Result<(), Failure> {
    let project = work.project()?;
    let status = gather(work, &project)?;
    let text = if json {
        let text = serde_json::to_string_pretty(&status);
        text.map_err(|error| Failure::new(format!("cannot write JSON: {error}")))? + "\n"
    } else {
        render(work, &status)
    };
    super::print(work.ui, text.as_bytes())
}

fn gather(work: &Work<'_>, project: &Project) -> Result<Status, Failure> {
    let session = Session::from_env(&work.context.env);
    let loaded = session
        .and_then(|session| session.project)
        .filter(|(root, _)| root == project.root());
    let shell = loaded
        .as_ref()
        .map_or_else(ShellName::dev, |(_, shell)| shell.clone());
    let standing = project
        .standing(&work.decisions)
        .map_err(|error| hints::file(&error))?;
    let path = work.lock_path(&project.place);
    let name = shown(work.context, &path);
    let record = Record::fresh(
        &work.context.directories.state,
        project.root(),
        &shell,
        work.context.now,
    );
    // What is wrong with one part must not hide the others.
    let (tools, problem) = match tools::rows(work.context, project, &shell) {
        Ok(tools) => (tools, None),
        Err(failure) => (Vec::new(), Some(failure.error)),
    };
    Ok(Status {
        root: project.root().to_owned(),
        from: match project.place.kind {
            Kind::Prepared => vec![crate::project::locate::MANIFEST.to_owned()],
            Kind::Detected => project
                .presets()
                .iter()
                .map(|name| format!("preset {name}"))
                .collect(),
        },
        standing: match standing {
            Standing::Allowed => "allowed",
            Standing::Changed => "changed since it was allowed",
            Standing::Unknown => "not allowed",
            Standing::Denied => "denied",
        },
        loaded: loaded.map(|(_, shell)| shell.to_string()),
        shells: project
            .preview()
            .shells
            .keys()
            .map(ToString::to_string)
            .collect(),
        lockfile_fits: matches!(lock::fitting(&path, &name, project.preview()), Ok(Some(_))),
        lockfile: path.exists().then_some(path),
        environment: record
            .as_ref()
            .map(|record| record.content.environment.clone()),
        ready: record.is_some(),
        tools,
        problem,
    })
}

fn render(work: &Work<'_>, status: &Status) -> String {
    let style = work.ui.out_style();
    let mut text = String::new();
    let mut row = |label: &str, value: &str| {
        let label = style.paint(Role::Dim, &format!("{label:<12}"));
        // Writing to a string cannot fail.
        let _written = writeln!(text, "{label} {}", crate::ui::escape(value));
    };
    row(
        "project",
        &format!(
            "{} ({})",
            shown(work.context, &status.root),
            status.from.join(", ")
        ),
    );
    row("trust", status.standing);
    row(
        "loaded",
        status.loaded.as_deref().unwrap_or("nothing in this shell"),
    );
    row("dev shells", &status.shells.join(", "));
    row(
        "lockfile",
        &match (&status.lockfile, status.lockfile_fits) {
            (None, _) => "none yet".to_owned(),
            (Some(path), true) => shown(work.context, path),
            (Some(path), false) => {
                format!("{} does not fit the manifest", shown(work.context, path))
            }
        },
    );
    row(
        "environment",
        status.environment.as_deref().unwrap_or("not built"),
    );
    for tool in &status.tools {
        row("tool", &tool.to_string());
    }
    if let Some(problem) = &status.problem {
        row("problem", problem);
    }
    text
}
