//! Rust components in the layout of rust-installer 3, merged into one toolchain.
//!
//! Each archive is `<package>/<component>/<file>` with the component's own list in `manifest.in`. The
//! result has the records that `rustup toolchain link` and other tools look for.

use std::{collections::BTreeMap, io::Read};

use super::Tree;
use crate::{
    package::Version,
    store::{
        Error, Rule,
        file_manifest::TreeNode,
        shared_components::{SharedComponents, is_component},
        tree_builder::{Placed, refused},
        unpack::{
            ArchiveFile, decompressed,
            tar::{self, TarKind, TarMember},
        },
    },
};

/// The first release that names all of its archives by its own version.
const OWN_NUMBERS_UNTIL: [u64; 2] = [1, 50];
/// Longest accepted text file of an archive's own, in bytes.
const LIMIT: u64 = 8 << 20;

/// The components that were merged so far.
#[derive(Debug)]
pub(super) struct Components<'a> {
    /// The version of the toolchain.
    version: &'a Version,
    /// Each component's list of files.
    manifests: BTreeMap<String, String>,
}

/// The metadata of one archive, and its members that were placed.
#[derive(Debug, Default)]
struct ComponentArchive {
    /// The name of the directory that everything is in: `cargo-1.95.0-x86_64-unknown-linux-gnu`.
    top: String,
    installer_version: Option<String>,
    /// The text of `version`: `1.95.0 (59807616e 2026-04-14)`.
    version: Option<String>,
    components: Vec<String>,
    manifests: BTreeMap<String, String>,
    placed: BTreeMap<String, Vec<String>>,
}

impl<'a> Components<'a> {
    /// Returns a toolchain that has these components already.
    pub(super) fn new(version: &'a Version, shared: SharedComponents) -> Self {
        Self {
            version,
            manifests: shared.manifests,
        }
    }

    /// Merges the archive of the component `part` into the tree.
    pub(super) fn unpack(
        &mut self,
        part: &str,
        file: ArchiveFile<'_>,
        tree: &mut Tree,
    ) -> Result<(), Error> {
        let mut archive = ComponentArchive::default();
        let mut data = decompressed(file).map_err(|source| Error::Archive {
            member: String::new(),
            source,
        })?;
        tar::read(&mut data, |member, data| archive.place(member, data, tree))?;
        archive.check(tree)?;
        archive.check_identity(part, self.version)?;
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
            // Without an archive to unpack, because all components are shared, the tree admits nothing yet.
            tree.admit(text.len() as u64);
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
        let Some((top, path)) = member.path.split_once('/') else {
            return Ok(());
        };
        if self.top.is_empty() {
            top.clone_into(&mut self.top);
        }
        let placed = |executable| Placed {
            executable,
            mtime: None,
        };
        let Some((component, path)) = path.split_once('/') else {
            match path {
                "rust-installer-version" => {
                    self.installer_version = Some(text(&member.path, data)?);
                }
                "version" => self.version = Some(text(&member.path, data)?),
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
        let found = self.installer_version.as_deref().map_or("none", str::trim);
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

impl ComponentArchive {
    /// Checks that this is the component `part` of a toolchain of this version.
    fn check_identity(&self, part: &str, version: &Version) -> Result<(), Error> {
        let named = self.components.iter().any(|name| is_component(name, part));
        let fits = self.is_release(version) || part != "rustc" && self.has_channel_of(version);
        if named && fits {
            return Ok(());
        }
        Err(Error::OtherPackage {
            name: self.top.clone(),
            version: self.version.as_deref().map_or("", str::trim).to_owned(),
        })
    }

    /// Returns whether the file `version` has this version. All nightlies of six weeks have one number there.
    fn is_release(&self, version: &Version) -> bool {
        let mut words = self.version.iter().flat_map(|text| text.split_whitespace());
        let number = words.next().unwrap_or_default();
        let (number, wanted) = match number.strip_suffix("-nightly") {
            Some(number) if version.is_prerelease() => (number, version.final_release()),
            _ => (number, version.clone()),
        };
        number
            .parse::<Version>()
            .is_ok_and(|number| number == wanted)
    }

    /// Returns whether the archive's directory names this version, or the channel of a pre-release: the file
    /// `version` of cargo, clippy and others has a number of their own.
    fn has_channel_of(&self, version: &Version) -> bool {
        let named = |channel: &str| {
            let rest = self.top.split_once(&format!("-{channel}"));
            rest.is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with('-'))
        };
        if version.is_prerelease() {
            return named("nightly") || named("beta");
        }
        // The directories of old components have their own number too.
        named(version.as_str()) || version.release() < OWN_NUMBERS_UNTIL.as_slice()
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
