//! Why no packages meet the requirements, in terms of the requirements and not of the solver.
//!
//! The solver names every package that it tried. Instead, requirements are left out one by one until each that remains
//! is needed for the conflict; solving takes milliseconds.

use rattler_conda_types::{MatchSpec, Matches as _, ParseMatchSpecOptions, RepoDataRecord};

use super::{
    records::Records,
    solver::{SolverAnswer, SolverProblem},
};
use crate::{
    package::{CondaFloors, CondaRequirement, System, conda_package_of},
    util::nearest::nearest,
};

/// Requirements that no packages meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub system: System,
    pub clash: Clash,
}

/// A kind of conflict; requirements are texts of the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clash {
    /// No channel has the package.
    UnknownPackage {
        requirement: String,
        channels: Vec<String>,
        /// The package with the most similar name, if one is similar.
        near: Option<String>,
    },
    /// The channels have the package for other systems only.
    OtherSystems { requirement: String },
    /// No version or build of the package is admitted.
    NoVersion {
        requirement: String,
        package: String,
        newest: String,
    },
    /// The packages need a newer system than the manifest declares.
    Floor {
        requirements: Vec<String>,
        floor: Floor,
        declared: String,
        needed: String,
    },
    /// These requirements exclude each other.
    Together {
        requirements: Vec<String>,
        /// The dependencies that exclude each other, where two of them do.
        reason: Option<[Need; 2]>,
    },
}

/// A declared property of the oldest system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Floor {
    Glibc,
    Macos,
}

impl Floor {
    /// Returns the key of the manifest.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Macos => "macos",
        }
    }
}

/// A dependency of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The package with its version (`gdal 3.8.1`).
    pub package: String,
    pub dependency: String,
}

/// Returns why `problem` has no answer.
pub(super) fn explain(problem: &SolverProblem<'_>, records: &Records) -> Conflict {
    let simple = problem
        .requirements
        .iter()
        .find_map(|one| unmet_alone(problem, records, one));
    let clash = simple.unwrap_or_else(|| unmet_together(problem));
    Conflict {
        system: problem.system,
        clash,
    }
}

/// Returns why no record meets one requirement.
fn unmet_alone(
    problem: &SolverProblem<'_>,
    records: &Records,
    requirement: &CondaRequirement,
) -> Option<Clash> {
    let text = requirement.as_str().to_owned();
    let name = requirement.name();
    let all = || problem.records.iter().flat_map(|records| records.iter());
    let own = || all().filter(|record| record.package_record.name.as_normalized() == name);
    if own().any(|record| requirement.spec().matches(record)) {
        return None;
    }
    let newest = own().max_by(|one, other| {
        one.package_record
            .version
            .cmp(&other.package_record.version)
    });
    Some(match newest {
        Some(newest) => Clash::NoVersion {
            requirement: text,
            package: name.to_owned(),
            newest: newest.package_record.version.to_string(),
        },
        None if records.knows(name) => Clash::OtherSystems { requirement: text },
        None => Clash::UnknownPackage {
            requirement: text,
            channels: records.channels().iter().map(ToString::to_string).collect(),
            near: nearest(name, records.names()).map(ToOwned::to_owned),
        },
    })
}

/// Returns the conflict of the fewest requirements.
fn unmet_together(problem: &SolverProblem<'_>) -> Clash {
    let mut core: Vec<CondaRequirement> = problem.requirements.to_vec();
    let mut at = 0;
    while at < core.len() && core.len() > 1 {
        let mut fewer = core.clone();
        fewer.remove(at);
        // Without an answer in time, more requirements are named than needed.
        match answer(problem, &fewer, problem.floors) {
            SolverAnswer::Unsatisfiable | SolverAnswer::Failed(_) => core = fewer,
            SolverAnswer::Chosen(_) | SolverAnswer::TimedOut => at += 1,
        }
    }
    let requirements: Vec<String> = core.iter().map(|one| one.as_str().to_owned()).collect();
    if let Some((floor, declared, needed)) = needed_floor(problem, &core) {
        return Clash::Floor {
            requirements,
            floor,
            declared,
            needed,
        };
    }
    Clash::Together {
        reason: opposed(problem, &core),
        requirements,
    }
}

fn answer(
    problem: &SolverProblem<'_>,
    requirements: &[CondaRequirement],
    floors: CondaFloors,
) -> SolverAnswer {
    let problem = SolverProblem {
        requirements,
        floors,
        preferred: &[],
        ..problem.clone()
    };
    problem.solve()
}

fn chosen(
    problem: &SolverProblem<'_>,
    requirements: &[CondaRequirement],
    floors: CondaFloors,
) -> Option<Vec<RepoDataRecord>> {
    match answer(problem, requirements, floors) {
        SolverAnswer::Chosen(records) => Some(records),
        _ => None,
    }
}

/// Returns the oldest system on which the requirements can be met, if it is newer than the declared one.
fn needed_floor(
    problem: &SolverProblem<'_>,
    core: &[CondaRequirement],
) -> Option<(Floor, String, String)> {
    let candidates: Vec<String> = if problem.system.is_linux() {
        (0..100).map(|minor| format!("2.{minor}")).collect()
    } else {
        // After macOS 15 came 26.
        (10..100).map(|major| format!("{major}.0")).collect()
    };
    let floors = |text: &String| {
        let mut floors = problem.floors;
        if problem.system.is_linux() {
            floors.glibc = text.parse().ok()?;
        } else {
            floors.macos = text.parse().ok()?;
        }
        Some(floors)
    };
    let works =
        |text: &String| floors(text).is_some_and(|one| chosen(problem, core, one).is_some());
    if !candidates.last().is_some_and(&works) {
        return None;
    }
    let at = candidates.partition_point(|one| !works(one));
    let needed = candidates.get(at)?.clone();
    Some(if problem.system.is_linux() {
        (Floor::Glibc, problem.floors.glibc.to_string(), needed)
    } else {
        (Floor::Macos, problem.floors.macos.to_string(), needed)
    })
}

/// Returns two dependencies on one package that exclude each other: one of the last requirement, and one of the others.
fn opposed(problem: &SolverProblem<'_>, core: &[CondaRequirement]) -> Option<[Need; 2]> {
    let (last, others) = core.split_last()?;
    let one = chosen(problem, others, problem.floors)?;
    let other = chosen(problem, std::slice::from_ref(last), problem.floors)?;
    let unmet = |needing: &[RepoDataRecord], having: &[RepoDataRecord]| {
        needing.iter().find_map(|record| {
            let depends = record.package_record.depends.iter();
            depends
                .filter(|text| conda_package_of(text).is_some())
                .find_map(|dependency| {
                    let options = ParseMatchSpecOptions::lenient();
                    let spec = MatchSpec::from_str(dependency, options).ok()?;
                    let name = conda_package_of(dependency)?;
                    let there = having
                        .iter()
                        .find(|there| there.package_record.name.as_normalized() == name)?;
                    (!spec.matches(there)).then(|| {
                        let need = Need {
                            package: shown(record),
                            dependency: dependency.clone(),
                        };
                        (name, need)
                    })
                })
        })
    };
    let needs = |having: &[RepoDataRecord], name: &str| {
        having.iter().find_map(|record| {
            let mut depends = record.package_record.depends.iter();
            let dependency = depends.find(|text| {
                conda_package_of(text).is_some_and(|found| found == name) && text.contains(' ')
            })?;
            Some(Need {
                package: shown(record),
                dependency: dependency.clone(),
            })
        })
    };
    let asked = |name: &str, requirements: &[CondaRequirement]| {
        requirements
            .iter()
            .find(|one| one.name() == name)
            .map(|one| Need {
                package: String::new(),
                dependency: one.as_str().to_owned(),
            })
    };
    if let Some((name, need)) = unmet(&one, &other) {
        let against = asked(&name, std::slice::from_ref(last)).or_else(|| needs(&other, &name))?;
        return Some([need, against]);
    }
    let (name, need) = unmet(&other, &one)?;
    let against = asked(&name, others).or_else(|| needs(&one, &name))?;
    Some([against, need])
}

fn shown(record: &RepoDataRecord) -> String {
    let record = &record.package_record;
    format!("{} {}", record.name.as_normalized(), record.version)
}
