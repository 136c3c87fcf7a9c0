//! From requests to locked versions: asks the sources, chooses, and completes what applications need.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    lockfile::{LockKey, LockedPackage, Lockfile, Upgrade},
    manifest::NamedRequest,
    package::{Source, System, Tool, Version, describe_systems},
    report::failure::Failure,
    resolve::{self, HeldBack},
    sources::{
        self, CandidateKey, Index, Lookup,
        host::{self, HostSearch},
    },
};

use super::{
    missing_parts::{LeftOut, Unlocked, Unresolved},
    npm_tools,
    python_tools::{self, TeamTools},
    query_versions,
    session::Session,
};

/// Returns the lockfile that answers `requests`, with the tools that their applications and crates are made with.
///
/// `ground` has the tools that another lockfile of the project locks.
pub fn resolve_requests(
    session: &Session<'_>,
    requests: &[NamedRequest],
    ground: &TeamTools,
    previous: &Lockfile,
    upgrade: &Upgrade,
) -> Result<Lockfile, Unresolved> {
    let meter = session
        .reporter
        .progress()
        .start("versions", "resolving", None);
    let resolved = ask_and_resolve(session, requests, ground, previous, upgrade);
    meter.finish();
    resolved
}

fn ask_and_resolve(
    session: &Session<'_>,
    requests: &[NamedRequest],
    ground: &TeamTools,
    previous: &Lockfile,
    upgrade: &Upgrade,
) -> Result<Lockfile, Unresolved> {
    let failed = |failure: Failure| Unresolved::Failed(Box::new(failure));
    let client = session.client().map_err(failed)?;
    let sources = query_versions::sources(session, &client).map_err(failed)?;
    let unresolved = |error: sources::Error| unresolved(&error, requests);
    let choose = |requests: &[NamedRequest], previous: &Lockfile, pythons: &[Version]| {
        let lookup = Lookup {
            previous,
            upgrade,
            sources,
            best: resolve::best,
            digests: true,
        };
        let filled = sources::fill(requests, lookup);
        let mut index = filled.map_err(unresolved)?;
        index.hold_to(pythons);
        let lockfile = resolve::resolve(requests, &index, previous, upgrade, sources.system)
            .map_err(|error| no_version(session, requests, &error))?;
        Ok((index, lockfile))
    };
    let (mut index, mut lockfile) = choose(requests, previous, &[])?;
    let pythons = python_tools::pythons(&lockfile, ground);
    if let Some(previous) = python_tools::without_unfit(&lockfile, previous, &pythons) {
        (index, lockfile) = choose(requests, &previous, &pythons)?;
    }
    let toolchains = python_tools::toolchains(&lockfile, ground);
    if index.hold_to_toolchains(&toolchains) {
        lockfile = resolve::resolve(requests, &index, previous, upgrade, sources.system)
            .map_err(|error| no_version(session, requests, &error))?;
    }
    let implied = python_tools::implied(requests, &lockfile, ground);
    let more = choose(&implied, previous, &[])?;
    lockfile.packages.extend(more.1.packages);
    let asked = [requests, &implied].concat();
    let open = sources::npm::unresolved(&lockfile, previous, sources);
    for key in open.map_err(unresolved)? {
        let package_lock = npm_tools::package_lock(session, &key, &lockfile, &asked, ground);
        let package_lock = package_lock.map_err(failed)?;
        if let Some(package) = lockfile.packages.get_mut(&key) {
            sources::npm::add_dependencies(&key.tool, package, &package_lock, sources)
                .map_err(unresolved)?;
        }
    }
    python_tools::complete(session, &mut lockfile, &asked, ground).map_err(failed)?;
    sources::measure(&mut lockfile, previous, sources);
    for held in resolve::held_back(requests, &index, &lockfile, sources.system) {
        session.reporter.note(&held_back(&held));
    }
    let fallbacks = fallbacks(session, requests, &index, &lockfile, previous);
    let gaps = missing_systems(requests, &index, &lockfile, previous, &fallbacks);
    for line in fallbacks.values().collect::<BTreeSet<_>>() {
        session.reporter.note(line);
    }
    for line in gaps
        .iter()
        .chain(&compiled_tools(&lockfile, previous, &fallbacks))
    {
        session.reporter.note(line);
    }
    Ok(lockfile)
}

/// The answer for the requests whose sources were reached, and the other ones with their failures.
pub struct Reached<T> {
    pub answer: T,
    pub unreached: Vec<(NamedRequest, Failure)>,
}

/// Asks with `ask` for all requests, and again without those whose sources are not reached. `ask` gets the requests, and
/// those that it leaves out.
///
/// A request that `previous` answers needs no source, so it stays.
fn ask_where_reached<T>(
    session: &Session<'_>,
    requests: &[NamedRequest],
    (previous, upgrade): (&Lockfile, &Upgrade),
    ask: impl Fn(&[NamedRequest], &[(NamedRequest, Failure)]) -> Result<T, Unresolved>,
) -> Result<Reached<T>, Unresolved> {
    let mut requests = requests.to_vec();
    let mut unreached = Vec::new();
    loop {
        let unresolved = match ask(&requests, &unreached) {
            Ok(answer) => return Ok(Reached { answer, unreached }),
            Err(unresolved) => unresolved,
        };
        let system = session.context.system;
        let is_unreached = |NamedRequest { tool, request }: &mut NamedRequest| {
            unresolved.unreached_tool() == Some(tool)
                && system
                    .is_none_or(|system| previous.kept(tool, request, upgrade, system).is_none())
        };
        let dropped: Vec<NamedRequest> = requests.extract_if(.., is_unreached).collect();
        if dropped.is_empty() {
            return Err(unresolved);
        }
        let failure = unresolved.into_failure();
        unreached.extend(dropped.into_iter().map(|one| (one, failure.clone())));
    }
}

/// Resolves `requests` as [`resolve_or_leave_out`] does, as far as the sources are reached.
pub fn resolve_where_reached(
    session: &Session<'_>,
    requests: &[NamedRequest],
    ground: &TeamTools,
    previous: &Lockfile,
    upgrade: &Upgrade,
) -> Result<Reached<(Lockfile, LeftOut)>, Unresolved> {
    ask_where_reached(
        session,
        requests,
        (previous, upgrade),
        |requests, unreached| {
            // Nothing takes the place of a tool that is only not reached.
            let asked = unreached.iter().map(|(request, _)| request.clone());
            let ground = TeamTools {
                requests: ground.requests.iter().cloned().chain(asked).collect(),
                lockfile: ground.lockfile.clone(),
            };
            resolve_or_leave_out(session, requests, &ground, previous, upgrade)
        },
    )
}

/// Checks that every request has a version, as far as the sources are reached; returns the requests that are not checked.
pub fn check_where_reached(
    session: &Session<'_>,
    requests: &[NamedRequest],
) -> Result<Vec<(NamedRequest, Failure)>, Unresolved> {
    let nothing = Lockfile::default();
    let checked = ask_where_reached(
        session,
        requests,
        (&nothing, &Upgrade::None),
        |requests, _| check_requests(session, requests, &nothing),
    )?;
    Ok(checked.unreached)
}

/// Checks that every request has a version. Only the lists of the sources are read.
pub fn check_requests(
    session: &Session<'_>,
    requests: &[NamedRequest],
    previous: &Lockfile,
) -> Result<(), Unresolved> {
    let meter = session
        .reporter
        .progress()
        .start("versions", "checking", None);
    let checked = ask_and_check(session, requests, previous);
    meter.finish();
    checked
}

fn ask_and_check(
    session: &Session<'_>,
    requests: &[NamedRequest],
    previous: &Lockfile,
) -> Result<(), Unresolved> {
    let failed = |failure: Failure| Unresolved::Failed(Box::new(failure));
    let client = session.client().map_err(failed)?;
    let sources = query_versions::sources(session, &client).map_err(failed)?;
    let lookup = Lookup {
        previous,
        upgrade: &Upgrade::None,
        sources,
        best: resolve::best,
        digests: false,
    };
    let index = sources::fill(requests, lookup).map_err(|error| unresolved(&error, requests))?;
    resolve::resolve(requests, &index, previous, &Upgrade::None, sources.system)
        .map_err(|error| no_version(session, requests, &error))?;
    Ok(())
}

fn no_version(
    session: &Session<'_>,
    requests: &[NamedRequest],
    error: &resolve::Error,
) -> Unresolved {
    let tool = error.tool();
    let mut failure = Failure::from(error);
    if tool.source == Source::Python
        && let Some(note) = describe_host_python(session, requests, tool)
    {
        failure = failure.note(note);
    }
    Unresolved::NoVersion(tool.clone(), Box::new(failure))
}

/// Returns why an interpreter of the machine that a request admits is not used, if there is one.
fn describe_host_python(
    session: &Session<'_>,
    requests: &[NamedRequest],
    tool: &Tool,
) -> Option<String> {
    let request = &requests.iter().find(|one| one.tool == *tool)?.request;
    let place = session.place().ok()?;
    let (env, directories) = (&session.context.env, &session.context.directories);
    let search = HostSearch::for_project(env, directories, &place.root);
    let found = host::find(tool, &search, &|version| request.admits(version));
    let fitting = found.iter().find(|one| request.admits(&one.version))?;
    let (_, program) = fitting.programs.first()?;
    Some(format!(
        "`{}` is {}, but a lockfile has only versions that every machine can get",
        session.display(program),
        fitting.version
    ))
}

/// Resolves `requests` as [`resolve_requests`] does. A tool of directories below the root that no source has in a
/// fitting version is left out, because the rest of the project does not need it.
pub fn resolve_or_leave_out(
    session: &Session<'_>,
    requests: &[NamedRequest],
    ground: &TeamTools,
    previous: &Lockfile,
    upgrade: &Upgrade,
) -> Result<(Lockfile, LeftOut), Unresolved> {
    let mut requests = requests.to_vec();
    let mut left_out = LeftOut::default();
    loop {
        match resolve_requests(session, &requests, ground, previous, upgrade) {
            Err(Unresolved::NoVersion(tool, failure)) => {
                let before = requests.len();
                requests.retain(|one| {
                    let is_left_out = one.tool == tool && one.request.is_below_root;
                    if is_left_out {
                        left_out.add_tool(&one.tool, &one.request, &failure);
                    }
                    !is_left_out
                });
                if requests.len() == before {
                    return Err(Unresolved::NoVersion(tool, failure));
                }
            }
            resolved => return Ok((resolved?, left_out)),
        }
    }
}

/// Adds the place that requests the tool.
fn unresolved(error: &sources::Error, requests: &[NamedRequest]) -> Unresolved {
    let mut failure = Box::new(Failure::from(error));
    let asking = requests.iter().find(|one| Some(&one.tool) == error.tool());
    if let Some(asking) = asking {
        let place = &asking.request.requirement.origin;
        failure.notes.insert(0, format!("{place} asks for it"));
    }
    if error.is_unreachable() {
        Unresolved::Unreachable(error.tool().cloned(), failure)
    } else {
        Unresolved::Failed(failure)
    }
}

/// Resolves each request alone, so one without an answer does not take the others away.
///
/// The result is never written: a lockfile is complete or unchanged.
pub fn resolve_each(
    session: &Session<'_>,
    requests: &[NamedRequest],
    previous: &Lockfile,
    unlocked: &mut Unlocked,
) -> Lockfile {
    // Applications and crates find their python, node and rust among those that are resolved already.
    let is_runtime =
        |tool: &Tool| python_tools::is_used_by_tools(tool) || tool.name.as_str() == "node";
    let (first, rest): (Vec<_>, Vec<_>) = requests.iter().partition(|one| is_runtime(&one.tool));
    let mut ground = TeamTools {
        requests: requests.to_vec(),
        lockfile: previous.clone(),
    };
    let mut lockfile = Lockfile::default();
    for request in first.into_iter().chain(rest) {
        let one = std::slice::from_ref(request);
        match resolve_requests(session, one, &ground, previous, &Upgrade::None) {
            Ok(one) => {
                ground.lockfile.packages.extend(one.packages.clone());
                lockfile.packages.extend(one.packages);
            }
            Err(unresolved) => unlocked.add_unresolved(request, unresolved),
        }
    }
    lockfile
}

/// Describes a newer version that is held back.
fn held_back(held: &HeldBack) -> String {
    format!(
        "`{}` {} is {}; {} is locked",
        held.tool, held.newer, held.held, held.locked
    )
}

/// Returns a line for each tool that now comes from another package than the first one: the reason, who does not get it,
/// and how to ask again.
fn fallbacks(
    session: &Session<'_>,
    requests: &[NamedRequest],
    index: &Index,
    lockfile: &Lockfile,
    previous: &Lockfile,
) -> BTreeMap<LockKey, String> {
    let describe = |NamedRequest { tool, request }: &NamedRequest| {
        let unused = index.unused(&CandidateKey::of(tool, request));
        let first = unused.first()?;
        let locked = lockfile.locked(tool, request)?;
        let supplier = &locked.supplier;
        let before = previous.locked(tool, request);
        if before.is_some_and(|before| before.supplier == *supplier) {
            return None;
        }
        let not = first.supplier.describe(tool.name.as_str());
        let mut line = if supplier.source == Source::Cargo {
            format!(
                "{}, not taken from {not}",
                describe_compilation(tool, locked)
            )
        } else {
            let supplier = supplier.describe(tool.name.as_str());
            format!("`{tool}` comes from {supplier}, not from {not}")
        };
        let again = session.command(&format!("lock --upgrade {tool}"));
        line = format!("{line}: {}", first.reason);
        if let Some(systems) = missing_on(locked) {
            line = format!("{line}; colleagues on {systems} do not get it");
        }
        Some((
            LockKey::for_request(tool, request),
            format!("{line}; `{again}` asks again"),
        ))
    };
    requests.iter().filter_map(describe).collect()
}

fn describe_compilation(tool: &Tool, locked: &LockedPackage) -> String {
    format!(
        "`{tool}` {} is compiled, which takes minutes",
        locked.version
    )
}

/// Returns whether a lockfile says the same about a tool.
fn is_locked(lockfile: &Lockfile, key: &LockKey, package: &LockedPackage) -> bool {
    let locked = lockfile.packages.get(key);
    locked.is_some_and(|locked| locked.says_the_same(package))
}

/// Returns a line for each newly locked crate that is compiled. Those in `described` have a line already.
fn compiled_tools(
    lockfile: &Lockfile,
    previous: &Lockfile,
    described: &BTreeMap<LockKey, String>,
) -> BTreeSet<String> {
    let fresh = lockfile.packages.iter().filter(|(key, package)| {
        package.supplier.source == Source::Cargo
            && !is_locked(previous, key, package)
            && !described.contains_key(*key)
    });
    fresh
        .map(|(key, package)| {
            let supplier = package.supplier.describe(key.tool.name.as_str());
            let line = describe_compilation(&key.tool, package);
            format!("{line}: {supplier} has only its source")
        })
        .collect()
}

/// Returns the systems for which a tool is not published.
fn missing_on(package: &LockedPackage) -> Option<String> {
    let mut missing = System::ALL.to_vec();
    missing.retain(|system| !package.artifacts.contains_key(system));
    (!missing.is_empty()).then(|| describe_systems(&missing))
}

/// Returns the newest older version of a tool that is published for the systems that the locked one lacks.
fn published_before(
    requests: &[NamedRequest],
    index: &Index,
    key: &LockKey,
    package: &LockedPackage,
) -> Option<Version> {
    let is_of_key = |one: &&NamedRequest| LockKey::for_request(&one.tool, &one.request) == *key;
    let NamedRequest { tool, request } = requests.iter().find(is_of_key)?;
    let candidates = index.candidates(&CandidateKey::of(tool, request))?;
    let mut older = candidates.iter().filter(|one| {
        one.version < package.version
            && one.yanked.is_none()
            && one.systems().len() == System::ALL.len()
    });
    older.next().map(|one| one.version.clone())
}

/// Returns a line for the newly locked tools that are not published for all systems: one for each set of systems.
/// Those in `described` have a line already.
fn missing_systems(
    requests: &[NamedRequest],
    index: &Index,
    lockfile: &Lockfile,
    previous: &Lockfile,
    described: &BTreeMap<LockKey, String>,
) -> Vec<String> {
    let fresh = lockfile.packages.iter().filter(|(key, package)| {
        !is_locked(previous, key, package) && !described.contains_key(*key)
    });
    // For the systems that lack them: the tools, and their last versions that are published there.
    let mut gaps: BTreeMap<String, [BTreeSet<String>; 2]> = BTreeMap::new();
    for (key, package) in fresh {
        if let Some(systems) = missing_on(package) {
            // The same version with other components has the same gaps.
            let named = |version: &Version| format!("`{}` {version}", key.tool);
            let [tools, older] = gaps.entry(systems).or_default();
            tools.insert(named(&package.version));
            older.extend(
                published_before(requests, index, key, package)
                    .as_ref()
                    .map(named),
            );
        }
    }
    let line = |(systems, tools_and_older): (String, [BTreeSet<String>; 2])| {
        let [tools, older] = tools_and_older.map(|names| names.into_iter().collect::<Vec<_>>());
        let (verb, it) = match tools.len() {
            1 => ("is", "it"),
            _ => ("are", "them"),
        };
        let tools = tools.join(", ");
        let line =
            format!("{tools} {verb} not published for {systems}: colleagues there do not get {it}");
        let verb = match older.len() {
            0 => return line,
            1 => "is",
            _ => "are",
        };
        format!("{line}; {} {verb} published there", older.join(", "))
    };
    gaps.into_iter().map(line).collect()
}
