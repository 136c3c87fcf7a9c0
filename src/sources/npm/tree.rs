//! The tree below `node_modules`: which version of what lies where. Pure.
//!
//! Node looks for a package in the `node_modules` of the one that needs it, then of each above. So
//! something that is needed is shared where the version that is found there will do, put at the top where
//! nothing is found, and beside the one that needs it otherwise, as npm does it.
//!
//! Invariant: for the same documents the tree is the same.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use nodejs_semver::{Range, Version};

use super::packument::{Need, Packument, Release};
use crate::{
    package::{PackageName, System, Tool},
    sources::Error,
};

/// Most packages of one tree.
const MOST: usize = 2000;

/// A package in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// The package's name at the registry.
    pub(super) package: PackageName,
    /// Its version.
    pub(super) version: String,
    /// The systems on which it is needed.
    pub(super) systems: BTreeSet<System>,
    /// Whether nothing but optional needs lead here.
    optional: bool,
}

/// A tree that grows as documents come in.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    tool: &'a Tool,
    limit: Option<u64>,
    nodes: BTreeMap<String, Node>,
    /// Places whose needs are not looked at yet, in order.
    open: VecDeque<String>,
}

impl<'a> Tree<'a> {
    /// Returns the tree of one package alone.
    pub(super) fn new(
        tool: &'a Tool,
        version: &str,
        systems: &[System],
        limit: Option<u64>,
    ) -> Self {
        let root = tool.package.as_str().to_owned();
        let node = Node {
            package: tool.package.clone(),
            version: version.to_owned(),
            systems: systems.iter().copied().collect(),
            optional: false,
        };
        Self {
            tool,
            limit,
            nodes: BTreeMap::from([(root.clone(), node)]),
            open: VecDeque::from([root]),
        }
    }

    /// Returns the packages whose documents are needed to go on.
    pub(super) fn unknown(&self, known: &BTreeMap<PackageName, Packument>) -> Vec<PackageName> {
        let mut unknown = BTreeSet::new();
        for place in &self.open {
            let Some(node) = self.nodes.get(place) else {
                continue;
            };
            let Some(packument) = known.get(&node.package) else {
                unknown.insert(node.package.clone());
                continue;
            };
            let release = packument.release(&node.version);
            for need in release.into_iter().flat_map(Release::needs) {
                if let Ok((package, _)) = target(&need)
                    && !known.contains_key(&package)
                {
                    unknown.insert(package);
                }
            }
        }
        unknown.into_iter().collect()
    }

    /// Looks at the needs of every open place whose documents are there.
    pub(super) fn grow(&mut self, known: &BTreeMap<PackageName, Packument>) -> Result<(), Error> {
        // In order, and no further than documents reach: what comes first decides what is shared.
        while let Some(place) = self.open.front().cloned() {
            let Some(node) = self.nodes.get(&place).cloned() else {
                self.open.pop_front();
                continue;
            };
            let Some(packument) = known.get(&node.package) else {
                return Ok(());
            };
            let needs = packument
                .release(&node.version)
                .map(Release::needs)
                .unwrap_or_default();
            let waiting =
                |need: &Need| target(need).is_ok_and(|(package, _)| !known.contains_key(&package));
            if needs.iter().any(waiting) {
                return Ok(());
            }
            self.open.pop_front();
            for need in needs {
                self.meet(&place, &node, &need, known)?;
            }
            if self.nodes.len() > MOST {
                let all = Need {
                    name: self.tool.package.to_string(),
                    wanted: node.version,
                    optional: false,
                };
                let reason = format!("it needs more than {MOST} packages");
                return Err(self.refused(&all, &place, reason));
            }
        }
        Ok(())
    }

    /// Returns every place and what is there, on the systems where all that is not optional is there.
    pub(super) fn finish(self) -> BTreeMap<String, Node> {
        let root = self.nodes.get(self.tool.package.as_str());
        let usable = root.map(|root| root.systems.clone()).unwrap_or_default();
        let mut nodes = self.nodes;
        for node in nodes.values_mut() {
            node.systems.retain(|system| usable.contains(system));
        }
        nodes.retain(|_, node| !node.systems.is_empty());
        nodes
    }

    fn meet(
        &mut self,
        place: &str,
        node: &Node,
        need: &Need,
        known: &BTreeMap<PackageName, Packument>,
    ) -> Result<(), Error> {
        let (package, wanted) = match target(need) {
            Ok(target) => target,
            Err(_) if need.optional => return Ok(()),
            Err(reason) => return Err(self.refused(need, place, reason)),
        };
        let optional = node.optional || need.optional;
        let (found, free) = self.look(place, &need.name);
        if let Some(found) = &found
            && self.serves(found, &package, &wanted)
        {
            let found = found.clone();
            self.widen(&found, &node.systems, optional);
            return Ok(());
        }
        let chosen = known.get(&package).and_then(|packument| {
            let version = packument.choose(&wanted, self.limit)?;
            Some((version, packument.release(version)?.systems()))
        });
        let Some((version, systems)) = chosen else {
            if need.optional {
                return Ok(());
            }
            return Err(self.refused(need, place, self.nothing_fits(known.get(&package))));
        };
        let systems: BTreeSet<System> = node
            .systems
            .iter()
            .copied()
            .filter(|system| systems.contains(system))
            .collect();
        if !optional {
            // Where something that is needed cannot be had, the whole tool cannot.
            let lost = node.systems.difference(&systems).copied().collect();
            self.narrow(&lost);
        }
        if systems.is_empty() {
            return Ok(());
        }
        let version = version.to_owned();
        self.open.push_back(free.clone());
        self.nodes.insert(
            free,
            Node {
                package,
                version,
                systems,
                optional,
            },
        );
        Ok(())
    }

    /// Returns what Node would find of `name` from `place`, and where there is room for another one.
    fn look(&self, place: &str, name: &str) -> (Option<String>, String) {
        let below = |place: &str| format!("{place}/node_modules/{name}");
        let mut at = place;
        loop {
            let there = below(at);
            if self.nodes.contains_key(&there) {
                return (Some(there), below(place));
            }
            match at.rsplit_once("/node_modules/") {
                Some((above, _)) => at = above,
                None => break,
            }
        }
        if self.nodes.contains_key(name) {
            return (Some(name.to_owned()), below(place));
        }
        (None, name.to_owned())
    }

    fn serves(&self, place: &str, package: &PackageName, wanted: &str) -> bool {
        let Some(node) = self.nodes.get(place) else {
            return false;
        };
        let wanted = if wanted.is_empty() { "*" } else { wanted };
        let fits = Range::parse(wanted)
            .ok()
            .zip(Version::parse(&node.version).ok())
            .is_some_and(|(range, version)| range.satisfies(&version));
        node.package == *package && fits
    }

    /// Lets what is at `place` serve on further systems too, and what it needs with it.
    fn widen(&mut self, place: &str, systems: &BTreeSet<System>, optional: bool) {
        let Some(node) = self.nodes.get_mut(place) else {
            return;
        };
        let wider = !systems.is_subset(&node.systems) || (node.optional && !optional);
        if wider {
            node.systems.extend(systems);
            node.optional &= optional;
            self.open.push_back(place.to_owned());
        }
    }

    /// Takes systems from everything: the tool cannot be had there.
    fn narrow(&mut self, lost: &BTreeSet<System>) {
        for node in self.nodes.values_mut() {
            node.systems.retain(|system| !lost.contains(system));
        }
    }

    fn nothing_fits(&self, packument: Option<&Packument>) -> String {
        let some = packument.is_some_and(|packument| packument.releases().next().is_some());
        match (some, self.limit) {
            (false, _) => "the registry has no such package".to_owned(),
            (true, None) => "no version fits".to_owned(),
            (true, Some(_)) => "no version fits that is as old as `minimum-release-age`".to_owned(),
        }
    }

    fn refused(&self, need: &Need, place: &str, reason: String) -> Error {
        let by = place.rsplit("/node_modules/").next().unwrap_or(place);
        let through = if by == self.tool.package.as_str() {
            String::new()
        } else {
            format!(" through `{by}`")
        };
        Error::Dependency {
            tool: self.tool.clone(),
            dependency: format!("{}@{}", need.name, need.wanted),
            through,
            reason,
        }
    }
}

/// Returns the package that is meant and what of it; the error says why it is none of the registry.
fn target(need: &Need) -> Result<(PackageName, String), String> {
    let wanted = need.wanted.as_str();
    let (name, wanted) = match wanted.strip_prefix("npm:") {
        Some(alias) => match alias.get(1..).and_then(|rest| rest.find('@')) {
            Some(at) => (&alias[..=at], &alias[at + 2..]),
            None => (alias, "*"),
        },
        None => (need.name.as_str(), wanted),
    };
    if wanted.contains([':', '/']) {
        return Err("it comes from an address and not from the registry".to_owned());
    }
    let package = PackageName::npm(name).map_err(|error| error.to_string())?;
    // The name becomes a directory even where an alias says what is in it.
    PackageName::npm(&need.name).map_err(|error| error.to_string())?;
    Ok((package, wanted.to_owned()))
}
