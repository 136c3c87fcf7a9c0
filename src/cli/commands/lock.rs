//! `devsh lock`, and the choice of versions for the commands that need a lockfile.

use std::collections::BTreeSet;

use crate::report::paths::display_path;
use crate::{
    config::ToolsFrom,
    lockfile::{Lockfile, Upgrade},
    manifest::{Manifest, ToolRequest},
    package::{Source, System, Tool, Version},
    project::Project,
    report::failure::{ExitStatus, Failure},
    resolve,
    sources::{self, Sources},
};

use super::lock_merge;
use crate::{
    app::{
        fetch_extends,
        lockfiles::{self, Part},
        npm_tools,
        python_tools::{self, Ground},
        session::Work,
        tool_report,
    },
    cli::args,
    report::hints,
};

pub use crate::app::lockfiles::{Current, as_they_are, fitting, present, requests, up_to_date};

/// Runs `devsh lock`.
pub fn run(work: &Work<'_>, options: &args::Lock) -> Result<(), Failure> {
    if let Some(files) = &options.merge {
        return lock_merge::run(files);
    }
    let (upgrade, check) = (options.upgrade.as_deref(), options.check);
    let project = work.trusted()?;
    // Who upgrades all gets the newest of the files that the manifest stands on as well.
    let (project, moved) = match upgrade {
        Some([]) if !check && !work.locked => fetch_extends::upgraded(work, project)?,
        _ => (project, Vec::new()),
    };
    runtimes(project.get().preview())?;
    let parts = lockfiles::parts(work.context, project.get(), true)?;
    let mut all = requests(project.get().preview());
    for part in &parts {
        let found = present(&part.path, &display_path(work.context, &part.path))?;
        let previous = previous(work, project.get(), (part, found))?;
        let ground = part.ground(work.context)?;
        all.extend(python_tools::implied(&part.requests, &previous, &ground));
    }
    let upgrade = match upgrade {
        None => Upgrade::None,
        Some([]) => Upgrade::All,
        Some(tools) => Upgrade::Tools(named(tools, &all)?),
    };
    for part in &parts {
        lock_part(work, project.get(), part, (&upgrade, check || work.locked))?;
    }
    for line in &moved {
        work.ui.line(line);
    }
    if !moved.is_empty() {
        let command = work.command("allow");
        work.ui
            .note(&format!("review what has changed with `{command}`"));
    }
    super::allow::advance(work)
}

fn lock_part(
    work: &Work<'_>,
    project: &Project,
    part: &Part,
    (upgrade, check): (&Upgrade, bool),
) -> Result<(), Failure> {
    let name = display_path(work.context, &part.path);
    let found = present(&part.path, &name)?;
    let problems = part.problems(found.as_ref())?;
    if check {
        if problems.is_empty() {
            work.ui.note(&format!("{name} is up to date"));
            return Ok(());
        }
        return Err(lockfiles::out_of_date(work, &name, &problems));
    }
    let previous = previous(work, project, (part, found))?;
    let ground = part.ground(work.context)?;
    let mut lockfile = resolve(work, (&part.requests, &ground), &previous, upgrade)
        .map_err(Unresolved::into_failure)?;
    lockfile.extends.clone_from(&part.pins);
    lockfile.python = part.python(work, &lockfile, (&previous, upgrade))?;
    let changes = changes(&previous, &lockfile);
    let written = part.write(work, &lockfile)?;
    for line in &changes {
        work.ui.line(line);
    }
    let news = if written {
        format!("wrote {name}")
    } else {
        format!("{name} is up to date")
    };
    work.ui.note(&news);
    Ok(())
}

/// Returns what was locked before, `found` in the lockfile itself.
///
/// An unprepared project may have been locked in devsh's own state: it keeps those versions.
fn previous(
    work: &Work<'_>,
    project: &Project,
    (part, found): (&Part, Option<Lockfile>),
) -> Result<Lockfile, Failure> {
    match found {
        Some(lockfile) => Ok(lockfile),
        None if part.personal => Ok(Lockfile::default()),
        None => {
            let path = work.lock_path(&project.place);
            Ok(present(&path, &display_path(work.context, &path))?.unwrap_or_default())
        }
    }
}

/// Checks that every dev shell with tools of npm has the node to run them.
pub fn runtimes(manifest: &Manifest) -> Result<(), Failure> {
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

/// The current system, without which nothing can be chosen.
pub fn system(work: &Work<'_>) -> Result<System, Failure> {
    work.context.system.ok_or_else(|| {
        Failure::new("devsh has no tools for this operating system and processor")
            .note("it serves Linux and macOS on x86_64 and aarch64")
    })
}

/// Requests that could not be resolved.
pub enum Unresolved {
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

/// Returns the lockfile that answers `requests`, and what their applications stand on beside `ground`.
pub fn resolve(
    work: &Work<'_>,
    (requests, ground): (&[(Tool, ToolRequest)], &Ground),
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
    let unresolved = |error: sources::Error| unresolved(&error, requests);
    let choose = |requests: &[(Tool, ToolRequest)], previous: &Lockfile, pythons: &[Version]| {
        let filled = sources::fill(requests, previous, upgrade, sources);
        let mut index = filled.map_err(unresolved)?;
        index.hold_to(pythons);
        let lockfile = resolve::resolve(requests, &index, previous, upgrade, system)
            .map_err(|error| failed(hints::resolve(&error)))?;
        Ok((index, lockfile))
    };
    let (mut index, mut lockfile) = choose(requests, previous, &[])?;
    let pythons = python_tools::pythons(&lockfile, ground);
    if let Some(previous) = python_tools::without_unfit(&lockfile, previous, &pythons) {
        (index, lockfile) = choose(requests, &previous, &pythons)?;
    }
    let implied = python_tools::implied(requests, &lockfile, ground);
    let more = choose(&implied, previous, &[])?;
    lockfile.packages.extend(more.1.packages);
    let asked = [requests, &implied].concat();
    let open = sources::npm::unresolved(&mut lockfile, previous, upgrade, sources);
    for key in open.map_err(unresolved)? {
        let package_lock = npm_tools::package_lock(work, &key, &lockfile, (&asked, ground));
        let package_lock = package_lock.map_err(failed)?;
        if let Some(package) = lockfile.packages.get_mut(&key) {
            sources::npm::add_dependencies(&key.tool, package, &package_lock, sources)
                .map_err(unresolved)?;
        }
    }
    python_tools::complete(work, &mut lockfile, previous, upgrade, &asked, ground)
        .map_err(failed)?;
    sources::measure(&mut lockfile, previous, sources);
    for held in resolve::held_back(requests, &index, &lockfile, system) {
        work.ui.note(&tool_report::held(&held));
    }
    for gap in tool_report::gaps(&lockfile, previous) {
        work.ui.note(&gap);
    }
    Ok(lockfile)
}

/// Returns the failure with the place that asks for the tool.
fn unresolved(error: &sources::Error, requests: &[(Tool, ToolRequest)]) -> Unresolved {
    let mut failure = Box::new(hints::index(error));
    let asking = requests.iter().find(|(tool, _)| Some(tool) == error.tool());
    if let Some((_, request)) = asking {
        let place = &request.requirement.origin;
        failure.notes.insert(0, format!("{place} asks for it"));
    }
    match error {
        sources::Error::Fetch { source, .. } if source.is_unreachable() => {
            Unresolved::Unreachable(failure)
        }
        _ => Unresolved::Failed(failure),
    }
}

/// Returns what can be locked without the sources that cannot be reached; host tools may serve the rest.
///
/// It is never written: a lockfile is whole or stays as it is.
pub fn partial(
    work: &Work<'_>,
    requests: &[(Tool, ToolRequest)],
    previous: &Lockfile,
) -> Option<Lockfile> {
    if work.config().ok()?.tools_from == ToolsFrom::Managed {
        return None;
    }
    let mut lockfile = Lockfile::default();
    // An application stands on what the others are, which are resolved one by one here.
    let ground = Ground {
        requests: requests.to_vec(),
        lockfile: previous.clone(),
    };
    for request in requests {
        match resolve(
            work,
            (std::slice::from_ref(request), &ground),
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

fn named(tools: &[String], requests: &[(Tool, ToolRequest)]) -> Result<BTreeSet<Tool>, Failure> {
    let parse = |name: &String| {
        let tool: Tool = name.parse().map_err(|error: crate::package::Invalid| {
            Failure::new(error.to_string()).code(ExitStatus::Usage)
        })?;
        let asked = requests.iter().any(|(asked, _)| *asked == tool);
        asked.then_some(tool).ok_or_else(|| {
            Failure::new(format!("no dev shell asks for `{name}`"))
                .hint("name a tool of the manifest, or none to upgrade all")
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
