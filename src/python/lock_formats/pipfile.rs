//! `Pipfile.lock`: JSON with a table of packages for each category.

use std::collections::BTreeMap;

use super::{
    fields::{
        LockedRepository, address, digest, directory, file_url, folder_of, is_public_index,
        lock_error, marker, text, word,
    },
    requirement_location::is_archive,
};
use crate::{
    manifest::{Error, Node, NodeEntry, Text, json},
    package::PackageName,
    python::{
        lock::{PackageSource, PythonLock, PythonPackage},
        marker::normalize,
        scope::Scope,
        settings::{IndexRank, PackageSetting, SettingKind},
    },
};

/// Reads the lockfile.
pub(super) fn read(file: &Text) -> Result<PythonLock, Error> {
    let root = json(file)?;
    let mut lock = PythonLock::default();
    let sources = root.select("_meta.sources").into_iter();
    let sources: Vec<&Node<'_>> = sources.flat_map(Node::elements).collect();
    let indexes = add_sources(file, &sources, &mut lock)?;
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

/// Adds the indexes that pipenv calls sources; returns their addresses by name.
pub(super) fn add_sources<'n>(
    file: &Text,
    sources: &[&'n Node<'_>],
    lock: &mut PythonLock,
) -> Result<BTreeMap<&'n str, &'n str>, Error> {
    let mut indexes: BTreeMap<&str, &str> = BTreeMap::new();
    for source in sources {
        let get = |key: &str| source.get(key).and_then(Node::text);
        let Some(url) = source.get("url") else {
            continue;
        };
        let url_text = text(file, "url", url)?;
        if let Some(name) = get("name") {
            indexes.insert(name, url_text);
        }
        // A package without an index can come from any source; the first one is asked first. The public index counts
        // only if it is one of them.
        let kind = if is_public_index(url_text) {
            SettingKind::PublicIndex
        } else {
            SettingKind::Index {
                name: None,
                url: address(file, "url", url)?,
                rank: IndexRank::InOrder,
                replaces_public: true,
            }
        };
        lock.settings.push(PackageSetting {
            scope: Scope::Always,
            kind,
            text: format!("--index {url_text}"),
            origin: file.origin(url.span.start),
        });
    }
    Ok(indexes)
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
        PackageSource::Index(Some(index)) => Some(format!("index {index}").into()),
        PackageSource::Url(url) | PackageSource::Repository(url) => Some(url.clone().into()),
        PackageSource::Directory { path, .. } => {
            (path != ".").then(|| format!("directory {path}").into())
        }
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
    // pipenv keeps variables in its lockfile. They are part of the approval.
    let git = node.get("git").map(|one| address(file, "git", one));
    Ok(if let Some(url) = git.transpose()? {
        let commit = get("ref")?.unwrap_or_default();
        let subdirectory = get("subdirectory")?;
        let repository = LockedRepository {
            url: &url,
            commit: &commit,
            subdirectory: subdirectory.as_deref(),
        };
        repository.source(file, node.get("ref").unwrap_or(node))?
    } else if let Some(place) = node.get("file").or_else(|| node.get("path")) {
        let path = directory(file, "path", place)?;
        if path.contains("://") {
            PackageSource::Url(address(file, "file", place)?)
        } else if is_archive(&path) {
            PackageSource::Url(file_url(folder_of(file), &path))
        } else {
            PackageSource::Directory {
                path,
                installed: true,
            }
        }
    } else {
        let index = get("index")?.and_then(|name| indexes.get(name.as_str()).copied());
        PackageSource::Index(index.filter(|url| !is_public_index(url)).map(str::to_owned))
    })
}
