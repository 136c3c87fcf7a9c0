//! `Pipfile` without a lockfile: requirements by category, in the form of pipenv.

use std::collections::BTreeMap;

use super::{
    fields::{is_public_index, lock_error, names, text, word},
    pipfile::add_sources,
};
use crate::{
    manifest::{Error, Node, NodeEntry, Text},
    python::{
        lock::{LooseRequirement, PythonLock},
        marker::normalize,
        requirement::PythonRequirement,
        scope::Scope,
    },
};

/// Tables that are not categories of packages.
const OTHER_TABLES: [&str; 5] = ["source", "requires", "scripts", "pipenv", "pipfile"];
/// Conditions that pipenv takes as keys of a package (`sys_platform = "== 'win32'"`).
const CONDITIONS: [&str; 10] = [
    "implementation_name",
    "implementation_version",
    "os_name",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "python_full_version",
    "python_version",
    "sys_platform",
];

/// Reads the requirements.
pub(super) fn read(file: &Text) -> Result<PythonLock, Error> {
    let root = file.toml()?;
    let mut lock = PythonLock::default();
    let sources = root.get("source").map(Node::elements).unwrap_or_default();
    let sources: Vec<&Node<'_>> = sources.iter().collect();
    let indexes = add_sources(file, &sources, &mut lock)?;
    for category in root.entries() {
        let scope = match &*category.key {
            other if OTHER_TABLES.contains(&other) => continue,
            "packages" => Scope::Always,
            "dev-packages" => Scope::Group("dev".to_owned()),
            other => Scope::Group(normalize(other)),
        };
        if let Scope::Group(group) = &scope {
            lock.groups.insert(group.clone());
        }
        for entry in category.node.entries() {
            match requirement(file, entry, &indexes)? {
                PipfileEntry::Requirement(requirement) => lock.loose.push(LooseRequirement {
                    scope: scope.clone(),
                    requirement: *requirement,
                    origin: file.origin(entry.node.span.start),
                }),
                PipfileEntry::Project => lock.add_project(normalize(&entry.key)),
            }
        }
    }
    lock.dedup();
    lock.default_to_dev();
    Ok(lock)
}

/// A package of a category.
enum PipfileEntry {
    Requirement(Box<PythonRequirement>),
    /// The project itself.
    Project,
}

fn requirement(
    file: &Text,
    entry: &NodeEntry<'_>,
    indexes: &BTreeMap<&str, &str>,
) -> Result<PipfileEntry, Error> {
    let (package, node) = (&entry.key, &entry.node);
    let needs_lockfile = |node: &Node<'_>, reason: &str| {
        let message = format!("`{package}` {reason}: make a lockfile with `pipenv lock`");
        lock_error(file, node.span.clone(), message)
    };
    let get = |key: &str| node.get(key).map(|one| word(file, key, one)).transpose();
    if let Some(path) = node.get("path").or_else(|| node.get("file")) {
        return match text(file, "path", path)? {
            "." | "./" => Ok(PipfileEntry::Project),
            url if url.contains("://") => {
                let url = word(file, "file", path)?;
                parse(file, node, &format!("{package} @ {url}"))
            }
            _ => Err(needs_lockfile(path, "is a directory or file")),
        };
    }
    if let Some(index) = node.get("index") {
        let url = indexes.get(text(file, "index", index)?);
        if !url.is_some_and(|url| is_public_index(url)) {
            return Err(needs_lockfile(index, "has an index of its own"));
        }
    }
    let extras = match names(file, node, "extras")?.join(",") {
        extras if extras.is_empty() => String::new(),
        extras => format!("[{extras}]"),
    };
    let place = if let Some(url) = get("git")? {
        let reference = get("ref")?.map_or(String::new(), |one| format!("@{one}"));
        let directory =
            get("subdirectory")?.map_or(String::new(), |one| format!("#subdirectory={one}"));
        let url = url.strip_prefix("git+").unwrap_or(&url);
        format!(" @ git+{url}{reference}{directory}")
    } else {
        let bounds = node.get("version").unwrap_or(node);
        match text(file, "version", bounds)?.trim() {
            "*" => String::new(),
            bounds if bounds.starts_with(|one: char| one.is_ascii_digit()) => format!("=={bounds}"),
            // The space keeps what is no bound apart from the name.
            bounds => format!(" {bounds}"),
        }
    };
    let mut conditions = Vec::new();
    if let Some(markers) = node.get("markers") {
        conditions.push(format!("({})", text(file, "markers", markers)?));
    }
    for key in CONDITIONS {
        if let Some(bound) = node.get(key) {
            conditions.push(format!("{key} {}", text(file, key, bound)?));
        }
    }
    let conditions = match conditions.join(" and ") {
        all if all.is_empty() => all,
        all => format!(" ; {all}"),
    };
    parse(file, node, &format!("{package}{extras}{place}{conditions}"))
}

fn parse(file: &Text, node: &Node<'_>, written: &str) -> Result<PipfileEntry, Error> {
    let requirement: Result<PythonRequirement, _> = written.parse();
    let requirement = requirement.map_err(|invalid| file.error(node.span.clone(), invalid))?;
    Ok(PipfileEntry::Requirement(Box::new(requirement)))
}
