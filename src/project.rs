//! Projects on disk: where they are, what they request, and whether the user allowed it.

pub mod approval;
pub mod approval_summary;
mod build_inputs;
mod build_packages;
mod dedupe_tools;
pub mod detect;
mod dotted_keys;
pub mod fact_groups;
mod git_index;
pub mod import_files;
mod in_tree_code;
pub mod layers;
pub mod locate;
mod members;
mod newest_python;
pub mod package_builds;
pub mod personal;
mod plain_settings;
pub mod python_files;
mod read_project;
pub mod reader;
mod removed_tools;
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
    manifest::{self, Manifest, ShellName, presets::PresetNote},
    util::files,
};

pub use plain_settings::is_plain_setting;
pub use read_project::{FoundProject, ReadMode, Unreadable};
pub use reader::Error;

use approval::{Approval, ApprovalState, Decisions, TrustCheck, Trusted, project_key};
use approval_summary::{Difference, Facts};
use layers::Layers;
use locate::{Place, ProjectKind};
use package_builds::BuildPermission;
use python_files::PythonFiles;
use reader::{PROJECT_SIZE, ProjectFiles, SizeLimit};
use repository::Repository;
use watch::Watched;

/// The name of a project's lockfile.
pub const LOCKFILE: &str = "devshell.lock";

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
    /// The errors in files that count as empty.
    unread: Vec<manifest::Error>,
    python: Vec<PythonFiles>,
    /// True if files outside of the project were not opened.
    has_refused: bool,
    ruling: Option<Ruling>,
    repository: Option<Repository>,
    standing: ApprovalState,
    /// True if more than the manifests was read.
    is_complete: bool,
    /// The facts to approve.
    facts: Approval,
    /// The facts that the user approved here last.
    before: Option<Approval>,
    /// The root of the approval that the facts match.
    approved_at: Option<PathBuf>,
    /// The approved tools that the project does not ask for any more.
    removed_tools: BTreeSet<String>,
    build_permission: BuildPermission,
}

impl Project {
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

    /// Returns the tools that the user approved and that the project does not ask for any more.
    pub const fn removed_tools(&self) -> &BTreeSet<String> {
        &self.removed_tools
    }

    /// Returns the Python packages that the user lets run their own build.
    pub const fn build_permission(&self) -> &BuildPermission {
        &self.build_permission
    }

    /// Records that the user lets these Python packages run their own build too.
    pub fn allow_builds(
        project: Trusted<Self>,
        decisions: &Decisions,
        packages: BTreeSet<String>,
    ) -> Result<Trusted<Self>, files::Error> {
        let mut project = project.into_inner();
        if let (BuildPermission::Named(names), Some(root)) =
            (&mut project.build_permission, &project.approved_at)
        {
            names.extend(packages);
            decisions.set_package_builds(root, names)?;
        }
        Ok(Trusted::new(project))
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

    /// Returns the build packages that compile native code of the project.
    pub fn compilers(&self) -> BTreeSet<&'static str> {
        self.python
            .iter()
            .flat_map(|files| files.compilers.clone())
            .collect()
    }

    /// Returns the names of the programs that the project itself brings, as far as its files declare them.
    pub fn scripts(&self) -> BTreeSet<&str> {
        let files = self.python.iter();
        files
            .flat_map(|files| &files.scripts)
            .map(String::as_str)
            .collect()
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
    pub fn trusted_once(mut self) -> TrustCheck<Self> {
        self.build_permission = BuildPermission::All;
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
        self.removed_tools.clear();
        self.build_permission = BuildPermission::Named(decisions.package_builds(self.root())?);
        Ok(Trusted::new(self))
    }

    /// Returns what has changed since the user approved the project, by name; everything if that never happened.
    pub fn differences(&self) -> BTreeMap<String, Difference> {
        let Some(before) = &self.before else {
            return approval_summary::compare(&Facts::new(), self.facts());
        };
        // Some facts of the manifests are in no other list: tools that the Python packages bring.
        let mut differences = approval_summary::compare(&before.manifest, &self.facts.manifest);
        if self.is_complete {
            differences.extend(approval_summary::compare(&before.all, &self.facts.all));
        }
        differences
    }

    /// Returns whether there is nothing that the user has not approved, as for an empty manifest.
    pub fn asks_for_nothing(&self) -> bool {
        self.differences().is_empty()
    }

    /// Returns the files that have changed since the user approved the project.
    pub fn changed_files(&self) -> BTreeSet<String> {
        let Some(before) = &self.before else {
            return BTreeSet::new();
        };
        let mut files = approval_summary::changed_files(&before.manifest, &self.facts.manifest);
        if self.is_complete {
            files.extend(approval_summary::changed_files(
                &before.all,
                &self.facts.all,
            ));
        }
        files
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
