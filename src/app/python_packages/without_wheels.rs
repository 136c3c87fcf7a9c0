//! Packages that have no wheel. Their own build runs code, so the user decides about each of them.

use std::collections::BTreeSet;

use crate::{
    app::{query_versions, session::Session},
    lockfile::{Lockfile, PythonKey},
    package::Version,
    project::Project,
    python::PythonRequirement,
    report::failure::Failure,
    sources::pypi,
    util::parallel,
};

use super::{builds, keys};

/// The number of pages of the index that are read at the same time.
const PARALLEL: usize = 8;

/// Returns the packages that a list names, that have no wheel, and that no manifest lets run their own build.
pub(super) fn unnamed_builds(
    session: &Session<'_>,
    project: &Project,
    key: &PythonKey,
) -> Result<BTreeSet<String>, Failure> {
    // Packages of other indexes are not looked up.
    if key.options.iter().any(|option| option.contains("://")) {
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
        pypi::lacks_wheels(&one.name, admits, sources)
    });
    let lacking = requirements.iter().zip(lacking);
    // A package that the index does not have is not built.
    let lacking = lacking.filter(|(_, lacks)| matches!(lacks, Ok(true)));
    let mut names: BTreeSet<String> = lacking.map(|(one, _)| one.name.to_string()).collect();
    for shell in project.preview().shells.values() {
        for named in builds(shell) {
            names.remove(&named);
        }
    }
    Ok(names)
}

/// Returns the packages without a wheel that the user has not let run their own build.
pub fn new_builds(
    session: &Session<'_>,
    project: &Project,
    lockfile: &Lockfile,
) -> Result<BTreeSet<String>, Failure> {
    let mut new = BTreeSet::new();
    for key in keys(project) {
        match lockfile.python.get(&key) {
            Some(set) => new.extend(set.builds.iter().cloned()),
            None => new.extend(unnamed_builds(session, project, &key)?),
        }
    }
    new.retain(|name| !project.build_permission().includes(name));
    Ok(new)
}
