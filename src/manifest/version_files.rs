//! Reads the versions that files of other tools name: `.python-version`, `uv.lock`, `package.json`.
//!
//! A preset says which file and where in it; the readers here are generic, so a new language is new data.

mod grammar;
mod lines;

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Error, ErrorKind, Located, Origin, Text,
    document::{Node, Value},
    form::{Form, KeyValue},
    presets::documents::Documents,
    scalars::{RustProfile, ToolPart},
};
use crate::package::{FREETHREADED, Invalid, PackageName, Requirement, compatible};

pub(super) use grammar::{Grammar, npm, without_freethreaded};
pub(super) use lines::{Word, words};

/// One place where the version of a tool may be named.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Pin {
    /// The file, relative to the project's root.
    pub(super) file: String,
    /// How to read it.
    #[serde(default)]
    read: Reader,
    /// The keys that lead to the value or list, joined by `.`; `*` stands for every key.
    #[serde(default)]
    key: String,
    /// Which table of a list is meant: every key has this value; a leading `*` stands for anything.
    #[serde(default, rename = "where")]
    conditions: BTreeMap<String, String>,
    /// The key of that table that has the version.
    #[serde(default)]
    value: String,
    /// What stands before the version (`v` in tags); a value without it names no version.
    #[serde(default)]
    after: String,
    /// Put before a bare version (`>=`).
    #[serde(default)]
    operator: String,
    /// The rules that the version is written by.
    #[serde(default)]
    grammar: Grammar,
    /// What the version means.
    #[serde(default, rename = "as")]
    pub(super) role: Role,
    /// A version outside of this bound names another tool (`<2`).
    #[serde(default)]
    within: String,
    /// Whether the version counts only where the bounds admit it.
    #[serde(default)]
    pub(super) weak: bool,
}

/// How a file is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reader {
    /// Not at all: that it is there is enough.
    #[default]
    Name,
    /// The first line with a meaning.
    Line,
    /// What follows a word at the beginning of a line (`toolchain go1.22.3`).
    Directive,
    /// A string at a key of a TOML, YAML or JSON file.
    Key,
    /// The tool's requirement in a list of Python requirements below a key of a TOML file.
    Requirement,
    /// The tool's line in a file of Python requirements.
    Requirements,
    /// Whether the file has the key as a piece of its text.
    Text,
    /// A rustup toolchain file.
    RustToolchain,
}

/// What a version in a file means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Role {
    /// The version the project is developed with.
    #[default]
    Version,
    /// A bound on it.
    Floor,
    /// Only that the project uses the tool.
    Presence,
}

/// What a file asks of a tool.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it does.
    pub(super) origin: Option<Origin>,
    /// The version, if one is named.
    pub(super) requirement: Option<Located<Requirement>>,
    /// Components asked for.
    pub(super) components: Vec<String>,
    /// Targets asked for.
    pub(super) targets: Vec<String>,
}

impl From<Located<Requirement>> for Found {
    fn from(requirement: Located<Requirement>) -> Self {
        Self {
            origin: Some(requirement.origin.clone()),
            requirement: Some(requirement),
            ..Self::default()
        }
    }
}

/// The tool that a pin is read for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    /// Its package.
    pub(super) package: &'a PackageName,
    /// Names of versions (`lts/jod`), each with its version.
    pub(super) names: &'a BTreeMap<String, String>,
}

impl Pin {
    /// Returns whether only the file's name counts.
    pub(super) fn is_name(&self) -> bool {
        self.read == Reader::Name
    }

    /// Returns what the file asks of the tool, if it says anything.
    pub(super) fn read<'t>(
        &self,
        tool: Subject<'_>,
        text: &'t Text,
        documents: &Documents<'t>,
    ) -> Result<Option<Found>, Error> {
        match self.read {
            Reader::Name => Ok(Some(present(text, 0))),
            Reader::Line => self.line(text, tool),
            Reader::Directive => self.directive(text, tool),
            Reader::Key => self.value(text, &*documents.parse(text)?, tool),
            Reader::Requirement => self.listed(text, &*documents.parse(text)?, tool),
            Reader::Requirements => self.required(text, tool),
            Reader::Text => {
                let at = text.as_str().find(&self.key);
                Ok(at.map(|at| present(text, at)))
            }
            Reader::RustToolchain => toolchain(text).map(Some),
        }
    }

    fn value(
        &self,
        text: &Text,
        root: &Node<'_>,
        tool: Subject<'_>,
    ) -> Result<Option<Found>, Error> {
        let mut nodes = root.select(&self.key);
        if !self.conditions.is_empty() {
            // Where a list may stand, one table may stand too.
            let elements = nodes.iter().flat_map(|list| match &list.value {
                Value::Table(_) => std::slice::from_ref(*list),
                _ => list.elements(),
            });
            nodes = elements
                .filter(|element| self.selects(element))
                .filter_map(|element| match self.value.as_str() {
                    "" => Some(element),
                    key => element.get(key),
                })
                .collect();
        }
        if self.role == Role::Presence {
            let first = nodes.first();
            return Ok(first.map(|node| present(text, node.span.start)));
        }
        for node in nodes {
            // A table (`{ workspace = true }`) refers to a version and names none.
            if matches!(
                node.value,
                Value::Table(_) | Value::List(_) | Value::Other("nothing")
            ) {
                continue;
            }
            let value = text.string(last(&self.key, &self.value), node)?.value;
            let Some(value) = value.strip_prefix(&self.after) else {
                continue;
            };
            if let Some(found) = self.found(text, node, value, tool)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn selects(&self, element: &Node<'_>) -> bool {
        self.conditions.iter().all(|(key, wanted)| {
            let found = element.get(key).and_then(Node::text);
            found.is_some_and(|found| match wanted.strip_prefix('*') {
                Some(end) => found.trim_end_matches(".git").ends_with(end),
                None => found == wanted,
            })
        })
    }

    fn listed(
        &self,
        text: &Text,
        root: &Node<'_>,
        tool: Subject<'_>,
    ) -> Result<Option<Found>, Error> {
        for node in root.select(&self.key) {
            let lists = node.entries().iter().map(|entry| &entry.node);
            for element in lists.chain([node]).flat_map(Node::elements) {
                let line = element.text();
                let Some(specifier) = line.and_then(|line| specifier(line, tool.package)) else {
                    continue;
                };
                if self.role == Role::Presence {
                    return Ok(Some(present(text, element.span.start)));
                }
                if let Some(found) = self.found(text, element, specifier, tool)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Returns what a version means, if it is one.
    fn found(
        &self,
        text: &Text,
        node: &Node<'_>,
        version: &str,
        tool: Subject<'_>,
    ) -> Result<Option<Found>, Error> {
        let wanted = self
            .grammar
            .requirement(version, &self.operator, tool)
            .map_err(|kind| text.error(node.span.clone(), kind))?;
        let within = |wanted: &Requirement| match self.within.parse::<Requirement>() {
            Ok(bound) => compatible(&[wanted, &bound]),
            Err(_) => true,
        };
        let wanted = wanted.filter(within);
        Ok(wanted.map(|wanted| {
            let mut found: Found = text.locate(node, wanted).into();
            if self.grammar == Grammar::Python
                && tool.package.as_str() == "python"
                && without_freethreaded(version).is_some()
            {
                found.components.push(FREETHREADED.to_owned());
            }
            found
        }))
    }
}

/// What a file asks by being there, or by having something at this byte.
fn present(text: &Text, at: usize) -> Found {
    Found {
        origin: Some(text.origin(at)),
        ..Found::default()
    }
}

/// The last key of a path, for messages.
fn last<'k>(path: &'k str, value: &'k str) -> &'k str {
    let key = if value.is_empty() { path } else { value };
    key.rsplit('.').next().unwrap_or(key)
}

/// Returns what a Python requirement (`ruff[x] >=0.12 ; marker`) says of the version of `package`.
fn specifier<'l>(line: &'l str, package: &PackageName) -> Option<&'l str> {
    let in_name = |one: char| one.is_ascii_alphanumeric() || "-_.".contains(one);
    let line = line.trim();
    let (name, rest) = line.split_at(line.find(|one| !in_name(one)).unwrap_or(line.len()));
    if name.parse::<PackageName>().ok()? != *package {
        return None;
    }
    let rest = rest.split(';').next().unwrap_or_default().trim();
    let rest = match rest.strip_prefix('[') {
        Some(extras) => extras.split_once(']')?.1.trim(),
        None => rest,
    };
    // After `@` comes an address, which is no version.
    let rest = rest
        .strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'))
        .unwrap_or(rest);
    (!rest.starts_with('@')).then_some(rest)
}

/// Reads a rustup toolchain file: a bare channel, where the older name allows it, or TOML.
fn toolchain(text: &Text) -> Result<Found, Error> {
    let content = text.as_str().trim();
    if !text.file().ends_with(".toml") && content.lines().count() == 1 && !content.contains('[') {
        let at = text.as_str().find(content).unwrap_or_default();
        let node = Node {
            span: at..at + content.len(),
            value: Value::Other("a channel"),
        };
        return Ok(channel(text, &node, content)?.into());
    }
    let root = text.toml()?;
    let empty = |span| text.error(span, ErrorKind::EmptyToolchain);
    let table = root.get("toolchain").ok_or_else(|| empty(text.line(1)))?;
    let mut found = present(text, table.span.start);
    let mut said = false;
    let parts = |value: &KeyValue<'_>| -> Result<Vec<String>, Error> {
        let parts = Vec::<Located<ToolPart>>::read(value)?.into_iter();
        Ok(parts.map(|part| part.value.0).collect())
    };
    for entry in text.table("toolchain", table)? {
        let node = &entry.node;
        let value = KeyValue::new(text, "toolchain".into(), entry);
        match &*entry.key {
            "path" => return Err(text.error(entry.key_span.clone(), ErrorKind::ToolchainPath)),
            "channel" => {
                let name = text.string("channel", node)?.value;
                found.requirement = Some(channel(text, node, &name)?);
            }
            "components" => {
                found.components.extend(parts(&value)?);
            }
            "targets" => found.targets = parts(&value)?,
            "profile" => found
                .components
                .extend(Located::<RustProfile>::read(&value)?.value.0),
            _ => continue,
        }
        said = true;
    }
    if said {
        Ok(found)
    } else {
        Err(empty(table.span.clone()))
    }
}

fn channel(text: &Text, node: &Node<'_>, name: &str) -> Result<Located<Requirement>, Error> {
    let numbered = name.starts_with(|first: char| first.is_ascii_digit());
    match name.parse::<Requirement>() {
        Ok(requirement) if numbered || requirement.channel().is_some() => {
            Ok(text.locate(node, requirement))
        }
        _ => {
            // A date is all that may follow a channel; a processor or a system is the machine's own.
            let triple = name.split_once('-').is_some_and(|(_, rest)| {
                [
                    "x86_64", "aarch64", "i686", "armv7", "unknown", "apple", "pc",
                ]
                .iter()
                .any(|part| rest.split('-').any(|one| one == *part))
            });
            let kind = if triple {
                ErrorKind::HostTriple {
                    channel: name.to_owned(),
                }
            } else {
                Invalid::new("a Rust channel", name).into()
            };
            Err(text.error(node.span.clone(), kind))
        }
    }
}

#[cfg(test)]
mod tests;
