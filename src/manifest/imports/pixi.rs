//! `pixi.toml`: packages of conda and of the Python index, variables, tasks and environments.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{
    Importer,
    conda::{python_requirement, systems_of},
    word,
};
use crate::{
    manifest::{
        EnvValue, ImportedSettings, Located, Origin, ShellName,
        document::{Node, NodeEntry, Value},
    },
    package::{CondaRequirement, OLDEST_KERNEL, SystemSet},
};

/// The tables of conda packages.
const CONDA: [&str; 3] = ["dependencies", "host-dependencies", "build-dependencies"];
/// The table of Python packages.
const PYTHON: &str = "pypi-dependencies";

/// A package of a channel or of the Python index.
struct PixiPackage<'t> {
    name: &'t str,
    is_python: bool,
    /// The requirement; `None` if it has no form in a manifest.
    requirement: Option<String>,
    systems: SystemSet,
    origin: Origin,
}

/// A table with packages, and the systems that they are for.
struct TargetTable<'n, 't> {
    entry: &'n NodeEntry<'t>,
    systems: SystemSet,
    is_target: bool,
}

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
            "project" | "workspace" => {
                if let Some(list) = entry.node.get("channels") {
                    channels(importer, list);
                }
            }
            "channels" => channels(importer, &entry.node),
            // `environments` reads the last two.
            "package" | "feature" | "environments" => {}
            key if CONDA.contains(&key) || key == PYTHON => {}
            "target" => targets(importer, &entry.node),
            "system-requirements" => floors(importer, &entry.node),
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
    packages(importer, root);
}

/// Notes what the tables of single platforms have besides packages.
fn targets(importer: &mut Importer<'_>, targets: &Node<'_>) {
    for target in targets.entries() {
        let origin = importer.text.origin(target.key_span.start);
        if systems_of(&target.key).is_empty() {
            importer.leave(origin, format!("devsh does not run on `{}`", target.key));
            continue;
        }
        for entry in target.node.entries() {
            let key = &*entry.key;
            if !CONDA.contains(&key) && key != PYTHON {
                importer.leave(
                    importer.text.origin(entry.key_span.start),
                    format!("`{key}` for one platform has no form in a manifest"),
                );
            }
        }
    }
}

/// Reads the packages. Those of a platform replace the ones of the same name that are for more platforms.
fn packages(importer: &mut Importer<'_>, root: &Node<'_>) {
    let everywhere = root.entries().iter().map(|entry| TargetTable {
        entry,
        systems: SystemSet::all(),
        is_target: false,
    });
    let targets = root.get("target").map(Node::entries).unwrap_or_default();
    let limited = targets.iter().flat_map(|target| {
        let systems = systems_of(&target.key);
        let entries = target.node.entries().iter();
        entries.map(move |entry| TargetTable {
            entry,
            systems: systems.clone(),
            is_target: true,
        })
    });
    let mut limited: Vec<TargetTable<'_, '_>> = limited.collect();
    limited.sort_by_key(|table| Reverse(table.systems.iter().count()));
    let mut all: Vec<PixiPackage<'_>> = Vec::new();
    for table in everywhere.chain(limited) {
        let TargetTable {
            entry,
            systems,
            is_target,
        } = table;
        let is_python = &*entry.key == PYTHON;
        if systems.is_empty() || !is_python && !CONDA.contains(&&*entry.key) {
            continue;
        }
        for package in entry.node.entries() {
            let name = &*package.key;
            let same = |one: &&mut PixiPackage<'_>| one.name == name && one.is_python == is_python;
            if is_target {
                for other in all.iter_mut().filter(same) {
                    other.systems.remove_all(&systems);
                }
            }
            let requirement = if is_python {
                python_package(name, &package.node)
            } else {
                requirement(name, &package.node)
            };
            all.push(PixiPackage {
                name,
                is_python,
                requirement,
                systems: systems.clone(),
                origin: importer.text.origin(package.key_span.start),
            });
        }
    }
    for package in all.into_iter().filter(|one| !one.systems.is_empty()) {
        let PixiPackage {
            name,
            is_python,
            requirement,
            systems,
            origin,
        } = package;
        let Some(text) = requirement else {
            importer.leave(
                origin,
                format!("the source of `{name}` has no form in a manifest"),
            );
            continue;
        };
        if is_python {
            let value = python_requirement(&text, &systems);
            importer.settings.packages.push(Located { value, origin });
        } else {
            importer.conda_dependency(origin, &CondaRequirement::limited(&text, &systems));
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
        if settings.is_standalone && !settings.conda.packages.is_empty() {
            // The channels of the workspace serve every environment.
            let channels = importer.settings.conda.channels.clone();
            settings.conda.channels.extend(channels);
        }
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

fn channels(importer: &mut Importer<'_>, list: &Node<'_>) {
    for channel in list.elements() {
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
            // Packages are chosen for this kernel or an older one.
            "linux" if version == OLDEST_KERNEL => continue,
            _ => {}
        }
        let reason = format!("`{}` {version} has no form in a manifest", entry.key);
        importer.leave(origin, reason);
    }
}

/// Returns a requirement of Python; nothing if it is not one on a package of the index.
fn python_package(name: &str, node: &Node<'_>) -> Option<String> {
    let only_version = node
        .entries()
        .iter()
        .all(|one| one.key == "version" || one.key == "extras");
    let version = node.get("version").unwrap_or(node).text();
    let version = version.filter(|_| only_version)?;
    let extras = node.get("extras").map(Node::elements).unwrap_or_default();
    let extras: Vec<&str> = extras.iter().filter_map(Node::text).collect();
    let extras = match extras.as_slice() {
        [] => String::new(),
        extras => format!("[{}]", extras.join(",")),
    };
    let version = if version == "*" { "" } else { version };
    Some(format!("{name}{extras}{version}"))
}
