//! `Pipfile`: its scripts. Its packages are read by the preset `python`.

use super::Importer;
use crate::manifest::document::Node;

pub(super) fn read(importer: &mut Importer<'_>, root: &Node<'_>) {
    let scripts = root.get("scripts").map(Node::entries);
    for script in scripts.unwrap_or_default() {
        let origin = importer.text.origin(script.key_span.start);
        match script.node.text() {
            Some(command) => importer.alias(origin, &script.key, command),
            None => importer.leave(
                origin,
                format!(
                    "the script `{}` calls a function: run it with `python -c`",
                    script.key
                ),
            ),
        }
    }
}
