//! Rust components in the layout of rust-installer 3, merged into one toolchain.
//!
//! Each archive is `<package>/<component>/<file>` with the component's own list in `manifest.in`. The
//! result has the records that `rustup toolchain link` and other tools look for.

use std::{collections::BTreeMap, fs::File, io::Read};

use super::Tree;
use crate::store::{
    Error, Rule,
    file_manifest::TreeNode,
    tree_builder::{Placed, refused},
    unpack::{
        decompressed,
        tar::{self, TarKind, TarMember},
    },
};

/// Longest accepted text file of an archive's own, in bytes.
const LIMIT: u64 = 8 << 20;

/// The components that were merged so far.
#[derive(Debug, Default)]
pub(super) struct Components {
    /// Each component's list of files.
    manifests: BTreeMap<String, String>,
}

/// The metadata of one archive, and its members that were placed.
#[derive(Debug, Default)]
struct ComponentArchive {
    version: Option<String>,
    components: Vec<String>,
    manifests: BTreeMap<String, String>,
    placed: BTreeMap<String, Vec<String>>,
}

impl Components {
    /// Merges one archive into the tree.
    pub(super) fn unpack(&mut self, file: &File, tree: &mut Tree) -> Result<(), Error> {
        let mut archive = ComponentArchive::default();
        let mut data = decompressed(file).map_err(|source| Error::Archive {
            member: String::new(),
            source,
        })?;
        tar::read(&mut data, |member, data| archive.place(member, data, tree))?;
        archive.check(tree)?;
        for name in archive.components {
            let manifest = archive.manifests.remove(&name).unwrap_or_default();
            if self.manifests.insert(name.clone(), manifest).is_some() {
                return Err(refused(&name, Rule::Duplicate));
            }
        }
        Ok(())
    }

    /// Writes the records of the toolchain.
    pub(super) fn complete(&self, tree: &mut Tree) -> Result<(), Error> {
        let mut write = |path: String, text: &str| {
            tree.file(&path, Placed::default(), &mut text.as_bytes())
                .map(|_| ())
        };
        let mut names = String::new();
        for (name, manifest) in &self.manifests {
            write(format!("lib/rustlib/manifest-{name}"), manifest)?;
            names.push_str(name);
            names.push('\n');
        }
        write("lib/rustlib/components".to_owned(), &names)?;
        write("lib/rustlib/rust-installer-version".to_owned(), "3\n")
    }
}

impl ComponentArchive {
    fn place(
        &mut self,
        member: TarMember,
        data: &mut dyn Read,
        tree: &mut Tree,
    ) -> Result<(), Error> {
        // The first level is the archive's own name.
        let Some((_, path)) = member.path.split_once('/') else {
            return Ok(());
        };
        let placed = |executable| Placed {
            executable,
            mtime: None,
        };
        let Some((component, path)) = path.split_once('/') else {
            match path {
                "rust-installer-version" => self.version = Some(text(&member.path, data)?),
                "components" => {
                    let names = text(&member.path, data)?;
                    self.components = names.lines().map(str::to_owned).collect();
                }
                // Licences, the installer script and directories of components.
                _ => {}
            }
            return Ok(());
        };
        if path == "manifest.in" {
            let manifest = text(&member.path, data)?;
            self.manifests.insert(component.to_owned(), manifest);
            return Ok(());
        }
        match member.kind {
            TarKind::Directory => return tree.directory(path),
            TarKind::File { executable } => {
                tree.file(path, placed(executable), data).map(|_| ())?;
            }
            TarKind::Link(target) => tree.link(path, &target)?,
            TarKind::HardLink(target) => {
                let original = target.splitn(3, '/').nth(2).unwrap_or_default();
                tree.copy(path, original, placed(false))?;
            }
        }
        self.placed
            .entry(component.to_owned())
            .or_default()
            .push(path.to_owned());
        Ok(())
    }

    /// Checks that the placed files and the lists agree.
    fn check(&self, tree: &Tree) -> Result<(), Error> {
        let found = self.version.as_deref().map_or("none", str::trim);
        if found != "3" {
            return Err(Error::Installer {
                found: found.to_owned(),
            });
        }
        if let Some(name) = self
            .placed
            .keys()
            .find(|name| !self.components.contains(name))
        {
            return Err(refused(name, Rule::NotAsListed));
        }
        for name in &self.components {
            let manifest = self.manifests.get(name);
            let manifest = manifest.ok_or_else(|| refused(name, Rule::NotAsListed))?;
            check_component(manifest, self.placed.get(name), tree)?;
        }
        Ok(())
    }
}

fn check_component(manifest: &str, placed: Option<&Vec<String>>, tree: &Tree) -> Result<(), Error> {
    let (mut files, mut directories) = (std::collections::BTreeSet::new(), Vec::new());
    for line in manifest.lines() {
        match line.split_once(':') {
            Some(("file", path)) => {
                let listed = matches!(
                    tree.node(path),
                    Some(TreeNode::File { .. } | TreeNode::Link { .. })
                );
                if !listed {
                    return Err(refused(path, Rule::NotAsListed));
                }
                files.insert(path);
            }
            Some(("dir", path)) => directories.push(path),
            _ => return Err(refused(line, Rule::NotAsListed)),
        }
    }
    let below = |path: &str, directory: &str| {
        path.strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    for path in placed.into_iter().flatten() {
        let listed = files.contains(path.as_str())
            || directories.iter().any(|directory| below(path, directory));
        if !listed {
            return Err(refused(path, Rule::NotAsListed));
        }
    }
    Ok(())
}

fn text(member: &str, data: &mut dyn Read) -> Result<String, Error> {
    let mut text = String::new();
    data.take(LIMIT)
        .read_to_string(&mut text)
        .map_err(|source| Error::Archive {
            member: member.to_owned(),
            source,
        })?;
    Ok(text)
}
