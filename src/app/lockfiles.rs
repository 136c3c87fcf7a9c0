//! The lockfiles of a project: the team's, and next to it the one of a person who has a manifest.
//!
//! Invariant: the requests of one person never change the team's lockfile.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    lockfile::{self, CondaKey, ExtendsPins, LockKey, Lockfile, PythonKey, Stale, Upgrade},
    manifest::{Manifest, NamedRequest, ToolRequest, whole},
    package::{Source, Tool},
    project::{LOCKFILE, Project, lock_path, personal},
    report::failure::Failure,
    util::{files, interrupts},
};

use super::{
    conda_packages::{self, ResolvedConda},
    missing_parts::{LeftOut, RUN_LOCK, Unlocked, UnlockedPackages, UnlockedTool},
    python_packages::{self, FailedList, ResolvedPackages},
    python_tools::{self, TeamTools},
    session::{LoadedLockfile, Session},
};

/// One lockfile of a project and the requests that it must answer.
#[derive(Debug)]
pub struct LockTarget {
    pub path: PathBuf,
    pub requests: Vec<NamedRequest>,
    pub pins: ExtendsPins,
    /// The project as far as this lockfile answers it, for its Python packages.
    project: Project,
    /// For the lockfile of one person: that of the team.
    team: Option<TeamLock>,
    /// True if it belongs to one person.
    pub personal: bool,
    /// True if the file is inside the project.
    pub in_project: bool,
}

/// The differences between a lockfile and the project, a line for each.
#[derive(Debug, Default)]
pub struct LockProblems {
    /// Those that `devsh lock` must solve.
    pub needed: Vec<String>,
    /// Tools that only directories below the root ask for. `devsh lock` leaves them out if no source has them.
    pub below_root: Vec<String>,
}

impl LockProblems {
    pub fn is_empty(&self) -> bool {
        self.needed.is_empty() && self.below_root.is_empty()
    }

    pub fn all(&self) -> Vec<String> {
        [&*self.needed, &*self.below_root].concat()
    }
}

/// The part of a project that the team's lockfile answers.
#[derive(Debug)]
struct TeamLock {
    requests: Vec<NamedRequest>,
    path: PathBuf,
    python: BTreeSet<PythonKey>,
    conda: BTreeSet<CondaKey>,
}

/// Returns the lockfiles of a project. With `in_project` the team's file is in the project, even if the
/// project has no manifest.
pub fn lock_targets(
    session: &Session<'_>,
    project: &Project,
    in_project: bool,
) -> Result<Vec<LockTarget>, Failure> {
    let (root, directories) = (project.root(), &session.context.directories);
    let layers = project.layers();
    let path = if in_project {
        root.join(LOCKFILE)
    } else {
        lock_path(&project.place, &directories.state)
    };
    let requests = all_requests(project.team());
    let team = LockTarget {
        in_project: path.starts_with(root),
        path: path.clone(),
        requests: requests.clone(),
        pins: layers.pins.clone(),
        project: project.of_team(),
        team: None,
        personal: false,
    };
    if !project.has_personal() {
        return Ok(vec![team]);
    }
    let keys: BTreeSet<LockKey> = requests
        .iter()
        .map(|one| LockKey::for_request(&one.tool, &one.request))
        .collect();
    let mut more = all_requests(project.preview());
    more.retain(|one| !keys.contains(&LockKey::for_request(&one.tool, &one.request)));
    let own_path = personal::lock_path(root, &directories.config);
    let own = LockTarget {
        in_project: own_path.starts_with(root),
        path: own_path,
        requests: more,
        pins: layers.own_pins.clone(),
        project: project.clone(),
        team: Some(TeamLock {
            requests,
            path,
            python: python_packages::keys(&team.project),
            conda: conda_packages::keys(team.project.preview()),
        }),
        personal: true,
    };
    Ok(vec![team, own])
}

impl LockTarget {
    /// Returns the file as this command has read it.
    pub fn load(&self, session: &Session<'_>) -> Arc<LoadedLockfile> {
        session.lockfile(self.project.root(), &self.path)
    }

    /// Returns the content of the file for the requests as they are now: a request that changed, and that the locked
    /// version still answers, changes nothing.
    pub fn content(&self, session: &Session<'_>) -> Result<Option<Lockfile>, Failure> {
        let loaded = self.load(session);
        let content = loaded.content()?;
        Ok(content.map(|lockfile| match session.context.system {
            Some(system) => lockfile.carried_over(&self.requests, system),
            None => lockfile.clone(),
        }))
    }

    /// Returns the problems of the lockfile.
    pub fn problems(&self, lockfile: Option<&Lockfile>) -> LockProblems {
        let mut problems = self.tool_problems(lockfile);
        if problems.needed.is_empty() {
            let lacks_python = self.lacks_python(lockfile);
            let nothing = Lockfile::default();
            let lockfile = lockfile.unwrap_or(&nothing);
            if lacks_python {
                // Its packages are left out too.
            } else if !self.personal {
                problems.needed = python_packages::problems(&self.project, lockfile);
            } else if self.own_keys() != lockfile.python.keys().cloned().collect() {
                problems
                    .needed
                    .push("the locked Python packages do not match the manifest".to_owned());
            }
            let conda = conda_packages::problems(&self.own_conda_keys(), lockfile);
            problems.needed.extend(conda);
        }
        problems
    }

    /// Returns the requests and the lockfile of the team, if this lockfile belongs to one person.
    pub fn ground(&self, session: &Session<'_>) -> Result<TeamTools, Failure> {
        let Some(team) = &self.team else {
            return Ok(TeamTools::default());
        };
        let loaded = session.lockfile(self.project.root(), &team.path);
        Ok(TeamTools {
            requests: team.requests.clone(),
            lockfile: loaded.content()?.cloned().unwrap_or_default(),
        })
    }

    /// Returns the lists of Python packages that only this lockfile answers.
    pub fn own_keys(&self) -> BTreeSet<PythonKey> {
        let mut keys = python_packages::keys(&self.project);
        if let Some(team) = &self.team {
            keys.retain(|key| !team.python.contains(key));
        }
        keys
    }

    /// Returns the sets of conda packages that only this lockfile answers.
    fn own_conda_keys(&self) -> BTreeSet<CondaKey> {
        let mut keys = conda_packages::keys(self.project.preview());
        if let Some(team) = &self.team {
            keys.retain(|key| !team.conda.contains(key));
        }
        keys
    }

    /// Adds the conda tools to `unlocked`: their packages are locked together.
    pub fn add_unlocked_conda(&self, failure: &Failure, unlocked: &mut Unlocked) {
        for key in self.own_conda_keys() {
            unlocked.add_conda(key, failure.clone());
        }
    }

    /// Returns the conda packages that answer the project, keeping what is locked and fits.
    pub fn conda(
        &self,
        session: &Session<'_>,
        previous: &Lockfile,
        upgrade: &Upgrade,
    ) -> Result<ResolvedConda, Failure> {
        let own = self.own_conda_keys();
        conda_packages::resolve(session, self.project.preview(), previous, upgrade, &own)
    }

    /// Returns the Python packages that answer the project, keeping what is locked and fits.
    pub fn python(
        &self,
        session: &Session<'_>,
        lockfile: &Lockfile,
        previous: &Lockfile,
        upgrade: &Upgrade,
        left_out: &LeftOut,
    ) -> Result<ResolvedPackages, Failure> {
        let own = self.own_keys();
        if left_out.has_python() {
            return Ok(ResolvedPackages::default());
        }
        python_packages::resolve(session, &self.project, lockfile, previous, upgrade, &own)
    }

    /// Resolves the lists that failed without the groups and extras that no one named, that were not locked before, and
    /// that do not resolve.
    pub fn reduce_packages(
        &self,
        session: &Session<'_>,
        lockfile: &Lockfile,
        previous: &Lockfile,
        resolved: &mut ResolvedPackages,
    ) -> Result<(), Failure> {
        python_packages::reduce_failed(session, &self.project, lockfile, previous, resolved)
    }

    /// Resolves the lists that failed with packages that have no wheel, if the user lets those run their own build.
    pub fn build_packages(
        &self,
        session: &Session<'_>,
        lockfile: &Lockfile,
        resolved: &mut ResolvedPackages,
    ) -> Result<(), Failure> {
        python_packages::build_failed(session, &self.project, lockfile, resolved)
    }

    /// Returns the newest of `minors` (`12` of Python 3.12) for which most of the failed lists resolve.
    pub fn fitting_minor(
        &self,
        session: &Session<'_>,
        lockfile: &Lockfile,
        failures: &[FailedList],
        minors: impl Iterator<Item = u32>,
    ) -> Option<u32> {
        python_packages::fitting_minor(session, &self.project, lockfile, failures, minors)
    }

    /// Adds the requests that `lockfile` does not answer to `unlocked`, with the change behind each.
    pub fn add_unlocked(&self, lockfile: &Lockfile, failure: &Failure, unlocked: &mut Unlocked) {
        for NamedRequest { tool, request } in &self.requests {
            let locked = lockfile.locked(tool, request);
            if locked.is_none_or(|package| !request.admits(&package.version)) {
                unlocked.add_tool(
                    LockKey::for_request(tool, request),
                    UnlockedTool {
                        failure: changed_request(tool, request, lockfile),
                        is_unreachable: false,
                        is_left_out: request.is_below_root && locked.is_none(),
                    },
                );
            }
        }
        if !conda_packages::problems(&self.own_conda_keys(), lockfile).is_empty() {
            self.add_unlocked_conda(failure, unlocked);
        }
        if !self.lacks_python(Some(lockfile)) {
            for key in self.unanswered_keys(lockfile) {
                let changed = python_packages::changed_list(&self.project, lockfile, &key);
                let packages = UnlockedPackages {
                    failure: changed.unwrap_or_else(|| failure.clone()),
                    may_pass: false,
                    is_unreachable: false,
                };
                unlocked.add_packages(key, packages);
            }
        }
    }

    /// Returns whether `lockfile` leaves out the Python of directories below the root, so its packages too.
    fn lacks_python(&self, lockfile: Option<&Lockfile>) -> bool {
        let mut requests = self.requests.iter();
        requests.any(|NamedRequest { tool, request }| {
            tool.is_interpreter()
                && request.is_below_root
                && lockfile.is_none_or(|lockfile| lockfile.locked(tool, request).is_none())
        })
    }

    /// Adds the lists of Python packages that `lockfile` does not answer to `unlocked`, because a server was not
    /// reached.
    pub fn add_unreachable_packages(
        &self,
        lockfile: &Lockfile,
        failure: &Failure,
        unlocked: &mut Unlocked,
    ) {
        for key in self.unanswered_keys(lockfile) {
            let packages = UnlockedPackages {
                failure: failure.clone(),
                may_pass: true,
                is_unreachable: true,
            };
            unlocked.add_packages(key, packages);
        }
    }

    /// Returns the lists of Python packages that `lockfile` does not answer.
    fn unanswered_keys(&self, lockfile: &Lockfile) -> BTreeSet<PythonKey> {
        let mut keys = self.own_keys();
        keys.retain(|key| python_packages::fitting_set(&self.project, lockfile, key).is_none());
        keys
    }

    fn tool_problems(&self, lockfile: Option<&Lockfile>) -> LockProblems {
        // Without requests no lockfile is needed.
        let Some(lockfile) = lockfile else {
            let mut problems = LockProblems::default();
            let conda = conda_packages::tools(self.project.preview());
            if !(self.requests.is_empty() && self.pins.is_empty() && conda.is_empty()) {
                problems.needed.push("there is no lockfile".to_owned());
            }
            return problems;
        };
        let held = self
            .pins
            .iter()
            .filter(|(source, pin)| lockfile.extends.get(*source) != Some(pin))
            .map(|(source, _)| format!("`{source}` is not locked"));
        let left = lockfile
            .extends
            .keys()
            .filter(|source| !self.pins.contains_key(*source))
            .map(|source| format!("`{source}` is locked and nothing extends it"));
        let ground = TeamTools {
            requests: self
                .team
                .iter()
                .flat_map(|team| team.requests.clone())
                .collect(),
            ..TeamTools::default()
        };
        let implied = python_tools::implied(&self.requests, lockfile, &ground);
        let requests = [&*self.requests, &*implied].concat();
        let stale = lockfile::stale(&requests, lockfile);
        let is_below_root = |stale: &Stale| {
            let Stale::Missing(key) = stale else {
                return false;
            };
            let mut below = requests.iter().filter(|one| one.request.is_below_root);
            below.any(|one| LockKey::for_request(&one.tool, &one.request) == *key)
        };
        let (below_root, tools): (Vec<Stale>, Vec<Stale>) =
            stale.into_iter().partition(is_below_root);
        let tools = tools.iter().map(Stale::to_string);
        let unfit = python_tools::unfit(lockfile);
        LockProblems {
            needed: held.chain(left).chain(tools).chain(unfit).collect(),
            below_root: below_root.iter().map(Stale::to_string).collect(),
        }
    }

    /// Writes the lockfile unless the file has the same text already; returns whether it did.
    ///
    /// The lockfile answers manifests that were read earlier: if one has changed since, nothing is written.
    pub fn write(&self, session: &Session<'_>, lockfile: &Lockfile) -> Result<bool, Failure> {
        let text = lockfile::print(lockfile);
        let before = self.load(session);
        if before.has_text(&text) {
            return Ok(false);
        }
        let now = session.read_project_file(self.project.root(), &self.path)?;
        if now.as_deref() == Some(text.as_bytes()) {
            // Another process has found the same.
            session.note_written_lockfile();
            return Ok(true);
        }
        if !before.has_bytes(now.as_deref()) {
            return Err(changed_by_another(session, &self.path).note("its new content stays"));
        }
        for layer in &self.project.layers().all {
            let path = self.project.root().join(&**layer.text.file());
            let Some(read) = self.project.closure().content(&path) else {
                continue;
            };
            let now = session.read_project_file(self.project.root(), &path)?;
            if now.is_some_and(|now| now != read) {
                return Err(changed_by_another(session, &path)
                    .note(format!("`{}` is unchanged", session.display(&self.path))));
            }
        }
        // `devsh add` restores it after a signal.
        let _writing = interrupts::hold_cleanups();
        if self.in_project {
            files::write_project_file(&self.path, text.as_bytes())?;
        } else {
            files::create_private_dir(self.path.parent().unwrap_or(&self.path))?;
            files::write_atomic(&self.path, text.as_bytes())?;
        }
        session.note_written_lockfile();
        Ok(true)
    }
}

fn changed_by_another(session: &Session<'_>, path: &Path) -> Failure {
    let name = session.display(path);
    Failure::new(format!("`{name}` was changed by another program")).hint("run the command again")
}

/// The lockfiles of a project as one.
#[derive(Debug, Default)]
pub struct JoinedLockfile {
    pub lockfile: Lockfile,
    /// True if it answers every request, except those that it may leave out.
    pub fits: bool,
    /// True if it answers every request.
    pub is_complete: bool,
}

/// Returns the project's lockfiles as one, also if they do not answer every request.
pub fn joined_lockfile(
    session: &Session<'_>,
    project: &Project,
) -> Result<JoinedLockfile, Failure> {
    let mut joined = JoinedLockfile {
        lockfile: Lockfile::default(),
        fits: true,
        is_complete: true,
    };
    for target in lock_targets(session, project, false)? {
        let content = target.content(session)?;
        let problems = target.problems(content.as_ref());
        joined.fits &= problems.needed.is_empty();
        joined.is_complete &= problems.is_empty();
        join(&mut joined.lockfile, content.unwrap_or_default());
    }
    conda_packages::add_all_tools(&mut joined.lockfile, project.preview());
    Ok(joined)
}

/// Adds the content of another lockfile of the same project.
pub fn join(whole: &mut Lockfile, part: Lockfile) {
    whole.packages.extend(part.packages);
    whole.extends.extend(part.extends);
    whole.python.extend(part.python);
    whole.conda.extend(part.conda);
    whole.image_bases.extend(part.image_bases);
}

/// Returns the requests of all dev shells of a manifest, each once.
pub fn all_requests(manifest: &Manifest) -> Vec<NamedRequest> {
    let shells = manifest.shells.iter();
    // A combination of dev shells has only the requests of its parts.
    let all = shells
        .filter(|(name, _)| name.is_single())
        .flat_map(|(_, shell)| &shell.tools);
    let mut seen = BTreeSet::new();
    // Conda packages are locked together.
    all.filter(|(tool, _)| tool.source != Source::Conda)
        .filter(|(tool, request)| seen.insert(LockKey::for_request(tool, request)))
        .map(NamedRequest::of)
        .collect()
}

/// Returns the failure for a tool whose request has changed since it was locked.
fn changed_request(tool: &Tool, request: &ToolRequest, lockfile: &Lockfile) -> Failure {
    let mut earlier = lockfile
        .packages
        .iter()
        .filter(|(key, _)| key.tool == *tool);
    let locked = match earlier.next() {
        Some((_, package)) => format!("has {}", package.version),
        None => "does not have it".to_owned(),
    };
    let (asked, origin) = (whole(request), &request.requirement.origin);
    Failure::new(format!(
        "{origin} asks for `{asked}`, and `{LOCKFILE}` {locked}"
    ))
    .hint(RUN_LOCK)
}

/// Returns the failure for a lockfile that does not answer the manifest and must not be written.
pub fn out_of_date(session: &Session<'_>, loaded: &LoadedLockfile, problems: &[String]) -> Failure {
    let failure = Failure::new(format!("`{}` does not fit the manifest", loaded.name));
    let failure = problems.iter().fold(failure, Failure::detail);
    let command = session.command("lock");
    failure.hint(format!("run `{command}` and commit the result"))
}
