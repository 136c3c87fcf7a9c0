//! Adding tools to the manifest and removing them, with the lockfile.

use crate::{
    manifest::{self, EditError, ErrorKind, ShellName, Subject, ToolRequest},
    package::{Invalid, Requirement, Tool},
    project::locate::MANIFEST,
    report::{
        failure::{ExitStatus, Failure},
        hints,
    },
};

use super::{
    edit_manifest::{EditReport, ManifestEdit},
    query_versions,
    session::Session,
};

/// Adds tools to the manifest and locks them.
pub fn add_tools(
    session: &Session<'_>,
    words: &[String],
    shell: Option<&ShellName>,
    show: impl FnOnce(&EditReport),
) -> Result<(), Failure> {
    change(session, words, show, |_, text, word| {
        let (tool, requirement) = parse_tool_and_requirement(word)?;
        let requirement = choose_requirement(session, &tool, requirement)?;
        let added = manifest::add(text, shell, &tool, requirement.as_str());
        Ok((added.map_err(|error| edit_failure(&error))?, Some(tool)))
    })
}

/// Removes tools from the manifest and the lockfile.
pub fn remove_tools(
    session: &Session<'_>,
    words: &[String],
    shell: Option<&ShellName>,
    show: impl FnOnce(&EditReport),
) -> Result<(), Failure> {
    change(session, words, show, |edit, text, word| {
        let tool = parse_tool(word)?;
        let without = manifest::remove(text, shell, &tool).map_err(|error| edit_failure(&error))?;
        let without = without.ok_or_else(|| absent_tool(session, edit, shell, &tool))?;
        Ok((without, None))
    })
}

/// Changes the manifest word by word; `step` returns the text changed for one word, and the tool whose locked
/// version is reported.
fn change(
    session: &Session<'_>,
    words: &[String],
    show: impl FnOnce(&EditReport),
    step: impl Fn(&ManifestEdit<'_>, &str, &str) -> Result<(String, Option<Tool>), Failure>,
) -> Result<(), Failure> {
    let edit = ManifestEdit::begin(session)?;
    let mut text = edit.text.clone();
    let mut tools = Vec::new();
    for word in words {
        let (changed, tool) = step(&edit, &text, word)?;
        text = changed;
        tools.extend(tool);
    }
    edit.finish(&text, &tools, show)
}

/// Reads `TOOL` or `TOOL@REQUIREMENT`.
fn parse_tool_and_requirement(word: &str) -> Result<(Tool, Option<Requirement>), Failure> {
    // The scope of an npm package begins with `@`.
    let at = word
        .char_indices()
        .skip(1)
        .filter(|(at, one)| *one == '@' && !word[..*at].ends_with(':'));
    let Some((at, _)) = at.last() else {
        return Ok((parse_tool(word)?, None));
    };
    let (name, requirement) = (&word[..at], &word[at + 1..]);
    let requirement = requirement.parse().map_err(|error: Invalid| {
        Failure::new(error.to_string())
            .hint("write it like `ruff@0.12` or `'python@>=3.11,<3.13'`")
            .code(ExitStatus::Usage)
    })?;
    Ok((parse_tool(name)?, Some(requirement)))
}

fn parse_tool(name: &str) -> Result<Tool, Failure> {
    if let Some(at) = name.find(['=', '<', '>', '~', '^']) {
        let (tool, bound) = name.split_at(at);
        let bound = bound.trim_start_matches('=');
        return Err(Failure::new(format!("`{name}` is not a known tool"))
            .hint(format!("write `'{tool}@{bound}'`"))
            .code(ExitStatus::Usage));
    }
    name.parse().map_err(|invalid: Invalid| {
        let kind = manifest::unknown_tool(name, invalid);
        let hint = match &kind {
            ErrorKind::UnknownTool {
                suggestion: Some(near),
                ..
            } => Some(format!("did you mean `{near}`?")),
            ErrorKind::UnknownTool {
                pypi: Some(name), ..
            } => Some(format!(
                "for a package of an index write `{name}` or `{}`; look first with `devsh search`",
                name.replacen("pypi:", "npm:", 1)
            )),
            ErrorKind::Invalid(invalid) => hints::not_a_source(invalid),
            _ => None,
        };
        let failure = Failure::new(kind.to_string()).code(ExitStatus::Usage);
        hint.into_iter().fold(failure, Failure::hint)
    })
}

/// Returns the requirement to write: the given one, else the first two numbers of the newest version.
fn choose_requirement(
    session: &Session<'_>,
    tool: &Tool,
    requirement: Option<Requirement>,
) -> Result<Requirement, Failure> {
    // Offline, a locked tool can still be named.
    if let Some(requirement) = requirement.clone().filter(|_| session.options.offline) {
        return Ok(requirement);
    }
    let request = ToolRequest::new(requirement.clone().unwrap_or_default());
    let index = query_versions::offers(session, &[(tool.clone(), request.clone())])?;
    let newest = &query_versions::choose(tool, &request, &index, session.system()?)?.version;
    if let Some(requirement) = requirement {
        return Ok(requirement);
    }
    let numbers = newest.release().iter().take(2);
    let numbers: Vec<String> = numbers.map(ToString::to_string).collect();
    Ok(numbers.join(".").parse()?)
}

fn edit_failure(error: &EditError) -> Failure {
    Failure::new(format!("`{MANIFEST}` cannot be changed: {error}"))
}

/// Returns the failure for a tool that is not in the table from which it should be removed.
fn absent_tool(
    session: &Session<'_>,
    edit: &ManifestEdit<'_>,
    shell: Option<&ShellName>,
    tool: &Tool,
) -> Failure {
    let table = shell.map_or_else(
        || "`[tools]`".to_owned(),
        |shell| format!("dev shell `{shell}`"),
    );
    let mut failure = Failure::new(format!("{table} of `{MANIFEST}` does not name `{tool}`"));
    let layers = &edit.project.layers().all;
    let own = layers.iter().find(|layer| &**layer.text.file() == MANIFEST);
    if let Some(layer) = own {
        let elsewhere = layer.shells.iter();
        let elsewhere = elsewhere.filter(|(_, section)| section.tables.tools.contains_key(tool));
        let mut commands: Vec<String> = elsewhere
            .map(|(name, _)| session.command(&format!("remove {tool} --shell {name}")))
            .collect();
        if shell.is_some() && layer.top.tools.contains_key(tool) {
            commands.push(session.command(&format!("remove {tool}")));
        }
        let hints = commands.iter();
        failure = hints.fold(failure, |failure, command| {
            failure.hint(format!("remove it with `{command}`"))
        });
    }
    let dev = ShellName::dev();
    let statements = manifest::statements(layers, shell.unwrap_or(&dev)).unwrap_or_default();
    let statements = statements.get(&Subject::Tool(tool.to_string()));
    let others = statements.into_iter().flatten();
    let others = others.filter(|one| &*one.origin.file != MANIFEST);
    let places: Vec<String> = others.map(|one| one.origin.to_string()).collect();
    if places.is_empty() {
        return failure;
    }
    failure
        .note(format!("it comes from {}", places.join(", ")))
        .hint(format!(
            "to remove it from this project, write `{tool} = {{ unset = true }}` into `[tools]` of `{MANIFEST}`"
        ))
}
