//! Tools that are made with other tools: Python applications with python and uv, crates with rust. The tools that they
//! need, and the packages that applications depend on.

use std::collections::BTreeMap;

use crate::{
    builder::{self, ApplicationQuery, BuildRequest, Builder, RequestedTool},
    lockfile::{LockKey, LockedPackage, Lockfile, runs_on_any},
    manifest::{DevShell, Located, NamedRequest, ShellName, Text, ToolRequest},
    package::{CondaChannel, CondaFloors, Requirement, Source, Tool, Version},
    project::Project,
    python::{choose_wheels, lock_application, oldest_python, read_pylock_wheels},
    report::failure::Failure,
    sources::{self, newest_allowed},
};

use super::{
    locked_addresses::{LockedArtifact, refuse_untrusted},
    session::Session,
    with_builder::with_builder,
};

/// The tools that applications and Python packages are installed with. [`implied`] and [`hidden`] add them for
/// applications; the manifest adds uv for packages.
const FOUNDATION: [&str; 2] = ["python", "uv"];
/// The tool that crates are compiled with. [`implied`] and [`hidden`] add it.
const COMPILER: [&str; 1] = ["rust"];

/// Returns the tools that a locked package is made with.
fn tools_for(package: &LockedPackage) -> &'static [&'static str] {
    match package.supplier.source {
        _ if package.application.is_some() => &FOUNDATION,
        Source::Cargo => &COMPILER,
        _ => &[],
    }
}

/// The tools and lockfile of the team, for a personal lockfile.
#[derive(Debug, Default)]
pub struct TeamTools {
    pub requests: Vec<NamedRequest>,
    pub lockfile: Lockfile,
}

/// Returns whether other tools are made with this tool.
pub fn is_used_by_tools(tool: &Tool) -> bool {
    is_foundation(tool) || COMPILER.contains(&tool.name.as_str())
}

/// Returns whether Python packages are installed with this tool.
pub fn is_foundation(tool: &Tool) -> bool {
    FOUNDATION.contains(&tool.name.as_str())
}

/// Returns the tools that the applications and crates of `lockfile` need and neither `requests` nor `ground` have.
pub fn implied(
    requests: &[NamedRequest],
    lockfile: &Lockfile,
    ground: &TeamTools,
) -> Vec<NamedRequest> {
    let own = requests.iter().map(NamedRequest::pair);
    missing_makers(own, lockfile, |tool| {
        let mut all = requests.iter().chain(&ground.requests);
        all.any(|one| one.tool == *tool)
    })
}

/// Returns the tools that `requests` are made with and that `is_requested` lacks.
fn missing_makers<'r>(
    requests: impl Iterator<Item = (&'r Tool, &'r ToolRequest)>,
    lockfile: &Lockfile,
    is_requested: impl Fn(&Tool) -> bool,
) -> Vec<NamedRequest> {
    let mut missing: Vec<NamedRequest> = Vec::new();
    for (tool, request) in requests {
        let made_with = lockfile.locked(tool, request).map(tools_for);
        let tools = made_with.unwrap_or_default().iter();
        for tool in tools.filter_map(|name| name.parse::<Tool>().ok()) {
            if !is_requested(&tool) && missing.iter().all(|known| known.tool != tool) {
                missing.push(NamedRequest {
                    request: any_version(request),
                    tool,
                });
            }
        }
    }
    missing
}

/// Returns the locked toolchains; one of them must compile every crate.
pub fn toolchains(lockfile: &Lockfile, ground: &TeamTools) -> Vec<Version> {
    let all = lockfile.packages.iter().chain(&ground.lockfile.packages);
    let toolchains = all.filter(|(key, _)| COMPILER.contains(&key.tool.name.as_str()));
    toolchains
        .map(|(_, locked)| locked.version.clone())
        .collect()
}

/// Returns the locked Pythons; an application must run on one of them.
pub fn pythons(lockfile: &Lockfile, ground: &TeamTools) -> Vec<Version> {
    let all = lockfile.packages.iter().chain(&ground.lockfile.packages);
    let pythons = all.filter(|(key, _)| key.tool.name.as_str() == FOUNDATION[0]);
    pythons.map(|(_, locked)| locked.version.clone()).collect()
}

/// Returns the applications of a lockfile that run on none of its Pythons, a line for each.
pub fn unfit(lockfile: &Lockfile) -> Vec<String> {
    let pythons = pythons(lockfile, &TeamTools::default());
    let lines = lockfile.packages.iter().filter_map(|(key, package)| {
        let wanted = &package.application.as_ref()?.python;
        let unfit = !runs_on_any(wanted, &pythons);
        let version = &package.version;
        unfit.then(|| format!("{key} is locked at {version}, which is for Python {wanted}"))
    });
    lines.collect()
}

/// Returns `previous` without the applications that do not run on these Pythons; `None` if all chosen ones do.
pub fn without_unfit(
    chosen: &Lockfile,
    previous: &Lockfile,
    pythons: &[Version],
) -> Option<Lockfile> {
    let unfit = |package: &LockedPackage| {
        let application = package.application.as_ref();
        application.is_some_and(|application| !runs_on_any(&application.python, pythons))
    };
    if !chosen.packages.values().any(unfit) {
        return None;
    }
    let mut rest = previous.clone();
    rest.packages.retain(|_, package| !unfit(package));
    Some(rest)
}

fn foundation() -> impl Iterator<Item = Tool> {
    FOUNDATION.iter().filter_map(|name| name.parse().ok())
}

/// Returns a request for any version, with the place of another request.
fn any_version(other: &ToolRequest) -> ToolRequest {
    let origin = other.requirement.origin.clone();
    ToolRequest {
        requirement: Located {
            value: Requirement::any(),
            origin,
        },
        ..ToolRequest::new(Requirement::any())
    }
}

/// Returns the tools that the applications and crates of a dev shell need and the dev shell itself does not have.
pub fn hidden(project: &Project, shell: &DevShell, lockfile: &Lockfile) -> Vec<NamedRequest> {
    let requested = |tool: &Tool| shell.tools.contains_key(tool);
    let mut hidden = missing_makers(shell.tools.iter(), lockfile, requested);
    for NamedRequest { tool, request } in &mut hidden {
        // One version for all dev shells is enough.
        let mut shells = project.preview().shells.values();
        if let Some(other) = shells.find_map(|shell| shell.tools.get(tool)) {
            request.clone_from(other);
        }
    }
    hidden
}

/// Adds to every application of `lockfile` that has no packages those that uv resolves now.
pub fn complete(
    session: &Session<'_>,
    lockfile: &mut Lockfile,
    requests: &[NamedRequest],
    ground: &TeamTools,
) -> Result<(), Failure> {
    let is_open = |package: &LockedPackage| {
        let application = package.application.as_ref();
        application.is_some_and(|application| application.packages.is_empty())
    };
    let all = lockfile.packages.iter();
    let open: Vec<LockKey> = all
        .filter(|(_, package)| is_open(package))
        .map(|(key, _)| key.clone())
        .collect();
    for key in open {
        let Some(package) = lockfile.packages.get(&key) else {
            continue;
        };
        let whole = LockedPackage {
            origin: package.origin,
            ..resolve(session, &key.tool, package, lockfile, requests, ground)?
        };
        lockfile.packages.insert(key, whole);
    }
    Ok(())
}

fn resolve(
    session: &Session<'_>,
    tool: &Tool,
    package: &LockedPackage,
    lockfile: &Lockfile,
    requests: &[NamedRequest],
    ground: &TeamTools,
) -> Result<LockedPackage, Failure> {
    let config = session.config()?;
    let newest = newest_allowed(tool, config, session.context.now);
    let application = package.application.clone().unwrap_or_default();
    let oldest = format!("3.{}", oldest_python(&application.python));
    let tools = foundation().filter_map(|name| {
        let mut all = requests.iter().chain(&ground.requests);
        let NamedRequest { tool, request } = all.find(|one| one.tool == name)?;
        let locked = lockfile.locked(tool, request);
        Some(RequestedTool {
            tool,
            request,
            locked: locked.or_else(|| ground.lockfile.locked(tool, request)),
            hidden: true,
        })
    });
    let tools: Vec<RequestedTool<'_>> = tools.collect();
    let mut pythons = tools
        .iter()
        .filter(|one| one.tool.name.as_str() == FOUNDATION[0]);
    let python = pythons
        .next()
        .and_then(|one| Some(one.locked?.version.clone()));
    let text = with_uv(session, tools, &[], |builder, request| {
        let query = ApplicationQuery {
            tool,
            version: &package.version,
            python: &oldest,
            newest: newest.as_deref(),
        };
        builder.compile_application(request, query)
    })?;
    let wheels = read_pylock_wheels(&Text::new("the answer of uv", &text));
    let wheels = wheels?;
    let locked = lock_application(
        &package.supplier,
        &package.version,
        &application.python,
        &wheels,
    );
    let locked = locked.map_err(|url| sources::Error::Insecure { url })?;
    if let Some(python) = python {
        check_installable(session, tool, &locked, &python)?;
    }
    Ok(locked)
}

/// Checks that the application can be installed on this system with the locked Python.
fn check_installable(
    session: &Session<'_>,
    tool: &Tool,
    package: &LockedPackage,
    python: &Version,
) -> Result<(), Failure> {
    let wheels = choose_wheels(package, python, session.system()?);
    wheels.map(|_| ()).map_err(|reason| {
        builder::Error::Unfit {
            tool: Box::new(tool.clone()),
            version: package.version.clone(),
            reason,
        }
        .into()
    })
}

/// Runs `compile` with a builder and a request for these tools, which are python and uv. Conda packages may come from
/// `channels`.
pub fn with_uv<T>(
    session: &Session<'_>,
    tools: Vec<RequestedTool<'_>>,
    channels: &[CondaChannel],
    compile: impl FnOnce(&Builder<'_>, &BuildRequest<'_>) -> Result<T, builder::Error>,
) -> Result<T, Failure> {
    let config = session.config()?;
    let system = session.system()?;
    let locked = tools.iter().filter_map(|one| Some((one.tool, one.locked?)));
    let artifacts = locked.flat_map(|(tool, package)| LockedArtifact::all(tool, package, system));
    refuse_untrusted(session, artifacts.filter(|one| !one.is_of(channels)))?;
    let place = session.place()?;
    let request = BuildRequest {
        conda_floors: CondaFloors::default(),
        root: &place.root,
        project_files: &BTreeMap::new(),
        shell: &ShellName::dev(),
        system,
        tools,
        python: None,
        tools_from: config.tools_from,
        locked: session.options.locked,
        build_project: true,
        runs_package_code: true,
        approved_conda: None,
        is_more_than_tools: false,
        extra: b"",
    };
    let progress = session.reporter.progress();
    let compiled = with_builder(session, &*progress, |builder| compile(builder, &request))?;
    compiled.map_err(Failure::from)
}
