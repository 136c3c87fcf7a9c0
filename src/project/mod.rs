//! Projects on disk: where they are, what they ask for, and whether the user allowed it.

pub mod detect;
pub mod facts;
pub mod locate;
pub mod python;
pub mod trust;
pub mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    fsx,
    manifest::{self, Manifest},
};

pub use detect::Error;

use locate::{Kind, MANIFEST, Place};
use python::PythonFiles;
use trust::{Decisions, Input, Standing, Trusted, project_key};
use watch::Watched;

/// The name of the lockfile that belongs to the project.
pub const LOCKFILE: &str = "devshell.lock";

/// Longest manifest that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// A project whose inputs were read.
#[derive(Debug, Clone)]
pub struct Project {
    /// Where it is.
    pub place: Place,
    inputs: Vec<Input>,
    manifest: Manifest,
    watched: Vec<Watched>,
    presets: Vec<String>,
    python: Vec<PythonFiles>,
}

impl Project {
    /// Reads the project at `place`: each input once, and everything is made from those bytes.
    ///
    /// Reading is all that happens: nothing is executed, fetched or exported. Every file is looked at before
    /// it is read, so that what `watched` holds is never newer than what was understood.
    pub fn open(place: Place, decisions: &Decisions, now: SystemTime) -> Result<Self, Error> {
        let root = place.root.as_path();
        let look = |path: &Path| Watched::look(path, now);
        let path = root.join(MANIFEST);
        let mut watched = vec![
            look(&path),
            look(&decisions.approval_path(root)),
            look(&decisions.denial_path(root)),
        ];
        let bytes = match place.kind {
            Kind::Prepared => fsx::read_bounded(&path, LIMIT)?,
            Kind::Detected => None,
        };
        let (layers, presets) = if let Some(bytes) = &bytes {
            (vec![manifest::parse_bytes(MANIFEST, bytes)?], Vec::new())
        } else {
            // Only reading tells which files there are to be looked at.
            let files = detect::detect(root)?.files;
            watched.extend(files.iter().map(|path| look(path)));
            let detection = detect::detect(root)?;
            (detection.layers, detection.presets)
        };
        let manifest = manifest::merge(&layers)?;
        let mut inputs = vec![Input {
            name: MANIFEST.to_owned(),
            bytes,
        }];
        let mut python = Vec::new();
        for lock in python_locks(&manifest) {
            let known: BTreeSet<PathBuf> = watched.iter().map(|file| file.path.clone()).collect();
            let files = python::files(root, lock);
            watched.extend(
                files
                    .iter()
                    .filter(|path| !known.contains(*path))
                    .map(|path| look(path)),
            );
            let files = python::read(root, lock)?;
            inputs.extend(files.inputs.iter().cloned());
            python.push(files);
        }
        Ok(Self {
            place,
            inputs,
            manifest,
            watched,
            presets,
            python,
        })
    }

    /// Returns the canonical root.
    pub fn root(&self) -> &Path {
        &self.place.root
    }

    /// Returns what the project asks for, to be shown; to act on it takes trust.
    pub const fn preview(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the files that the project and its standing were made from, as they were then.
    pub fn watched(&self) -> &[Watched] {
        &self.watched
    }

    /// Returns the files beside a Python lockfile of the manifest.
    pub fn python(&self, lock: &str) -> Option<&PythonFiles> {
        self.python.iter().find(|files| files.lock == lock)
    }

    /// Returns the presets that apply; none in a prepared project.
    pub fn presets(&self) -> &[String] {
        &self.presets
    }

    /// Returns how the project stands with the user.
    pub fn standing(&self, decisions: &Decisions) -> Result<Standing, fsx::Error> {
        decisions.standing(self.root(), &self.inputs)
    }

    /// Returns the project as trusted, or how it stands with the user.
    pub fn trusted(
        self,
        decisions: &Decisions,
    ) -> Result<Result<Trusted<Self>, Standing>, fsx::Error> {
        let (root, inputs) = (self.place.root.clone(), self.inputs.clone());
        decisions.trust(&root, &inputs, self)
    }

    /// Records that the user allows the project as it was read, and returns it as trusted.
    pub fn allow(
        mut self,
        decisions: &Decisions,
        now: SystemTime,
    ) -> Result<Trusted<Self>, fsx::Error> {
        decisions.allow(self.root(), &self.inputs, self.facts())?;
        // The decision is devsh's own doing, no change to be noticed later.
        let decided = [
            decisions.approval_path(self.root()),
            decisions.denial_path(self.root()),
        ];
        for file in self
            .watched
            .iter_mut()
            .filter(|file| decided.contains(&file.path))
        {
            *file = Watched::look(&file.path, now);
        }
        Ok(Decisions::trust_once(self))
    }

    /// Returns what the project asks for as short facts, to be compared and shown.
    pub fn facts(&self) -> BTreeMap<String, String> {
        let mut facts = facts::of(&self.manifest);
        for (name, source) in self.python.iter().flat_map(|files| &files.foreign) {
            facts.insert(format!("python package {name}"), source.clone());
        }
        facts
    }
}

/// The Python lockfiles that a manifest names, each once.
fn python_locks(manifest: &Manifest) -> BTreeSet<&str> {
    let shells = manifest.shells.values();
    shells
        .filter_map(|shell| Some(shell.python.lock.as_ref()?.value.as_str()))
        .collect()
}

/// Returns where the lockfile of the project at `place` is kept.
///
/// A project without manifest keeps it in devsh's own state until the user asks for a file.
pub fn lock_path(place: &Place, state: &Path) -> PathBuf {
    let own = place.root.join(LOCKFILE);
    if place.kind == Kind::Prepared || own.exists() {
        own
    } else {
        state
            .join("projects")
            .join(project_key(&place.root))
            .join(LOCKFILE)
    }
}
