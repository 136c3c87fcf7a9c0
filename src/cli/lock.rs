//! `devsh lock`, and the way to an up-to-date lockfile for the commands that need one.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    config::ToolsFrom,
    failure::{ExitStatus, Failure},
    fsx,
    index::{self, Sources},
    lock::{self, LockKey, Lockfile, Stale, Upgrade},
    manifest::{Manifest, ToolRequest},
    package::{Source, System, Tool},
    project::{LOCKFILE, Project, trust::Trusted},
    resolve,
};

use super::{closure, hints, shown, sync::Mode, tools, work::Work};

/// Longest lockfile that is read, in bytes.
const LIMIT: u64 = 16 << 20;

/// Runs `devsh lock`.
pub(super) fn run(work: &Work<'_>, upgrade: Option<&[String]>, check: bool) -> Result<(), Failure> {
    let project = work.trusted()?;
    let root = project.get().root();
    // Who asks for a lockfile gets it in the project, prepared or not.
    let path = root.join(LOCKFILE);
    let name = shown(work.context, &path);
    let present = read(work, &path)?;
    let requests = requests(project.get().preview());
    runtimes(project.get().preview())?;
    if check || work.locked {
        let problems = all_problems(project.get(), present.as_ref(), &requests)?;
        if problems.is_empty() {
            work.ui.note(&format!("{name} is up to date"));
            return Ok(());
        }
        return Err(out_of_date(work, &name, &problems));
    }
    let upgrade = match upgrade {
        None => Upgrade::None,
        Some([]) => Upgrade::All,
        Some(tools) => Upgrade::Tools(named(tools, &requests)?),
    };
    // An unprepared project may have been locked in devsh's own state before: keep those versions.
    let previous = match present {
        Some(lockfile) => lockfile,
        None => read(work, &work.lock_path(&project.get().place))?.unwrap_or_default(),
    };
    let mut lockfile =
        resolve(work, &requests, &previous, &upgrade).map_err(Unresolved::into_failure)?;
    lockfile.python = closure::resolve(work, project.get(), &lockfile, (&previous, &upgrade))?;
    let changes = changes(&previous, &lockfile);
    let written = write(&path, &lockfile, fsx::write_project_file)?;
    for line in &changes {
        work.ui.line(line);
    }
    let news = if written {
        format!("wrote {name}")
    } else {
        format!("{name} is up to date")
    };
    work.ui.note(&news);
    super::allow::advance(work)
}

/// A lockfile that answers the project's manifest.
pub(super) struct Current {
    pub(super) lockfile: Lockfile,
    /// Where it was written, if it was.
    pub(super) written: Option<PathBuf>,
    /// Why some tools are not in it.
    pub(super) unreached: Option<Failure>,
}

/// Returns the lockfile that answers the project's manifest, written where it belongs.
///
/// With `--locked` nothing is resolved and nothing is written; for a prompt nothing is written into a project.
pub(super) fn up_to_date(
    work: &Work<'_>,
    project: &Trusted<Project>,
    mode: Mode,
) -> Result<Current, Failure> {
    let current = |lockfile| Current {
        lockfile,
        written: None,
        unreached: None,
    };
    let place = &project.get().place;
    let path = work.lock_path(place);
    let name = shown(work.context, &path);
    let present = read(work, &path)?;
    let requests = requests(project.get().preview());
    let problems = all_problems(project.get(), present.as_ref(), &requests)?;
    if problems.is_empty() {
        return Ok(current(present.unwrap_or_default()));
    }
    let in_project = path.starts_with(&place.root);
    runtimes(project.get().preview())?;
    if work.locked || (mode == Mode::Background && in_project) {
        return Err(out_of_date(work, &name, &problems));
    }
    let previous = present.unwrap_or_default();
    let mut lockfile = match resolve(work, &requests, &previous, &Upgrade::None) {
        Ok(lockfile) => lockfile,
        Err(Unresolved::Unreachable(failure)) => {
            let mut lockfile =
                partial(work, &requests, &previous).ok_or_else(|| (*failure).clone())?;
            lockfile.python.clone_from(&previous.python);
            return Ok(Current {
                unreached: Some(*failure),
                ..current(lockfile)
            });
        }
        Err(Unresolved::Failed(failure)) => return Err(*failure),
    };
    lockfile.python =
        closure::resolve(work, project.get(), &lockfile, (&previous, &Upgrade::None))?;
    if in_project {
        if write(&path, &lockfile, fsx::write_project_file)? {
            work.ui.note(&format!("wrote {name}"));
        }
    } else {
        let directory = path.parent().unwrap_or(&place.root);
        fsx::create_private_dir(directory).map_err(|error| hints::file(&error))?;
        write(&path, &lockfile, fsx::write_atomic)?;
    }
    Ok(Current {
        written: Some(path),
        ..current(lockfile)
    })
}

/// Returns the project's lockfile if it answers every request; what is wrong with it otherwise.
pub(super) fn fitting(
    work_path: &Path,
    name: &str,
    project: &Project,
) -> Result<Option<Lockfile>, Failure> {
    let found = present(work_path, name)?;
    let requests = requests(project.preview());
    let fits = all_problems(project, found.as_ref(), &requests)?.is_empty();
    Ok(fits.then(|| found.unwrap_or_default()))
}

/// Returns what all dev shells of a manifest ask for.
pub(super) fn requests(manifest: &Manifest) -> Vec<(Tool, ToolRequest)> {
    let all = manifest.shells.values().flat_map(|shell| &shell.tools);
    let mut seen = BTreeSet::new();
    all.filter(|(tool, request)| seen.insert(LockKey::for_request(tool, request)))
        .map(|(tool, request)| (tool.clone(), request.clone()))
        .collect()
}

/// Checks that every dev shell with tools of npm has the node to run them.
fn runtimes(manifest: &Manifest) -> Result<(), Failure> {
    for (name, shell) in &manifest.shells {
        let mut tools = shell.tools.iter();
        let Some((tool, request)) = tools.find(|(tool, _)| tool.source == Source::Npm) else {
            continue;
        };
        if shell.tools.keys().any(|tool| tool.name.as_str() == "node") {
            continue;
        }
        return Err(Failure::new(format!(
            "`{tool}` runs on node, and the dev shell `{name}` has none"
        ))
        .note(format!("{} asks for it", request.requirement.origin))
        .hint("add `node = \"24\"` to the same `[tools]`"));
    }
    Ok(())
}

fn read(work: &Work<'_>, path: &Path) -> Result<Option<Lockfile>, Failure> {
    present(path, &shown(work.context, path))
}

/// Returns the lockfile at a path, if there is one; `name` is its name in messages.
pub(super) fn present(path: &Path, name: &str) -> Result<Option<Lockfile>, Failure> {
    let Some(bytes) = fsx::read_bounded(path, LIMIT).map_err(|error| hints::file(&error))? else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::new(format!("`{name}` is not UTF-8 text")))?;
    lock::parse(name, &text)
        .map(Some)
        .map_err(|error| hints::lockfile(&error))
}

/// What is wrong with a lockfile, a line for each tool and each list of Python packages.
fn all_problems(
    project: &Project,
    lockfile: Option<&Lockfile>,
    requests: &[(Tool, ToolRequest)],
) -> Result<Vec<String>, Failure> {
    let mut problems = problems(lockfile, requests);
    if problems.is_empty() {
        problems = closure::problems(project, lockfile.unwrap_or(&Lockfile::default()))?;
    }
    Ok(problems)
}

/// What is wrong with a lockfile, a line for each request.
fn problems(lockfile: Option<&Lockfile>, requests: &[(Tool, ToolRequest)]) -> Vec<String> {
    // Who asks for no tools needs no lockfile.
    let Some(lockfile) = lockfile else {
        return if requests.is_empty() {
            vec![]
        } else {
            vec!["there is no lockfile".to_owned()]
        };
    };
    lock::stale(requests, lockfile)
        .iter()
        .map(Stale::to_string)
        .collect()
}

fn out_of_date(work: &Work<'_>, name: &str, problems: &[String]) -> Failure {
    let failure = Failure::new(format!("`{name}` does not fit the manifest"));
    let failure = problems.iter().fold(failure, Failure::detail);
    failure.hint(format!(
        "run `{}` and commit the result",
        work.command("lock")
    ))
}

/// The current system, without which nothing can be chosen.
pub(super) fn system(work: &Work<'_>) -> Result<System, Failure> {
    work.context.system.ok_or_else(|| {
        Failure::new("devsh has no tools for this operating system and processor")
            .note("it serves Linux and macOS on x86_64 and aarch64")
    })
}

/// Requests that could not be resolved.
enum Unresolved {
    /// A source cannot be reached from here.
    Unreachable(Box<Failure>),
    /// Any other reason.
    Failed(Box<Failure>),
}

impl Unresolved {
    fn into_failure(self) -> Failure {
        let (Self::Unreachable(failure) | Self::Failed(failure)) = self;
        *failure
    }
}

fn resolve(
    work: &Work<'_>,
    requests: &[(Tool, ToolRequest)],
    previous: &Lockfile,
    upgrade: &Upgrade,
) -> Result<Lockfile, Unresolved> {
    let failed = |failure: Failure| Unresolved::Failed(Box::new(failure));
    let config = work.config().map_err(failed)?;
    let client = work.client(&config);
    let system = system(work).map_err(failed)?;
    let sources = Sources {
        config: &config,
        client: &client,
        cache: &work.context.directories.cache,
        now: work.context.now,
        system,
    };
    let unresolved = |error: index::Error| unresolved(&error, requests);
    let index = index::fill(requests, previous, upgrade, sources).map_err(unresolved)?;
    let mut lockfile = resolve::resolve(requests, &index, previous, upgrade, system)
        .map_err(|error| failed(hints::resolve(&error)))?;
    index::complete(&mut lockfile, previous, upgrade, sources).map_err(unresolved)?;
    index::measure(&mut lockfile, previous, sources);
    for held in resolve::held_back(requests, &index, &lockfile, system) {
        work.ui.note(&tools::held(&held));
    }
    for gap in tools::gaps(&lockfile, previous) {
        work.ui.note(&gap);
    }
    Ok(lockfile)
}

/// Returns the failure with the place that asks for the tool.
fn unresolved(error: &index::Error, requests: &[(Tool, ToolRequest)]) -> Unresolved {
    let mut failure = Box::new(hints::index(error));
    let asking = requests.iter().find(|(tool, _)| Some(tool) == error.tool());
    if let Some((_, request)) = asking {
        let place = &request.requirement.origin;
        failure.notes.insert(0, format!("{place} asks for it"));
    }
    match error {
        index::Error::Fetch { source, .. } if source.is_unreachable() => {
            Unresolved::Unreachable(failure)
        }
        _ => Unresolved::Failed(failure),
    }
}

/// Returns what can be locked without the sources that cannot be reached; host tools may serve the rest.
///
/// It is never written: a lockfile is whole or stays as it is.
fn partial(
    work: &Work<'_>,
    requests: &[(Tool, ToolRequest)],
    previous: &Lockfile,
) -> Option<Lockfile> {
    if work.config().ok()?.tools_from == ToolsFrom::Managed {
        return None;
    }
    let mut lockfile = Lockfile::default();
    for request in requests {
        match resolve(
            work,
            std::slice::from_ref(request),
            previous,
            &Upgrade::None,
        ) {
            Ok(one) => lockfile.packages.extend(one.packages),
            Err(Unresolved::Unreachable(_)) => {}
            Err(Unresolved::Failed(_)) => return None,
        }
    }
    Some(lockfile)
}

/// Writes the lockfile unless the file has the same bytes already; returns whether it did.
fn write(
    path: &Path,
    lockfile: &Lockfile,
    put: impl FnOnce(&Path, &[u8]) -> Result<(), fsx::Error>,
) -> Result<bool, Failure> {
    let text = lock::print(lockfile);
    let present = fsx::read_bounded(path, LIMIT).map_err(|error| hints::file(&error))?;
    if present.as_deref() == Some(text.as_bytes()) {
        return Ok(false);
    }
    put(path, text.as_bytes()).map_err(|error| hints::file(&error))?;
    Ok(true)
}

fn named(tools: &[String], requests: &[(Tool, ToolRequest)]) -> Result<BTreeSet<Tool>, Failure> {
    let parse = |name: &String| {
        let tool: Tool = name.parse().map_err(|error: crate::package::Invalid| {
            Failure::new(error.to_string()).code(ExitStatus::Usage)
        })?;
        let asked = requests.iter().any(|(asked, _)| *asked == tool);
        asked.then_some(tool).ok_or_else(|| {
            Failure::new(format!("no dev shell asks for `{name}`"))
                .hint("name a tool of the manifest, or none to upgrade all")
                .code(ExitStatus::Usage)
        })
    };
    tools.iter().map(parse).collect()
}

/// What changed, a line for each tool.
fn changes(before: &Lockfile, after: &Lockfile) -> Vec<String> {
    let versions = |lockfile: &Lockfile| -> BTreeSet<(String, String)> {
        let pairs = lockfile.packages.iter();
        let packages = lockfile.python.values().flat_map(|set| &set.packages);
        let packages = packages.filter_map(|one| {
            let (name, rest) = one.requirement.split_once("==")?;
            let version = rest.split([' ', ';']).next()?;
            Some((name.to_owned(), version.to_owned()))
        });
        pairs
            .map(|(key, package)| (key.tool.to_string(), package.version.to_string()))
            .chain(packages)
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
    }
    for (tool, version) in before.difference(&after) {
        if !after.iter().any(|(name, _)| name == tool) {
            lines.push(format!("- {tool}  {version}"));
        }
    }
    lines
}
