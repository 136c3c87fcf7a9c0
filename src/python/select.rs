//! Which packages of a lockfile a selection of groups and extras needs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Edge, Environment, Pin, Pins, PythonLock, Selection, Source};
use crate::package::{Requirement, Version};

/// A need that the lockfile has no package for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{package}` is needed by `{needed_by}` and is not in it")]
pub struct Missing {
    /// The package.
    pub package: String,
    /// What needs it.
    pub needed_by: String,
}

/// What is still to be looked at: a package and one of its extras.
type Visit = (usize, Option<String>);

impl PythonLock {
    /// Returns the exact packages that `selection` needs on `environment`, sorted.
    pub fn select(
        &self,
        selection: &Selection,
        environment: &Environment,
    ) -> Result<Pins, Missing> {
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (position, package) in self.packages.iter().enumerate() {
            by_name.entry(&package.name).or_default().push(position);
        }
        let conflicts = self.conflict_names(selection);
        let mut on = Environment {
            extras: selection.extras.union(&conflicts).cloned().collect(),
            groups: selection.groups.clone(),
            ..environment.clone()
        };
        let (mut seen, mut queue): (BTreeSet<Visit>, VecDeque<Visit>) = Default::default();
        for root in self.roots.iter().filter(|root| selection.wants(&root.when)) {
            self.follow(&root.edge, ("the project", &on), &by_name, &mut queue)?;
        }
        while let Some(visit) = queue.pop_front() {
            if !seen.insert(visit.clone()) {
                continue;
            }
            let (position, extra) = visit;
            let package = &self.packages[position];
            on.extras.clone_from(&conflicts);
            on.extras.extend(extra.clone());
            let more = extra.as_ref().and_then(|extra| package.extras.get(extra));
            for edge in package
                .dependencies
                .iter()
                .chain(more.into_iter().flatten())
            {
                self.follow(edge, (&package.name, &on), &by_name, &mut queue)?;
            }
        }
        let positions: BTreeSet<usize> = seen.into_iter().map(|(position, _)| position).collect();
        Ok(self.pins(&positions))
    }

    /// Queues the package that an edge leads to, and its extras.
    fn follow(
        &self,
        edge: &Edge,
        (needed_by, on): (&str, &Environment),
        by_name: &BTreeMap<&str, Vec<usize>>,
        queue: &mut VecDeque<Visit>,
    ) -> Result<(), Missing> {
        if !edge.marker.holds(on) {
            return Ok(());
        }
        let found = by_name.get(edge.name.as_str()).map(Vec::as_slice);
        let position = self
            .choose(edge, found.unwrap_or_default(), on)
            .ok_or_else(|| Missing {
                package: edge.name.clone(),
                needed_by: needed_by.to_owned(),
            })?;
        queue.push_back((position, None));
        for extra in &edge.extras {
            queue.push_back((position, Some(extra.clone())));
        }
        Ok(())
    }

    /// Chooses among the packages of one name: the version named, else the one meant for this environment.
    fn choose(&self, edge: &Edge, found: &[usize], on: &Environment) -> Option<usize> {
        let named = |position: &usize| {
            edge.version
                .as_ref()
                .is_none_or(|version| self.packages[*position].version.as_ref() == Some(version))
        };
        let found: Vec<usize> = found.iter().copied().filter(named).collect();
        if let [only] = found[..] {
            return Some(only);
        }
        let mut fitting = found
            .into_iter()
            .filter(|position| self.packages[*position].marker.holds(on))
            .filter(|position| self.admits(edge, *position));
        let newest = |position: &usize| {
            let version = self.packages[*position].version.as_deref();
            version.and_then(|version| version.parse::<Version>().ok())
        };
        let first = fitting.next()?;
        Some(fitting.fold(first, |best, next| {
            if newest(&next) > newest(&best) {
                next
            } else {
                best
            }
        }))
    }

    fn admits(&self, edge: &Edge, position: usize) -> bool {
        let version = self.packages[position].version.as_deref();
        let version = version.and_then(|version| version.parse::<Version>().ok());
        let wanted = edge.wanted.as_deref().map(|wanted| {
            let alternatives = wanted.split("||").map(str::trim);
            let parsed: Vec<Requirement> =
                alternatives.filter_map(|one| one.parse().ok()).collect();
            parsed
        });
        match (version, wanted) {
            (Some(version), Some(wanted)) if !wanted.is_empty() => {
                wanted.iter().any(|one| one.covers(&version))
            }
            _ => true,
        }
    }

    /// The words by which uv marks what belongs to one of several conflicting extras or groups.
    fn conflict_names(&self, selection: &Selection) -> BTreeSet<String> {
        let name = &self.project;
        let words = |kind: &'static str, names: &BTreeSet<String>| -> Vec<String> {
            let words = names
                .iter()
                .map(|one| format!("{kind}-{}-{name}-{one}", name.len()));
            words.collect()
        };
        let extras = words("extra", &selection.extras).into_iter();
        extras.chain(words("group", &selection.groups)).collect()
    }

    fn pins(&self, positions: &BTreeSet<usize>) -> Pins {
        let mut pins = Pins::default();
        for position in positions {
            let package = &self.packages[*position];
            match &package.source {
                Source::Directory {
                    installed: false, ..
                } => {}
                Source::Directory { path, .. } => pins.directories.push(path.clone()),
                source => pins.packages.push(Pin {
                    name: package.name.clone(),
                    version: package.version.clone(),
                    source: source.clone(),
                    digests: package.digests.clone(),
                }),
            }
        }
        pins.building.clone_from(&self.building);
        pins.packages.sort();
        pins.directories.sort();
        pins
    }
}
