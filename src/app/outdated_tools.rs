//! Tools with newer versions than the locked ones.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    lockfile::{CondaSet, LockKey, Lockfile, Upgrade},
    manifest::{Manifest, NamedRequest, ToolRequest},
    package::{Requirement, Source, Version},
    report::failure::Failure,
};

use super::{
    conda_packages,
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
    /// True if `devsh lock --upgrade` would change the version.
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
    asked.extend(
        requests
            .iter()
            .map(|one| NamedRequest::of((&one.tool, &any))),
    );
    asked.retain(|one| !one.request.is_contradictory());
    let index = query_versions::offers(session, &asked)?;
    let system = session.system()?;
    let mut rows = Vec::new();
    for NamedRequest { tool, request } in &requests {
        let admitted = &query_versions::choose(tool, request, &index, system)?.version;
        // The newest version of a channel is its present one.
        let channel = request.requirement.value.channel();
        let newest = match channel.filter(|_| tool.source != Source::Node) {
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
    rows.extend(outdated_packages(session, project.preview(), &lockfile)?);
    Ok(rows)
}

/// Compares the locked conda packages that dev shells ask for with those that would be chosen now.
fn outdated_packages(
    session: &Session<'_>,
    manifest: &Manifest,
    lockfile: &Lockfile,
) -> Result<Vec<OutdatedTool>, Failure> {
    let keys = conda_packages::keys(manifest);
    let upgraded = conda_packages::resolve(session, manifest, lockfile, &Upgrade::All, &keys)?;
    let mut rows = Vec::new();
    let mut seen = BTreeSet::new();
    for shell in manifest.shells.values() {
        let channels = shell.conda_channels()?;
        for one in shell.conda_requirements()? {
            let name = one.requirement.name();
            let system = session.system()?;
            if !one.requirement.systems().contains(system) {
                continue;
            }
            if !seen.insert((one.requirement.as_str().to_owned(), channels.clone())) {
                continue;
            }
            let version = |set: Option<&CondaSet>| -> Option<String> {
                let packages = set?.packages.get(&system)?;
                let found = packages.iter().find(|package| package.name == name)?;
                Some(found.version.clone())
            };
            let locked = version(conda_packages::of_shell(lockfile, shell));
            let admitted = version(conda_packages::of_shell_in(&upgraded.sets, shell));
            let releases = query_versions::conda_releases(session, &channels, name)?;
            let newest = releases.first().map(|release| release.version.clone());
            rows.push(OutdatedTool {
                tool: format!("{}:{name}", Source::Conda),
                requirement: one.requirement.to_string(),
                place: one.origin.to_string(),
                outdated: admitted.is_some() && locked != admitted,
                newest: newest.or_else(|| admitted.clone()),
                locked,
                admitted,
            });
        }
    }
    Ok(rows)
}

fn later<'v>(one: &'v Version, other: &'v Version) -> &'v Version {
    if one < other { other } else { one }
}
