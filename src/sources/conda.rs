//! OS-level packages of conda channels: records, and a consistent choice for every system.
//!
//! `lock` reads the records that the requirements can reach (`records`), lets rattler's solver choose for each system
//! (`solver`), and explains why nothing fits (`conflict`). Systems are declared by virtual packages and never detected,
//! so every machine locks the same packages.

mod conflict;
mod document_cache;
mod error;
mod memory_budget;
mod record_index;
mod records;
mod solver;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rattler_conda_types::RepoDataRecord;

use super::Sources;
use crate::{
    lockfile::{CondaSet, EntryOrigin, LockedConda},
    package::{CondaChannel, CondaFloors, CondaRequirement, Sha256, System},
    util::parallel,
};

pub use conflict::{Clash, Conflict, Floor, Need};
pub use error::Error;
use records::Records;
use solver::{SolverAnswer, SolverProblem};

/// The time for the choices for all systems. The largest environments take some seconds.
const SOLVER_TIME: Duration = Duration::from_mins(2);

/// The requirements of a dev shell.
#[derive(Debug, Clone)]
pub struct CondaQuery<'a> {
    /// The channels, the one that wins first.
    pub channels: &'a [CondaChannel],
    pub requirements: &'a [CondaRequirement],
    pub floors: CondaFloors,
    /// The packages that stay if they can, for each system.
    pub preferred: &'a CondaSet,
}

/// The answer for every system.
#[derive(Debug)]
pub struct CondaSolution {
    pub set: CondaSet,
    /// The reasons for systems that are missing from the set.
    pub missing: BTreeMap<System, Conflict>,
}

/// Chooses the packages for every system.
pub fn lock(query: &CondaQuery<'_>, sources: Sources<'_>) -> Result<CondaSolution, Error> {
    let records = Records::load(query, sources)?;
    let deadline = Instant::now() + SOLVER_TIME;
    let answers = parallel::map(System::ALL.len(), &System::ALL, |system| {
        let requirements = query.requirements.iter();
        let requirements: Vec<CondaRequirement> = requirements
            .filter(|one| one.systems().contains(*system))
            .cloned()
            .collect();
        let problem = SolverProblem {
            records: records.of(*system),
            requirements: &requirements,
            floors: query.floors,
            system: *system,
            preferred: query
                .preferred
                .packages
                .get(system)
                .map(Vec::as_slice)
                .unwrap_or_default(),
            deadline,
        };
        match problem.solve() {
            SolverAnswer::Chosen(chosen) => Ok(Ok(locked(chosen)?)),
            SolverAnswer::Unsatisfiable => Ok(Err(conflict::explain(&problem, &records))),
            SolverAnswer::TimedOut => Err(Error::SolverTime {
                system: *system,
                limit: SOLVER_TIME,
            }),
            SolverAnswer::Failed(message) => Err(Error::Solver { message }),
        }
    });
    let mut solution = CondaSolution {
        set: CondaSet {
            origin: EntryOrigin::Chosen,
            ..CondaSet::default()
        },
        missing: BTreeMap::new(),
    };
    for (system, answer) in System::ALL.into_iter().zip(answers) {
        match answer? {
            Ok(packages) => drop(solution.set.packages.insert(system, packages)),
            Err(conflict) => drop(solution.missing.insert(system, conflict)),
        }
    }
    Ok(solution)
}

/// A version of a package in a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CondaRelease {
    pub version: String,
    /// The channel that has it.
    pub channel: CondaChannel,
    pub systems: BTreeSet<System>,
}

/// Returns the versions of a package, newest first.
pub fn releases(
    channels: &[CondaChannel],
    name: &str,
    sources: Sources<'_>,
) -> Result<Vec<CondaRelease>, Error> {
    let records = Records::load_named(channels, name, sources)?;
    Ok(records.releases(name))
}

/// Returns the chosen records as they are locked, sorted by name.
fn locked(chosen: Vec<RepoDataRecord>) -> Result<Vec<LockedConda>, Error> {
    let mut packages = Vec::new();
    for record in chosen {
        let file = || {
            record
                .url
                .path_segments()
                .and_then(Iterator::last)
                .unwrap_or_default()
                .to_owned()
        };
        let sha256 = record.package_record.sha256.as_ref();
        let digest: Option<[u8; 32]> = sha256.and_then(|digest| digest.as_slice().try_into().ok());
        let digest = digest.ok_or_else(|| Error::NoDigest { file: file() })?;
        let (name, version, build) =
            LockedConda::identity(&record.url).ok_or_else(|| Error::OddName { file: file() })?;
        let extras = record.package_record.extra_depends.values().flatten();
        packages.push(LockedConda {
            name,
            version,
            build,
            sha256: Sha256::from_bytes(digest),
            size: record.package_record.size,
            depends: record
                .package_record
                .depends
                .iter()
                .chain(extras)
                .cloned()
                .collect(),
            url: record.url,
        });
    }
    packages.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(packages)
}

#[cfg(test)]
mod tests;
