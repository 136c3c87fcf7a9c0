//! The files of a repository, each parsed once however many pins look into it.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use crate::manifest::{Error, Text, document::Node, json, yaml};

/// The trees of the files that were parsed so far, by name.
#[derive(Debug, Default)]
pub struct Documents<'t> {
    trees: RefCell<BTreeMap<&'t str, Rc<Node<'t>>>>,
}

impl<'t> Documents<'t> {
    /// Returns a text parsed by what its name says: JSON, YAML, and everything else as TOML.
    pub(in crate::manifest) fn parse(&self, text: &'t Text) -> Result<Rc<Node<'t>>, Error> {
        let name: &str = text.file();
        if let Some(tree) = self.trees.borrow().get(name) {
            return Ok(Rc::clone(tree));
        }
        let end = name.rsplit('/').next().unwrap_or(name);
        let tree = match end.rsplit('.').next() {
            // Pipenv's lockfile is the one that is JSON.
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
