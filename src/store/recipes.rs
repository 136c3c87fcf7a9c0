//! Recipes: how the members of artifacts become the tree of an object, whose programs are in `bin`.

pub(super) mod conda;
mod crate_sources;
mod installed_wheel;
mod npm;
mod npm_platform;
mod python;
mod release;
mod rust;
mod toolchain;
pub(super) mod wheel;

pub use crate_sources::unpack_crate;
pub(super) use installed_wheel::{MODIFIED, WheelPlaces, install as install_wheel};
pub(super) use python::EXTERNALLY_MANAGED;
pub use wheel::{WheelSummary, check_wheel, digest_in_wheel};

use std::{io::Read, path::Path};

use super::{
    Error, Object, Recipe, file_manifest::FileManifest, shared_components::SharedComponents,
    tree_builder::Tree, unpack::ArchiveFile,
};
use crate::{fetch::Download, lockfile::Artifact};

/// Largest object, in bytes.
const LARGEST: u64 = 8 << 30;
/// Size that an artifact may always unpack to, in bytes.
const SMALLEST: u64 = 512 << 20;
/// The factor by which an object may be larger than its artifact.
const RATIO: u64 = 20;

/// Reads the first bytes of a member, at most `limit`.
fn read_head(member: &str, data: &mut dyn Read, limit: u64) -> Result<Vec<u8>, Error> {
    let mut head = Vec::new();
    let read = data.take(limit).read_to_end(&mut head);
    read.map_err(|source| Error::Archive {
        member: member.to_owned(),
        source,
    })?;
    Ok(head)
}

/// Returns the size to which an artifact of `size` bytes may unpack, in bytes.
pub(super) fn admitted_size(size: u64) -> u64 {
    size.saturating_mul(RATIO).clamp(SMALLEST, LARGEST)
}

/// Builds the tree of `object`; returns its manifest and the downloads that are no longer needed.
///
/// Nothing is in `parts` of the components that are in the tree already. `report` gets the number of bytes that were read from the artifacts since the last call.
pub(super) fn build<'a>(
    object: &Object<'_>,
    parts: impl Iterator<Item = Result<(&'a Artifact, Download), Error>>,
    mut tree: Tree,
    shared: SharedComponents,
    place: &Path,
    report: &dyn Fn(u64),
) -> Result<(FileManifest, Vec<Download>), Error> {
    let mut used = Vec::new();
    let mut rust = rust::Components::new(object.version, shared);
    let mut python = python::CPythonFiles::new(object.name, object.version);
    let mut npm = npm::Packages::new(object.name, object.version);
    let platform = npm_platform::PlatformProgram::new(object.name, object.version);
    for part in parts {
        let (artifact, download) = part?;
        let named = |reason| Error::Unpack {
            artifact: file_name(artifact),
            reason: Box::new(reason),
        };
        let file = download
            .open()
            .map_err(crate::util::files::at("read", place))?;
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        let file = ArchiveFile::new(file, report);
        tree.admit(admitted_size(size));
        match object.recipe {
            Recipe::Python => python.unpack(file, &mut tree, place),
            Recipe::Rust => rust.unpack(&artifact.part, file, &mut tree),
            Recipe::Wheel => wheel::unpack(object.name, object.version, file, &mut tree),
            Recipe::Npm => npm.unpack(artifact, file, &mut tree),
            Recipe::CondaPackage => {
                let identity = conda::CondaIdentity {
                    name: object.name.as_str(),
                    version: object.version.as_str(),
                    file: &file_name(artifact),
                };
                conda::unpack(identity, file, &mut tree)
            }
            Recipe::Release => {
                let release = release::ReleaseRecipe {
                    name: object.name,
                    version: object.version,
                    options: object.layout,
                };
                release.unpack(artifact, file, &mut tree)
            }
            // They are built, not unpacked.
            Recipe::Environment | Recipe::BuiltWheel | Recipe::CondaPrefix | Recipe::Crate => {
                Ok(())
            }
            Recipe::NpmPlatform => platform.unpack(artifact, file, &mut tree),
            Recipe::Toolchain => toolchain::unpack(object.name, object.version, file, &mut tree),
        }
        .map_err(|error| match error {
            Error::Refused { .. }
            | Error::Archive { .. }
            | Error::Installer { .. }
            | Error::ForeignProgram { .. } => named(error),
            other => other,
        })?;
        used.push(download);
    }
    match object.recipe {
        Recipe::Python => python.complete(&mut tree)?,
        Recipe::Rust => rust.complete(&mut tree)?,
        Recipe::Npm => npm.complete(&mut tree)?,
        Recipe::NpmPlatform => platform.complete(&mut tree)?,
        Recipe::Wheel
        | Recipe::Release
        | Recipe::CondaPackage
        | Recipe::Environment
        | Recipe::BuiltWheel
        | Recipe::CondaPrefix
        | Recipe::Crate
        | Recipe::Toolchain => {}
    }
    // Python writes bytecode next to its modules. Other objects must not grow: `npm install -g` would write into them.
    let closed = object.recipe != Recipe::Python;
    Ok((tree.finish(closed)?, used))
}

fn file_name(artifact: &Artifact) -> String {
    let last = artifact.url.path_segments().and_then(Iterator::last);
    let last = percent_encoding::percent_decode_str(last.unwrap_or_default());
    last.decode_utf8_lossy().into_owned()
}
