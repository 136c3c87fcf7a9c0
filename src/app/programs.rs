//! The programs that tools put on `PATH`, and conda packages that no other one needs: the user approves their names,
//! because a changed lockfile can bring others.
//!
//! A tool is approved with its lock entry, if it is locked then, or with the one that devsh itself chooses from a source
//! before the first build. The names that a build of this entry brings need no question; those of any other entry do,
//! unless they are known or the tool's own name. Invariant: no record is made, and nothing is loaded, with a name that is
//! not approved.

use std::{
    cell::LazyCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    builder::{BuiltShell, ToolOrigin},
    env::{Env, pathlist},
    lockfile::{EntryOrigin, LockedPackage, LockedRequirement, Lockfile},
    package::{PackageName, Source, System, Tool},
    project::{
        Project,
        approval::{ApprovedPrograms, Trusted},
    },
    prompt::record::UnapprovedScripts,
    report::failure::{ExitStatus, Failure},
    sources::{Sources, cargo::names_files},
    util::{digest_input::DigestInput, hex, vars, word_lists::join_first},
};

use super::{
    approved_entries::{
        CONDA_PACKAGES, EntryDigests, artifacts_digest, has_approved_entry, short_digest,
    },
    build_request::BuildInputs,
    locked_addresses::{is_named_by_crate, places_of_crate},
    lockfiles::joined_lockfile,
    missing_parts::Unlocked,
    new_name::{LOCAL_PACKAGES, NameKind, NewName, PACKAGES},
    query_versions,
    session::Session,
};

/// Conda packages that no requested one needs, with their programs.
pub type CondaPrograms = BTreeMap<String, BTreeSet<String>>;

/// Records that the user allows the project in the state that was read.
///
/// The lock entries of its new tools are approved first: a kill in between approves nothing.
pub fn allow(session: &Session<'_>, project: Project) -> Result<Trusted<Project>, Failure> {
    session.decisions.forget_ended(project.root())?;
    approve_entries(session, &project)?;
    Ok(project.allow(&session.decisions, session.context.now)?)
}

/// Returns the programs that the files of the project declare, that hide programs of the user, and that are not approved.
pub fn declared_scripts(session: &Session<'_>, project: &Project) -> Result<Vec<NewName>, Failure> {
    let approved = session.decisions.programs(project.root())?;
    let known = approved.and_then(|mut approved| approved.names.remove(LOCAL_PACKAGES));
    let scripts = project.scripts().into_iter().map(str::to_owned);
    let scripts = programs_on_host(session, &scripts.collect::<Vec<_>>());
    Ok(new_programs(
        LOCAL_PACKAGES,
        &scripts,
        &known.unwrap_or_default(),
    ))
}

/// Approves the lock entries of the tools that the user approves now. Those of earlier tools stay: a changed lockfile
/// cannot bring other programs with an approval of something else.
fn approve_entries(session: &Session<'_>, project: &Project) -> Result<(), Failure> {
    // A build reports a lockfile that cannot be read.
    let Ok(joined) = joined_lockfile(session, project) else {
        return Ok(());
    };
    change(session, project.root(), |approved| {
        let entries = digests_by_list(all_entries(project, &joined.lockfile));
        for list in lists(project) {
            if !approved.names.contains_key(&list) && !approved.entries.contains_key(&list) {
                let digests = entries.get(&list).cloned().unwrap_or_default();
                approved.entries.insert(list, digests);
            }
        }
    })
}

/// Approves the lock entries that devsh has just chosen from their sources, of tools whose programs are not known yet.
/// Entries that were kept from a lockfile are checked as before.
pub fn approve_chosen(
    session: &Session<'_>,
    project: &Project,
    lockfile: &Lockfile,
) -> Result<(), Failure> {
    let Some(root) = project.approved_at() else {
        return Ok(());
    };
    change(session, root, |approved| {
        let all = all_entries(project, lockfile).into_iter();
        for entry in all.filter(|entry| entry.origin == EntryOrigin::Chosen) {
            if !approved.names.contains_key(&entry.list) {
                let entries = approved.entries.entry(entry.list).or_default();
                entries.insert(entry.digest);
            }
        }
        for (tool, locked) in chosen_tools(project, lockfile) {
            // devsh has read these places in the crate itself.
            let places = places_of_crate(tool, locked);
            if !places.is_empty() {
                let list = places_of(&tool.to_string());
                approved.names.entry(list).or_insert(places);
            }
            if let Some(name) = catalogue_source(tool, locked) {
                approve_name(approved, &name);
            }
        }
        let sets = lockfile.python.values();
        let chosen = sets.filter(|set| set.origin == EntryOrigin::Chosen);
        let packages = chosen.flat_map(|set| &set.packages);
        for (package, commit) in packages.filter_map(LockedRequirement::repository) {
            approve_name(approved, &commit_name(&package, commit));
        }
    })
}

fn commit_name(package: &PackageName, commit: String) -> NewName {
    NewName::Commit {
        package: package.to_string(),
        commit,
    }
}

/// Returns the tools whose lock entries devsh has just chosen from their sources.
fn chosen_tools<'a>(
    project: &'a Project,
    lockfile: &'a Lockfile,
) -> impl Iterator<Item = (&'a Tool, &'a LockedPackage)> {
    let shells = project.preview().shells.values();
    let tools = shells.flat_map(|shell| &shell.tools);
    let locked = tools.filter_map(|(tool, request)| Some((tool, lockfile.locked(tool, request)?)));
    locked.filter(|(_, locked)| locked.origin == EntryOrigin::Chosen)
}

/// Returns the source of a tool for which the catalogue has several.
fn catalogue_source(tool: &Tool, locked: &LockedPackage) -> Option<NewName> {
    let suppliers = tool.suppliers();
    let is_choice = suppliers.len() > 1 && suppliers.contains(&locked.supplier);
    is_choice.then(|| NewName::Source {
        tool: tool.to_string(),
        source: locked.supplier.to_string(),
    })
}

/// The dev shell whose places are checked.
#[derive(Clone, Copy)]
pub struct CheckedShell<'a> {
    pub inputs: &'a BuildInputs<'a>,
    pub system: System,
    /// True if exactly this dev shell was built before.
    pub is_built: bool,
}

/// Checks the places that a lockfile gives for the prebuilt programs of crates: the manifest does not name them.
pub fn check_places(
    session: &Session<'_>,
    project: &Project,
    shell: CheckedShell<'_>,
) -> Result<(), Failure> {
    let inputs = shell.inputs;
    let Some(root) = project.approved_at().filter(|_| !session.options.trust) else {
        return check_crates(session, shell);
    };
    let approved = session.decisions.programs(root)?.unwrap_or_default();
    let new = new_places(&approved, inputs);
    if new.is_empty() {
        return Ok(());
    }
    Err(not_approved(session, project, &new))
}

/// Checks the places in the crates themselves: a rule or `--trust` approves none.
fn check_crates(session: &Session<'_>, shell: CheckedShell<'_>) -> Result<(), Failure> {
    if shell.is_built {
        return Ok(());
    }
    let config = session.config()?;
    for (tool, request) in &shell.inputs.shell.tools {
        let Some(locked) = shell.inputs.lockfile.locked(tool, request) else {
            continue;
        };
        let supplier = &locked.supplier;
        if !is_named_by_crate(tool, supplier) {
            continue;
        }
        let artifacts = locked.artifacts.get(&shell.system);
        let mut artifacts = artifacts.into_iter().flatten();
        // `sources.hosts` has other servers that a lockfile may use.
        if supplier.source == Source::Url
            && artifacts.all(|one| config.trusts_artifact(supplier, &one.url))
        {
            continue;
        }
        let client = session.client()?;
        let sources = Sources {
            system: shell.system,
            ..query_versions::sources(session, &client)?
        };
        let suppliers = tool.suppliers().into_iter();
        for one in suppliers.filter(|one| one.source == Source::Cargo) {
            if !names_files(&tool.from_supplier(&one), locked, sources)? {
                return Err(Failure::new(format!(
                    "the lockfile takes `{tool}` from `{supplier}`, but its crate does not name these files"
                ))
                .note("a lockfile is used without approval, so it may only lead to known sources")
                .hint(format!(
                    "lock it again with `{}`",
                    session.command("lock --upgrade")
                ))
                .code(ExitStatus::NotAllowed));
            }
        }
    }
    Ok(())
}

/// Returns the places and sources of tools that are not approved.
pub fn unapproved_places(
    session: &Session<'_>,
    project: &Project,
    inputs: &BuildInputs<'_>,
) -> Result<Vec<NewName>, Failure> {
    let Some(root) = project.approved_at() else {
        return Ok(Vec::new());
    };
    let approved = session.decisions.programs(root)?.unwrap_or_default();
    Ok(new_places(&approved, inputs))
}

fn new_places(approved: &ApprovedPrograms, inputs: &BuildInputs<'_>) -> Vec<NewName> {
    let mut new = Vec::new();
    for (tool, request) in &inputs.shell.tools {
        let Some(locked) = inputs.lockfile.locked(tool, request) else {
            continue;
        };
        let tool_name = tool.to_string();
        let places = places_of_crate(tool, locked).into_iter();
        let names = places.map(|place| NewName::Place {
            tool: tool_name.clone(),
            place,
        });
        new.extend(names.filter(|name| !is_approved(approved, name)));
    }
    let entries = LazyCell::new(|| entries(inputs));
    // Other publishers make the same tool.
    let sources = catalogue_sources(inputs).into_iter();
    let sources = sources.filter(|(tool, name)| {
        !is_approved(approved, name) && !has_approved_entry(approved, tool, &entries)
    });
    new.extend(sources.map(|(_, name)| name));
    let commits = inputs.commits.iter();
    let commits = commits.map(|(package, commit)| commit_name(package, commit.clone()));
    new.extend(commits.filter(|name| {
        !is_approved(approved, name) && !has_approved_entry(approved, PACKAGES, &entries)
    }));
    let channels = losing_channels(inputs);
    if channels.is_empty() || has_approved_entry(approved, CONDA_PACKAGES, &entries) {
        return new;
    }
    let channels = channels.into_iter();
    let names = channels.map(|(tool, place)| NewName::Place { tool, place });
    new.extend(names.filter(|name| !is_approved(approved, name)));
    new
}

/// Returns the sources of the tools on `PATH` for which the catalogue has several.
fn catalogue_sources(inputs: &BuildInputs<'_>) -> Vec<(String, NewName)> {
    let tools = inputs.shell.tools.iter();
    let sources = tools.filter_map(|(tool, request)| {
        let locked = inputs.lockfile.locked(tool, request)?;
        Some((tool.to_string(), catalogue_source(tool, locked)?))
    });
    sources.collect()
}

/// Returns the conda packages that are not from the first channel of the manifest, with their channels. A lockfile alone
/// could take a package from a channel that loses against another one.
fn losing_channels(inputs: &BuildInputs<'_>) -> BTreeSet<(String, String)> {
    let channels = inputs.shell.conda_channels().unwrap_or_default();
    let others = channels.get(1..).unwrap_or_default();
    if others.is_empty() {
        return BTreeSet::new();
    }
    let tools = inputs.shell.tools.iter();
    let locked = tools
        .filter(|(tool, _)| tool.source == Source::Conda)
        .filter_map(|(tool, request)| inputs.lockfile.locked(tool, request));
    let artifacts = locked.flat_map(|locked| locked.artifacts.values().flatten());
    let losing = artifacts.filter_map(|artifact| {
        let channel = others.iter().find(|channel| channel.has(&artifact.url))?;
        Some((conda_package(&artifact.part), channel.to_string()))
    });
    losing.collect()
}

/// Returns the name under which the places of the prebuilt programs of a tool are listed.
fn places_of(tool: &str) -> String {
    format!("places of {tool}")
}

/// Changes the approved programs of the project that the user approved at `root`.
fn change(
    session: &Session<'_>,
    root: &Path,
    change: impl FnOnce(&mut ApprovedPrograms),
) -> Result<(), Failure> {
    if session.options.trust {
        return Ok(());
    }
    let before = session.decisions.programs(root)?.unwrap_or_default();
    let mut approved = before.clone();
    change(&mut approved);
    if approved != before {
        session.decisions.set_programs(root, &approved)?;
    }
    Ok(())
}

/// Returns the lists of names that a project can have.
fn lists(project: &Project) -> BTreeSet<String> {
    let shells = project.preview().shells.values();
    let mut lists = BTreeSet::new();
    for shell in shells {
        lists.extend(shell.tools.keys().map(ToString::to_string));
        if shell.python.place.is_some() {
            lists.insert(PACKAGES.to_owned());
        }
        if shell.tools.keys().any(|tool| tool.source == Source::Conda) {
            lists.insert(CONDA_PACKAGES.to_owned());
        }
    }
    lists
}

/// The digest of a lock entry, in the list that its names belong to.
struct ListedEntry {
    list: String,
    digest: [u8; 16],
    origin: EntryOrigin,
}

fn digests_by_list(entries: Vec<ListedEntry>) -> EntryDigests {
    let mut digests = EntryDigests::new();
    for entry in entries {
        digests.entry(entry.list).or_default().insert(entry.digest);
    }
    digests
}

/// Returns the lock entries of all dev shells, except those that cannot be built.
fn all_entries(project: &Project, lockfile: &Lockfile) -> Vec<ListedEntry> {
    let shells = project.preview().shells.keys();
    let inputs = shells.filter_map(|shell| {
        BuildInputs::new(project, shell, lockfile.clone(), &Unlocked::default()).ok()
    });
    inputs.flat_map(|inputs| listed_entries(&inputs)).collect()
}

/// Returns the digests of the lock entries of a dev shell.
fn entries(inputs: &BuildInputs<'_>) -> EntryDigests {
    digests_by_list(listed_entries(inputs))
}

fn listed_entries(inputs: &BuildInputs<'_>) -> Vec<ListedEntry> {
    let mut entries = Vec::new();
    for (tool, request) in &inputs.shell.tools {
        let Some(locked) = inputs.lockfile.locked(tool, request) else {
            continue;
        };
        let origin = locked.origin;
        entries.push(ListedEntry {
            list: tool.to_string(),
            digest: tool_digest(locked),
            origin,
        });
        if tool.source == Source::Conda {
            entries.push(ListedEntry {
                list: CONDA_PACKAGES.to_owned(),
                digest: artifacts_digest(locked),
                origin,
            });
        }
    }
    if let Some(python) = &inputs.python {
        let mut input = DigestInput::default();
        let packages = python.locked.listed();
        input.list(packages.into_iter(), |input, one| {
            input.bytes(one.name);
            input.bytes(one.content);
        });
        entries.push(ListedEntry {
            list: PACKAGES.to_owned(),
            digest: short_digest(input),
            origin: inputs.packages_origin,
        });
    }
    entries
}

/// Returns a digest of everything that `devshell.lock` says about a dev shell; nothing if it says nothing.
pub fn digest_of_entries(inputs: &BuildInputs<'_>) -> Option<String> {
    let mut entries = entries(inputs);
    if inputs.shell.python.lock.is_some() {
        entries.remove(PACKAGES);
    }
    let mut input = DigestInput::default();
    input.list(entries.iter(), |input, (list, digests)| {
        input.bytes(list);
        input.list(digests.iter(), DigestInput::bytes);
    });
    let digest = short_digest(input);
    (!entries.is_empty()).then(|| hex::encode(digest))
}

fn tool_digest(locked: &LockedPackage) -> [u8; 16] {
    let mut input = DigestInput::default();
    input.bytes(locked.version.as_str());
    input.bytes(locked.supplier.to_string());
    let application = locked.application.as_ref();
    let packages = application.map_or(&[][..], |one| &one.packages);
    input.list(packages.iter(), DigestInput::bytes);
    input.bytes(artifacts_digest(locked));
    short_digest(input)
}

/// Checks the programs of a dev shell that was built. An approved lock entry brings its names.
pub fn check(
    session: &Session<'_>,
    project: &Project,
    inputs: &BuildInputs<'_>,
    built: &BuiltShell,
) -> Result<(), Failure> {
    // A rule or `--trust` allows every content.
    let Some(root) = project.approved_at().filter(|_| !session.options.trust) else {
        return Ok(());
    };
    let mut approved = session.decisions.programs(root)?.unwrap_or_default();
    let before = approved.clone();
    let new = compare(session, project, &mut approved, (inputs, built));
    if approved != before {
        // On a read-only disk the names stay unknown.
        let _kept = session.decisions.set_programs(root, &approved);
    }
    if new.is_empty() {
        return Ok(());
    }
    let refused = not_approved(session, project, &new);
    session.keep_new_names(new);
    Err(refused)
}

/// Returns the failure of a project with names that the user has not approved.
pub fn not_approved(session: &Session<'_>, project: &Project, new: &[NewName]) -> Failure {
    let kind = NameKind::of(new);
    let failure = Failure::new(format!(
        "`{}` has {kind} that you have not approved: {}",
        session.display(project.root()),
        describe(new)
    ));
    // A script of packages asks only for this reason.
    let note = if kind == NameKind::Scripts {
        "programs on your own PATH have these names, or tools that you approved and that are gone"
    } else {
        "a changed lockfile or source brought them"
    };
    failure
        .note(note)
        .hint(format!("review them with `{}`", session.command("allow")))
        .code(ExitStatus::NotAllowed)
}

fn describe(new: &[NewName]) -> String {
    let names: Vec<String> = new.iter().map(ToString::to_string).collect();
    join_first(&names, 3)
}

/// Returns the names that are not approved; adds those of approved lock entries.
fn compare(
    session: &Session<'_>,
    project: &Project,
    approved: &mut ApprovedPrograms,
    (inputs, built): (&BuildInputs<'_>, &BuiltShell),
) -> Vec<NewName> {
    let entries = LazyCell::new(|| entries(inputs));
    let mut new = new_places(approved, inputs);
    let stored = built
        .tools
        .iter()
        // A host tool is a program of the user, and a hidden tool has none.
        .filter(|one| matches!(one.origin, ToolOrigin::Store(_)) && !one.programs.is_empty());
    for tool in stored {
        let name = tool.tool.to_string();
        let programs: BTreeSet<String> = tool.programs.iter().cloned().collect();
        let mut known = approved.names.get(&name).cloned().unwrap_or_default();
        // The user approved this name.
        known.insert(tool.tool.name.to_string());
        if programs.is_subset(&known) || has_approved_entry(approved, &name, &entries) {
            approved.names.entry(name).or_default().extend(programs);
        } else {
            new.extend(new_programs(&name, &programs, &known));
        }
    }
    for (tool, source) in catalogue_sources(inputs) {
        if has_approved_entry(approved, &tool, &entries) {
            approve_name(approved, &source);
        }
    }
    if has_approved_entry(approved, PACKAGES, &entries) {
        for (package, commit) in &inputs.commits {
            approve_name(approved, &commit_name(package, commit.clone()));
        }
    }
    new.extend(new_conda_packages(
        approved,
        &entries,
        &built.unneeded_packages,
    ));
    let channels = losing_channels(inputs);
    if !channels.is_empty() && has_approved_entry(approved, CONDA_PACKAGES, &entries) {
        for (tool, place) in channels {
            approve_name(approved, &NewName::Place { tool, place });
        }
    }
    // Packages come and go with every change of their lockfile. A script that hides a program of the user asks, and so
    // does one that replaces a program of a tool that is gone. The scripts of packages that are not locked yet are unknown.
    let of_gone = programs_of_gone(project, approved);
    let hiding = |scripts: &[String]| {
        let mut hiding = programs_on_host(session, scripts);
        hiding.extend(scripts.iter().filter(|one| of_gone.contains(*one)).cloned());
        hiding
    };
    if inputs.python.is_some() {
        let scripts = hiding(&built.package_programs);
        let known = approved.names.get(PACKAGES).cloned().unwrap_or_default();
        let is_approved_entry = has_approved_entry(approved, PACKAGES, &entries);
        let (asking, fitting): (BTreeSet<_>, BTreeSet<_>) = scripts.into_iter().partition(|name| {
            !known.contains(name) && (!is_approved_entry || of_gone.contains(name))
        });
        if asking.is_empty() || is_approved_entry {
            let names = approved.names.entry(PACKAGES.to_owned()).or_default();
            names.extend(fitting);
        }
        new.extend(new_programs(PACKAGES, &asking, &known));
    }
    // No lockfile has the scripts of a directory.
    let scripts = hiding(&built.directory_programs);
    let known = approved.names.get(LOCAL_PACKAGES);
    let known = known.cloned().unwrap_or_default();
    new.extend(new_programs(LOCAL_PACKAGES, &scripts, &known));
    new
}

/// Returns the names of the programs of tools that the user approved and that the project does not ask for any more.
fn programs_of_gone(project: &Project, approved: &ApprovedPrograms) -> BTreeSet<String> {
    let asked = lists(project);
    let gone = approved.names.iter();
    let gone = gone.filter(|(list, _)| !asked.contains(*list));
    // Other lists have no name of a tool.
    let gone = gone.filter(|(list, _)| list.parse::<Tool>().is_ok());
    gone.flat_map(|(_, programs)| programs.clone()).collect()
}

fn new_programs(tool: &str, programs: &BTreeSet<String>, known: &BTreeSet<String>) -> Vec<NewName> {
    let new = programs.difference(known).map(|program| NewName::Program {
        tool: tool.to_owned(),
        program: program.clone(),
    });
    new.collect()
}

/// Returns the failure of a dev shell with conda packages that are not approved.
pub fn refuse_conda(
    session: &Session<'_>,
    project: &Project,
    inputs: &BuildInputs<'_>,
    packages: &CondaPrograms,
) -> Failure {
    match unapproved_conda(session, project, inputs, packages) {
        Ok(new) => not_approved(session, project, &new),
        Err(failure) => failure,
    }
}

/// Returns the conda packages and their programs that are not approved.
pub fn unapproved_conda(
    session: &Session<'_>,
    project: &Project,
    inputs: &BuildInputs<'_>,
    packages: &CondaPrograms,
) -> Result<Vec<NewName>, Failure> {
    let Some(root) = project.approved_at() else {
        return Ok(Vec::new());
    };
    let mut approved = session.decisions.programs(root)?.unwrap_or_default();
    Ok(new_conda_packages(
        &mut approved,
        &entries(inputs),
        packages,
    ))
}

/// Returns the conda packages that no requested one needs and their programs, as far as they are not approved.
fn new_conda_packages(
    approved: &mut ApprovedPrograms,
    entries: &EntryDigests,
    packages: &CondaPrograms,
) -> Vec<NewName> {
    let known = approved.names.get(CONDA_PACKAGES);
    let known = known.cloned().unwrap_or_default();
    let mut new = Vec::new();
    for (name, programs) in packages {
        if !known.contains(name) {
            new.push(NewName::CondaPackage(name.clone()));
        }
        let tool = conda_package(name);
        let approved = approved.names.get(&tool).cloned().unwrap_or_default();
        new.extend(new_programs(&tool, programs, &approved));
    }
    if !new.is_empty() && !has_approved_entry(approved, CONDA_PACKAGES, entries) {
        return new;
    }
    if !entries.contains_key(CONDA_PACKAGES) {
        return Vec::new();
    }
    approved.names.entry(CONDA_PACKAGES.to_owned()).or_default();
    for name in &new {
        approve_name(approved, name);
    }
    Vec::new()
}

/// Returns the name under which the programs of a conda package are listed.
fn conda_package(name: &str) -> String {
    format!("conda package {name}")
}

/// Returns the names that programs of the host shell have too.
fn programs_on_host(session: &Session<'_>, names: &[String]) -> BTreeSet<String> {
    let is_on_host = |name: &&String| program_on_host(session, name).is_some();
    names.iter().filter(is_on_host).cloned().collect()
}

/// Returns the scripts of Python packages that a dev shell may have only because they hide no program of the user.
pub fn unapproved_scripts(
    session: &Session<'_>,
    project: &Project,
    inputs: &BuildInputs<'_>,
    built: &BuiltShell,
) -> Result<UnapprovedScripts, Failure> {
    // A rule or `--trust` allows every content.
    let Some(root) = project.approved_at().filter(|_| !session.options.trust) else {
        return Ok(UnapprovedScripts::default());
    };
    let approved = session.decisions.programs(root)?.unwrap_or_default();
    let is_approved = |list: &str, name: &String| {
        let names = approved.names.get(list);
        names.is_some_and(|names| names.contains(name))
    };
    let of_packages = if has_approved_entry(&approved, PACKAGES, &LazyCell::new(|| entries(inputs)))
    {
        &[][..]
    } else {
        &built.package_programs
    };
    let of_packages = of_packages.iter();
    let of_packages = of_packages.filter(|name| !is_approved(PACKAGES, name));
    let of_directories = built.directory_programs.iter();
    let of_directories = of_directories.filter(|name| !is_approved(LOCAL_PACKAGES, name));
    let names: BTreeSet<String> = of_packages.chain(of_directories).cloned().collect();
    let searched = if names.is_empty() {
        Vec::new()
    } else {
        program_directories(session).map(Path::to_owned).collect()
    };
    Ok(UnapprovedScripts { names, searched })
}

/// Returns whether one of these scripts hides a program of the user in a directory that the build did not have on `PATH`.
pub fn hide_more(session: &Session<'_>, scripts: &UnapprovedScripts) -> bool {
    let UnapprovedScripts { names, searched } = scripts;
    if names.is_empty() {
        return false;
    }
    let mut new = program_directories(session).filter(|one| !searched.iter().any(|old| old == one));
    new.any(|directory| {
        let mut names = names.iter();
        names.any(|name| has_program(session, directory, name))
    })
}

/// Returns the program of the host shell with this name. It leaves out the shims of pyenv: they run scripts of its
/// Pythons, and a dev shell brings its own Python and scripts.
pub fn program_on_host(session: &Session<'_>, name: &str) -> Option<PathBuf> {
    program_directories(session)
        .find(|directory| has_program(session, directory, name))
        .map(|directory| directory.join(name))
}

/// Returns the directories on the `PATH` of the host shell that are not in the store.
fn program_directories<'a>(session: &Session<'a>) -> impl Iterator<Item = &'a Path> {
    let data = &session.context.directories.data;
    let path = session.context.env.get(vars::PATH).unwrap_or_default();
    pathlist::split(path)
        .map(Path::new)
        .filter(move |directory| directory.is_absolute() && !directory.starts_with(data))
}

fn has_program(session: &Session<'_>, directory: &Path, name: &str) -> bool {
    let program = directory.join(name);
    program.exists() && !is_pyenv_shim(&session.context.env, &program)
}

fn is_pyenv_shim(env: &Env, program: &Path) -> bool {
    let root = env
        .get(vars::PYENV_ROOT)
        .map(|root| Path::new(root).join("shims"));
    program.parent().is_some_and(|directory| {
        directory.ends_with(".pyenv/shims") || root.is_some_and(|root| directory == root)
    })
}

/// Returns the names of a dev shell that was built and that the user has not approved.
pub fn unapproved(
    session: &Session<'_>,
    project: &Project,
    inputs: &BuildInputs<'_>,
    built: &BuiltShell,
) -> Result<Vec<NewName>, Failure> {
    let Some(root) = project.approved_at() else {
        return Ok(Vec::new());
    };
    let mut approved = session.decisions.programs(root)?.unwrap_or_default();
    Ok(compare(session, project, &mut approved, (inputs, built)))
}

/// Approves names.
pub fn approve(session: &Session<'_>, project: &Project, new: &[NewName]) -> Result<(), Failure> {
    let Some(root) = project.approved_at() else {
        return Ok(());
    };
    change(session, root, |approved| {
        for name in new {
            approve_name(approved, name);
        }
    })
}

fn approve_name(approved: &mut ApprovedPrograms, name: &NewName) {
    let (list, name) = list_of(name);
    let names = approved.names.entry(list).or_default();
    names.insert(name.to_owned());
}

fn is_approved(approved: &ApprovedPrograms, name: &NewName) -> bool {
    let (list, name) = list_of(name);
    let names = approved.names.get(&list);
    names.is_some_and(|names| names.contains(name))
}

/// Returns the list that has an approved name, and the name there.
fn list_of(name: &NewName) -> (String, &str) {
    match name {
        NewName::CondaPackage(name) => (CONDA_PACKAGES.to_owned(), name),
        NewName::Program { tool, program } => (tool.clone(), program),
        NewName::Place { tool, place } => (places_of(tool), place),
        NewName::Source { tool, source } => (format!("sources of {tool}"), source),
        NewName::Commit { package, commit } => (format!("commits of {package}"), commit),
    }
}
