//! `devsh search`: what the sources have under a name.

use serde::Serialize;

use crate::{
    package::{PackageName, Requirement, Source, System, Tool},
    report::{
        failure::{ExitStatus, Failure},
        ui::Role,
    },
    sources::Subject,
    util::parallel,
};

use super::lock;
use crate::{
    app::{query_versions, session::Work},
    cli::table::Table,
};

/// How many versions are told beside the newest.
const VERSIONS: usize = 10;

/// One tool; the JSON form is part of the interface.
#[derive(Debug, Serialize)]
struct Row {
    /// As a manifest names it.
    tool: String,
    source: String,
    package: String,
    newest: Option<String>,
    /// The newest ones, newest first.
    versions: Vec<String>,
    systems: Vec<String>,
    /// Why the tool cannot be had, if it cannot.
    problem: Option<String>,
}

/// Runs `devsh search`.
pub fn run(work: &Work<'_>, name: &str, json: bool) -> Result<(), Failure> {
    let tools = candidates(name)?;
    let system = lock::system(work)?;
    let rows = parallel::map(8, &tools, |tool| look_up(work, tool, system));
    // A package that only the letters of the name suggested is no answer when it does not exist.
    let (found, missing): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|row| row.newest.is_some());
    if json {
        let all: Vec<&Row> = found.iter().chain(&missing).collect();
        return crate::cli::print_json(work.ui, &all);
    }
    if found.is_empty() {
        let failure = Failure::new(format!("no source has a tool `{name}`"));
        let problems = missing.iter().filter_map(|row| row.problem.clone());
        return Err(problems
            .fold(failure, Failure::note)
            .code(ExitStatus::Failed));
    }
    let mut table = Table::new(&["TOOL", "NEWEST", "EARLIER", "SOURCE", "SYSTEMS"]);
    for row in &found {
        let earlier: Vec<&str> = row
            .versions
            .iter()
            .skip(1)
            .take(3)
            .map(String::as_str)
            .collect();
        let package = if row.tool.contains(&row.package) {
            row.source.clone()
        } else {
            format!("{} ({})", row.source, row.package)
        };
        table.row(vec![
            (Some(Role::Strong), row.tool.clone()),
            (Some(Role::Good), row.newest.clone().unwrap_or_default()),
            (Some(Role::Dim), earlier.join(" ")),
            (None, package),
            (None, systems(&row.systems)),
        ]);
    }
    crate::cli::list(work.ui, &table.render(work.ui.out_style()))?;
    if let Some(first) = found.first() {
        let command = work.command(&format!("add {}", first.tool));
        work.ui
            .note(&format!("`{command}` puts it into the manifest"));
    }
    Ok(())
}

/// The tools that a name may mean: short names that have it, and the package itself.
fn candidates(name: &str) -> Result<Vec<Tool>, Failure> {
    let usage =
        |error: crate::package::Invalid| Failure::new(error.to_string()).code(ExitStatus::Usage);
    if name.contains(':') {
        return Ok(vec![name.parse().map_err(usage)?]);
    }
    let package: PackageName = name.parse().map_err(usage)?;
    let short = Tool::short_names().filter(|short| short.contains(package.as_str()));
    let mut tools: Vec<Tool> = short.filter_map(|name| name.parse().ok()).collect();
    let whole = format!("{}:{package}", Source::Pypi)
        .parse()
        .map_err(usage)?;
    if !tools
        .iter()
        .any(|tool| tool.name == package || *tool == whole)
    {
        tools.push(whole);
    }
    // The name itself comes before what only has it inside.
    tools.sort_by_key(|tool| (tool.name != package, tool.to_string()));
    Ok(tools)
}

fn look_up(work: &Work<'_>, tool: &Tool, system: System) -> Row {
    let mut row = Row {
        tool: tool.to_string(),
        source: tool.source.to_string(),
        package: tool.package.to_string(),
        newest: None,
        versions: Vec::new(),
        systems: Vec::new(),
        problem: None,
    };
    let request = query_versions::request(Requirement::any());
    let found =
        query_versions::offers(work, &[(tool.clone(), request.clone())]).and_then(|index| {
            let chosen = query_versions::choice(tool, &request, &index, system)?;
            let all = index
                .candidates(&Subject::of(tool, &request))
                .unwrap_or_default();
            let usable = all.iter().filter(|one| {
                !one.version.is_prerelease() && one.yanked.is_none() && !one.artifacts.is_empty()
            });
            let versions = usable
                .map(|one| one.version.to_string())
                .take(VERSIONS)
                .collect();
            Ok((chosen, versions))
        });
    match found {
        Ok((chosen, versions)) => {
            row.newest = Some(chosen.version.to_string());
            row.versions = versions;
            row.systems = chosen.artifacts.keys().map(ToString::to_string).collect();
        }
        Err(failure) => row.problem = Some(failure.error),
    }
    row
}

fn systems(names: &[String]) -> String {
    if names.len() == System::ALL.len() {
        "all".to_owned()
    } else {
        names.join(" ")
    }
}
