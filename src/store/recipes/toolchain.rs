//! Official archives of Node.js and Go: everything below one directory, which becomes the root of the object.
//!
//! An archive names its version: `go/VERSION`, and the directory of Node.js.

use std::io::Read;

use super::{Tree, read_head};
use crate::{
    package::{PackageName, Version},
    store::{
        Error, Rule,
        tree_builder::{Placed, refused},
        unpack::{
            ArchiveFile, decompressed,
            tar::{self, TarKind},
        },
    },
};

/// Largest file with a version, in bytes.
const LIMIT: u64 = 4096;

/// Places the members of the archive of a toolchain.
pub(super) fn unpack(
    package: &PackageName,
    version: &Version,
    file: ArchiveFile<'_>,
    tree: &mut Tree,
) -> Result<(), Error> {
    let mut found = None;
    let mut data = decompressed(file).map_err(|source| Error::Archive {
        member: String::new(),
        source,
    })?;
    tar::read(&mut data, |member, data| {
        let (root, path) = match member.path.split_once('/') {
            Some((root, path)) => (root, path),
            None if member.kind == TarKind::Directory => return Ok(()),
            None => return Err(refused(&member.path, Rule::OddPath)),
        };
        if package.as_str() == "node" {
            found = found.take().or_else(|| node_version(root));
        }
        let placed = |executable| Placed {
            executable,
            mtime: None,
        };
        match member.kind {
            TarKind::Directory => tree.directory(path),
            TarKind::Link(target) => tree.link(path, &target),
            TarKind::HardLink(target) => {
                let inside = target.split_once('/').map(|(_, path)| path);
                tree.copy(path, inside.unwrap_or_default(), placed(false))
            }
            TarKind::File { executable } if root == "go" && path == "VERSION" => {
                let text = read_head(path, data, LIMIT)?;
                found = go_version(&String::from_utf8_lossy(&text));
                let mut whole = text.as_slice().chain(data);
                tree.file(path, placed(executable), &mut whole).map(|_| ())
            }
            TarKind::File { executable } => tree.file(path, placed(executable), data).map(|_| ()),
        }
    })?;
    let program = format!("bin/{package}");
    if found.as_ref() != Some(version) {
        return Err(Error::OtherPackage {
            name: package.to_string(),
            version: found.map(|found| found.to_string()).unwrap_or_default(),
        });
    }
    if tree.node(&program).is_none() {
        return Err(Error::NoPrograms {
            package: package.clone(),
        });
    }
    Ok(())
}

/// Returns the version in the name of the directory: `node-v22.11.0-linux-x64`.
fn node_version(root: &str) -> Option<Version> {
    let rest = root.strip_prefix("node-v")?;
    rest.split('-').next()?.parse().ok()
}

/// Returns the version in the first line of `VERSION`: `go1.22.3`.
fn go_version(text: &str) -> Option<Version> {
    text.lines().next()?.trim().strip_prefix("go")?.parse().ok()
}
