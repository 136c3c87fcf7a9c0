//! `devsh add` and `devsh remove`: one line of the manifest, and the lockfile with it.

use crate::{
    failure::{ExitStatus, Failure},
    fsx,
    manifest::{self, EditError, ErrorKind, ShellName},
    package::{Requirement, Tool},
    project::{
        locate::{Kind, MANIFEST, Place},
        trust::Standing,
    },
    ui::Role,
};

use super::{ask, hints, init, lock, shown, sync::Mode, work::Work};

/// Longest manifest that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// Runs `devsh add`.
pub(super) fn add(
    work: &Work<'_>,
    words: &[String],
    shell: Option<&ShellName>,
) -> Result<(), Failure> {
    let edit = Edit::begin(work)?;
    let mut text = edit.text.clone();
    for word in words {
        let (tool, requirement) = wanted(word)?;
        let requirement = settle(work, &tool, requirement)?;
        let requirement = requirement.as_str();
        text = manifest::add(&text, shell, &tool, requirement).map_err(|error| edited(&error))?;
    }
    edit.finish(&text)
}

/// Runs `devsh remove`.
pub(super) fn remove(
    work: &Work<'_>,
    words: &[String],
    shell: Option<&ShellName>,
) -> Result<(), Failure> {
    let edit = Edit::begin(work)?;
    let mut text = edit.text.clone();
    for word in words {
        let tool = tool(word)?;
        let without = manifest::remove(&text, shell, &tool).map_err(|error| edited(&error))?;
        text = without.ok_or_else(|| unnamed(work, &text, shell, &tool))?;
    }
    edit.finish(&text)
}

/// A manifest that is to be changed.
struct Edit<'a> {
    work: &'a Work<'a>,
    place: Place,
    text: String,
    /// Whether the user's approval of the manifest goes on to the changed one.
    allowed: bool,
}

impl<'a> Edit<'a> {
    fn begin(work: &'a Work<'_>) -> Result<Self, Failure> {
        if work.locked {
            return Err(Failure::new("with `--locked` nothing is written")
                .hint("leave it out")
                .code(ExitStatus::Usage));
        }
        let place = work.place()?;
        let path = place.root.join(MANIFEST);
        if place.kind == Kind::Detected {
            let root = shown(work.context, &place.root);
            return Err(Failure::new(format!("`{root}` has no `{MANIFEST}` yet"))
                .hint(format!(
                    "write down what is detected with `{}`",
                    work.command("init")
                ))
                .code(ExitStatus::Usage));
        }
        let project = work.trusted_at(place, None)?;
        let project = project.get();
        let standing = project
            .standing(&work.decisions)
            .map_err(|error| hints::file(&error))?;
        let bytes = fsx::read_bounded(&path, LIMIT).map_err(|error| hints::file(&error))?;
        let text = String::from_utf8(bytes.unwrap_or_default())
            .map_err(|_| Failure::new(format!("`{MANIFEST}` is not UTF-8 text")))?;
        Ok(Self {
            work,
            place: project.place.clone(),
            text,
            allowed: standing == Standing::Allowed,
        })
    }

    /// Writes the manifest and the lockfile that answers it, or neither.
    fn finish(&self, text: &str) -> Result<(), Failure> {
        let work = self.work;
        let path = self.place.root.join(MANIFEST);
        let name = shown(work.context, &path);
        if text == self.text {
            work.ui.note(&format!("{name} says so already"));
            return Ok(());
        }
        let write = |text: &str| {
            fsx::write_project_file(&path, text.as_bytes()).map_err(|error| hints::file(&error))
        };
        write(text)?;
        if let Err(failure) = self.lock() {
            write(&self.text)?;
            if self.allowed {
                init::approve(work, self.place.clone())?;
            }
            return Err(failure.note(format!("`{name}` is as it was")));
        }
        for line in changes(&self.text, text) {
            let role = if line.starts_with('+') {
                Role::Good
            } else {
                Role::Error
            };
            work.ui.line(work.ui.paint(role, line));
        }
        work.ui.note(&format!("wrote {name}"));
        super::allow::advance(work)
    }

    fn lock(&self) -> Result<(), Failure> {
        let work = self.work;
        let project = work.open(self.place.clone())?;
        let project = if self.allowed {
            project
                .allow(&work.decisions, work.context.now)
                .map_err(|error| hints::file(&error))?
        } else {
            work.trust_once(project)?
        };
        let current = lock::up_to_date(work, &project, Mode::Foreground)?;
        current.unreached.map_or(Ok(()), Err)
    }
}

/// The lines that only one of two manifests has, as a change of tools shows them.
fn changes(before: &str, after: &str) -> Vec<String> {
    let without = |lines: &str, others: &str| -> Vec<String> {
        let known: Vec<&str> = others.lines().collect();
        let own = lines.lines().filter(|line| !known.contains(line));
        own.filter(|line| !line.trim().is_empty())
            .map(|line| line.trim().to_owned())
            .collect()
    };
    let removed = without(before, after)
        .into_iter()
        .map(|line| format!("- {line}"));
    let added = without(after, before)
        .into_iter()
        .map(|line| format!("+ {line}"));
    removed.chain(added).collect()
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
    let requirement = requirement
        .parse()
        .map_err(|error: crate::package::Invalid| {
            Failure::new(error.to_string())
                .hint("write it like `ruff@0.12` or `'python@>=3.11,<3.13'`")
                .code(ExitStatus::Usage)
        })?;
    Ok((tool(name)?, Some(requirement)))
}

fn tool(name: &str) -> Result<Tool, Failure> {
    name.parse().map_err(|invalid: crate::package::Invalid| {
        let kind = manifest::unknown_tool(name, invalid);
        let hint = match &kind {
            ErrorKind::UnknownTool {
                suggestion: Some(near),
                ..
            } => Some(format!("did you mean `{near}`?")),
            ErrorKind::UnknownTool {
                pypi: Some(name), ..
            } => Some(format!(
                "for a tool of the Python package index write `{name}`"
            )),
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
    let request = ask::request(requirement.clone().unwrap_or_default());
    let index = ask::offers(work, &[(tool.clone(), request.clone())])?;
    let newest = ask::choice(tool, &request, &index, lock::system(work)?)?.version;
    if let Some(requirement) = requirement {
        return Ok(requirement);
    }
    let numbers = newest.release().iter().take(2);
    let numbers: Vec<String> = numbers.map(ToString::to_string).collect();
    numbers
        .join(".")
        .parse()
        .map_err(|error: crate::package::Invalid| Failure::new(error.to_string()))
}

fn edited(error: &EditError) -> Failure {
    Failure::new(format!("`{MANIFEST}` cannot be changed: {error}"))
}

/// The failure for a tool that is not where it was to be removed from.
fn unnamed(work: &Work<'_>, text: &str, shell: Option<&ShellName>, tool: &Tool) -> Failure {
    let table = shell.map_or_else(
        || "`[tools]`".to_owned(),
        |shell| format!("dev shell `{shell}`"),
    );
    let failure = Failure::new(format!("{table} of `{MANIFEST}` does not name `{tool}`"));
    let Ok(layer) = manifest::parse(MANIFEST, text) else {
        return failure;
    };
    let elsewhere = layer.shells.iter();
    let elsewhere = elsewhere.filter(|(_, section)| section.tables.tools.contains_key(tool));
    let mut hints: Vec<String> = elsewhere
        .map(|(name, _)| work.command(&format!("remove {tool} --shell {name}")))
        .collect();
    if shell.is_some() && layer.top.tools.contains_key(tool) {
        hints.push(work.command(&format!("remove {tool}")));
    }
    let failure = failure.code(ExitStatus::Usage);
    hints.into_iter().fold(failure, |failure, hint| {
        failure.hint(format!("it is there for `{hint}`"))
    })
}
