//! Chooses the Python packages for lists of requirements, with uv.

use std::collections::BTreeSet;

use crate::{
    app::{
        conda_packages,
        dev_shells::find_dev_shell,
        missing_parts::{self, one_line},
        optional_packages::{self, WholeList, optional_parts},
        python_tools::{is_foundation, with_uv},
        session::Session,
    },
    builder::{self, BuildRequest, BuildRule, PackageQuery, RequestedTool, Unavailable},
    lockfile::{
        AskedAddresses, EntryOrigin, LeftOutPart, LockKey, LockedPackageFault, LockedRequirement,
        Lockfile, PythonKey, PythonSet, PythonSets, Upgrade,
    },
    manifest::{DevShell, Located, ShellName, Text},
    package::{CondaFloors, PackageName, Tool},
    project::{LOCKFILE, Project, approval::ApprovalState},
    python::{PinnedRequirement, PythonRequirement, SelectionPart, is_built_metadata, read_pinned},
    report::failure::Failure,
    sources::newest_allowed,
    util::word_lists::{in_backticks, join_with_and},
};

use super::{
    OldestPython, earlier_packages, fitting_set, lacks_name, lockfile_of, requested,
    requirement_faults::{
        FailedQuery, RequirementFault, find_faults, own_requirements, possible_names, to_failure,
    },
    selection,
    without_wheels::{NamedPackages, unnamed_builds, unnamed_builds_of_packages},
};

/// The packages for lists of requirements, and the failures of lists that cannot be resolved.
#[derive(Debug, Default)]
pub struct ResolvedPackages {
    pub sets: PythonSets,
    pub failures: Vec<FailedList>,
}

/// A list of requirements that cannot be resolved.
#[derive(Debug)]
pub struct FailedList {
    pub key: PythonKey,
    pub failure: Failure,
    pub(super) named: NamedPackages,
    /// True if only a build of the project says what it needs, and that failed.
    pub is_unbuilt: bool,
    /// True if the same list can resolve later, because a server was not reached.
    pub may_pass: bool,
}

/// The failure of a resolution.
#[derive(Debug)]
pub(super) struct CompileFailure {
    pub(super) failure: Failure,
    pub(super) named: NamedPackages,
    /// All words of uv's answer that can be names.
    words: NamedPackages,
    /// True if the same query can succeed later.
    may_pass: bool,
    /// True if uv gave no answer.
    is_unresolved: bool,
}

impl From<Failure> for CompileFailure {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            named: NamedPackages::new(),
            words: NamedPackages::new(),
            may_pass: false,
            is_unresolved: false,
        }
    }
}

impl From<CompileFailure> for Failure {
    fn from(failed: CompileFailure) -> Self {
        failed.failure
    }
}

impl CompileFailure {
    /// Returns those of the candidates that the index cannot serve.
    fn faults(
        &self,
        session: &Session<'_>,
        shell: &DevShell,
        query: PackageQuery<'_>,
        candidates: Vec<Located<String>>,
    ) -> Vec<RequirementFault> {
        let failed = FailedQuery {
            key: query.key,
            shell,
            python: query.python.unwrap_or_default(),
            words: &self.words,
            builds: query.builds,
        };
        find_faults(session, failed, candidates)
    }
}

/// Returns whether only a build of the project says what it needs.
fn is_built(key: &PythonKey) -> bool {
    key.requirements.iter().any(|one| is_built_metadata(one))
}

impl ResolvedPackages {
    /// Takes the failures of projects whose build does not say what they need.
    pub fn take_unbuilt(&mut self) -> Vec<Failure> {
        let unbuilt = self.failures.extract_if(.., |failed| failed.is_unbuilt);
        unbuilt.map(|failed| failed.failure).collect()
    }

    /// Returns the packages of all lists.
    pub fn complete(self) -> Result<PythonSets, Failure> {
        match self.failures.into_iter().next() {
            Some(failed) => Err(failed.failure),
            None => Ok(self.sets),
        }
    }
}

/// Returns the packages for the lists in `only`, keeping those of `previous` that still fit.
pub fn resolve(
    session: &Session<'_>,
    project: &Project,
    lockfile: &Lockfile,
    previous: &Lockfile,
    upgrade: &Upgrade,
    only: &BTreeSet<PythonKey>,
) -> Result<ResolvedPackages, Failure> {
    let mut resolved = ResolvedPackages::default();
    for (key, oldest) in requested(project, lockfile) {
        if !only.contains(&key) {
            continue;
        }
        let python = oldest.version();
        let same = fitting_set(project, previous, &key).filter(|set| set.python == python);
        let same = same.filter(|_| *upgrade != Upgrade::All);
        // A command tries again the parts that did not resolve.
        let is_whole = |set: &&PythonSet| set.left_out.is_empty() || session.options.is_background;
        let set = match same {
            Some(set) if is_whole(&set) => set.clone(),
            _ => {
                let similar = most_similar(&key, &previous.python);
                let query = PackageQuery {
                    previous: similar.filter(|_| *upgrade != Upgrade::All),
                    ..PackageQuery::of(&key, &python)
                };
                match compile(session, project, lockfile, oldest.shell, query) {
                    Ok(set) => set,
                    Err(_) if same.is_some() => same.cloned().unwrap_or_default(),
                    Err(failed) => {
                        let shell = find_dev_shell(project.preview(), oldest.shell)?;
                        let own = own_requirements(project, shell);
                        let faults = failed.faults(session, shell, query, own);
                        let failure = to_failure(shell, &faults, failed.failure);
                        let is_unbuilt =
                            failed.is_unresolved && faults.is_empty() && is_built(&key);
                        resolved.failures.push(FailedList {
                            failure: with_remote_lists(failure, &key),
                            named: failed.named,
                            is_unbuilt,
                            may_pass: failed.may_pass && faults.is_empty(),
                            key,
                        });
                        continue;
                    }
                }
            }
        };
        resolved.sets.insert(key, set);
    }
    Ok(resolved)
}

/// Resolves lists that failed another way: `retry` returns the packages, or the list with its failure.
pub(super) fn retry_failed(
    project: &Project,
    lockfile: &Lockfile,
    resolved: &mut ResolvedPackages,
    mut retry: impl FnMut(&OldestPython<'_>, FailedList) -> Result<Retried, Failure>,
) -> Result<(), Failure> {
    let requested = requested(project, lockfile);
    for failed in std::mem::take(&mut resolved.failures) {
        let retried = match requested.get(&failed.key) {
            Some(oldest) => retry(oldest, failed)?,
            None => Err(failed),
        };
        match retried {
            Ok((key, set)) => drop(resolved.sets.insert(key, set)),
            Err(failed) => resolved.failures.push(failed),
        }
    }
    Ok(())
}

/// The packages for a list that failed before, or the failure that remains.
pub(super) type Retried = Result<(PythonKey, PythonSet), FailedList>;

/// Resolves the lists that failed without the groups and extras that no one named and that do not resolve. Those that
/// were locked before, in `previous`, must resolve.
pub fn reduce_failed(
    session: &Session<'_>,
    project: &Project,
    lockfile: &Lockfile,
    previous: &Lockfile,
    resolved: &mut ResolvedPackages,
) -> Result<(), Failure> {
    retry_failed(project, lockfile, resolved, |oldest, failed| {
        let earlier = earlier_packages(project, previous, &failed.key).map(|(_, set)| set);
        let reduced = reduce(
            session,
            project,
            lockfile,
            oldest,
            &failed.key,
            earlier.as_ref(),
        )?;
        Ok(match reduced {
            Some(set) => Ok((failed.key, set)),
            None => Err(failed),
        })
    })
}

/// Resolves the list of a dev shell without the groups and extras that no one named, that `earlier` packages do not have,
/// and that do not resolve.
fn reduce(
    session: &Session<'_>,
    project: &Project,
    lockfile: &Lockfile,
    oldest: &OldestPython<'_>,
    key: &PythonKey,
    earlier: Option<&PythonSet>,
) -> Result<Option<PythonSet>, Failure> {
    let shell = find_dev_shell(project.preview(), oldest.shell)?;
    let Some((locked, lock)) = lockfile_of(project, shell) else {
        return Ok(None);
    };
    let selection = selection(shell, locked, lock)?;
    let mut parts = optional_parts(shell, locked, &selection);
    parts.retain(|part| earlier.is_none_or(|set| set.leaves_out(&part.key())));
    if parts.is_empty() {
        return Ok(None);
    }
    let whole = WholeList {
        key,
        locked,
        selection: &selection,
    };
    let python = oldest.version();
    let compile = |key: &PythonKey| {
        let query = PackageQuery::of(key, &python);
        compile(session, project, lockfile, oldest.shell, query)
    };
    let explain = |part: &SelectionPart, failed: &CompileFailure, only: &BTreeSet<&str>| {
        let mut own = own_requirements(project, shell);
        own.retain(|one| only.contains(one.value.as_str()));
        let query = PackageQuery::of(key, &python);
        let fault = failed.faults(session, shell, query, own).into_iter().next();
        let reason = fault.as_ref().map(RequirementFault::reason);
        let reason = reason.unwrap_or_else(|| {
            let builds = unnamed_builds_of_packages(session, project, key, &failed.named);
            match builds.map(in_backticks).unwrap_or_default().as_slice() {
                [] => one_line(&failed.failure),
                [one] => format!("it needs {one}, which has no wheel"),
                all => format!("it needs {}, which have no wheels", join_with_and(all)),
            }
        });
        LeftOutPart {
            part: part.key(),
            requirement: fault.map(|fault| fault.requirement.value),
            reason: reason.replace(char::is_control, " "),
        }
    };
    Ok(optional_packages::reduce(whole, &parts, compile, explain))
}

/// Returns the newest of these minor versions of Python for which most of the failed lists resolve; none if that is no
/// more than today.
///
/// The lists are tried without packages that have no wheel for any Python, and without requirements that only a build
/// knows. No code of them runs.
pub fn fitting_minor(
    session: &Session<'_>,
    project: &Project,
    lockfile: &Lockfile,
    failures: &[FailedList],
    minors: impl Iterator<Item = u32>,
) -> Option<u32> {
    let requested = requested(project, lockfile);
    let mut failed: Vec<(PythonKey, &ShellName)> = Vec::new();
    for failure in failures {
        let Some(oldest) = requested.get(&failure.key) else {
            continue;
        };
        // An index that does not answer says nothing about wheels.
        let builds = unnamed_builds(session, project, &failure.key).unwrap_or_default();
        let shorter = without_packages(&failure.key, &builds);
        if shorter.requirements.is_empty() {
            continue;
        }
        let python = oldest.version();
        let query = PackageQuery::of(&shorter, &python);
        let only_lacks_wheels = shorter != failure.key
            && compile(session, project, lockfile, oldest.shell, query).is_ok();
        if !only_lacks_wheels {
            failed.push((shorter, oldest.shell));
        }
    }
    let mut best = (0, None);
    for minor in minors {
        let python = format!("3.{minor}");
        let resolves = |(key, shell): &&(PythonKey, &ShellName)| {
            let query = PackageQuery::of(key, &python);
            compile(session, project, lockfile, shell, query).is_ok()
        };
        let count = failed.iter().filter(resolves).count();
        if count > best.0 {
            best = (count, Some(minor));
        }
        if count == failed.len() {
            break;
        }
    }
    best.1
}

/// Returns the list without the requirements on these packages, and on what a build of the project says.
fn without_packages(key: &PythonKey, packages: &BTreeSet<String>) -> PythonKey {
    let mut shorter = key.clone();
    shorter.requirements.retain(|text| {
        let requirement = text.parse::<PythonRequirement>();
        !is_built_metadata(text)
            && !requirement.is_ok_and(|one| packages.contains(one.name.as_str()))
    });
    shorter
}

/// Returns the locked packages for the list that has most requirements in common with `key`.
fn most_similar<'l>(key: &PythonKey, sets: &'l PythonSets) -> Option<&'l PythonSet> {
    let common = |(other, _): &(&PythonKey, &PythonSet)| {
        let requirements = key.requirements.iter();
        requirements
            .filter(|one| other.requirements.contains(one))
            .count()
    };
    sets.iter().max_by_key(common).map(|(_, set)| set)
}

/// Returns whether packages may run their own build to report their dependencies: not for a manifest that changed
/// since the approval, for example with an upgrade of the files that it extends, and not for a prompt.
pub(super) fn may_build(session: &Session<'_>, project: &Project) -> bool {
    let is_trusted = session.options.trust || project.standing() == ApprovalState::Allowed;
    is_trusted && !session.options.is_background
}

/// Returns the packages for a list.
pub(super) fn compile(
    session: &Session<'_>,
    project: &Project,
    lockfile: &Lockfile,
    shell: &ShellName,
    query: PackageQuery<'_>,
) -> Result<PythonSet, CompileFailure> {
    let shell = find_dev_shell(project.preview(), shell)?;
    let mut lockfile = lockfile.clone();
    conda_packages::add_tools(&mut lockfile, shell);
    let tools = shell.tools.iter().filter(|(tool, _)| is_foundation(tool));
    let tools = tools.map(|(tool, request)| RequestedTool {
        hidden: false,
        tool,
        request,
        locked: lockfile.packages.get(&LockKey::for_request(tool, request)),
    });
    // All packages together count as the source `pypi` for the minimum age of releases.
    let config = session.config()?;
    let all: Option<Tool> = "pypi:python-packages".parse().ok();
    let newest = all.and_then(|all| newest_allowed(&all, config, session.context.now));
    let builds = may_build(session, project);
    if session.options.is_background && is_built(query.key) {
        return Err(CompileFailure {
            failure: Failure::new("only a build of the project says which packages it needs")
                .note("no prompt runs a build of the project")
                .hint(format!("`{}` runs it", session.command("sync"))),
            named: NamedPackages::new(),
            words: NamedPackages::new(),
            may_pass: false,
            is_unresolved: true,
        });
    }
    let mut may_build = super::builds(shell);
    may_build.extend(query.builds.iter().cloned());
    let channels = shell.conda_channels().unwrap_or_default();
    let (mut named, mut words) = (NamedPackages::new(), NamedPackages::new());
    let mut may_pass = false;
    let answer = with_uv(session, tools.collect(), &channels, |builder, request| {
        let request = BuildRequest {
            conda_floors: CondaFloors::default(),
            project_files: project.closure().contents(),
            build_project: builds,
            ..request.clone()
        };
        let query = PackageQuery {
            newest: newest.as_deref(),
            builds: &may_build,
            ..query
        };
        let mut compiled = builder.compile_packages(&request, query);
        match &mut compiled {
            Err(builder::Error::PythonResolve { output, builds, .. }) => {
                named = named_packages(output);
                words = possible_names(output);
                if session.options.is_background {
                    *builds = BuildRule::NotAtPrompts;
                }
            }
            Err(builder::Error::Unavailable { tool, managed, .. })
                if tool.is_interpreter() && matches!(**managed, Unavailable::NotLocked) =>
            {
                let lock = shell.python.lock.as_ref();
                let lock = lock.map_or(LOCKFILE, |lock| &lock.value).into();
                let tool = "python";
                compiled = Err(builder::Error::PythonNeedsMissing { lock, tool });
            }
            _ => {}
        }
        may_pass = compiled.as_ref().is_err_and(missing_parts::may_pass);
        compiled
    });
    let answer = answer.map_err(|failure| CompileFailure {
        failure,
        named,
        words,
        may_pass,
        is_unresolved: true,
    })?;
    let absent = absent_extras(project, shell, &answer.absent_extras)?;
    // The project itself has no digest: it is installed from its directory.
    let lines = answer.text.lines();
    let lines = lines.filter(|line| !is_built_metadata(line));
    let text = lines.collect::<Vec<_>>().join("\n");
    let pinned = read_pinned(&Text::new("the answer of uv", &text));
    let pinned = pinned.map_err(Failure::from)?.into_iter();
    let mut packages: Vec<LockedRequirement> = pinned.map(locked_requirement).collect();
    let asked = AskedAddresses::of(query.key);
    for package in &packages {
        asked
            .check(package)
            .map_err(|fault| unusable(package, fault))?;
    }
    packages.sort();
    Ok(PythonSet {
        origin: EntryOrigin::Chosen,
        python: query.python.unwrap_or_default().to_owned(),
        packages,
        absent,
        ..PythonSet::default()
    })
}

/// Returns the requirements on the extras that the build of the project does not know; an error if a manifest names one.
fn absent_extras(
    project: &Project,
    shell: &DevShell,
    absent: &BTreeSet<String>,
) -> Result<Vec<String>, Failure> {
    let Some((locked, lock)) = lockfile_of(project, shell) else {
        return Ok(Vec::new());
    };
    let mut extras = shell.python.extras.iter();
    let named = extras.find(|one| !one.origin.is_preset && absent.contains(&one.value));
    if let Some(named) = named {
        let failure = lacks_name("extra", named, lock);
        return Err(failure.note("the build of the project does not report it"));
    }
    let mut all: Vec<String> = absent
        .iter()
        .filter_map(|extra| locked.built_extra(extra))
        .collect();
    all.sort();
    Ok(all)
}

/// Returns the names of packages in an answer of uv: in backticks, with a version, or without wheels. Other words of it
/// (`build`, `hint`) are names in the index, too.
fn named_packages(output: &[String]) -> NamedPackages {
    let names = output.iter().flat_map(|line| {
        let quoted = line.split('`').skip(1).step_by(2);
        let words: Vec<&str> = line.split_whitespace().collect();
        let compared = words
            .iter()
            .copied()
            .filter(|word| word.contains(['=', '<', '>']));
        let lacking = words.windows(3).filter_map(|three| match three {
            [name, "has" | "have", "no"] => Some(*name),
            _ => None,
        });
        quoted
            .chain(compared)
            .chain(lacking)
            .filter_map(leading_name)
            .collect::<Vec<_>>()
    });
    names.collect()
}

/// Returns the package at the begin of a text (`docopt>=0.6`).
fn leading_name(text: &str) -> Option<PackageName> {
    let is_other = |letter: char| !(letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    let name = text.split(is_other).next()?.trim_end_matches('.');
    let begins = name.starts_with(|letter: char| letter.is_ascii_alphabetic());
    begins.then(|| name.parse().ok())?
}

/// Adds the lists at an address, which can be the cause of a failure.
fn with_remote_lists(failure: Failure, key: &PythonKey) -> Failure {
    let addresses = key.options.iter().filter_map(|option| {
        let list = option
            .strip_prefix("-r ")
            .or_else(|| option.strip_prefix("-c "));
        list.filter(|list| list.contains("://"))
    });
    addresses.fold(failure, |failure, address| {
        failure.note(format!(
            "the requirements include `{address}`, which is fetched"
        ))
    })
}

/// Returns the failure for a package that uv chose and `devshell.lock` cannot have.
fn unusable(package: &LockedRequirement, fault: LockedPackageFault) -> Failure {
    let requirement = &package.requirement;
    match fault {
        LockedPackageFault::NoDigest => Failure::new(format!(
            "`{requirement}` has no digest, so it cannot be locked"
        ))
        .note("its index gives no SHA-256 of its files"),
        LockedPackageFault::Inexact => Failure::new(format!("`{requirement}` is not exact")),
        LockedPackageFault::OtherAddress => Failure::new(format!(
            "`{requirement}` comes from an address that no requirement of the project has"
        ))
        .hint("name it with this address in the project's own requirements"),
    }
}

fn locked_requirement(pinned: PinnedRequirement) -> LockedRequirement {
    let digests = pinned.digests.iter();
    LockedRequirement {
        requirement: pinned.requirement,
        sha256: digests
            .filter_map(|digest| digest.strip_prefix("sha256:"))
            .map(str::to_owned)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_packages_of_an_answer_are_names() {
        let lines = [
            "error: No solution found when resolving dependencies",
            "  cause: Because all versions of docopt have no usable wheels and you require docopt, we can conclude that",
            "your requirements are unsatisfiable. And because httpie>=0.9,<1 depends on termcolor==1.1.0 and only",
            "hint: Wheels are required for `sgmllib3k` because building from source is disabled for all packages (i.e.,",
            "with `--no-build`)",
        ];
        let named = named_packages(&lines.map(ToOwned::to_owned));
        let named: Vec<&str> = named.iter().map(PackageName::as_str).collect();
        assert_eq!(named, ["docopt", "httpie", "sgmllib3k", "termcolor"]);
    }
}
