//! `uv.lock`: a graph of packages with all their files.

use super::{
    Edge, Marker, Package, PythonLock, Root, Source, When,
    marker::normal,
    read::{
        self, digest, directory, fault, is_public, is_public_file, marker, marker_of, name, names,
        tables, text, version, word,
    },
};
use crate::manifest::{Error, Node, Text};

/// Reads the lockfile.
pub(super) fn read(file: &Text) -> Result<PythonLock, Error> {
    let root = file.toml()?;
    if let Some(found) = root.get("version")
        && &file.as_str()[found.span.clone()] != "1"
    {
        let found = &file.as_str()[found.span.clone()];
        let message = format!("its format is version {found}, and devsh reads version 1");
        return Err(fault(file, 0..0, message));
    }
    let mut lock = PythonLock::default();
    let (mut own, mut members) = (Vec::new(), Vec::new());
    for node in tables(&root, "package") {
        let package = package(file, node)?;
        if let Source::Directory { path, .. } = &package.source {
            let roots = roots(file, node, &package.name)?;
            if path == "." || is_member(&root, &package.name) {
                declared(node, &mut lock);
            }
            if path == "." {
                lock.project.clone_from(&package.name);
                own.extend(roots);
            } else if is_member(&root, &package.name) {
                members.extend(roots);
            }
        }
        lock.packages.push(package);
    }
    // Without a package at the root every member is what is worked on.
    lock.roots = if own.is_empty() { members } else { own };
    for entry in root
        .select("manifest.dependency-groups")
        .into_iter()
        .flat_map(Node::entries)
    {
        for node in entry.node.elements() {
            let edge = edge(file, node)?;
            let when = When::Group(normal(&entry.key));
            lock.roots.push(Root { when, edge });
        }
    }
    for root in &lock.roots {
        match &root.when {
            When::Always => {}
            When::Group(group) => drop(lock.groups.insert(group.clone())),
            When::Extra(extra) => drop(lock.extras.insert(extra.clone())),
        }
    }
    lock.default_groups = lock
        .groups
        .iter()
        .filter(|group| *group == "dev")
        .cloned()
        .collect();
    Ok(lock)
}

/// Adds the groups and extras that a package declares, the empty ones too.
fn declared(node: &Node<'_>, lock: &mut PythonLock) {
    let groups = node.select("metadata.requires-dev").into_iter();
    let groups = groups
        .flat_map(Node::entries)
        .map(|entry| normal(&entry.key));
    lock.groups.extend(groups);
    let extras = node.select("metadata.provides-extras").into_iter();
    let extras = extras
        .flat_map(Node::elements)
        .filter_map(Node::text)
        .map(normal);
    lock.extras.extend(extras);
}

fn is_member(root: &Node<'_>, package: &str) -> bool {
    let members = root
        .select("manifest.members")
        .into_iter()
        .flat_map(Node::elements);
    members
        .filter_map(Node::text)
        .any(|member| normal(member) == package)
}

/// What the project itself needs: its package, and the packages of its groups and extras.
fn roots(file: &Text, node: &Node<'_>, package: &str) -> Result<Vec<Root>, Error> {
    let itself = |when, extras| Root {
        when,
        edge: Edge {
            name: package.to_owned(),
            extras,
            ..Edge::default()
        },
    };
    let mut roots = vec![itself(When::Always, Vec::new())];
    let extras = node.get("optional-dependencies").map(Node::entries);
    for entry in extras.unwrap_or_default() {
        let extra = normal(&entry.key);
        roots.push(itself(When::Extra(extra.clone()), vec![extra]));
    }
    for key in ["dev-dependencies", "dependency-groups"] {
        for entry in node.get(key).map(Node::entries).unwrap_or_default() {
            for node in entry.node.elements() {
                let when = When::Group(normal(&entry.key));
                let edge = edge(file, node)?;
                roots.push(Root { when, edge });
            }
        }
    }
    Ok(roots)
}

fn edge(file: &Text, node: &Node<'_>) -> Result<Edge, Error> {
    let found = node.get("name");
    let found =
        found.ok_or_else(|| fault(file, node.span.clone(), "a dependency has no `name`"))?;
    Ok(Edge {
        name: name(file, found)?,
        version: node
            .get("version")
            .map(|node| version(file, node))
            .transpose()?,
        wanted: None,
        extras: match node.get("extra") {
            Some(_) => names(file, node, "extra")?,
            None => names(file, node, "extras")?,
        },
        marker: marker(file, node, "marker")?,
    })
}

fn package(file: &Text, node: &Node<'_>) -> Result<Package, Error> {
    let missing = |key: &str| fault(file, node.span.clone(), format!("a package has no `{key}`"));
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
    let place = place(file, source)?;
    let plain = matches!(&place, Source::Directory { path, .. } if path == ".")
        || matches!(place, Source::Index(None))
            && !digests.is_empty()
            && files.iter().all(|file| {
                let address = file.get("url").and_then(Node::text).unwrap_or_default();
                is_public_file(address) && file.get("hash").is_some()
            });
    let edges = |nodes: &[Node<'_>]| -> Result<Vec<Edge>, Error> {
        nodes.iter().map(|node| edge(file, node)).collect()
    };
    let extras = node.get("optional-dependencies").map(Node::entries);
    let extras = extras.unwrap_or_default().iter();
    Ok(Package {
        name: name(file, node.get("name").ok_or_else(|| missing("name"))?)?,
        version: node
            .get("version")
            .map(|node| version(file, node))
            .transpose()?,
        elsewhere: (!plain).then(|| described(file, source, &files)),
        source: place,
        digests,
        marker: forks(file, node)?,
        dependencies: edges(tables(node, "dependencies"))?,
        extras: extras
            .map(|entry| Ok((normal(&entry.key), edges(entry.node.elements())?)))
            .collect::<Result<_, Error>>()?,
    })
}

/// Any of the conditions under which this version of a package was chosen.
fn forks(file: &Text, node: &Node<'_>) -> Result<Marker, Error> {
    let list = tables(node, "resolution-markers").iter();
    let markers: Vec<Marker> = list
        .map(|node| marker_of(file, "resolution-markers", node))
        .collect::<Result<_, _>>()?;
    Ok(Marker::any(markers))
}

fn place(file: &Text, source: &Node<'_>) -> Result<Source, Error> {
    let Some(entry) = source.entries().first() else {
        return Err(fault(file, source.span.clone(), "a package has no source"));
    };
    Ok(match &*entry.key {
        "registry" => {
            let index = word(file, "registry", &entry.node)?;
            Source::Index((!is_public(&index)).then_some(index))
        }
        "url" => Source::Url(word(file, "url", &entry.node)?),
        "git" => git(&word(file, "git", &entry.node)?),
        kind @ ("editable" | "directory" | "virtual") => Source::Directory {
            installed: kind != "virtual",
            path: directory(file, kind, &entry.node)?,
        },
        kind => {
            let message = format!("devsh cannot install from a source of kind `{kind}`");
            return Err(fault(file, entry.key_span.clone(), message));
        }
    })
}

/// `https://host/repo?subdirectory=x&rev=main#commit`, as uv writes it.
fn git(address: &str) -> Source {
    let (address, commit) = address.split_once('#').unwrap_or((address, ""));
    let (address, query) = address.split_once('?').unwrap_or((address, ""));
    let below = query
        .split('&')
        .find_map(|one| one.strip_prefix("subdirectory="));
    Source::Repository(read::repository(address, commit, below))
}

fn described(file: &Text, source: &Node<'_>, files: &[&Node<'_>]) -> String {
    let mut words: Vec<String> = source
        .entries()
        .iter()
        .map(|entry| {
            format!(
                "{} {}",
                entry.key,
                text(file, &entry.key, &entry.node).unwrap_or("?")
            )
        })
        .collect();
    for file in files {
        let address = file.get("url").and_then(Node::text).unwrap_or_default();
        let digest = file
            .get("hash")
            .and_then(Node::text)
            .unwrap_or("without a digest");
        if !is_public_file(address) || file.get("hash").is_none() {
            words.push(format!("{address} {digest}"));
        }
    }
    words.join(", ")
}
