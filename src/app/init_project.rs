//! A manifest from what was detected, or an empty one of one person.

use std::path::PathBuf;

use crate::{
    config::ownership::Access,
    lockfile::{Lockfile, Upgrade},
    manifest::{self, Manifest},
    project::{
        Project,
        approval::ApprovalState,
        detect,
        locate::{MANIFEST, ProjectKind},
        personal,
        reader::Inputs,
    },
    report::failure::Failure,
    resolve,
    sources::Index,
    util::files,
};

use super::{
    build_mode::BuildMode, edit_manifest, lock, lockfiles::all_requests, session::Session,
};

/// A new manifest.
#[derive(Debug)]
pub struct InitReport {
    pub path: PathBuf,
    pub manifest: Manifest,
    /// Settings in the project's files that have no effect.
    pub notes: Vec<manifest::presets::PresetNote>,
    pub next: NextStep,
}

/// The next step of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// The project is allowed and locked.
    Nothing,
    Lock,
    Allow,
}

/// Writes a `devshell.toml` with the detected tools.
pub fn init_project(session: &Session<'_>) -> Result<InitReport, Failure> {
    let (root, allowed) = root(session)?;
    let path = root.join(MANIFEST);
    let access = Access::of(session.context, &root, &session.config()?.trust.shared);
    let mut inputs = Inputs::new(&root, access, session.context.now);
    let detection = detect::detect(&mut inputs).map_err(|error| inputs.conceal(error))?;
    let manifest = manifest::merge(&detection.layers)?;
    check(session, &manifest)?;
    let text = manifest::init_template(&manifest);
    // The written manifest must be valid and mean the same as the detected one.
    manifest::parse(MANIFEST, &text).and_then(|layer| manifest::merge(&[layer]))?;
    files::write_project_file(&path, text.as_bytes())?;
    // A repository that was allowed before has the same requests now, so it stays allowed.
    let approved =
        allowed.and_then(|before| edit_manifest::approve(session, &before, text.as_bytes()).ok());
    let next = if let Some(project) = approved {
        // The lockfile in devsh's own state stays there; a prompt looks for one in the project.
        let locked = lock::bring_up_to_date(session, &project, BuildMode::Foreground);
        session.notify_host_shells()?;
        if locked.is_ok_and(|current| current.unreached.is_none()) {
            NextStep::Nothing
        } else {
            NextStep::Lock
        }
    } else {
        NextStep::Allow
    };
    Ok(InitReport {
        path,
        manifest,
        notes: detection.notes,
        next,
    })
}

/// Writes a manifest into the user's configuration, for one repository; returns its path.
pub fn init_personal(session: &Session<'_>) -> Result<PathBuf, Failure> {
    let root = match session.place() {
        Ok(place) => place.root,
        Err(_) => repository(session)?,
    };
    let path = personal::manifest_path(&root, &session.context.directories.config);
    let name = session.display(&path);
    if path.exists() {
        return Err(Failure::new(format!("`{name}` exists already"))
            .hint("edit it: it overrides the project's manifest"));
    }
    let text = format!(
        "# Only for you, in `{}`: overrides the project's manifest.\n\n[tools]\n\n[env]\n",
        session.display(&root).replace(char::is_control, "?")
    );
    let folder = path.parent().unwrap_or(&root);
    files::create_private_dir(folder)?;
    files::write_atomic(&path, text.as_bytes())?;
    Ok(path)
}

/// Returns the top of the repository that the working directory is in, else that directory.
fn repository(session: &Session<'_>) -> Result<PathBuf, Failure> {
    let cwd = session.cwd()?;
    let top = cwd.ancestors().find(|above| above.join(".git").exists());
    Ok(top.unwrap_or(cwd).to_owned())
}

/// Returns the directory for the manifest, and the repository there as it was read, if it is allowed.
fn root(session: &Session<'_>) -> Result<(PathBuf, Option<Project>), Failure> {
    let Ok(place) = session.place() else {
        return Ok((session.cwd()?.to_owned(), None));
    };
    if place.kind == ProjectKind::Prepared {
        let path = session.display(&place.root.join(MANIFEST));
        return Err(Failure::new(format!("`{path}` exists already"))
            .hint(format!("add to it with `{}`", session.command("add TOOL"))));
    }
    let project = session.open(place)?;
    let root = project.root().to_owned();
    Ok((
        root,
        (project.standing() == ApprovalState::Allowed).then_some(project),
    ))
}

/// Refuses requirements that contradict each other, while their files are still known.
fn check(session: &Session<'_>, manifest: &Manifest) -> Result<(), Failure> {
    for request in all_requests(manifest) {
        if request.1.is_contradictory() {
            let system = session.system()?;
            let (index, nothing) = (Index::default(), Lockfile::default());
            resolve::resolve(&[request], &index, &nothing, &Upgrade::None, system)?;
        }
    }
    Ok(())
}
