//! `pylock.toml`, the format of the Python standards: a list of packages, each with its condition.

use super::{
    Edge, Package, PythonLock, Root, Source, When,
    read::{
        self, directory, fault, is_digest, is_public, is_public_file, marker, name, names, tables,
        text, version, word,
    },
};
use crate::manifest::{Error, Node, Text};

/// Reads the lockfile.
pub(super) fn read(file: &Text) -> Result<PythonLock, Error> {
    let root = file.toml()?;
    let found = root
        .get("lock-version")
        .and_then(Node::text)
        .unwrap_or("nothing");
    if !found.starts_with("1.") {
        let span = root
            .get("lock-version")
            .map_or(0..0, |node| node.span.clone());
        let message = format!("its format is version {found}, and devsh reads version 1");
        return Err(fault(file, span, message));
    }
    let set = |key: &str| names(file, &root, key).map(|names| names.into_iter().collect());
    let mut lock = PythonLock {
        extras: set("extras")?,
        groups: set("dependency-groups")?,
        default_groups: set("default-groups")?,
        ..PythonLock::default()
    };
    for node in tables(&root, "packages") {
        let package = package(file, node)?;
        let edge = Edge {
            name: package.name.clone(),
            version: package.version.clone(),
            marker: package.marker.clone(),
            ..Edge::default()
        };
        lock.roots.push(Root {
            when: When::Always,
            edge,
        });
        lock.packages.push(package);
    }
    Ok(lock)
}

fn package(file: &Text, node: &Node<'_>) -> Result<Package, Error> {
    let missing = || fault(file, node.span.clone(), "a package has no `name`");
    let name = name(file, node.get("name").ok_or_else(missing)?)?;
    let files: Vec<&Node<'_>> = tables(node, "wheels")
        .iter()
        .chain(node.get("sdist"))
        .chain(node.get("archive"))
        .collect();
    let mut digests = Vec::new();
    for one in &files {
        digests.extend(digests_of(file, one)?);
    }
    digests.sort();
    let source = place(file, node)?;
    let plain = matches!(source, Source::Index(None))
        && files.iter().all(|one| {
            let address = one.get("url").and_then(Node::text).unwrap_or_default();
            is_public_file(address)
        });
    if digests.is_empty() && matches!(source, Source::Index(_) | Source::Url(_)) {
        let message = format!("`{name}` has no digests");
        return Err(fault(file, node.span.clone(), message));
    }
    let addresses = || {
        let urls = files
            .iter()
            .filter_map(|one| one.get("url").and_then(Node::text));
        let mut words: Vec<&str> = urls.filter(|url| !is_public_file(url)).collect();
        words.dedup();
        match &source {
            Source::Index(None) => words.join(", "),
            Source::Index(Some(index)) => format!("index {index}"),
            Source::Url(url) | Source::Repository(url) => url.clone(),
            Source::Directory { path, .. } => format!("directory {path}"),
        }
    };
    Ok(Package {
        elsewhere: (!plain).then(addresses),
        version: node
            .get("version")
            .map(|node| version(file, node))
            .transpose()?,
        marker: marker(file, node, "marker")?,
        dependencies: Vec::new(),
        extras: std::collections::BTreeMap::new(),
        name,
        source,
        digests,
    })
}

fn digests_of(file: &Text, one: &Node<'_>) -> Result<Vec<String>, Error> {
    let mut digests = Vec::new();
    for entry in one.get("hashes").map(Node::entries).unwrap_or_default() {
        let digest = format!("{}:{}", entry.key, text(file, "hashes", &entry.node)?);
        if is_digest(&digest) {
            digests.push(digest);
        }
    }
    Ok(digests)
}

fn place(file: &Text, node: &Node<'_>) -> Result<Source, Error> {
    let get =
        |table: &Node<'_>, key: &str| table.get(key).map(|one| word(file, key, one)).transpose();
    if let Some(vcs) = node.get("vcs") {
        let kind = get(vcs, "type")?.unwrap_or_default();
        let (url, commit) = (get(vcs, "url")?, get(vcs, "commit-id")?);
        let (true, Some(url), Some(commit)) = (kind == "git", url, commit) else {
            let message = "only git repositories with a `url` and a `commit-id` can be installed";
            return Err(fault(file, vcs.span.clone(), message));
        };
        let below = get(vcs, "subdirectory")?;
        return Ok(Source::Repository(read::repository(
            &url,
            &commit,
            below.as_deref(),
        )));
    }
    if let Some(found) = node.get("directory") {
        return Ok(Source::Directory {
            path: found
                .get("path")
                .map_or(Ok(".".to_owned()), |one| directory(file, "path", one))?,
            installed: true,
        });
    }
    if let Some(archive) = node.get("archive") {
        let url = get(archive, "url")?;
        return url.map(Source::Url).ok_or_else(|| {
            fault(
                file,
                archive.span.clone(),
                "an archive without a `url` cannot be installed",
            )
        });
    }
    let index = get(node, "index")?.filter(|index| !is_public(index));
    Ok(Source::Index(index))
}
