//! The programs that tools put on `PATH`: the user approves their names, because a changed lockfile can bring others.
//!
//! The names that the first build of an approved tool brings are approved with the tool. Invariant: no record is made, and
//! nothing is loaded, with a program that is not approved.

use std::collections::BTreeSet;

use crate::{
    builder::{BuiltShell, ToolOrigin},
    env::pathlist,
    project::{Project, approval::ApprovedPrograms},
    report::failure::{ExitStatus, Failure},
    util::vars,
};

use super::session::Session;

/// A program that an approved tool did not have before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NewProgram {
    pub tool: String,
    pub program: String,
}

/// The name under which the scripts of Python packages are listed.
const PACKAGES: &str = "Python packages";

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
    let mut failure = Failure::new(format!(
        "`{}` has programs that you have not approved: {}",
        session.display(project.root()),
        describe(&new)
    ));
    failure = failure
        .note("a changed lockfile or source brought them")
        .hint(format!("review them with `{}`", session.command("allow")));
    Err(failure.code(ExitStatus::NotAllowed))
}

fn describe(new: &[NewProgram]) -> String {
    let shown = new.iter().take(3);
    let shown: Vec<String> = shown
        .map(|one| format!("`{}` of `{}`", one.program, one.tool))
        .collect();
    let more = new.len().saturating_sub(shown.len());
    let text = shown.join(", ");
    if more == 0 {
        text
    } else {
        format!("{text} and {more} more")
    }
}

/// Returns the programs that are not approved; adds those of tools without any names.
fn compare(
    session: &Session<'_>,
    approved: &mut ApprovedPrograms,
    built: &BuiltShell,
) -> Vec<NewProgram> {
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
        new.extend(programs.difference(known).map(|program| NewProgram {
            tool: name.clone(),
            program: program.clone(),
        }));
    }
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
        Some(known) => new.extend(scripts.difference(known).map(|program| NewProgram {
            tool: PACKAGES.to_owned(),
            program: program.clone(),
        })),
    }
    new
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

/// Returns the programs of a dev shell that was built and that the user has not approved.
pub fn unapproved(
    session: &Session<'_>,
    project: &Project,
    built: &BuiltShell,
) -> Result<Vec<NewProgram>, Failure> {
    let Some(root) = project.approved_at() else {
        return Ok(Vec::new());
    };
    let mut approved = session.decisions.programs(root)?.unwrap_or_default();
    Ok(compare(session, &mut approved, built))
}

/// Approves programs.
pub fn approve(
    session: &Session<'_>,
    project: &Project,
    new: &[NewProgram],
) -> Result<(), Failure> {
    let Some(root) = project.approved_at() else {
        return Ok(());
    };
    let mut approved = session.decisions.programs(root)?.unwrap_or_default();
    for one in new {
        let programs = approved.entry(one.tool.clone()).or_default();
        programs.insert(one.program.clone());
    }
    Ok(session.decisions.set_programs(root, &approved)?)
}
