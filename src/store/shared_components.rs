//! Components of a Rust toolchain that another toolchain of the store has already: their files become hard links.
//!
//! One more component makes another object, because an object never changes. Without links each of these objects would
//! be another copy of hundreds of megabytes. Links to the directories of components would not do: rustc finds its
//! libraries by its own real path.
//!
//! Invariant: a file is linked only if its bytes are those that were published, so damage never spreads.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    Error, Object, ObjectRecord, Recipe, Store, StorePath,
    file_manifest::{FileManifest, TreeNode, node_on_disk},
    object::text_of,
    tree_builder::Tree,
};
use crate::{lockfile::Artifact, package::System, util::files};

/// The directory of a toolchain with the lists of files of its components.
const LISTS: &str = "lib/rustlib/manifest-";
/// Longest accepted list, in bytes.
const LIMIT: u64 = 8 << 20;

/// The components that were linked from other toolchains.
#[derive(Debug, Default)]
pub(super) struct SharedComponents {
    /// The parts of the artifacts that need no download.
    pub(super) parts: BTreeSet<String>,
    /// Each component's list of files.
    pub(super) manifests: BTreeMap<String, String>,
}

/// A toolchain of the store.
struct Toolchain<'a> {
    place: &'a Path,
    record: ObjectRecord,
    nodes: FileManifest,
}

/// A component of a toolchain.
struct ToolchainComponent<'t> {
    name: &'t str,
    list: String,
    nodes: Vec<(&'t str, &'t TreeNode)>,
}

impl Store {
    /// Adds to `tree` the components of `object` that other toolchains of its version have.
    pub(super) fn share_components(
        &self,
        object: &Object<'_>,
        tree: &mut Tree,
    ) -> Result<SharedComponents, Error> {
        let mut shared = SharedComponents::default();
        if object.recipe != Recipe::Rust {
            return Ok(shared);
        }
        let own = StorePath::of(object);
        let end = format!("-{}-{}", object.name.file_name(), object.version);
        let names = self.objects().into_iter();
        for name in names.filter(|name| name.ends_with(&end) && name != own.as_str()) {
            if shared.parts.len() < object.artifacts.len() {
                let added = self.with_object(&name, |place| shared.add(object, place, tree));
                added.transpose()?;
            }
        }
        Ok(shared)
    }
}

impl SharedComponents {
    /// Adds the components that the toolchain at `place` has.
    fn add(&mut self, object: &Object<'_>, place: &Path, tree: &mut Tree) -> Result<(), Error> {
        let Some(toolchain) = Toolchain::read(place) else {
            return Ok(());
        };
        for artifact in object.artifacts {
            if self.parts.contains(&artifact.part) {
                continue;
            }
            let Some(component) = toolchain.component(artifact) else {
                continue;
            };
            for (path, node) in component.nodes {
                tree.share(path, node, place)?;
            }
            self.parts.insert(artifact.part.clone());
            self.manifests
                .insert(component.name.to_owned(), component.list);
        }
        Ok(())
    }
}

impl<'a> Toolchain<'a> {
    /// Reads an object; nothing if it is no toolchain or cannot be read, because the components can be downloaded.
    fn read(place: &'a Path) -> Option<Self> {
        let record = ObjectRecord::read(place).ok()??;
        let nodes = FileManifest::read(place, &record.tree).ok()??;
        (record.known_recipe() == Some(Recipe::Rust)).then_some(Self {
            place,
            record,
            nodes,
        })
    }

    /// Returns the component of an artifact, if it is here and every byte of it is as it was published.
    fn component(&self, artifact: &Artifact) -> Option<ToolchainComponent<'_>> {
        let part = artifact.part.as_str();
        let digest = text_of(&artifact.digest);
        let mut parts = self.record.artifacts.iter();
        parts.find(|one| one.part == part && one.digest == digest)?;
        // `rust-std` is also the beginning of the names for other targets, which are parts of their own.
        let is_other = |name: &str| {
            let mut parts = self.record.artifacts.iter();
            name != part && parts.any(|one| one.part == name)
        };
        let lists = self.nodes.0.keys();
        let mut names = lists
            .filter_map(|path| path.strip_prefix(LISTS))
            .filter(|name| is_component(name, part) && !is_other(name));
        let name = names.next().filter(|_| names.next().is_none())?;
        let path = format!("{LISTS}{name}");
        self.is_intact(&path, self.nodes.0.get(&path)?)
            .then_some(())?;
        let bytes = files::read_bounded(&self.place.join(&path), LIMIT).ok()??;
        let list = String::from_utf8(bytes).ok()?;
        let mut nodes = Vec::new();
        for line in list.lines() {
            let (kind, path) = line.split_once(':')?;
            if kind == "file" {
                nodes.push(self.nodes.0.get_key_value(path)?);
            } else {
                let below = format!("{path}/");
                let from = self.nodes.0.range(below.clone()..);
                nodes.extend(from.take_while(|(path, _)| path.starts_with(&below)));
            }
        }
        let nodes: Vec<(&str, &TreeNode)> = nodes
            .into_iter()
            .map(|(path, node)| (path.as_str(), node))
            .collect();
        let is_whole = nodes.iter().all(|(path, node)| self.is_intact(path, node));
        is_whole.then_some(ToolchainComponent { name, list, nodes })
    }

    fn is_intact(&self, path: &str, node: &TreeNode) -> bool {
        node_on_disk(&self.place.join(path)).is_ok_and(|found| found.as_ref() == Some(node))
    }
}

/// Returns whether `name` in an archive is the component `part`: `clippy-preview` is `clippy`, and `rust-std` has its
/// target behind it.
pub(super) fn is_component(name: &str, part: &str) -> bool {
    name.strip_prefix(part).is_some_and(|rest| {
        let target = rest.strip_prefix('-').unwrap_or_default();
        rest.is_empty()
            || rest == "-preview"
            || System::ALL.iter().any(|system| target == system.triple())
    })
}
