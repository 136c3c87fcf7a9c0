//! A change of the manifest by devsh itself, after which the user's approval stays valid.
//!
//! Invariant: the approval moves to exactly the approved content with devsh's change in it. A change that
//! another program makes at the same time is neither approved nor overwritten.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    package::Tool,
    project::{
        LOCKFILE, Project, ReadMode,
        approval::{ApprovalState, Trusted},
        locate::{MANIFEST, Place, ProjectKind},
        personal,
        reader::content_now,
    },
    report::failure::{ExitStatus, Failure},
    store,
    util::{files, interrupts::Interrupts},
};

use super::{
    build_mode::BuildMode,
    lock::{self, UpToDate},
    programs,
    session::Session,
    trust,
};

/// The result of a change.
#[derive(Debug)]
pub struct EditReport {
    /// The manifest as messages show it.
    pub name: String,
    /// True if the manifest has changed.
    pub written: bool,
    /// The lines that were added (`+ …`) and removed (`- …`).
    pub changes: Vec<String>,
    /// The lockfiles that were written.
    pub lockfiles: Vec<String>,
    /// The locked versions of the tools.
    pub versions: Vec<String>,
}

/// The owner of the manifest that is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestOwner {
    /// The `devshell.toml` of the project.
    Team,
    /// The manifest that only this user has.
    Personal,
}

/// A manifest to change.
#[derive(Debug)]
pub struct ManifestTarget {
    pub owner: ManifestOwner,
    pub place: Place,
    /// The name of the file, as layers have it.
    pub name: String,
    /// The lockfiles that were written when the manifest was started.
    pub lockfiles: Vec<String>,
    /// The project from before that.
    pub started_from: Option<ProjectBefore>,
}

/// A project before devsh started its manifest.
#[derive(Debug)]
pub struct ProjectBefore {
    pub project: Project,
    /// The lockfile that answers the manifest.
    pub lockfile: Option<Vec<u8>>,
}

/// Returns the lockfile that answers a manifest.
pub fn lockfile_of(session: &Session<'_>, owner: ManifestOwner, root: &Path) -> PathBuf {
    match owner {
        ManifestOwner::Team => root.join(LOCKFILE),
        ManifestOwner::Personal => personal::lock_path(root, &session.context.directories.config),
    }
}

/// A change of a manifest.
pub struct ManifestEdit<'a> {
    session: &'a Session<'a>,
    /// The project as it was read.
    pub project: Project,
    /// The manifest as it was read.
    pub text: String,
    /// The name of the file, as layers have it.
    pub name: String,
    /// The bytes of the file.
    bytes: Vec<u8>,
    /// The lockfile that answers it.
    lockfile: PathBuf,
    /// The lockfiles that were written when the manifest was started.
    started_lockfiles: Vec<String>,
    started_from: Option<ProjectBefore>,
    /// True if the changed manifest is approved like the old one.
    allowed: bool,
}

impl<'a> ManifestEdit<'a> {
    /// Reads the manifest.
    pub fn begin(session: &'a Session<'_>, target: ManifestTarget) -> Result<Self, Failure> {
        if session.options.locked {
            return Err(Failure::new("`--locked` forbids a change of the manifest")
                .hint("run the command without `--locked`")
                .code(ExitStatus::Usage));
        }
        let ManifestTarget {
            owner,
            place,
            name,
            lockfiles: started_lockfiles,
            started_from,
        } = target;
        let project = trust::trusted_project_at(session, place, None)?
            .get()
            .clone();
        let standing = project.standing();
        let mut layers = project.layers().all.iter();
        let own = layers.find(|layer| **layer.text.file() == *name);
        let text = own.map(|layer| layer.text.as_str().to_owned());
        let text = text.unwrap_or_default();
        let path = project.root().join(&name);
        let lockfile = lockfile_of(session, owner, project.root());
        let bytes = project.closure().content(&path).map(<[u8]>::to_vec);
        Ok(Self {
            session,
            bytes: bytes.ok_or_else(|| changed(session, &project.place))?,
            name,
            lockfile,
            started_lockfiles,
            started_from,
            text,
            project,
            allowed: standing == ApprovalState::Allowed,
        })
    }

    /// Writes the manifest and the lockfile that answers it, or neither; reports the versions of `tools`.
    ///
    /// `show` prints the report before an interrupt can end the process: an interrupted command that printed
    /// nothing has changed nothing.
    pub fn finish(
        &self,
        text: &str,
        tools: &[Tool],
        show: impl FnOnce(&EditReport),
    ) -> Result<FinishedEdit, Failure> {
        let session = self.session;
        let path = file(session, self.project.root(), &self.name)?;
        let name = session.display(&self.project.root().join(&self.name));
        let after = self.encoded(text);
        if after == self.bytes {
            show(&EditReport {
                name,
                written: false,
                changes: Vec::new(),
                lockfiles: self.started_lockfiles.clone(),
                versions: Vec::new(),
            });
            let place = self.project.place.clone();
            return Ok(FinishedEdit {
                project: trust::trusted_project_at(session, place, None)?,
                undo: None,
            });
        }
        let lockfile = self.lockfile.clone();
        let undo = Undo {
            manifest: path,
            after: after.clone(),
            before: self.started_from.is_none().then(|| self.bytes.clone()),
            lockfile_before: match &self.started_from {
                Some(before) => before.lockfile.clone(),
                None => session.read_project_file(self.project.root(), &lockfile)?,
            },
            lockfile,
        };
        let interrupts = self.begin_write(&undo)?;
        let outcome = self.lock(&after, tools);
        let settled = interrupts.settle();
        let (current, mut project) = outcome.map_err(|failure| match &self.started_from {
            Some(_) => self.revert(&undo, failure),
            None => failure.note(self.describe_restored(&undo.run(), "is unchanged")),
        })?;
        if self.allowed {
            project = approve(session, &self.project, &self.name, Some(&after))?;
        }
        let versions = tools.iter().filter_map(|tool| {
            let mut packages = current.lockfile.packages.iter();
            let (_, package) = packages.find(|(key, _)| key.tool == *tool)?;
            Some(format!("{tool} {}", package.version))
        });
        let lockfiles: BTreeSet<String> = self
            .started_lockfiles
            .iter()
            .chain(&current.changed)
            .cloned()
            .collect();
        show(&EditReport {
            name,
            written: true,
            changes: changes(&self.text, text),
            lockfiles: lockfiles.into_iter().collect(),
            versions: versions.collect(),
        });
        let notified = session.notify_host_shells();
        drop(settled);
        notified?;
        Ok(FinishedEdit {
            project,
            undo: Some(undo),
        })
    }

    /// Restores the manifest and the lockfile after a change that is of no use, and says so in its failure.
    pub fn revert(&self, undo: &Undo, failure: Failure) -> Failure {
        let session = self.session;
        let restored = undo.run();
        let state = match &self.started_from {
            Some(_) => "is removed again",
            None => "is as it was before",
        };
        let failure = failure.note(self.describe_restored(&restored, state));
        let before = match &self.started_from {
            Some(before) => &before.project,
            None => &self.project,
        };
        let was_allowed = self.allowed && before.standing() == ApprovalState::Allowed;
        let approved = if was_allowed && matches!(restored, Ok(true)) {
            approve(session, before, &self.name, undo.before.as_deref()).map(drop)
        } else {
            Ok(())
        };
        let notified = session.notify_host_shells();
        match approved.and(notified) {
            Ok(()) => failure,
            Err(error) => failure.note(format!("it is not allowed any more: {}", error.error)),
        }
    }

    /// Describes the manifest after an attempt to restore it; `state` is that of a restored one.
    fn describe_restored(&self, restored: &Result<bool, files::Error>, state: &str) -> String {
        let name = self.session.display(&self.project.root().join(&self.name));
        match restored {
            Ok(true) => format!("`{name}` {state}"),
            Ok(false) => format!("`{name}` was changed by another program, so it stays"),
            Err(error) => format!("`{name}` could not be restored: {error}"),
        }
    }

    /// Writes the manifest; an interrupt before the end of the change restores it. The approval is not moved there, so a
    /// manifest that devsh started stays.
    fn begin_write(&self, undo: &Undo) -> Result<Interrupts, Failure> {
        let session = self.session;
        let later = Undo {
            before: Some(self.bytes.clone()),
            lockfile_before: session.read_project_file(self.project.root(), &undo.lockfile)?,
            ..undo.clone()
        };
        let interrupts = Interrupts::held().after(move || {
            // The process ends, so there is no one to report to.
            let _undone = later.run();
        });
        let interrupts = interrupts
            .map_err(|error| Failure::new(format!("cannot wait for signals: {error}")))?;
        if put(&undo.manifest, &self.bytes, Some(&undo.after))? {
            Ok(interrupts)
        } else {
            Err(changed(session, &self.project.place))
        }
    }

    /// Returns `text` with the line ends and the byte order mark of the file.
    fn encoded(&self, text: &str) -> Vec<u8> {
        let mark = self.bytes.len() - self.text.len();
        let mut bytes = self.bytes[..mark].to_owned();
        if self.text.contains("\r\n") {
            let plain = text.replace("\r\n", "\n");
            bytes.extend_from_slice(plain.replace('\n', "\r\n").as_bytes());
        } else {
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }

    /// Locks the project with this manifest. Only `tools` need a source that is reached.
    fn lock(&self, bytes: &[u8], tools: &[Tool]) -> Result<(UpToDate, Trusted<Project>), Failure> {
        let session = self.session;
        let project = session.open_as(self.project.place.clone(), ReadMode::Trusted)?;
        if self.allowed && !is_expected(&project, &self.project, &self.name, Some(bytes)) {
            return Err(changed(session, &project.place));
        }
        // The approval moves when everything is written.
        let project = trust::trust_once(session, project)?;
        let current = lock::bring_up_to_date(session, &project, BuildMode::Edit)?;
        current.unlocked.complete_where_reached(tools)?;
        Ok((current, project))
    }
}

/// A change that was written.
pub struct FinishedEdit {
    pub project: Trusted<Project>,
    /// The data to take it back; nothing if the manifest was as wanted before.
    pub undo: Option<Undo>,
}

/// The data to restore both files.
#[derive(Clone)]
pub struct Undo {
    manifest: PathBuf,
    after: Vec<u8>,
    /// Nothing if devsh started the manifest.
    before: Option<Vec<u8>>,
    lockfile: PathBuf,
    lockfile_before: Option<Vec<u8>>,
}

impl Undo {
    /// Restores the manifest and the lockfile, unless another program has changed the manifest; returns whether
    /// it did.
    fn run(&self) -> Result<bool, files::Error> {
        if !put(&self.manifest, &self.after, self.before.as_deref())? {
            return Ok(false);
        }
        if content_now(&self.lockfile)? != self.lockfile_before {
            match &self.lockfile_before {
                Some(before) => files::write_project_file(&self.lockfile, before)?,
                None => store::remove_file(&self.lockfile)?,
            }
        }
        Ok(true)
    }
}

/// Returns the file of the manifest, resolving a symlink that stays inside the project.
fn file(session: &Session<'_>, root: &Path, name: &str) -> Result<PathBuf, Failure> {
    let path = root.join(name);
    let linked = path.symlink_metadata();
    if !linked.is_ok_and(|found| found.is_symlink()) {
        return Ok(path);
    }
    let target = path.canonicalize();
    let target = target.map_err(files::at("read", &path))?;
    if root
        .canonicalize()
        .is_ok_and(|root| target.starts_with(root))
    {
        return Ok(target);
    }
    let (name, target) = (session.display(&path), session.display(&target));
    Err(Failure::new(format!(
        "`{name}` is a symlink to a file outside of the project"
    ))
    .hint(format!("edit `{target}` by hand")))
}

/// Replaces `before` by `after`, or removes the file; returns whether it had the content `before`.
fn put(path: &Path, before: &[u8], after: Option<&[u8]>) -> Result<bool, files::Error> {
    if content_now(path)?.as_deref() != Some(before) {
        return Ok(false);
    }
    match after {
        Some(after) => files::write_project_file(path, after)?,
        None => store::remove_file(path)?,
    }
    Ok(true)
}

/// Returns whether a project is as it was read before, but for its manifest, which has this content or is absent.
fn is_expected(project: &Project, before: &Project, name: &str, manifest: Option<&[u8]>) -> bool {
    let path = project.root().join(name);
    project
        .closure()
        .is_same_but(before.closure(), &path, manifest)
}

/// Approves an approved project whose manifest devsh has just written or removed, if nothing else has changed.
pub fn approve(
    session: &Session<'_>,
    before: &Project,
    name: &str,
    manifest: Option<&[u8]>,
) -> Result<Trusted<Project>, Failure> {
    let kind = if name == MANIFEST && manifest.is_some() {
        ProjectKind::Prepared
    } else {
        before.place.kind
    };
    let place = Place {
        root: before.root().to_owned(),
        kind,
    };
    let project = session.open_as(place, ReadMode::Trusted)?;
    if !is_expected(&project, before, name, manifest) {
        return Err(changed(session, &project.place));
    }
    programs::allow(session, project)
}

fn changed(session: &Session<'_>, place: &Place) -> Failure {
    let root = session.display(&place.root);
    Failure::new(format!(
        "`{root}` was changed by another program at the same time"
    ))
    .note("that change is neither approved nor overwritten")
    .hint(format!("review it with `{}`", session.command("allow")))
}

/// Returns the lines that only one of two manifests has.
fn changes(before: &str, after: &str) -> Vec<String> {
    let without = |lines: &str, others: &str| -> Vec<String> {
        let known: Vec<&str> = others.lines().collect();
        let own = lines.lines().filter(|line| !known.contains(line));
        own.filter(|line| !line.trim().is_empty())
            .map(|line| line.trim().to_owned())
            .collect()
    };
    let removed = without(before, after)
        .into_iter()
        .map(|line| format!("- {line}"));
    let added = without(after, before)
        .into_iter()
        .map(|line| format!("+ {line}"));
    removed.chain(added).collect()
}
