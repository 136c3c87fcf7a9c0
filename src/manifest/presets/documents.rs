//! The parsed files of a repository. Each is parsed once, also if many version files refer to it.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use crate::manifest::{
    Error, Text,
    document::{Node, Value},
    json, yaml,
};

/// The trees of the files that were parsed so far, by name.
#[derive(Debug, Default)]
pub struct Documents<'t> {
    trees: RefCell<BTreeMap<&'t str, Rc<Node<'t>>>>,
    /// The reasons for files that count as empty.
    unread: RefCell<Vec<Error>>,
}

impl<'t> Documents<'t> {
    /// Parses a text in the format that its name implies: JSON, YAML, else TOML.
    ///
    /// A file that cannot be parsed counts as empty: the other files of a project work without it.
    pub(in crate::manifest) fn parse(&self, text: &'t Text) -> Rc<Node<'t>> {
        let name: &str = text.file();
        if let Some(tree) = self.trees.borrow().get(name) {
            return Rc::clone(tree);
        }
        let tree = tree(text).unwrap_or_else(|error| {
            self.unread.borrow_mut().push(error);
            Node {
                span: 0..0,
                value: Value::Table(Vec::new()),
            }
        });
        let tree = Rc::new(tree);
        self.trees.borrow_mut().insert(name, Rc::clone(&tree));
        tree
    }

    /// Returns the errors in the files that count as empty.
    pub(in crate::manifest) fn unread(&self) -> Vec<Error> {
        self.unread.borrow().clone()
    }
}

fn tree(text: &Text) -> Result<Node<'_>, Error> {
    let name: &str = text.file();
    let end = name.rsplit('/').next().unwrap_or(name);
    match end.rsplit('.').next() {
        // Other lockfiles are TOML.
        Some("json") => json::parse(text),
        Some("lock") if end == "Pipfile.lock" => json::parse(text),
        Some("yaml" | "yml") => {
            // YAML takes the marker for a plain text.
            text.check_conflict()?;
            yaml::parse(text)
        }
        _ => text.toml(),
    }
}
