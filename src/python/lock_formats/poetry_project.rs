//! The tables of Poetry in a `pyproject.toml` without a lockfile: requirements in Poetry's own form.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    fields::{lock_error, names, text, word},
    poetry_bounds::{join, platform_condition, python_condition, specifiers},
};
use crate::{
    manifest::{Error, Located, Node, NodeEntry, Text, Value},
    python::{
        lock::{LooseRequirement, PythonLock},
        marker::normalize,
        requirement::PythonRequirement,
        scope::Scope,
    },
};

/// Adds the requirements of all groups and extras. Next to the table of PEP 621 Poetry's own only adds sources.
pub(super) fn add_requirements(
    file: &Text,
    root: &Node<'_>,
    lock: &mut PythonLock,
) -> Result<(), Error> {
    let first = |key: &str| root.select(key).into_iter().next();
    let mut optional = BTreeMap::new();
    if first("project.dependencies").is_none() {
        for entry in entries(first("tool.poetry.dependencies")) {
            let added = requirements(file, entry)?;
            if has_flag(&entry.node, "optional") {
                optional.insert(normalize(&entry.key), added);
            } else {
                add(lock, &Scope::Always, added);
            }
        }
    }
    for entry in entries(first("tool.poetry.extras")) {
        let extra = normalize(&entry.key);
        lock.extras.insert(extra.clone());
        for node in entry.node.elements() {
            let package = normalize(text(file, "extras", node)?);
            let added = optional.get(&package).cloned().unwrap_or_default();
            add(lock, &Scope::Extra(extra.clone()), added);
        }
    }
    let mut default_groups = BTreeSet::new();
    let dev = first("tool.poetry.dev-dependencies");
    let groups = entries(first("tool.poetry.group")).iter();
    let groups = groups.map(|entry| (&*entry.key, entry.node.get("dependencies"), &entry.node));
    for (name, dependencies, group) in dev
        .map(|node| ("dev", Some(node), node))
        .into_iter()
        .chain(groups)
    {
        let name = normalize(name);
        let scope = Scope::Group(name.clone());
        for entry in entries(dependencies) {
            add(lock, &scope, requirements(file, entry)?);
        }
        for included in names(file, group, "include-groups")? {
            let includes = lock.includes.entry(scope.clone()).or_default();
            includes.insert(Scope::Group(included));
        }
        if !has_flag(group, "optional") {
            default_groups.insert(name.clone());
        }
        lock.groups.insert(name);
    }
    lock.default_groups.extend(default_groups);
    Ok(())
}

fn entries<'n, 't>(table: Option<&'n Node<'t>>) -> &'n [NodeEntry<'t>] {
    table.map(Node::entries).unwrap_or_default()
}

fn has_flag(table: &Node<'_>, key: &str) -> bool {
    let value = table.get(key).map(|node| &node.value);
    matches!(value, Some(Value::Boolean(true)))
}

fn add(lock: &mut PythonLock, scope: &Scope, requirements: Vec<Located<PythonRequirement>>) {
    let requirements = requirements.into_iter();
    lock.loose
        .extend(requirements.map(|requirement| LooseRequirement {
            scope: scope.clone(),
            requirement: requirement.value,
            origin: requirement.origin,
        }));
}

/// Returns the requirements of an entry, one for each element of a list.
fn requirements(
    file: &Text,
    entry: &NodeEntry<'_>,
) -> Result<Vec<Located<PythonRequirement>>, Error> {
    if entry.key == "python" {
        return Ok(Vec::new());
    }
    let nodes = match &entry.node.value {
        Value::List(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(&entry.node),
    };
    let read = nodes.iter().map(|node| {
        Ok(Located {
            value: requirement(file, &entry.key, node)?,
            origin: file.origin(node.span.start),
        })
    });
    read.collect()
}

fn requirement(file: &Text, package: &str, node: &Node<'_>) -> Result<PythonRequirement, Error> {
    let get = |key: &str| node.get(key).map(|one| word(file, key, one)).transpose();
    let extras = match names(file, node, "extras")?.join(",") {
        extras if extras.is_empty() => String::new(),
        extras => format!("[{extras}]"),
    };
    let place = if let Some(url) = get("git")? {
        let references = [get("rev")?, get("tag")?, get("branch")?];
        let reference = references.into_iter().flatten().next();
        let reference = reference.map_or(String::new(), |one| format!("@{one}"));
        let directory =
            get("subdirectory")?.map_or(String::new(), |one| format!("#subdirectory={one}"));
        let url = match url.split_once(':') {
            // `git@host:path`, which only ssh understands.
            Some((host, path)) if !path.starts_with("//") => format!("ssh://{host}/{path}"),
            _ => url,
        };
        format!(" @ git+{url}{reference}{directory}")
    } else if let Some(url) = get("url")? {
        format!(" @ {url}")
    } else {
        let bounds = node.get("version").unwrap_or(node);
        let bounds = text(file, "version", bounds)?;
        specifiers(bounds).ok_or_else(|| {
            let message = format!("`{bounds}` needs a lockfile: make one with `poetry lock`");
            lock_error(file, node.span.clone(), message)
        })?
    };
    let condition = |key: &str, read: fn(&str) -> Option<String>| {
        let Some(bounds) = node.get(key) else {
            return Ok(String::new());
        };
        let bounds = text(file, key, bounds)?;
        let condition = read(bounds).ok_or_else(|| {
            let message = format!("`{bounds}` is not a bound that devsh can read");
            lock_error(file, node.span.clone(), message)
        })?;
        Ok(in_brackets(condition))
    };
    let markers = match node.get("markers") {
        Some(markers) => in_brackets(text(file, "markers", markers)?.to_owned()),
        None => String::new(),
    };
    let conditions = vec![
        markers,
        condition("python", python_condition)?,
        condition("platform", platform_condition)?,
    ];
    let conditions = match join(conditions, " and ") {
        all if all.is_empty() => all,
        all => format!(" ; {all}"),
    };
    let written = format!("{package}{extras}{place}{conditions}");
    let requirement: Result<PythonRequirement, _> = written.parse();
    requirement.map_err(|invalid| file.error(node.span.clone(), invalid))
}

fn in_brackets(condition: String) -> String {
    if condition.is_empty() {
        condition
    } else {
        format!("({condition})")
    }
}
