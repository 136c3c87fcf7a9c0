//! `conda-lock.yml`: the exact packages of several platforms.
//!
//! A package that no other one needs is a request of the project. It becomes a requirement on its exact version if all
//! platforms have the same one; the solver chooses the others.

use std::collections::{BTreeMap, BTreeSet};

use super::Importer;
use crate::manifest::{Located, Origin, document::Node};

/// The packages of one name.
struct NamedPackage<'t> {
    origin: Origin,
    versions: BTreeSet<&'t str>,
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
    for (manager, is_conda) in [("conda", true), ("pip", false)] {
        let mut packages: BTreeMap<&str, NamedPackage<'_>> = BTreeMap::new();
        for package in all {
            let text = |key: &str| package.get(key).and_then(Node::text);
            let (Some(name), Some(version)) = (text("name"), text("version")) else {
                continue;
            };
            // The interpreter decides for which packages there are builds, so it is one of the requests.
            let is_request = name == "python" || !needed.contains(name);
            if text("manager") != Some(manager) || !is_request {
                continue;
            }
            let named = packages.entry(name).or_insert_with(|| NamedPackage {
                origin: importer.text.origin(package.span.start),
                versions: BTreeSet::new(),
            });
            named.versions.insert(version);
        }
        for (name, NamedPackage { origin, versions }) in packages {
            let mut versions = versions.into_iter();
            let version = versions.next().filter(|_| versions.next().is_none());
            let version = version
                .map(|version| format!("=={version}"))
                .unwrap_or_default();
            if is_conda {
                let text = format!("{name} {version}");
                importer.conda_dependency(origin, text.trim());
            } else {
                let value = format!("{name}{version}");
                importer.settings.packages.push(Located { value, origin });
            }
        }
    }
}
