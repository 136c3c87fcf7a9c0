//! A change of the manifest by devsh itself, and the user's approval that goes on to it.
//!
//! Invariant: the approval goes on to exactly what was approved before with devsh's own change in it. What
//! somebody else writes meanwhile is neither approved nor overwritten.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::report::paths::display_path;
use crate::{
    lockfile::Lockfile,
    package::Tool,
    project::{
        LOCKFILE, Project,
        approval::{Standing, Trusted},
        locate::{MANIFEST, Place, ProjectKind},
    },
    report::{
        failure::{ExitStatus, Failure},
        ui::Role,
    },
    store,
    util::{files, interrupts::Interrupts},
};

use super::session::Work;
use crate::{
    cli::commands::{allow, lock, sync::Mode},
    report::hints,
};

/// Longest manifest or lockfile that is read, in bytes.
const LIMIT: u64 = 16 << 20;

/// What the user approves of a project: names, with the digests of the bytes.
pub type Approved = BTreeMap<String, Option<[u8; 32]>>;

/// A manifest that is to be changed.
pub struct Edit<'a> {
    work: &'a Work<'a>,
    /// The project as it was read.
    pub project: Project,
    /// The manifest as it was read.
    pub text: String,
    /// The same as it lies on the disk.
    bytes: Vec<u8>,
    /// Whether the user's approval of the manifest goes on to the changed one.
    allowed: bool,
}

impl<'a> Edit<'a> {
    /// Reads the manifest.
    pub fn begin(work: &'a Work<'_>) -> Result<Self, Failure> {
        if work.locked {
            return Err(Failure::new("with `--locked` nothing is written")
                .hint("leave it out")
                .code(ExitStatus::Usage));
        }
        let place = work.place()?;
        if place.kind == ProjectKind::Detected {
            let root = display_path(work.context, &place.root);
            return Err(
                Failure::new(format!("`{root}` has no `{MANIFEST}` yet")).hint(format!(
                    "write down what is detected with `{}`",
                    work.command("init")
                )),
            );
        }
        let project = work.trusted_at(place, None)?.get().clone();
        let standing = project
            .standing(&work.decisions)
            .map_err(|error| hints::file(&error))?;
        let mut layers = project.layers().all.iter();
        let own = layers.find(|layer| &**layer.text.file() == MANIFEST);
        let text = own.map(|layer| layer.text.as_str().to_owned());
        let text = text.unwrap_or_default();
        let bytes = files::read_bounded(&file(work, project.root())?, LIMIT);
        let bytes = bytes.map_err(|error| hints::file(&error))?;
        Ok(Self {
            work,
            // A mark of the byte order is no text.
            bytes: bytes
                .filter(|bytes| bytes.ends_with(text.as_bytes()))
                .ok_or_else(|| changed(work, &project.place))?,
            text,
            project,
            allowed: standing == Standing::Allowed,
        })
    }

    /// Writes the manifest and the lockfile that answers it, or neither; tells what is locked of `tools`.
    pub fn finish(&self, text: &str, tools: &[Tool]) -> Result<(), Failure> {
        let work = self.work;
        let path = file(work, self.project.root())?;
        let name = display_path(work.context, &self.project.root().join(MANIFEST));
        let after = self.encoded(text);
        if after == self.bytes {
            work.ui.note(&format!("{name} says so already"));
            return Ok(());
        }
        let lockfile = self.project.root().join(LOCKFILE);
        let locked = files::read_bounded(&lockfile, LIMIT).map_err(|error| hints::file(&error))?;
        let undo = Undo {
            manifest: (path, after.clone(), self.bytes.clone()),
            lockfile: (lockfile, locked),
        };
        let interrupts = self.begin_write(&undo)?;
        let outcome = self.lock(&after);
        let settled = interrupts.settle();
        let locked = outcome.map_err(|failure| {
            failure.note(match undo.run() {
                Ok(true) => format!("`{name}` is as it was"),
                Ok(false) => format!("`{name}` was changed by somebody else and stays so"),
                Err(error) => format!("`{name}` could not be put back: {error}"),
            })
        })?;
        if self.allowed {
            approve(work, self.project.place.clone(), &self.with(&after))?;
        }
        for line in changes(&self.text, text) {
            let role = if line.starts_with('+') {
                Role::Good
            } else {
                Role::Error
            };
            work.ui.line(work.ui.paint(role, line));
        }
        work.ui.note(&format!("wrote {name}"));
        let versions = tools.iter().filter_map(|tool| {
            let mut packages = locked.packages.iter();
            let (_, package) = packages.find(|(key, _)| key.tool == *tool)?;
            Some(format!("{tool} {}", package.version))
        });
        let versions: Vec<String> = versions.collect();
        if !versions.is_empty() {
            work.ui.note(&format!("locked {}", versions.join(", ")));
        }
        let advanced = allow::advance(work);
        drop(settled);
        advanced
    }

    /// Writes the manifest; an interrupt that comes before things are settled undoes it.
    fn begin_write(&self, undo: &Undo) -> Result<Interrupts, Failure> {
        let later = undo.clone();
        let interrupts = Interrupts::held().after(move || {
            // Nobody is left to be told.
            let _undone = later.run();
        });
        let interrupts = interrupts
            .map_err(|error| Failure::new(format!("cannot wait for signals: {error}")))?;
        let (path, after, before) = &undo.manifest;
        if put(path, before, after).map_err(|error| hints::file(&error))? {
            Ok(interrupts)
        } else {
            Err(changed(self.work, &self.project.place))
        }
    }

    /// Returns `text` with the ends of lines and the mark of the byte order that the file has.
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

    /// What is approved when the manifest is `bytes` and all else is as it was read.
    fn with(&self, bytes: &[u8]) -> Approved {
        with_manifest(self.project.approved(), bytes)
    }

    fn lock(&self, bytes: &[u8]) -> Result<Lockfile, Failure> {
        let work = self.work;
        let project = work.open(self.project.place.clone())?;
        if self.allowed && *project.approved() != self.with(bytes) {
            return Err(changed(work, &project.place));
        }
        // The approval moves on when everything is written.
        let project = work.trust_once(project)?;
        let current = lock::up_to_date(work, &project, Mode::Foreground)?;
        current.unreached.map_or(Ok(current.lockfile), Err)
    }
}

/// How to put things back.
#[derive(Clone)]
struct Undo {
    /// The manifest's path, what it is now, and what it was.
    manifest: (PathBuf, Vec<u8>, Vec<u8>),
    /// The lockfile's path, and what it was.
    lockfile: (PathBuf, Option<Vec<u8>>),
}

impl Undo {
    /// Puts back the manifest, unless somebody else has changed it, and the lockfile with it; tells whether it did.
    fn run(&self) -> Result<bool, files::Error> {
        let (path, after, before) = &self.manifest;
        if !put(path, after, before)? {
            return Ok(false);
        }
        let (path, before) = &self.lockfile;
        if files::read_bounded(path, LIMIT)? != *before {
            match before {
                Some(before) => files::write_project_file(path, before)?,
                None => store::remove_file(path)?,
            }
        }
        Ok(true)
    }
}

/// Returns the manifest's file, to which its name may be a link inside the project.
fn file(work: &Work<'_>, root: &Path) -> Result<PathBuf, Failure> {
    let path = root.join(MANIFEST);
    let linked = path.symlink_metadata();
    if !linked.is_ok_and(|found| found.is_symlink()) {
        return Ok(path);
    }
    let target = path.canonicalize();
    let target = target.map_err(|error| hints::file(&files::at("read", &path)(error)))?;
    if root
        .canonicalize()
        .is_ok_and(|root| target.starts_with(root))
    {
        return Ok(target);
    }
    let (name, target) = (
        display_path(work.context, &path),
        display_path(work.context, &target),
    );
    Err(Failure::new(format!(
        "`{name}` is a link to a file outside of the project"
    ))
    .hint(format!("edit `{target}` by hand")))
}

/// Puts `after` in the place of `before`, and of nothing else; tells whether it did.
fn put(path: &Path, before: &[u8], after: &[u8]) -> Result<bool, files::Error> {
    if files::read_bounded(path, LIMIT)?.as_deref() != Some(before) {
        return Ok(false);
    }
    files::write_project_file(path, after)?;
    Ok(true)
}

/// What is approved when the manifest is `bytes` and all else is as it was approved.
pub fn with_manifest(approved: &Approved, bytes: &[u8]) -> Approved {
    let mut approved = approved.clone();
    let digest = *blake3::hash(bytes).as_bytes();
    approved.insert(MANIFEST.to_owned(), Some(digest));
    approved
}

/// Approves a project whose manifest devsh has just written, if its content is exactly `expected`.
pub fn approve(
    work: &Work<'_>,
    place: Place,
    expected: &Approved,
) -> Result<Trusted<Project>, Failure> {
    let project = work.open(place)?;
    if project.approved() != expected {
        return Err(changed(work, &project.place));
    }
    project
        .allow(&work.decisions, work.context.now)
        .map_err(|error| hints::file(&error))
}

fn changed(work: &Work<'_>, place: &Place) -> Failure {
    let root = display_path(work.context, &place.root);
    Failure::new(format!("`{root}` was changed by somebody else meanwhile"))
        .note("nothing of that change is approved or overwritten")
        .hint(format!("review it with `{}`", work.command("allow")))
}

/// The lines that only one of two manifests has, as a change of tools shows them.
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
