//! Packages of a conda environment: the chain of requirements that leads to one.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    app::conda_packages,
    lockfile::{CondaSet, LockedConda},
    manifest::PlacedRequirement,
    package::{Source, conda_package_of},
    project::approval::ApprovalState,
    util::word_lists::{in_backticks, join_first},
};

use super::{Explained, Explanation};

/// Most packages that are named as needing another one.
const NAMED: usize = 5;

/// A package and the dependency that leads to it.
struct Step<'l> {
    package: &'l LockedConda,
    dependency: &'l str,
}

impl Explained<'_> {
    /// Explains a locked package of conda; `None` if the dev shell has none of this name.
    pub(super) fn conda_package(&self, name: &str) -> Option<Explanation> {
        let prefix = format!("{}:", Source::Conda);
        let name = name.strip_prefix(&prefix).unwrap_or(name);
        let mut asked = self.content.conda_requirements().ok()?;
        let set = conda_packages::of_shell(&self.lockfile, self.content);
        let packages = set.and_then(|set| packages_here(set, self.session.system().ok()));
        let package = packages.and_then(|all| all.iter().find(|package| package.name == name));
        let (Some(packages), Some(package)) = (packages, package) else {
            asked.retain(|one| one.requirement.name() == name);
            return self.unlocked_package(name, &asked);
        };
        if let Ok(system) = self.session.system() {
            asked.retain(|one| one.requirement.systems().contains(system));
        }
        let (asking, steps) = shortest_chain(packages, &asked, name)?;
        let mut notes = vec![format!(
            "{} asks for `{}`",
            asking.origin, asking.requirement
        )];
        notes.extend(steps.iter().map(|step| {
            let LockedConda { name, version, .. } = step.package;
            format!("`{name} {version}` needs `{}`", step.dependency)
        }));
        notes.extend(other_needs(packages, name, steps.last()));
        Some(Explanation {
            kind: "package",
            name: format!("{prefix}{name}"),
            value: Some(format!("{} {}", package.version, package.build)),
            place: Some(asking.origin.to_string()),
            said: Vec::new(),
            locked: None,
            refused: Vec::new(),
            notes,
        })
    }
}

impl Explained<'_> {
    /// Explains a package that the dev shell asks for and that is not locked for this machine.
    fn unlocked_package(&self, name: &str, asked: &[PlacedRequirement]) -> Option<Explanation> {
        let first = asked.first()?;
        let asks =
            |one: &PlacedRequirement| format!("{} asks for `{}`", one.origin, one.requirement);
        let mut notes: Vec<String> = asked.iter().map(asks).collect();
        let system = self.session.system().ok();
        let is_for = |one: &PlacedRequirement| {
            system.is_none_or(|system| one.requirement.systems().contains(system))
        };
        if !asked.iter().any(is_for) {
            notes.push("it is not for this system".to_owned());
        } else if self.project.standing() != ApprovalState::Allowed {
            notes.push("packages are chosen only after the project is allowed".to_owned());
        } else {
            let manifest = self.project.preview();
            let conflict = conda_packages::conflict(self.session, manifest, self.content);
            match conflict {
                Ok(None) => {
                    notes.push("it is not locked: `devsh lock` chooses a version".to_owned());
                }
                Ok(Some(failure)) | Err(failure) => {
                    let more = failure.notes.into_iter().chain(failure.hints);
                    for line in std::iter::once(failure.error).chain(more) {
                        if !notes.contains(&line) {
                            notes.push(line);
                        }
                    }
                }
            }
        }
        Some(Explanation {
            kind: "package",
            name: format!("{}:{name}", Source::Conda),
            value: Some("not locked".to_owned()),
            place: Some(first.origin.to_string()),
            said: Vec::new(),
            locked: None,
            refused: Vec::new(),
            notes,
        })
    }
}

/// Returns the packages for this machine, else those of the first system that has any.
fn packages_here(
    set: &CondaSet,
    system: Option<crate::package::System>,
) -> Option<&Vec<LockedConda>> {
    let here = system.and_then(|system| set.packages.get(&system));
    here.or_else(|| set.packages.values().next())
}

/// Returns the requirement of the dev shell from which the fewest dependencies lead to a package, and these.
fn shortest_chain<'l>(
    packages: &'l [LockedConda],
    asked: &'l [PlacedRequirement],
    name: &str,
) -> Option<(&'l PlacedRequirement, Vec<Step<'l>>)> {
    let by_name: BTreeMap<&str, &LockedConda> =
        packages.iter().map(|one| (&*one.name, one)).collect();
    let mut reached: BTreeMap<&str, Option<Step<'l>>> = BTreeMap::new();
    let mut pending = VecDeque::new();
    for one in asked {
        if let Some((known, _)) = by_name.get_key_value(one.requirement.name())
            && !reached.contains_key(known)
        {
            reached.insert(known, None);
            pending.push_back(*known);
        }
    }
    while let Some(at) = pending.pop_front() {
        let package = by_name.get(at)?;
        for dependency in &package.depends {
            let needed = conda_package_of(dependency);
            let Some((needed, _)) = needed.and_then(|needed| by_name.get_key_value(&*needed))
            else {
                continue;
            };
            if !reached.contains_key(needed) {
                reached.insert(
                    needed,
                    Some(Step {
                        package,
                        dependency,
                    }),
                );
                pending.push_back(needed);
            }
        }
    }
    let mut steps = Vec::new();
    let mut at = name.to_owned();
    while let Some(step) = reached.remove(&*at)? {
        at.clone_from(&step.package.name);
        steps.push(step);
    }
    steps.reverse();
    let asking = asked.iter().find(|one| one.requirement.name() == at)?;
    Some((asking, steps))
}

/// Returns a line about the other packages that need a package.
fn other_needs(packages: &[LockedConda], name: &str, known: Option<&Step<'_>>) -> Option<String> {
    let others = packages.iter().filter(|package| {
        let mut needed = package
            .depends
            .iter()
            .filter_map(|one| conda_package_of(one));
        known.is_none_or(|step| step.package.name != package.name)
            && needed.any(|needed| needed == name)
    });
    let names = in_backticks(others.map(|one| &one.name));
    (!names.is_empty()).then(|| format!("needed by {}", join_first(&names, NAMED)))
}
