//! Packs a built object as an archive that is the same on every machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read as _, Write},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use super::{LARGEST, PLACEHOLDER, SharedTree, find, replace_all};
use crate::{
    store::{
        Error, ObjectRecord, Recipe, Store,
        file_manifest::{FileManifest, TreeNode},
    },
    util::files,
};

/// The compression level of zstd: unpacking is as fast at every level.
const LEVEL: i32 = 9;

/// An object that was packed, or cannot be.
#[derive(Debug)]
pub enum PackOutcome {
    Packed(Box<PackedObject>),
    /// The reason for people.
    NotShared(String),
}

/// The result of packing.
#[derive(Debug)]
pub struct PackedObject {
    pub tree: SharedTree,
    pub record: ObjectRecord,
    /// True if something in it was compiled on the machine that built it.
    pub is_native: bool,
}

/// The path of the store, as files name it.
struct StoreNames(Vec<PathBuf>);

impl StoreNames {
    fn of(store: &Store) -> Self {
        let root = store.root().to_owned();
        let real = root.canonicalize().unwrap_or_else(|_| root.clone());
        let mut names = vec![real, root];
        names.dedup();
        Self(names)
    }

    /// Returns a path below the store; nothing for another one.
    fn below<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        self.0.iter().find_map(|root| path.strip_prefix(root).ok())
    }

    fn is_named_in(&self, bytes: &[u8]) -> bool {
        let mut names = self.0.iter().map(|root| root.as_os_str().as_bytes());
        names.any(|name| find(bytes, name).is_some())
    }

    /// Returns whether a file in a wheel names the store.
    fn are_in_wheel(&self, wheel: &[u8]) -> io::Result<bool> {
        let mut archive = zip::ZipArchive::new(io::Cursor::new(wheel)).map_err(io::Error::other)?;
        for index in 0..archive.len() {
            let member = archive.by_index(index).map_err(io::Error::other)?;
            let mut content = Vec::new();
            member.take(LARGEST).read_to_end(&mut content)?;
            if self.is_named_in(&content) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the text with the placeholder instead of the store.
    fn replaced(&self, bytes: &[u8]) -> Vec<u8> {
        let mut text = bytes.to_vec();
        for root in &self.0 {
            text = replace_all(&text, root.as_os_str().as_bytes(), PLACEHOLDER);
        }
        text
    }
}

impl Recipe {
    /// Returns whether other machines can use an object that was built here.
    pub const fn is_shareable(self) -> bool {
        match self {
            Self::Environment | Self::BuiltWheel | Self::Crate => true,
            // A conda prefix holds absolute paths; of the others the artifacts are shared.
            Self::CondaPrefix
            | Self::Python
            | Self::Rust
            | Self::Wheel
            | Self::Npm
            | Self::NpmPlatform
            | Self::CondaPackage
            | Self::Toolchain
            | Self::Release => false,
        }
    }
}

impl Store {
    /// Packs a built object as a compressed archive.
    pub fn pack(&self, name: &str, archive: &mut dyn Write) -> Result<PackOutcome, Error> {
        let directory = self.root().join(name);
        let damaged = || Error::Damaged {
            path: name.to_owned(),
        };
        let record = ObjectRecord::read(&directory)?.ok_or_else(damaged)?;
        let recipe = record.known_recipe();
        if !recipe.is_some_and(Recipe::is_shareable) {
            return Ok(PackOutcome::NotShared(
                "only what devsh builds is shared as an object".to_owned(),
            ));
        }
        let manifest = FileManifest::read(&directory, &record.tree)?.ok_or_else(damaged)?;
        let names = StoreNames::of(self);
        let at = |error| files::at("pack", &directory)(error);
        let encoder = zstd::Encoder::new(archive, LEVEL).map_err(at)?;
        let mut packed = Packing {
            tar: tar::Builder::new(encoder),
            nodes: BTreeMap::new(),
            links: BTreeMap::new(),
            relocated: BTreeSet::new(),
            size: 0,
            // Of environments and wheels the tags decide.
            is_native: recipe == Some(Recipe::Crate),
        };
        for (path, node) in &manifest.0 {
            let refusal = match node {
                TreeNode::Directory => {
                    packed.directory(path).map_err(at)?;
                    None
                }
                TreeNode::Link { target } => packed.link(path, target, &names).map_err(at)?,
                TreeNode::File {
                    executable, digest, ..
                } => {
                    let place = directory.join(path);
                    let bytes = fs::read(&place).map_err(files::at("read", &place))?;
                    if blake3::hash(&bytes).as_bytes() != digest {
                        return Err(damaged());
                    }
                    packed.file(path, *executable, &bytes, &names).map_err(at)?
                }
            };
            if let Some(reason) = refusal {
                return Ok(PackOutcome::NotShared(reason));
            }
        }
        let encoder = packed.tar.into_inner().map_err(at)?;
        encoder.finish().map_err(at)?;
        Ok(PackOutcome::Packed(Box::new(PackedObject {
            tree: SharedTree {
                tree: FileManifest(packed.nodes).hash(),
                size: packed.size,
                links: packed.links,
                relocated: packed.relocated,
            },
            record,
            is_native: packed.is_native,
        })))
    }
}

/// An archive that grows, with the list of its files.
struct Packing<W: Write> {
    tar: tar::Builder<W>,
    nodes: BTreeMap<String, TreeNode>,
    links: BTreeMap<String, String>,
    relocated: BTreeSet<String>,
    size: u64,
    is_native: bool,
}

impl<W: Write> Packing<W> {
    fn directory(&mut self, path: &str) -> io::Result<()> {
        let mut header = header(tar::EntryType::Directory, 0o755);
        self.nodes.insert(path.to_owned(), TreeNode::Directory);
        self.tar.append_data(&mut header, path, io::empty())
    }

    /// Adds a link, or returns why it cannot be shared.
    fn link(&mut self, path: &str, target: &str, names: &StoreNames) -> io::Result<Option<String>> {
        if let Some(below) = names.below(Path::new(target)) {
            let below = below.to_string_lossy().into_owned();
            self.links.insert(path.to_owned(), below);
            return Ok(None);
        }
        if target.starts_with('/') {
            return Ok(Some(format!(
                "`{path}` leads to `{target}` of this machine"
            )));
        }
        let node = TreeNode::Link {
            target: target.to_owned(),
        };
        self.nodes.insert(path.to_owned(), node);
        let mut header = header(tar::EntryType::Symlink, 0o777);
        self.tar.append_link(&mut header, path, target)?;
        Ok(None)
    }

    /// Adds a file, or returns why it cannot be shared.
    fn file(
        &mut self,
        path: &str,
        executable: bool,
        bytes: &[u8],
        names: &StoreNames,
    ) -> io::Result<Option<String>> {
        if find(bytes, PLACEHOLDER).is_some() {
            return Ok(Some(format!("`{path}` holds the placeholder of devsh")));
        }
        let is_wheel = Path::new(path).extension().is_some_and(|end| end == "whl");
        if is_wheel && names.are_in_wheel(bytes)? {
            return Ok(Some(format!("`{path}` names the store")));
        }
        let mut content = std::borrow::Cow::Borrowed(bytes);
        if names.is_named_in(bytes) {
            if bytes.contains(&0) {
                return Ok(Some(format!("`{path}` is not text and names the store")));
            }
            content = names.replaced(bytes).into();
            self.relocated.insert(path.to_owned());
        }
        self.is_native |= is_wheel && path.contains("-linux_");
        if path.ends_with(".dist-info/WHEEL") {
            let text = String::from_utf8_lossy(&content);
            // A wheel of an index has `manylinux` or `musllinux` here.
            self.is_native |= text
                .lines()
                .any(|line| line.starts_with("Tag:") && line.contains("-linux_"));
        }
        let mut header = header(
            tar::EntryType::Regular,
            if executable { 0o755 } else { 0o644 },
        );
        header.set_size(content.len() as u64);
        self.size += content.len() as u64;
        let node = TreeNode::File {
            executable,
            size: content.len() as u64,
            digest: blake3::hash(&content).into(),
        };
        self.nodes.insert(path.to_owned(), node);
        self.tar.append_data(&mut header, path, &*content)?;
        Ok(None)
    }
}

/// Returns a header that is the same on every machine.
fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(1);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header
}
