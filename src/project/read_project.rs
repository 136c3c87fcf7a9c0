//! Reads a project as far as the user has approved it, and compares it with the approval.

use std::{collections::BTreeSet, path::Path};

use crate::{
    config::{Ruling, TrustRules, ownership::Access},
    context::Context,
    lockfile::ExtendsPins,
    manifest::{self, Manifest},
    util::files,
};

use super::{
    Error, Project,
    approval::{Approval, ApprovalState, Decisions, WorktreeApproval},
    approval_summary::{self, Fact, FactCollision, Facts, SummaryInput},
    dedupe_tools,
    detect::{self, Detection, SoughtPresets},
    import_files,
    layers::{LayerStack, Layers},
    locate::{MANIFEST, Place, ProjectKind},
    newest_python,
    package_builds::BuildPermission,
    personal, python_files,
    reader::{
        Inputs, OutsideRule, PROJECT_SIZE, ProjectFiles, UNAPPROVED_SIZE, UNKNOWN_AT_PROMPT_SIZE,
    },
    removed_tools,
    repository::{ClaimedRepositories, Repository},
    watch::Watched,
};

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
    package_builds: BTreeSet<String>,
    elsewhere: Vec<WorktreeApproval>,
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
        let (ruling, repository) = ruling(
            &mut inputs,
            place.kind,
            rules,
            context.directories.home.as_deref(),
        )?;
        let elsewhere = repository
            .iter()
            .flat_map(|repository| decisions.worktree_approvals(repository))
            .collect();
        Ok(Self {
            denied: decisions.denial(root)?.is_some(),
            approval: decisions.approval(root)?,
            package_builds: decisions.package_builds(root)?,
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
        if project.approved_at.as_ref() == Some(&project.place.root) {
            project.build_permission = BuildPermission::Named(self.package_builds);
        }
        let elsewhere = self.elsewhere.into_iter();
        let mut elsewhere = elsewhere.filter(|one| Some(&one.root) == project.approved_at.as_ref());
        if let Some(approval) = elsewhere.next() {
            project.build_permission = BuildPermission::Named(approval.package_builds);
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
            unread: Vec::new(),
            python: Vec::new(),
            has_refused: false,
            ruling: self.ruling,
            repository: None,
            standing: ApprovalState::Denied,
            is_complete: false,
            facts: Approval::default(),
            before: self.approval,
            approved_at: None,
            removed_tools: BTreeSet::new(),
            build_permission: BuildPermission::default(),
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
        // Presets read lockfiles, so a project that may be approved needs more before its manifest is known.
        self.inputs.limit_size(match mode {
            _ if is_trusted => PROJECT_SIZE,
            ReadMode::Prompt if !self.is_known() => UNKNOWN_AT_PROMPT_SIZE,
            _ => UNAPPROVED_SIZE,
        });
        self.inputs.open_outside(if is_trusted {
            OutsideRule::All
        } else {
            let elsewhere = self.elsewhere.iter().map(|one| &one.approval);
            let approvals = self.approval.iter().chain(elsewhere);
            OutsideRule::Approved(approvals.map(|approval| approval.all.clone()).collect())
        });
        let mut project = self.read_manifests(context, pins)?;
        project.facts.manifest = project.summary(&self.inputs)?;
        if is_gated {
            let manifest = &project.facts.manifest;
            let own = self.approval.iter().filter(|_| !self.denied);
            let elsewhere = self.elsewhere.iter().map(|one| &one.approval);
            let lacks_only_tools = self.approval.as_ref().is_some_and(|approval| {
                !self.denied
                    && project.unread.is_empty()
                    && removed_tools::in_manifests(&approval.manifest, manifest).is_some()
            });
            let mut approvals = own.chain(elsewhere);
            if !lacks_only_tools && !approvals.any(|approval| approval.manifest == *manifest) {
                project.refuse_faulty()?;
                return Ok(project);
            }
            self.inputs.limit_size(PROJECT_SIZE);
        }
        project.read_python(&mut self.inputs)?;
        project.is_complete = true;
        project.facts.all = project.summary(&self.inputs)?;
        if let Some(locked) = locked {
            project.facts.all.join(project.locked_facts()?)?;
            project.facts.all.join(locked)?;
        }
        project.judge(self.denied, &self.elsewhere);
        // Nobody should approve the project as it is without that file.
        if mode != ReadMode::Trusted {
            project.refuse_faulty()?;
        }
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
            unread: detection.unread,
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
            removed_tools: BTreeSet::new(),
            build_permission: BuildPermission::default(),
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

    /// Fails if a file has a fault, and the project means something else than the user approved because of it. The prompt
    /// then keeps what it has loaded until the user mends the file.
    fn refuse_faulty(&self) -> Result<(), Error> {
        if self.unread.is_empty() || self.standing != ApprovalState::Changed {
            return Ok(());
        }
        let changed = self.changed_files();
        // Without a version file, a preset alone decides about the version.
        let is_cause = |error: &&manifest::Error| {
            let mut changed = changed.iter();
            changed.any(|file| *file == *error.file || file.starts_with("preset "))
        };
        match self.unread.iter().find(is_cause) {
            Some(error) => Err(error.clone().into()),
            None => Ok(()),
        }
    }

    /// Compares all facts with the user's decisions.
    fn judge(&mut self, denied: bool, elsewhere: &[WorktreeApproval]) {
        // A tool that the manifests name and the Python packages bring is in the facts of the manifests only. Prompts
        // compare those first.
        let is_same = |approval: &Approval| *approval == self.facts;
        self.approved_at = if self.before.as_ref().is_some_and(is_same) {
            Some(self.place.root.clone())
        } else {
            let same = elsewhere.iter().find(|one| is_same(&one.approval));
            let same = same.map(|one| one.root.clone());
            same.or_else(|| {
                // A file that cannot be read takes its tools away only until it is mended.
                let before = self.before.as_ref().filter(|_| self.unread.is_empty())?;
                self.removed_tools = removed_tools::find(before, &self.facts)?;
                Some(self.place.root.clone())
            })
        };
        let is_allowed = self.ruling == Some(Ruling::Allowed) || self.approved_at.is_some();
        if denied || !is_allowed {
            self.approved_at = None;
            self.removed_tools.clear();
            return;
        }
        // A file that was never fetched was not approved, although the facts about the others match.
        self.standing = if self.layers.wanted.is_empty() {
            ApprovalState::Allowed
        } else {
            ApprovalState::Changed
        };
    }

    /// Returns the facts about everything that was read so far.
    fn summary(&self, inputs: &Inputs) -> Result<Facts, FactCollision> {
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
        let mut facts = approval_summary::of(&self.manifest, &input)?;
        facts.join(self.layers.facts.clone())?;
        facts.join(inputs.outside_facts()?)?;
        for files in &self.python {
            facts.join(files.facts.clone())?;
        }
        Ok(facts)
    }

    /// Returns a fact about each package of the Python lockfiles.
    fn locked_facts(&self) -> Result<Facts, FactCollision> {
        let mut facts = Facts::new();
        for files in &self.python {
            for package in files.locked.iter().flat_map(|locked| locked.listed()) {
                let fact = Fact::meaning(package.version, &package.content, &files.lock);
                facts.add("locked in", &[&files.lock, &package.name], fact)?;
            }
        }
        Ok(facts)
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
fn ruling(
    inputs: &mut Inputs,
    kind: ProjectKind,
    rules: &TrustRules,
    home: Option<&Path>,
) -> Result<(Option<Ruling>, Option<Repository>), files::Error> {
    let root = inputs.root().to_owned();
    if !rules.deny.is_empty() {
        // As with `devsh deny`, a repository takes its denial to all of its worktrees.
        let places = ClaimedRepositories::around(&root)?.places;
        if places.iter().any(|place| rules.denies(place)) {
            return Ok((Some(Ruling::Denied), None));
        }
    }
    let repository =
        Repository::of(&root).filter(|repository| inputs.is_safe(&repository.config()));
    let asked = repository.as_ref().filter(|_| !rules.remotes.is_empty());
    let vouched = asked.is_some_and(|repository| {
        inputs.watch(&repository.config());
        rules.knows(&repository.remotes())
            && !repository.is_nested(&root, home)
            && is_tracked(inputs, repository, kind)
    });
    Ok((rules.ruling(&root, vouched), repository))
}

/// Returns whether the project is a part of its repository. Git ignores other directories in a worktree, such as
/// `node_modules`, and the remotes say nothing about those.
fn is_tracked(inputs: &mut Inputs, repository: &Repository, kind: ProjectKind) -> bool {
    let Some(index) = repository.index(inputs.root()) else {
        return false;
    };
    let is_tracked = inputs.is_safe(&index) && repository.tracks(&index, kind);
    // Git often writes the index. Only `git add` of the manifest matters.
    if !is_tracked {
        inputs.watch(&index);
    }
    is_tracked
}
