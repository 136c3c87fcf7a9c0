//! `environment.yml` of conda.

use super::{Importer, conda::systems_of};
use crate::{
    manifest::{EnvValue, Located, document::Node},
    package::{CondaRequirement, SystemSet},
};

pub(super) fn read(importer: &mut Importer<'_>, root: &Node<'_>) {
    for channel in root.get("channels").map(Node::elements).unwrap_or_default() {
        let origin = importer.text.origin(channel.span.start);
        importer.conda_channel(origin, channel.text().unwrap_or_default());
    }
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
        let line = importer.text.as_str().get(node.span.start..);
        let line = line
            .and_then(|rest| rest.lines().next())
            .unwrap_or_default();
        match selector(line).map(|word| (word, selected(word))) {
            None => importer.conda_dependency(origin, text),
            Some((_, Some(systems))) if systems.is_empty() => {
                importer.leave(origin, format!("`{text}` is for another system"));
            }
            Some((_, Some(systems))) => {
                let limited = CondaRequirement::limited(text, &systems);
                importer.conda_dependency(origin, &limited);
            }
            Some((word, None)) => {
                importer.leave(
                    origin.clone(),
                    format!("`# [{word}]` is not a selector that devsh knows, so the line counts for every system"),
                );
                importer.conda_dependency(origin, text);
            }
        }
    }
    for entry in root.get("variables").map(Node::entries).unwrap_or_default() {
        let origin = importer.text.origin(entry.key_span.start);
        let value = super::word(importer.text, &entry.node).unwrap_or_default();
        // The file has plain values, and `$` begins a reference in a manifest.
        let value = value.replace('$', "$$");
        importer.variable(origin, &entry.key, EnvValue::Set(value));
    }
}

/// Returns the selector of conda-lock in the comment of a line (`- libpq  # [linux]`).
fn selector(line: &str) -> Option<&str> {
    let (_, comment) = line.split_once(" #")?;
    let inner = comment.trim_start().strip_prefix('[')?;
    Some(inner.split_once(']')?.0.trim())
}

/// Returns the systems of a selector; `None` if devsh does not know it.
fn selected(selector: &str) -> Option<SystemSet> {
    if let Some(other) = selector.strip_prefix("not ") {
        let mut systems = SystemSet::all();
        systems.remove_all(&selected(other.trim())?);
        return Some(systems);
    }
    let systems = systems_of(selector);
    (!systems.is_empty() || matches!(selector, "win" | "win32" | "win64")).then_some(systems)
}
