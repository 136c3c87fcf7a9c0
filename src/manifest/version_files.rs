//! Reads the versions in files of other tools: `.python-version`, `uv.lock`, `package.json`.
//!
//! A preset names the file and the place in it. The readers are generic, so a new language needs no code.

mod grammar;
mod lines;
mod python_arguments;

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Error, ErrorKind, Located, Origin, Text,
    document::{Node, Value},
    form::{Form, KeyValue},
    presets::documents::Documents,
    scalars::{RustProfile, ToolPart},
};
use crate::package::{
    FREETHREADED, Invalid, PackageName, Requirement, compatible, implied, is_commit,
};

pub(super) use grammar::{Grammar, is_freethreaded, without_freethreaded};
pub(super) use lines::{TextPart, name_version_pairs};

/// A place in a file where the version of a tool may be named (`[[pins.TOOL]]` of a preset).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct VersionFile {
    /// The file, relative to the project's root.
    #[serde(default)]
    pub(super) file: String,
    /// Several files that are read alike, strongest first, in place of `file`.
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    read: ReadMethod,
    /// The path of keys to the value or list, joined by `.`; `*` matches every key.
    #[serde(default)]
    key: String,
    /// Selects tables of a list: every key has this value. A leading `*` matches any start.
    #[serde(default, rename = "where")]
    conditions: BTreeMap<String, String>,
    /// The key of the version in a selected table.
    #[serde(default)]
    value: String,
    /// The prefix of the version (`v` in tags); a value without it names no version.
    #[serde(default)]
    after: String,
    /// The operator for a bare version (`>=`).
    #[serde(default)]
    operator: String,
    /// The grammar of the version.
    #[serde(default)]
    grammar: Grammar,
    #[serde(default, rename = "as")]
    pub(super) role: VersionRole,
    /// A version outside this bound belongs to another tool (`<2`).
    #[serde(default)]
    within: String,
    /// A version within this bound belongs to another tool.
    #[serde(default)]
    beyond: String,
    /// True if the file lists versions that are all installed, of which the first is used.
    #[serde(default)]
    several: bool,
    /// The file says nothing about the tool if it has this key.
    #[serde(default)]
    unless: String,
    /// True if a digest behind the version (`+sha512.…`) is that of the tarball.
    #[serde(default)]
    tarball_digest: bool,
    /// True if the version counts only if the bounds admit it.
    #[serde(default)]
    pub(super) weak: bool,
}

/// The syntax of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ReadMethod {
    /// Not at all: its presence is enough.
    #[default]
    Name,
    /// The first line that names a version.
    Line,
    /// The text after a word at the start of a line (`toolchain go1.22.3`).
    Directive,
    /// A string at a key of a TOML, YAML or JSON file.
    Key,
    /// The tool's requirement in a list of Python requirements below a key of a TOML file.
    Requirement,
    /// The tool's line in a file of Python requirements.
    Requirements,
    /// A key of a section of an INI file (`options.python_requires`).
    Ini,
    /// A keyword argument in a Python file (`python_requires=">=3.9"`), if its value is a plain text.
    Argument,
    /// The file contains the key as text.
    Text,
    /// A rustup toolchain file.
    RustToolchain,
}

/// The meaning of a version in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum VersionRole {
    /// The version for the work on the project.
    #[default]
    Version,
    /// The same, if no other file names one.
    Fallback,
    /// A bound on that version.
    Floor,
    /// The project uses the tool, in any version.
    Presence,
}

/// The request of a file for a tool.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FileRequest {
    pub(super) origin: Option<Origin>,
    pub(super) requirement: Option<Located<Requirement>>,
    pub(super) components: Vec<String>,
    pub(super) targets: Vec<String>,
    /// The parts of the file that have no effect, with the reason.
    pub(super) notes: Vec<Located<String>>,
}

impl From<Located<Requirement>> for FileRequest {
    fn from(requirement: Located<Requirement>) -> Self {
        Self {
            origin: Some(requirement.origin.clone()),
            requirement: Some(requirement),
            ..Self::default()
        }
    }
}

/// The tool whose version is sought in a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct SoughtTool<'a> {
    pub(super) package: &'a PackageName,
    /// Names of versions (`lts/jod`) with the versions.
    pub(super) names: &'a BTreeMap<String, String>,
}

impl VersionFile {
    /// Returns one version file for each of its files.
    pub(super) fn split(&self) -> Vec<Self> {
        let one = |file: &String| Self {
            file: file.clone(),
            files: Vec::new(),
            ..self.clone()
        };
        if self.files.is_empty() {
            vec![one(&self.file)]
        } else {
            self.files.iter().map(one).collect()
        }
    }

    /// Returns whether only the presence of the file counts.
    pub(super) fn is_name(&self) -> bool {
        self.read == ReadMethod::Name
    }

    /// Returns the request of the file for the tool, if there is one.
    pub(super) fn read<'t>(
        &self,
        tool: SoughtTool<'_>,
        text: &'t Text,
        documents: &Documents<'t>,
    ) -> Result<Option<FileRequest>, Error> {
        if !self.is_name() {
            text.check_conflict()?;
        }
        match self.read {
            ReadMethod::Name => Ok(Some(present(text, 0))),
            ReadMethod::Line => self.line(text, tool),
            ReadMethod::Directive => self.directive(text, tool),
            ReadMethod::Key => self.value(text, &documents.parse(text), tool),
            ReadMethod::Requirement => self.listed(text, &documents.parse(text), tool),
            ReadMethod::Requirements => self.required(text, tool),
            ReadMethod::Ini => self.ini(text, tool),
            ReadMethod::Argument => self.argument(text, tool),
            ReadMethod::Text => {
                let at = text.as_str().find(&self.key);
                Ok(at.map(|at| present(text, at)))
            }
            ReadMethod::RustToolchain => toolchain(text).map(Some),
        }
    }

    fn value(
        &self,
        text: &Text,
        root: &Node<'_>,
        tool: SoughtTool<'_>,
    ) -> Result<Option<FileRequest>, Error> {
        if !self.unless.is_empty() && !root.select(&self.unless).is_empty() {
            return Ok(None);
        }
        let mut nodes = root.select(&self.key);
        if !self.conditions.is_empty() {
            // Some formats accept one table in place of a list.
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
        if self.role == VersionRole::Presence {
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
            let written = text.string(last(&self.key, &self.value), node)?.value;
            let value = if is_commit(&written) {
                // `pre-commit autoupdate --freeze` writes the tag behind the commit.
                frozen_tag(text, node).ok_or_else(|| {
                    let invalid = Invalid::new("a version: it is a commit", &written);
                    text.error(node.span.clone(), invalid)
                })?
            } else {
                &written
            };
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
        let meets = self.conditions.iter().all(|(key, wanted)| {
            let found = element.get(key).and_then(Node::text);
            found.is_some_and(|found| match wanted.strip_prefix('*') {
                Some(end) => found.trim_end_matches(".git").ends_with(end),
                None => found == wanted,
            })
        });
        meets && is_release(element)
    }

    fn listed(
        &self,
        text: &Text,
        root: &Node<'_>,
        tool: SoughtTool<'_>,
    ) -> Result<Option<FileRequest>, Error> {
        for node in root.select(&self.key) {
            let lists = node.entries().iter().map(|entry| &entry.node);
            for element in lists.chain([node]).flat_map(Node::elements) {
                let line = element.text();
                let Some(specifier) = line.and_then(|line| specifier(line, tool.package)) else {
                    continue;
                };
                if self.role == VersionRole::Presence {
                    return Ok(Some(present(text, element.span.start)));
                }
                if let Some(found) = self.found(text, element, specifier, tool)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Returns the request for a version; nothing if the text names none.
    fn found(
        &self,
        text: &Text,
        node: &Node<'_>,
        version: &str,
        tool: SoughtTool<'_>,
    ) -> Result<Option<FileRequest>, Error> {
        let wanted = self
            .grammar
            .requirement(version, &self.operator, tool)
            .map_err(|kind| text.error(node.span.clone(), kind))?;
        let wanted = wanted.map(|one| {
            if self.tarball_digest {
                one
            } else {
                one.without_digest()
            }
        });
        Ok(wanted.filter(|one| self.concerns(one)).map(|wanted| {
            let mut found: FileRequest = text.locate(node, wanted).into();
            if self.grammar == Grammar::Python && is_freethreaded(version) {
                found.components.push(FREETHREADED.to_owned());
            }
            found
        }))
    }

    /// Returns whether a version is of this tool, where two tools share a name (Yarn 1 and later).
    ///
    /// A range that reaches beyond the older tool means the newer one.
    fn concerns(&self, wanted: &Requirement) -> bool {
        let parse = |text: &str| text.parse::<Requirement>().ok();
        let within = parse(&self.within).is_none_or(|bound| match self.role {
            VersionRole::Floor => compatible(&[wanted, &bound]),
            _ => implied(&[wanted], &bound),
        });
        let beyond = parse(&self.beyond).is_none_or(|bound| !implied(&[wanted], &bound));
        within && beyond
    }
}

/// Returns the tag in the comment behind a commit (`# frozen: v1.2.3`).
fn frozen_tag<'t>(text: &'t Text, node: &Node<'_>) -> Option<&'t str> {
    let rest = text.as_str().get(node.span.end..)?.lines().next()?;
    let (_, tag) = rest.split_once('#')?.1.split_once("frozen:")?;
    tag.split_whitespace().next()
}

/// Returns whether a package of a Python lockfile is a release of an index, not a checkout, directory or archive.
fn is_release(element: &Node<'_>) -> bool {
    let elsewhere = [
        "archive",
        "directory",
        "editable",
        "git",
        "path",
        "url",
        "vcs",
        "virtual",
    ];
    let has = |node: &Node<'_>| elsewhere.iter().any(|key| node.get(key).is_some());
    let source = element.get("source");
    // Poetry has the kind in a key, and an address for an index as well.
    let kind = source.and_then(|source| source.get("type")?.text());
    match kind {
        Some(kind) => kind == "legacy",
        None => !has(element) && !source.is_some_and(has),
    }
}

/// The request of a file that only needs to be present, with the byte that shows it.
fn present(text: &Text, at: usize) -> FileRequest {
    FileRequest {
        origin: Some(text.origin(at)),
        ..FileRequest::default()
    }
}

/// The last key of a path, for messages.
fn last<'k>(path: &'k str, value: &'k str) -> &'k str {
    let key = if value.is_empty() { path } else { value };
    key.rsplit('.').next().unwrap_or(key)
}

/// Returns the version specifier of a Python requirement (`ruff[x] >=0.12 ; marker`) for `package`.
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
    // An address follows `@`, not a version.
    let rest = rest
        .strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'))
        .unwrap_or(rest);
    (!rest.starts_with('@')).then_some(rest)
}

/// Reads a rustup toolchain file: a bare channel, where the older name allows it, or TOML.
fn toolchain(text: &Text) -> Result<FileRequest, Error> {
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
    let mut has_request = false;
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
        has_request = true;
    }
    if has_request {
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
            // Only a date may follow a channel: a host triple is right for one kind of machine.
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
