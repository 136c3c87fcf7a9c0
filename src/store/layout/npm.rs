//! Tarballs of the npm registry: each below `lib/node_modules` at its place, the programs of the tool's own
//! package linked from `bin`.
//!
//! No script of a package runs here: a package with an install script is used as published.

use std::{collections::BTreeMap, fs::File, io::Read};

use serde::Deserialize;

use super::Tree;
use crate::{
    lockfile::Artifact,
    package::{PackageName, Version},
    store::{
        Error, Rule,
        file_manifest::TreeNode,
        tree_builder::{Placed, refused},
        unpack::{
            decompressed,
            tar::{self, TarKind},
        },
    },
};

/// Longest accepted `package.json`, in bytes.
const LIMIT: u64 = 8 << 20;
/// Where packages are, in an object.
const ROOT: &str = "lib/node_modules";

/// The packages placed so far.
pub(super) struct Packages<'a> {
    /// The tool's own package.
    name: &'a PackageName,
    version: &'a Version,
    /// Its programs by name, with their paths inside the package.
    programs: BTreeMap<String, String>,
}

/// The fields of `package.json` that name the package and its programs.
#[derive(Deserialize)]
struct NpmPackage {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    bin: Option<NpmPrograms>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NpmPrograms {
    One(String),
    Many(BTreeMap<String, String>),
}

impl<'a> Packages<'a> {
    /// Returns none yet; name and version are those of the tool's own package.
    pub(super) const fn new(name: &'a PackageName, version: &'a Version) -> Self {
        Self {
            name,
            version,
            programs: BTreeMap::new(),
        }
    }

    /// Places one package.
    pub(super) fn unpack(
        &mut self,
        artifact: &Artifact,
        file: &File,
        tree: &mut Tree,
    ) -> Result<(), Error> {
        let own = artifact.part == self.name.as_str();
        if own {
            let package = read_package(file)?;
            let found = package.version.trim().trim_start_matches(['v', '=']);
            if package.name != self.name.as_str()
                || found.parse::<Version>().ok().as_ref() != Some(self.version)
            {
                return Err(package.refused());
            }
            self.programs = programs(package)?;
        } else {
            let package = read_package(file)?;
            if !fits_place(&package, artifact) {
                return Err(package.refused());
            }
        }
        let mut data = opened(file)?;
        tar::read(&mut data, |member, data| {
            // The first level is `package` by custom, and something else now and then.
            let Some((_, path)) = member.path.split_once('/') else {
                return Ok(());
            };
            let place = format!("{ROOT}/{}/{path}", artifact.part);
            let started = own && self.programs.values().any(|program| program == path);
            match member.kind {
                TarKind::Directory => tree.directory(&place),
                TarKind::File { executable } => {
                    let placed = Placed {
                        executable: executable || started,
                        mtime: None,
                    };
                    tree.file(&place, placed, data).map(|_| ())
                }
                // npm leaves links out, and no package may count on them.
                TarKind::Link(_) | TarKind::HardLink(_) => Ok(()),
            }
        })
    }

    /// Links the programs.
    pub(super) fn complete(&self, tree: &mut Tree) -> Result<(), Error> {
        for (name, path) in &self.programs {
            let there = format!("{ROOT}/{}/{path}", self.name);
            if !matches!(tree.node(&there), Some(TreeNode::File { .. })) {
                return Err(refused(&there, Rule::NotAsListed));
            }
            tree.link(&format!("bin/{name}"), &format!("../{there}"))?;
        }
        if self.programs.is_empty() {
            return Err(Error::NoPrograms {
                package: self.name.clone(),
            });
        }
        Ok(())
    }
}

fn opened(file: &File) -> Result<Box<dyn Read + '_>, Error> {
    use std::io::Seek as _;
    let mut start = file;
    start
        .rewind()
        .and_then(|()| decompressed(file))
        .map_err(|source| Error::Archive {
            member: String::new(),
            source,
        })
}

/// Returns whether a dependency is the package of its place (`chalk`, `a/node_modules/@b/c`), or the package that
/// its address names: npm can install one package under the name of another.
fn fits_place(package: &NpmPackage, artifact: &Artifact) -> bool {
    let place = artifact.part.rsplit_once("node_modules/");
    let place = place.map_or(&*artifact.part, |(_, name)| name);
    let path = percent_encoding::percent_decode_str(artifact.url.path()).decode_utf8_lossy();
    let address = path.split_once("/-/").map_or("", |(name, _)| name);
    let named = address.strip_suffix(&package.name);
    package.name == place
        || !package.name.is_empty() && named.is_some_and(|before| before.ends_with('/'))
}

/// Reads `package.json` before anything of the package is placed.
fn read_package(file: &File) -> Result<NpmPackage, Error> {
    let mut found = None;
    let mut data = opened(file)?;
    tar::read(&mut data, |member, data| {
        let own = member
            .path
            .split_once('/')
            .is_some_and(|(_, path)| path == "package.json");
        if own && matches!(member.kind, TarKind::File { .. }) {
            let mut text = Vec::new();
            data.take(LIMIT)
                .read_to_end(&mut text)
                .map_err(|source| Error::Archive {
                    member: member.path.clone(),
                    source,
                })?;
            found = Some(text);
        }
        Ok(())
    })?;
    let text = found.ok_or_else(|| refused("package.json", Rule::NotAsListed))?;
    serde_json::from_slice(&text).map_err(|error| Error::Archive {
        member: "package.json".to_owned(),
        source: error.into(),
    })
}

impl NpmPackage {
    /// Returns the error for this package in the place of another.
    fn refused(&self) -> Error {
        Error::OtherPackage {
            name: self.name.clone(),
            version: self.version.clone(),
        }
    }
}

/// Returns the programs of a package by name, with their paths inside it.
fn programs(package: NpmPackage) -> Result<BTreeMap<String, String>, Error> {
    let own = package
        .name
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    let listed = match package.bin {
        None => return Ok(BTreeMap::new()),
        Some(NpmPrograms::One(path)) => BTreeMap::from([(own, path)]),
        Some(NpmPrograms::Many(programs)) => programs,
    };
    listed
        .into_iter()
        .map(|(name, path)| {
            // A scoped name (`@scope/tool`) is the program without the scope, as in npm.
            let name = name.rsplit('/').next().unwrap_or_default().to_owned();
            let plain = |part: &str| !matches!(part, "" | "." | "..");
            let path = path
                .trim_start_matches("./")
                .trim_start_matches('/')
                .to_owned();
            if plain(&name) && path.split('/').all(plain) {
                Ok((name, path))
            } else {
                Err(refused(&path, Rule::OddPath))
            }
        })
        .collect()
}
