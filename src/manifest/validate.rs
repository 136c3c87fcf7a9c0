//! The manifest's grammar: from a tree of values to a checked layer, the uppermost fault as the error.

use std::{collections::BTreeSet, ops::Range};

use super::{
    CompositionError, Error, ErrorKind, Layer, Located, Section, ShellName, Tables, Text,
    document::{Entry, Node, Value},
    error::nearest,
    python, tool, variable,
};
use crate::package::{Invalid, PackageName, Source, Tool};

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
        // A list of versions names further tools beside the one of the key.
        for (tool, asked) in tool::entries(text, &tool, entry)? {
            if let Some(first) = into.tools.get(&tool) {
                let kind = ErrorKind::DuplicateTool {
                    tool: tool.to_string(),
                    line: first.origin.line,
                };
                return Err(text.error(entry.key_span.clone(), kind));
            }
            into.tools.insert(tool, asked);
        }
    }
    Ok(())
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
    for (one, node) in &added {
        once(text, node, &one.value, &removed)?;
    }
    Ok((added, removed))
}

/// Refuses an entry that is added where it is taken away.
pub(super) fn once(
    text: &Text,
    node: &Node<'_>,
    entry: &str,
    removed: &BTreeSet<String>,
) -> Result<(), Error> {
    if !removed.contains(entry) {
        return Ok(());
    }
    let entry = entry.to_owned();
    let fault = CompositionError::AddedAndRemoved { entry };
    Err(text.error(node.span.clone(), fault))
}

fn single(text: &Text, name: &ShellName, span: Range<usize>) -> Result<(), Error> {
    if name.is_single() {
        return Ok(());
    }
    let invalid = Invalid::new("the name of one dev shell", name.as_str());
    Err(text.error(span, invalid))
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
