//! Projects on disk: where they are, what they request, and whether the user allowed it.

pub mod approval;
pub mod approval_summary;
mod build_inputs;
mod dedupe_tools;
pub mod detect;
pub mod layers;
pub mod locate;
mod members;
mod newest_python;
pub mod personal;
pub mod python_files;
pub mod reader;
pub mod repository;
pub mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    config::{Ruling, TrustRules, ownership::Access},
    context::Context,
    lockfile::ExtendsPins,
    manifest::{self, Manifest, ShellName, presets::PresetNote},
    util::files,
};

pub use reader::Error;

use approval::{Decisions, Standing, TrustCheck, Trusted, project_key};
use detect::Detection;
use layers::{LayerStack, Layers};
use locate::{MANIFEST, Place, ProjectKind};
use python_files::PythonFiles;
use reader::{Closure, Inputs};
use repository::Repository;
use watch::Watched;

/// The name of a project's lockfile.
pub const LOCKFILE: &str = "devshell.lock";

/// A project whose files were read.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its root and kind.
    pub place: Place,
    closure: Closure,
    manifest: Manifest,
    /// The manifest of the team's layers alone, if there are personal ones.
    team: Option<Manifest>,
    layers: Layers,
    presets: Vec<String>,
    notes: Vec<PresetNote>,
    python: Vec<PythonFiles>,
    ruling: Option<Ruling>,
    repository: Option<Repository>,
    /// Whether the same content is allowed in another worktree.
    allowed_elsewhere: bool,
}

/// A project that cannot be read, and the files that can change this.
#[derive(Debug)]
pub struct Unreadable {
    /// The cause.
    pub error: Error,
    /// The files that were read or found absent.
    pub watched: Vec<Watched>,
}

impl Project {
    /// Reads the project at `place`. Each file is read once.
    ///
    /// Nothing is executed, fetched or exported. The stamp of a file is taken before its content, so `watched` is never
    /// newer than the content.
    ///
    /// Fetched files have the digests that `pins` of its lockfiles name.
    pub fn open(
        place: Place,
        decisions: &Decisions,
        context: &Context,
        rules: &TrustRules,
        pins: &ExtendsPins,
    ) -> Result<Self, Unreadable> {
        let access = Access::of(context, &place.root, &rules.shared);
        let mut inputs = Inputs::new(&place.root, access, context.now);
        inputs.watch(&decisions.approval_path(&place.root));
        inputs.watch(&decisions.denial_path(&place.root));
        let (ruling, repository) = ruling(&mut inputs, rules);
        if ruling == Some(Ruling::Denied) {
            // A denied project is not read at all.
            return Ok(Self::unread(place, inputs));
        }
        let unclosed = match Self::read(place, &mut inputs, context, pins) {
            Ok(unclosed) => unclosed,
            Err(error) => {
                let watched = inputs.watched();
                return Err(Unreadable { error, watched });
            }
        };
        let mut closure = inputs.close();
        let allowed_elsewhere = repository
            .as_ref()
            .and_then(|repository| decisions.allowed_worktree(repository, &closure))
            .is_some_and(|basis| {
                for path in basis {
                    closure.watch(&path, context.now);
                }
                true
            });
        Ok(Self {
            closure,
            ruling,
            repository,
            allowed_elsewhere,
            ..unclosed
        })
    }

    fn unread(place: Place, inputs: Inputs) -> Self {
        Self {
            place,
            closure: inputs.close(),
            manifest: Manifest::default(),
            team: None,
            layers: Layers::default(),
            presets: Vec::new(),
            notes: Vec::new(),
            python: Vec::new(),
            ruling: Some(Ruling::Denied),
            repository: None,
            allowed_elsewhere: false,
        }
    }

    fn read(
        place: Place,
        inputs: &mut Inputs,
        context: &Context,
        pins: &ExtendsPins,
    ) -> Result<Self, Error> {
        let directories = &context.directories;
        let detection = match place.kind {
            ProjectKind::Prepared => Detection::default(),
            ProjectKind::Detected => {
                inputs.exists(MANIFEST);
                inputs.approve_absence(MANIFEST);
                detect::detect(inputs)?
            }
        };
        let mut stack = LayerStack::new(inputs, &directories.data, pins, detection.layers);
        if place.kind == ProjectKind::Prepared {
            stack.manifest()?;
        }
        for name in personal::names(&place.root, &directories.config) {
            stack.personal(&name)?;
        }
        let layers = stack.finish();
        // Layers may depend on a file that is not fetched yet, so an error says nothing about the complete project.
        let merged = |layers_of: &[manifest::Layer]| match manifest::merge(layers_of) {
            Err(_) if !layers.wanted.is_empty() => Ok(Manifest::default()),
            merged => merged,
        };
        let mut manifest = merged(&layers.all)?;
        let mut team = if layers.team == layers.all.len() {
            None
        } else {
            Some(merged(&layers.all[..layers.team])?)
        };
        for manifest in team.iter_mut().chain([&mut manifest]) {
            python_files::find(inputs, manifest)?;
        }
        let locks = python_files::locks(&manifest).into_iter();
        let python: Vec<PythonFiles> = locks
            .map(|(lock, groups)| python_files::read(inputs, &lock, &groups))
            .collect::<Result<_, _>>()?;
        let provided =
            dedupe_tools::dedupe_tools(&mut manifest, team.as_mut(), &python, place.kind);
        if place.kind == ProjectKind::Detected {
            for manifest in team.iter_mut().chain([&mut manifest]) {
                newest_python::bound_python(manifest, &python);
            }
        }
        let notes = [detection.notes, provided, layers.notes.clone()].concat();
        Ok(Self {
            place,
            closure: Closure::default(),
            manifest,
            team,
            layers,
            presets: detection.presets,
            notes,
            python,
            ruling: None,
            repository: None,
            allowed_elsewhere: false,
        })
    }

    /// Returns the project with the dev shell `name`, which may combine several (`dev+test`).
    pub fn with_shell(mut self, name: &ShellName) -> Result<Self, Error> {
        if name.is_single() || self.manifest.shells.contains_key(name) {
            return Ok(self);
        }
        let mut merged = manifest::merge_with(&self.layers.all, Some(name))?;
        if let Some(mut shell) = merged.shells.remove(name) {
            // A lockfile that was found next to the manifest was found for each single dev shell.
            let single = self.manifest.shells.iter();
            let single: Vec<_> = single
                .filter(|(one, _)| name.parts().any(|part| part == one.as_str()))
                .map(|(_, shell)| &shell.python)
                .collect();
            let lock = single.iter().find_map(|python| python.lock.as_ref());
            shell.python.lock = shell.python.lock.or_else(|| lock.cloned());
            let known = |group: &manifest::Located<String>| {
                single.iter().any(|python| python.groups.contains(group))
            };
            shell.python.groups.retain(known);
            if self.place.kind == ProjectKind::Detected {
                newest_python::copy_bound(&self.manifest, &mut shell);
            }
            self.manifest.shells.insert(name.clone(), shell);
        }
        Ok(self)
    }

    /// Returns the canonical root.
    pub fn root(&self) -> &Path {
        &self.place.root
    }

    /// Returns the manifest, for display. Acting on it requires a `Trusted` project.
    pub const fn preview(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the manifest of the team's layers, without personal ones.
    pub fn team(&self) -> &Manifest {
        self.team.as_ref().unwrap_or(&self.manifest)
    }

    /// Returns the project without its personal layers.
    #[must_use]
    pub fn of_team(&self) -> Self {
        let mut project = self.clone();
        project.manifest = self.team().clone();
        project.team = None;
        project
    }

    /// Returns whether the project has personal layers.
    pub const fn has_personal(&self) -> bool {
        self.team.is_some()
    }

    /// Returns whether a rule of the user denies the project. Its files are not read then.
    pub fn is_denied(&self) -> bool {
        self.ruling == Some(Ruling::Denied)
    }

    pub const fn layers(&self) -> &Layers {
        &self.layers
    }

    /// Returns the files on which the project and its standing depend, as they were when they were read.
    pub fn watched(&self) -> &[Watched] {
        self.closure.watched()
    }

    /// Returns the names and digests of the files that the user approves with the project.
    pub const fn approved(&self) -> &BTreeMap<String, Option<[u8; 32]>> {
        self.closure.approved()
    }

    /// Returns the files that belong to a Python lockfile of the manifest.
    pub fn python(&self, lock: &str) -> Option<&PythonFiles> {
        self.python.iter().find(|files| files.lock == lock)
    }

    /// Returns the names of the presets that apply; none if there is a manifest.
    pub fn presets(&self) -> &[String] {
        &self.presets
    }

    /// Returns notes on things in a detected project's files that have no effect.
    pub fn notes(&self) -> &[PresetNote] {
        &self.notes
    }

    /// Returns whether the user allowed or denied the project.
    pub fn standing(&self, decisions: &Decisions) -> Result<Standing, files::Error> {
        if self.ruling == Some(Ruling::Denied) {
            return Ok(Standing::Denied);
        }
        let recorded = decisions.standing(self.root(), &self.closure)?;
        let undecided = matches!(recorded, Standing::Unknown | Standing::Changed);
        let allowed = self.ruling == Some(Ruling::Allowed) || self.allowed_elsewhere;
        let standing = if undecided && allowed {
            Standing::Allowed
        } else {
            recorded
        };
        // A file that was never fetched was not approved, although the digests of the others match.
        Ok(match standing {
            Standing::Allowed if !self.layers.wanted.is_empty() => Standing::Changed,
            standing => standing,
        })
    }

    /// Returns the files whose content differs from the approved one.
    pub fn changed_files(&self, decisions: &Decisions) -> Result<Vec<String>, files::Error> {
        let Some(approval) = decisions.approval(self.root())? else {
            return Ok(Vec::new());
        };
        let now = self.closure.approved();
        let names: BTreeSet<&String> = approval.inputs.keys().chain(now.keys()).collect();
        let content =
            |inputs: &BTreeMap<String, Option<[u8; 32]>>, name| inputs.get(name).copied().flatten();
        Ok(names
            .into_iter()
            .filter(|name| content(&approval.inputs, *name) != content(now, *name))
            .cloned()
            .collect())
    }

    /// Returns the project as trusted, or the standing that prevents it.
    pub fn trusted(self, decisions: &Decisions) -> Result<TrustCheck<Self>, files::Error> {
        Ok(match self.standing(decisions)? {
            Standing::Allowed => TrustCheck::Trusted(Trusted::new(self)),
            standing => TrustCheck::Refused(standing),
        })
    }

    /// Returns the project as trusted for one command with `--trust`. A denied project is refused all the same.
    pub fn trusted_once(self, decisions: &Decisions) -> Result<TrustCheck<Self>, files::Error> {
        Ok(match self.standing(decisions)? {
            Standing::Denied => TrustCheck::Refused(Standing::Denied),
            _ => TrustCheck::Trusted(Trusted::new(self)),
        })
    }

    /// Records that the user allows the project in the state that was read, and returns it as trusted.
    pub fn allow(
        mut self,
        decisions: &Decisions,
        now: SystemTime,
    ) -> Result<Trusted<Self>, files::Error> {
        decisions.allow(self.root(), &self.closure, self.facts())?;
        if let Some(repository) = &self.repository {
            decisions.allow_worktrees(self.root(), repository, &self.closure)?;
        }
        // devsh itself wrote these files, so they must not look changed at the next prompt.
        for path in [
            decisions.approval_path(self.root()),
            decisions.denial_path(self.root()),
        ] {
            self.closure.look_again(&path, now);
        }
        Ok(Trusted::new(self))
    }

    /// Returns a summary of the project as name and value pairs, for display and comparison.
    pub fn facts(&self) -> BTreeMap<String, String> {
        let hidden: BTreeSet<&str> = self
            .layers
            .all
            .iter()
            .flat_map(|layer| layer.env_files.keys().map(String::as_str))
            .collect();
        let default_groups = |lock: &str| {
            let locked = self.python(lock).and_then(|files| files.locked.as_ref());
            let groups = locked.into_iter().flat_map(|locked| &locked.default_groups);
            groups.cloned().collect()
        };
        let mut facts = approval_summary::of(&self.manifest, &hidden, default_groups);
        facts.extend(self.layers.facts.clone());
        for (name, source) in self.python.iter().flat_map(|files| &files.foreign) {
            facts.insert(format!("python package {name}"), source.clone());
        }
        facts
    }
}

/// Returns the ruling of the user's settings for a project, and its repository.
fn ruling(inputs: &mut Inputs, rules: &TrustRules) -> (Option<Ruling>, Option<Repository>) {
    let root = inputs.root().to_owned();
    let repository =
        Repository::of(&root).filter(|repository| inputs.is_safe(&repository.config()));
    let asked = repository.as_ref().filter(|_| !rules.remotes.is_empty());
    let remotes = asked.map_or_else(Vec::new, |repository| {
        inputs.watch(&repository.config());
        repository.remotes()
    });
    (rules.ruling(&root, &remotes), repository)
}

/// Reads one of devsh's own lockfiles of the project at `root`.
pub fn read_lockfile(
    context: &Context,
    root: &Path,
    rules: &TrustRules,
    path: &Path,
) -> Result<Option<Vec<u8>>, Error> {
    let mut access = Access::of(context, root, &rules.shared);
    let read = reader::read_checked(&mut access, path, reader::PROJECT_SIZE)?;
    Ok(read.map(|(bytes, _)| bytes))
}

/// Returns the path of the lockfile of the project at `place`.
///
/// The lockfile of a project without manifest is in devsh's state directory until the user asks for a file.
pub fn lock_path(place: &Place, state: &Path) -> PathBuf {
    let in_project = place.root.join(LOCKFILE);
    if place.kind == ProjectKind::Prepared || in_project.exists() {
        in_project
    } else {
        state
            .join("projects")
            .join(project_key(&place.root))
            .join(LOCKFILE)
    }
}
