//! Built objects on their way to and from a cache: packed as a deterministic tar archive, and unpacked by the strict
//! reader.
//!
//! A packed tree does not name a machine. Links to other objects are in the record and not in the archive. Text files
//! that name the store have a placeholder instead, and get the path of the receiving store. An object that names the
//! store in another way, or any other place outside of it, is not shared.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read as _, Write},
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Component, Path, PathBuf},
};

use super::{
    BuiltObject, Error, ObjectRecord, Recipe, Rule, Store, StorePath,
    built_object::close,
    file_manifest::{FileManifest, TreeNode},
    install::Existing,
    tree_builder::{Placed, Tree, refused},
    unpack::{self, ArchiveFile, tar::TarKind},
};
use crate::{fetch::Meter, util::files};

/// Takes the place of the store's path in packed files.
const PLACEHOLDER: &[u8] = b"@devsh-store@";
/// The compression level of zstd: unpacking is as fast at every level.
const LEVEL: i32 = 9;
/// The largest object that is shared, in bytes.
const LARGEST: u64 = 8 << 30;

/// The description of a packed tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedTree {
    /// The digest of the list of its files.
    pub tree: String,
    /// The unpacked bytes.
    pub size: u64,
    /// Links to other objects, each with its target below the store.
    pub links: BTreeMap<String, String>,
    /// The files with the placeholder.
    pub relocated: BTreeSet<String>,
}

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
    /// Whether something in it was compiled on the machine that built it.
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

    /// Returns the directory of a built object that came from a cache, or was made meanwhile. Nothing is published
    /// unless the tree has the digest of its record.
    pub fn receive(
        &self,
        built: &BuiltObject<'_>,
        shared: &SharedTree,
        archive: &File,
        meter: &dyn Meter,
    ) -> Result<PathBuf, Error> {
        let path = StorePath::of_built(built);
        self.make_once(Existing::Trusted, &path, meter, |temporary| {
            meter.step(
                "unpacking",
                archive.metadata().ok().map(|found| found.len()),
            );
            self.unpack_shared(temporary, shared, archive, meter)?;
            meter.step("publishing", None);
            close(temporary)?;
            let manifest = FileManifest::of(temporary)?;
            let record = ObjectRecord::of_received(built, manifest.hash());
            let place = self.root().join(path.as_str());
            self.publish(temporary, &place, &manifest, &record, || ())
        })
    }

    /// Unpacks into `temporary`, compares the tree with its digest, and gives it the places of this machine.
    fn unpack_shared(
        &self,
        temporary: &Path,
        shared: &SharedTree,
        archive: &File,
        meter: &dyn Meter,
    ) -> Result<(), Error> {
        if shared.size > LARGEST {
            return Err(refused("", Rule::TooLarge));
        }
        fs::create_dir(temporary).map_err(files::at("create", temporary))?;
        let mut tree = Tree::new(temporary);
        tree.admit(shared.size);
        let report = |bytes| meter.advance(bytes);
        let damaged = |source| Error::Archive {
            member: String::new(),
            source,
        };
        let mut reader =
            unpack::decompressed(ArchiveFile::new(archive, &report)).map_err(damaged)?;
        unpack::tar::read(&mut *reader, |member, data| match member.kind {
            TarKind::Directory => tree.directory(&member.path),
            TarKind::File { executable } => {
                let placed = Placed {
                    executable,
                    mtime: None,
                };
                tree.file(&member.path, placed, data).map(|_| ())
            }
            TarKind::Link(target) => tree.link(&member.path, &target),
            TarKind::HardLink(_) => Err(refused(&member.path, Rule::OddType)),
        })?;
        for path in &shared.relocated {
            if !matches!(tree.node(path), Some(TreeNode::File { .. })) {
                return Err(refused(path, Rule::NotAsListed));
            }
        }
        for (path, target) in &shared.links {
            let target = Path::new(target);
            let plain = target
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
            if !plain || target.as_os_str().is_empty() {
                let target = target.display().to_string();
                return Err(refused(path, Rule::LinkTarget(target)));
            }
            // It checks the path, and that nothing else has it.
            tree.reserve(path)?;
        }
        let manifest = tree.finish(false)?;
        if manifest.hash() != shared.tree {
            return Err(refused("", Rule::NotAsListed));
        }
        let root = self.root().canonicalize();
        let root = root.map_err(files::at("read", self.root()))?;
        for path in &shared.relocated {
            let place = temporary.join(path);
            relocate(&place, &root).map_err(files::at("write", &place))?;
        }
        for (path, target) in &shared.links {
            let place = temporary.join(path);
            symlink(root.join(target), &place).map_err(files::at("link", &place))?;
        }
        Ok(())
    }
}

/// Writes the path of the store into a file, as a new one with the same mode and time.
fn relocate(place: &Path, root: &Path) -> io::Result<()> {
    let (bytes, metadata) = (fs::read(place)?, fs::metadata(place)?);
    let text = replace_all(&bytes, PLACEHOLDER, root.as_os_str().as_bytes());
    fs::remove_file(place)?;
    let mut file = File::create_new(place)?;
    file.write_all(&text)?;
    file.set_modified(metadata.modified()?)?;
    file.set_permissions(metadata.permissions())
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

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let (first, rest) = wanted.split_first()?;
    let mut start = 0;
    // Looking for one byte first makes this linear for all real files.
    while let Some(offset) = bytes[start..].iter().position(|byte| byte == first) {
        let at = start + offset;
        if bytes[at + 1..].starts_with(rest) {
            return Some(at);
        }
        start = at + 1;
    }
    None
}

fn replace_all(bytes: &[u8], wanted: &[u8], by: &[u8]) -> Vec<u8> {
    let (mut text, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some(at) = find(rest, wanted) {
        text.extend_from_slice(&rest[..at]);
        text.extend_from_slice(by);
        rest = &rest[at + wanted.len()..];
    }
    text.extend_from_slice(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fetch::Silent,
        package::{PackageName, Version},
    };

    struct Fixture {
        _directory: tempfile::TempDir,
        store: Store,
        recipe: Recipe,
        name: PackageName,
        version: Version,
    }

    impl Fixture {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let store = Store::open(&directory.path().canonicalize().unwrap());
            Self {
                store,
                recipe: Recipe::Environment,
                _directory: directory,
                name: "env".parse().unwrap(),
                version: "3.12".parse().unwrap(),
            }
        }

        fn built(&self) -> BuiltObject<'_> {
            BuiltObject {
                name: &self.name,
                version: &self.version,
                recipe: self.recipe,
                key: b"1",
                inputs: &[],
            }
        }

        fn build(&self, make: impl FnOnce(&Path, &Path)) -> String {
            let place = self.store.build(&self.built(), &Silent, |place| {
                make(place, self.store.root());
                Ok::<(), Error>(())
            });
            let place = place.unwrap();
            place.file_name().unwrap().to_str().unwrap().to_owned()
        }

        fn pack(&self, name: &str) -> (PackOutcome, Vec<u8>) {
            let mut archive = Vec::new();
            (self.store.pack(name, &mut archive).unwrap(), archive)
        }

        fn receive(&self, shared: &SharedTree, archive: &[u8]) -> Result<PathBuf, Error> {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(archive).unwrap();
            io::Seek::rewind(&mut file).unwrap();
            self.store.receive(&self.built(), shared, &file, &Silent)
        }
    }

    fn environment(place: &Path, store: &Path) {
        fs::create_dir_all(place.join("lib/deep")).unwrap();
        fs::create_dir(place.join("bin")).unwrap();
        let text = format!("home = {}/0-python-3/bin\n", store.display());
        fs::write(place.join("pyvenv.cfg"), text).unwrap();
        fs::write(place.join("lib/deep/a.so"), b"\0ELF").unwrap();
        symlink("deep", place.join("lib/alias")).unwrap();
        symlink(
            store.join("0-python-3/bin/python"),
            place.join("bin/python"),
        )
        .unwrap();
    }

    fn packed(outcome: PackOutcome) -> SharedTree {
        match outcome {
            PackOutcome::Packed(packed) => packed.tree,
            PackOutcome::NotShared(reason) => panic!("{reason}"),
        }
    }

    #[test]
    fn an_object_gets_the_places_of_the_store_that_receives_it() {
        let (one, other) = (Fixture::new(), Fixture::new());
        let name = one.build(environment);
        let (outcome, archive) = one.pack(&name);
        let shared = packed(outcome);
        let root = one.store.root().as_os_str().as_bytes();
        assert!(find(&zstd::decode_all(&*archive).unwrap(), root).is_none());
        let place = other.receive(&shared, &archive).unwrap();
        assert_eq!(place.file_name().unwrap().to_str(), Some(&*name));
        other.store.verify(&place).unwrap();
        let text = fs::read_to_string(place.join("pyvenv.cfg")).unwrap();
        let store = other.store.root();
        assert_eq!(text, format!("home = {}/0-python-3/bin\n", store.display()));
        let link = fs::read_link(place.join("bin/python")).unwrap();
        assert_eq!(link, store.join("0-python-3/bin/python"));
        let mode = fs::metadata(place.join("lib/deep/a.so")).unwrap();
        assert!(mode.permissions().readonly());
        // The same object has the same bytes everywhere.
        let (outcome, again) = other.pack(&name);
        assert_eq!((packed(outcome), again), (shared, archive));
    }

    #[test]
    fn objects_that_were_compiled_here_are_known() {
        let with_wheel = |tag: &'static str| {
            move |place: &Path, _: &Path| {
                let directory = place.join("a-1.dist-info");
                fs::create_dir(&directory).unwrap();
                fs::write(directory.join("WHEEL"), format!("Tag: cp312-cp312-{tag}\n")).unwrap();
            }
        };
        for (recipe, tag, expected) in [
            (Recipe::Environment, "manylinux_2_17_x86_64", false),
            (Recipe::Environment, "linux_x86_64", true),
            (Recipe::Crate, "any", true),
        ] {
            let one = Fixture {
                recipe,
                ..Fixture::new()
            };
            let name = one.build(with_wheel(tag));
            match one.pack(&name).0 {
                PackOutcome::Packed(packed) => assert_eq!(packed.is_native, expected, "{tag}"),
                PackOutcome::NotShared(reason) => panic!("{reason}"),
            }
        }
    }

    #[test]
    fn nothing_else_than_the_signed_tree_is_published() {
        let one = Fixture::new();
        let name = one.build(environment);
        let (outcome, archive) = one.pack(&name);
        let shared = packed(outcome);
        let plain = zstd::decode_all(&*archive).unwrap();
        let swapped = {
            let mut plain = plain.clone();
            let at = find(&plain, b"\0ELF").unwrap();
            plain[at + 1] = b'X';
            zstd::encode_all(&*plain, 1).unwrap()
        };
        let link = |path: &str, target: &str| SharedTree {
            links: BTreeMap::from([(path.to_owned(), target.to_owned())]),
            ..shared.clone()
        };
        let cases = [
            (shared.clone(), swapped),
            (shared.clone(), archive[..archive.len() / 2].to_vec()),
            (shared.clone(), b"no archive".to_vec()),
            (
                SharedTree {
                    size: 3,
                    ..shared.clone()
                },
                archive.clone(),
            ),
            (
                SharedTree {
                    tree: "0".repeat(64),
                    ..shared.clone()
                },
                archive.clone(),
            ),
            (link("bin/python", "../../etc/passwd"), archive.clone()),
            (link("bin/python", "/etc/passwd"), archive.clone()),
            (link("../python", "a"), archive.clone()),
            (link("lib/alias/python", "a"), archive.clone()),
            (link("pyvenv.cfg", "a"), archive.clone()),
            (
                SharedTree {
                    relocated: BTreeSet::from(["lib/alias".to_owned()]),
                    ..shared.clone()
                },
                archive.clone(),
            ),
        ];
        for (shared, archive) in cases {
            let other = Fixture::new();
            assert!(other.receive(&shared, &archive).is_err(), "{shared:?}");
            assert_eq!(other.store.objects(), [""; 0]);
            assert_eq!(
                fs::read_dir(other.store.root().join(".building"))
                    .unwrap()
                    .count(),
                0
            );
        }
    }

    #[test]
    fn an_object_that_needs_its_machine_is_not_shared() {
        type Make = fn(&Path, &Path);
        let cases: [(Make, &str); 3] = [
            (
                |place, _| symlink("/usr/bin/python3", place.join("python")).unwrap(),
                "`python` leads to `/usr/bin/python3` of this machine",
            ),
            (
                |place, store| {
                    let text = format!("\0{}", store.display());
                    fs::write(place.join("a.so"), text).unwrap();
                },
                "`a.so` is not text and names the store",
            ),
            (
                |place, _| fs::write(place.join("a"), PLACEHOLDER).unwrap(),
                "`a` holds the placeholder of devsh",
            ),
        ];
        for (make, expected) in cases {
            let one = Fixture::new();
            let name = one.build(make);
            match one.pack(&name).0 {
                PackOutcome::NotShared(reason) => assert_eq!(reason, expected),
                PackOutcome::Packed(_) => panic!("{expected}"),
            }
        }
    }
}
