//! `devsh status`: what is active here, what it is made of, what is being built, and what to do next.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{
    context::Context,
    env::pathlist,
    manifest::{ShellName, presets},
    project::{Project, approval::Standing, locate::ProjectKind},
    prompt::{record::Record, session_var::Session},
    report::{
        failure::Failure,
        ui::{Role, Style},
    },
    util::{terminal_text::SafeText, vars},
};

use super::lock;
use crate::{
    app::{
        background::{Failed, Traces},
        missing_vars::{self, Missing},
        session::Work,
        tool_report,
    },
    report::hints,
    report::paths::display_path,
};

mod building;

use building::Building;

/// What is shown; the JSON form is part of the interface, see `docs/reference/status.md`.
#[derive(Debug, Serialize)]
struct Status {
    root: PathBuf,
    /// `devshell.toml`, or the presets that apply.
    from: Vec<String>,
    standing: &'static str,
    /// The dev shell that is described: the loaded one, else `dev`.
    shell: String,
    /// The dev shell that this host shell has loaded here.
    loaded: Option<String>,
    /// Whether what is loaded is no longer in the store.
    gone: bool,
    shells: Vec<String>,
    lockfile: Option<PathBuf>,
    lockfile_fits: bool,
    environment: Option<String>,
    ready: bool,
    building: Option<Building>,
    failed: Option<LastFailure>,
    tools: Vec<tool_report::ToolStatus>,
    /// Variables that the dev shell needs and this host shell does not have.
    missing: Vec<Missing>,
    /// What was seen in the project's files and has no effect.
    notes: Vec<Note>,
    /// Why the tools cannot be told, if they cannot.
    problem: Option<String>,
}

/// How the last background build failed.
#[derive(Debug, Serialize)]
struct LastFailure {
    error: String,
    hint: Option<String>,
    log: PathBuf,
}

/// Something without effect.
#[derive(Debug, Serialize)]
struct Note {
    place: String,
    message: String,
}

impl From<&presets::PresetNote> for Note {
    fn from(note: &presets::PresetNote) -> Self {
        Self {
            place: note.origin.to_string(),
            message: note.message.clone(),
        }
    }
}

/// Runs `devsh status`.
pub fn run(work: &Work<'_>, json: bool) -> Result<(), Failure> {
    let mut project = work.project()?;
    let loaded = Session::from_env(&work.context.env).and_then(|session| session.project);
    if let Some((_, shell)) = loaded.filter(|(root, _)| root == project.root()) {
        // Several at once are described as they are loaded.
        let several = (!shell.is_single()).then(|| project.clone().with_shell(&shell).ok());
        project = several.flatten().unwrap_or(project);
    }
    let status = gather(work, &project)?;
    if json {
        return crate::cli::print_json(work.ui, &status);
    }
    crate::cli::list(work.ui, &render(work, &status))?;
    if let Some(next) = next(work, &status) {
        work.ui.hint(&next);
    }
    Ok(())
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
    let state = &work.context.directories.state;
    let record = Record::fresh(state, project.root(), &shell, work.context.now);
    // What is wrong with one part must not hide the others.
    let (tools, problem) = match tool_report::rows(work.context, project, &shell) {
        Ok(tools) => (tools, None),
        Err(failure) => (Vec::new(), Some(failure.error)),
    };
    let traces = Traces::new(work.context, project.root());
    let failed = traces.failed(&shell).filter(|_| record.is_none());
    let log = traces.log(&shell);
    Ok(Status {
        root: project.root().to_owned(),
        from: match project.place.kind {
            ProjectKind::Prepared => vec![crate::project::locate::MANIFEST.to_owned()],
            ProjectKind::Detected => project
                .presets()
                .iter()
                .map(|name| format!("preset {name}"))
                .collect(),
        },
        standing: words(standing),
        shell: shell.to_string(),
        gone: loaded.is_some() && is_gone(work.context),
        loaded: loaded.map(|(_, shell)| shell.to_string()),
        shells: project
            .preview()
            .shells
            .keys()
            .map(ToString::to_string)
            .collect(),
        lockfile_fits: matches!(lock::fitting(work.context, project), Ok(Some(_))),
        lockfile: path.exists().then_some(path),
        environment: record
            .as_ref()
            .map(|record| record.content.environment.clone()),
        ready: record.is_some(),
        building: traces
            .running()
            .map(|live| Building::new(&live, work.context.now)),
        failed: failed.map(|Failed { error, hint, .. }| LastFailure { error, hint, log }),
        tools,
        missing: missing_vars::missing(work.context, project, &shell),
        notes: project.notes().iter().map(Note::from).collect(),
        problem,
    })
}

/// Whether a directory of devsh's own that is on `PATH` is no longer there.
fn is_gone(context: &Context) -> bool {
    let path = context.env.get(vars::PATH).unwrap_or_default();
    let own = pathlist::split(path).map(Path::new);
    let mut own = own.filter(|entry| entry.starts_with(&context.directories.data));
    own.any(|entry| !entry.is_dir())
}

const fn words(standing: Standing) -> &'static str {
    match standing {
        Standing::Allowed => "allowed",
        Standing::Changed => "changed since it was allowed",
        Standing::Unknown => "not allowed",
        Standing::Denied => "denied",
    }
}

/// The listing: a label, and what it says.
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

fn render(work: &Work<'_>, status: &Status) -> SafeText {
    let mut rows = Rows {
        style: work.ui.out_style(),
        text: SafeText::default(),
    };
    let root = display_path(work.context, &status.root);
    let from = status.from.join(", ");
    rows.row("project", Some(Role::Strong), &format!("{root} ({from})"));
    let trusted = (status.standing == "allowed").then_some(Role::Good);
    rows.row("trust", trusted.or(Some(Role::Warning)), status.standing);
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
        (Some(path), true) => rows.row("lockfile", None, &display_path(work.context, path)),
        (Some(path), false) => {
            let text = format!(
                "{} does not fit the manifest",
                display_path(work.context, path)
            );
            rows.row("lockfile", Some(Role::Warning), &text);
        }
    }
    let environment = status.environment.as_deref();
    rows.row("environment", None, environment.unwrap_or("not built"));
    if let Some(building) = &status.building {
        rows.row("building", Some(Role::Hint), &building.heading());
        for item in building.lines() {
            rows.row("", None, &item);
        }
    } else if let Some(failed) = &status.failed {
        rows.row("build failed", Some(Role::Error), &failed.error);
        rows.row("log", None, &display_path(work.context, &failed.log));
    }
    tool_report::table(&status.tools, |row| rows.row("tool", None, &row));
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

/// What the user would do next, if there is anything to be done.
fn next(work: &Work<'_>, status: &Status) -> Option<String> {
    let command = |words: &str| work.command(words);
    match status.standing {
        "allowed" => {}
        "denied" => return Some(format!("`{}` allows it after all", command("allow"))),
        _ => return Some(format!("review and approve it with `{}`", command("allow"))),
    }
    if let Some(building) = &status.building {
        return Some(building.hint(&command("sync")));
    }
    if let Some(failed) = &status.failed {
        let own = failed.hint.clone();
        return Some(own.unwrap_or_else(|| format!("`{}` tries it again", command("sync"))));
    }
    if !status.lockfile_fits && status.problem.is_none() {
        // A repository without a manifest stays as it is: its lockfile is devsh's own.
        let prepared = status.from == [crate::project::locate::MANIFEST];
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
