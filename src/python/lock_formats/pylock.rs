//! `pylock.toml` (PEP 751): a list of packages, each with a marker.

use super::fields::{
    LockedRepository, directory, file_url, folder_of, index_wheels, is_digest, is_public_file,
    is_public_index, lock_error, locked_address, marker, name, names, tables, text, version, word,
};
use crate::{
    manifest::{Error, Node, Text},
    python::{
        lock::{PackageFile, PackageSource, PythonLock, PythonPackage},
        scope::Scope,
    },
};

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
        return Err(lock_error(file, span, message));
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
        lock.add_root(Scope::Always, package);
    }
    Ok(lock)
}

fn package(file: &Text, node: &Node<'_>) -> Result<PythonPackage, Error> {
    let missing = || lock_error(file, node.span.clone(), "a package has no `name`");
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
    let source = package_source(file, node)?;
    let public = matches!(source, PackageSource::Index(None))
        && files.iter().all(|one| {
            let address = one.get("url").and_then(Node::text).unwrap_or_default();
            is_public_file(address)
        });
    if digests.is_empty() && matches!(source, PackageSource::Index(_) | PackageSource::Url(_)) {
        let message = format!("`{name}` has no digests");
        return Err(lock_error(file, node.span.clone(), message));
    }
    let addresses = || {
        let addresses = files.iter().filter_map(|one| {
            let address = one.get("url").or_else(|| one.get("path"))?;
            address.text()
        });
        let mut words: Vec<&str> = addresses.filter(|url| !is_public_file(url)).collect();
        words.dedup();
        match &source {
            PackageSource::Index(None) => words.into_iter().map(str::to_owned).collect(),
            PackageSource::Index(Some(index)) => format!("index {index}").into(),
            PackageSource::Url(url) | PackageSource::Repository(url) => url.clone().into(),
            PackageSource::Directory { path, .. } => format!("directory {path}").into(),
        }
    };
    let wheels = match &source {
        PackageSource::Index(_) => index_wheels(file, tables(node, "wheels"), |wheel| {
            let digest = wheel.get("hashes")?.get("sha256")?.text()?;
            Some(format!("sha256:{digest}"))
        })?,
        _ => Vec::new(),
    };
    let files = if public || !matches!(source, PackageSource::Index(None)) {
        Vec::new()
    } else {
        own_files(file, &files)?
    };
    Ok(PythonPackage {
        foreign_source: (!public).then(addresses),
        files,
        wheels,
        version: node
            .get("version")
            .map(|node| version(file, node))
            .transpose()?,
        marker: marker(file, node, "marker")?,
        source,
        digests,
        ..PythonPackage::named(name)
    })
}

/// Returns the files of a package that is from no index, with their addresses.
fn own_files(file: &Text, files: &[&Node<'_>]) -> Result<Vec<PackageFile>, Error> {
    let mut own = Vec::new();
    for node in files {
        let url = match (node.get("url"), node.get("path")) {
            (Some(url), _) => locked_address(file, "url", url)?,
            (None, Some(path)) => file_url(folder_of(file), &directory(file, "path", path)?),
            (None, None) => continue,
        };
        let digests = digests_of(file, node)?;
        own.extend(digests.into_iter().next().map(|digest| PackageFile {
            url,
            digest,
            size: None,
        }));
    }
    Ok(own)
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

fn package_source(file: &Text, node: &Node<'_>) -> Result<PackageSource, Error> {
    let get =
        |table: &Node<'_>, key: &str| table.get(key).map(|one| word(file, key, one)).transpose();
    let place = |table: &Node<'_>, key: &str| {
        let found = table.get(key);
        found.map(|one| locked_address(file, key, one)).transpose()
    };
    if let Some(vcs) = node.get("vcs") {
        let kind = get(vcs, "type")?.unwrap_or_default();
        let (url, commit) = (place(vcs, "url")?, get(vcs, "commit-id")?);
        let (true, Some(url), Some(commit)) = (kind == "git", url, commit) else {
            let message = "only git repositories with a `url` and a `commit-id` can be installed";
            return Err(lock_error(file, vcs.span.clone(), message));
        };
        let subdirectory = get(vcs, "subdirectory")?;
        let repository = LockedRepository {
            url: &url,
            commit: &commit,
            subdirectory: subdirectory.as_deref(),
        };
        return repository.source(file, vcs.get("commit-id").unwrap_or(vcs));
    }
    if let Some(found) = node.get("directory") {
        return Ok(PackageSource::Directory {
            path: found
                .get("path")
                .map_or(Ok(".".to_owned()), |one| directory(file, "path", one))?,
            installed: true,
        });
    }
    if let Some(archive) = node.get("archive") {
        return match (place(archive, "url")?, archive.get("path")) {
            (Some(url), _) => Ok(PackageSource::Url(url)),
            (None, Some(path)) => {
                let path = directory(file, "path", path)?;
                Ok(PackageSource::Url(file_url(folder_of(file), &path)))
            }
            (None, None) => {
                let message = "an archive without a `url` or `path` cannot be installed";
                Err(lock_error(file, archive.span.clone(), message))
            }
        };
    }
    let index = place(node, "index")?.filter(|index| !is_public_index(index));
    Ok(PackageSource::Index(index))
}
