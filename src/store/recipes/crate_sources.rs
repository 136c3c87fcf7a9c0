//! The sources of one crate, unpacked for a build.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use super::{LARGEST, RATIO, SMALLEST};
use crate::{
    store::{
        Error,
        tree_builder::{Placed, Tree},
        unpack::{ArchiveFile, decompressed, tar, tar::TarKind},
    },
    util::files,
};

/// Unpacks the file of a crate into `directory`, which must not exist. `name` is the crate with its version
/// (`anyhow-1.0.100`), and every member must be below a directory of this name.
pub fn unpack_crate(file: &File, name: &str, directory: &Path) -> Result<(), Error> {
    fs::create_dir(directory).map_err(files::at("create", directory))?;
    let mut tree = Tree::new(directory);
    // Sources for Linux may have names that differ in case alone.
    tree.admit_case_below("");
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    tree.admit(size.saturating_mul(RATIO).clamp(SMALLEST, LARGEST));
    let archive = ArchiveFile::silent(file);
    let mut data = decompressed(archive).map_err(|source| Error::Archive {
        member: String::new(),
        source,
    })?;
    tar::read(&mut data, |member, data| {
        let path = member.path.strip_prefix(name);
        let Some(path) = path.and_then(|path| path.strip_prefix('/')) else {
            if member.path == name && member.kind == TarKind::Directory {
                return Ok(());
            }
            let other = member.path.split('/').next().unwrap_or_default();
            return Err(Error::OtherPackage {
                name: other.to_owned(),
                version: String::new(),
            });
        };
        match member.kind {
            TarKind::Directory => tree.directory(path),
            TarKind::File { executable } => {
                let placed = Placed {
                    executable,
                    mtime: None,
                };
                tree.file(path, placed, data).map(|_| ())?;
                // Build scripts copy files with their modes, and change the copies.
                let place = directory.join(path);
                let mode = if executable { 0o755 } else { 0o644 };
                fs::set_permissions(&place, fs::Permissions::from_mode(mode))
                    .map_err(files::at("write", &place))?;
                Ok(())
            }
            // cargo packs none.
            TarKind::Link(_) | TarKind::HardLink(_) => Ok(()),
        }
    })?;
    tree.finish(false).map(|_| ())
}

#[cfg(test)]
mod tests {
    use ::tar::EntryType;

    use super::*;
    use crate::store::fixtures::{gz, tar_of};

    #[test]
    fn a_crate_is_unpacked_below_its_own_name_only() {
        let directory = tempfile::tempdir().unwrap();
        let unpack = |at: &str, member: &str| {
            let packed = gz(&tar_of(&[(member, EntryType::Regular, 0o644, "x")]));
            let file = directory.path().join(format!("{at}.crate"));
            fs::write(&file, packed).unwrap();
            let place = directory.path().join(at);
            unpack_crate(&File::open(&file).unwrap(), "dep-1.0.0", &place)
        };
        unpack("good", "dep-1.0.0/src/lib.rs").unwrap();
        assert!(directory.path().join("good/src/lib.rs").is_file());
        let other = unpack("other", "dep-1.0.01/src/lib.rs").unwrap_err();
        assert!(matches!(other, Error::OtherPackage { .. }), "{other}");
        let outside = unpack("outside", "dep-1.0.0/../x").unwrap_err();
        assert!(matches!(outside, Error::Refused { .. }), "{outside}");
    }

    #[test]
    fn a_member_needs_no_time() {
        let directory = tempfile::tempdir().unwrap();
        let mut packed = tar_of(&[("dep-1.0.0/Cargo.toml", EntryType::Regular, 0o644, "x")]);
        let header = ::tar::Header::from_byte_slice(&packed[..512]);
        let mut header = header.clone();
        header.as_old_mut().mtime = [0; 12];
        header.set_cksum();
        packed[..512].copy_from_slice(header.as_bytes());
        let file = directory.path().join("dep.crate");
        fs::write(&file, gz(&packed)).unwrap();
        let place = directory.path().join("dep");
        unpack_crate(&File::open(&file).unwrap(), "dep-1.0.0", &place).unwrap();
        assert!(place.join("Cargo.toml").is_file());
    }
}
