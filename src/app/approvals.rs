//! The user's decision about a project: a review of its requests, then an approval or a denial.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    manifest::ShellName,
    project::{
        Project, ReadMode,
        approval::{ApprovalState, Trusted},
        approval_summary::Difference,
        is_plain_setting,
    },
    prompt::record::Record,
    report::failure::{ExitStatus, Failure},
};

use super::{
    background,
    build_mode::BuildMode,
    build_record, fetch_extends,
    lock_and_build::{bring_up, stop_on_interrupt},
    lockfiles::joined_lockfile,
    missing_vars::{self, UnsetVariable},
    new_name::NewName,
    node_packages, programs, python_packages,
    session::Session,
};

/// A project before the user's decision.
pub struct Review<'a> {
    session: &'a Session<'a>,
    pub project: Project,
    /// True if its meaning is approved already.
    pub is_allowed: bool,
}

/// The requests of a project in comparison with those that the user approved before.
#[derive(Debug)]
pub struct Requests {
    /// True if the user has approved another state of the project before.
    pub is_known: bool,
    /// Each request by its name, those first that can turn a value into code.
    pub differences: Vec<(String, Difference)>,
    /// The number of further build settings that only choose files and versions.
    pub plain_settings: usize,
}

impl Requests {
    /// Returns requests that the user has not seen before.
    pub fn added(differences: impl Iterator<Item = (String, Difference)>) -> Self {
        Self {
            is_known: true,
            differences: differences.collect(),
            plain_settings: 0,
        }
    }
}

impl<'a> Review<'a> {
    /// Reads the project in the working directory.
    pub fn begin(session: &'a Session<'a>) -> Result<Self, Failure> {
        let place = session.place()?;
        refuse_wider_denial(session, &place.root)?;
        let project = session.open_as(place, ReadMode::Review)?;
        if project.is_denied() {
            let name = session.display(project.root());
            return Err(
                Failure::new(format!("`{name}` is denied by a rule in your settings"))
                    .hint("remove it from `deny` under `[trust]` in `config.toml`")
                    .code(ExitStatus::NotAllowed),
            );
        }
        Ok(Self {
            session,
            // The user can end the approval of tools that are gone.
            is_allowed: project.standing() == ApprovalState::Allowed
                && project.removed_tools().is_empty(),
            project,
        })
    }

    /// Returns whether the project asks for nothing, as with an empty manifest.
    pub fn is_empty(&self) -> bool {
        !self.is_incomplete() && self.project.asks_for_nothing()
    }

    /// Returns whether files must be fetched, or opened outside of the project, to know all requests.
    pub const fn is_incomplete(&self) -> bool {
        !self.project.layers().wanted.is_empty() || self.project.has_unread_files()
    }

    /// Fetches the files that the project extends, and opens the files outside that it names.
    pub fn complete(self) -> Result<Self, Failure> {
        let mut project = self.project;
        if project.has_unread_files() {
            project = self.session.open_as(project.place, ReadMode::Trusted)?;
        }
        Ok(Self {
            project: fetch_extends::complete(self.session, project)?,
            ..self
        })
    }

    /// Returns the requests for the user to review.
    pub fn requests(&self) -> Requests {
        let differences = self.project.differences();
        let (mut first, rest): (Vec<_>, Vec<_>) = differences
            .into_iter()
            .partition(|(name, _)| name.split(' ').any(|word| word == "grant"));
        first.extend(rest);
        let is_known = self.project.was_approved();
        let all = first.len();
        first.retain(|(name, difference)| match difference {
            Difference::Added(value) => is_known || !is_plain_setting(name, value),
            _ => true,
        });
        Requests {
            is_known,
            plain_settings: all - first.len(),
            differences: first,
        }
    }

    /// Returns the programs that the project declares and that would come before programs of the user.
    pub fn declared_scripts(&self) -> Result<Vec<NewName>, Failure> {
        programs::declared_scripts(self.session, &self.project)
    }

    /// Returns the variables that `dev` needs and the host shell lacks.
    pub fn missing_variables(&self) -> Vec<UnsetVariable> {
        missing_vars::missing(self.session.context, &self.project, &ShellName::dev())
    }

    /// Fails if the project has changed since it was read: the user has seen another state.
    pub fn refuse_changed(&self) -> Result<(), Failure> {
        let session = self.session;
        let root = self.project.root();
        let mut is_same = self.project.closure().is_same_now()?;
        for path in session.lockfile_paths(&self.project.place) {
            let now = session.read_project_file(root, &path)?;
            is_same &= session.lockfile(root, &path).has_bytes(now.as_deref());
        }
        if is_same {
            return Ok(());
        }
        let name = session.display(root);
        Err(Failure::new(format!(
            "`{name}` has changed since its requests were shown"
        ))
        .note("nothing was approved or written")
        .hint(format!("run `{}` again", session.command("allow"))))
    }

    /// Approves exactly the project that was read.
    pub fn approve(self) -> Result<ApprovedProject<'a>, Failure> {
        let session = self.session;
        let project = if self.is_allowed {
            self.project
                .allow(&session.decisions, session.context.now)?
        } else {
            let scripts = self.declared_scripts()?;
            let project = programs::allow(session, self.project)?;
            programs::approve(session, project.get(), &scripts)?;
            project
        };
        session.notify_host_shells()?;
        Ok(ApprovedProject { session, project })
    }
}

/// A project that the user has just approved.
pub struct ApprovedProject<'a> {
    session: &'a Session<'a>,
    project: Trusted<Project>,
}

impl ApprovedProject<'_> {
    /// Returns a line about packages of the project that its own package manager must install.
    pub fn describe_missing_packages(&self) -> Option<String> {
        node_packages::describe_missing_packages(self.session, self.project.get())
            .map(|(file, line)| format!("{file}: {line}"))
    }

    /// Builds the dev shell that prompts load; returns it if it was not built before.
    pub fn build(&self) -> Result<Option<(ShellName, Record)>, Failure> {
        let shells = [ShellName::dev()];
        let before = build_record::look_up(self.session, self.project.get(), &shells[0]);
        let was_built = before.is_ok_and(|(_inputs, found)| found.is_some());
        let built = bring_up(self.session, &self.project, &shells, BuildMode::Foreground)?;
        let mut new = None;
        for (shell, built) in shells.into_iter().zip(built) {
            let record = built.complete().map_err(|failure| {
                failure.note("the other parts of the dev shell are loaded at the next prompt")
            })?;
            new = (!was_built).then_some((shell, record));
        }
        Ok(new)
    }

    /// Returns the programs and packages that dev shells have and that the user has not approved, as far as they were built.
    pub fn new_names(&self) -> Result<Vec<NewName>, Failure> {
        let project = self.project.get();
        let mut new = BTreeSet::new();
        for shell in project.preview().shells.keys() {
            let (inputs, found) = build_record::look_up(self.session, project, shell)?;
            if let Some(found) = found {
                new.extend(programs::unapproved(
                    self.session,
                    project,
                    &inputs,
                    &found,
                )?);
                continue;
            }
            new.extend(build_record::unapproved_without_build(
                self.session,
                project,
                shell,
                &inputs,
            )?);
        }
        // A build without some of its parts is not found by what the dev shell asks for.
        new.extend(self.session.take_new_names());
        Ok(new.into_iter().collect())
    }

    /// Returns the Python packages without a wheel that the user has not let run their own build.
    pub fn new_builds(&self) -> Result<BTreeSet<String>, Failure> {
        let project = self.project.get();
        // It resolves packages, which takes as long as a build.
        let _interrupts = stop_on_interrupt(self.session.context, project, &[ShellName::dev()]);
        let lockfile = joined_lockfile(self.session, project)?.lockfile;
        let mut new = python_packages::new_builds(self.session, project, &lockfile)?;
        // Only a build knows for which packages of a lockfile there is no wheel that this Python can use.
        new.extend(self.session.take_new_builds());
        // Nothing is asked twice.
        new.retain(|name| !project.build_permission().includes(name));
        Ok(new)
    }

    /// Lets Python packages run their own build.
    pub fn approve_builds(self, packages: BTreeSet<String>) -> Result<Self, Failure> {
        let Self { session, project } = self;
        let project = Project::allow_builds(project, &session.decisions, packages)?;
        session.notify_host_shells()?;
        Ok(Self { session, project })
    }

    /// Approves programs and packages.
    pub fn approve_names(&self, new: &[NewName]) -> Result<(), Failure> {
        programs::approve(self.session, self.project.get(), new)?;
        self.session.notify_host_shells()
    }
}

/// Refuses a project that is denied because of another one.
fn refuse_wider_denial(session: &Session<'_>, root: &Path) -> Result<(), Failure> {
    let Some(denial) = session.decisions.denial(root)? else {
        return Ok(());
    };
    // After a rename only the directory itself is left, and the decision about it is the user's.
    if denial.root == root || !denial.root.is_dir() {
        return Ok(());
    }
    let (name, denied) = (session.display(root), session.display(&denial.root));
    Err(Failure::new(format!("`{name}` is denied with `{denied}`"))
        .note("a denial includes the directories below and all worktrees of the repository")
        .hint(format!("allow that first: `devsh allow {denied}`"))
        .code(ExitStatus::NotAllowed))
}

/// The result of `deny_project`.
#[derive(Debug)]
pub struct DeniedProject {
    pub root: PathBuf,
    /// True if a running build was ended.
    pub ended_build: bool,
}

/// Withdraws the approval of the project in the working directory.
pub fn deny_project(session: &Session<'_>) -> Result<DeniedProject, Failure> {
    let root = session.place()?.root;
    // Everything is below the home directory, so a denial of it counts for itself only.
    let includes_below = session.context.directories.home.as_ref() != Some(&root);
    session.decisions.deny(&root, includes_below)?;
    let ended_build = background::stop(session.context, &root);
    session.notify_host_shells()?;
    Ok(DeniedProject { root, ended_build })
}
