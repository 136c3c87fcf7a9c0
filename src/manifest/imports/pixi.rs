//! `pixi.toml`: packages of conda and of the Python index, variables, tasks and environments.

use std::collections::BTreeSet;

use super::{Importer, word};
use crate::manifest::{
    EnvValue, ImportedSettings, Located, ShellName,
    document::{Node, Value},
};

pub(super) fn read(importer: &mut Importer<'_>, root: &Node<'_>) {
    tables(importer, root);
    environments(importer, root);
}

/// Reads the tables of the workspace or of a feature.
fn tables(importer: &mut Importer<'_>, root: &Node<'_>) {
    for entry in root.entries() {
        let origin = importer.text.origin(entry.key_span.start);
        match &*entry.key {
            // The name and the platforms of the workspace have no effect on the environment.
            "project" | "workspace" => channels(importer, &entry.node),
            // `environments` reads the last two.
            "package" | "feature" | "environments" => {}
            "dependencies" | "host-dependencies" | "build-dependencies" => {
                for package in entry.node.entries() {
                    let origin = importer.text.origin(package.key_span.start);
                    match requirement(&package.key, &package.node) {
                        Some(text) => importer.conda_dependency(origin, &text),
                        None => importer.leave(
                            origin,
                            format!("the source of `{}` has no form in a manifest", package.key),
                        ),
                    }
                }
            }
            "system-requirements" => floors(importer, &entry.node),
            "pypi-dependencies" => {
                for package in entry.node.entries() {
                    python_package(
                        importer,
                        &package.key,
                        package.key_span.start,
                        &package.node,
                    );
                }
            }
            "tasks" => {
                for task in entry.node.entries() {
                    let origin = importer.text.origin(task.key_span.start);
                    let command = task.node.get("cmd").unwrap_or(&task.node);
                    let has_more = ["depends-on", "depends_on", "cwd", "env", "args"];
                    match command.text() {
                        Some(command)
                            if !has_more.iter().any(|key| task.node.get(key).is_some()) =>
                        {
                            importer.alias(origin, &task.key, command);
                        }
                        _ => importer.leave(
                            origin,
                            format!("the task `{}` is more than one command", task.key),
                        ),
                    }
                }
            }
            "activation" => {
                let env = entry.node.get("env").map(Node::entries).unwrap_or_default();
                for variable in env {
                    let origin = importer.text.origin(variable.key_span.start);
                    let value = word(importer.text, &variable.node).unwrap_or_default();
                    importer.variable(origin, &variable.key, EnvValue::Set(value));
                }
                if let Some(scripts) = entry.node.get("scripts") {
                    importer.leave_node(scripts, "scripts can be named in `[hooks] enter`");
                }
            }
            key => importer.leave(origin, format!("`{key}` has no form in a manifest")),
        }
    }
}

/// Reads the environments: each becomes a dev shell with the tables of its features.
fn environments(importer: &mut Importer<'_>, root: &Node<'_>) {
    let features = root.get("feature").map(Node::entries).unwrap_or_default();
    let environments = root.get("environments").map(Node::entries);
    let mut used = BTreeSet::new();
    for environment in environments.unwrap_or_default() {
        let origin = importer.text.origin(environment.key_span.start);
        let names = environment
            .node
            .get("features")
            .unwrap_or(&environment.node);
        let names: Vec<&str> = names.elements().iter().filter_map(Node::text).collect();
        used.extend(names.iter().copied());
        let Ok(shell) = environment.key.replace('_', "-").parse::<ShellName>() else {
            let reason = format!("`{}` cannot be the name of a dev shell", environment.key);
            importer.leave(origin, reason);
            continue;
        };
        let mut settings = ImportedSettings::default();
        for feature in features.iter().filter(|one| names.contains(&&*one.key)) {
            let mut inner = Importer::new(importer.text);
            tables(&mut inner, &feature.node);
            inner.finish_conda();
            settings.add(inner.settings);
        }
        importer.settings.left.append(&mut settings.left);
        if *environment.key == *"default" {
            importer.settings.add(settings);
            continue;
        }
        let alone = environment.node.get("no-default-feature");
        settings.is_standalone =
            matches!(alone.map(|node| &node.value), Some(Value::Boolean(true)));
        importer.settings.shells.insert(shell, settings);
    }
    // Several environments can have one feature.
    importer.settings.left.sort_by_key(|one| one.origin.line);
    importer.settings.left.dedup();
    for feature in features.iter().filter(|one| !used.contains(&*one.key)) {
        let origin = importer.text.origin(feature.key_span.start);
        let reason = format!("no environment has the feature `{}`", feature.key);
        importer.leave(origin, reason);
    }
}

fn channels(importer: &mut Importer<'_>, workspace: &Node<'_>) {
    let list = workspace.get("channels").map(Node::elements);
    for channel in list.unwrap_or_default() {
        let name = channel.get("channel").unwrap_or(channel).text();
        let origin = importer.text.origin(channel.span.start);
        importer.conda_channel(origin, name.unwrap_or_default());
    }
}

/// Returns a dependency in conda's grammar; nothing if it is not a package of a channel.
fn requirement(name: &str, node: &Node<'_>) -> Option<String> {
    if let Some(version) = node.text() {
        return Some(format!("{name} {version}"));
    }
    let mut fields = Vec::new();
    let mut channel = String::new();
    for entry in node.entries() {
        let value = entry.node.text();
        match &*entry.key {
            "channel" => channel = format!("{}::", value?),
            key @ ("version" | "build") => fields.push(format!("{key}='{}'", value?)),
            "build-number" => fields.push(format!("build_number='{}'", value?)),
            _ => return None,
        }
    }
    let fields = match fields.as_slice() {
        [] => String::new(),
        fields => format!("[{}]", fields.join(", ")),
    };
    Some(format!("{channel}{name}{fields}"))
}

/// Reads the oldest systems.
fn floors(importer: &mut Importer<'_>, table: &Node<'_>) {
    for entry in table.entries() {
        let origin = importer.text.origin(entry.key_span.start);
        let version = entry.node.get("version").unwrap_or(&entry.node).text();
        let version = version.unwrap_or_default();
        let conda = &mut importer.settings.conda;
        let family = entry.node.get("family").and_then(Node::text);
        match &*entry.key {
            "libc" if family.is_none_or(|family| family == "glibc") => {
                if let Ok(value) = version.parse() {
                    conda.glibc = Some(Located { value, origin });
                    continue;
                }
            }
            "macos" => {
                if let Ok(value) = version.parse() {
                    conda.macos = Some(Located { value, origin });
                    continue;
                }
            }
            _ => {}
        }
        let reason = format!("`{}` {version} has no form in a manifest", entry.key);
        importer.leave(origin, reason);
    }
}

fn python_package(importer: &mut Importer<'_>, name: &str, at: usize, node: &Node<'_>) {
    let origin = importer.text.origin(at);
    let only_version = node
        .entries()
        .iter()
        .all(|one| one.key == "version" || one.key == "extras");
    let version = node.get("version").unwrap_or(node).text();
    let (Some(version), true) = (version, only_version) else {
        importer.leave(
            origin,
            format!("the source of `{name}` has no form in a manifest"),
        );
        return;
    };
    let extras = node.get("extras").map(Node::elements).unwrap_or_default();
    let extras: Vec<&str> = extras.iter().filter_map(Node::text).collect();
    let extras = match extras.as_slice() {
        [] => String::new(),
        extras => format!("[{}]", extras.join(",")),
    };
    let version = if version == "*" { "" } else { version };
    let value = format!("{name}{extras}{version}");
    importer.settings.packages.push(Located { value, origin });
}
