//! The parsed files of a repository. Each is parsed once, also if many version files refer to it.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use crate::manifest::{Error, Text, document::Node, json, yaml};

/// The trees of the files that were parsed so far, by name.
#[derive(Debug, Default)]
pub struct Documents<'t> {
    trees: RefCell<BTreeMap<&'t str, Rc<Node<'t>>>>,
}

impl<'t> Documents<'t> {
    /// Parses a text in the format that its name implies: JSON, YAML, else TOML.
    pub(in crate::manifest) fn parse(&self, text: &'t Text) -> Result<Rc<Node<'t>>, Error> {
        let name: &str = text.file();
        if let Some(tree) = self.trees.borrow().get(name) {
            return Ok(Rc::clone(tree));
        }
        let end = name.rsplit('/').next().unwrap_or(name);
        let tree = match end.rsplit('.').next() {
            // Other lockfiles are TOML.
            Some("json") => json::parse(text)?,
            Some("lock") if end == "Pipfile.lock" => json::parse(text)?,
            Some("yaml" | "yml") => yaml::parse(text)?,
            _ => text.toml()?,
        };
        let tree = Rc::new(tree);
        self.trees.borrow_mut().insert(name, Rc::clone(&tree));
        Ok(tree)
    }
}
