//! The tools of a built dev shell in one line, and those that differ from the lockfile.

use crate::{
    builder::{self, BuiltShell, ToolOrigin},
    lockfile::LockKey,
    manifest::ShellName,
};

use super::{build_request::BuildInputs, host_notices};

/// Returns the tools whose version differs from the locked one, with the locked one.
pub fn drifts<'r>(
    inputs: &'r BuildInputs<'_>,
    built: &'r BuiltShell,
) -> impl Iterator<Item = (&'r builder::RealisedTool, Option<String>)> {
    built.tools.iter().filter_map(|tool| {
        let request = inputs.shell.tools.get(&tool.tool)?;
        let locked = inputs
            .lockfile
            .packages
            .get(&LockKey::for_request(&tool.tool, request));
        let same = locked.is_some_and(|locked| locked.version == tool.version);
        (!same).then(|| (tool, locked.map(|locked| locked.version.to_string())))
    })
}

/// Returns the line for the prompt: `python 3.12.4, ruff 0.12.1`.
pub fn summary(shell: &ShellName, inputs: &BuildInputs<'_>, built: &BuiltShell) -> String {
    let seen = |tool: &&builder::RealisedTool| inputs.shell.tools.contains_key(&tool.tool);
    let tools = built.tools.iter().filter(seen);
    let tools = tools.map(|tool| format!("{} {}", tool.tool.name, tool.version));
    let tools: Vec<String> = tools.collect();
    match (*shell == ShellName::dev(), tools.is_empty()) {
        (_, true) => shell.to_string(),
        (true, false) => tools.join(", "),
        (false, false) => format!("{shell}: {}", tools.join(", ")),
    }
}

/// Returns a line for each host tool that replaces a locked one.
pub fn host_tools(inputs: &BuildInputs<'_>, built: &BuiltShell) -> Vec<String> {
    let host =
        drifts(inputs, built).filter(|(tool, _)| matches!(tool.origin, ToolOrigin::Host { .. }));
    let lines = host.filter_map(|(tool, locked)| {
        let name = tool.tool.name.to_string();
        Some(host_notices::line(&name, tool.version.as_str(), &locked?))
    });
    lines.collect()
}
