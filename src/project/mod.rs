//! Projects on disk: where they are, what they ask for, and whether the user allowed it.

pub mod detect;
pub mod facts;
pub mod locate;
pub mod trust;
pub mod watch;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    fsx,
    manifest::{self, Manifest},
};

use locate::{Kind, MANIFEST, Place};
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
}

/// A project that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] fsx::Error),
    /// The manifest, or a file that the presets read, is not valid.
    #[error(transparent)]
    Content(#[from] manifest::Error),
}

impl From<detect::Error> for Error {
    fn from(error: detect::Error) -> Self {
        match error {
            detect::Error::File(error) => Self::File(error),
            detect::Error::Content(error) => Self::Content(error),
        }
    }
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
        let inputs = vec![Input {
            name: MANIFEST.to_owned(),
            bytes,
        }];
        Ok(Self {
            place,
            inputs,
            manifest,
            watched,
            presets,
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
    pub fn allow(self, decisions: &Decisions) -> Result<Trusted<Self>, fsx::Error> {
        decisions.allow(self.root(), &self.inputs, self.facts())?;
        Ok(Decisions::trust_once(self))
    }

    /// Returns what the project asks for as short facts, to be compared and shown.
    pub fn facts(&self) -> BTreeMap<String, String> {
        facts::of(&self.manifest)
    }
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
