//! Tools with newer versions than the locked ones.

use serde::Serialize;

use crate::{
    lockfile::LockKey,
    manifest::ToolRequest,
    package::{Requirement, Version},
    report::failure::Failure,
};

use super::{
    lockfiles::{all_requests, joined_lockfile},
    query_versions,
    session::Session,
    trust,
};

/// One tool. The JSON form is part of the interface.
#[derive(Debug, Serialize)]
pub struct OutdatedTool {
    pub tool: String,
    pub requirement: String,
    /// The place of the requirement, `file:line`.
    pub place: String,
    pub locked: Option<String>,
    /// The newest version that the requirement allows.
    pub admitted: Option<String>,
    /// The newest version.
    pub newest: Option<String>,
    /// Whether `devsh lock --upgrade` would change the version.
    pub outdated: bool,
}

/// Compares the locked versions of the project with those of the sources.
pub fn outdated_tools(session: &Session<'_>) -> Result<Vec<OutdatedTool>, Failure> {
    let project = trust::trusted_project(session)?;
    let project = project.get();
    let lockfile = joined_lockfile(session, project)?.lockfile;
    let requests = all_requests(project.preview());
    let any = ToolRequest::new(Requirement::any());
    let mut asked = requests.clone();
    asked.extend(requests.iter().map(|(tool, _)| (tool.clone(), any.clone())));
    asked.retain(|(_, request)| !request.is_contradictory());
    let index = query_versions::offers(session, &asked)?;
    let system = session.system()?;
    let mut rows = Vec::new();
    for (tool, request) in &requests {
        let admitted = &query_versions::choose(tool, request, &index, system)?.version;
        // The newest version of a channel is its present one.
        let newest = match request.requirement.value.channel() {
            Some(_) => admitted,
            None => &query_versions::choose(tool, &any, &index, system)?.version,
        };
        let locked = lockfile.locked(tool, request).map(|locked| &locked.version);
        rows.push(OutdatedTool {
            tool: tool.to_string(),
            requirement: LockKey::for_request(tool, request).requirement,
            place: request.requirement.origin.to_string(),
            locked: locked.map(ToString::to_string),
            outdated: locked.is_some_and(|locked| locked < admitted),
            newest: Some(later(newest, admitted).to_string()),
            admitted: Some(admitted.to_string()),
        });
    }
    Ok(rows)
}

fn later<'v>(one: &'v Version, other: &'v Version) -> &'v Version {
    if one < other { other } else { one }
}
