//! Reads the versions that files of other tools name: `.python-version`, `uv.lock`, `rust-toolchain.toml`.
//!
//! A preset says which file and where in it; the readers here are generic, so a new language is new data.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Error, ErrorKind, Located, Text,
    raw::{Node, Value},
    validate, yaml,
};
use crate::package::{Invalid, PackageName, Requirement};

/// One place where the version of a tool may be named.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Pin {
    /// The file, relative to the project's root.
    pub(super) file: String,
    /// How to read it.
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
    /// Whether lines follow rules of their own.
    dialect: Option<Dialect>,
    /// What the version means.
    #[serde(default, rename = "as")]
    pub(super) role: Role,
}

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reader {
    /// The first line with a meaning.
    Line,
    /// A string at a key of a TOML file.
    Toml,
    /// A string at a key of a YAML file.
    Yaml,
    /// The tool's requirement in a list of Python requirements below a key of a TOML file.
    Requirement,
    /// A rustup toolchain file.
    RustToolchain,
}

/// Rules of a line's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Dialect {
    /// What pyenv and uv accept in `.python-version`.
    Python,
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
}

/// What a file asks of a tool.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
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
            requirement: Some(requirement),
            ..Self::default()
        }
    }
}

impl Pin {
    /// Returns what the file asks of `package`, if it says anything.
    pub(super) fn read(&self, package: &PackageName, text: &Text) -> Result<Option<Found>, Error> {
        match self.read {
            Reader::Line => self.line(text),
            Reader::Toml => self.value(text, &text.toml()?),
            Reader::Yaml => self.value(text, &yaml::parse(text)?),
            Reader::Requirement => self.listed(text, &text.toml()?, package),
            Reader::RustToolchain => toolchain(text).map(Some),
        }
    }

    fn line(&self, text: &Text) -> Result<Option<Found>, Error> {
        let mut start = 0;
        for line in text.as_str().split_inclusive('\n') {
            let content = line.split('#').next().unwrap_or_default();
            let word = content.trim();
            let at = start + (content.len() - content.trim_start().len());
            start += line.len();
            let node = Node {
                span: at..at + word.len(),
                value: Value::Other("a line"),
            };
            let version = match self.dialect {
                _ if word.is_empty() => continue,
                None => word,
                Some(Dialect::Python) => match python(word) {
                    Ok(Some(version)) => version,
                    Ok(None) => continue,
                    Err(kind) => return Err(text.error(node.span, kind)),
                },
            };
            return self.found(text, &node, version).map(Some);
        }
        Ok(None)
    }

    fn value(&self, text: &Text, root: &Node<'_>) -> Result<Option<Found>, Error> {
        let mut nodes = root.select(&self.key);
        if !self.conditions.is_empty() {
            let elements = nodes.iter().flat_map(|list| list.elements());
            nodes = elements
                .filter(|element| self.selects(element))
                .filter_map(|element| element.get(&self.value))
                .collect();
        }
        for node in nodes {
            // A table (`{ workspace = true }`) refers to a version and names none.
            let value = node
                .text()
                .and_then(|value| value.strip_prefix(&self.after));
            if let Some(value) = value.filter(|value| !matches!(*value, "" | "*")) {
                return self.found(text, node, value).map(Some);
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
        package: &PackageName,
    ) -> Result<Option<Found>, Error> {
        for node in root.select(&self.key) {
            let lists = node.entries().iter().map(|entry| &entry.node);
            for element in lists.chain([node]).flat_map(Node::elements) {
                let specifier = element
                    .text()
                    .and_then(|line| specifier(line, package))
                    .filter(|specifier| !specifier.is_empty());
                if let Some(specifier) = specifier {
                    return self.found(text, element, specifier).map(Some);
                }
            }
        }
        Ok(None)
    }

    fn found(&self, text: &Text, node: &Node<'_>, version: &str) -> Result<Found, Error> {
        let version = version.trim();
        let bare = version.starts_with(|first: char| first.is_ascii_digit());
        let written = if bare {
            format!("{}{version}", self.operator)
        } else {
            joined(version)
        };
        if written.contains("||") && matches!(self.role, Role::Floor) {
            // Poetry's unions are wider than any bound that can be kept; the pins beside them still count.
            return Ok(Found::default());
        }
        let requirement: Requirement = written.parse().map_err(|_| {
            let invalid = Invalid::new("a version requirement", version);
            text.error(node.span.clone(), invalid)
        })?;
        Ok(text.locate(node, requirement).into())
    }
}

/// Puts the commas of PEP 440 where Poetry has blanks: `>=3.11 <3.13`.
fn joined(version: &str) -> String {
    let mut written = String::with_capacity(version.len());
    for word in version.split_whitespace() {
        if word.starts_with(['<', '>', '=', '!', '~', '^']) {
            if !written.is_empty() && !written.ends_with(',') {
                written.push(',');
            }
        } else if written.ends_with(|last: char| last.is_ascii_alphanumeric()) {
            written.push(' ');
        }
        written.push_str(word);
    }
    written
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

/// Returns the version that a line of `.python-version` asks for; nothing for what is not `CPython`.
fn python(line: &str) -> Result<Option<&str>, ErrorKind> {
    let named = line.strip_prefix("cpython");
    let version = match named {
        Some(rest) => rest.trim_start_matches(['-', '@']),
        None => line,
    };
    // uv's long form goes on with the system: `cpython-3.12.4-linux-x86_64-gnu`.
    let version = match named.and_then(|_| version.split_once('-')) {
        Some((version, _)) => version,
        None => version,
    };
    let unsupported = |variant| ErrorKind::PythonVariant {
        found: line.to_owned(),
        variant,
    };
    if !version.starts_with(|first: char| first.is_ascii_digit() || "<>=~!".contains(first)) {
        return Ok(None);
    }
    let number = version.trim_end_matches(char::is_alphabetic);
    match version.split_once('+').map(|(_, variant)| variant) {
        Some("freethreaded") => return Err(unsupported("free-threaded")),
        Some("debug") => return Err(unsupported("debug")),
        Some(_) => return Ok(None),
        None if number.parse::<Requirement>().is_ok() => match &version[number.len()..] {
            "t" => return Err(unsupported("free-threaded")),
            "d" => return Err(unsupported("debug")),
            _ => {}
        },
        None => {}
    }
    // pyenv's `3.13-dev` is built from a branch, and a virtual environment may be called `3.12-web`.
    let released = !version.contains('-') && version.parse::<Requirement>().is_ok();
    Ok(released.then_some(version))
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
    let mut found = Found::default();
    let mut said = false;
    for entry in text.table("toolchain", table)? {
        let node = &entry.node;
        match &*entry.key {
            "path" => return Err(text.error(entry.key_span.clone(), ErrorKind::ToolchainPath)),
            "channel" => {
                let name = text.string("channel", node)?.value;
                found.requirement = Some(channel(text, node, &name)?);
            }
            "components" => found.components = validate::parts(text, "components", node)?,
            "targets" => found.targets = validate::parts(text, "targets", node)?,
            "profile" => {}
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
