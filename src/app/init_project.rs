//! A manifest from what was detected, or an empty one of one person.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    config::ownership::Access,
    lockfile::Lockfile,
    manifest::{self, Manifest},
    project::{
        Project, ReadMode,
        approval::ApprovalState,
        detect::{self, SoughtPresets},
        locate::{MANIFEST, Place, ProjectKind},
        personal,
        reader::Inputs,
    },
    report::failure::Failure,
    util::files,
};

use super::{
    build_mode::BuildMode, edit_manifest, lock, lockfiles::all_requests, missing_parts::Unresolved,
    python_packages, resolve_requests, session::Session,
};

/// A new manifest.
#[derive(Debug)]
pub struct InitReport {
    pub path: PathBuf,
    pub text: String,
    /// The dev shells that it gives.
    pub manifest: Manifest,
    /// Settings in the project's files that have no effect.
    pub notes: Vec<manifest::presets::PresetNote>,
    /// Why it is not known whether every tool can be locked.
    pub unchecked: Option<Failure>,
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

/// Writes a `devshell.toml` that follows the project's own files, after a check that its tools can be locked.
pub fn init_project(session: &Session<'_>) -> Result<InitReport, Failure> {
    let (root, allowed) = root(session)?;
    let path = root.join(MANIFEST);
    let access = Access::of(session.context, &root, &session.config()?.trust.shared);
    let mut inputs = Inputs::new(&root, access, session.context.now);
    let detection = detect::detect(&mut inputs, SoughtPresets::Everywhere)
        .map_err(|error| inputs.conceal(error))?;
    let text = manifest::init_template(&detection.presets);
    let proposed = open_proposed(session, &root, &text)?;
    let unchecked = check(session, &proposed)?;
    files::write_project_file(&path, text.as_bytes())?;
    // A repository that was allowed before has the same requests now, so it stays allowed.
    let approved = allowed.and_then(|before| {
        edit_manifest::approve(session, &before, MANIFEST, text.as_bytes()).ok()
    });
    let next = if let Some(project) = approved {
        // The lockfile in devsh's own state stays there; a prompt looks for one in the project.
        let locked = lock::bring_up_to_date(session, &project, BuildMode::Foreground);
        session.notify_host_shells()?;
        if locked.is_ok_and(|current| current.unlocked.is_empty()) {
            NextStep::Nothing
        } else {
            NextStep::Lock
        }
    } else {
        NextStep::Allow
    };
    // Only detection looks at the files that devsh does not read.
    let notes: BTreeSet<_> = detection
        .notes
        .into_iter()
        .chain(proposed.notes().to_vec())
        .collect();
    Ok(InitReport {
        path,
        text,
        manifest: proposed.preview().clone(),
        notes: notes.into_iter().collect(),
        unchecked,
        next,
    })
}

/// Returns the project at `root` as it would be with this manifest.
fn open_proposed(session: &Session<'_>, root: &Path, text: &str) -> Result<Project, Failure> {
    let mut found = session.find(Place {
        root: root.to_owned(),
        kind: ProjectKind::Prepared,
    })?;
    found.propose_manifest(text);
    let project = session.read(found, ReadMode::Review)?;
    Ok(project.map_err(|unreadable| unreadable.error)?)
}

/// Checks that every tool, group and extra of the proposed manifest exists. If a source cannot be reached, the manifest
/// is still useful: returns why it was not checked.
fn check(session: &Session<'_>, project: &Project) -> Result<Option<Failure>, Failure> {
    python_packages::check_selections(project)?;
    let requests = all_requests(project.preview());
    match resolve_requests::check_requests(session, &requests, &Lockfile::default()) {
        Ok(()) => Ok(None),
        Err(Unresolved::Unreachable(failure)) => Ok(Some(*failure)),
        Err(Unresolved::Failed(failure)) => Err(*failure),
    }
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
        let cwd = session.cwd()?;
        if session.context.directories.home.as_deref() == Some(cwd) {
            return Err(Failure::new("your home directory is not a project")
                .note("its dev shell would be loaded in every directory below")
                .hint("change to the directory of a project first, or create one with `mkdir`"));
        }
        return Ok((cwd.to_owned(), None));
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
