//! The grammar of variables, env files, grants, aliases and hooks.

use std::collections::BTreeSet;

use super::{
    AliasName, CompositionError, EnvFile, EnvValue, Error, ErrorKind, Located, Tables, Text,
    document::{Entry, Node, Value},
    layer::EnvEntry,
    source_scripts, template,
    validate::{edited, located, parsed, unknown},
};
use crate::{env::VarName, package::Invalid};

/// Reads `[env]`.
pub(super) fn env(text: &Text, node: &Node<'_>, into: &mut Tables) -> Result<(), Error> {
    for entry in text.table("env", node)? {
        let name: VarName = parsed(text, entry, &entry.key)?;
        into.env.insert(name, variable(text, entry)?);
    }
    Ok(())
}

fn variable(text: &Text, variable: &Entry<'_>) -> Result<EnvEntry, Error> {
    let name = &variable.key;
    let done = |value| EnvEntry::new(text.locate(&variable.node, value));
    let Value::Table(entries) = &variable.node.value else {
        return Ok(done(EnvValue::Set(value(text, name, &variable.node)?)));
    };
    let form = || ErrorKind::VariableForm {
        name: name.to_string(),
    };
    let mut found: Option<EnvValue> = None;
    let mut removed = BTreeSet::new();
    for entry in entries {
        let node = &entry.node;
        let extend = |prepend, append| EnvValue::Extend { prepend, append };
        let said = match &*entry.key {
            "default" => EnvValue::Default(value(text, "default", node)?),
            "required" => EnvValue::Required(text.string("required", node)?.value),
            "unset" if text.boolean("unset", node)?.value => EnvValue::Unset,
            "unset" => return Err(text.error(node.span.clone(), ErrorKind::UnsetFalse)),
            "prepend" => extend(paths(text, "prepend", node)?, Vec::new()),
            "append" => extend(Vec::new(), paths(text, "append", node)?),
            "remove" => {
                removed = paths(text, "remove", node)?.into_iter().collect();
                extend(Vec::new(), Vec::new())
            }
            _ => {
                let known = &["default", "required", "prepend", "append", "remove"];
                let table = format!("env.{name}");
                return Err(unknown(text, entry, &table, known, &["unset"]));
            }
        };
        found = Some(match found {
            None => said,
            Some(earlier) => earlier
                .and(said)
                .ok_or_else(|| text.error(entry.key_span.clone(), form()))?,
        });
    }
    let found = found.ok_or_else(|| text.error(variable.key_span.clone(), form()))?;
    if let EnvValue::Extend { prepend, append } = &found
        && let Some(both) = prepend
            .iter()
            .chain(append)
            .find(|one| removed.contains(*one))
    {
        let entry = both.clone();
        let fault = CompositionError::AddedAndRemoved { entry };
        return Err(text.error(variable.key_span.clone(), fault));
    }
    Ok(EnvEntry {
        removed,
        ..done(found)
    })
}

/// Reads a value that may refer to variables.
fn value(text: &Text, key: &str, node: &Node<'_>) -> Result<String, Error> {
    let value = text.string(key, node)?.value;
    referring(text, node, &value)?;
    Ok(value)
}

fn referring(text: &Text, node: &Node<'_>, value: &str) -> Result<(), Error> {
    let Err(found) = template::parse(value) else {
        return Ok(());
    };
    let fault = CompositionError::Reference {
        found: found.to_owned(),
        value: value.to_owned(),
    };
    Err(text.error(node.span.clone(), fault))
}

fn paths(text: &Text, key: &str, node: &Node<'_>) -> Result<Vec<String>, Error> {
    let mut entries = Vec::new();
    for (entry, node) in text.strings(key, node)? {
        let entry = entry.value;
        referring(text, node, &entry)?;
        // An empty entry means the working directory, wherever that is. A fallback has its own `:`.
        let plain = template::parse(&entry).unwrap_or_default();
        let split = plain
            .iter()
            .any(|piece| matches!(piece, template::Piece::Text(text) if text.contains(':')));
        if entry.is_empty() || split {
            return Err(text.error(node.span.clone(), ErrorKind::PathEntry { entry }));
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// Reads `[env-files]`.
pub(super) fn files(text: &Text, node: &Node<'_>, into: &mut Tables) -> Result<(), Error> {
    for entry in text.table("env-files", node)? {
        let optional = match &*entry.key {
            "load" => false,
            "optional" => true,
            _ => {
                return Err(unknown(
                    text,
                    entry,
                    "env-files",
                    &["load", "optional"],
                    &[],
                ));
            }
        };
        let (paths, removed) = edited(text, &entry.key, &entry.node)?;
        for (path, node) in paths {
            let relative = !path.value.starts_with('/') && !path.value.is_empty();
            if !relative {
                let invalid = Invalid::new("a file below the project's root", &path.value);
                return Err(text.error(node.span.clone(), invalid));
            }
            into.env_files.push(EnvFile { path, optional });
        }
        into.removed.entry("load").or_default().extend(removed);
    }
    Ok(())
}

/// Reads `[grants]`.
pub(super) fn grants(text: &Text, node: &Node<'_>, into: &mut Tables) -> Result<(), Error> {
    for entry in text.table("grants", node)? {
        if entry.key == "source" {
            source_scripts::grants(
                text,
                &entry.node,
                &mut into.source_scripts,
                &mut into.removed,
            )?;
            continue;
        }
        if entry.key != "env" {
            return Err(unknown(text, entry, "grants", &["env", "source"], &[]));
        }
        let (names, removed) = edited(text, "env", &entry.node)?;
        for (name, node) in names {
            into.grants.push(located(text, node, &name)?);
        }
        into.removed.insert("grants", removed);
    }
    Ok(())
}

/// Reads `[aliases]`.
pub(super) fn aliases(text: &Text, node: &Node<'_>, into: &mut Tables) -> Result<(), Error> {
    for entry in text.table("aliases", node)? {
        let name: AliasName = parsed(text, entry, &entry.key)?;
        let command = if let Value::Table(fields) = &entry.node.value
            && let Some(field) = fields.first()
        {
            if field.key != "unset" {
                let table = format!("aliases.{}", entry.key);
                return Err(unknown(text, field, &table, &["unset"], &[]));
            }
            unset(text, &entry.key, fields, field)?;
            text.locate(&entry.node, None)
        } else {
            let Located { value, origin } = text.string(&entry.key, &entry.node)?;
            Located {
                value: Some(value),
                origin,
            }
        };
        into.aliases.insert(name, command);
    }
    Ok(())
}

/// Checks that `field` is `unset = true` and stands alone.
pub(super) fn unset(
    text: &Text,
    name: &str,
    fields: &[Entry<'_>],
    field: &Entry<'_>,
) -> Result<(), Error> {
    if !text.boolean("unset", &field.node)?.value {
        return Err(text.error(field.node.span.clone(), ErrorKind::UnsetFalse));
    }
    if fields.len() > 1 {
        let name = name.to_owned();
        return Err(text.error(
            field.key_span.clone(),
            CompositionError::UnsetWithMore { name },
        ));
    }
    Ok(())
}

/// Reads `[hooks]`.
pub(super) fn hooks(text: &Text, node: &Node<'_>, into: &mut Tables) -> Result<(), Error> {
    for entry in text.table("hooks", node)? {
        let (key, scripts): (&'static str, _) = match &*entry.key {
            "enter" => ("enter", &mut into.enter),
            "leave" => ("leave", &mut into.leave),
            "source" => {
                source_scripts::scripts(
                    text,
                    &entry.node,
                    &mut into.source_scripts,
                    &mut into.removed,
                )?;
                continue;
            }
            _ => {
                let known = &["enter", "leave", "source"];
                return Err(unknown(text, entry, "hooks", known, &[]));
            }
        };
        if let Value::List(_) | Value::Table(_) = entry.node.value {
            let (list, removed) = edited(text, key, &entry.node)?;
            scripts.extend(list.into_iter().map(|(script, _)| script));
            into.removed.insert(key, removed);
        } else {
            scripts.push(text.string(key, &entry.node)?);
        }
    }
    Ok(())
}
