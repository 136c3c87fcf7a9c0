//! The tools of a dev shell for `devsh status`.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    builder::{self, ToolOrigin},
    manifest::{self, ShellName, ToolRequest},
    package::Tool,
    project::Project,
    prompt::record::Record,
    report::failure::Failure,
};

use super::{build_record, dev_shells::find_dev_shell, session::Session};

/// One tool of a dev shell: requested, locked and built. The JSON form is part of the interface.
#[derive(Debug, Serialize)]
pub struct ToolStatus {
    pub name: String,
    pub requirement: String,
    /// The place of the requirement, `file:line`.
    pub place: String,
    pub locked: Option<String>,
    /// The version that is built, if it is.
    pub version: Option<String>,
    /// The host's program, if it replaces an artifact.
    pub host: Option<PathBuf>,
}

impl ToolStatus {
    /// Returns the built version, else the locked one.
    pub fn version(&self) -> &str {
        let version = self.version.as_deref().or(self.locked.as_deref());
        version.unwrap_or("not locked")
    }
}

/// Returns the tools of a dev shell, without building or downloading anything.
pub fn tool_status(
    session: &Session<'_>,
    project: &Project,
    shell: &ShellName,
) -> Result<Vec<ToolStatus>, Failure> {
    if !project.is_complete() {
        // The lockfiles of a project that is not allowed are not read.
        let tools = find_dev_shell(project.preview(), shell)?.tools.iter();
        return Ok(tools
            .map(|(tool, request)| requested(tool, request))
            .collect());
    }
    let (inputs, found) = build_record::look_up(session, project, shell)?;
    // A dev shell that lacks parts is not the one that the lockfile asks for.
    let state = &session.context.directories.state;
    let partial = || {
        let record = Record::fresh(state, project.root(), shell, session.context.now)?;
        builder::built_at(record.objects.first()?)
    };
    let built_shell = found.or_else(partial);
    let built = |tool: &Tool| {
        built_shell
            .as_ref()?
            .tools
            .iter()
            .find(|built| built.tool == *tool)
    };
    Ok(inputs
        .shell
        .tools
        .iter()
        .map(|(tool, request)| ToolStatus {
            locked: inputs
                .lockfile
                .locked(tool, request)
                .map(|locked| locked.version.to_string()),
            version: built(tool).map(|built| built.version.to_string()),
            host: built(tool).and_then(|built| match &built.origin {
                ToolOrigin::Host { program, .. } => Some(program.clone()),
                ToolOrigin::Store(_) => None,
            }),
            ..requested(tool, request)
        })
        .collect())
}

/// Returns a tool of which only the request is known.
fn requested(tool: &Tool, request: &ToolRequest) -> ToolStatus {
    ToolStatus {
        name: tool.to_string(),
        requirement: manifest::whole(request),
        place: manifest::decisive(request).listed(),
        locked: None,
        version: None,
        host: None,
    }
}
