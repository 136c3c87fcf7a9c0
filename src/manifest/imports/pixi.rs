//! `pixi.toml`: packages of conda and of the Python index, variables and tasks.

use super::{Importer, environment::conda_package, word};
use crate::manifest::{EnvValue, Located, document::Node};

pub(super) fn read(importer: &mut Importer<'_>, root: &Node<'_>) {
    for entry in root.entries() {
        let origin = importer.text.origin(entry.key_span.start);
        match &*entry.key {
            // The name and the platforms of the workspace have no effect on the environment.
            "project" | "workspace" | "package" => {}
            "dependencies" => {
                for package in entry.node.entries() {
                    let origin = importer.text.origin(package.key_span.start);
                    let version = package.node.get("version").unwrap_or(&package.node);
                    let version = version.text().unwrap_or("*");
                    conda_package(importer, origin, &package.key, version);
                }
            }
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
