//! `environment.yml` of conda.

use super::Importer;
use crate::manifest::{EnvValue, Located, Origin, document::Node};
use crate::package::Tool;

/// Packages of conda that are tools of devsh.
const NAMES: [(&str, &str); 4] = [
    ("go", "go"),
    ("nodejs", "node"),
    ("python", "python"),
    ("rust", "rust"),
];

pub(super) fn read(importer: &mut Importer<'_>, root: &Node<'_>) {
    let dependencies = root.get("dependencies");
    for node in dependencies.map(Node::elements).unwrap_or_default() {
        let origin = importer.text.origin(node.span.start);
        if let Some(packages) = node.get("pip") {
            for package in packages.elements() {
                let place = importer.text.origin(package.span.start);
                match package.text() {
                    Some(text) if !text.starts_with(['-', '.', '/']) => {
                        let value = text.to_owned();
                        importer.settings.packages.push(Located {
                            value,
                            origin: place,
                        });
                    }
                    _ => {
                        importer.leave(place, "an option or path of pip has no form in a manifest");
                    }
                }
            }
            continue;
        }
        let text = node.text().unwrap_or_default();
        // `channel::name=version=build`, or a name with bounds.
        let text = text.rsplit("::").next().unwrap_or(text).trim();
        let end = text
            .find(['=', '<', '>', '!', '~', ' '])
            .unwrap_or(text.len());
        let (name, version) = text.split_at(end);
        if name == "pip" {
            continue;
        }
        conda_package(importer, origin, name, version);
    }
    for entry in root.get("variables").map(Node::entries).unwrap_or_default() {
        let origin = importer.text.origin(entry.key_span.start);
        let value = super::word(importer.text, &entry.node).unwrap_or_default();
        importer.variable(origin, &entry.key, EnvValue::Set(value));
    }
}

/// Adds a package of conda: a tool of devsh if there is one of this name, else the package itself.
pub(super) fn conda_package(
    importer: &mut Importer<'_>,
    origin: Origin,
    name: &str,
    version: &str,
) {
    let version = version.trim().trim_start_matches("==");
    // One `=` is a prefix of the version, and what follows a second one is a build.
    let version = match version.strip_prefix('=') {
        Some(rest) => rest
            .split('=')
            .next()
            .unwrap_or(rest)
            .trim_end_matches(".*"),
        None => version,
    };
    let version = if version.is_empty() { "*" } else { version };
    if let Some((_, own)) = NAMES.iter().find(|(conda, _)| *conda == name) {
        importer.tool(origin, own, version);
        return;
    }
    let package = format!("conda:{name}");
    if package.parse::<Tool>().is_err() {
        importer.leave(
            origin,
            format!("devsh has no source for the conda package `{name}`"),
        );
        return;
    }
    importer.tool(origin, &package, version);
}
