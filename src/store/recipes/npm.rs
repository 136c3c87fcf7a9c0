//! Tarballs of the npm registry: each below `lib/node_modules` at its place, the programs of the tool's own
//! package linked from `bin`.
//!
//! No script of a package runs here: a package with an install script is used as published.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
};

use serde::Deserialize;

use super::{Tree, read_head};
use crate::{
    lockfile::{Artifact, NpmAddress},
    package::{PackageName, Version, name_of_npm_place},
    store::{
        Error, Rule,
        file_manifest::TreeNode,
        tree_builder::{Placed, refused},
        unpack::{
            ArchiveFile, decompressed,
            tar::{self, TarKind},
        },
    },
};

/// Longest first line of a program that is changed, in bytes; no kernel accepts a longer one.
const LONGEST_LINE: u64 = 4096;
/// Longest accepted `package.json`, in bytes.
const LIMIT: u64 = 8 << 20;
/// The directory of packages in an object.
const ROOT: &str = "lib/node_modules";

/// The packages placed so far.
pub(super) struct Packages<'a> {
    /// The tool's own package.
    name: &'a PackageName,
    version: &'a Version,
    /// Its programs by name, with their paths inside the package.
    programs: BTreeMap<String, String>,
    /// The packages by their places below `node_modules`.
    placed: BTreeMap<String, PlacedPackage>,
}

/// A package at its place.
struct PlacedPackage {
    name: String,
    version: String,
    dependencies: BTreeMap<String, Dependency>,
}

/// A dependency in `package.json`.
enum Dependency {
    /// The package of the same name.
    Same,
    /// Another package under this name (`"chalk": "npm:kleur@^4"`).
    Alias(String),
}

/// The fields of `package.json` that name the package and its programs.
#[derive(Deserialize)]
pub(super) struct NpmPackage {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) version: String,
    bin: Option<NpmPrograms>,
    #[serde(default)]
    dependencies: serde_json::Value,
    #[serde(default, rename = "optionalDependencies")]
    optional_dependencies: serde_json::Value,
    #[serde(default, rename = "peerDependencies")]
    peer_dependencies: serde_json::Value,
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
            placed: BTreeMap::new(),
        }
    }

    /// Places one package.
    pub(super) fn unpack(
        &mut self,
        artifact: &Artifact,
        file: ArchiveFile<'_>,
        tree: &mut Tree,
    ) -> Result<(), Error> {
        let own = artifact.part == self.name.as_str();
        let package = read_package(file)?;
        self.placed
            .insert(artifact.part.clone(), PlacedPackage::of(&package));
        if own {
            let found = package.version.trim().trim_start_matches(['v', '=']);
            if package.name != self.name.as_str()
                || found.parse::<Version>().ok().as_ref() != Some(self.version)
            {
                return Err(package.refused());
            }
            self.programs = programs(package)?;
        } else {
            check_address(&package, artifact)?;
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
                    if started {
                        let mut program = unix_first_line(&member.path, data)?;
                        return tree.file(&place, placed, &mut program).map(|_| ());
                    }
                    tree.file(&place, placed, data).map(|_| ())
                }
                // npm leaves links out, and no package may count on them.
                TarKind::Link(_) | TarKind::HardLink(_) => Ok(()),
            }
        })
    }

    /// Links the programs. One whose file is not in the tarball is left out, as npm does.
    pub(super) fn complete(&self, tree: &mut Tree) -> Result<(), Error> {
        self.check_requested()?;
        let mut linked = 0;
        for (name, path) in &self.programs {
            let there = format!("{ROOT}/{}/{path}", self.name);
            if matches!(tree.node(&there), Some(TreeNode::File { .. })) {
                tree.link(&format!("bin/{name}"), &format!("../{there}"))?;
                linked += 1;
            }
        }
        if linked == 0 {
            return Err(Error::NoPrograms {
                package: self.name.clone(),
            });
        }
        Ok(())
    }
}

impl Packages<'_> {
    /// Checks that a package of the tool asks for each package, and for one under another name by this name: the
    /// lockfile alone proves nothing, and tools load plugins that they find.
    fn check_requested(&self) -> Result<(), Error> {
        let mut aliases = BTreeSet::new();
        let mut reached = BTreeSet::from([self.name.as_str()]);
        let mut open = vec![self.name.as_str()];
        while let Some(place) = open.pop() {
            let Some(package) = self.placed.get(place) else {
                continue;
            };
            for (name, dependency) in &package.dependencies {
                let Some(found) = self.resolve(place, name) else {
                    continue;
                };
                if let Dependency::Alias(package) = dependency {
                    aliases.insert((found, package.as_str()));
                }
                if reached.insert(found) {
                    open.push(found);
                }
            }
        }
        if let Some(place) = self
            .placed
            .keys()
            .find(|place| !reached.contains(&***place))
        {
            return Err(Error::NotRequested {
                package: place.clone(),
            });
        }
        let other = self.placed.iter().find(|(place, package)| {
            let is_own = package.name == name_of_npm_place(place);
            !is_own && !aliases.contains(&(place.as_str(), package.name.as_str()))
        });
        other.map_or(Ok(()), |(_, package)| {
            Err(Error::OtherPackage {
                name: package.name.clone(),
                version: package.version.clone(),
            })
        })
    }

    /// Returns the place where Node.js finds a dependency of the package at `place`.
    fn resolve(&self, place: &str, name: &str) -> Option<&str> {
        let mut above = Some(place);
        while let Some(directory) = above {
            let nested = format!("{directory}/node_modules/{name}");
            if let Some((found, _)) = self.placed.get_key_value(&nested) {
                return Some(found);
            }
            above = directory.rsplit_once("/node_modules/").map(|(one, _)| one);
        }
        let (found, _) = self.placed.get_key_value(name)?;
        Some(found)
    }
}

impl PlacedPackage {
    fn of(package: &NpmPackage) -> Self {
        let lists = [
            &package.peer_dependencies,
            &package.dependencies,
            &package.optional_dependencies,
        ];
        // Old packages have lists of other types, which npm ignores.
        let entries = lists.into_iter().filter_map(|list| list.as_object());
        let dependencies = entries.flatten().map(|(name, wanted)| {
            let alias = wanted.as_str().and_then(|text| text.strip_prefix("npm:"));
            let dependency = alias.map_or(Dependency::Same, |alias| {
                // The `@` of a scope comes first.
                let end = alias.char_indices().skip(1).find(|(_, one)| *one == '@');
                let end = end.map_or(alias.len(), |(at, _)| at);
                Dependency::Alias(alias[..end].to_owned())
            });
            (name.clone(), dependency)
        });
        Self {
            name: package.name.clone(),
            version: package.version.clone(),
            dependencies: dependencies.collect(),
        }
    }
}

/// Returns the data of a program with a first line that ends as on Unix. A kernel takes the `\r` for a part of the
/// interpreter's name, so npm removes it too.
fn unix_first_line<'d>(member: &str, data: &'d mut dyn Read) -> Result<impl Read + 'd, Error> {
    let mut start = Vec::new();
    data.take(LONGEST_LINE)
        .read_to_end(&mut start)
        .map_err(|source| Error::Archive {
            member: member.to_owned(),
            source,
        })?;
    if start.starts_with(b"#!")
        && let Some(end) = start.iter().position(|byte| *byte == b'\n')
        && start[end - 1] == b'\r'
    {
        start.remove(end - 1);
    }
    Ok(io::Cursor::new(start).chain(data))
}

pub(super) fn opened(file: ArchiveFile<'_>) -> Result<Box<dyn Read + '_>, Error> {
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

/// Checks that a dependency is the package and version that its address names; `check_requested` compares them with the
/// place. Of an address without names devsh has asked the registry, about the package of the place.
fn check_address(package: &NpmPackage, artifact: &Artifact) -> Result<(), Error> {
    let place = name_of_npm_place(&artifact.part);
    let address = NpmAddress::at_registry(&artifact.url);
    let version = package.version.trim().trim_start_matches(['v', '=']).trim();
    let fits = address.as_ref().map_or_else(
        || package.name == place,
        |address| package.name == address.name && address.has_version(version),
    );
    match address {
        _ if fits => Ok(()),
        Some(address) if address.name != place => Err(Error::OtherPackage {
            name: address.name,
            version: address.version,
        }),
        _ => Err(package.refused()),
    }
}

/// Reads `package.json` before anything of the package is placed.
pub(super) fn read_package(file: ArchiveFile<'_>) -> Result<NpmPackage, Error> {
    let mut found = None;
    let mut data = opened(file)?;
    tar::read(&mut data, |member, data| {
        let own = member
            .path
            .split_once('/')
            .is_some_and(|(_, path)| path == "package.json");
        if own && matches!(member.kind, TarKind::File { .. }) {
            found = Some(read_head(&member.path, data, LIMIT)?);
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
    pub(super) fn refused(&self) -> Error {
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
            let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
            if matches!(name, "" | "." | "..") {
                return Err(refused(&path, Rule::OddPath));
            }
            Ok((name.to_owned(), inside_of_package(&path)))
        })
        .collect()
}

/// Returns a path of `bin` relative to the package as npm reads it: `..` does not lead out of it, and `\` separates too.
fn inside_of_package(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Sha256;

    #[test]
    fn programs_are_inside_of_their_package() {
        for (path, expected) in [
            ("cli.js", "cli.js"),
            ("./bin/../x", "x"),
            ("bin\\cli.js", "bin/cli.js"),
            ("/../../etc/passwd", "etc/passwd"),
            ("./", ""),
        ] {
            assert_eq!(inside_of_package(path), expected, "{path}");
        }
    }

    #[test]
    fn a_dependency_is_the_package_of_its_address() {
        let fits = |name: &str, version: &str, url: &str| {
            let package = NpmPackage {
                name: name.to_owned(),
                version: version.to_owned(),
                ..serde_json::from_str("{}").unwrap()
            };
            let artifact = Artifact {
                part: "a/node_modules/dep".to_owned(),
                url: url.parse().unwrap(),
                digest: Sha256::of(b"").into(),
                size: None,
            };
            check_address(&package, &artifact).is_ok()
        };
        let address = "https://registry.npmjs.org/dep/-/dep-5.3.0.tgz";
        let scoped = "https://registry.npmjs.org/@s%2fdep/-/dep-5.3.0-rc.1.tgz";
        let unnamed = "https://registry.npmjs.org/download/dep/1/2";
        for (name, version, url, expected) in [
            ("dep", "5.3.0", address, true),
            ("dep", "v5.3.0", address, true),
            ("dep", "5.3.0+build.1", address, true),
            ("dep", "5.3.1", address, false),
            ("dep", "3.0", address, false),
            ("dep", "", address, false),
            ("other", "5.3.0", address, false),
            ("@s/dep", "5.3.0-rc.1", scoped, true),
            ("dep", "5.3.0-rc.1", scoped, false),
            ("dep", "1.0.0", unnamed, true),
            ("other", "1.0.0", unnamed, false),
        ] {
            assert_eq!(fits(name, version, url), expected, "{name} {version} {url}");
        }
    }

    #[test]
    fn only_the_first_line_changes() {
        for (data, expected) in [
            (
                &b"#!/usr/bin/env node\r\na\r\n"[..],
                &b"#!/usr/bin/env node\na\r\n"[..],
            ),
            (b"#!/bin/sh\na\r\n", b"#!/bin/sh\na\r\n"),
            (b"a\r\n", b"a\r\n"),
            (b"#!", b"#!"),
            (b"", b""),
        ] {
            let mut source = data;
            let mut program = unix_first_line("x", &mut source).unwrap();
            let mut read = Vec::new();
            program.read_to_end(&mut read).unwrap();
            assert_eq!(read, expected);
        }
    }
}
