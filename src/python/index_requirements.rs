//! Requirements that are searched in one index each.
//!
//! A list of requirements gives all its packages the same indexes, and another one could have a file with the version and
//! digest of the lockfile. A `pyproject.toml` gives each package its own index.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    lock::PackageSource,
    pins::{PythonPins, with_digests},
};
use crate::util::files;

/// The packages of indexes other than the default one that have no address.
#[derive(Debug, Default)]
pub(super) struct IndexRequirements {
    /// `name==version`.
    dependencies: Vec<String>,
    /// The position of its index, by package.
    sources: BTreeMap<String, usize>,
    /// The addresses of the indexes.
    indexes: Vec<String>,
    /// The same packages with their digests, as a list of constraints.
    pub(super) constraints: String,
}

impl IndexRequirements {
    /// Returns the requirements of some pins, if there are any.
    pub(super) fn of(pins: &PythonPins) -> Option<Self> {
        let mut all = Self::default();
        let searched = pins.packages.iter();
        for pin in searched.filter(|pin| pin.is_searched_in_own_index()) {
            if let (PackageSource::Index(Some(url)), Some(version)) = (&pin.source, &pin.version) {
                let line = format!("{}=={version}", pin.name);
                let index = all.position(url);
                all.sources.insert(pin.name.clone(), index);
                all.constraints += &with_digests(line.clone(), &pin.digests);
                all.dependencies.push(line);
            }
        }
        (!all.dependencies.is_empty()).then_some(all)
    }

    fn position(&mut self, url: &str) -> usize {
        let known = self.indexes.iter().position(|one| one == url);
        known.unwrap_or_else(|| {
            self.indexes.push(url.to_owned());
            self.indexes.len() - 1
        })
    }

    /// Writes the project and the constraints into a directory, with the addresses that `expand` returns, and returns
    /// their paths.
    pub(super) fn write<E: From<files::Error>>(
        &self,
        directory: &Path,
        expand: impl Fn(&str) -> Result<String, E>,
    ) -> Result<[PathBuf; 2], E> {
        let [project, constraints] =
            ["pyproject.toml", "constraints.txt"].map(|name| directory.join(name));
        let name = |position: usize| format!("index-{position}");
        let sources = self.sources.iter();
        let sources: Value = sources
            .map(|(package, index)| (package.clone(), json!({ "index": name(*index) })))
            .collect();
        let indexes = self.indexes.iter().enumerate();
        let indexes: Vec<Value> = indexes
            .map(|(position, url)| {
                // No other package is searched there.
                Ok(json!({ "name": name(position), "url": expand(url)?, "explicit": true }))
            })
            .collect::<Result<_, E>>()?;
        let document = json!({
            "project": {
                "name": "devsh-packages",
                "version": "0",
                "dependencies": self.dependencies,
            },
            "tool": { "uv": { "sources": sources, "index": indexes } },
        });
        let text = toml::to_string(&document).map_err(std::io::Error::other);
        text.and_then(|text| fs::write(&project, text))
            .and_then(|()| fs::write(&constraints, &self.constraints))
            .map_err(files::at("write", directory))?;
        Ok([project, constraints])
    }
}
