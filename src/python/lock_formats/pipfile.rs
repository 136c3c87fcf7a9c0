//! `Pipfile.lock`: JSON with a table of packages for each category.

use std::collections::BTreeMap;

use super::fields::{digest, directory, is_public_index, lock_error, marker, repository, word};
use crate::{
    manifest::{Error, Node, NodeEntry, Text, json},
    package::PackageName,
    python::{
        lock::{PackageSource, PythonLock, PythonPackage, Scope},
        marker::normalize,
    },
};

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
        let scope = match &*category.key {
            "default" => Scope::Always,
            "develop" => Scope::Group("dev".to_owned()),
            other => Scope::Group(normalize(other)),
        };
        if let Scope::Group(group) = &scope {
            lock.groups.insert(group.clone());
        }
        for entry in category.node.entries() {
            let package = package(file, entry, &indexes)?;
            lock.add_root(scope.clone(), package);
        }
    }
    lock.dedup();
    lock.default_to_dev();
    Ok(lock)
}

fn package(
    file: &Text,
    entry: &NodeEntry<'_>,
    indexes: &BTreeMap<&str, &str>,
) -> Result<PythonPackage, Error> {
    let node = &entry.node;
    let name: PackageName = entry
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
    let source = package_source(file, node, indexes)?;
    let pinned = get("version")?.map(|version| version.strip_prefix("==").map(str::to_owned));
    if pinned == Some(None) {
        let message = format!("`{name}` is not pinned to one version: run `pipenv lock`");
        return Err(lock_error(file, node.span.clone(), message));
    }
    let version = pinned.flatten();
    if matches!(source, PackageSource::Index(_)) && (digests.is_empty() || version.is_none()) {
        let message = format!("`{name}` has no version or no digests: run `pipenv lock`");
        return Err(lock_error(file, node.span.clone(), message));
    }
    let foreign_source = match &source {
        PackageSource::Index(None) => None,
        PackageSource::Index(Some(index)) => Some(format!("index {index}")),
        PackageSource::Url(url) | PackageSource::Repository(url) => Some(url.clone()),
        PackageSource::Directory { path, .. } => (path != ".").then(|| format!("directory {path}")),
    };
    Ok(PythonPackage {
        version,
        source,
        digests,
        marker: marker(file, node, "markers")?,
        foreign_source,
        ..PythonPackage::named(name.to_string())
    })
}

fn package_source(
    file: &Text,
    node: &Node<'_>,
    indexes: &BTreeMap<&str, &str>,
) -> Result<PackageSource, Error> {
    let get = |key: &str| node.get(key).map(|one| word(file, key, one)).transpose();
    Ok(if let Some(url) = get("git")? {
        let commit = get("ref")?.unwrap_or_default();
        repository(&url, &commit, get("subdirectory")?.as_deref())
    } else if let Some(url) = get("file")?.filter(|url| url.contains("://")) {
        PackageSource::Url(url)
    } else if let Some(path) = node.get("path") {
        PackageSource::Directory {
            path: directory(file, "path", path)?,
            installed: true,
        }
    } else {
        let index = get("index")?.and_then(|name| indexes.get(name.as_str()).copied());
        PackageSource::Index(index.filter(|url| !is_public_index(url)).map(str::to_owned))
    })
}
