//! The tools of a dev shell in words: the line at the prompt, rows of `status`, notices of a build.

use std::{fmt::Write, path::PathBuf};

use serde::Serialize;

use crate::{
    builder::{self, MissingArtifact, Notice, Realised, ToolOrigin},
    config::units::bytes,
    context::Context,
    lockfile::{LockKey, Lockfile},
    manifest::{self, ShellName},
    package::{System, Tool},
    project::Project,
    report::failure::Failure,
    resolve::HeldBack,
};

use super::{build_request::Parts, prepare_env, session::Work};
use crate::report::paths::display_path;

/// The tools whose version is not the locked one, with the locked one.
pub fn drifts<'r>(
    parts: &'r Parts<'_>,
    realised: &'r Realised,
) -> impl Iterator<Item = (&'r builder::RealisedTool, Option<String>)> {
    realised.tools.iter().filter_map(|tool| {
        let request = parts.shell.tools.get(&tool.tool)?;
        let locked = parts
            .lockfile
            .packages
            .get(&LockKey::for_request(&tool.tool, request));
        let same = locked.is_some_and(|locked| locked.version == tool.version);
        (!same).then(|| (tool, locked.map(|locked| locked.version.to_string())))
    })
}

/// One line that names the tools: `python 3.12.4, ruff 0.12.1`.
pub fn summary(shell: &ShellName, parts: &Parts<'_>, realised: &Realised, whole: bool) -> String {
    let drifts: Vec<_> = drifts(parts, realised).collect();
    let seen = |tool: &&builder::RealisedTool| parts.shell.tools.contains_key(&tool.tool);
    let tools = realised.tools.iter().filter(seen).map(|tool| {
        let drift = drifts.iter().find(|(other, _)| other.tool == tool.tool);
        match (&tool.origin, drift) {
            (ToolOrigin::Host { .. }, Some((_, Some(locked)))) => {
                format!(
                    "{} {} (host, locked {locked})",
                    tool.tool.name, tool.version
                )
            }
            (ToolOrigin::Host { .. }, _) => format!("{} {} (host)", tool.tool.name, tool.version),
            (ToolOrigin::Store(_), _) => format!("{} {}", tool.tool.name, tool.version),
        }
    });
    let tools: Vec<String> = tools.collect();
    let mut text = match (*shell == ShellName::dev(), tools.is_empty()) {
        (_, true) => shell.to_string(),
        (true, false) => tools.join(", "),
        (false, false) => format!("{shell}: {}", tools.join(", ")),
    };
    if !whole {
        text.push_str("; the project itself is not installed yet, `devsh sync` does it");
    }
    text
}

/// One tool of a dev shell, asked for, locked and built.
#[derive(Debug, Serialize)]
pub struct ToolStatus {
    name: String,
    requirement: String,
    /// Where the requirement was written, `file:line`.
    place: String,
    locked: Option<String>,
    /// The version that is built, if it is.
    version: Option<String>,
    /// The host's program, where it serves instead of an artifact.
    host: Option<PathBuf>,
}

impl ToolStatus {
    /// The version that is built or, before that, locked.
    fn version(&self) -> &str {
        let version = self.version.as_deref().or(self.locked.as_deref());
        version.unwrap_or("not locked")
    }

    /// What is to be known besides name and version.
    fn remarks(&self) -> String {
        let mut text = format!("{} ({})", self.requirement, self.place);
        if let Some(host) = &self.host {
            // Writing to a string cannot fail.
            let _written = write!(text, ", from the host: {}", host.display());
        }
        if let (Some(version), Some(locked)) = (&self.version, &self.locked)
            && version != locked
        {
            let _written = write!(text, ", drifted from {locked} in the lockfile");
        }
        text
    }
}

/// Says one aligned line for each tool: name, version, and who asks for it.
pub fn table(tools: &[ToolStatus], mut say: impl FnMut(String)) {
    let width = |length: fn(&ToolStatus) -> usize| tools.iter().map(length).max().unwrap_or(0);
    let name = width(|tool| tool.name.chars().count());
    let version = width(|tool| tool.version().chars().count());
    for tool in tools {
        let remarks = tool.remarks();
        say(format!(
            "{:<name$}  {:<version$}  {remarks}",
            tool.name,
            tool.version()
        ));
    }
}

/// Returns the tools of a dev shell as they stand; nothing is built or asked for.
pub fn rows(
    context: &Context,
    project: &Project,
    shell: &ShellName,
) -> Result<Vec<ToolStatus>, Failure> {
    let (parts, found) = prepare_env::look_up(context, project, shell)?;
    let built = |tool: &Tool| {
        found
            .as_ref()?
            .realised
            .tools
            .iter()
            .find(|built| built.tool == *tool)
    };
    Ok(parts
        .shell
        .tools
        .iter()
        .map(|(tool, request)| ToolStatus {
            name: tool.to_string(),
            requirement: manifest::whole(request),
            place: manifest::decisive(request).to_string(),
            locked: parts
                .lockfile
                .locked(tool, request)
                .map(|locked| locked.version.to_string()),
            version: built(tool).map(|built| built.version.to_string()),
            host: built(tool).and_then(|built| match &built.origin {
                ToolOrigin::Host { program, .. } => Some(program.clone()),
                ToolOrigin::Store(_) => None,
            }),
        })
        .collect())
}

/// Says what the user should know of what was built.
pub fn tell(work: &Work<'_>, notice: &Notice) {
    match notice {
        Notice::HostServes {
            tool,
            wanted,
            found,
            program,
            reason,
        } => {
            let program = display_path(work.context, program);
            let mut text = match wanted {
                Some(wanted) if wanted != found => format!(
                    "`{tool}` {wanted} is locked, and the host's {found} serves, `{program}`"
                ),
                _ => format!("`{tool}` {found} is the host's, `{program}`"),
            };
            if !reason.is_empty() {
                text.push_str(": ");
                text.push_str(reason);
            }
            work.ui.warn(&text);
        }
        Notice::Conflict {
            program,
            used,
            hidden,
        } => {
            work.ui.warn(&format!(
                "`{program}` is `{used}`'s; the one of `{hidden}` is hidden"
            ));
        }
    }
}

/// A line for each artifact: tool, version and part, server, size.
pub fn missing(failure: Failure, missing: &[MissingArtifact]) -> Failure {
    let names: Vec<String> = missing
        .iter()
        .map(|one| {
            format!("{} {} {}", one.tool, one.version, one.part)
                .trim_end()
                .to_owned()
        })
        .collect();
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let wide = width(&mut names.iter().map(String::len));
    let host = width(&mut missing.iter().map(|one| one.host.len()));
    let lines = missing.iter().zip(&names).map(|(one, name)| {
        let size = one.size.map_or_else(|| "size unknown".to_owned(), bytes);
        format!("{name:wide$}  {:host$}  {size}", one.host)
    });
    let failure = lines.fold(failure, Failure::detail);
    failure.hint("run `devsh sync` once without `--offline`")
}

/// Says which newer version is held back.
pub fn held(held: &HeldBack) -> String {
    format!(
        "`{}` {} is {}; {} is locked",
        held.tool, held.newer, held.held, held.locked
    )
}

/// Says of what was locked anew which systems have nothing of it.
pub fn gaps(lockfile: &Lockfile, previous: &Lockfile) -> Vec<String> {
    let fresh = lockfile
        .packages
        .iter()
        .filter(|(key, package)| previous.packages.get(*key) != Some(*package));
    let mut lines: Vec<String> = fresh
        .filter_map(|(key, package)| {
            let systems = System::ALL.iter();
            let missing: Vec<String> = systems
                .filter(|system| !package.artifacts.contains_key(*system))
                .map(ToString::to_string)
                .collect();
            (!missing.is_empty()).then(|| {
                let (tool, version) = (&key.tool, &package.version);
                format!("`{tool}` {version} has nothing for {}", missing.join(", "))
            })
        })
        .collect();
    // The same version with other components has the same gaps.
    lines.dedup();
    lines
}
