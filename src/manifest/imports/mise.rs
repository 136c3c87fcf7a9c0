//! `mise.toml`: `[env]` with its directives, aliases and tasks. Its tools are read by the preset `base`.

use super::{Importer, word};
use crate::manifest::{
    EnvValue,
    document::{Node, Value},
    template,
};

/// Tables that a preset reads, or that only say how mise itself works.
const OTHERS: [&str; 4] = ["tools", "settings", "min_version", "alias"];

pub(super) fn read(importer: &mut Importer<'_>, root: &Node<'_>) {
    for entry in root.entries() {
        match &*entry.key {
            "env" => {
                // A list of tables is the same in the order of its elements.
                for table in std::iter::once(&entry.node).chain(entry.node.elements()) {
                    for variable in table.entries() {
                        let origin = importer.text.origin(variable.key_span.start);
                        if variable.key == "_" {
                            directives(importer, &variable.node);
                        } else {
                            set(importer, origin, &variable.key, &variable.node);
                        }
                    }
                }
            }
            "env_file" | "dotenv" => files(importer, &entry.node),
            "env_path" => paths(importer, &entry.node),
            "shell_alias" => {
                for alias in entry.node.entries() {
                    let origin = importer.text.origin(alias.key_span.start);
                    let command = alias.node.text().unwrap_or_default();
                    importer.alias(origin, &alias.key, command);
                }
            }
            "tasks" => {
                for task in entry.node.entries() {
                    add_task(importer, &task.key, task.key_span.start, &task.node);
                }
            }
            key if OTHERS.contains(&key) => {}
            key => {
                let origin = importer.text.origin(entry.key_span.start);
                importer.leave(origin, format!("`{key}` has no form in a manifest"));
            }
        }
    }
}

fn set(importer: &mut Importer<'_>, origin: crate::manifest::Origin, name: &str, node: &Node<'_>) {
    if matches!(node.value, Value::Boolean(false)) {
        importer.variable(origin, name, EnvValue::Unset);
        return;
    }
    if let Some(required) = node.get("required") {
        let help = required.text().unwrap_or("set it in your own shell");
        importer.variable(origin, name, EnvValue::Required(help.to_owned()));
        return;
    }
    if let Some(default) = node.get("default") {
        match value(&word(importer.text, default).unwrap_or_default()) {
            Some(default) => importer.variable(origin, name, EnvValue::Default(default)),
            None => importer.leave(origin, format!("`{name}` is a template of mise")),
        }
        return;
    }
    let inner = node.get("value").unwrap_or(node);
    match word(importer.text, inner).as_deref().map(value) {
        Some(Some(value)) => importer.variable(origin, name, EnvValue::Set(value)),
        Some(None) => importer.leave(origin, format!("`{name}` is a template of mise")),
        None => importer.leave(origin, format!("the form of `{name}` is not known")),
    }
}

/// Returns a value of mise as one of a manifest; nothing for a template that needs mise.
fn value(text: &str) -> Option<String> {
    let mut value = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        value.push_str(&template::escape(&rest[..at]));
        let end = rest[at..].find("}}")? + at;
        let inner = rest[at + 2..end].trim();
        match inner.strip_prefix("env.") {
            _ if inner == "config_root" || inner == "cwd" => value.push_str("${root}"),
            Some(name)
                if name
                    .bytes()
                    .all(|one| one.is_ascii_alphanumeric() || one == b'_') =>
            {
                value.extend(["${", name, "}"]);
            }
            _ => return None,
        }
        rest = &rest[end + 2..];
    }
    if rest.contains("{%") {
        return None;
    }
    value.push_str(&template::escape(rest));
    Some(value)
}

fn directives(importer: &mut Importer<'_>, node: &Node<'_>) {
    for entry in node.entries() {
        match &*entry.key {
            "path" => paths(importer, &entry.node),
            "file" => files(importer, &entry.node),
            key => {
                let origin = importer.text.origin(entry.key_span.start);
                importer.leave(origin, format!("`_.{key}` has no form in a manifest"));
            }
        }
    }
}

/// Returns the texts of a list, of one text or of a table with `path`.
fn texts<'n, 't>(node: &'n Node<'t>) -> impl Iterator<Item = &'n Node<'t>> {
    let one = std::iter::once(node).filter(|node| node.elements().is_empty());
    let all = one.chain(node.elements());
    all.map(|node| node.get("path").unwrap_or(node))
}

fn paths(importer: &mut Importer<'_>, node: &Node<'_>) {
    for node in texts(node) {
        let origin = importer.text.origin(node.span.start);
        match node.text().and_then(value) {
            Some(path) => {
                let path = match path.strip_prefix("${root}/") {
                    Some(below) => format!("./{below}"),
                    None => path,
                };
                let path = match path.strip_prefix("~/") {
                    Some(below) => format!("${{HOME}}/{below}"),
                    None => path,
                };
                importer.prepend(origin, "PATH", vec![path]);
            }
            None => importer.leave(origin, "the path is a template of mise"),
        }
    }
}

fn files(importer: &mut Importer<'_>, node: &Node<'_>) {
    for node in texts(node) {
        let origin = importer.text.origin(node.span.start);
        match node.text() {
            // mise reads a file that is missing as an empty one.
            Some(path) => importer.env_file(origin, path, true),
            None => importer.leave(origin, "the form of the file is not known"),
        }
    }
}

fn add_task(importer: &mut Importer<'_>, name: &str, at: usize, node: &Node<'_>) {
    let origin = importer.text.origin(at);
    let run = node.get("run").unwrap_or(node);
    let command = match run.elements() {
        [only] => only.text(),
        _ => run.text(),
    };
    let more = [
        "depends", "dir", "env", "file", "sources", "usage", "wait_for",
    ];
    match command {
        Some(command) if !more.iter().any(|key| node.get(key).is_some()) => {
            importer.alias(origin, name, command);
        }
        _ => importer.leave(
            origin,
            format!("the task `{name}` is more than one command: run it with mise, or use `just`"),
        ),
    }
}
