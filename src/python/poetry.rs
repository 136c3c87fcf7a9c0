//! `poetry.lock`: since poetry 2 each package says in which groups it is; before that the groups are walked
//! from `pyproject.toml`.

use super::{
    Edge, Marker, Package, PythonLock, PythonRequirement, Root, Source, When,
    marker::normal,
    read::{
        self, digest, directory, fault, is_public, marker, marker_of, name, names, tables, text,
        version, word,
    },
};
use crate::manifest::{Entry, Error, Node, Text, Value};

/// A need as a table writes it.
struct Need {
    edge: Edge,
    /// Whether an extra brings it, and nothing else.
    optional: bool,
    /// Whether it has markers.
    marked: bool,
}

/// Reads the lockfile, and the needs of the project from the file beside it.
pub(super) fn read(file: &Text, project: Option<&Text>) -> Result<PythonLock, Error> {
    let root = file.toml()?;
    let mut lock = PythonLock::default();
    let mut walked = false;
    for node in tables(&root, "package") {
        let package = package(file, &root, node)?;
        if node.get("groups").is_some() {
            lock.roots.extend(groups(file, node, &package)?);
        } else {
            walked = true;
        }
        lock.packages.push(package);
    }
    let Some(project) = project else {
        return Err(fault(file, 0..0, "`pyproject.toml` is not beside it"));
    };
    let tree = project.toml()?;
    let needs = needs(project, &tree)?;
    for need in &needs {
        match &need.when {
            When::Always => {}
            When::Group(group) => drop(lock.groups.insert(group.clone())),
            When::Extra(extra) => drop(lock.extras.insert(extra.clone())),
        }
    }
    let optional = |group: &String| {
        let key = format!("tool.poetry.group.{group}.optional");
        let said = tree.select(&key);
        said.iter()
            .any(|node| matches!(node.value, Value::Boolean(true)))
    };
    lock.default_groups = lock
        .groups
        .iter()
        .filter(|group| !optional(group))
        .cloned()
        .collect();
    if walked {
        lock.roots = needs;
    }
    own_package(&tree, &mut lock);
    Ok(lock)
}

/// Adds the project itself where poetry would install it.
fn own_package(tree: &Node<'_>, lock: &mut PythonLock) {
    let said = |key: &str| tree.select(key).into_iter().next();
    let library = said("tool.poetry.package-mode")
        .is_none_or(|node| !matches!(node.value, Value::Boolean(false)));
    let named = said("project.name")
        .or_else(|| said("tool.poetry.name"))
        .and_then(Node::text);
    if let (true, Some(name), Some(_)) = (library, named, said("build-system")) {
        lock.add_project(normal(name));
    }
}

/// The groups that a package says it is in, each with its condition.
fn groups(file: &Text, node: &Node<'_>, package: &Package) -> Result<Vec<Root>, Error> {
    let said = node.get("markers");
    names(file, node, "groups")?
        .into_iter()
        .map(|group| {
            let marker = match said.map(|node| &node.value) {
                Some(Value::Text(_)) => marker(file, node, "markers")?,
                Some(Value::Table(entries)) => {
                    let own = entries.iter().find(|entry| normal(&entry.key) == group);
                    let own = own.map(|entry| marker_of(file, "markers", &entry.node));
                    own.transpose()?.unwrap_or_default()
                }
                _ => Marker::default(),
            };
            let edge = Edge {
                name: package.name.clone(),
                version: package.version.clone(),
                marker,
                ..Edge::default()
            };
            let when = if group == "main" {
                When::Always
            } else {
                When::Group(group)
            };
            Ok(Root { when, edge })
        })
        .collect()
}

fn package(file: &Text, root: &Node<'_>, node: &Node<'_>) -> Result<Package, Error> {
    let missing = |key: &str| fault(file, node.span.clone(), format!("a package has no `{key}`"));
    let name = name(file, node.get("name").ok_or_else(|| missing("name"))?)?;
    // Before poetry 1.2 the digests of all packages stood in a table of their own.
    let files = root
        .get("metadata")
        .and_then(|node| node.get("files"))
        .map(Node::entries);
    let older = files
        .unwrap_or_default()
        .iter()
        .find(|entry| normal(&entry.key) == name);
    let listed = match (node.get("files"), older) {
        (Some(files), _) => files.elements(),
        (None, Some(entry)) => entry.node.elements(),
        (None, None) => &[],
    };
    let mut digests: Vec<String> = listed
        .iter()
        .filter_map(|one| one.get("hash"))
        .map(|node| digest(file, node))
        .collect::<Result<_, _>>()?;
    digests.sort();
    let source = node.get("source");
    let place = source.map_or(Ok(Source::Index(None)), |node| place(file, node))?;
    if digests.is_empty() && matches!(place, Source::Index(_)) {
        let message = format!("`{name}` has no digests: lock anew with `poetry lock`");
        return Err(fault(file, node.span.clone(), message));
    }
    let plain = place == Source::Index(None);
    let extras = node.get("extras").map(Node::entries).unwrap_or_default();
    Ok(Package {
        version: node
            .get("version")
            .map(|node| version(file, node))
            .transpose()?,
        elsewhere: (!plain).then(|| {
            let entries = source.map(Node::entries).unwrap_or_default().iter();
            let words =
                entries.map(|one| format!("{} {}", one.key, one.node.text().unwrap_or("?")));
            words.collect::<Vec<_>>().join(", ")
        }),
        source: place,
        digests,
        marker: Marker::default(),
        dependencies: edges(file, node.get("dependencies"))?,
        extras: extras
            .iter()
            .map(|entry| {
                let list = entry.node.elements().iter();
                let edges = list.map(|node| {
                    Ok(bare(
                        &text(file, "extras", node)?
                            .parse::<PythonRequirement>()
                            .map_err(|invalid| file.error(node.span.clone(), invalid))?,
                    ))
                });
                Ok((normal(&entry.key), edges.collect::<Result<_, Error>>()?))
            })
            .collect::<Result<_, Error>>()?,
        name,
    })
}

/// An extra repeats a dependency; only its name counts.
fn bare(requirement: &PythonRequirement) -> Edge {
    Edge {
        name: requirement.name.to_string(),
        extras: requirement.extras.clone(),
        marker: requirement.marker.clone(),
        ..Edge::default()
    }
}

fn place(file: &Text, source: &Node<'_>) -> Result<Source, Error> {
    let get = |key: &str| {
        source
            .get(key)
            .map(|node| word(file, key, node))
            .transpose()
    };
    let url = get("url")?.unwrap_or_default();
    Ok(match source.get("type").and_then(Node::text) {
        None | Some("legacy") => Source::Index((!is_public(&url)).then_some(url)),
        Some("git") => {
            let commit = get("resolved_reference")?.unwrap_or_default();
            Source::Repository(read::repository(
                &url,
                &commit,
                get("subdirectory")?.as_deref(),
            ))
        }
        Some("url") => Source::Url(url),
        Some("directory") => Source::Directory {
            path: source
                .get("url")
                .map_or(Ok(".".to_owned()), |node| directory(file, "url", node))?,
            installed: true,
        },
        Some(kind) => {
            let message = format!("devsh cannot install from a source of kind `{kind}`");
            return Err(fault(file, source.span.clone(), message));
        }
    })
}

/// What the project itself needs, by groups and extras.
fn needs(file: &Text, tree: &Node<'_>) -> Result<Vec<Root>, Error> {
    let mut roots = Vec::new();
    let mut add = |when: &When, edges: Vec<Edge>| {
        roots.extend(edges.into_iter().map(|edge| Root {
            when: when.clone(),
            edge,
        }));
    };
    let first = |key: &str| tree.select(key).into_iter().next();
    let listed = listed(file, first("tool.poetry.dependencies"))?;
    let (optional, always): (Vec<Need>, Vec<Need>) =
        listed.into_iter().partition(|need| need.optional);
    add(
        &When::Always,
        always.into_iter().map(|need| need.edge).collect(),
    );
    add(&When::Always, strings(file, first("project.dependencies"))?);
    let dev = When::Group("dev".to_owned());
    add(&dev, edges(file, first("tool.poetry.dev-dependencies"))?);
    for entry in first("tool.poetry.group")
        .map(Node::entries)
        .unwrap_or_default()
    {
        let when = When::Group(normal(&entry.key));
        add(&when, edges(file, entry.node.get("dependencies"))?);
    }
    for entry in first("dependency-groups")
        .map(Node::entries)
        .unwrap_or_default()
    {
        add(
            &When::Group(normal(&entry.key)),
            strings(file, Some(&entry.node))?,
        );
    }
    for key in ["project.optional-dependencies", "tool.poetry.extras"] {
        for entry in first(key).map(Node::entries).unwrap_or_default() {
            let named = strings(file, Some(&entry.node))?.into_iter();
            let edges = named.flat_map(|edge| brought(edge, &optional)).collect();
            add(&When::Extra(normal(&entry.key)), edges);
        }
    }
    Ok(roots)
}

fn strings(file: &Text, list: Option<&Node<'_>>) -> Result<Vec<Edge>, Error> {
    let nodes = list.map(Node::elements).unwrap_or_default().iter();
    nodes
        .filter_map(|node| Some((node, node.text()?)))
        .map(|(node, text)| {
            let parsed: Result<PythonRequirement, _> = text.parse();
            parsed
                .map(|one| bare(&one))
                .map_err(|invalid| file.error(node.span.clone(), invalid))
        })
        .collect()
}

/// What an extra brings that names a need: the optional ones of that name, with their conditions.
fn brought(named: Edge, optional: &[Need]) -> Vec<Edge> {
    let alike = optional.iter().filter(|need| need.edge.name == named.name);
    let edges: Vec<Edge> = alike.map(|need| need.edge.clone()).collect();
    if edges.is_empty() { vec![named] } else { edges }
}

/// The needs of a package of the lockfile, where an optional one has the extra that brings it in its markers.
fn edges(file: &Text, table: Option<&Node<'_>>) -> Result<Vec<Edge>, Error> {
    let listed = listed(file, table)?.into_iter();
    let counted = listed.filter(|need| !need.optional || need.marked);
    Ok(counted.map(|need| need.edge).collect())
}

/// A table of needs, as `pyproject.toml` and the lockfile both write it.
fn listed(file: &Text, table: Option<&Node<'_>>) -> Result<Vec<Need>, Error> {
    let mut needs = Vec::new();
    for entry in table.map(Node::entries).unwrap_or_default() {
        if entry.key == "python" {
            continue;
        }
        match &entry.node.value {
            Value::List(nodes) => {
                for node in nodes {
                    needs.push(need(file, entry, node)?);
                }
            }
            _ => needs.push(need(file, entry, &entry.node)?),
        }
    }
    Ok(needs)
}

/// One need.
fn need(file: &Text, entry: &Entry<'_>, node: &Node<'_>) -> Result<Need, Error> {
    let (mut optional, mut marked) = (false, false);
    let mut edge = Edge {
        name: normal(&entry.key),
        wanted: node.text().map(str::to_owned),
        ..Edge::default()
    };
    if let Value::Table(_) = node.value {
        let markers = marker(file, node, "markers")?;
        optional = matches!(
            node.get("optional").map(|one| &one.value),
            Some(Value::Boolean(true))
        );
        marked = node.get("markers").is_some();
        edge.extras = names(file, node, "extras")?;
        edge.wanted = node.get("version").and_then(Node::text).map(str::to_owned);
        edge.marker = markers.and(python(node.get("python").and_then(Node::text)));
    }
    Ok(Need {
        edge,
        optional,
        marked,
    })
}

/// `python = ">=3.8,<3.12"` beside a need; what no marker can say is left to the lockfile.
fn python(bounds: Option<&str>) -> Marker {
    let parts = bounds
        .into_iter()
        .flat_map(|bounds| bounds.split(','))
        .map(str::trim);
    let markers = parts.filter_map(|part| {
        let at = part.find(|one: char| one.is_ascii_digit())?;
        let (operator, version) = part.split_at(at);
        let operator = operator.trim();
        matches!(operator, "<" | "<=" | ">" | ">=" | "==" | "!=").then(|| {
            format!("python_version {operator} '{version}'")
                .parse::<Marker>()
                .ok()
        })?
    });
    markers.fold(Marker::default(), Marker::and)
}
