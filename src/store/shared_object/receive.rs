//! Publishes a packed object that came from a cache.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Component, Path, PathBuf},
};

use super::{LARGEST, PLACEHOLDER, SharedTree, replace_all};
use crate::{
    fetch::Meter,
    store::{
        BuiltObject, Error, ObjectRecord, Rule, Store, StorePath,
        built_object::close,
        file_manifest::{FileManifest, TreeNode},
        install::Existing,
        tree_builder::{Placed, Tree, refused},
        unpack::{self, ArchiveFile, tar::TarKind},
    },
    util::files,
};

impl Store {
    /// Returns the directory of a built object that came from a cache, or was made by another process. Nothing is published
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
            let received = BuiltObject {
                is_received: true,
                ..*built
            };
            let record = ObjectRecord::of_built(&received, manifest.hash());
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
