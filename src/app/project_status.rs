//! The state of a project and its dev shell: what is loaded, its tools, and a running build.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::{Serialize, Serializer};

use crate::{
    builder::BuiltShell,
    context::Context,
    env::pathlist,
    manifest::{ShellName, presets},
    package::PackageName,
    project::{
        Project,
        approval::ApprovalState,
        locate::{MANIFEST, ProjectKind},
        lock_path,
    },
    prompt::{
        record::{MissingPart, Record},
        session_var,
    },
    report::failure::Failure,
    util::vars,
};

use super::{
    build_files::{BuildFailure, BuildTraces},
    build_record,
    build_request::BuildInputs,
    lockfiles::joined_lockfile,
    missing_vars::{self, UnsetVariable},
    node_packages::describe_missing_packages,
    package_status::{ChosenPackages, PackageStatus},
    programs, python_packages,
    running_build::RunningBuild,
    session::Session,
    store_changes::{self, ChangedObject},
    tool_status::{ToolStatus, tool_status},
};

/// The state of a project and its dev shell. The JSON form is part of the interface.
#[derive(Debug, Serialize)]
pub struct ProjectStatus {
    pub root: PathBuf,
    /// `devshell.toml`, or the presets that apply.
    pub from: Vec<String>,
    #[serde(serialize_with = "serialize_standing")]
    pub standing: ApprovalState,
    /// The described dev shell: the loaded one, else `dev`.
    pub shell: String,
    /// The dev shell that this host shell has loaded here.
    pub loaded: Option<String>,
    /// The dev shell of another project that this host shell still has loaded.
    pub loaded_elsewhere: Option<ForeignShell>,
    /// True if the loaded dev shell was removed from the store.
    pub gone: bool,
    pub shells: Vec<String>,
    pub lockfile: Option<PathBuf>,
    pub lockfile_fits: bool,
    pub environment: Option<String>,
    pub ready: bool,
    /// Programs, packages and sources that the build brought and that the user has not approved: nothing is loaded with
    /// them.
    pub unapproved: Vec<String>,
    pub building: Option<RunningBuild>,
    pub failed: Option<LastFailure>,
    /// The seconds until devsh builds the failed parts again.
    pub retry_in: Option<u64>,
    pub tools: Vec<ToolStatus>,
    /// The Python packages, if the dev shell has any and they are locked.
    pub packages: Option<PackageStatus>,
    /// Objects of the dev shell that another program changed.
    pub changed_objects: Vec<ChangedObject>,
    /// Parts that the dev shell lacks.
    pub missing_parts: Vec<MissingPart>,
    /// Variables that the dev shell needs and this host shell lacks.
    pub missing: Vec<UnsetVariable>,
    /// Settings in the project's files that have no effect.
    pub notes: Vec<StatusNote>,
    /// The reason, if the tools are unknown.
    pub problem: Option<String>,
}

/// A dev shell of another project.
#[derive(Debug, Serialize)]
pub struct ForeignShell {
    pub root: PathBuf,
    pub shell: String,
}

/// The failure of the last background build.
#[derive(Debug, Serialize)]
pub struct LastFailure {
    pub error: String,
    pub hint: Option<String>,
    pub log: PathBuf,
}

/// A setting without effect.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct StatusNote {
    pub place: String,
    pub message: String,
}

impl From<&presets::PresetNote> for StatusNote {
    fn from(note: &presets::PresetNote) -> Self {
        Self {
            place: note.origin.to_string(),
            message: note.message.clone(),
        }
    }
}

/// Returns the words of a standing, in listings and in JSON.
pub const fn standing_words(standing: ApprovalState) -> &'static str {
    match standing {
        ApprovalState::Allowed => "allowed",
        ApprovalState::Changed => "changed since it was allowed",
        ApprovalState::Unknown => "not allowed",
        ApprovalState::Denied => "denied",
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn serialize_standing<S: Serializer>(
    standing: &ApprovalState,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(standing_words(*standing))
}

/// Returns the state of the project in the working directory.
pub fn project_status(session: &Session<'_>) -> Result<ProjectStatus, Failure> {
    let mut project = session.project()?;
    let host = session_var::ShellSession::from_env(
        &session.context.shell_env,
        &session.context.session_key,
    );
    let (mut loaded, mut loaded_elsewhere) = (None, None);
    match host.and_then(|host| host.project) {
        Some((root, shell)) if root == project.root() => loaded = Some(shell),
        other => {
            loaded_elsewhere = other.map(|(root, shell)| ForeignShell {
                root,
                shell: shell.to_string(),
            });
        }
    }
    if let Some(shell) = loaded.as_ref().filter(|shell| !shell.is_single()) {
        // A combination of dev shells is described as it was loaded.
        project = project.clone().with_shell(shell).unwrap_or(project);
    }
    Ok(gather(session, &project, loaded, loaded_elsewhere))
}

fn gather(
    session: &Session<'_>,
    project: &Project,
    loaded: Option<ShellName>,
    loaded_elsewhere: Option<ForeignShell>,
) -> ProjectStatus {
    let shell = loaded.clone().unwrap_or_else(ShellName::dev);
    let standing = project.standing();
    let path = lock_path(&project.place, &session.context.directories.state);
    let state = &session.context.directories.state;
    let record = Record::fresh(state, project.root(), &shell, session.context.now);
    // A problem of one part must not hide the others.
    let (tools, problem) = match tool_status(session, project, &shell) {
        Ok(tools) => (tools, None),
        Err(failure) => (Vec::new(), Some(failure.error)),
    };
    let joined = project
        .is_complete()
        .then(|| joined_lockfile(session, project).ok())
        .flatten();
    let packages = joined.as_ref().and_then(|joined| {
        let content = project.preview().shells.get(&shell)?;
        ChosenPackages::of(session, project, content, &joined.lockfile)
    });
    let traces = BuildTraces::new(session.context, project.root());
    let mut unapproved = Vec::new();
    let environment = match &record {
        Some(record) => Some(record.content.environment.clone()),
        None => built_environment(session, project, &shell).map(|(inputs, found)| {
            let new = programs::unapproved(session, project, &inputs, &found);
            unapproved.extend(new.iter().flatten().map(ToString::to_string));
            found.id.to_string()
        }),
    };
    let failed = traces.failed(&shell).filter(|_| environment.is_none());
    let log = traces.log(&shell);
    let now = session.context.now;
    let retry_in = match &record {
        Some(record) => record.retry.map(|retry| retry.wait(now)),
        None => failed.as_ref().and_then(|failed| failed.wait(now)),
    };
    let left_out = joined
        .as_ref()
        .map(|joined| python_packages::left_out_packages(&joined.lockfile));
    ProjectStatus {
        root: project.root().to_owned(),
        from: match project.place.kind {
            ProjectKind::Prepared => vec![MANIFEST.to_owned()],
            ProjectKind::Detected => project
                .presets()
                .iter()
                .map(|name| format!("preset {name}"))
                .collect(),
        },
        standing,
        shell: shell.to_string(),
        gone: loaded.is_some() && is_gone(session.context),
        loaded: loaded.map(|shell| shell.to_string()),
        loaded_elsewhere,
        shells: project
            .preview()
            .shells
            .keys()
            .map(ToString::to_string)
            .collect(),
        lockfile_fits: joined.as_ref().is_some_and(|joined| joined.fits),
        packages: packages.as_ref().map(ChosenPackages::status),
        lockfile: path.exists().then_some(path),
        ready: environment.is_some() && unapproved.is_empty(),
        environment,
        unapproved,
        changed_objects: store_changes::changed_objects(session, project, &shell),
        missing_parts: record
            .map(|record| record.content.missing)
            .unwrap_or_default(),
        building: traces
            .running()
            .map(|live| RunningBuild::new(&live, session.context.now)),
        failed: failed.map(|BuildFailure { error, hint, .. }| LastFailure { error, hint, log }),
        retry_in,
        tools,
        missing: missing_vars::missing(session.context, project, &shell),
        notes: status_notes(
            session,
            project,
            &left_out.unwrap_or_default(),
            packages.as_ref(),
        ),
        problem,
    }
}

/// Returns the environment that a prompt would load without a build although it has no record yet, as after a change of
/// files without a new meaning.
fn built_environment<'a>(
    session: &Session<'_>,
    project: &'a Project,
    shell: &'a ShellName,
) -> Option<(BuildInputs<'a>, BuiltShell)> {
    let is_allowed = project.standing() == ApprovalState::Allowed && project.is_complete();
    let shell = Some(shell).filter(|_| is_allowed)?;
    let (inputs, found) = build_record::look_up(session, project, shell).ok()?;
    Some((inputs, found?))
}

/// Returns the notes, each once: several tools can depend on one line. A tool that is one of the packages is no news, and
/// one of a group that is left out is not there.
fn status_notes(
    session: &Session<'_>,
    project: &Project,
    left_out: &BTreeSet<PackageName>,
    packages: Option<&ChosenPackages>,
) -> Vec<StatusNote> {
    let is_package = |note: &presets::PresetNote| {
        let tool = note.tool.as_ref();
        tool.is_some_and(|tool| {
            let is_chosen = packages.is_some_and(|packages| packages.has(tool.package.as_str()));
            is_chosen || left_out.contains(&tool.package)
        })
    };
    let mut notes: Vec<StatusNote> = Vec::new();
    let others = project.notes().iter().filter(|note| !is_package(note));
    for note in others.map(StatusNote::from) {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    if project.standing() == ApprovalState::Allowed
        && let Some((place, message)) = describe_missing_packages(session, project)
    {
        notes.push(StatusNote { place, message });
    }
    notes
}

/// Returns whether a directory of devsh on `PATH` was removed.
fn is_gone(context: &Context) -> bool {
    let path = context.shell_env.get(vars::PATH).unwrap_or_default();
    let own = pathlist::split(path).map(Path::new);
    let mut own = own.filter(|entry| entry.starts_with(&context.directories.data));
    own.any(|entry| !entry.is_dir())
}
