//! Projects on disk: where they are, what they request, and whether the user allowed it.

pub mod approval;
pub mod approval_summary;
mod build_inputs;
mod dedupe_tools;
pub mod detect;
pub mod import_files;
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
    io,
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

use approval::{
    Approval, ApprovalState, Decisions, TrustCheck, Trusted, WorktreeApproval, project_key,
};
use approval_summary::{Difference, Fact, Facts, SummaryInput};
use detect::{Detection, SoughtPresets};
use layers::{LayerStack, Layers};
use locate::{MANIFEST, Place, ProjectKind};
use python_files::PythonFiles;
use reader::{Inputs, OutsideRule, PROJECT_SIZE, ProjectFiles, SizeLimit, UNAPPROVED_SIZE};
use repository::Repository;
use watch::Watched;

/// The name of a project's lockfile.
pub const LOCKFILE: &str = "devshell.lock";

/// The files of a project that may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMode {
    /// Lockfiles only if the manifests say what the user approved, and files outside only if the user approved that.
    Approved,
    /// The same for a prompt, which reads little of a project that the user never approved.
    Prompt,
    /// All files of the project, for the user's review.
    Review,
    /// All files that the project names: the user trusts it.
    Trusted,
}

/// A project that is found and not read yet, with the user's decisions about it.
#[derive(Debug)]
pub struct FoundProject {
    place: Place,
    inputs: Inputs,
    ruling: Option<Ruling>,
    repository: Option<Repository>,
    denied: bool,
    approval: Option<Approval>,
    elsewhere: Vec<WorktreeApproval>,
}

/// A project whose files were read.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its root and kind.
    pub place: Place,
    closure: ProjectFiles,
    manifest: Manifest,
    /// The manifest of the team's layers alone, if there are personal ones.
    team: Option<Manifest>,
    layers: Layers,
    presets: Vec<String>,
    notes: Vec<PresetNote>,
    python: Vec<PythonFiles>,
    /// Whether files outside of the project were not opened.
    has_refused: bool,
    ruling: Option<Ruling>,
    repository: Option<Repository>,
    standing: ApprovalState,
    /// Whether more than the manifests was read.
    is_complete: bool,
    /// The facts to approve.
    facts: Approval,
    /// The facts that the user approved here last.
    before: Option<Approval>,
    /// The root of the approval that the facts match.
    approved_at: Option<PathBuf>,
}

/// A project that cannot be read, and the files that can change this.
#[derive(Debug)]
pub struct Unreadable {
    /// The cause.
    pub error: Error,
    /// The files that were read or found absent.
    pub watched: Vec<Watched>,
}

impl FoundProject {
    /// Finds the user's decisions about the project at `place`. None of its own files is opened.
    pub fn find(
        place: Place,
        decisions: &Decisions,
        context: &Context,
        rules: &TrustRules,
    ) -> Result<Self, files::Error> {
        let root = &place.root;
        let access = Access::of(context, root, &rules.shared);
        let mut inputs = Inputs::new(root, access, context.now);
        inputs.watch(&decisions.approval_path(root));
        inputs.watch(&decisions.denial_path(root));
        inputs.add_own(&context.directories.config);
        let (ruling, repository) = ruling(&mut inputs, rules);
        let elsewhere = repository
            .iter()
            .flat_map(|repository| decisions.worktree_approvals(repository))
            .collect();
        Ok(Self {
            denied: decisions.denial(root)?.is_some(),
            approval: decisions.approval(root)?,
            ruling,
            repository,
            elsewhere,
            inputs,
            place,
        })
    }

    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Gives the project a manifest that is not written yet.
    pub fn propose_manifest(&mut self, text: &str) {
        self.inputs.propose(MANIFEST, text);
    }

    /// Returns whether the user has decided anything that could allow the project.
    pub fn is_known(&self) -> bool {
        self.approval.is_some() || !self.elsewhere.is_empty() || self.ruling.is_some()
    }

    /// Returns whether a rule of the user denies the project.
    pub fn is_denied_by_rule(&self) -> bool {
        self.ruling == Some(Ruling::Denied)
    }

    /// Reads the project. Each file is read once.
    ///
    /// Nothing is executed, fetched or exported. The stamp of a file is taken before its content, so `watched` is never
    /// newer than the content.
    ///
    /// Fetched files have the digests that `pins` of its lockfiles name. `locked` has the facts about its lockfiles, if the
    /// user approves those too.
    pub fn read(
        self,
        mode: ReadMode,
        context: &Context,
        pins: &ExtendsPins,
        locked: Option<Facts>,
    ) -> Result<Project, Unreadable> {
        let mut found = self;
        if found.is_denied_by_rule() {
            // Such a project is not read at all.
            return Ok(found.into_denied());
        }
        match found.read_files(mode, context, pins, locked) {
            Ok(project) => Ok(found.finish(project, context)),
            Err(error) => Err(Unreadable {
                error: found.inputs.conceal(error),
                watched: found.inputs.watched(),
            }),
        }
    }

    fn finish(self, mut project: Project, context: &Context) -> Project {
        project.has_refused = self.inputs.has_refused();
        project.closure = self.inputs.close();
        let elsewhere = self.elsewhere.into_iter();
        let mut elsewhere = elsewhere.filter(|one| Some(&one.root) == project.approved_at.as_ref());
        if let Some(approval) = elsewhere.next() {
            for path in approval.basis {
                project.closure.watch(&path, context.now);
            }
        }
        project
    }

    fn into_denied(self) -> Project {
        Project {
            place: self.place,
            closure: self.inputs.close(),
            manifest: Manifest::default(),
            team: None,
            layers: Layers::default(),
            presets: Vec::new(),
            notes: Vec::new(),
            python: Vec::new(),
            has_refused: false,
            ruling: self.ruling,
            repository: None,
            standing: ApprovalState::Denied,
            is_complete: false,
            facts: Approval::default(),
            before: self.approval,
            approved_at: None,
        }
    }

    fn read_files(
        &mut self,
        mode: ReadMode,
        context: &Context,
        pins: &ExtendsPins,
        locked: Option<Facts>,
    ) -> Result<Project, Error> {
        let is_trusted =
            !self.denied && (mode == ReadMode::Trusted || self.ruling == Some(Ruling::Allowed));
        let is_gated = matches!(mode, ReadMode::Approved | ReadMode::Prompt) && !is_trusted;
        // Presets read lockfiles, so an approved project needs more before its manifest is known.
        if is_gated && mode == ReadMode::Prompt && !self.is_known() {
            self.inputs.limit_size(UNAPPROVED_SIZE);
        }
        self.inputs.open_outside(if is_trusted {
            OutsideRule::All
        } else {
            let elsewhere = self.elsewhere.iter().map(|one| &one.approval);
            let approvals = self.approval.iter().chain(elsewhere);
            let facts = approvals.flat_map(|approval| approval.all.clone());
            OutsideRule::Approved(facts.collect())
        });
        let mut project = self.read_manifests(context, pins)?;
        project.facts.manifest = project.summary(&self.inputs);
        if is_gated {
            let manifest = &project.facts.manifest;
            let own = self.approval.iter().filter(|_| !self.denied);
            let elsewhere = self.elsewhere.iter().map(|one| &one.approval);
            let mut approvals = own.chain(elsewhere);
            if !approvals.any(|approval| approval.manifest == *manifest) {
                return Ok(project);
            }
            self.inputs.limit_size(PROJECT_SIZE);
        }
        project.read_python(&mut self.inputs)?;
        project.is_complete = true;
        project.facts.all = project.summary(&self.inputs);
        if let Some(locked) = locked {
            project.facts.all.extend(project.locked_facts());
            project.facts.all.extend(locked);
        }
        project.judge(self.denied, &self.elsewhere);
        Ok(project)
    }

    /// Reads the manifests with the files that they extend.
    fn read_manifests(&mut self, context: &Context, pins: &ExtendsPins) -> Result<Project, Error> {
        let (place, inputs) = (&self.place, &mut self.inputs);
        let directories = &context.directories;
        let detection = match place.kind {
            ProjectKind::Prepared => follow_presets(inputs)?,
            ProjectKind::Detected => {
                inputs.exists(MANIFEST);
                detect::detect(inputs, SoughtPresets::OfRoot)?
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
        // Layers may depend on a file that is not read yet, so an error says nothing about the complete project.
        let other_tools = match place.kind {
            ProjectKind::Detected => import_files::notes(inputs)?,
            ProjectKind::Prepared => Vec::new(),
        };
        let notes = detection.notes.into_iter().chain(other_tools);
        let notes = notes.chain(layers.notes.clone());
        let notes = notes.map(|note| inputs.conceal_note(note)).collect();
        let is_partial = !layers.wanted.is_empty() || inputs.has_refused();
        let merged = |layers_of: &[manifest::Layer]| match manifest::merge(layers_of) {
            Err(_) if is_partial => Ok(Manifest::default()),
            merged => merged,
        };
        Ok(Project {
            manifest: merged(&layers.all)?,
            team: if layers.team == layers.all.len() {
                None
            } else {
                Some(merged(&layers.all[..layers.team])?)
            },
            place: place.clone(),
            closure: ProjectFiles::default(),
            layers,
            presets: detection.presets,
            notes,
            python: Vec::new(),
            has_refused: false,
            ruling: self.ruling,
            repository: self.repository.clone(),
            standing: match (self.denied, &self.approval) {
                (true, _) => ApprovalState::Denied,
                (false, Some(_)) => ApprovalState::Changed,
                (false, None) => ApprovalState::Unknown,
            },
            is_complete: false,
            facts: Approval::default(),
            before: self.approval.clone(),
            approved_at: None,
        })
    }
}

impl Project {
    /// Reads the Python lockfiles that the manifests name, and the files that decide what a build of them runs.
    fn read_python(&mut self, inputs: &mut Inputs) -> Result<(), Error> {
        for manifest in self.team.iter_mut().chain([&mut self.manifest]) {
            python_files::find(inputs, manifest)?;
        }
        let locks = python_files::locks(&self.manifest).into_iter();
        self.python = locks
            .map(|(lock, groups)| python_files::read(inputs, &lock, &groups))
            .collect::<Result<_, _>>()?;
        let own_files: BTreeSet<String> = self.own_layers().map(str::to_owned).collect();
        let team = self.team.as_mut();
        let provided =
            dedupe_tools::dedupe_tools(&mut self.manifest, team, &self.python, &own_files);
        self.notes.extend(provided);
        self.notes.extend(python_files::notes(&self.python));
        if self.follows_presets() {
            for manifest in self.team.iter_mut().chain([&mut self.manifest]) {
                newest_python::bound_python(manifest, &self.python);
            }
        }
        Ok(())
    }

    /// Compares all facts with the user's decisions.
    fn judge(&mut self, denied: bool, elsewhere: &[WorktreeApproval]) {
        let is_same = |approval: &Approval| approval.all == self.facts.all;
        self.approved_at = if self.before.as_ref().is_some_and(is_same) {
            Some(self.place.root.clone())
        } else {
            let same = elsewhere.iter().find(|one| is_same(&one.approval));
            same.map(|one| one.root.clone())
        };
        let is_allowed = self.ruling == Some(Ruling::Allowed) || self.approved_at.is_some();
        if denied || !is_allowed {
            self.approved_at = None;
            return;
        }
        // A file that was never fetched was not approved, although the facts about the others match.
        self.standing = if self.layers.wanted.is_empty() {
            ApprovalState::Allowed
        } else {
            ApprovalState::Changed
        };
    }

    /// Returns the project with the dev shell `name`, which may combine several (`dev,test`).
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
            let known = |extra: &manifest::Located<String>| {
                single.iter().any(|python| python.extras.contains(extra))
            };
            shell.python.extras.retain(known);
            if self.follows_presets() {
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

    /// Returns the files of the project as they were read.
    pub const fn closure(&self) -> &ProjectFiles {
        &self.closure
    }

    /// Returns whether files outside of the project must be opened to know all facts.
    pub const fn has_unread_files(&self) -> bool {
        self.has_refused
    }

    /// Returns the root of the approval that allows the project; none if a rule or an option does.
    pub fn approved_at(&self) -> Option<&Path> {
        self.approved_at.as_deref()
    }

    /// Returns the files that belong to a Python lockfile of the manifest.
    pub fn python(&self, lock: &str) -> Option<&PythonFiles> {
        self.python.iter().find(|files| files.lock == lock)
    }

    /// Returns the files of the layers that are manifests.
    fn own_layers(&self) -> impl Iterator<Item = &str> {
        let layers = self.layers.all.iter().skip(self.layers.detected);
        layers.map(|layer| &**layer.text.file())
    }

    /// Returns whether tools and versions come from the project's own files by presets.
    const fn follows_presets(&self) -> bool {
        self.layers.detected > 0
    }

    /// Returns the names of the presets that apply.
    pub fn presets(&self) -> &[String] {
        &self.presets
    }

    /// Returns notes on things in a detected project's files that have no effect.
    pub fn notes(&self) -> &[PresetNote] {
        &self.notes
    }

    /// Returns whether the user allowed or denied the project.
    pub const fn standing(&self) -> ApprovalState {
        self.standing
    }

    /// Returns the project as trusted, or the standing that prevents it.
    pub fn trusted(self) -> TrustCheck<Self> {
        match self.standing {
            ApprovalState::Allowed => TrustCheck::Trusted(Trusted::new(self)),
            standing => TrustCheck::Refused(standing),
        }
    }

    /// Returns the project as trusted for one command with `--trust`. A denied project is refused all the same.
    ///
    /// It must have been read as trusted.
    pub fn trusted_once(self) -> TrustCheck<Self> {
        match self.standing {
            ApprovalState::Denied => TrustCheck::Refused(ApprovalState::Denied),
            _ => TrustCheck::Trusted(Trusted::new(self)),
        }
    }

    /// Records that the user allows the project in the state that was read, and returns it as trusted.
    pub fn allow(
        mut self,
        decisions: &Decisions,
        now: SystemTime,
    ) -> Result<Trusted<Self>, files::Error> {
        decisions.allow(self.root(), &self.facts)?;
        if let Some(repository) = &self.repository {
            decisions.allow_worktrees(self.root(), repository, &self.facts)?;
        }
        // devsh itself wrote these files, so they must not look changed at the next prompt.
        for path in [
            decisions.approval_path(self.root()),
            decisions.denial_path(self.root()),
        ] {
            self.closure.look_again(&path, now);
        }
        self.standing = ApprovalState::Allowed;
        self.approved_at = Some(self.place.root.clone());
        Ok(Trusted::new(self))
    }

    /// Returns what has changed since the user approved the project, by name; everything if that never happened.
    pub fn differences(&self) -> BTreeMap<String, Difference> {
        let nothing = Facts::new();
        let (before, after) = self.compared().unwrap_or((&nothing, self.facts()));
        approval_summary::compare(before, after)
    }

    /// Returns the files that have changed since the user approved the project.
    pub fn changed_files(&self) -> BTreeSet<String> {
        self.compared()
            .map_or_else(BTreeSet::new, |(before, after)| {
                approval_summary::changed_files(before, after)
            })
    }

    /// Returns whether the user has approved another state of the project.
    pub const fn was_approved(&self) -> bool {
        self.before.is_some()
    }

    /// Returns whether more than the manifests was read. Only that is read of a project that is not allowed.
    pub const fn is_complete(&self) -> bool {
        self.is_complete
    }

    const fn facts(&self) -> &Facts {
        if self.is_complete {
            &self.facts.all
        } else {
            &self.facts.manifest
        }
    }

    /// Returns the facts of the last approval and those of now, in the same detail.
    fn compared(&self) -> Option<(&Facts, &Facts)> {
        let before = self.before.as_ref()?;
        Some(if self.is_complete {
            (&before.all, &self.facts.all)
        } else {
            (&before.manifest, &self.facts.manifest)
        })
    }

    /// Returns the facts about everything that was read so far.
    fn summary(&self, inputs: &Inputs) -> Facts {
        let layers = self.layers.all.iter();
        let env_files: BTreeSet<&str> = layers
            .flat_map(|layer| layer.env_files.keys().map(String::as_str))
            .collect();
        let manifests: BTreeSet<&str> = self.own_layers().collect();
        let default_groups = |lock: &str| {
            let locked = self.python(lock).and_then(|files| files.locked.as_ref());
            let groups = locked.into_iter().flat_map(|locked| &locked.default_groups);
            groups.cloned().collect()
        };
        let input = SummaryInput {
            env_files: &env_files,
            manifests: &manifests,
            default_groups: &default_groups,
        };
        let mut facts = approval_summary::of(&self.manifest, &input);
        facts.extend(self.layers.facts.clone());
        facts.extend(inputs.outside_facts());
        for files in &self.python {
            facts.extend(files.facts.clone());
        }
        facts
    }

    /// Returns a fact about each package of the Python lockfiles.
    fn locked_facts(&self) -> Facts {
        let mut facts = Facts::new();
        for files in &self.python {
            for package in files.locked.iter().flat_map(|locked| locked.listed()) {
                let name = format!("locked in {} {}", files.lock, package.name);
                let fact = Fact::meaning(package.version, &package.content, &files.lock);
                facts.insert(name, fact);
            }
        }
        facts
    }
}

/// Returns what the presets that the manifest follows find in the project.
fn follow_presets(inputs: &mut Inputs) -> Result<Detection, Error> {
    let Some(bytes) = inputs.data(MANIFEST)? else {
        return Ok(Detection::default());
    };
    let presets = manifest::parse_bytes(MANIFEST, &bytes)?.presets;
    if presets.is_empty() {
        return Ok(Detection::default());
    }
    detect::detect(inputs, SoughtPresets::Named(&presets))
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

/// Reads a file of the project at `root` again, or one of its lockfiles, if no other user could have changed it.
///
/// A lockfile needs no approval, so a symlink to a file outside of the project is refused.
pub fn read_file(
    context: &Context,
    root: &Path,
    rules: &TrustRules,
    path: &Path,
) -> Result<Option<Vec<u8>>, Error> {
    if path.starts_with(root) && path.is_symlink() && !reader::is_inside(root, path) {
        let error = io::Error::other("it is a symlink that leads out of the project");
        return Err(files::at("read", path)(error).into());
    }
    let mut access = Access::of(context, root, &rules.shared);
    let read = reader::read_checked(
        &mut access,
        path,
        SizeLimit {
            left: PROJECT_SIZE,
            whole: PROJECT_SIZE,
        },
    )?;
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
