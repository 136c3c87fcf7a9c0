//! Lists of requirements that need packages without a wheel: resolved with the builds that the user permits.

use std::collections::BTreeSet;

use crate::{
    app::session::Session,
    builder::PackageQuery,
    lockfile::{Lockfile, PythonKey, PythonSet},
    project::Project,
    report::failure::Failure,
    util::word_lists::{in_backticks, join_with_and},
};

use super::{
    OldestPython, requested,
    resolve::{CompileFailure, FailedList, ResolvedPackages, compile, may_build, retry_failed},
    without_wheels::{NamedPackages, unnamed_builds, unnamed_builds_of_packages},
};

/// A list that was resolved again with packages that run their own build.
enum BuildAttempt {
    Resolved(PythonSet),
    /// The user has not permitted all of these builds.
    NeedsPermission(BTreeSet<String>),
    Failed(Option<Failure>),
}

/// A project and its tools, for which lists are resolved.
#[derive(Clone, Copy)]
struct BuildContext<'a> {
    session: &'a Session<'a>,
    project: &'a Project,
    lockfile: &'a Lockfile,
}

impl BuildContext<'_> {
    fn compile(
        self,
        oldest: &OldestPython<'_>,
        key: &PythonKey,
        builds: &BTreeSet<String>,
    ) -> Result<PythonSet, CompileFailure> {
        let python = oldest.version();
        let query = PackageQuery {
            builds,
            ..PackageQuery::of(key, &python)
        };
        compile(
            self.session,
            self.project,
            self.lockfile,
            oldest.shell,
            query,
        )
    }

    /// Resolves a list, of which uv named packages. The build of a package shows which others it needs.
    fn attempt(
        self,
        oldest: &OldestPython<'_>,
        key: &PythonKey,
        mut named: NamedPackages,
    ) -> Result<BuildAttempt, Failure> {
        let Self {
            session, project, ..
        } = self;
        let may_build = may_build(session, project);
        let is_permitted = |name: &String| project.build_permission().includes(name);
        let mut builds = unnamed_builds(session, project, key)?;
        let (mut tried, mut last) = (0, None);
        loop {
            builds.extend(unnamed_builds_of_packages(session, project, key, &named)?);
            if builds.len() == tried {
                return Ok(BuildAttempt::Failed(last));
            }
            if !may_build || !builds.iter().all(is_permitted) {
                return Ok(BuildAttempt::NeedsPermission(builds));
            }
            tried = builds.len();
            match self.compile(oldest, key, &builds) {
                Ok(set) => {
                    let builds = builds.into_iter().collect();
                    return Ok(BuildAttempt::Resolved(PythonSet { builds, ..set }));
                }
                Err(failed) => {
                    named = failed.named;
                    last = Some(failed.failure);
                }
            }
        }
    }
}

/// Resolves the lists that failed with packages that have no wheel, if the user lets those run their own build.
pub fn build_failed(
    session: &Session<'_>,
    project: &Project,
    lockfile: &Lockfile,
    resolved: &mut ResolvedPackages,
) -> Result<(), Failure> {
    let context = BuildContext {
        session,
        project,
        lockfile,
    };
    retry_failed(project, lockfile, resolved, |oldest, failed| {
        let attempt = context.attempt(oldest, &failed.key, failed.named.clone())?;
        Ok(match attempt {
            BuildAttempt::Resolved(set) => Ok((failed.key, set)),
            BuildAttempt::NeedsPermission(builds) => {
                let build = if builds.len() == 1 {
                    "its own build"
                } else {
                    "their own builds"
                };
                let failure = failed.failure.hint(format!(
                    "`{}` asks whether {} may run {build}",
                    session.command("allow"),
                    join_with_and(&in_backticks(&builds))
                ));
                Err(FailedList { failure, ..failed })
            }
            BuildAttempt::Failed(None) => Err(failed),
            BuildAttempt::Failed(Some(failure)) => Err(FailedList { failure, ..failed }),
        })
    })
}

/// Returns the packages without a wheel that the user has not let run their own build.
pub fn new_builds(
    session: &Session<'_>,
    project: &Project,
    lockfile: &Lockfile,
) -> Result<BTreeSet<String>, Failure> {
    let context = BuildContext {
        session,
        project,
        lockfile,
    };
    let mut new = BTreeSet::new();
    for (key, oldest) in requested(project, lockfile) {
        if let Some(set) = lockfile.python.get(&key) {
            new.extend(set.builds.iter().cloned());
            continue;
        }
        let failed = context.compile(&oldest, &key, &BTreeSet::new()).err();
        let named = failed.map(|failed| failed.named).unwrap_or_default();
        if let BuildAttempt::NeedsPermission(builds) = context.attempt(&oldest, &key, named)? {
            new.extend(builds);
        }
    }
    new.retain(|name| !project.build_permission().includes(name));
    Ok(new)
}
