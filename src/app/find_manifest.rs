//! The manifest that `add` and `remove` change. `add` starts one where there is none.

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    manifest::MANIFEST,
    package::Tool,
    project::{
        LOCKFILE, Project, ReadMode,
        approval::ApprovalState,
        locate::{Place, ProjectKind},
        personal,
    },
    report::failure::{ExitStatus, Failure},
    util::files,
};

use super::{
    edit_manifest::{self, ManifestOwner, ManifestTarget, ProjectBefore},
    init_project::{InitRequest, init_personal, init_project, repository},
    session::Session,
    trust,
};

/// Returns the manifest; nothing if it must be started first.
pub fn find_manifest(
    session: &Session<'_>,
    owner: ManifestOwner,
) -> Result<Option<ManifestTarget>, Failure> {
    let Ok(place) = session.place() else {
        return Ok(None);
    };
    let name = match owner {
        ManifestOwner::Team => (place.kind == ProjectKind::Prepared).then(|| MANIFEST.to_owned()),
        ManifestOwner::Personal => {
            let config = &session.context.directories.config;
            let mut names = personal::names(&place.root, config).into_iter().rev();
            names.find(|name| place.root.join(name).exists())
        }
    };
    if name.is_none() {
        // The user approves a repository before devsh writes into it or asks a server.
        trust::trusted_project_at(session, place.clone(), None)?;
    }
    Ok(name.map(|name| ManifestTarget {
        owner,
        place,
        name,
        lockfiles: Vec::new(),
        started_from: None,
    }))
}

/// Returns the manifest that must be there.
pub fn existing_manifest(
    session: &Session<'_>,
    owner: ManifestOwner,
) -> Result<ManifestTarget, Failure> {
    let place = session.place()?;
    let root = session.display(&place.root);
    find_manifest(session, owner)?.ok_or_else(|| match owner {
        ManifestOwner::Team => {
            Failure::new(format!("`{root}` has no `{MANIFEST}` yet")).hint(format!(
                "create it from the detected tools with `{}`",
                session.command("init")
            ))
        }
        ManifestOwner::Personal => Failure::new(format!("`{root}` has no personal manifest")).hint(
            format!("create one with `{}`", session.command("init --personal")),
        ),
    })
}

/// Writes a manifest: with the detected tools, or without any. The caller will add `tools`.
pub fn start_manifest(
    session: &Session<'_>,
    owner: ManifestOwner,
    tools: BTreeSet<Tool>,
) -> Result<ManifestTarget, Failure> {
    let Ok(place) = session.place() else {
        return start_project(session, owner);
    };
    let project = trust::trusted_project_at(session, place, None)?;
    let project = project.get().clone();
    let lockfile = edit_manifest::lockfile_of(session, owner, project.root());
    let before = ProjectBefore {
        lockfile: session.read_project_file(project.root(), &lockfile)?,
        project,
    };
    let (name, lockfiles) = match owner {
        ManifestOwner::Personal => (init_personal(session)?.name(), Vec::new()),
        ManifestOwner::Team => {
            let request = InitRequest {
                replaced: tools,
                ..InitRequest::default()
            };
            let report = init_project(session, &request)?;
            (MANIFEST.to_owned(), report.lockfiles)
        }
    };
    Ok(ManifestTarget {
        owner,
        place: session.place()?,
        name,
        lockfiles,
        started_from: Some(before),
    })
}

/// Writes an empty manifest where no project is, and approves exactly that file.
fn start_project(session: &Session<'_>, owner: ManifestOwner) -> Result<ManifestTarget, Failure> {
    let cwd = session.cwd()?;
    if session.context.directories.home.as_deref() == Some(cwd) {
        return Err(Failure::new("the home directory is not a project")
            .hint("change to the directory of a project first"));
    }
    let root = match owner {
        ManifestOwner::Team => cwd.to_owned(),
        ManifestOwner::Personal => repository(session)?,
    };
    let kind = ProjectKind::Detected;
    let before = session.open_as(Place { root, kind }, ReadMode::Review)?;
    refuse_unapproved_files(session, &before)?;
    let (name, text) = match owner {
        ManifestOwner::Team => {
            let text = "[tools]\n".to_owned();
            files::write_project_file(&before.root().join(MANIFEST), text.as_bytes())?;
            (MANIFEST.to_owned(), text)
        }
        ManifestOwner::Personal => {
            let manifest = init_personal(session)?;
            (manifest.name(), manifest.text)
        }
    };
    let project = edit_manifest::approve(session, &before, &name, Some(text.as_bytes()))?;
    Ok(ManifestTarget {
        owner,
        place: project.get().place.clone(),
        name,
        lockfiles: Vec::new(),
        started_from: Some(ProjectBefore {
            project: before,
            lockfile: None,
        }),
    })
}

/// Refuses a directory without a project in which files of devsh ask for something: the user has seen none of it.
fn refuse_unapproved_files(session: &Session<'_>, project: &Project) -> Result<(), Failure> {
    if project.standing() == ApprovalState::Denied {
        return trust::trust_once(session, project.clone()).map(drop);
    }
    let root = project.root();
    let names = [personal::LOCAL, personal::LOCAL_LOCK, LOCKFILE];
    let found = names.map(|name| root.join(name));
    let found = found.iter().find(|path| path.symlink_metadata().is_ok());
    if found.is_none() && project.differences().is_empty() {
        return Ok(());
    }
    let name = session.display(found.map_or(root, PathBuf::as_path));
    let (init, allow) = (session.command("init"), session.command("allow"));
    Err(Failure::new(format!("`{name}` is not allowed yet"))
        .note("devsh runs nothing from a project until you have approved it")
        .hint(format!(
            "start the manifest with `{init}`, and review all files with `{allow}`"
        ))
        .code(ExitStatus::NotAllowed))
}
