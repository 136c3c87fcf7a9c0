//! The manifest's grammar: from a tree of values to a checked layer, the uppermost fault as the error.

use std::{collections::BTreeSet, ops::Range};

use super::{
    Composition, Error, ErrorKind, Layer, Located, Section, ShellName, Tables, Text, ToolEntry,
    error::nearest,
    python,
    raw::{Entry, Node, Value},
    variable,
};
use crate::package::{Invalid, PackageName, Requirement, Source, Tool};

/// The tables that the top level and every dev shell may have.
const TABLES: &[&str] = &[
    "tools",
    "python",
    "env",
    "env-files",
    "aliases",
    "hooks",
    "grants",
];

/// Returns what a manifest says, unmerged; `file` is its name in messages.
pub fn parse(file: &str, text: &str) -> Result<Layer, Error> {
    let text = Text::new(file, text);
    layer(&text, &[])
}

/// Returns what a manifest says, unmerged, from the bytes of its file.
pub fn parse_bytes(file: &str, bytes: &[u8]) -> Result<Layer, Error> {
    layer(&Text::from_bytes(file, bytes)?, &[])
}

/// Reads a whole file; keys in `others` belong to somebody else.
pub(super) fn layer(text: &Text, others: &[&'static str]) -> Result<Layer, Error> {
    let root = text.toml()?;
    let mut layer = Layer::new(text.clone());
    for entry in root.entries() {
        match &*entry.key {
            "extends" => {
                let list = text.strings("extends", &entry.node)?;
                layer.extends = list.into_iter().map(|(source, _)| source).collect();
            }
            "shells" => {
                for entry in text.table("shells", &entry.node)? {
                    let name: ShellName = parsed(text, entry, &entry.key)?;
                    single(text, &name, entry.key_span.clone())?;
                    layer.shells.insert(name, section(text, entry)?);
                }
            }
            key if others.contains(&key) => {}
            _ if tables(text, entry, &mut layer.top)? => {}
            _ => return Err(unknown(text, entry, "", TABLES, &["shells", "extends"])),
        }
    }
    Ok(layer)
}

fn section(text: &Text, shell: &Entry<'_>) -> Result<Section, Error> {
    let mut section = Section::default();
    for entry in text.table(&shell.key, &shell.node)? {
        let node = &entry.node;
        match &*entry.key {
            "standalone" => section.standalone = Some(text.boolean("standalone", node)?),
            "inherits" => {
                for (name, node) in text.strings("inherits", node)? {
                    let name: Located<ShellName> = located(text, node, &name)?;
                    single(text, &name.value, node.span.clone())?;
                    section.inherits.push(name);
                }
            }
            _ if tables(text, entry, &mut section.tables)? => {}
            _ => {
                let table = format!("shells.{}", shell.key);
                let own = &["standalone", "inherits"];
                return Err(unknown(text, entry, &table, TABLES, own));
            }
        }
    }
    Ok(section)
}

/// Reads one of `TABLES`; returns whether the key is one.
fn tables(text: &Text, entry: &Entry<'_>, into: &mut Tables) -> Result<bool, Error> {
    match &*entry.key {
        "tools" => tools(text, &entry.node, into)?,
        "python" => python::read(text, &entry.node, into)?,
        "env" => variable::env(text, &entry.node, into)?,
        "env-files" => variable::files(text, &entry.node, into)?,
        "grants" => variable::grants(text, &entry.node, into)?,
        "aliases" => variable::aliases(text, &entry.node, into)?,
        "hooks" => variable::hooks(text, &entry.node, into)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn tools(text: &Text, node: &Node<'_>, into: &mut Tables) -> Result<(), Error> {
    for entry in text.table("tools", node)? {
        let tool: Tool = match entry.key.parse() {
            Ok(tool) => tool,
            Err(invalid) => {
                let kind = unknown_tool(&entry.key, invalid);
                return Err(text.error(entry.key_span.clone(), kind));
            }
        };
        if let Some(first) = into.tools.get(&tool) {
            let kind = ErrorKind::DuplicateTool {
                tool: tool.to_string(),
                line: first.origin.line,
            };
            return Err(text.error(entry.key_span.clone(), kind));
        }
        let asked = tool_entry(text, &tool, entry)?;
        into.tools.insert(tool, asked);
    }
    Ok(())
}

fn tool_entry(text: &Text, tool: &Tool, entry: &Entry<'_>) -> Result<ToolEntry, Error> {
    let mut asked = ToolEntry::new(text.origin(entry.key_span.start));
    if let Value::List(_) = entry.node.value {
        return Err(text.wrong(&entry.key, &entry.node, "a version or a table"));
    }
    let Value::Table(fields) = &entry.node.value else {
        asked.requirement = Some(requirement(text, tool, &entry.key, &entry.node)?);
        return Ok(asked);
    };
    for field in fields {
        let (key, list): (&'static str, _) = match &*field.key {
            "unset" => {
                variable::unset(text, &entry.key, fields, field)?;
                (asked.unset, asked.wanted) = (true, false);
                continue;
            }
            "version" => {
                asked.requirement = Some(requirement(text, tool, "version", &field.node)?);
                continue;
            }
            "components" => ("components", &mut asked.components),
            "targets" => ("targets", &mut asked.targets),
            _ => {
                let table = format!("tools.{}", entry.key);
                let known = &["version", "components", "targets"];
                return Err(unknown(text, field, &table, known, &["unset"]));
            }
        };
        if tool.source != Source::Rust {
            let tool = tool.to_string();
            return Err(text.error(field.key_span.clone(), ErrorKind::OnlyRust { key, tool }));
        }
        let (added, removed) = edited(text, key, &field.node)?;
        let checked: Result<_, Error> = added
            .iter()
            .map(|(_, node)| part(text, key, node))
            .collect();
        *list = checked?;
        asked.removed.insert(key, removed);
    }
    Ok(asked)
}

/// Reads names of components or targets.
pub(super) fn parts(text: &Text, key: &str, node: &Node<'_>) -> Result<Vec<String>, Error> {
    let names = text.strings(key, node)?;
    names
        .iter()
        .map(|(_, node)| part(text, key, node))
        .collect()
}

fn part(text: &Text, key: &str, node: &Node<'_>) -> Result<String, Error> {
    let name = text.string(key, node)?.value;
    // A part becomes a piece of a file's name at the source.
    let valid = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && name
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric());
    if valid {
        return Ok(name);
    }
    let invalid = Invalid::new("the name of a component or target", &name);
    Err(text.error(node.span.clone(), invalid))
}

/// The entries that a list gains, each with its node, and those that it loses.
type Edited<'n, 't> = (Vec<(Located<String>, &'n Node<'t>)>, BTreeSet<String>);

/// Reads a list, or a table of `add` and `remove`.
pub(super) fn edited<'n, 't>(
    text: &Text,
    key: &str,
    node: &'n Node<'t>,
) -> Result<Edited<'n, 't>, Error> {
    let Value::Table(entries) = &node.value else {
        return Ok((text.strings(key, node)?, BTreeSet::new()));
    };
    let (mut added, mut removed) = (Vec::new(), BTreeSet::new());
    for entry in entries {
        match &*entry.key {
            "add" => added = text.strings("add", &entry.node)?,
            "remove" => {
                let list = text.strings("remove", &entry.node)?.into_iter();
                removed = list.map(|(name, _)| name.value).collect();
            }
            _ => return Err(unknown(text, entry, key, &["add", "remove"], &[])),
        }
    }
    if let Some((entry, node)) = added.iter().find(|(one, _)| removed.contains(&one.value)) {
        let entry = entry.value.clone();
        let fault = Composition::AddedAndRemoved { entry };
        return Err(text.error(node.span.clone(), fault));
    }
    Ok((added, removed))
}

fn single(text: &Text, name: &ShellName, span: Range<usize>) -> Result<(), Error> {
    if name.is_single() {
        return Ok(());
    }
    let invalid = Invalid::new("the name of one dev shell", name.as_str());
    Err(text.error(span, invalid))
}

fn requirement(
    text: &Text,
    tool: &Tool,
    key: &str,
    node: &Node<'_>,
) -> Result<Located<Requirement>, Error> {
    let wanted: Located<Requirement> = located(text, node, &text.string(key, node)?)?;
    if wanted.value.channel().is_some() && tool.source != Source::Rust {
        let invalid = Invalid::new("a version requirement", wanted.value.as_str());
        return Err(text.error(node.span.clone(), invalid));
    }
    Ok(wanted)
}

/// Returns what is wrong with a name that is no tool's.
pub fn unknown_tool(name: &str, invalid: Invalid) -> ErrorKind {
    if name.contains(':') {
        return invalid.into();
    }
    let package = name.parse::<PackageName>().ok();
    ErrorKind::UnknownTool {
        name: name.to_owned(),
        suggestion: nearest(name, Tool::short_names()),
        pypi: package.map(|name| format!("{}:{name}", Source::Pypi)),
    }
}

/// Parses the key of an entry.
pub(super) fn parsed<T>(text: &Text, entry: &Entry<'_>, key: &str) -> Result<T, Error>
where
    T: std::str::FromStr<Err = Invalid>,
{
    key.parse()
        .map_err(|invalid| text.error(entry.key_span.clone(), invalid))
}

/// Parses a string at its place.
pub(super) fn located<T>(
    text: &Text,
    node: &Node<'_>,
    found: &Located<String>,
) -> Result<Located<T>, Error>
where
    T: std::str::FromStr<Err = Invalid>,
{
    match found.value.parse() {
        Ok(value) => Ok(text.locate(node, value)),
        Err(invalid) => Err(text.error(node.span.clone(), invalid)),
    }
}

pub(super) fn unknown(
    text: &Text,
    entry: &Entry<'_>,
    table: &str,
    known: &[&'static str],
    more: &[&'static str],
) -> Error {
    let kind = ErrorKind::UnknownKey {
        key: entry.key.to_string(),
        table: match table {
            "" => "the top level".to_owned(),
            _ => format!("`[{table}]`"),
        },
        suggestion: nearest(&entry.key, known.iter().chain(more).copied()),
    };
    text.error(entry.key_span.clone(), kind)
}
