//! `devsh add` and `devsh remove`: one line of the manifest, and the lockfile with it.

use crate::{
    manifest::{self, EditError, ErrorKind, ShellName, Subject},
    package::{Invalid, Requirement, Tool},
    project::locate::MANIFEST,
    report::failure::{ExitStatus, Failure},
};

use super::lock;
use crate::{
    app::{edit_manifest::Edit, query_versions, session::Work},
    report::hints,
};

/// Runs `devsh add`.
pub fn add(work: &Work<'_>, words: &[String], shell: Option<&ShellName>) -> Result<(), Failure> {
    change(work, words, |_, text, word| {
        let (tool, requirement) = wanted(word)?;
        let requirement = settle(work, &tool, requirement)?;
        let added = manifest::add(text, shell, &tool, requirement.as_str());
        Ok((added.map_err(|error| edited(&error))?, Some(tool)))
    })
}

/// Runs `devsh remove`.
pub fn remove(work: &Work<'_>, words: &[String], shell: Option<&ShellName>) -> Result<(), Failure> {
    change(work, words, |edit, text, word| {
        let tool = tool(word)?;
        let without = manifest::remove(text, shell, &tool).map_err(|error| edited(&error))?;
        let without = without.ok_or_else(|| unnamed(work, edit, shell, &tool))?;
        Ok((without, None))
    })
}

/// Changes the manifest word by word; `step` returns its text with the change for one of them, and the tool
/// whose version is to be told.
fn change(
    work: &Work<'_>,
    words: &[String],
    step: impl Fn(&Edit<'_>, &str, &str) -> Result<(String, Option<Tool>), Failure>,
) -> Result<(), Failure> {
    let edit = Edit::begin(work)?;
    let mut text = edit.text.clone();
    let mut tools = Vec::new();
    for word in words {
        let (changed, tool) = step(&edit, &text, word)?;
        text = changed;
        tools.extend(tool);
    }
    edit.finish(&text, &tools)
}

/// Reads `TOOL` or `TOOL@REQUIREMENT`.
fn wanted(word: &str) -> Result<(Tool, Option<Requirement>), Failure> {
    // The scope of an npm package begins with `@`.
    let at = word
        .char_indices()
        .skip(1)
        .filter(|(at, one)| *one == '@' && !word[..*at].ends_with(':'));
    let Some((at, _)) = at.last() else {
        return Ok((tool(word)?, None));
    };
    let (name, requirement) = (&word[..at], &word[at + 1..]);
    let requirement = requirement.parse().map_err(|error: Invalid| {
        Failure::new(error.to_string())
            .hint("write it like `ruff@0.12` or `'python@>=3.11,<3.13'`")
            .code(ExitStatus::Usage)
    })?;
    Ok((tool(name)?, Some(requirement)))
}

fn tool(name: &str) -> Result<Tool, Failure> {
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

/// Returns the requirement to write: as it was given, else the newest version's first two numbers.
fn settle(
    work: &Work<'_>,
    tool: &Tool,
    requirement: Option<Requirement>,
) -> Result<Requirement, Failure> {
    // What is named may be locked already, and then needs no source.
    if let Some(requirement) = requirement.clone().filter(|_| work.offline) {
        return Ok(requirement);
    }
    let request = query_versions::request(requirement.clone().unwrap_or_default());
    let index = query_versions::offers(work, &[(tool.clone(), request.clone())])?;
    let newest = query_versions::choice(tool, &request, &index, lock::system(work)?)?.version;
    if let Some(requirement) = requirement {
        return Ok(requirement);
    }
    let numbers = newest.release().iter().take(2);
    let numbers: Vec<String> = numbers.map(ToString::to_string).collect();
    numbers
        .join(".")
        .parse()
        .map_err(|error: Invalid| Failure::new(error.to_string()))
}

fn edited(error: &EditError) -> Failure {
    Failure::new(format!("`{MANIFEST}` cannot be changed: {error}"))
}

/// The failure for a tool that is not where it was to be removed from.
fn unnamed(work: &Work<'_>, edit: &Edit<'_>, shell: Option<&ShellName>, tool: &Tool) -> Failure {
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
            .map(|(name, _)| work.command(&format!("remove {tool} --shell {name}")))
            .collect();
        if shell.is_some() && layer.top.tools.contains_key(tool) {
            commands.push(work.command(&format!("remove {tool}")));
        }
        let hints = commands.iter();
        failure = hints.fold(failure, |failure, command| {
            failure.hint(format!("it is there for `{command}`"))
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
            "to be without it here write `{tool} = {{ unset = true }}` into `[tools]` of `{MANIFEST}`"
        ))
}
