//! The conda packages of dev shells: locked together for each dev shell, and seen as tools by everything else.

use std::collections::{BTreeMap, BTreeSet};

use super::{query_versions, session::Session};
use crate::{
    lockfile::{
        Artifact, CondaKey, CondaSet, CondaSets, LockKey, LockedConda, LockedPackage, Lockfile,
        Upgrade,
    },
    manifest::{DevShell, Manifest, NamedRequest, PlacedRequirement},
    package::{PackageName, Source, Supplier, System, Tool, Version},
    report::{failure::Failure, hints::WITHOUT_MANIFEST},
    sources::conda::{self, Clash, CondaQuery, Conflict, Need},
    util::word_lists::{in_backticks, join_with_and},
};

/// The conda packages that a dev shell asks for.
struct RequestedConda {
    requirements: Vec<PlacedRequirement>,
}

/// Returns every set of conda packages that the lockfile must have.
pub fn keys(manifest: &Manifest) -> BTreeSet<CondaKey> {
    let shells = manifest.shells.values();
    // Locking reports a requirement that conda cannot express.
    shells.filter_map(|shell| key(shell).ok()?).collect()
}

fn requested(manifest: &Manifest) -> Result<BTreeMap<CondaKey, RequestedConda>, Failure> {
    let mut all = BTreeMap::new();
    for shell in manifest.shells.values() {
        let requirements = shell.conda_requirements()?;
        if let Some(key) = key(shell)? {
            all.entry(key).or_insert(RequestedConda { requirements });
        }
    }
    Ok(all)
}

/// Returns the key of the packages of a dev shell, if it has any.
pub fn key(shell: &DevShell) -> Result<Option<CondaKey>, Failure> {
    let requirements = shell.conda_requirements()?;
    if requirements.is_empty() {
        return Ok(None);
    }
    Ok(Some(CondaKey {
        channels: shell.conda_channels()?,
        requirements: requirements
            .iter()
            .map(|one| one.requirement.as_str().to_owned())
            .collect(),
        floors: shell.conda_floors(),
    }))
}

/// Returns the problems of the locked packages, a line for each set.
pub fn problems(wanted: &BTreeSet<CondaKey>, lockfile: &Lockfile) -> Vec<String> {
    let missing = wanted
        .iter()
        .filter(|key| !lockfile.conda.contains_key(*key));
    let unmet = wanted.iter().filter_map(|key| {
        let requirement = key.find_unmet(lockfile.conda.get(key)?)?;
        Some(format!(
            "the locked conda packages do not meet `{requirement}`"
        ))
    });
    let superfluous = lockfile.conda.keys().filter(|key| !wanted.contains(*key));
    missing
        .map(|key| format!("{} are not locked", first_words(key)))
        .chain(unmet)
        .chain(superfluous.map(|key| {
            format!(
                "{} are locked, but no dev shell asks for them",
                first_words(key)
            )
        }))
        .collect()
}

fn first_words(key: &CondaKey) -> String {
    let first = key.requirements.iter().take(3);
    let mut words: Vec<String> = first.map(|one| format!("`{one}`")).collect();
    if key.requirements.len() > 3 {
        words.push("…".to_owned());
    }
    format!("conda packages {}", words.join(", "))
}

/// The packages of all sets, and the failures of those without an answer.
#[derive(Debug, Default)]
pub struct ResolvedConda {
    pub sets: CondaSets,
    pub failures: BTreeMap<CondaKey, Failure>,
}

impl ResolvedConda {
    /// Returns the packages of all sets.
    pub fn complete(self) -> Result<CondaSets, Failure> {
        match self.failures.into_values().next() {
            Some(failure) => Err(failure),
            None => Ok(self.sets),
        }
    }
}

/// Returns the packages for the sets in `only`, keeping those of `previous` that still fit.
pub fn resolve(
    session: &Session<'_>,
    manifest: &Manifest,
    previous: &Lockfile,
    upgrade: &Upgrade,
    only: &BTreeSet<CondaKey>,
) -> Result<ResolvedConda, Failure> {
    let mut resolved = ResolvedConda::default();
    let mut notes = BTreeSet::new();
    for (key, asked) in requested(manifest)? {
        if !only.contains(&key) {
            continue;
        }
        let upgraded = upgraded_names(upgrade);
        let touched = |set: &CondaSet| match upgrade {
            Upgrade::All => true,
            _ => set
                .packages
                .values()
                .flatten()
                .any(|one| upgraded.contains(&*one.name)),
        };
        let set = match previous.conda.get(&key) {
            Some(set) if !touched(set) && key.find_unmet(set).is_none() => Ok(set.clone()),
            _ => solve(session, &key, &asked, previous, upgrade, &mut notes),
        };
        match set {
            Ok(set) => drop(resolved.sets.insert(key, set)),
            Err(failure) => drop(resolved.failures.insert(key, failure)),
        }
    }
    for note in notes {
        session.reporter.note(&note);
    }
    Ok(resolved)
}

/// Returns the names of the packages to upgrade.
fn upgraded_names(upgrade: &Upgrade) -> BTreeSet<&str> {
    match upgrade {
        Upgrade::Tools(tools) => tools
            .iter()
            .filter(|tool| tool.source == Source::Conda)
            .map(|tool| tool.package.as_str())
            .collect(),
        Upgrade::None | Upgrade::All => BTreeSet::new(),
    }
}

/// Returns the packages for one set; adds the reasons for systems that have none to `notes`.
fn solve(
    session: &Session<'_>,
    key: &CondaKey,
    asked: &RequestedConda,
    previous: &Lockfile,
    upgrade: &Upgrade,
    notes: &mut BTreeSet<String>,
) -> Result<CondaSet, Failure> {
    let system = session.system()?;
    let client = session.client()?;
    let upgraded = upgraded_names(upgrade);
    let mut preferred = match upgrade {
        Upgrade::All => CondaSet::default(),
        _ => most_similar(key, &previous.conda)
            .cloned()
            .unwrap_or_default(),
    };
    for packages in preferred.packages.values_mut() {
        packages.retain(|one| !upgraded.contains(&*one.name));
    }
    let requirements: Vec<_> = asked
        .requirements
        .iter()
        .map(|one| one.requirement.clone())
        .collect();
    let query = CondaQuery {
        channels: &key.channels,
        requirements: &requirements,
        floors: key.floors,
        preferred: &preferred,
    };
    let mut sources = query_versions::sources(session, &client)?;
    if *upgrade != Upgrade::None {
        sources = sources.revalidating();
    }
    let meter = session
        .reporter
        .progress()
        .start("conda packages", "resolving", None);
    let solution = conda::lock(&query, sources);
    meter.finish();
    let mut solution = solution?;
    if let Some(conflict) = solution.missing.remove(&system) {
        return Err(explain(&conflict, asked));
    }
    let conflicts = solution.missing.values();
    notes.extend(conflicts.map(|conflict| explain(conflict, asked).error));
    Ok(solution.set)
}

/// Returns the locked packages for the requirements that have most in common with `key`.
fn most_similar<'l>(key: &CondaKey, sets: &'l CondaSets) -> Option<&'l CondaSet> {
    let common = |(other, _): &(&CondaKey, &CondaSet)| {
        let names = |key: &CondaKey| -> BTreeSet<String> {
            let first = |text: &String| text.split_whitespace().next().map(ToOwned::to_owned);
            key.requirements.iter().filter_map(first).collect()
        };
        names(key).intersection(&names(other)).count()
    };
    sets.iter().max_by_key(common).map(|(_, set)| set)
}

/// Returns the failure for requirements that no packages meet.
fn explain(conflict: &Conflict, asked: &RequestedConda) -> Failure {
    let Conflict { system, clash } = conflict;
    let origin = |requirement: &str| {
        let found = asked
            .requirements
            .iter()
            .find(|one| one.requirement.as_str() == requirement);
        found.map(|one| one.origin.to_string()).unwrap_or_default()
    };
    let asks = |requirement: &str| format!("{} asks for `{requirement}`", origin(requirement));
    match clash {
        Clash::UnknownPackage {
            requirement,
            channels,
            near,
        } => {
            let channels: Vec<String> = channels.iter().map(|one| format!("`{one}`")).collect();
            let failure = Failure::new(format!(
                "no package for `{requirement}` in {}",
                channels.join(", ")
            ))
            .note(asks(requirement));
            match near {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint(format!(
                "check the name, or add its channel to `[conda] channels` in `devshell.toml`; {WITHOUT_MANIFEST}"
            )),
            }
        }
        Clash::OtherSystems { requirement } => {
            Failure::new(format!("`{requirement}` has no package for {system}"))
                .note(asks(requirement))
                .hint("use another package there, or a dev shell of its own for this one")
        }
        Clash::NoVersion {
            requirement,
            package,
            newest,
        } => Failure::new(format!(
            "no version of `{package}` matches `{requirement}` for {system}"
        ))
        .note(asks(requirement))
        .note(format!("the newest one is {newest}")),
        Clash::Floor {
            requirements,
            floor,
            declared,
            needed,
        } => {
            let key = floor.key();
            let failure = Failure::new(format!(
                "{} need {key} {needed} on {system}, and `[conda] {key}` is {declared}",
                join_with_and(&in_backticks(requirements))
            ));
            let failure = requirements
                .iter()
                .fold(failure, |failure, one| failure.note(asks(one)));
            failure.hint(format!(
                "write `{key} = \"{needed}\"` into `[conda]` of `devshell.toml`; {WITHOUT_MANIFEST}"
            ))
        }
        Clash::Together {
            requirements,
            reason,
        } => {
            if let [requirement] = &requirements[..] {
                return Failure::new(format!("no packages for {system} meet `{requirement}`"))
                    .note(asks(requirement))
                    .note("a package that it needs is in no channel, or needs a property that no system has here")
                    .hint(format!(
                        "ask for another version, or add a channel to `[conda] channels` in `devshell.toml`; {WITHOUT_MANIFEST}"
                    ));
            }
            let failure = Failure::new(format!(
                "no packages for {system} meet {} together",
                join_with_and(&in_backticks(requirements))
            ));
            let mut failure = requirements
                .iter()
                .fold(failure, |failure, one| failure.note(asks(one)));
            for need in reason.iter().flatten() {
                let Need {
                    package,
                    dependency,
                } = need;
                if !package.is_empty() {
                    failure = failure.note(format!("`{package}` needs `{dependency}`"));
                }
            }
            failure.hint("loosen one of the requirements in `devshell.toml`")
        }
    }
}

/// Returns why no packages meet the requirements of a dev shell; nothing if some do.
pub fn conflict(
    session: &Session<'_>,
    manifest: &Manifest,
    shell: &DevShell,
) -> Result<Option<Failure>, Failure> {
    let Some(key) = key(shell)? else {
        return Ok(None);
    };
    let only = BTreeSet::from([key]);
    let previous = Lockfile::default();
    let resolved = resolve(session, manifest, &previous, &Upgrade::None, &only)?;
    Ok(resolved.failures.into_values().next())
}

/// Returns the conda tools of all dev shells, each once.
pub fn tools(manifest: &Manifest) -> Vec<NamedRequest> {
    let mut seen = BTreeSet::new();
    let tools = manifest.shells.values().flat_map(|shell| &shell.tools);
    tools
        .filter(|(tool, _)| tool.source == Source::Conda)
        .filter(|(tool, request)| seen.insert(LockKey::for_request(tool, request)))
        .map(NamedRequest::of)
        .collect()
}

/// Adds the conda packages of all dev shells to the tools of a lockfile in memory.
pub fn add_all_tools(lockfile: &mut Lockfile, manifest: &Manifest) {
    for shell in manifest.shells.values() {
        add_tools(lockfile, shell);
    }
}

/// Adds the conda packages of a dev shell to the tools of a lockfile in memory.
///
/// Each package that the dev shell asks for is a tool whose artifacts are all packages of the environment.
pub fn add_tools(lockfile: &mut Lockfile, shell: &DevShell) {
    let Some(set) = of_shell(lockfile, shell).cloned() else {
        return;
    };
    for (tool, request) in &shell.tools {
        if tool.source != Source::Conda {
            continue;
        }
        if let Some(package) = as_tool(&set, tool) {
            lockfile
                .packages
                .insert(LockKey::for_request(tool, request), package);
        }
    }
}

/// Returns the locked packages of a dev shell.
pub fn of_shell<'l>(lockfile: &'l Lockfile, shell: &DevShell) -> Option<&'l CondaSet> {
    of_shell_in(&lockfile.conda, shell)
}

/// Returns the packages of a dev shell among these sets.
pub fn of_shell_in<'s>(sets: &'s CondaSets, shell: &DevShell) -> Option<&'s CondaSet> {
    let key = key(shell).ok()??;
    sets.get(&key).filter(|set| key.find_unmet(set).is_none())
}

/// Returns a conda tool of a dev shell as it is locked.
pub fn locked_tool(lockfile: &Lockfile, shell: &DevShell, tool: &Tool) -> Option<LockedPackage> {
    as_tool(of_shell(lockfile, shell)?, tool)
}

fn as_tool(set: &CondaSet, tool: &Tool) -> Option<LockedPackage> {
    let named = |packages: &[LockedConda]| {
        let mut same = packages
            .iter()
            .filter(|one| one.name == tool.package.as_str());
        same.next().map(|one| one.version.clone())
    };
    let current = System::current().and_then(|system| named(set.packages.get(&system)?));
    let version = current.or_else(|| set.packages.values().find_map(|packages| named(packages)))?;
    let artifacts = |packages: &Vec<LockedConda>| -> Vec<Artifact> {
        let artifact = |one: &LockedConda| Artifact {
            part: one.name.clone(),
            url: one.url.clone(),
            digest: one.sha256.into(),
            size: one.size,
        };
        packages.iter().map(artifact).collect()
    };
    Some(LockedPackage {
        origin: set.origin,
        version: Version::opaque(&version).ok()?,
        supplier: Supplier {
            source: Source::Conda,
            package: PackageName::of(Source::Conda, tool.package.as_str()).ok()?,
        },
        build: None,
        checked: None,
        verified: None,
        artifacts: set
            .packages
            .iter()
            .map(|(system, all)| (*system, artifacts(all)))
            .collect(),
        application: None,
    })
}
