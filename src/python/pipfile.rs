//! `Pipfile.lock`: JSON, a table of packages for each category.

use std::collections::BTreeMap;

use super::{
    Edge, Package, PythonLock, Root, Source, When,
    marker::normal,
    read::{self, digest, directory, fault, is_public, marker, word},
};
use crate::manifest::{Entry, Error, Node, Text, json};

/// Reads the lockfile.
pub(super) fn read(file: &Text) -> Result<PythonLock, Error> {
    let root = json(file)?;
    let mut lock = PythonLock::default();
    let mut indexes: BTreeMap<&str, &str> = BTreeMap::new();
    for source in root
        .select("_meta.sources")
        .into_iter()
        .flat_map(Node::elements)
    {
        let get = |key: &str| source.get(key).and_then(Node::text);
        if let (Some(name), Some(url)) = (get("name"), get("url")) {
            indexes.insert(name, url);
        }
    }
    for category in root.entries().iter().filter(|entry| entry.key != "_meta") {
        let when = match &*category.key {
            "default" => When::Always,
            "develop" => When::Group("dev".to_owned()),
            other => When::Group(normal(other)),
        };
        if let When::Group(group) = &when {
            lock.groups.insert(group.clone());
        }
        for entry in category.node.entries() {
            let package = package(file, entry, &indexes)?;
            let edge = Edge {
                name: package.name.clone(),
                version: package.version.clone(),
                marker: package.marker.clone(),
                ..Edge::default()
            };
            let when = when.clone();
            lock.roots.push(Root { when, edge });
            lock.packages.push(package);
        }
    }
    lock.dedup();
    lock.default_groups = lock
        .groups
        .iter()
        .filter(|group| *group == "dev")
        .cloned()
        .collect();
    Ok(lock)
}

fn package(
    file: &Text,
    entry: &Entry<'_>,
    indexes: &BTreeMap<&str, &str>,
) -> Result<Package, Error> {
    let node = &entry.node;
    let name: crate::package::PackageName = entry
        .key
        .parse()
        .map_err(|invalid| file.error(entry.key_span.clone(), invalid))?;
    let hashes = node
        .get("hashes")
        .map(Node::elements)
        .unwrap_or_default()
        .iter();
    let mut digests: Vec<String> = hashes
        .map(|node| digest(file, node))
        .collect::<Result<_, _>>()?;
    digests.sort();
    let get = |key: &str| node.get(key).map(|one| word(file, key, one)).transpose();
    let source = place(file, node, indexes)?;
    let pinned = get("version")?.map(|version| version.strip_prefix("==").map(str::to_owned));
    if pinned == Some(None) {
        let message =
            format!("`{name}` is not pinned to one version: lock anew with `pipenv lock`");
        return Err(fault(file, node.span.clone(), message));
    }
    let version = pinned.flatten();
    if matches!(source, Source::Index(_)) && (digests.is_empty() || version.is_none()) {
        let message =
            format!("`{name}` has no version or no digests: lock anew with `pipenv lock`");
        return Err(fault(file, node.span.clone(), message));
    }
    let elsewhere = match &source {
        Source::Index(None) => None,
        Source::Index(Some(index)) => Some(format!("index {index}")),
        Source::Url(url) | Source::Repository(url) => Some(url.clone()),
        Source::Directory { path, .. } => (path != ".").then(|| format!("directory {path}")),
    };
    Ok(Package {
        name: name.to_string(),
        version,
        source,
        digests,
        marker: marker(file, node, "markers")?,
        dependencies: Vec::new(),
        extras: BTreeMap::new(),
        elsewhere,
    })
}

fn place(file: &Text, node: &Node<'_>, indexes: &BTreeMap<&str, &str>) -> Result<Source, Error> {
    let get = |key: &str| node.get(key).map(|one| word(file, key, one)).transpose();
    Ok(if let Some(url) = get("git")? {
        let commit = get("ref")?.unwrap_or_default();
        Source::Repository(read::repository(
            &url,
            &commit,
            get("subdirectory")?.as_deref(),
        ))
    } else if let Some(url) = get("file")?.filter(|url| url.contains("://")) {
        Source::Url(url)
    } else if let Some(path) = node.get("path") {
        Source::Directory {
            path: directory(file, "path", path)?,
            installed: true,
        }
    } else {
        let index = get("index")?.and_then(|name| indexes.get(name.as_str()).copied());
        Source::Index(index.filter(|url| !is_public(url)).map(str::to_owned))
    })
}
