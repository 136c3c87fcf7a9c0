//! The tools of a dev shell that have a program.

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    builder::{self, ToolOrigin},
    manifest::ShellName,
    project::Project,
    prompt::record::Record,
};

use super::session::Session;

/// Returns the tools whose package has the name of a program, and those that have it in the environment built last.
pub fn tools_of_program(
    session: &Session<'_>,
    project: &Project,
    shell: &ShellName,
    program: &str,
) -> BTreeSet<String> {
    let content = project.preview().shells.get(shell);
    let tools = content.into_iter().flat_map(|content| content.tools.keys());
    let named = tools.filter(|tool| {
        let names = [tool.name.as_str(), tool.package.as_str()];
        names.contains(&program)
    });
    let mut tools: BTreeSet<String> = named.map(ToString::to_string).collect();
    let target = last_profile(session, project, shell).and_then(|profile| {
        let target = profile.join("bin").join(program).canonicalize().ok()?;
        Some((target, builder::built_at(&profile)?))
    });
    if let Some((target, built)) = target {
        let having = built.tools.iter().filter(|tool| match &tool.origin {
            // A guard of the profile is in front of some programs.
            ToolOrigin::Store(object) => {
                target.starts_with(object) || object.join("bin").join(program).exists()
            }
            ToolOrigin::Host { program, .. } => target == *program,
        });
        tools.extend(having.map(|tool| tool.tool.to_string()));
    }
    tools
}

/// Returns the profile of a dev shell that was built last.
pub fn last_profile(
    session: &Session<'_>,
    project: &Project,
    shell: &ShellName,
) -> Option<PathBuf> {
    let state = &session.context.directories.state;
    let record = Record::stored(state, project.root(), shell)?;
    record.objects.into_iter().next()
}
