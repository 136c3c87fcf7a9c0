//! The choice for one system, by rattler's solver: the only code that names it.

use std::time::Instant;

use rattler_conda_types::{GenericVirtualPackage, RepoDataRecord};
use rattler_solve::{
    ChannelPriority, RepoDataIter, SolveError, SolveStrategy, SolverImpl as _, SolverTask,
    resolvo::Solver,
};

use crate::{
    lockfile::LockedConda,
    package::{CondaFloors, CondaRequirement, OLDEST_KERNEL, System},
};

/// A choice to make.
#[derive(Debug, Clone)]
pub(super) struct SolverProblem<'a> {
    /// The records by directory, those of the winning channel first.
    pub(super) records: Vec<&'a [RepoDataRecord]>,
    pub(super) requirements: &'a [CondaRequirement],
    pub(super) floors: CondaFloors,
    pub(super) system: System,
    /// The packages that stay if they can.
    pub(super) preferred: &'a [LockedConda],
    /// The solver stops at this time: few requirements can take it days.
    pub(super) deadline: Instant,
}

/// The solver's answer.
pub(super) enum SolverAnswer {
    Chosen(Vec<RepoDataRecord>),
    /// No choice meets all requirements.
    Unsatisfiable,
    /// It found neither a choice nor a conflict in time.
    TimedOut,
    /// The solver cannot read the records; the cause, one line.
    Failed(String),
}

impl SolverProblem<'_> {
    /// Chooses the newest packages that meet all requirements together.
    pub(super) fn solve(&self) -> SolverAnswer {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return SolverAnswer::TimedOut;
        }
        let is_preferred =
            |record: &&RepoDataRecord| self.preferred.iter().any(|locked| locked.url == record.url);
        let locked = self.records.iter().flat_map(|records| records.iter());
        let task = SolverTask {
            available_packages: self
                .records
                .iter()
                .map(|records| RepoDataIter(records.iter()))
                .collect::<Vec<_>>(),
            locked_packages: locked.filter(is_preferred).collect(),
            pinned_packages: Vec::new(),
            virtual_packages: virtual_packages(self.system, self.floors),
            specs: self
                .requirements
                .iter()
                .map(|one| one.spec().clone())
                .collect(),
            constraints: Vec::new(),
            timeout: Some(left),
            channel_priority: ChannelPriority::Strict,
            exclude_newer: None,
            strategy: SolveStrategy::Highest,
            dependency_overrides: Vec::new(),
            excluded_candidates: std::collections::HashMap::new(),
            cancellation_token: None,
        };
        match Solver.solve(task) {
            Ok(result) => SolverAnswer::Chosen(result.records),
            Err(SolveError::Unsolvable(words)) => {
                tracing::debug!(system = %self.system, "{}", words.join("\n"));
                SolverAnswer::Unsatisfiable
            }
            Err(SolveError::Cancelled) => SolverAnswer::TimedOut,
            Err(error) => SolverAnswer::Failed(error.to_string().replace('\n', " ")),
        }
    }
}

/// Returns the properties of the oldest machines of a system, as conda names them.
pub(super) fn virtual_packages(system: System, floors: CondaFloors) -> Vec<GenericVirtualPackage> {
    let architecture = match system {
        System::LinuxX86_64 | System::MacosX86_64 => "x86_64",
        System::LinuxAarch64 => "aarch64",
        System::MacosAarch64 => "m1",
    };
    let glibc = floors.glibc.to_string();
    let macos = floors.macos.to_string();
    let mut packages = vec![("__unix", "0", "0"), ("__archspec", "1", architecture)];
    if system.is_linux() {
        packages.extend([("__linux", OLDEST_KERNEL, "0"), ("__glibc", &glibc, "0")]);
    } else {
        packages.push(("__osx", &macos, "0"));
    }
    packages
        .into_iter()
        .filter_map(|(name, version, build)| {
            Some(GenericVirtualPackage {
                name: name.parse().ok()?,
                version: version.parse().ok()?,
                build_string: build.parse().ok()?,
            })
        })
        .collect()
}
