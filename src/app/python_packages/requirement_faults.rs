//! Finds the requirement of a list that the index cannot serve, if a list does not resolve for this reason.

use std::{collections::BTreeSet, fmt};

use crate::{
    app::{query_versions, session::Session},
    lockfile::PythonKey,
    manifest::{DevShell, Located, Origin},
    package::{PackageName, Version, wheel::MINORS},
    project::Project,
    python::PythonRequirement,
    report::failure::Failure,
    sources::{
        self,
        pypi::{self, AdmittedFiles},
    },
    util::parallel,
};

use super::{
    builds, lockfile_of, selection,
    without_wheels::{NamedPackages, PARALLEL, has_other_index},
};

/// A requirement that the index cannot serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequirementFault {
    pub requirement: Located<String>,
    gap: IndexGap,
}

/// The reasons why the index cannot serve a requirement, the worst first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum IndexGap {
    Package,
    Version { newest: Option<Version> },
    WheelsForPython { minor: u32, nearest: u32 },
    Wheels,
}

impl fmt::Display for IndexGap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package => formatter.write_str("is not on the index"),
            Self::Version { newest } => {
                formatter.write_str("matches no version on the index")?;
                match newest {
                    Some(newest) => write!(formatter, ", the newest is {newest}"),
                    None => Ok(()),
                }
            }
            Self::WheelsForPython { minor, nearest } => write!(
                formatter,
                "has no wheel for Python 3.{minor}, but for 3.{nearest}"
            ),
            Self::Wheels => formatter.write_str("has no wheel"),
        }
    }
}

impl RequirementFault {
    /// Returns what the index lacks, in words that follow the requirement.
    pub(super) fn reason(&self) -> String {
        self.gap.to_string()
    }
}

impl fmt::Display for RequirementFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Located { value, origin } = &self.requirement;
        write!(formatter, "`{value}` {} ({origin})", self.gap)
    }
}

/// Returns the failure for the list of a dev shell: that of uv, or what the faults say of it.
pub(super) fn to_failure(shell: &DevShell, faults: &[RequirementFault], of_uv: Failure) -> Failure {
    let Some((first, others)) = faults.split_first() else {
        return of_uv;
    };
    let failure = others
        .iter()
        .fold(Failure::new(first.to_string()), |failure, other| {
            failure.note(other.to_string())
        });
    match &first.gap {
        IndexGap::Package => failure.hint("correct the name, or remove it"),
        IndexGap::WheelsForPython { nearest, .. } => {
            let mut tools = shell.tools.iter();
            let asked = tools.find(|(tool, _)| tool.is_interpreter());
            let asked = asked.map(|(_, request)| &request.requirement);
            match asked.filter(|asked| asked.value.as_str() != "*") {
                Some(asked) => failure.hint(format!("write `3.{nearest}` at {}", asked.origin)),
                None => failure,
            }
        }
        // They say who decides about a build.
        IndexGap::Wheels => Failure {
            notes: [failure.notes, of_uv.notes].concat(),
            hints: of_uv.hints,
            ..failure
        },
        IndexGap::Version { .. } => failure,
    }
}

/// Returns the requirements of a dev shell with their places.
pub(super) fn own_requirements(project: &Project, shell: &DevShell) -> Vec<Located<String>> {
    let mut all = Vec::new();
    if let Some((locked, lock)) = lockfile_of(project, shell)
        && let Ok(selection) = selection(shell, locked, lock)
    {
        all.extend(locked.placed_loose(&selection).map(|one| Located {
            value: one.requirement.as_str().to_owned(),
            origin: one.origin.clone(),
        }));
    }
    all.extend(shell.python.packages.iter().cloned());
    all
}

/// Returns the place of a requirement of a dev shell.
pub(super) fn place_of(project: &Project, shell: &DevShell, requirement: &str) -> Option<Origin> {
    let all = own_requirements(project, shell).into_iter();
    let mut same = all.filter(|one| one.value == requirement);
    same.next().map(|one| one.origin)
}

/// A list that does not resolve.
#[derive(Clone, Copy)]
pub(super) struct FailedQuery<'a> {
    pub key: &'a PythonKey,
    pub shell: &'a DevShell,
    /// The oldest Python that it was resolved for (`3.13`).
    pub python: &'a str,
    /// All words of the answer that can be names: the index is only asked about these.
    pub words: &'a NamedPackages,
    /// The packages that may run their own build.
    pub builds: &'a BTreeSet<String>,
}

/// Returns those of the `candidates` that the index cannot serve, the worst first. There are none if the index
/// does not answer, or if the list has indexes of its own.
pub(super) fn find_faults(
    session: &Session<'_>,
    query: FailedQuery<'_>,
    candidates: Vec<Located<String>>,
) -> Vec<RequirementFault> {
    if has_other_index(query.key) || session.options.offline {
        return Vec::new();
    }
    let minor = query.python.strip_prefix("3.");
    let minor = minor.and_then(|minor| minor.parse::<u32>().ok());
    // Wheels for older Pythons are not counted.
    let minor = minor.filter(|minor| MINORS.contains(minor));
    let parsed = candidates.into_iter().filter_map(|one| {
        let parsed = one.value.parse::<PythonRequirement>().ok()?;
        let is_named = query.words.contains(&parsed.name);
        (is_named && parsed.url.is_none() && parsed.marker.may_hold()).then_some((one, parsed))
    });
    let parsed: Vec<(Located<String>, PythonRequirement)> = parsed.collect();
    let Ok(client) = session.client() else {
        return Vec::new();
    };
    let Ok(sources) = query_versions::sources(session, &client) else {
        return Vec::new();
    };
    let mut may_build = builds(query.shell);
    may_build.extend(query.builds.iter().cloned());
    let gap = |parsed: &PythonRequirement| {
        let admits = |version: &Version| parsed.admits(version.as_str());
        let may_build = || may_build.contains(parsed.name.as_str());
        Some(match pypi::admitted_files(&parsed.name, admits, sources) {
            Err(sources::Error::UnknownPackage { .. }) => IndexGap::Package,
            Ok(AdmittedFiles::NoVersion { newest }) => IndexGap::Version { newest },
            Ok(AdmittedFiles::NoWheel) if minor.is_some() && !may_build() => IndexGap::Wheels,
            Ok(AdmittedFiles::Wheels { minors }) if !may_build() => {
                let minor = minor.filter(|minor| !minors.contains(minor))?;
                // A list is for newer Pythons too, so only older wheels are of no use.
                let older = minors.range(..minor).next_back();
                let nearest = *older.or_else(|| minors.first())?;
                IndexGap::WheelsForPython { minor, nearest }
            }
            _ => return None,
        })
    };
    let gaps = parallel::map(PARALLEL, &parsed, |(_, parsed)| gap(parsed));
    let faults = parsed.into_iter().zip(gaps).filter_map(|((one, _), gap)| {
        Some(RequirementFault {
            requirement: one,
            gap: gap?,
        })
    });
    let mut faults: Vec<RequirementFault> = faults.collect();
    faults.sort_by(|one, other| one.gap.cmp(&other.gap));
    let mut seen = BTreeSet::new();
    faults.retain(|one| seen.insert(one.requirement.value.clone()));
    faults
}

/// Returns the words of an answer that can be names of packages.
pub(super) fn possible_names(output: &[String]) -> NamedPackages {
    let is_other = |letter: char| !(letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    let words = output.iter().flat_map(|line| line.split(is_other));
    let names = words.map(|word| word.trim_matches(['.', '-']));
    names
        .filter_map(|name| name.parse::<PackageName>().ok())
        .collect()
}
