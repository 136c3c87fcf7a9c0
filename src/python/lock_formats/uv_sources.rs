//! `[tool.uv.sources]`: places other than an index from which a project takes packages.

use std::collections::BTreeMap;

use super::{
    fields::{address_error, file_url, folder_of, lock_error, text, word},
    requirement_location::is_archive,
};
use crate::{
    manifest::{Error, Node, Text, Value},
    python::{marker::normalize, requirement::PythonRequirement, scope::Scope},
    util::{address::check_address, paths::join_text},
};

/// The sources of a project, by the normalised name of the package.
#[derive(Debug, Default)]
pub(super) struct UvSources(BTreeMap<String, Vec<UvSource>>);

#[derive(Debug)]
struct UvSource {
    place: SourcePlace,
    /// The condition under which the source counts; empty for none.
    marker: String,
    /// The group or extra in which the source counts; `None` is everywhere.
    scope: Option<Scope>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum SourcePlace {
    /// An address of a repository or a file.
    Address(String),
    /// A directory, relative to the project's root.
    Directory(String),
    /// A member of the workspace.
    Member,
}

/// A requirement with the place from which it comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PlacedRequirement {
    /// From an index or from the address in it.
    Named(PythonRequirement),
    /// A directory, relative to the project's root.
    Directory { path: String, marker: String },
    /// A member of the workspace with the requirement's name.
    Member { marker: String },
}

impl UvSources {
    pub(super) fn read(file: &Text, root: &Node<'_>) -> Result<Self, Error> {
        let mut sources = Self::default();
        let tables = root.select("tool.uv.sources").into_iter();
        for entry in tables.flat_map(Node::entries) {
            let nodes = match entry.node.elements() {
                [] => std::slice::from_ref(&entry.node),
                elements => elements,
            };
            let read: Result<Vec<_>, _> = nodes.iter().map(|node| source(file, node)).collect();
            sources.0.insert(normalize(&entry.key), read?);
        }
        Ok(sources)
    }

    /// Returns the directories that the sources name, relative to the project's root.
    pub(super) fn directories(&self) -> impl Iterator<Item = &str> {
        let all = self.0.values().flatten();
        all.filter_map(|source| match &source.place {
            SourcePlace::Directory(path) => Some(path.as_str()),
            SourcePlace::Address(_) | SourcePlace::Member => None,
        })
    }

    /// Returns whether a source is a member of the workspace.
    pub(super) fn has_member(&self) -> bool {
        let mut all = self.0.values().flatten();
        all.any(|source| source.place == SourcePlace::Member)
    }

    /// Returns a requirement of a part of the project, once for each of its sources.
    pub(super) fn place(
        &self,
        requirement: PythonRequirement,
        scope: &Scope,
    ) -> Vec<PlacedRequirement> {
        let sources = self.0.get(requirement.name.as_str()).into_iter().flatten();
        let sources = sources.filter(|one| one.scope.as_ref().is_none_or(|only| only == scope));
        let placed: Vec<_> = sources
            .filter_map(|source| source.apply(&requirement))
            .collect();
        if placed.is_empty() {
            vec![PlacedRequirement::Named(requirement)]
        } else {
            placed
        }
    }
}

impl UvSource {
    fn apply(&self, requirement: &PythonRequirement) -> Option<PlacedRequirement> {
        let own = requirement.marker_text();
        let marker = match (own, self.marker.as_str()) {
            ("", one) | (one, "") => one.to_owned(),
            (one, other) => format!("({one}) and ({other})"),
        };
        Some(match &self.place {
            SourcePlace::Directory(path) => PlacedRequirement::Directory {
                path: path.clone(),
                marker,
            },
            SourcePlace::Member => PlacedRequirement::Member { marker },
            SourcePlace::Address(address) => {
                let extras = match requirement.extras.as_slice() {
                    [] => String::new(),
                    extras => format!("[{}]", extras.join(",")),
                };
                let mut text = format!("{}{extras} @ {address}", requirement.name);
                if !marker.is_empty() {
                    text.push_str(" ; ");
                    text.push_str(&marker);
                }
                PlacedRequirement::Named(text.parse().ok()?)
            }
        })
    }
}

fn source(file: &Text, node: &Node<'_>) -> Result<UvSource, Error> {
    let string = |key: &str| -> Result<Option<String>, Error> {
        node.get(key)
            .map(|value| word(file, key, value))
            .transpose()
    };
    let marker = match node.get("marker") {
        Some(value) => text(file, "marker", value)?.to_owned(),
        None => String::new(),
    };
    let scope = match (string("extra")?, string("group")?) {
        (Some(extra), _) => Some(Scope::Extra(normalize(&extra))),
        (None, Some(group)) => Some(Scope::Group(normalize(&group))),
        (None, None) => None,
    };
    let directory = string("subdirectory")?;
    let fragment = directory.map(|one| format!("#subdirectory={one}"));
    let fragment = fragment.unwrap_or_default();
    let is_member = node
        .get("workspace")
        .is_some_and(|value| matches!(value.value, Value::Boolean(true)));
    let place = if let Some(url) = string("git")? {
        let url = url.strip_prefix("git+").unwrap_or(&url);
        let revision = match (string("rev")?, string("tag")?, string("branch")?) {
            (Some(one), ..) | (None, Some(one), _) | (None, None, Some(one)) => format!("@{one}"),
            (None, None, None) => String::new(),
        };
        SourcePlace::Address(format!("git+{url}{revision}{fragment}"))
    } else if let Some(url) = string("url")? {
        SourcePlace::Address(format!("{url}{fragment}"))
    } else if let Some(value) = node.get("path") {
        let path = text(file, "path", value)?;
        if path.contains(char::is_control) {
            return Err(lock_error(
                file,
                value.span.clone(),
                "`path` has a control character",
            ));
        }
        if is_archive(path) {
            SourcePlace::Address(file_url(folder_of(file), path))
        } else {
            SourcePlace::Directory(join_text(folder_of(file), path))
        }
    } else if is_member {
        SourcePlace::Member
    } else {
        return Err(lock_error(
            file,
            node.span.clone(),
            "a source has `git`, `url`, `path` or `workspace`",
        ));
    };
    if let SourcePlace::Address(address) = &place {
        check_address(address)
            .map_err(|fault| address_error(file, node.span.clone(), address, &fault))?;
    }
    Ok(UvSource {
        place,
        marker,
        scope,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(sources: &str, requirement: &str, scope: &Scope) -> Vec<String> {
        let text = Text::new(
            "a/pyproject.toml",
            &format!("[tool.uv.sources]\n{sources}\n"),
        );
        let sources = UvSources::read(&text, &text.toml().unwrap()).unwrap();
        let placed = sources.place(requirement.parse().unwrap(), scope);
        let words = placed.into_iter().map(|one| match one {
            PlacedRequirement::Named(one) => one.as_str().to_owned(),
            PlacedRequirement::Directory { path, marker } => format!("directory {path} {marker}"),
            PlacedRequirement::Member { marker } => format!("member {marker}"),
        });
        words.collect()
    }

    #[test]
    fn a_source_takes_the_place_of_the_index() {
        for (source, expected) in [
            ("", "b[x]>=1 ; os_name == 'posix'"),
            (
                "c = { url = 'https://h/c.whl' }",
                "b[x]>=1 ; os_name == 'posix'",
            ),
            (
                "B = { git = 'https://h/b.git', tag = 'v1', subdirectory = 's' }",
                "b[x] @ git+https://h/b.git@v1#subdirectory=s ; os_name == 'posix'",
            ),
            (
                "b = { git = 'https://h/b.git' }",
                "b[x] @ git+https://h/b.git ; os_name == 'posix'",
            ),
            (
                "b = { url = 'https://h/b-1.tar.gz', marker = \"sys_platform == 'linux'\" }",
                "b[x] @ https://h/b-1.tar.gz ; (os_name == 'posix') and (sys_platform == 'linux')",
            ),
            (
                "b = { path = '../w/b-1-py3-none-any.whl' }",
                "b[x] @ file://${PROJECT_ROOT}/w/b-1-py3-none-any.whl ; os_name == 'posix'",
            ),
            (
                "b = { path = './lib', editable = true }",
                "directory a/lib os_name == 'posix'",
            ),
            ("b = { workspace = true }", "member os_name == 'posix'"),
            (
                "b = [{ url = 'https://h/b.whl', extra = 'gpu' }]",
                "b[x]>=1 ; os_name == 'posix'",
            ),
        ] {
            let found = placed(source, "b[x]>=1 ; os_name == 'posix'", &Scope::Always);
            assert_eq!(found, [expected], "{source}");
        }
        let two = "b = [{ url = 'https://h/l.whl', marker = \"sys_platform == 'linux'\" }, { git = 'https://h/b', marker = \"sys_platform != 'linux'\" }]";
        assert_eq!(
            placed(two, "b", &Scope::Always),
            [
                "b @ https://h/l.whl ; sys_platform == 'linux'",
                "b @ git+https://h/b ; sys_platform != 'linux'"
            ]
        );
        let extra = "b = { url = 'https://h/b.whl', extra = 'GPU' }";
        let scope = Scope::Extra("gpu".to_owned());
        assert_eq!(placed(extra, "b", &scope), ["b @ https://h/b.whl"]);
    }
}
