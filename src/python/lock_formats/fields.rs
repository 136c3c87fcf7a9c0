//! Helpers of all readers: checked fields of a file, errors with their place, default groups.

use std::{collections::BTreeMap, ops::Range};

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use crate::{
    config::{PYPI, PYPI_FILES},
    manifest::{Error, ErrorKind, Node, Text},
    package::{PackageName, Version, is_commit},
    python::{
        lock::{Dependency, PackageFile, PackageSource, PythonLock},
        marker::{Marker, normalize},
        requirement::PythonRequirement,
    },
    util::{
        address::{AddressFault, check_address, check_characters},
        paths::join_text,
        redact::redact_text,
    },
};

/// Bytes of a path that an address cannot have.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'{')
    .add(b'}');

/// Returns the error for a place in a lockfile.
pub(super) fn lock_error(text: &Text, span: Range<usize>, message: impl Into<String>) -> Error {
    text.error(span, ErrorKind::PythonLock(message.into()))
}

/// Returns the text of a node; an error names `key`.
pub(super) fn text<'n>(file: &Text, key: &str, node: &'n Node<'_>) -> Result<&'n str, Error> {
    let found = node.text();
    found.ok_or_else(|| lock_error(file, node.span.clone(), format!("`{key}` must be a string")))
}

/// Returns a string that can be part of a line of requirements: one word that is not an option.
pub(super) fn word(file: &Text, key: &str, node: &Node<'_>) -> Result<String, Error> {
    let found = text(file, key, node)?;
    let odd = |one: char| one.is_whitespace() || one.is_control();
    if found.is_empty() || found.starts_with('-') || found.contains(odd) {
        return Err(lock_error(
            file,
            node.span.clone(),
            format!("`{key}` must be one word"),
        ));
    }
    Ok(found.to_owned())
}

/// Returns an address or path that is data of a lockfile. It has no variables: nothing would show that they are sent.
pub(super) fn locked_address(file: &Text, key: &str, node: &Node<'_>) -> Result<String, Error> {
    let found = address(file, key, node)?;
    if found.contains("${") {
        let message = format!("`{key}` refers to a variable, and no lockfile sends your variables");
        return Err(lock_error(file, node.span.clone(), message));
    }
    Ok(found)
}

/// Returns an address or path that the approval shows. It may refer to variables (`https://${TOKEN}@host`).
pub(super) fn address(file: &Text, key: &str, node: &Node<'_>) -> Result<String, Error> {
    let found = word(file, key, node)?;
    let error = |fault| address_error(file, node.span.clone(), &found, &fault);
    check_place(&found).map_err(error)?;
    Ok(found)
}

/// Checks an address or a path.
pub(super) fn check_place(text: &str) -> Result<(), AddressFault> {
    if text.contains("://") {
        check_address(text)
    } else {
        check_characters(text)
    }
}

/// Returns the error for an address that cannot be used.
pub(super) fn address_error(
    file: &Text,
    span: Range<usize>,
    address: &str,
    fault: &AddressFault,
) -> Error {
    let shown = redact_text(address);
    lock_error(file, span, format!("`{shown}` cannot be used: {fault}"))
}

/// Returns a normalised name of a package, group or extra.
pub(super) fn name(file: &Text, node: &Node<'_>) -> Result<String, Error> {
    let found = text(file, "name", node)?;
    let parsed: Result<PackageName, _> = found.parse();
    Ok(parsed
        .map_err(|invalid| file.error(node.span.clone(), invalid))?
        .to_string())
}

/// Returns a version as written.
pub(super) fn version(file: &Text, node: &Node<'_>) -> Result<String, Error> {
    let found = text(file, "version", node)?;
    let parsed: Result<Version, _> = found.parse();
    Ok(parsed
        .map_err(|invalid| file.error(node.span.clone(), invalid))?
        .to_string())
}

/// Returns a digest as `sha256:…`.
pub(super) fn digest(file: &Text, node: &Node<'_>) -> Result<String, Error> {
    let found = word(file, "hash", node)?;
    if is_digest(&found) {
        Ok(found)
    } else {
        Err(lock_error(
            file,
            node.span.clone(),
            format!("`{found}` is not a digest like `sha256:…`"),
        ))
    }
}

/// Returns whether a text is a digest by an algorithm without known collisions.
pub(super) fn is_digest(text: &str) -> bool {
    let lengths = [("sha256:", 64), ("sha384:", 96), ("sha512:", 128)];
    lengths.into_iter().any(|(algorithm, length)| {
        text.strip_prefix(algorithm).is_some_and(|hex| {
            hex.len() == length && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    })
}

/// Returns the marker at `key` of a table; a missing one always holds.
pub(super) fn marker(file: &Text, table: &Node<'_>, key: &str) -> Result<Marker, Error> {
    let Some(node) = table.get(key) else {
        return Ok(Marker::default());
    };
    marker_of(file, key, node)
}

/// Returns the marker in a node.
pub(super) fn marker_of(file: &Text, key: &str, node: &Node<'_>) -> Result<Marker, Error> {
    let found = text(file, key, node)?;
    found
        .parse()
        .map_err(|invalid| file.error(node.span.clone(), invalid))
}

/// Returns the names in the list at `key`, normalised.
pub(super) fn names(file: &Text, table: &Node<'_>, key: &str) -> Result<Vec<String>, Error> {
    let elements = table.get(key).map(Node::elements).unwrap_or_default();
    elements.iter().map(|node| name(file, node)).collect()
}

/// Returns the tables of the list at `key`.
pub(super) fn tables<'n, 't>(table: &'n Node<'t>, key: &str) -> &'n [Node<'t>] {
    table.get(key).map(Node::elements).unwrap_or_default()
}

/// Returns the files of all packages in an older lockfile, which has them in one table, by `key` of their names there.
pub(super) fn older_files<'n, 't>(
    root: &'n Node<'t>,
    key: impl Fn(&str) -> String,
) -> BTreeMap<String, &'n [Node<'t>]> {
    let files = root.get("metadata").and_then(|node| node.get("files"));
    let entries = files.map(Node::entries).unwrap_or_default().iter();
    // The first one of a name counts.
    let entries = entries.rev();
    entries
        .map(|entry| (key(&entry.key), entry.node.elements()))
        .collect()
}

/// Returns the files of a package: its own list, else those of an older lockfile with this key.
pub(super) fn files_of<'n>(
    package: &'n Node<'n>,
    older: &BTreeMap<String, &'n [Node<'n>]>,
    key: &str,
) -> &'n [Node<'n>] {
    let own = package.get("files").map(Node::elements);
    own.or_else(|| older.get(key).copied()).unwrap_or_default()
}

/// Returns a relative directory that cannot be taken for an option.
pub(super) fn directory(file: &Text, key: &str, node: &Node<'_>) -> Result<String, Error> {
    let found = text(file, key, node)?;
    // uv takes what follows a `#` for something else than the path.
    if found.contains(|one: char| one.is_control() || one == '#') {
        return Err(lock_error(
            file,
            node.span.clone(),
            format!("`{key}` has a control character or `#`"),
        ));
    }
    Ok(if found.is_empty() { "." } else { found }.to_owned())
}

/// A repository as a lockfile names it.
pub(super) struct LockedRepository<'a> {
    pub(super) url: &'a str,
    pub(super) commit: &'a str,
    pub(super) subdirectory: Option<&'a str>,
}

impl LockedRepository<'_> {
    /// Returns the source at this commit; an error is at `node`.
    pub(super) fn source(&self, file: &Text, node: &Node<'_>) -> Result<PackageSource, Error> {
        let fault = |message| Err(lock_error(file, node.span.clone(), message));
        let (url, commit) = (self.url, self.commit);
        let url = url.strip_prefix("git+").unwrap_or(url);
        // A branch or tag moves without a change of the lockfile.
        if commit.is_empty() {
            return fault("a repository has no commit: make the lockfile again".to_owned());
        }
        if !is_commit(commit) {
            let message = "is not a commit of 40 hex digits: make the lockfile again";
            return fault(format!("`{commit}` {message}"));
        }
        // A fragment in the address would end it before the commit.
        if url.contains('#') {
            return fault(format!("`{url}` is not the address of a repository"));
        }
        let fragment = self.subdirectory.map(|one| format!("#subdirectory={one}"));
        let fragment = fragment.unwrap_or_default();
        let address = format!("git+{url}@{commit}{fragment}");
        Ok(PackageSource::Repository(address))
    }
}

/// Returns the dependency on a locked package. The lockfile has the version, so that of the requirement does not matter.
pub(super) fn locked_dependency(requirement: &PythonRequirement) -> Dependency {
    Dependency {
        name: requirement.name.to_string(),
        extras: requirement.extras.clone(),
        marker: requirement.marker.clone(),
        ..Dependency::default()
    }
}

/// Returns the folder of a file, relative to the root.
pub(super) fn folder_of(file: &Text) -> &str {
    let name = file.file();
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Returns the address of a local file whose `path` is relative to `folder`. The root is left to uv, so the address
/// is the same in every checkout.
pub(super) fn file_url(folder: &str, path: &str) -> String {
    let joined = join_text(folder, path);
    let escaped = percent_encode(joined.as_bytes(), ESCAPED);
    if joined.starts_with('/') {
        format!("file://{escaped}")
    } else {
        format!("file://${{PROJECT_ROOT}}/{escaped}")
    }
}

/// Returns whether an index is the public one.
pub(super) fn is_public_index(index: &str) -> bool {
    index.trim_end_matches('/') == PYPI.trim_end_matches('/')
}

/// Returns the wheels of an index that have an address, and a digest (`sha256:…`) at its place in the format.
pub(super) fn index_wheels(
    file: &Text,
    wheels: &[Node<'_>],
    digest: impl Fn(&Node<'_>) -> Option<String>,
) -> Result<Vec<PackageFile>, Error> {
    let mut found = Vec::new();
    for wheel in wheels {
        if let (Some(url), Some(digest)) = (wheel.get("url"), digest(wheel)) {
            found.push(PackageFile {
                url: locked_address(file, "url", url)?,
                digest,
                size: wheel.get("size").and_then(Node::integer),
            });
        }
    }
    Ok(found)
}

/// Returns whether the public index serves a file.
pub(super) fn is_public_file(url: &str) -> bool {
    url.starts_with(PYPI_FILES)
}

/// Sets the default groups that `pyproject.toml` names.
pub(super) fn set_default_groups(project: &Text, lock: &mut PythonLock) -> Result<(), Error> {
    let root = project.toml()?;
    let settings = root.select("tool.uv.default-groups");
    let Some(setting) = settings.first() else {
        return Ok(());
    };
    lock.default_groups = if setting.text() == Some("all") {
        lock.groups.clone()
    } else {
        let names = setting
            .elements()
            .iter()
            .filter_map(Node::text)
            .map(normalize);
        names.filter(|name| lock.groups.contains(name)).collect()
    };
    Ok(())
}
