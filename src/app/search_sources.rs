//! Tools and packages of the sources by name.

use serde::Serialize;

use crate::{
    manifest::ToolRequest,
    package::{PackageName, Requirement, Source, System, Tool},
    report::failure::Failure,
    sources::CandidateKey,
    util::parallel,
};

use super::{query_versions, session::Session};

/// The largest number of versions in a result.
const VERSIONS: usize = 10;

/// One tool. The JSON form is part of the interface.
#[derive(Debug, Serialize)]
pub struct SearchResult {
    /// The name in a manifest.
    pub tool: String,
    pub source: String,
    pub package: String,
    pub newest: Option<String>,
    /// The newest versions, newest first.
    pub versions: Vec<String>,
    pub systems: Vec<String>,
    /// Why no version is available, if none is.
    pub problem: Option<String>,
}

/// The version that a lockfile would have, and its systems.
struct ChosenVersion {
    version: String,
    systems: Vec<String>,
}

/// The results of a search.
#[derive(Debug)]
pub struct SearchResults {
    pub found: Vec<SearchResult>,
    /// Guesses without any version.
    pub missing: Vec<SearchResult>,
}

/// Searches all sources for a name.
pub fn search_sources(session: &Session<'_>, name: &str) -> Result<SearchResults, Failure> {
    let tools = candidates(name)?;
    let system = session.system()?;
    let rows = parallel::map(8, &tools, |tool| look_up(session, tool, system));
    let (found, missing) = rows.into_iter().partition(|row| row.newest.is_some());
    Ok(SearchResults { found, missing })
}

/// Returns the tools that a name can mean: short names that contain it, and the package of that name.
fn candidates(name: &str) -> Result<Vec<Tool>, Failure> {
    if name.contains(':') {
        return Ok(vec![name.parse()?]);
    }
    let package: PackageName = name.parse()?;
    let short = Tool::short_names().filter(|short| short.contains(package.as_str()));
    let mut tools: Vec<Tool> = short.filter_map(|name| name.parse().ok()).collect();
    let whole = format!("{}:{package}", Source::Pypi).parse()?;
    if !tools
        .iter()
        .any(|tool| tool.name == package || *tool == whole)
    {
        tools.push(whole);
    }
    // The exact name comes first.
    tools.sort_by_key(|tool| (tool.name != package, tool.to_string()));
    Ok(tools)
}

fn look_up(session: &Session<'_>, tool: &Tool, system: System) -> SearchResult {
    let mut row = SearchResult {
        tool: tool.to_string(),
        source: tool.source.to_string(),
        package: tool.package.to_string(),
        newest: None,
        versions: Vec::new(),
        systems: Vec::new(),
        problem: None,
    };
    let request = ToolRequest::new(Requirement::any());
    let found =
        query_versions::offers(session, &[(tool.clone(), request.clone())]).and_then(|index| {
            let chosen = query_versions::choose(tool, &request, &index, system)?;
            let chosen = ChosenVersion {
                version: chosen.version.to_string(),
                systems: chosen.systems().iter().map(ToString::to_string).collect(),
            };
            let all = index
                .candidates(&CandidateKey::of(tool, &request))
                .unwrap_or_default();
            let usable = all.iter().filter(|one| {
                !one.version.is_prerelease() && one.yanked.is_none() && !one.systems().is_empty()
            });
            let versions = usable
                .map(|one| one.version.to_string())
                .take(VERSIONS)
                .collect();
            Ok((chosen, versions))
        });
    match found {
        Ok((chosen, versions)) => {
            row.newest = Some(chosen.version);
            row.versions = versions;
            row.systems = chosen.systems;
        }
        Err(failure) => row.problem = Some(failure.error),
    }
    row
}
