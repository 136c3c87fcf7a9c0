//! `uv.lock`: a graph of packages with their files.

use std::collections::BTreeSet;

use super::fields::{
    LockedRepository, digest, directory, file_url, folder_of, index_wheels, is_public_file,
    is_public_index, lock_error, locked_address, marker, marker_of, name, names, tables, version,
};
use crate::{
    manifest::{Error, Node, Text},
    python::{
        lock::{
            Dependency, ForeignSource, PackageFile, PackageSource, PythonLock, PythonPackage,
            RootDependency,
        },
        marker::{Marker, normalize},
        scope::Scope,
    },
    util::paths::join_text,
};

/// Reads the lockfile.
pub(super) fn read(file: &Text) -> Result<PythonLock, Error> {
    let root = file.toml()?;
    if let Some(found) = root.get("version")
        && &file.as_str()[found.span.clone()] != "1"
    {
        let found = &file.as_str()[found.span.clone()];
        let message = format!("its format is version {found}, and devsh reads version 1");
        return Err(lock_error(file, 0..0, message));
    }
    let mut lock = PythonLock::default();
    let members = root.select("manifest.members").into_iter();
    let members: BTreeSet<String> = members
        .flat_map(Node::elements)
        .filter_map(Node::text)
        .map(normalize)
        .collect();
    let (mut project_roots, mut member_roots) = (Vec::new(), Vec::new());
    for node in tables(&root, "package") {
        let package = package(file, node)?;
        if let PackageSource::Directory { path, .. } = &package.source {
            let is_project = path == ".";
            if is_project || members.contains(&package.name) {
                add_declared(node, &mut lock);
                let roots = roots(file, node, &package.name)?;
                lock.members.insert(package.name.clone());
                if is_project {
                    project_roots.extend(roots);
                } else {
                    member_roots.extend(roots);
                }
            }
        }
        lock.packages.push(package);
    }
    // A workspace without a package at its root is all of its members.
    lock.roots = if project_roots.is_empty() {
        member_roots
    } else {
        project_roots
    };
    for entry in root
        .select("manifest.dependency-groups")
        .into_iter()
        .flat_map(Node::entries)
    {
        for node in entry.node.elements() {
            let scope = Scope::Group(normalize(&entry.key));
            let dependency = dependency(file, node)?;
            lock.roots.push(RootDependency { scope, dependency });
        }
    }
    lock.add_root_scopes();
    lock.default_to_dev();
    Ok(lock)
}

/// Adds the groups and extras that a package declares, also empty ones.
fn add_declared(node: &Node<'_>, lock: &mut PythonLock) {
    let groups = node.select("metadata.requires-dev").into_iter();
    let groups = groups
        .flat_map(Node::entries)
        .map(|entry| normalize(&entry.key));
    lock.groups.extend(groups);
    let extras = node.select("metadata.provides-extras").into_iter();
    let extras = extras
        .flat_map(Node::elements)
        .filter_map(Node::text)
        .map(normalize);
    lock.extras.extend(extras);
}

/// Returns the project itself and the dependencies of its groups and extras.
fn roots(file: &Text, node: &Node<'_>, package: &str) -> Result<Vec<RootDependency>, Error> {
    let itself = |scope, extras| RootDependency {
        scope,
        dependency: Dependency {
            name: package.to_owned(),
            extras,
            ..Dependency::default()
        },
    };
    let mut roots = vec![itself(Scope::Always, Vec::new())];
    let extras = node.get("optional-dependencies").map(Node::entries);
    for entry in extras.unwrap_or_default() {
        let extra = normalize(&entry.key);
        roots.push(itself(Scope::Extra(extra.clone()), vec![extra]));
    }
    for key in ["dev-dependencies", "dependency-groups"] {
        for entry in node.get(key).map(Node::entries).unwrap_or_default() {
            for node in entry.node.elements() {
                let scope = Scope::Group(normalize(&entry.key));
                let dependency = dependency(file, node)?;
                roots.push(RootDependency { scope, dependency });
            }
        }
    }
    Ok(roots)
}

fn dependency(file: &Text, node: &Node<'_>) -> Result<Dependency, Error> {
    let found = node.get("name");
    let found =
        found.ok_or_else(|| lock_error(file, node.span.clone(), "a dependency has no `name`"))?;
    Ok(Dependency {
        name: name(file, found)?,
        version: node
            .get("version")
            .map(|node| version(file, node))
            .transpose()?,
        versions: None,
        source: node
            .get("source")
            .map(|node| package_source(file, node))
            .transpose()?,
        extras: match node.get("extra") {
            Some(_) => names(file, node, "extra")?,
            None => names(file, node, "extras")?,
        },
        marker: marker(file, node, "marker")?,
    })
}

fn package(file: &Text, node: &Node<'_>) -> Result<PythonPackage, Error> {
    let missing =
        |key: &str| lock_error(file, node.span.clone(), format!("a package has no `{key}`"));
    let source = node.get("source").ok_or_else(|| missing("source"))?;
    let files: Vec<&Node<'_>> = tables(node, "wheels")
        .iter()
        .chain(node.get("sdist"))
        .collect();
    let mut digests = Vec::new();
    for node in files.iter().filter_map(|file| file.get("hash")) {
        digests.push(digest(file, node)?);
    }
    digests.sort();
    let place = package_source(file, source)?;
    let public = matches!(&place, PackageSource::Directory { path, .. } if path == ".")
        || matches!(place, PackageSource::Index(None))
            && !digests.is_empty()
            && files.iter().all(|file| {
                let address = file.get("url").and_then(Node::text).unwrap_or_default();
                is_public_file(address) && file.get("hash").is_some()
            });
    let dependencies = |nodes: &[Node<'_>]| -> Result<Vec<Dependency>, Error> {
        nodes.iter().map(|node| dependency(file, node)).collect()
    };
    let extras = node.get("optional-dependencies").map(Node::entries);
    let extras = extras.unwrap_or_default().iter();
    Ok(PythonPackage {
        name: name(file, node.get("name").ok_or_else(|| missing("name"))?)?,
        version: node
            .get("version")
            .map(|node| version(file, node))
            .transpose()?,
        foreign_source: (!public).then(|| describe_source(source, &files)),
        files: match &place {
            PackageSource::Index(Some(index)) if !index.contains("://") => {
                local_files(file, index, &files)?
            }
            _ => Vec::new(),
        },
        wheels: match &place {
            PackageSource::Index(_) => index_wheels(file, tables(node, "wheels"), |wheel| {
                Some(wheel.get("hash")?.text()?.to_owned())
            })?,
            _ => Vec::new(),
        },
        source: place,
        digests,
        marker: resolution_markers(file, node)?,
        dependencies: dependencies(tables(node, "dependencies"))?,
        extras: extras
            .map(|entry| Ok((normalize(&entry.key), dependencies(entry.node.elements())?)))
            .collect::<Result<_, Error>>()?,
    })
}

/// Returns the files of a directory that uv used as an index.
fn local_files(file: &Text, index: &str, files: &[&Node<'_>]) -> Result<Vec<PackageFile>, Error> {
    let folder = join_text(folder_of(file), index);
    let mut local = Vec::new();
    for node in files {
        let keys = ["path", "filename"];
        let place = keys.iter().find_map(|key| node.get(key));
        let (Some(place), Some(hash)) = (place, node.get("hash")) else {
            continue;
        };
        local.push(PackageFile {
            url: file_url(&folder, &directory(file, "path", place)?),
            digest: digest(file, hash)?,
            size: None,
        });
    }
    Ok(local)
}

/// Returns the condition under which uv chose this version of a package.
fn resolution_markers(file: &Text, node: &Node<'_>) -> Result<Marker, Error> {
    let list = tables(node, "resolution-markers").iter();
    let markers: Vec<Marker> = list
        .map(|node| marker_of(file, "resolution-markers", node))
        .collect::<Result<_, _>>()?;
    Ok(Marker::any(markers))
}

fn package_source(file: &Text, source: &Node<'_>) -> Result<PackageSource, Error> {
    let Some(entry) = source.entries().first() else {
        return Err(lock_error(
            file,
            source.span.clone(),
            "a package has no source",
        ));
    };
    Ok(match &*entry.key {
        "registry" => {
            let index = locked_address(file, "registry", &entry.node)?;
            PackageSource::Index((!is_public_index(&index)).then_some(index))
        }
        "url" => PackageSource::Url(locked_address(file, "url", &entry.node)?),
        "path" => {
            let path = directory(file, "path", &entry.node)?;
            PackageSource::Url(file_url(folder_of(file), &path))
        }
        "git" => git_source(file, &entry.node)?,
        kind @ ("editable" | "directory" | "virtual") => PackageSource::Directory {
            installed: kind != "virtual",
            path: directory(file, kind, &entry.node)?,
        },
        kind => {
            let message = format!("devsh cannot install from a source of kind `{kind}`");
            return Err(lock_error(file, entry.key_span.clone(), message));
        }
    })
}

/// Reads `https://host/repo?subdirectory=x&rev=main#commit`.
fn git_source(file: &Text, node: &Node<'_>) -> Result<PackageSource, Error> {
    let address = locked_address(file, "git", node)?;
    let (address, commit) = address.split_once('#').unwrap_or((&address, ""));
    let (address, query) = address.split_once('?').unwrap_or((address, ""));
    let subdirectory = query
        .split('&')
        .find_map(|one| one.strip_prefix("subdirectory="));
    let repository = LockedRepository {
        url: address,
        commit,
        subdirectory,
    };
    repository.source(file, node)
}

fn describe_source(source: &Node<'_>, files: &[&Node<'_>]) -> ForeignSource {
    let entries = source.entries().iter();
    let mut fields: Vec<(String, String)> = entries
        .map(|one| {
            let value = one.node.text().unwrap_or("?");
            (one.key.to_string(), value.to_owned())
        })
        .collect();
    for file in files {
        let address = file.get("url").and_then(Node::text).unwrap_or_default();
        let digest = file
            .get("hash")
            .and_then(Node::text)
            .unwrap_or("without a digest");
        if !is_public_file(address) || file.get("hash").is_none() {
            fields.push((address.to_owned(), digest.to_owned()));
        }
    }
    fields.into_iter().collect()
}
