//! The tools of a built dev shell in one line, and those that differ from the lockfile.

use crate::{
    builder::{self, BuiltShell, ToolOrigin},
    env::VarName,
    lockfile::LockKey,
    manifest::{AliasName, DevShell, ShellName},
    util::word_lists::join_with_and,
};

use super::{build_request::BuildInputs, host_notices};

/// The most aliases or variables that are named.
const MOST_NAMES: usize = 3;

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
    let parts = if tools.is_empty() {
        names_without_tools(inputs.shell)
    } else {
        tools
    };
    match (*shell == ShellName::dev(), parts.is_empty()) {
        (_, true) => shell.to_string(),
        (true, false) => parts.join(", "),
        (false, false) => format!("{shell}: {}", parts.join(", ")),
    }
}

/// Returns what a dev shell without tools brings: `aliases serve and t`, `variable DATABASE_URL`.
fn names_without_tools(shell: &DevShell) -> Vec<String> {
    let aliases: Vec<&str> = shell.aliases.keys().map(AliasName::as_str).collect();
    let variables: Vec<&str> = shell.env.keys().map(VarName::as_str).collect();
    let kinds = [
        ("alias", "aliases", aliases),
        ("variable", "variables", variables),
    ];
    let named = kinds
        .into_iter()
        .filter_map(|(one, many, names)| match names.len() {
            0 => None,
            1 => Some(format!("{one} {}", names[0])),
            count if count > MOST_NAMES => Some(format!("{count} {many}")),
            _ => Some(format!("{many} {}", join_with_and(&names))),
        });
    named.collect()
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
