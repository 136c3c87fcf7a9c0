//! `pdm.lock`. With the strategy `inherit_metadata`, the default since pdm 2.11, each package has its groups and its
//! marker; before that they follow from the requirements in `pyproject.toml`.

use std::collections::BTreeMap;

use super::{
    fields::{
        LockedRepository, address, digest, directory, file_url, files_of, folder_of,
        is_public_file, lock_error, locked_address, locked_dependency, marker, name, names,
        older_files, tables, text, version, word,
    },
    pyproject,
    requirement_location::is_archive,
};
use crate::{
    manifest::{Error, Node, Text},
    python::{
        lock::{Dependency, PackageFile, PackageSource, PythonLock, PythonPackage, RootDependency},
        requirement::PythonRequirement,
        scope::Scope,
    },
};

/// Reads the lockfile; the project's `pyproject.toml` says which groups are extras.
pub(super) fn read(file: &Text, project: Option<&Text>) -> Result<PythonLock, Error> {
    let Some(project) = project else {
        let message = "it needs a `pyproject.toml` in the same directory";
        return Err(lock_error(file, 0..0, message));
    };
    let root = file.toml()?;
    let declared = pyproject::read(project, &BTreeMap::new())?;
    let mut lock = PythonLock {
        settings: declared.settings.clone(),
        includes: declared.includes.clone(),
        extras: declared.extras.clone(),
        groups: declared.groups.clone(),
        // pdm installs every group for development.
        default_groups: declared.groups.clone(),
        notes: declared.notes.clone(),
        ..PythonLock::default()
    };
    // Before pdm 2.8 the files of all packages were in one table, by name and version (`click 8.1.8`).
    let older = older_files(&root, str::to_owned);
    let packages = tables(&root, "package");
    let has_groups = packages.iter().any(|node| node.get("groups").is_some());
    let mut positions: BTreeMap<(String, Option<String>), usize> = BTreeMap::new();
    for node in packages {
        let package = package(file, &older, node)?;
        for group in names(file, node, "groups")? {
            let scope = match group {
                group if group == "default" => Scope::Always,
                group if declared.extras.contains(&group) => Scope::Extra(group),
                group => {
                    lock.groups.insert(group.clone());
                    Scope::Group(group)
                }
            };
            let dependency = Dependency::on(&package);
            lock.roots.push(RootDependency { scope, dependency });
        }
        // With groups every package that is needed has its own.
        let dependencies = if has_groups {
            Vec::new()
        } else {
            dependencies(file, node)?
        };
        let version = (package.name.clone(), package.version.clone());
        let position = *positions.entry(version).or_insert(lock.packages.len());
        if position == lock.packages.len() {
            lock.packages.push(package);
        }
        let package = &mut lock.packages[position];
        // The extras of a package are further entries of the same version.
        let extras = names(file, node, "extras")?;
        if extras.is_empty() {
            package.dependencies = dependencies;
        } else {
            let extras = extras.into_iter();
            package
                .extras
                .extend(extras.map(|extra| (extra, dependencies.clone())));
        }
    }
    if !has_groups {
        let loose = declared.loose.iter();
        lock.roots.extend(loose.map(|one| RootDependency {
            scope: one.scope.clone(),
            dependency: locked_dependency(&one.requirement),
        }));
    }
    lock.add_directories(&declared);
    Ok(lock)
}

fn package(
    file: &Text,
    older: &BTreeMap<String, &[Node<'_>]>,
    node: &Node<'_>,
) -> Result<PythonPackage, Error> {
    let missing = || lock_error(file, node.span.clone(), "a package has no `name`");
    let name_node = node.get("name").ok_or_else(missing)?;
    let name = name(file, name_node)?;
    let source = package_source(file, node)?;
    let words = [name_node.text(), node.get("version").and_then(Node::text)];
    let key = words.map(Option::unwrap_or_default).join(" ");
    let mut digests = Vec::new();
    let mut own_files = Vec::new();
    for one in files_of(node, older, &key) {
        let Some(hash) = one.get("hash") else {
            continue;
        };
        let digest = digest(file, hash)?;
        if let Some(url) = one.get("url") {
            let url = locked_address(file, "url", url)?;
            if !is_public_file(&url) {
                let digest = digest.clone();
                own_files.push(PackageFile {
                    url,
                    digest,
                    size: None,
                });
            }
        }
        digests.push(digest);
    }
    digests.sort();
    if digests.is_empty() && matches!(source, PackageSource::Index(_) | PackageSource::Url(_)) {
        let message = format!("`{name}` has no digests: run `pdm lock`");
        return Err(lock_error(file, node.span.clone(), message));
    }
    let foreign_source = match &source {
        PackageSource::Index(_) if own_files.is_empty() => None,
        PackageSource::Index(_) => {
            let urls = own_files.iter().map(|one| one.url.clone());
            Some(urls.collect())
        }
        PackageSource::Url(url) | PackageSource::Repository(url) => Some(url.clone().into()),
        PackageSource::Directory { path, .. } => {
            (path != ".").then(|| format!("directory {path}").into())
        }
    };
    Ok(PythonPackage {
        version: node
            .get("version")
            .map(|node| version(file, node))
            .transpose()?,
        source,
        digests,
        files: own_files,
        marker: marker(file, node, "marker")?,
        foreign_source,
        ..PythonPackage::named(name)
    })
}

fn package_source(file: &Text, node: &Node<'_>) -> Result<PackageSource, Error> {
    let get = |key: &str| node.get(key).map(|one| word(file, key, one)).transpose();
    // pdm writes variables of `pyproject.toml` into these. They are part of the approval.
    let place = |key: &str| node.get(key).map(|one| address(file, key, one)).transpose();
    if let Some(url) = place("git")? {
        let Some(commit) = get("revision")? else {
            let message = "a repository needs a `revision`: run `pdm lock`";
            return Err(lock_error(file, node.span.clone(), message));
        };
        let subdirectory = get("subdirectory")?;
        let repository = LockedRepository {
            url: &url,
            commit: &commit,
            subdirectory: subdirectory.as_deref(),
        };
        return repository.source(file, node.get("revision").unwrap_or(node));
    }
    if let Some(path) = node.get("path") {
        let path = directory(file, "path", path)?;
        return Ok(if is_archive(&path) {
            PackageSource::Url(file_url(folder_of(file), &path))
        } else {
            PackageSource::Directory {
                path,
                installed: true,
            }
        });
    }
    Ok(place("url")?.map_or(PackageSource::Index(None), PackageSource::Url))
}

fn dependencies(file: &Text, node: &Node<'_>) -> Result<Vec<Dependency>, Error> {
    let nodes = tables(node, "dependencies").iter();
    nodes
        .map(|node| {
            let requirement: Result<PythonRequirement, _> =
                text(file, "dependencies", node)?.parse();
            let requirement =
                requirement.map_err(|invalid| file.error(node.span.clone(), invalid))?;
            Ok(locked_dependency(&requirement))
        })
        .collect()
}
