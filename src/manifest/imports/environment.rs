//! `environment.yml` of conda.

use super::Importer;
use crate::manifest::{EnvValue, Located, document::Node};

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
        importer.conda_dependency(origin, node.text().unwrap_or_default());
    }
    for entry in root.get("variables").map(Node::entries).unwrap_or_default() {
        let origin = importer.text.origin(entry.key_span.start);
        let value = super::word(importer.text, &entry.node).unwrap_or_default();
        // The file has plain values, and `$` begins a reference in a manifest.
        let value = value.replace('$', "$$");
        importer.variable(origin, &entry.key, EnvValue::Set(value));
    }
}
