//! The manifest that `add` and `remove` change. `add` starts one where there is none.

use crate::{
    manifest::MANIFEST,
    project::{ReadMode, approval::ApprovalState, locate::ProjectKind, personal},
    report::failure::Failure,
    util::files,
};

use super::{
    edit_manifest::{ManifestOwner, ManifestTarget},
    init_project::{InitRequest, init_personal, init_project},
    programs,
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

/// Writes a manifest: with the detected tools, or without any.
pub fn start_manifest(
    session: &Session<'_>,
    owner: ManifestOwner,
) -> Result<ManifestTarget, Failure> {
    let is_project = session.place().is_ok();
    let home = session.context.directories.home.as_deref();
    if !is_project && home == Some(session.cwd()?) {
        return Err(Failure::new("the home directory is not a project")
            .hint("change to the directory of a project first"));
    }
    let mut lockfiles = Vec::new();
    let name = match owner {
        ManifestOwner::Personal => init_personal(session)?.to_string_lossy().into_owned(),
        ManifestOwner::Team if is_project => {
            lockfiles = init_project(session, &InitRequest::default())?.lockfiles;
            MANIFEST.to_owned()
        }
        ManifestOwner::Team => {
            files::write_project_file(&session.cwd()?.join(MANIFEST), b"[tools]\n")?;
            MANIFEST.to_owned()
        }
    };
    let place = session.place()?;
    if !is_project {
        // Nothing but devsh's own file is there to approve.
        let project = session.open_as(place.clone(), ReadMode::Trusted)?;
        if project.standing() == ApprovalState::Denied {
            trust::trust_once(session, project)?;
        } else {
            programs::allow(session, project)?;
        }
    }
    Ok(ManifestTarget {
        owner,
        place,
        name,
        lockfiles,
    })
}
