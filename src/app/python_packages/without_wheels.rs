//! Packages that have no wheel. Their own build runs code, so the user decides about each of them.

use std::collections::BTreeSet;

use crate::{
    app::{query_versions, session::Session},
    lockfile::PythonKey,
    package::{PackageName, Version},
    project::Project,
    python::PythonRequirement,
    report::failure::Failure,
    sources::pypi::{self, AdmittedFiles},
    util::parallel,
};

use super::builds;

/// The number of pages of the index that are read at the same time.
pub(super) const PARALLEL: usize = 8;
/// The most names of one answer that are looked up.
const MOST_NAMED: usize = 200;

/// The names in uv's answer about a list that does not resolve. Other words of the answer can be among them, so only an
/// index decides about a name.
pub(super) type NamedPackages = BTreeSet<PackageName>;

/// Returns the packages that a list names, that have no wheel, and that no manifest lets run their own build.
pub(super) fn unnamed_builds(
    session: &Session<'_>,
    project: &Project,
    key: &PythonKey,
) -> Result<BTreeSet<String>, Failure> {
    if has_other_index(key) {
        return Ok(BTreeSet::new());
    }
    let parsed = key.requirements.iter();
    let parsed = parsed.filter_map(|one| one.parse::<PythonRequirement>().ok());
    let requirements: Vec<PythonRequirement> = parsed
        .filter(|one| one.url.is_none() && one.marker.may_hold())
        .collect();
    let client = session.client()?;
    let sources = query_versions::sources(session, &client)?;
    let lacking = parallel::map(PARALLEL, &requirements, |one| {
        let admits = |version: &Version| one.admits(version.as_str());
        pypi::admitted_files(&one.name, admits, sources)
    });
    let lacking = requirements.iter().zip(lacking);
    // A package that the index does not have is not built.
    let lacking = lacking.filter(|(_, files)| matches!(files, Ok(AdmittedFiles::NoWheel)));
    let names = lacking.map(|(one, _)| one.name.to_string()).collect();
    Ok(without_named(project, names))
}

/// Returns those of the packages that an answer about a list names that have no wheel at all, and that no manifest lets run
/// their own build: packages of packages, which the list itself does not name.
pub(super) fn unnamed_builds_of_packages(
    session: &Session<'_>,
    project: &Project,
    key: &PythonKey,
    named: &NamedPackages,
) -> Result<BTreeSet<String>, Failure> {
    if has_other_index(key) {
        return Ok(BTreeSet::new());
    }
    let named: Vec<&PackageName> = named.iter().take(MOST_NAMED).collect();
    let client = session.client()?;
    let sources = query_versions::sources(session, &client)?;
    let lacking = parallel::map(PARALLEL, &named, |name| {
        pypi::admitted_files(name, |_| true, sources)
    });
    let lacking = named.iter().zip(lacking);
    let lacking = lacking.filter(|(_, files)| matches!(files, Ok(AdmittedFiles::NoWheel)));
    let builds = lacking.map(|(name, _)| name.to_string()).collect();
    Ok(without_named(project, builds))
}

/// Returns whether packages come from another index, where they are not looked up.
pub(super) fn has_other_index(key: &PythonKey) -> bool {
    key.options.iter().any(|option| option.contains("://"))
}

fn without_named(project: &Project, mut names: BTreeSet<String>) -> BTreeSet<String> {
    for shell in project.preview().shells.values() {
        for named in builds(shell) {
            names.remove(&named);
        }
    }
    names
}
