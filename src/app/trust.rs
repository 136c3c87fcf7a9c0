//! The way from a project that was read to one that the user trusts.

use std::{collections::BTreeSet, fs};

use crate::{
    manifest::{ShellName, presets},
    project::{
        Project,
        approval::{ApprovalState, TrustCheck, Trusted},
        locate::Place,
    },
    report::failure::{ExitStatus, Failure},
    util::{files, word_lists::join_first},
};

use super::{dev_shells::with_shell, fetch_extends, session::Session};

/// The most changed files in a message.
const SHOWN_FILES: usize = 3;

/// Returns the project that the working directory belongs to, if the user trusts it.
pub fn trusted_project(session: &Session<'_>) -> Result<Trusted<Project>, Failure> {
    trusted_project_at(session, session.place()?, None)
}

/// Returns the project at a place, if the user trusts it.
///
/// With `shell` it has that dev shell, which can be a combination of several.
pub fn trusted_project_at(
    session: &Session<'_>,
    place: Place,
    shell: Option<&ShellName>,
) -> Result<Trusted<Project>, Failure> {
    let mut project = session.open(place)?;
    if let Some(shell) = shell.filter(|_| project.layers().wanted.is_empty()) {
        project = with_shell(project, shell)?;
    }
    if session.options.trust {
        if project.standing() == ApprovalState::Denied {
            // For a denied project nothing is fetched or written, even with `--trust`.
            return Err(refusal(session, &project));
        }
        return trust_once(session, fetch_extends::complete(session, project)?);
    }
    let refused = project.standing() != ApprovalState::Allowed;
    let failure = refused.then(|| refusal(session, &project));
    require_trust(project.trusted(), failure)
}

/// Returns `project` as trusted for this command, unless it is denied.
pub fn trust_once(session: &Session<'_>, project: Project) -> Result<Trusted<Project>, Failure> {
    let failure = (project.standing() == ApprovalState::Denied).then(|| refusal(session, &project));
    require_trust(project.trusted_once(), failure)
}

fn require_trust(
    check: TrustCheck<Project>,
    failure: Option<Failure>,
) -> Result<Trusted<Project>, Failure> {
    match (check, failure) {
        (TrustCheck::Trusted(project), None) => Ok(project),
        (_, Some(failure)) => Err(failure),
        (TrustCheck::Refused(_), None) => Err(Failure::new("the project is not allowed")),
    }
}

/// Returns the sentence about a project that has changed, with its files.
pub fn describe_change(session: &Session<'_>, project: &Project) -> String {
    let root = session.display(project.root());
    let files: BTreeSet<String> = project
        .changed_files()
        .into_iter()
        .flat_map(|file| files_behind(project, file))
        .collect();
    let changed: Vec<String> = files
        .into_iter()
        .map(|file| {
            let gone = if is_gone(project, &file) {
                " is gone"
            } else {
                ""
            };
            format!("`{file}`{gone}")
        })
        .collect();
    let changed = join_first(&changed, SHOWN_FILES);
    if changed.is_empty() {
        format!("`{root}` has changed since you allowed it")
    } else {
        format!("`{root}` has changed since you allowed it: {changed}")
    }
}

/// Returns the files of the project because of which a preset applies, in place of the preset; another file alone.
fn files_behind(project: &Project, file: String) -> Vec<String> {
    let preset = file.strip_prefix("preset ").map(presets::files_of);
    let mut behind = preset.and_then(Result::ok).unwrap_or_default();
    behind.retain(|name| project.root().join(name).exists());
    if behind.is_empty() {
        vec![file]
    } else {
        behind
    }
}

/// Returns whether a file that a project was approved with is not there any more.
fn is_gone(project: &Project, file: &str) -> bool {
    let is_local = !file.contains("://") && !file.starts_with("preset ");
    let found = fs::symlink_metadata(project.root().join(file));
    is_local && found.is_err_and(|error| files::is_absent(&error))
}

fn refusal(session: &Session<'_>, project: &Project) -> Failure {
    let root = session.display(project.root());
    let allow = session.command("allow");
    let failure = match project.standing() {
        ApprovalState::Changed => Failure::new(describe_change(session, project))
            .hint(format!("review the change with `{allow}`")),
        ApprovalState::Denied => Failure::new(format!("`{root}` is denied"))
            .hint(format!("run `{allow}` to allow it after all")),
        ApprovalState::Allowed | ApprovalState::Unknown => {
            Failure::new(format!("`{root}` is not allowed yet"))
                .hint(format!("review and approve it with `{allow}`"))
        }
    };
    let failure = failure
        .note("devsh runs nothing from a project until you have approved it")
        .code(ExitStatus::NotAllowed);
    if session.context.is_ci() {
        failure.hint("in a CI job that trusts its checkout, pass `--trust`")
    } else {
        failure
    }
}
