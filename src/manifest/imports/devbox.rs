//! `devbox.json`: packages of Nix that devsh has under the same name, variables and scripts.

use super::{Importer, word};
use crate::manifest::{EnvValue, Located, document::Node};

/// Names of Nix packages that differ from devsh's own.
const NAMES: [(&str, &str); 6] = [
    ("cargo", "rust"),
    ("golang", "go"),
    ("nodejs", "node"),
    ("python3", "python"),
    ("rustc", "rust"),
    ("rustup", "rust"),
];

pub(super) fn read(importer: &mut Importer<'_>, root: &Node<'_>) {
    let packages = root.get("packages");
    for node in packages.map(Node::elements).unwrap_or_default() {
        let package = node.text().unwrap_or_default();
        let (name, version) = package.split_once('@').unwrap_or((package, ""));
        add_package(importer, node, name, version);
    }
    for entry in packages.map(Node::entries).unwrap_or_default() {
        let version = entry.node.get("version").unwrap_or(&entry.node);
        add_package(
            importer,
            version,
            &entry.key,
            version.text().unwrap_or_default(),
        );
    }
    for entry in root.get("env").map(Node::entries).unwrap_or_default() {
        let origin = importer.text.origin(entry.key_span.start);
        let value = word(importer.text, &entry.node).unwrap_or_default();
        let value = value
            .replace("$PWD", "${root}")
            .replace("${PWD}", "${root}");
        importer.variable(origin, &entry.key, EnvValue::Set(value));
    }
    if let Some(node) = root.get("env_from") {
        let origin = importer.text.origin(node.span.start);
        importer.env_file(origin, node.text().unwrap_or_default(), false);
    }
    let shell = root.get("shell");
    if let Some(hook) = shell.and_then(|shell| shell.get("init_hook")) {
        let lines = std::iter::once(hook).chain(hook.elements());
        for node in lines {
            if let Some(code) = node.text().filter(|code| !code.trim().is_empty()) {
                let origin = importer.text.origin(node.span.start);
                let value = code.to_owned();
                importer.settings.enter.push(Located { value, origin });
            }
        }
    }
    let scripts = shell.and_then(|shell| shell.get("scripts"));
    for entry in scripts.map(Node::entries).unwrap_or_default() {
        let origin = importer.text.origin(entry.key_span.start);
        let command = match entry.node.elements() {
            [only] => only.text(),
            _ => entry.node.text(),
        };
        importer.alias(origin, &entry.key, command.unwrap_or("\n"));
    }
    for key in ["include", "services"] {
        if let Some(node) = root.get(key) {
            importer.leave_node(node, format!("`{key}` has no form in a manifest"));
        }
    }
}

fn add_package(importer: &mut Importer<'_>, node: &Node<'_>, name: &str, version: &str) {
    let origin = importer.text.origin(node.span.start);
    let known = NAMES.iter().find(|(nix, _)| *nix == name);
    importer.tool(origin, known.map_or(name, |(_, own)| own), version);
}
