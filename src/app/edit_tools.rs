//! Adding tools to the manifest and removing them, with the lockfile.

use crate::{
    builder::ShellPart,
    manifest::{self, EditError, ErrorKind, NamedRequest, ShellName, Subject, ToolRequest},
    package::{Invalid, Requirement, Source, Tool},
    project::{Project, approval::Trusted},
    prompt::record::MissingPart,
    report::{
        failure::{ExitStatus, Failure},
        hints,
    },
};

use super::{
    build_mode::BuildMode,
    edit_manifest::{EditReport, ManifestEdit, ManifestOwner},
    find_manifest::{existing_manifest, find_manifest, start_manifest},
    lock_and_build::bring_up,
    lockfiles::joined_lockfile,
    missing_parts::{self, FailedPart},
    package_status::ChosenPackages,
    program_tools::tools_of_program,
    python_packages, query_versions,
    session::Session,
};

/// A change of the tools of a manifest.
#[derive(Debug, Clone, Copy)]
pub struct ToolEdit<'a> {
    /// The tools as typed.
    pub words: &'a [String],
    /// The dev shell to change; `None` is the table of all.
    pub shell: Option<&'a ShellName>,
    pub owner: ManifestOwner,
    /// True if the dev shell is built afterwards.
    pub builds: bool,
}

/// Adds tools to the manifest, which is started if there is none, and locks and builds them.
pub fn add_tools(
    session: &Session<'_>,
    edit: ToolEdit<'_>,
    show: impl FnOnce(&EditReport),
) -> Result<(), Failure> {
    let shell = edit.shell;
    let chosen = |word: &String| {
        let (tool, requirement) = parse_tool_and_requirement(word)
            .map_err(|failure| describe_package(session, shell, word).unwrap_or(failure))?;
        let requirement = choose_requirement(session, &tool, requirement)?;
        Ok((tool, requirement))
    };
    let choose =
        || -> Result<Vec<(Tool, Requirement)>, Failure> { edit.words.iter().map(chosen).collect() };
    let (change, tools) = if let Some(target) = find_manifest(session, edit.owner)? {
        (ManifestEdit::begin(session, target)?, choose()?)
    } else {
        // Nothing is started for a tool that does not exist.
        let tools = choose()?;
        let names = tools.iter().map(|(tool, _)| tool.clone()).collect();
        let target = start_manifest(session, edit.owner, names)?;
        (ManifestEdit::begin(session, target)?, tools)
    };
    check_node(&change.project, &tools, edit)?;
    let mut text = change.text.clone();
    for (tool, requirement) in &tools {
        let added = manifest::add(&text, shell, tool, requirement.as_str());
        text = added.map_err(|error| edit_failure(&error, &change.name))?;
    }
    let tools: Vec<Tool> = tools.into_iter().map(|(tool, _)| tool).collect();
    let finished = change.finish(&text, &tools, show)?;
    note_isolation(session, finished.project.get(), &tools, edit);
    let missing = build(session, &finished.project, edit, &tools)?;
    let Some(failure) = missing_parts::failure_of(&missing) else {
        return Ok(());
    };
    let is_of_edit = |missing: &FailedPart| matches!(&missing.part, ShellPart::Tool(tool) if tools.contains(tool));
    Err(match finished.undo {
        Some(undo) if missing.iter().any(is_of_edit) => change.revert(&undo, failure),
        _ => failure,
    })
}

/// Notes that applications of the Python index do not see the packages of the project. A package that is only a program
/// imports nothing.
fn note_isolation(session: &Session<'_>, project: &Project, tools: &[Tool], edit: ToolEdit<'_>) {
    let Ok(joined) = joined_lockfile(session, project) else {
        return;
    };
    let dev = ShellName::dev();
    let Some(shell) = project.preview().shells.get(edit.shell.unwrap_or(&dev)) else {
        return;
    };
    let is_application = |tool: &&Tool| {
        let request = shell.tools.get(*tool);
        let locked = request.and_then(|request| joined.lockfile.locked(tool, request));
        tool.source == Source::Pypi && locked.is_some_and(|locked| locked.application.is_some())
    };
    for tool in tools.iter().filter(is_application) {
        let package = tool.package.as_str();
        if let Some(addition) = python_packages::describe_addition(project, shell, package) {
            session.reporter.note(&format!(
                "`{tool}` cannot import the project or its packages; {addition} adds it to them"
            ));
        }
    }
}

/// Checks that npm tools have node in their dev shell.
fn check_node(
    project: &Project,
    tools: &[(Tool, Requirement)],
    edit: ToolEdit<'_>,
) -> Result<(), Failure> {
    let is_node = |tool: &Tool| tool.name.as_str() == "node";
    let dev = ShellName::dev();
    let shell = project.preview().shells.get(edit.shell.unwrap_or(&dev));
    let has_node = shell.is_some_and(|shell| shell.tools.keys().any(is_node))
        || tools.iter().any(|(tool, _)| is_node(tool));
    let mut npm = tools.iter().filter(|(tool, _)| tool.source == Source::Npm);
    let Some((tool, _)) = npm.next().filter(|_| !has_node) else {
        return Ok(());
    };
    let mut command = format!("devsh add node {}", edit.words.join(" "));
    if let Some(shell) = edit.shell {
        command = format!("{command} --shell {shell}");
    }
    Err(Failure::new(format!(
        "`{tool}` runs on node, which the dev shell does not have"
    ))
    .hint(format!("add both with `{command}`")))
}

/// Builds the dev shell that was changed; returns the parts that it lacks. Other tools than `tools` whose sources are not
/// reached are only reported.
fn build(
    session: &Session<'_>,
    project: &Trusted<Project>,
    edit: ToolEdit<'_>,
    tools: &[Tool],
) -> Result<Vec<FailedPart>, Failure> {
    let shell = edit.shell.cloned().unwrap_or_else(ShellName::dev);
    if !edit.builds || !project.get().preview().shells.contains_key(&shell) {
        return Ok(Vec::new());
    }
    let built = bring_up(session, project, &[shell], BuildMode::Foreground)?;
    let missing = built.into_iter().flat_map(|shell| shell.failed);
    let is_unreached = |missing: &FailedPart| match &missing.part {
        ShellPart::Tool(tool) => missing.may_pass && !tools.contains(tool),
        _ => false,
    };
    let (unreached, needed): (Vec<_>, Vec<_>) = missing.partition(is_unreached);
    if !unreached.is_empty() {
        let parts: Vec<MissingPart> = unreached.iter().map(FailedPart::missing).collect();
        session
            .reporter
            .warn(&missing_parts::describe(&parts).error);
    }
    Ok(needed)
}

/// Removes tools from the manifest and the lockfile, and builds the dev shell without them.
pub fn remove_tools(
    session: &Session<'_>,
    edit: ToolEdit<'_>,
    show: impl FnOnce(&EditReport),
) -> Result<(), Failure> {
    let target = existing_manifest(session, edit.owner)?;
    let change = ManifestEdit::begin(session, target)?;
    let mut text = change.text.clone();
    for word in edit.words {
        let tool: Tool = word.parse().map_err(|invalid: Invalid| {
            let kind = manifest::unknown_tool(word, invalid);
            let failure = Failure::new(kind.to_string()).code(ExitStatus::Usage);
            let near = match &kind {
                ErrorKind::UnknownTool { suggestion, .. } => suggestion.as_ref(),
                _ => None,
            };
            match near {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint("`devsh status` lists the tools of the dev shell"),
            }
        })?;
        let without = manifest::remove(&text, edit.shell, &tool)
            .map_err(|error| edit_failure(&error, &change.name))?;
        text = without.ok_or_else(|| absent_tool(session, &change, edit.shell, &tool))?;
    }
    let finished = change.finish(&text, &[], show)?;
    let missing = build(session, &finished.project, edit, &[])?;
    missing_parts::failure_of(&missing).map_or(Ok(()), Err)
}

/// Returns the failure for a name that is no tool, if the project says more about it: the dev shell can have it already, as
/// a program of a tool or as a Python package, or it can become a Python package of the project.
fn describe_package(
    session: &Session<'_>,
    shell: Option<&ShellName>,
    word: &str,
) -> Option<Failure> {
    let name = word.split('@').next().unwrap_or(word);
    let invalid = name.parse::<Tool>().err()?;
    let ErrorKind::UnknownTool {
        suggestion,
        pypi: Some(_),
        ..
    } = manifest::unknown_tool(name, invalid)
    else {
        return None;
    };
    let project = session.project().ok().filter(Project::is_complete)?;
    let dev = ShellName::dev();
    let shell = shell.unwrap_or(&dev);
    let content = project.preview().shells.get(shell)?;
    let failure = if let Some(found) = find_in_shell(session, &project, shell, name) {
        let explain = session.command(&format!("explain {name}"));
        Failure::new(format!("`{name}` is in the dev shell already: {found}"))
            .hint(format!("`{explain}` shows more"))
    } else if suggestion.is_some() {
        return None;
    } else {
        let addition = python_packages::describe_addition(&project, content, name)?;
        let apart = session.command(&format!("add pypi:{name}"));
        Failure::new(format!("`{name}` is not a known tool")).hint(format!(
            "{addition} adds it to the Python packages of the project; `{apart}` adds it apart from them"
        ))
    };
    Some(failure.code(ExitStatus::Usage))
}

/// Returns where a dev shell has a Python package or a program from.
fn find_in_shell(
    session: &Session<'_>,
    project: &Project,
    shell: &ShellName,
    name: &str,
) -> Option<String> {
    let content = project.preview().shells.get(shell)?;
    let lockfile = joined_lockfile(session, project).ok()?.lockfile;
    let chosen = ChosenPackages::of(session, project, content, &lockfile);
    let pin = chosen.and_then(|chosen| chosen.describe_pin(name));
    pin.or_else(|| {
        let tools = tools_of_program(session, project, shell, name);
        let tool = tools.first()?;
        Some(format!("`{tool}` has it"))
    })
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
        let failure = hint.into_iter().fold(failure, Failure::hint);
        match &kind {
            ErrorKind::UnknownTool {
                suggestion: None, ..
            } => failure.hint(format!(
                "a tool does not see the project: a Python library that code or tests import is a package of the project \
                 (`uv add --dev {name}`, or `packages` below `[python]` without a lockfile)"
            )),
            _ => failure,
        }
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
    let index = query_versions::offers(session, &[NamedRequest::of((tool, &request))])?;
    let newest = &query_versions::choose(tool, &request, &index, session.system()?)?.version;
    if let Some(requirement) = requirement {
        return Ok(requirement);
    }
    let numbers = newest.release().iter().take(2);
    let numbers: Vec<String> = numbers.map(ToString::to_string).collect();
    Ok(numbers.join(".").parse()?)
}

fn edit_failure(error: &EditError, name: &str) -> Failure {
    let failure = Failure::new(format!("`{name}` cannot be changed: {error}"));
    match error {
        EditError::LineEnds(_) => {
            failure.hint("save the file with one kind of line ends, or edit it by hand")
        }
        EditError::Syntax(_) | EditError::NotTable(_) => failure,
    }
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
    let mut failure = Failure::new(format!("{table} of `{}` does not name `{tool}`", edit.name));
    let layers = &edit.project.layers().all;
    let own = layers
        .iter()
        .find(|layer| **layer.text.file() == *edit.name);
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
    let others = others.filter(|one| *one.origin.file != *edit.name);
    let places: Vec<String> = others.map(|one| one.origin.to_string()).collect();
    if places.is_empty() {
        return failure;
    }
    failure
        .note(format!("it comes from {}", places.join(", ")))
        .hint(format!(
            "to remove it from this project, write `{tool} = {{ unset = true }}` into `[tools]` of `{}`",
            edit.name
        ))
}
