//! Chooses the packages of a lockfile that a selection of groups and extras needs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    lock::{Dependency, PackageSource, PythonLock, PythonPackage, Selection},
    marker::TargetEnvironment,
    pins::{PythonPin, PythonPins},
    settings::is_of_installation,
};
use crate::package::{Requirement, Version};

/// The reason why a lockfile gives no packages, in words that follow its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// It has no package for a dependency.
    #[error(
        "is incomplete: {} depends on `{package}`, which is missing",
        needed_by.as_ref().map_or_else(|| "the project".to_owned(), |name| format!("`{name}`"))
    )]
    Missing {
        package: String,
        /// The package that depends on it; `None` is the project itself.
        needed_by: Option<String>,
    },
    /// Its packages depend on each other in so many ways that a prompt would wait.
    #[error("has more than {MAX_STEPS} choices between versions of packages")]
    Tangled,
}

/// The most dependencies that are followed, each counted with the versions that it can mean. A large project has some
/// thousands.
const MAX_STEPS: usize = 500_000;

/// A package, by its position, and one of its extras.
type PackageVisit = (usize, Option<String>);

/// A walk along the dependencies of a lockfile.
struct DependencyWalk<'l> {
    packages: &'l [PythonPackage],
    by_name: BTreeMap<&'l str, Vec<usize>>,
    queue: VecDeque<PackageVisit>,
    /// The rest of [`MAX_STEPS`].
    steps: usize,
}

impl PythonLock {
    /// Returns the exact packages that `selection` needs on `target`, sorted.
    pub fn select(
        &self,
        selection: &Selection,
        target: &TargetEnvironment,
    ) -> Result<PythonPins, SelectionError> {
        let mut walk = DependencyWalk::new(&self.packages);
        let conflicts = self.conflict_names(selection);
        let of_project = target.with(
            &selection.extras.union(&conflicts).cloned().collect(),
            &selection.groups,
        );
        let scopes = self.scopes(selection);
        for root in self.roots.iter().filter(|one| scopes.contains(&one.scope)) {
            walk.follow(&root.dependency, None, &of_project)?;
        }
        let without_extra = target.with(&conflicts, &selection.groups);
        let mut seen: BTreeSet<PackageVisit> = BTreeSet::new();
        while let Some(visit) = walk.queue.pop_front() {
            if !seen.insert(visit.clone()) {
                continue;
            }
            let (position, extra) = visit;
            let package = &self.packages[position];
            let of_extra = extra.as_ref().and_then(|extra| package.extras.get(extra));
            let with_extra = extra.map(|extra| {
                walk.steps = walk.steps.saturating_sub(conflicts.len());
                let extras = conflicts.iter().cloned().chain([extra]).collect();
                target.with(&extras, &selection.groups)
            });
            let target = with_extra.as_ref().unwrap_or(&without_extra);
            let dependencies = package.dependencies.iter();
            for dependency in dependencies.chain(of_extra.into_iter().flatten()) {
                walk.follow(dependency, Some(&package.name), target)?;
            }
        }
        let positions: BTreeSet<usize> = seen.into_iter().map(|(position, _)| position).collect();
        Ok(self.pins(&positions, selection, target))
    }

    /// Returns the extras that uv uses in markers for conflicting members, extras and groups.
    fn conflict_names(&self, selection: &Selection) -> BTreeSet<String> {
        let of_member = |name: &String| {
            let length = name.len();
            let extras = selection.extras.iter();
            let extras = extras.map(move |extra| format!("extra-{length}-{name}-{extra}"));
            let groups = selection.groups.iter();
            let groups = groups.map(move |group| format!("group-{length}-{name}-{group}"));
            let member = [format!("project-{length}-{name}")];
            member
                .into_iter()
                .chain(extras)
                .chain(groups)
                .collect::<Vec<_>>()
        };
        self.members.iter().flat_map(of_member).collect()
    }

    fn pins(
        &self,
        positions: &BTreeSet<usize>,
        selection: &Selection,
        target: &TargetEnvironment,
    ) -> PythonPins {
        let mut pins = PythonPins::default();
        for position in positions {
            let package = &self.packages[*position];
            match &package.source {
                PackageSource::Directory {
                    installed: false, ..
                } => {}
                PackageSource::Directory { path, .. } => pins.directories.push(path.clone()),
                source => {
                    let file = package.best_file(target);
                    let own = || (source.clone(), package.digests.clone());
                    let (source, digests) = file.map_or_else(own, |file| {
                        let url = PackageSource::Url(file.url.clone());
                        (url, vec![file.digest.clone()])
                    });
                    pins.packages.push(PythonPin {
                        name: package.name.clone(),
                        version: package.version.clone(),
                        source,
                        digests,
                        wheel: package.best_index_wheel(target),
                    });
                }
            }
        }
        let options = self.options(selection).into_iter();
        // `:none:` would take back what devsh asks for.
        let options = options.filter(|one| !one.ends_with(":none:"));
        pins.options = options.filter(|one| is_of_installation(one)).collect();
        pins.packages.sort();
        pins.directories.sort();
        pins
    }
}

impl<'l> DependencyWalk<'l> {
    fn new(packages: &'l [PythonPackage]) -> Self {
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (position, package) in packages.iter().enumerate() {
            by_name.entry(&package.name).or_default().push(position);
        }
        Self {
            packages,
            by_name,
            queue: VecDeque::new(),
            steps: MAX_STEPS,
        }
    }

    /// Queues the package of a dependency, and its extras.
    fn follow(
        &mut self,
        dependency: &Dependency,
        needed_by: Option<&str>,
        target: &TargetEnvironment,
    ) -> Result<(), SelectionError> {
        let choices = self.by_name.get(&*dependency.name).map_or(0, Vec::len);
        let steps = self.steps.checked_sub(1 + choices);
        self.steps = steps.ok_or(SelectionError::Tangled)?;
        if !dependency.marker.holds(target) {
            return Ok(());
        }
        let position = self
            .choose(dependency, target)
            .ok_or_else(|| SelectionError::Missing {
                package: dependency.name.clone(),
                needed_by: needed_by.map(str::to_owned),
            })?;
        self.queue.push_back((position, None));
        for extra in &dependency.extras {
            self.queue.push_back((position, Some(extra.clone())));
        }
        Ok(())
    }

    /// Chooses among the packages of one name: the version and source of the dependency, else the newest for this target.
    fn choose(&self, dependency: &Dependency, target: &TargetEnvironment) -> Option<usize> {
        let named = |position: &usize| {
            let package = &self.packages[*position];
            let source = &dependency.source;
            let same_version =
                dependency.version.is_none() || dependency.version == package.version;
            same_version && source.as_ref().is_none_or(|one| *one == package.source)
        };
        let all = self.by_name.get(&*dependency.name)?.iter().copied();
        let all: Vec<usize> = all.filter(named).collect();
        if let [only] = all[..] {
            return Some(only);
        }
        let version = |position: usize| self.packages[position].version.as_deref()?.parse().ok();
        let fitting = all
            .into_iter()
            .filter(|position| self.packages[*position].marker.holds(target))
            .map(|position| (version(position), position))
            .filter(|(version, _)| admits(dependency, version.as_ref()));
        // The first of several with one version.
        let newest = fitting.reduce(|best, next| if next.0 > best.0 { next } else { best });
        newest.map(|(_, position)| position)
    }
}

fn admits(dependency: &Dependency, version: Option<&Version>) -> bool {
    let (Some(version), Some(versions)) = (version, &dependency.versions) else {
        return true;
    };
    let alternatives = versions.split("||").map(str::trim);
    let parsed: Vec<Requirement> = alternatives.filter_map(|one| one.parse().ok()).collect();
    parsed.is_empty() || parsed.iter().any(|one| one.covers(version))
}
