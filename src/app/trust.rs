//! The way from a project that was read to one that the user trusts.

use crate::{
    manifest::ShellName,
    project::{
        Project,
        approval::{Standing, TrustCheck, Trusted},
        locate::Place,
    },
    report::failure::{ExitStatus, Failure},
};

use super::{dev_shells::with_shell, fetch_extends, session::Session};

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
    let place = project.place.clone();
    if session.options.trust {
        if project.standing(&session.decisions)? == Standing::Denied {
            // For a denied project nothing is fetched or written, even with `--trust`.
            return Err(refusal(session, &place, Standing::Denied));
        }
        return trust_once(session, fetch_extends::complete(session, project)?);
    }
    require_trust(session, &place, project.trusted(&session.decisions)?)
}

/// Returns `project` as trusted for this command, unless it is denied.
pub fn trust_once(session: &Session<'_>, project: Project) -> Result<Trusted<Project>, Failure> {
    let place = project.place.clone();
    require_trust(session, &place, project.trusted_once(&session.decisions)?)
}

fn require_trust(
    session: &Session<'_>,
    place: &Place,
    check: TrustCheck<Project>,
) -> Result<Trusted<Project>, Failure> {
    match check {
        TrustCheck::Trusted(project) => Ok(project),
        TrustCheck::Refused(standing) => Err(refusal(session, place, standing)),
    }
}

fn refusal(session: &Session<'_>, place: &Place, standing: Standing) -> Failure {
    let root = session.display(&place.root);
    let allow = session.command("allow");
    let failure = match standing {
        Standing::Changed => Failure::new(format!("`{root}` has changed since you allowed it"))
            .hint(format!("review the change with `{allow}`")),
        Standing::Denied => Failure::new(format!("`{root}` is denied"))
            .hint(format!("run `{allow}` to allow it after all")),
        Standing::Allowed | Standing::Unknown => {
            Failure::new(format!("`{root}` is not allowed yet"))
                .hint(format!("review and approve it with `{allow}`"))
        }
    };
    let failure = failure
        .note("devsh runs nothing from a project until you have approved its current content")
        .code(ExitStatus::NotAllowed);
    if session.context.is_ci() {
        failure.hint("in a CI job that trusts its checkout, pass `--trust`")
    } else {
        failure
    }
}
