//! `conda-lock.yml`: the exact packages of several platforms.
//!
//! A package that no other one needs is a request of the project, with its exact version, for the systems that have it;
//! the solver chooses the others.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Importer,
    conda::{python_requirement, systems_of},
};
use crate::{
    manifest::{Located, Origin, document::Node},
    package::{CondaRequirement, SystemSet},
};

/// The categories that conda-lock installs without being asked.
const INSTALLED: [&str; 2] = ["main", "dev"];

/// A version of a package.
struct LockedVersion {
    origin: Origin,
    systems: SystemSet,
}

pub(super) fn read(importer: &mut Importer<'_>, root: &Node<'_>) {
    let channels = root.get("metadata").and_then(|node| node.get("channels"));
    for channel in channels.map(Node::elements).unwrap_or_default() {
        let name = channel.get("url").unwrap_or(channel).text();
        let origin = importer.text.origin(channel.span.start);
        importer.conda_channel(origin, name.unwrap_or_default());
    }
    let all = root.get("package").map(Node::elements).unwrap_or_default();
    let needed: BTreeSet<&str> = all
        .iter()
        .filter_map(|package| package.get("dependencies"))
        .flat_map(|node| node.entries().iter().map(|entry| &*entry.key))
        .collect();
    let mut all_systems: SystemSet = [].into_iter().collect();
    let mut optional: BTreeMap<&str, Origin> = BTreeMap::new();
    let mut conda: BTreeMap<(&str, &str), LockedVersion> = BTreeMap::new();
    let mut pip: BTreeMap<(&str, &str), LockedVersion> = BTreeMap::new();
    for package in all {
        let text = |key: &str| package.get(key).and_then(Node::text);
        let (Some(name), Some(version)) = (text("name"), text("version")) else {
            continue;
        };
        let systems = text("platform").map_or_else(SystemSet::all, systems_of);
        for system in systems.iter() {
            all_systems.insert(system);
        }
        let origin = importer.text.origin(package.span.start);
        let category = text("category").filter(|name| !INSTALLED.contains(name));
        if let Some(category) = category {
            optional.entry(category).or_insert(origin);
            continue;
        }
        let packages = match text("manager") {
            Some("conda") => &mut conda,
            Some("pip") => &mut pip,
            _ => continue,
        };
        // The interpreter decides for which packages there are builds, so it is one of the requests.
        if (name == "python" || !needed.contains(name)) && !systems.is_empty() {
            let locked = packages
                .entry((name, version))
                .or_insert_with(|| LockedVersion {
                    origin,
                    systems: [].into_iter().collect(),
                });
            for system in systems.iter() {
                locked.systems.insert(system);
            }
        }
    }
    for (category, origin) in optional {
        importer.leave(
            origin,
            format!("the packages of the category `{category}` are optional: name those that you need in a manifest"),
        );
    }
    let limits = |systems: SystemSet| {
        if systems == all_systems {
            SystemSet::all()
        } else {
            systems
        }
    };
    for ((name, version), LockedVersion { origin, systems }) in conda {
        let text = format!("{name} =={version}");
        importer.conda_dependency(origin, &CondaRequirement::limited(&text, &limits(systems)));
    }
    for ((name, version), LockedVersion { origin, systems }) in pip {
        let value = python_requirement(&format!("{name}=={version}"), &limits(systems));
        importer.settings.packages.push(Located { value, origin });
    }
}
