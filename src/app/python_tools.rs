//! Python applications among the tools: what they stand on where nobody asks for it, and what they need.

use crate::{
    builder::{self, Builder, Request, Wanted, locked_application, oldest_python},
    lockfile::{LockKey, LockedPackage, Lockfile, Upgrade, runs_on_any},
    manifest::{DevShell, Located, ShellName, Text, ToolRequest},
    package::{Requirement, Tool, Version},
    project::Project,
    python,
    report::failure::Failure,
    sources::{self, newest_allowed},
    store::Store,
};

use super::{query_versions, session::Work};
use crate::{cli::commands::lock, report::hints};

/// What an application stands on.
const FOUNDATION: [&str; 2] = ["python", "uv"];

/// Tools that are asked for and locked elsewhere: for one person's lockfile those of the team.
#[derive(Debug, Default)]
pub struct Ground {
    pub requests: Vec<(Tool, ToolRequest)>,
    pub lockfile: Lockfile,
}

/// Returns what the applications of `lockfile` stand on and neither `requests` nor `ground` ask for.
pub fn implied(
    requests: &[(Tool, ToolRequest)],
    lockfile: &Lockfile,
    ground: &Ground,
) -> Vec<(Tool, ToolRequest)> {
    let mut all = requests.iter().filter(|(tool, request)| {
        let locked = lockfile.locked(tool, request);
        locked.is_some_and(|locked| locked.application.is_some())
    });
    let Some((_, application)) = all.next() else {
        return Vec::new();
    };
    let unasked = foundation().filter(|tool| {
        let mut asked = requests.iter().chain(&ground.requests);
        !asked.any(|(asked, _)| asked == tool)
    });
    unasked.map(|tool| (tool, any(application))).collect()
}

/// Returns the Pythons that are locked; an application has to run on one of them.
pub fn pythons(lockfile: &Lockfile, ground: &Ground) -> Vec<Version> {
    let all = lockfile.packages.iter().chain(&ground.lockfile.packages);
    let pythons = all.filter(|(key, _)| key.tool.name.as_str() == FOUNDATION[0]);
    pythons.map(|(_, locked)| locked.version.clone()).collect()
}

/// Returns the applications of a lockfile that run on none of its Pythons, a line for each.
pub fn unfit(lockfile: &Lockfile) -> Vec<String> {
    let pythons = pythons(lockfile, &Ground::default());
    let lines = lockfile.packages.iter().filter_map(|(key, package)| {
        let wanted = &package.application.as_ref()?.python;
        let unfit = !runs_on_any(wanted, &pythons);
        let version = &package.version;
        unfit.then(|| format!("{key} is locked at {version}, which is for Python {wanted}"))
    });
    lines.collect()
}

/// Returns what was locked before without the applications that do not run on these Pythons, if any were
/// chosen that do not.
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

/// A request for any version, by the place that asks for an application.
fn any(application: &ToolRequest) -> ToolRequest {
    let origin = application.requirement.origin.clone();
    ToolRequest {
        requirement: Located {
            value: Requirement::any(),
            origin,
        },
        ..query_versions::request(Requirement::any())
    }
}

/// Returns the tools that serve the applications of a dev shell without being seen in it.
pub fn hidden(
    project: &Project,
    shell: &DevShell,
    lockfile: &Lockfile,
) -> Vec<(Tool, ToolRequest)> {
    let mut all = shell.tools.iter().filter(|(tool, request)| {
        let locked = lockfile.locked(tool, request);
        locked.is_some_and(|locked| locked.application.is_some())
    });
    let Some((_, application)) = all.next() else {
        return Vec::new();
    };
    let unseen = foundation().filter(|tool| !shell.tools.contains_key(tool));
    let asked = |tool: Tool| {
        let shells = project.preview().shells.values();
        let mut elsewhere = shells.filter_map(|shell| shell.tools.get(&tool));
        let request = elsewhere.next().cloned();
        let request = request.unwrap_or_else(|| any(application));
        (tool, request)
    };
    unseen.map(asked).collect()
}

/// Adds to every application of `lockfile` what it needs: as locked before, else as uv resolves it now.
pub fn complete(
    work: &Work<'_>,
    lockfile: &mut Lockfile,
    (previous, upgrade): (&Lockfile, &Upgrade),
    (requests, ground): (&[(Tool, ToolRequest)], &Ground),
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
        let mut before = previous.packages.iter().filter(|(other, locked)| {
            other.tool == key.tool && locked.version == package.version && !is_open(locked)
        });
        let whole = match before.next() {
            Some((_, before)) if !upgrade.covers(&key.tool) => before.clone(),
            _ => resolve(work, (&key.tool, package), lockfile, (requests, ground))?,
        };
        lockfile.packages.insert(key, whole);
    }
    Ok(())
}

fn resolve(
    work: &Work<'_>,
    (tool, package): (&Tool, &LockedPackage),
    lockfile: &Lockfile,
    (requests, ground): (&[(Tool, ToolRequest)], &Ground),
) -> Result<LockedPackage, Failure> {
    let config = work.config()?;
    let newest = newest_allowed(tool, &config, work.context.now);
    let application = package.application.clone().unwrap_or_default();
    let oldest = format!("3.{}", oldest_python(&application.python));
    let wanted = foundation().filter_map(|name| {
        let mut asked = requests.iter().chain(&ground.requests);
        let (tool, request) = asked.find(|(asked, _)| *asked == name)?;
        let locked = lockfile.locked(tool, request);
        Some(Wanted {
            tool,
            request,
            locked: locked.or_else(|| ground.lockfile.locked(tool, request)),
            hidden: true,
        })
    });
    let wanted: Vec<Wanted<'_>> = wanted.collect();
    let mut python = wanted
        .iter()
        .filter(|one| one.tool.name.as_str() == "python");
    let python = python
        .next()
        .and_then(|one| Some(one.locked?.version.clone()));
    let text = with_uv(work, wanted, |builder, request| {
        let versions = (oldest.as_str(), newest.as_deref());
        builder.compile_application(request, (tool, &package.version), versions)
    })?;
    let answer = python::wheels(&Text::new("the answer of uv", &text));
    let answer = answer.map_err(|error| hints::content(&error))?;
    let whole = locked_application(&package.version, &application.python, &answer);
    let whole = whole.map_err(|url| hints::index(&sources::Error::Insecure { url }))?;
    usable(work, (tool, &whole), python.as_ref())?;
    Ok(whole)
}

/// Checks that the application can be installed here, on the locked Python.
fn usable(
    work: &Work<'_>,
    (tool, package): (&Tool, &LockedPackage),
    python: Option<&Version>,
) -> Result<(), Failure> {
    let Some(python) = python else {
        return Ok(());
    };
    let found = builder::wheels(package, python, lock::system(work)?);
    found.map(|_| ()).map_err(|reason| {
        hints::builder(&builder::Error::Unfit {
            tool: Box::new(tool.clone()),
            version: package.version.clone(),
            reason,
        })
    })
}

/// Asks a builder with python and uv, without a project.
pub fn with_uv<T>(
    work: &Work<'_>,
    tools: Vec<Wanted<'_>>,
    ask: impl FnOnce(&Builder<'_>, &Request<'_>) -> Result<T, builder::Error>,
) -> Result<T, Failure> {
    let config = work.config()?;
    let client = work.client(&config);
    let store = Store::open(&work.context.directories.data);
    let bars = work.ui.bars();
    let builder = Builder {
        context: work.context,
        config: &config,
        store: &store,
        client: &client,
        progress: &bars,
    };
    let place = work.place()?;
    let request = Request {
        root: &place.root,
        shell: &ShellName::dev(),
        system: lock::system(work)?,
        tools,
        python: None,
        tools_from: config.tools_from,
        locked: work.locked,
        build_project: true,
        extra: b"",
    };
    ask(&builder, &request).map_err(|error| hints::builder(&error))
}
