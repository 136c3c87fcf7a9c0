//! `poetry.lock`. Since poetry 2 each package has its groups; before that the groups follow from the dependencies
//! in `pyproject.toml`.

use std::collections::BTreeMap;

use super::{
    fields::{
        LockedRepository, address, digest, directory, file_url, files_of, folder_of,
        is_public_index, lock_error, locked_address, locked_dependency, marker, marker_of, name,
        names, older_files, tables, text, version, word,
    },
    poetry_bounds::{platform_marker, python_marker},
};
use crate::{
    manifest::{Error, Node, NodeEntry, Text, Value},
    python::{
        lock::{Dependency, PackageSource, PythonLock, PythonPackage, RootDependency},
        marker::{Marker, normalize},
        requirement::PythonRequirement,
        scope::Scope,
    },
};

/// A dependency as a table of poetry has it.
struct PoetryDependency {
    dependency: Dependency,
    /// True if only an extra brings it.
    optional: bool,
    has_markers: bool,
}

/// The sources of the lockfile by the names that `pyproject.toml` uses.
type PoetrySources = BTreeMap<String, PackageSource>;

/// Reads the lockfile, and the dependencies of the project from its `pyproject.toml`.
pub(super) fn read(file: &Text, project: Option<&Text>) -> Result<PythonLock, Error> {
    let root = file.toml()?;
    let mut lock = PythonLock::default();
    let mut without_groups = false;
    let mut sources = PoetrySources::new();
    // Before poetry 1.2 the files of all packages were in one table.
    let older = older_files(&root, normalize);
    for node in tables(&root, "package") {
        let package = package(file, &older, node)?;
        let reference = node
            .get("source")
            .and_then(|source| source.get("reference"));
        if let (Some(name), PackageSource::Index(_)) =
            (reference.and_then(Node::text), &package.source)
        {
            sources.insert(name.to_owned(), package.source.clone());
        }
        if node.get("groups").is_some() {
            lock.roots.extend(package_roots(file, node, &package)?);
        } else {
            without_groups = true;
        }
        lock.packages.push(package);
    }
    let Some(project) = project else {
        return Err(lock_error(
            file,
            0..0,
            "it needs a `pyproject.toml` in the same directory",
        ));
    };
    let tree = project.toml()?;
    let roots = project_roots(project, &tree, &sources)?;
    for root in &roots {
        match &root.scope {
            Scope::Group(group) => drop(lock.groups.insert(group.clone())),
            Scope::Extra(extra) => drop(lock.extras.insert(extra.clone())),
            _ => {}
        }
    }
    let optional = |group: &String| {
        let key = format!("tool.poetry.group.{group}.optional");
        let values = tree.select(&key);
        values
            .iter()
            .any(|node| matches!(node.value, Value::Boolean(true)))
    };
    lock.default_groups = lock
        .groups
        .iter()
        .filter(|group| !optional(group))
        .cloned()
        .collect();
    if without_groups {
        lock.roots = roots;
    }
    add_own_package(&tree, &mut lock);
    Ok(lock)
}

/// Adds the project itself if poetry would install it.
fn add_own_package(tree: &Node<'_>, lock: &mut PythonLock) {
    let first = |key: &str| tree.select(key).into_iter().next();
    let library = first("tool.poetry.package-mode")
        .is_none_or(|node| !matches!(node.value, Value::Boolean(false)));
    let named = first("project.name")
        .or_else(|| first("tool.poetry.name"))
        .and_then(Node::text);
    if let (true, Some(name), Some(_)) = (library, named, first("build-system")) {
        lock.add_project(normalize(name));
    }
}

/// Returns the groups of a package, each with its marker.
fn package_roots(
    file: &Text,
    node: &Node<'_>,
    package: &PythonPackage,
) -> Result<Vec<RootDependency>, Error> {
    let markers = node.get("markers");
    names(file, node, "groups")?
        .into_iter()
        .map(|group| {
            let marker = match markers.map(|node| &node.value) {
                Some(Value::Text(_)) => marker(file, node, "markers")?,
                Some(Value::Table(entries)) => {
                    let own = entries.iter().find(|entry| normalize(&entry.key) == group);
                    let own = own.map(|entry| marker_of(file, "markers", &entry.node));
                    own.transpose()?.unwrap_or_default()
                }
                _ => Marker::default(),
            };
            let dependency = Dependency {
                name: package.name.clone(),
                version: package.version.clone(),
                marker,
                ..Dependency::default()
            };
            let scope = if group == "main" {
                Scope::Always
            } else {
                Scope::Group(group)
            };
            Ok(RootDependency { scope, dependency })
        })
        .collect()
}

fn package(
    file: &Text,
    older: &BTreeMap<String, &[Node<'_>]>,
    node: &Node<'_>,
) -> Result<PythonPackage, Error> {
    let missing =
        |key: &str| lock_error(file, node.span.clone(), format!("a package has no `{key}`"));
    let name = name(file, node.get("name").ok_or_else(|| missing("name"))?)?;
    let mut digests: Vec<String> = files_of(node, older, &name)
        .iter()
        .filter_map(|one| one.get("hash"))
        .map(|node| digest(file, node))
        .collect::<Result<_, _>>()?;
    digests.sort();
    let source = node.get("source");
    let place = source.map_or(Ok(PackageSource::Index(None)), |node| {
        package_source(file, node)
    })?;
    if digests.is_empty() && matches!(place, PackageSource::Index(_)) {
        let message = format!("`{name}` has no digests: run `poetry lock`");
        return Err(lock_error(file, node.span.clone(), message));
    }
    let public = place == PackageSource::Index(None);
    let extras = node.get("extras").map(Node::entries).unwrap_or_default();
    Ok(PythonPackage {
        version: node
            .get("version")
            .map(|node| version(file, node))
            .transpose()?,
        foreign_source: (!public).then(|| {
            let entries = source.map(Node::entries).unwrap_or_default().iter();
            let fields = entries.map(|one| {
                let value = one.node.text().unwrap_or("?");
                (one.key.to_string(), value.to_owned())
            });
            fields.collect()
        }),
        source: place,
        digests,
        wheels: Vec::new(),
        files: Vec::new(),
        marker: bounds_marker(file, node.get("python-versions"), python_marker)?,
        dependencies: dependencies(file, node.get("dependencies"), &PoetrySources::new())?,
        extras: extras
            .iter()
            .map(|entry| {
                let list = entry.node.elements().iter();
                let named = list.map(|node| {
                    Ok(locked_dependency(
                        &without_bounds(text(file, "extras", node)?)
                            .parse::<PythonRequirement>()
                            .map_err(|invalid| file.error(node.span.clone(), invalid))?,
                    ))
                });
                Ok((normalize(&entry.key), named.collect::<Result<_, Error>>()?))
            })
            .collect::<Result<_, Error>>()?,
        name,
    })
}

/// Returns a requirement without its bounds in parentheses, whose `||` PEP 508 does not know. The lockfile has the version.
fn without_bounds(requirement: &str) -> String {
    let end = requirement.find(';').unwrap_or(requirement.len());
    let (named, marker) = requirement.split_at(end);
    let Some((name, bounds)) = named.split_once('(') else {
        return requirement.to_owned();
    };
    let after = bounds.split_once(')').map_or("", |(_, after)| after);
    format!("{name}{after}{marker}")
}

fn package_source(file: &Text, source: &Node<'_>) -> Result<PackageSource, Error> {
    let get = |key: &str| {
        source
            .get(key)
            .map(|node| word(file, key, node))
            .transpose()
    };
    let kind = source.get("type").and_then(Node::text);
    let is_local = matches!(kind, Some("file" | "directory"));
    // A local path may have spaces.
    let url = source.get("url").filter(|_| !is_local);
    let url = url.map(|node| locked_address(file, "url", node));
    let url = url.transpose()?.unwrap_or_default();
    Ok(match kind {
        None | Some("legacy") => PackageSource::Index((!is_public_index(&url)).then_some(url)),
        Some("git") => {
            let commit = get("resolved_reference")?.unwrap_or_default();
            let subdirectory = get("subdirectory")?;
            let repository = LockedRepository {
                url: &url,
                commit: &commit,
                subdirectory: subdirectory.as_deref(),
            };
            repository.source(file, source.get("resolved_reference").unwrap_or(source))?
        }
        Some("url") => PackageSource::Url(url),
        Some("file") => {
            let path = source
                .get("url")
                .map_or(Ok(String::new()), |node| directory(file, "url", node))?;
            PackageSource::Url(file_url(folder_of(file), &path))
        }
        Some("directory") => PackageSource::Directory {
            path: source
                .get("url")
                .map_or(Ok(".".to_owned()), |node| directory(file, "url", node))?,
            installed: true,
        },
        Some(kind) => {
            let message = format!("devsh cannot install from a source of kind `{kind}`");
            return Err(lock_error(file, source.span.clone(), message));
        }
    })
}

/// Returns the dependencies of the project, by groups and extras.
fn project_roots(
    file: &Text,
    tree: &Node<'_>,
    sources: &PoetrySources,
) -> Result<Vec<RootDependency>, Error> {
    let mut roots = Vec::new();
    let mut add = |scope: &Scope, dependencies: Vec<Dependency>| {
        let dependencies = dependencies.into_iter();
        roots.extend(dependencies.map(|dependency| RootDependency {
            scope: scope.clone(),
            dependency,
        }));
    };
    let first = |key: &str| tree.select(key).into_iter().next();
    let all = table_dependencies(file, first("tool.poetry.dependencies"), sources)?;
    let (optional, always): (Vec<PoetryDependency>, Vec<PoetryDependency>) =
        all.into_iter().partition(|one| one.optional);
    add(
        &Scope::Always,
        always.into_iter().map(|one| one.dependency).collect(),
    );
    add(
        &Scope::Always,
        listed_dependencies(file, first("project.dependencies"))?,
    );
    let dev = Scope::Group("dev".to_owned());
    add(
        &dev,
        dependencies(file, first("tool.poetry.dev-dependencies"), sources)?,
    );
    for entry in first("tool.poetry.group")
        .map(Node::entries)
        .unwrap_or_default()
    {
        let scope = Scope::Group(normalize(&entry.key));
        add(
            &scope,
            dependencies(file, entry.node.get("dependencies"), sources)?,
        );
    }
    for entry in first("dependency-groups")
        .map(Node::entries)
        .unwrap_or_default()
    {
        add(
            &Scope::Group(normalize(&entry.key)),
            listed_dependencies(file, Some(&entry.node))?,
        );
    }
    for key in ["project.optional-dependencies", "tool.poetry.extras"] {
        for entry in first(key).map(Node::entries).unwrap_or_default() {
            let named = listed_dependencies(file, Some(&entry.node))?.into_iter();
            let all = named.flat_map(|one| of_extra(one, &optional)).collect();
            add(&Scope::Extra(normalize(&entry.key)), all);
        }
    }
    Ok(roots)
}

fn listed_dependencies(file: &Text, list: Option<&Node<'_>>) -> Result<Vec<Dependency>, Error> {
    let nodes = list.map(Node::elements).unwrap_or_default().iter();
    nodes
        .filter_map(|node| Some((node, node.text()?)))
        .map(|(node, text)| {
            let parsed: Result<PythonRequirement, _> = text.parse();
            parsed
                .map(|one| locked_dependency(&one))
                .map_err(|invalid| file.error(node.span.clone(), invalid))
        })
        .collect()
}

/// Returns the optional dependencies of the name in an extra, with their markers.
fn of_extra(named: Dependency, optional: &[PoetryDependency]) -> Vec<Dependency> {
    let all = optional.iter().map(|one| &one.dependency);
    let all: Vec<Dependency> = all.filter(|one| one.name == named.name).cloned().collect();
    if all.is_empty() { vec![named] } else { all }
}

/// Returns the dependencies of a package; the markers of an optional one have its extra.
fn dependencies(
    file: &Text,
    table: Option<&Node<'_>>,
    sources: &PoetrySources,
) -> Result<Vec<Dependency>, Error> {
    let all = table_dependencies(file, table, sources)?.into_iter();
    let counted = all.filter(|one| !one.optional || one.has_markers);
    Ok(counted.map(|one| one.dependency).collect())
}

/// Reads a table of dependencies, which `pyproject.toml` and the lockfile write alike.
fn table_dependencies(
    file: &Text,
    table: Option<&Node<'_>>,
    sources: &PoetrySources,
) -> Result<Vec<PoetryDependency>, Error> {
    let mut dependencies = Vec::new();
    for entry in table.map(Node::entries).unwrap_or_default() {
        if entry.key == "python" {
            continue;
        }
        match &entry.node.value {
            Value::List(nodes) => {
                for node in nodes {
                    dependencies.push(dependency(file, entry, node, sources)?);
                }
            }
            _ => dependencies.push(dependency(file, entry, &entry.node, sources)?),
        }
    }
    Ok(dependencies)
}

fn dependency(
    file: &Text,
    entry: &NodeEntry<'_>,
    node: &Node<'_>,
    sources: &PoetrySources,
) -> Result<PoetryDependency, Error> {
    let (mut optional, mut has_markers) = (false, false);
    let mut dependency = Dependency {
        name: normalize(&entry.key),
        versions: node.text().map(str::to_owned),
        ..Dependency::default()
    };
    if let Value::Table(_) = node.value {
        let markers = marker(file, node, "markers")?;
        optional = matches!(
            node.get("optional").map(|one| &one.value),
            Some(Value::Boolean(true))
        );
        has_markers = node.get("markers").is_some();
        dependency.extras = names(file, node, "extras")?;
        dependency.versions = node.get("version").and_then(Node::text).map(str::to_owned);
        let python = bounds_marker(file, node.get("python"), python_marker)?;
        let platform = bounds_marker(file, node.get("platform"), platform_marker)?;
        dependency.marker = markers.and(python).and(platform);
        dependency.source = match (node.get("url"), node.get("source").and_then(Node::text)) {
            (Some(url), _) => Some(PackageSource::Url(address(file, "url", url)?)),
            (None, Some(name)) => sources.get(name).cloned(),
            (None, None) => None,
        };
    }
    Ok(PoetryDependency {
        dependency,
        optional,
        has_markers,
    })
}

/// Returns the marker for bounds such as `python = "^3.8"`; without them it always holds.
fn bounds_marker(
    file: &Text,
    node: Option<&Node<'_>>,
    marker: fn(&str) -> Option<Marker>,
) -> Result<Marker, Error> {
    let Some(node) = node else {
        return Ok(Marker::default());
    };
    let bounds = text(file, "python", node)?;
    marker(bounds).ok_or_else(|| {
        let message = format!("`{bounds}` is not a bound that devsh can read");
        lock_error(file, node.span.clone(), message)
    })
}
