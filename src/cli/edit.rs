//! A change of the manifest by devsh itself, and the user's approval that goes on to it.
//!
//! Invariant: the approval goes on to exactly what was approved before with devsh's own change in it. What
//! somebody else writes meanwhile is neither approved nor overwritten.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    failure::{ExitStatus, Failure},
    fsx,
    lock::Lockfile,
    package::Tool,
    project::{
        Project,
        locate::{Kind, MANIFEST, Place},
        trust::{Standing, Trusted},
    },
    ui::Role,
};

use super::{allow, hints, lock, shown, sync::Mode, work::Work};

/// Longest manifest that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// What the user approves of a project: names, with the digests of the bytes.
pub(super) type Approved = BTreeMap<String, Option<[u8; 32]>>;

/// A manifest that is to be changed.
pub(super) struct Edit<'a> {
    work: &'a Work<'a>,
    /// The project as it was read.
    pub(super) project: Project,
    /// The manifest as it was read.
    pub(super) text: String,
    /// Whether the user's approval of the manifest goes on to the changed one.
    allowed: bool,
}

impl<'a> Edit<'a> {
    /// Reads the manifest.
    pub(super) fn begin(work: &'a Work<'_>) -> Result<Self, Failure> {
        if work.locked {
            return Err(Failure::new("with `--locked` nothing is written")
                .hint("leave it out")
                .code(ExitStatus::Usage));
        }
        let place = work.place()?;
        if place.kind == Kind::Detected {
            let root = shown(work.context, &place.root);
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
        Ok(Self {
            work,
            text: text.unwrap_or_default(),
            project,
            allowed: standing == Standing::Allowed,
        })
    }

    /// Writes the manifest and the lockfile that answers it, or neither; tells what is locked of `tools`.
    pub(super) fn finish(&self, text: &str, tools: &[Tool]) -> Result<(), Failure> {
        let work = self.work;
        let name = shown(work.context, &self.path());
        if text == self.text {
            work.ui.note(&format!("{name} says so already"));
            return Ok(());
        }
        self.write(&self.text, text)?;
        let locked = self.lock(text).map_err(|failure| {
            failure.note(match self.restore(text) {
                Ok(()) => format!("`{name}` is as it was"),
                Err(other) => format!("`{name}` could not be put back: {}", other.error),
            })
        })?;
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
        allow::advance(work)
    }

    /// Puts back the manifest as it was before `text`, and its approval.
    fn restore(&self, text: &str) -> Result<(), Failure> {
        self.write(text, &self.text)?;
        if self.allowed {
            let before = self.with(&self.text);
            approve(self.work, self.project.place.clone(), &before)?;
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.project.root().join(MANIFEST)
    }

    /// Puts `after` in the place of `before`, and of nothing else.
    fn write(&self, before: &str, after: &str) -> Result<(), Failure> {
        let path = self.path();
        let present = fsx::read_bounded(&path, LIMIT).map_err(|error| hints::file(&error))?;
        if present.as_deref() != Some(before.as_bytes()) {
            return Err(changed(self.work, &self.project.place));
        }
        fsx::write_project_file(&path, after.as_bytes()).map_err(|error| hints::file(&error))
    }

    /// What is approved when the manifest is `text` and all else is as it was read.
    fn with(&self, text: &str) -> Approved {
        with_manifest(self.project.approved(), text)
    }

    fn lock(&self, text: &str) -> Result<Lockfile, Failure> {
        let work = self.work;
        let place = self.project.place.clone();
        let project = if self.allowed {
            approve(work, place, &self.with(text))?
        } else {
            work.trust_once(work.open(place)?)?
        };
        let current = lock::up_to_date(work, &project, Mode::Foreground)?;
        current.unreached.map_or(Ok(current.lockfile), Err)
    }
}

/// What is approved when the manifest is `text` and all else is as it was approved.
pub(super) fn with_manifest(approved: &Approved, text: &str) -> Approved {
    let mut approved = approved.clone();
    let digest = *blake3::hash(text.as_bytes()).as_bytes();
    approved.insert(MANIFEST.to_owned(), Some(digest));
    approved
}

/// Approves a project whose manifest devsh has just written, if its content is exactly `expected`.
pub(super) fn approve(
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
    let root = shown(work.context, &place.root);
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
