//! The programs that tools put on `PATH`, and conda packages that no other one needs: the user approves their names,
//! because a changed lockfile can bring others.
//!
//! The names that the first build of an approved tool brings are approved with the tool. Invariant: no record is made, and
//! nothing is loaded, with a name that is not approved.

use std::{collections::BTreeSet, fmt};

use crate::{
    builder::{BuiltShell, RealisedTool, ToolOrigin},
    env::pathlist,
    package::Source,
    project::{Project, approval::ApprovedPrograms},
    report::failure::{ExitStatus, Failure},
    util::vars,
};

use super::session::Session;

/// A name that the user has not approved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NewName {
    /// A conda package that no requested one needs.
    CondaPackage(String),
    /// A program that an approved tool did not have before.
    Program { tool: String, program: String },
}

impl fmt::Display for NewName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CondaPackage(name) => write!(formatter, "the conda package `{name}`"),
            Self::Program { tool, program } => write!(formatter, "`{program}` of `{tool}`"),
        }
    }
}

/// The name under which the scripts of Python packages are listed.
const PACKAGES: &str = "Python packages";
/// The name under which conda packages are listed that no requested one needs.
const CONDA_PACKAGES: &str = "conda packages";

/// Checks the programs of a dev shell that was built. A tool without approved names gets those that it has.
pub fn check(session: &Session<'_>, project: &Project, built: &BuiltShell) -> Result<(), Failure> {
    // A rule or `--trust` allows every content.
    let Some(root) = project.approved_at().filter(|_| !session.options.trust) else {
        return Ok(());
    };
    let mut approved = session.decisions.programs(root)?.unwrap_or_default();
    let before = approved.clone();
    let new = compare(session, &mut approved, built);
    if approved != before {
        // On a read-only disk the names stay unknown.
        let _kept = session.decisions.set_programs(root, &approved);
    }
    if new.is_empty() {
        return Ok(());
    }
    let only_packages = new
        .iter()
        .all(|one| matches!(one, NewName::CondaPackage(_)));
    let what = if only_packages {
        "packages"
    } else {
        "programs"
    };
    let mut failure = Failure::new(format!(
        "`{}` has {what} that you have not approved: {}",
        session.display(project.root()),
        describe(&new)
    ));
    failure = failure
        .note("a changed lockfile or source brought them")
        .hint(format!("review them with `{}`", session.command("allow")));
    Err(failure.code(ExitStatus::NotAllowed))
}

fn describe(new: &[NewName]) -> String {
    let shown = new.iter().take(3);
    let shown: Vec<String> = shown.map(ToString::to_string).collect();
    let more = new.len().saturating_sub(shown.len());
    let text = shown.join(", ");
    if more == 0 {
        text
    } else {
        format!("{text} and {more} more")
    }
}

/// Returns the names that are not approved; adds those of tools without any names.
fn compare(
    session: &Session<'_>,
    approved: &mut ApprovedPrograms,
    built: &BuiltShell,
) -> Vec<NewName> {
    let mut new = Vec::new();
    let stored = built
        .tools
        .iter()
        // A host tool is a program of the user, and a hidden tool has none.
        .filter(|one| matches!(one.origin, ToolOrigin::Store(_)) && !one.programs.is_empty());
    for tool in stored {
        let name = tool.tool.to_string();
        let programs: BTreeSet<String> = tool.programs.iter().cloned().collect();
        let Some(known) = approved.get(&name) else {
            approved.insert(name, programs);
            continue;
        };
        new.extend(new_programs(&name, &programs, known));
    }
    new.extend(new_conda_packages(approved, built));
    // Packages come and go with every change of their lockfile. A script that hides a program of the user asks.
    let scripts: BTreeSet<String> = built
        .package_programs
        .iter()
        .filter(|name| is_on_host(session, name))
        .cloned()
        .collect();
    match approved.get(PACKAGES) {
        None => {
            approved.insert(PACKAGES.to_owned(), scripts);
        }
        Some(known) => new.extend(new_programs(PACKAGES, &scripts, known)),
    }
    new
}

fn new_programs(tool: &str, programs: &BTreeSet<String>, known: &BTreeSet<String>) -> Vec<NewName> {
    let new = programs.difference(known).map(|program| NewName::Program {
        tool: tool.to_owned(),
        program: program.clone(),
    });
    new.collect()
}

/// Returns the conda packages that no requested one needs and their programs, as far as they are not approved.
fn new_conda_packages(approved: &mut ApprovedPrograms, built: &BuiltShell) -> Vec<NewName> {
    let is_conda = |one: &RealisedTool| one.tool.source == Source::Conda;
    if !built.tools.iter().any(is_conda) {
        return Vec::new();
    }
    let packages = &built.unneeded_packages;
    let Some(known) = approved.get(CONDA_PACKAGES).cloned() else {
        // Those of the first build are approved with the tools.
        approved.insert(
            CONDA_PACKAGES.to_owned(),
            packages.keys().cloned().collect(),
        );
        let programs = packages.iter();
        approved.extend(programs.map(|(name, programs)| (conda_package(name), programs.clone())));
        return Vec::new();
    };
    let mut new = Vec::new();
    for (name, programs) in packages {
        if !known.contains(name) {
            new.push(NewName::CondaPackage(name.clone()));
        }
        let tool = conda_package(name);
        let approved = approved.get(&tool).cloned().unwrap_or_default();
        new.extend(new_programs(&tool, programs, &approved));
    }
    new
}

/// Returns the name under which the programs of a conda package are listed.
fn conda_package(name: &str) -> String {
    format!("conda package {name}")
}

/// Returns whether the host shell has a program of this name.
fn is_on_host(session: &Session<'_>, name: &str) -> bool {
    let env = &session.context.env;
    let path = env.get(vars::PATH).unwrap_or_default();
    let data = &session.context.directories.data;
    pathlist::split(path)
        .map(std::path::Path::new)
        .filter(|directory| directory.is_absolute() && !directory.starts_with(data))
        .any(|directory| directory.join(name).exists())
}

/// Returns the names of a dev shell that was built and that the user has not approved.
pub fn unapproved(
    session: &Session<'_>,
    project: &Project,
    built: &BuiltShell,
) -> Result<Vec<NewName>, Failure> {
    let Some(root) = project.approved_at() else {
        return Ok(Vec::new());
    };
    let mut approved = session.decisions.programs(root)?.unwrap_or_default();
    Ok(compare(session, &mut approved, built))
}

/// Approves names.
pub fn approve(session: &Session<'_>, project: &Project, new: &[NewName]) -> Result<(), Failure> {
    let Some(root) = project.approved_at() else {
        return Ok(());
    };
    let mut approved = session.decisions.programs(root)?.unwrap_or_default();
    for one in new {
        let (list, name) = match one {
            NewName::CondaPackage(name) => (CONDA_PACKAGES, name),
            NewName::Program { tool, program } => (tool.as_str(), program),
        };
        let names = approved.entry(list.to_owned()).or_default();
        names.insert(name.clone());
    }
    Ok(session.decisions.set_programs(root, &approved)?)
}
