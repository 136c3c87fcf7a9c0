//! Locking: versions for every request of the manifest, written to the project's lockfiles.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    lockfile::{self, ImageBases, LockKey, Lockfile, Upgrade},
    manifest::{Manifest, NamedRequest},
    package::{Source, System, Tool},
    project::{
        Project,
        approval::Trusted,
        locate::{Place, ProjectKind},
        lock_path,
    },
    report::failure::Failure,
    util::files,
};

use super::{
    build_mode::BuildMode,
    build_record, conda_packages, earlier_packages, fetch_extends, image_bases,
    locked_addresses::is_named_by_crate,
    lockfiles::{self, LockTarget, all_requests, lock_targets, out_of_date},
    missing_parts::{LeftOut, Unlocked, UnlockedPackages, UnlockedTool, Unresolved},
    older_python::{TargetRequest, resolve_packages},
    programs, python_packages, python_tools,
    resolve_requests::{Reached, resolve_each, resolve_or_leave_out, resolve_where_reached},
    session::{Session, read_lockfile},
    trust,
};

/// The options of `devsh lock`.
#[derive(Debug, Clone, Copy)]
pub struct LockRequest<'a> {
    /// The tools to upgrade; an empty list means all.
    pub upgrade: Option<&'a [String]>,
    /// Only check that the lockfile fits.
    pub check: bool,
}

/// The result of locking.
#[derive(Debug, Default)]
pub struct LockReport {
    pub lockfiles: Vec<LockfileReport>,
    /// A line for each file to extend that was upgraded.
    pub upgraded_extends: Vec<String>,
}

/// One lockfile after locking.
#[derive(Debug)]
pub struct LockfileReport {
    /// The path as messages show it.
    pub name: String,
    pub written: bool,
    /// A line for each tool whose version has changed.
    pub changes: Vec<String>,
}

/// Locks the project, or with `check` only compares.
pub fn lock_project(
    session: &Session<'_>,
    request: LockRequest<'_>,
) -> Result<LockReport, Failure> {
    let LockRequest { upgrade, check } = request;
    let check = check || session.options.locked;
    let mut project = trust::trusted_project(session)?;
    let mut report = LockReport::default();
    if upgrade.is_some_and(<[String]>::is_empty) && !check {
        // An upgrade of everything includes the files that the manifest extends.
        if let Some(upgrade) = fetch_extends::upgrade(session, project.get())? {
            project = trust::trust_once(session, upgrade.project)?;
            report.upgraded_extends = upgrade.changes;
        }
    }
    session.use_caches_of(&project)?;
    check_node(project.get().preview())?;
    python_packages::check_lists(project.get())?;
    let targets = lock_targets(session, project.get(), true)?;
    let upgrade = match upgrade {
        None => Upgrade::None,
        Some([]) => Upgrade::All,
        Some(tools) => {
            let mut all = all_requests(project.get().preview());
            all.extend(conda_packages::tools(project.get().preview()));
            for target in &targets {
                let previous = previous(session, project.get(), target)?;
                let ground = target.ground(session)?;
                all.extend(python_tools::implied(&target.requests, &previous, &ground));
            }
            Upgrade::Tools(named_tools(tools, &all)?)
        }
    };
    for target in &targets {
        report.lockfiles.push(if check {
            check_target(session, project.get(), target)?
        } else {
            lock_target(session, project.get(), target, &upgrade)?
        });
    }
    session.notify_host_shells()?;
    Ok(report)
}

/// Reports the requests that are left out, and the groups and extras of Python projects.
fn report(session: &Session<'_>, project: &Project, left_out: &LeftOut, lockfile: &Lockfile) {
    let packages = python_packages::left_out_lines(project, lockfile);
    for line in left_out.lines().into_iter().chain(packages) {
        session.reporter.note(&line);
    }
}

fn check_target(
    session: &Session<'_>,
    project: &Project,
    target: &LockTarget,
) -> Result<LockfileReport, Failure> {
    let loaded = target.load(session);
    let mut problems = target.problems(loaded.content()?);
    if !target.personal {
        let none = ImageBases::new();
        let content = loaded.content()?;
        let locked = content.map_or(&none, |lockfile| &lockfile.image_bases);
        let bases = image_bases::problems(project.team(), locked);
        problems.needed.extend(bases);
    }
    if !problems.needed.is_empty() {
        return Err(out_of_date(session, &loaded, &problems.needed));
    }
    for gap in problems.below_root {
        session.reporter.note(&gap);
    }
    if let Some(lockfile) = loaded.content()? {
        report(session, project, &LeftOut::default(), lockfile);
    }
    Ok(LockfileReport {
        name: loaded.name.clone(),
        written: false,
        changes: Vec::new(),
    })
}

/// Returns the locked bases of the project's images, locking those that are missing.
pub fn lock_image_bases(session: &Session<'_>, project: &Project) -> Result<ImageBases, Failure> {
    let Some(target) = lock_targets(session, project, false)?.into_iter().next() else {
        return Ok(ImageBases::new());
    };
    let loaded = target.load(session);
    let mut lockfile = loaded.content()?.cloned().unwrap_or_default();
    let problems = image_bases::problems(project.team(), &lockfile.image_bases);
    if problems.is_empty() {
        return Ok(lockfile.image_bases);
    }
    if session.options.locked {
        return Err(out_of_date(session, &loaded, &problems));
    }
    let previous = std::mem::take(&mut lockfile.image_bases);
    lockfile.image_bases =
        image_bases::resolve(session, project.team(), &previous, &Upgrade::None)?;
    if target.write(session, &lockfile)? && target.in_project {
        session.reporter.note(&format!("wrote {}", loaded.name));
    }
    Ok(lockfile.image_bases)
}

fn lock_target(
    session: &Session<'_>,
    project: &Project,
    target: &LockTarget,
    upgrade: &Upgrade,
) -> Result<LockfileReport, Failure> {
    let name = target.load(session).name.clone();
    build_record::refuse_unapproved(session, project)?;
    let before = previous(session, project, target)?;
    let mut previous = before.clone();
    earlier_packages::restore(session, project, target, &mut previous);
    let ground = target.ground(session)?;
    let resolved = resolve_or_leave_out(session, &target.requests, &ground, &previous, upgrade);
    let (mut lockfile, left_out) = resolved.map_err(Unresolved::into_failure)?;
    lockfile.extends.clone_from(&target.pins);
    lockfile.conda = target.conda(session, &previous, upgrade)?.complete()?;
    let request = TargetRequest {
        target,
        requests: &target.requests,
        ground: &ground,
        previous: &previous,
        upgrade,
        left_out: &left_out,
    };
    let resolved = resolve_packages(session, request, lockfile)?;
    let (mut lockfile, mut python) = (resolved.lockfile, resolved.packages);
    // Each list of the project has the same one.
    let unbuilt = python.take_unbuilt().into_iter();
    for error in unbuilt
        .map(|failure| failure.error)
        .collect::<BTreeSet<_>>()
    {
        session.reporter.warn(&format!(
            "no Python packages are locked, because the build of the project fails: {error}"
        ));
    }
    lockfile.python = python.complete()?;
    report(session, project, &left_out, &lockfile);
    if !target.personal {
        let previous = &previous.image_bases;
        lockfile.image_bases = image_bases::resolve(session, project.team(), previous, upgrade)?;
    }
    // If this cannot be stored, the first build asks.
    let _stored = programs::approve_chosen(session, project, &lockfile);
    earlier_packages::keep(session, project, target, &before.python, &lockfile.python);
    Ok(LockfileReport {
        written: target.write(session, &lockfile)?,
        changes: changes(&before, &lockfile),
        name,
    })
}

/// Returns the versions that were locked before.
///
/// A project without manifest can be locked in devsh's own state: it keeps those versions.
fn previous(
    session: &Session<'_>,
    project: &Project,
    target: &LockTarget,
) -> Result<Lockfile, Failure> {
    let loaded = target.load(session);
    if let Some(lockfile) = loaded.content()? {
        return Ok(lockfile.clone());
    }
    if target.personal {
        return Ok(Lockfile::default());
    }
    let before = Place {
        root: project.root().to_owned(),
        kind: ProjectKind::Detected,
    };
    let own = lock_path(&before, &session.context.directories.state);
    Ok(session
        .lockfile(project.root(), &own)
        .content()?
        .cloned()
        .unwrap_or_default())
}

/// The lockfiles that answer the project's manifest, as one.
pub struct UpToDate {
    pub lockfile: Lockfile,
    /// The paths of the lockfiles that are complete now.
    pub written: Vec<PathBuf>,
    /// The names of the project's lockfiles that have changed.
    pub changed: Vec<String>,
    /// The requests without an answer.
    pub unlocked: Unlocked,
}

/// Returns lockfiles that answer the project's manifest, and writes them.
///
/// With `--locked` nothing is resolved and nothing is written; for a prompt nothing is written into a project. If
/// some requests have no answer, the lockfile has the others, and is written only for a change of the manifest by devsh.
pub fn bring_up_to_date(
    session: &Session<'_>,
    project: &Trusted<Project>,
    mode: BuildMode,
) -> Result<UpToDate, Failure> {
    session.use_caches_of(project)?;
    let mut current = UpToDate {
        lockfile: Lockfile::default(),
        written: Vec::new(),
        changed: Vec::new(),
        unlocked: Unlocked::default(),
    };
    for target in lock_targets(session, project.get(), false)? {
        let lockfile = answer(session, project, &target, mode, &mut current)?;
        lockfiles::join(&mut current.lockfile, lockfile);
    }
    conda_packages::add_all_tools(&mut current.lockfile, project.get().preview());
    Ok(current)
}

fn answer(
    session: &Session<'_>,
    project: &Trusted<Project>,
    target: &LockTarget,
    mode: BuildMode,
    current: &mut UpToDate,
) -> Result<Lockfile, Failure> {
    let loaded = target.load(session);
    // A command that may write the file writes the changed requests, too.
    let is_kept = session.options.locked || (mode == BuildMode::Background && target.in_project);
    let content = if is_kept {
        target.content(session)?
    } else {
        loaded.content()?.cloned()
    };
    let problems = target.problems(content.as_ref());
    let is_new = content.is_none() && !is_kept;
    let mut previous = content.unwrap_or_default();
    if problems.is_empty() {
        if mode == BuildMode::Refresh {
            report(session, project.get(), &LeftOut::default(), &previous);
        }
        return Ok(previous);
    }
    if is_new {
        // A new manifest keeps the versions from before it.
        previous = self::previous(session, project.get(), target)?;
    }
    let before = previous.python.clone();
    earlier_packages::restore(session, project.get(), target, &mut previous);
    if session.options.locked && !problems.needed.is_empty() {
        return Err(out_of_date(session, &loaded, &problems.needed));
    }
    if is_kept {
        let failure = out_of_date(session, &loaded, &problems.all());
        target.add_unlocked(&previous, &failure, &mut current.unlocked);
        return Ok(previous);
    }
    build_record::refuse_unapproved(session, project.get())?;
    let mut ground = target.ground(session)?;
    if target.personal {
        // devsh may have resolved the tools of the team without writing their lockfile.
        ground.lockfile.clone_from(&current.lockfile);
    }
    let requests = with_node(
        project.get().preview(),
        &target.requests,
        &mut current.unlocked,
    );
    let upgrade = Upgrade::None;
    let mut left_out = LeftOut::default();
    let resolved = resolve_where_reached(session, &requests, &ground, &previous, &upgrade);
    let mut lockfile = match resolved {
        Ok(Reached { answer, unreached }) => {
            for (request, failure) in unreached {
                current.unlocked.add_unreached(&request, failure);
            }
            let (lockfile, gaps) = answer;
            left_out = gaps;
            lockfile
        }
        Err(unresolved) if requests.len() == 1 => {
            current.unlocked.add_unresolved(&requests[0], unresolved);
            Lockfile::default()
        }
        Err(_) => resolve_each(session, &requests, &previous, &mut current.unlocked),
    };
    lockfile.extends.clone_from(&target.pins);
    let conda = target.conda(session, &previous, &upgrade)?;
    for (key, failure) in conda.failures {
        current.unlocked.add_conda(key, failure);
    }
    lockfile.conda = conda.sets;
    let unreachable = current.unlocked.unreachable().cloned();
    lockfile.python = if let Some(failure) = unreachable
        && !reaches_index(session)?
    {
        // uv would ask the index again and again.
        let known = Lockfile {
            python: previous.python.clone(),
            ..Lockfile::default()
        };
        target.add_unreachable_packages(&known, &failure, &mut current.unlocked);
        known.python
    } else {
        let request = TargetRequest {
            target,
            requests: &requests,
            ground: &ground,
            previous: &previous,
            upgrade: &upgrade,
            left_out: &left_out,
        };
        let resolved = resolve_packages(session, request, lockfile)?;
        lockfile = resolved.lockfile;
        let mut python = resolved.packages;
        for failed in python.failures {
            // The packages of the list before its change stay.
            let earlier = python_packages::earlier_packages(project.get(), &previous, &failed.key);
            python.sets.extend(earlier);
            let packages = UnlockedPackages {
                may_pass: failed.may_pass,
                is_unreachable: failed.may_pass && !reaches_index(session)?,
                failure: failed.failure,
            };
            current.unlocked.add_packages(failed.key, packages);
        }
        python.sets
    };
    // If this cannot be stored, the first build asks.
    let _stored = programs::approve_chosen(session, project.get(), &lockfile);
    current.unlocked.add_left_out(&left_out);
    if mode != BuildMode::Background {
        report(session, project.get(), &left_out, &lockfile);
    }
    let is_useful = mode == BuildMode::Edit && (!is_new || has_answers(&lockfile));
    if current.unlocked.is_complete() || is_useful {
        earlier_packages::keep(session, project.get(), target, &before, &lockfile.python);
        if target.write(session, &lockfile)? && target.in_project {
            current.changed.push(loaded.name.clone());
        }
        current.written.push(target.path.clone());
    }
    Ok(lockfile)
}

fn has_answers(lockfile: &Lockfile) -> bool {
    !(lockfile.packages.is_empty() && lockfile.conda.is_empty() && lockfile.python.is_empty())
}

/// Returns whether the index of Python packages can be reached.
fn reaches_index(session: &Session<'_>) -> Result<bool, Failure> {
    Ok(session.client()?.reaches(&session.config()?.pypi))
}

/// Returns the requests without the npm tools that have no node; those are unlocked.
fn with_node(
    manifest: &Manifest,
    requests: &[NamedRequest],
    unlocked: &mut Unlocked,
) -> Vec<NamedRequest> {
    let lacking = tools_without_node(manifest);
    let mut requests = requests.to_vec();
    requests.retain(|NamedRequest { tool, request }| {
        let found = lacking.iter().find(|(one, _)| one == tool);
        if let Some((_, failure)) = found {
            unlocked.add_tool(
                LockKey::for_request(tool, request),
                UnlockedTool {
                    failure: failure.clone(),
                    is_unreachable: false,
                    is_left_out: false,
                },
            );
        }
        found.is_none()
    });
    requests
}

/// Returns the npm tools of dev shells without node.
fn tools_without_node(manifest: &Manifest) -> Vec<(Tool, Failure)> {
    let shells = manifest.shells.iter().filter(|(_, shell)| {
        let mut tools = shell.tools.keys();
        !tools.any(|tool| tool.name.as_str() == "node")
    });
    let tools = shells.flat_map(|(name, shell)| {
        let tools = shell.tools.iter();
        let tools = tools.filter(|(tool, _)| tool.source == Source::Npm);
        tools.map(move |(tool, request)| {
            let failure = Failure::new(format!(
                "`{tool}` runs on node, and the dev shell `{name}` has none"
            ))
            .note(format!("{} asks for it", request.requirement.origin))
            .hint("add `node = \"24\"` to the same `[tools]`");
            (tool.clone(), failure)
        })
    });
    tools.collect()
}

/// Checks that every dev shell with npm tools has node.
fn check_node(manifest: &Manifest) -> Result<(), Failure> {
    let mut lacking = tools_without_node(manifest).into_iter();
    lacking.next().map_or(Ok(()), |(_, failure)| Err(failure))
}

/// Returns the tools that the user named, each of which is requested.
fn named_tools(tools: &[String], requests: &[NamedRequest]) -> Result<BTreeSet<Tool>, Failure> {
    let parse = |name: &String| {
        let tool: Tool = name.parse()?;
        let asked = requests.iter().any(|asked| asked.tool == tool);
        asked.then_some(tool).ok_or_else(|| {
            Failure::new(format!("no dev shell asks for `{name}`"))
                .hint("name a tool of the manifest, or none to upgrade all")
        })
    };
    tools.iter().map(parse).collect()
}

/// Returns a line for each tool whose version has changed.
fn changes(before: &Lockfile, after: &Lockfile) -> Vec<String> {
    let after_lockfile = after;
    let versions = |lockfile: &Lockfile| -> BTreeSet<(String, String)> {
        let pairs = lockfile.packages.iter();
        let packages = lockfile.python.values().flat_map(|set| &set.packages);
        let packages = packages.filter_map(|one| {
            let (name, rest) = one.requirement.split_once("==")?;
            let version = rest.split([' ', ';']).next()?;
            Some((name.to_owned(), version.to_owned()))
        });
        let conda = lockfile
            .conda
            .values()
            .flat_map(|set| set.packages.values().flatten());
        let conda = conda.map(|one| (one.name.clone(), one.version.clone()));
        pairs
            .map(|(key, package)| (key.tool.to_string(), package.version.to_string()))
            .chain(packages)
            .chain(conda)
            .collect()
    };
    let (before, after) = (versions(before), versions(after));
    let mut lines = Vec::new();
    for (tool, version) in after.difference(&before) {
        let old = before
            .iter()
            .find(|(name, other)| name == tool && !after.contains(&(name.clone(), other.clone())));
        lines.push(match old {
            Some((_, old)) => format!("~ {tool}  {old} → {version}"),
            None => format!("+ {tool}  {version}"),
        });
        lines.extend(chosen_files(after_lockfile, tool, version));
    }
    for (tool, version) in before.difference(&after) {
        if !after.iter().any(|(name, _)| name == tool) {
            lines.push(format!("- {tool}  {version}"));
        }
    }
    lines
}

/// Returns a line for each file of a release that devsh chose by its name or that a crate names, and one on its digest.
fn chosen_files(lockfile: &Lockfile, tool: &str, version: &str) -> Vec<String> {
    let package = lockfile.packages.iter().find(|(key, package)| {
        (package.supplier.source == Source::Github
            || is_named_by_crate(&key.tool, &package.supplier))
            && key.tool.to_string() == tool
            && package.version.as_str() == version
    });
    let Some((_, package)) = package else {
        return Vec::new();
    };
    let files = package.artifacts.iter().flat_map(|(system, artifacts)| {
        let names = artifacts.iter().map(|artifact| {
            let name = artifact.url.path_segments().and_then(Iterator::last);
            format!("    {system}  {}", name.unwrap_or_default())
        });
        names.collect::<Vec<_>>()
    });
    let lacking = System::ALL
        .into_iter()
        .filter(|system| !package.artifacts.contains_key(system));
    let lacking = lacking.map(|system| format!("    {system}  none in this release"));
    let checked = package
        .checked
        .iter()
        .map(|checked| format!("    {checked}"));
    files.chain(lacking).chain(checked).collect()
}

/// Merges the lockfiles of two branches into the file `ours`, as Git expects of a merge driver.
pub fn merge_lockfiles(base: &Path, ours: &Path, theirs: &Path) -> Result<(), Failure> {
    let [base, own, other] = [read(base)?, read(ours)?, read(theirs)?];
    let merged = lockfile::merge(&base, &own, &other).map_err(|conflicts| {
        let failure = Failure::new("the branches have locked these differently");
        let failure = conflicts.iter().fold(failure, Failure::detail);
        failure.hint(
            "take either side with `git checkout --ours` or `--theirs`, then run `devsh lock`",
        )
    })?;
    let text = lockfile::print(&merged);
    Ok(files::write_project_file(ours, text.as_bytes())?)
}

fn read(path: &Path) -> Result<Lockfile, Failure> {
    // The base is empty if both branches added the file.
    if path.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        return Ok(Lockfile::default());
    }
    read_lockfile(path)?
        .ok_or_else(|| Failure::new(format!("there is no lockfile `{}`", path.display())))
}
