//! The manifest's grammar: from a tree of values to a checked layer, the uppermost fault as the error.

use super::{
    AliasName, EnvValue, Error, ErrorKind, Layer, Located, PythonRequest, Section, ShellName,
    Tables, Text, ToolEntry,
    error::nearest,
    raw::{Entry, Node, Value},
};
use crate::package::{Invalid, PackageName, Requirement, Source, Tool};

/// The tables that the top level and every dev shell may have.
const TABLES: &[&str] = &["tools", "python", "env", "aliases", "hooks"];

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
            "shells" => {
                for entry in text.table("shells", &entry.node)? {
                    let name: ShellName = parsed(text, entry, &entry.key)?;
                    layer.shells.insert(name, section(text, entry)?);
                }
            }
            key if others.contains(&key) => {}
            _ if tables(text, entry, &mut layer.top)? => {}
            _ => return Err(unknown(text, entry, "", TABLES, &["shells"])),
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
                    section.inherits.push(located(text, node, &name)?);
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
        "python" => python(text, &entry.node, &mut into.python)?,
        "env" => {
            for entry in text.table("env", &entry.node)? {
                let name = parsed(text, entry, &entry.key)?;
                let value = text.locate(&entry.node, variable(text, entry)?);
                into.env.insert(name, value);
            }
        }
        "aliases" => {
            for entry in text.table("aliases", &entry.node)? {
                let name: AliasName = parsed(text, entry, &entry.key)?;
                let command = text.string(&entry.key, &entry.node)?;
                into.aliases.insert(name, command);
            }
        }
        "hooks" => hooks(text, &entry.node, into)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn tools(text: &Text, node: &Node<'_>, into: &mut Tables) -> Result<(), Error> {
    for entry in text.table("tools", node)? {
        let tool: Tool = match entry.key.parse() {
            Ok(tool) => tool,
            Err(invalid) => return Err(unknown_tool(text, entry, invalid)),
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
            "version" => {
                asked.requirement = Some(requirement(text, tool, "version", &field.node)?);
                continue;
            }
            "components" => ("components", &mut asked.components),
            "targets" => ("targets", &mut asked.targets),
            _ => {
                let table = format!("tools.{}", entry.key);
                let known = &["version", "components", "targets"];
                return Err(unknown(text, field, &table, known, &[]));
            }
        };
        if tool.source != Source::Rust {
            let tool = tool.to_string();
            return Err(text.error(field.key_span.clone(), ErrorKind::OnlyRust { key, tool }));
        }
        *list = parts(text, key, &field.node)?;
    }
    Ok(asked)
}

/// Reads names of components or targets.
pub(super) fn parts(text: &Text, key: &str, node: &Node<'_>) -> Result<Vec<String>, Error> {
    let mut parts = Vec::new();
    for (name, node) in text.strings(key, node)? {
        let name = name.value;
        // A part becomes a piece of a file's name at the source.
        let valid = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            && name
                .bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !valid {
            let invalid = Invalid::new("the name of a component or target", &name);
            return Err(text.error(node.span.clone(), invalid));
        }
        parts.push(name);
    }
    Ok(parts)
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

fn unknown_tool(text: &Text, entry: &Entry<'_>, invalid: Invalid) -> Error {
    if entry.key.contains(':') {
        return text.error(entry.key_span.clone(), invalid);
    }
    let package = entry.key.parse::<PackageName>().ok();
    let kind = ErrorKind::UnknownTool {
        name: entry.key.to_string(),
        suggestion: nearest(&entry.key, Tool::short_names()),
        pypi: package.map(|name| format!("{}:{name}", Source::Pypi)),
    };
    text.error(entry.key_span.clone(), kind)
}

fn python(text: &Text, node: &Node<'_>, into: &mut PythonRequest) -> Result<(), Error> {
    for entry in text.table("python", node)? {
        match &*entry.key {
            "lock" => {
                let lock = text.string("lock", &entry.node)?;
                if !is_lock_path(&lock.value) {
                    let invalid = Invalid::new("a `uv.lock` below the project's root", &lock.value);
                    return Err(text.error(entry.node.span.clone(), invalid));
                }
                into.lock = Some(lock);
            }
            "groups" => {
                for (group, node) in text.strings("groups", &entry.node)? {
                    let name: Located<PackageName> = located(text, node, &group)?;
                    into.groups.push(name.map(|name| name.to_string()));
                }
            }
            _ => return Err(unknown(text, entry, "python", &["lock", "groups"], &[])),
        }
    }
    Ok(())
}

/// Whether a path leads to a uv lockfile and cannot leave the project by its text.
fn is_lock_path(path: &str) -> bool {
    let path = path.strip_prefix("./").unwrap_or(path);
    path.split('/').next_back() == Some("uv.lock")
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn variable(text: &Text, variable: &Entry<'_>) -> Result<EnvValue, Error> {
    let name = &variable.key;
    let Value::Table(entries) = &variable.node.value else {
        return Ok(EnvValue::Set(text.string(name, &variable.node)?.value));
    };
    let form = || ErrorKind::VariableForm {
        name: name.to_string(),
    };
    let mut found: Option<EnvValue> = None;
    for entry in entries {
        let node = &entry.node;
        let value = match &*entry.key {
            "default" => EnvValue::Default(text.string("default", node)?.value),
            "required" => EnvValue::Required(text.string("required", node)?.value),
            "unset" if text.boolean("unset", node)?.value => EnvValue::Unset,
            "unset" => return Err(text.error(node.span.clone(), ErrorKind::UnsetFalse)),
            "prepend" => EnvValue::Extend {
                prepend: paths(text, "prepend", node)?,
                append: Vec::new(),
            },
            "append" => EnvValue::Extend {
                prepend: Vec::new(),
                append: paths(text, "append", node)?,
            },
            _ => {
                let known = &["default", "required", "prepend", "append"];
                return Err(unknown(
                    text,
                    entry,
                    &format!("env.{name}"),
                    known,
                    &["unset"],
                ));
            }
        };
        found = Some(match found {
            None => value,
            Some(earlier) => earlier
                .and(value)
                .ok_or_else(|| text.error(entry.key_span.clone(), form()))?,
        });
    }
    found.ok_or_else(|| text.error(variable.key_span.clone(), form()))
}

fn paths(text: &Text, key: &str, node: &Node<'_>) -> Result<Vec<String>, Error> {
    let mut entries = Vec::new();
    for (entry, node) in text.strings(key, node)? {
        let entry = entry.value;
        // An empty entry means the working directory, wherever that is.
        if entry.is_empty() || entry.contains(':') {
            return Err(text.error(node.span.clone(), ErrorKind::PathEntry { entry }));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn hooks(text: &Text, node: &Node<'_>, into: &mut Tables) -> Result<(), Error> {
    for entry in text.table("hooks", node)? {
        let scripts = match &*entry.key {
            "enter" => &mut into.enter,
            "leave" => &mut into.leave,
            _ => return Err(unknown(text, entry, "hooks", &["enter", "leave"], &[])),
        };
        if let Value::List(_) = entry.node.value {
            let list = text.strings(&entry.key, &entry.node)?;
            scripts.extend(list.into_iter().map(|(script, _)| script));
        } else {
            scripts.push(text.string(&entry.key, &entry.node)?);
        }
    }
    Ok(())
}

/// Parses the key of an entry.
fn parsed<T>(text: &Text, entry: &Entry<'_>, key: &str) -> Result<T, Error>
where
    T: std::str::FromStr<Err = Invalid>,
{
    key.parse()
        .map_err(|invalid| text.error(entry.key_span.clone(), invalid))
}

/// Parses a string at its place.
fn located<T>(text: &Text, node: &Node<'_>, found: &Located<String>) -> Result<Located<T>, Error>
where
    T: std::str::FromStr<Err = Invalid>,
{
    match found.value.parse() {
        Ok(value) => Ok(text.locate(node, value)),
        Err(invalid) => Err(text.error(node.span.clone(), invalid)),
    }
}

fn unknown(
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
