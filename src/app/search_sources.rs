//! Tools and packages of the sources by name.

use serde::Serialize;

use crate::{
    manifest::{DevShell, NamedRequest, ShellName, ToolRequest},
    package::{
        PackageName, Requirement, Source, System, Tool,
        catalogue::{CATALOGUE, CatalogueEntry},
    },
    project::Project,
    report::failure::Failure,
    sources::CandidateKey,
    util::parallel,
};

use super::{query_versions, session::Session};

/// The largest number of versions in a result.
const VERSIONS: usize = 10;
/// The number of versions before the newest one that a listing shows.
const SHOWN_EARLIER: usize = 3;

/// One tool. The JSON form is part of the interface.
#[derive(Debug, Serialize)]
pub struct SearchResult {
    /// The name in a manifest.
    pub tool: String,
    /// Its purpose, if the catalogue of devsh has it.
    pub description: Option<String>,
    pub kind: SearchKind,
    pub source: String,
    pub package: String,
    pub newest: Option<String>,
    /// The newest versions, newest first; of Python the newest of each minor version.
    pub versions: Vec<String>,
    /// The number of versions before the newest one that a listing shows.
    #[serde(skip)]
    pub shown_earlier: usize,
    pub systems: Vec<String>,
    /// The reason, if no version is available.
    pub problem: Option<String>,
}

/// The kind of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SearchKind {
    /// A program of the catalogue.
    Tool,
    /// A program of the catalogue that is written in Python.
    Application,
    /// A package of an index that the catalogue does not know: anyone can publish one, and it may have no program.
    Library,
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
    // The catalogue knows a tool whose source cannot be reached.
    let is_shown = |row: &SearchResult| row.newest.is_some() || row.kind != SearchKind::Library;
    let (found, missing) = rows.into_iter().partition(is_shown);
    Ok(SearchResults { found, missing })
}

/// A tool to look up.
struct SearchedTool {
    /// The name in a manifest.
    name: String,
    /// The tool, if a source of this version of devsh can have it.
    tool: Option<Tool>,
    entry: Option<&'static CatalogueEntry>,
}

impl SearchedTool {
    fn known(name: &str, entry: Option<&'static CatalogueEntry>) -> Self {
        let tool: Option<Tool> = name.parse().ok();
        let name = name.to_owned();
        Self { name, tool, entry }
    }
}

/// Returns the tools that a name can mean: those of the catalogue, and the package of that name if it is no usual tool.
fn candidates(name: &str) -> Result<Vec<SearchedTool>, Failure> {
    if name.contains(':') {
        let tool: Tool = name.parse()?;
        return Ok(vec![SearchedTool {
            name: tool.to_string(),
            tool: Some(tool),
            entry: None,
        }]);
    }
    let package: PackageName = name.parse()?;
    let wanted = package.as_str();
    let usual = CatalogueEntry::find_other_name(wanted);
    let entries = CATALOGUE.iter().filter(|entry| {
        let mut names = entry.also.iter().chain(entry.programs);
        has_word(entry.name, wanted) || names.any(|one| *one == wanted)
    });
    let mut tools: Vec<SearchedTool> = entries
        .map(|entry| SearchedTool::known(entry.name, Some(entry)))
        .collect();
    let short = Tool::short_names().filter(|short| has_word(short, wanted));
    for short in short {
        if !tools.iter().any(|one| one.name == short) {
            tools.push(SearchedTool::known(short, None));
        }
    }
    let is_usual = usual.is_some() || wanted.parse::<Tool>().is_ok();
    if !is_usual {
        let whole: Tool = format!("{}:{package}", Source::Pypi).parse()?;
        tools.push(SearchedTool {
            name: whole.to_string(),
            tool: Some(whole),
            entry: None,
        });
    }
    // The exact name comes first, then the tool that it is another name of.
    tools.sort_by_key(|one| {
        let entry = one.entry.map(|entry| entry.name);
        let is_exact = one.name == wanted || entry == Some(wanted);
        let is_usual = entry.is_some() && entry == usual.map(|usual| usual.name);
        (!is_exact, !is_usual, one.name.clone())
    });
    Ok(tools)
}

/// Adds the versions of a conda package; each counts for the systems that have it.
fn add_conda_versions(session: &Session<'_>, tool: &Tool, row: &mut SearchResult) {
    // Channels of a project that is not allowed are not asked.
    let project = session.project().ok().filter(Project::is_complete);
    let shells = project.as_ref().map(|project| &project.preview().shells);
    let dev = shells.and_then(|shells| shells.get(&ShellName::dev()));
    let releases = dev
        .map_or_else(
            || DevShell::default().conda_channels(),
            DevShell::conda_channels,
        )
        .map_err(Failure::from)
        .and_then(|channels| {
            query_versions::conda_releases(session, &channels, tool.package.as_str())
        });
    match releases {
        Ok(releases) => {
            let newest = releases.first();
            row.newest = newest.map(|one| one.version.clone());
            let systems = newest.map(|one| one.systems.clone()).unwrap_or_default();
            row.systems = systems.iter().map(ToString::to_string).collect();
            let versions = releases.into_iter().take(VERSIONS);
            row.versions = versions.map(|one| one.version).collect();
            if row.versions.is_empty() {
                row.problem = Some(format!("the channel has no package `{}`", tool.package));
            }
        }
        Err(failure) => row.problem = Some(failure.error),
    }
}

/// Returns whether a word of the name begins or ends with `wanted`: `sql` finds `mysql`, but `ruff` not `trufflehog`.
fn has_word(name: &str, wanted: &str) -> bool {
    name.contains(wanted)
        && (name.starts_with(wanted)
            || name
                .split('-')
                .any(|word| word.starts_with(wanted) || word.ends_with(wanted)))
}

fn look_up(session: &Session<'_>, searched: &SearchedTool, system: System) -> SearchResult {
    let entry = searched.entry;
    let tool = searched.tool.as_ref();
    let is_named =
        tool.is_some_and(|tool| !searched.name.contains(':') && tool.to_string() == searched.name);
    let mut row = SearchResult {
        tool: searched.name.clone(),
        description: entry.map(|entry| entry.description.to_owned()),
        kind: match entry {
            Some(entry) if entry.is_application => SearchKind::Application,
            Some(_) => SearchKind::Tool,
            None if is_named => SearchKind::Tool,
            None => SearchKind::Library,
        },
        source: tool.map(|tool| tool.source.to_string()).unwrap_or_default(),
        package: tool
            .map(|tool| tool.package.to_string())
            .unwrap_or_default(),
        newest: None,
        versions: Vec::new(),
        shown_earlier: SHOWN_EARLIER,
        systems: Vec::new(),
        problem: None,
    };
    let Some(tool) = tool else {
        row.problem = Some("no source of this devsh has it".to_owned());
        return row;
    };
    if tool.source == Source::Conda {
        add_conda_versions(session, tool, &mut row);
        return row;
    }
    let request = ToolRequest::new(Requirement::any());
    let found =
        query_versions::offers(session, &[NamedRequest::of((tool, &request))]).and_then(|index| {
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
            let mut versions: Vec<_> = usable.map(|one| &one.version).collect();
            versions.sort_by(|one, other| other.cmp(one));
            if tool.source == Source::Python {
                versions.dedup_by_key(|version| version.release().get(..2));
                row.shown_earlier = VERSIONS;
            }
            let versions = versions.into_iter().take(VERSIONS);
            let versions = versions.map(ToString::to_string).collect();
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
