//! Objects that devsh builds (a Python environment) instead of unpacking artifacts.
//!
//! The caller fills an empty private directory; the rest is as for every object: one process makes it, the tree is
//! hashed, recorded, made durable and renamed.
//!
//! Invariants: the content must not name its own path, since it is made in another place; nothing in it can be
//! written afterwards but bytecode, since its directories are read-only too.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{
    Error, ObjectRecord, Recipe, Store, StorePath,
    file_manifest::{BYTECODE, FileManifest},
    install::Existing,
};
use crate::{
    fetch::Meter,
    package::{PackageName, Version},
    util::files,
};

/// The inputs of an object; name, version, recipe and `key` decide its store path.
#[derive(Debug, Clone, Copy)]
pub struct BuiltObject<'a> {
    /// Its name, for people.
    pub name: &'a PackageName,
    /// Its version, for people.
    pub version: &'a Version,
    pub recipe: Recipe,
    /// All inputs as bytes.
    pub key: &'a [u8],
    /// The inputs for people, one line each, as in the record.
    pub inputs: &'a [String],
    /// True if it came from a cache, or has parts that did.
    pub is_received: bool,
}

impl Store {
    /// Returns the object's directory; `make` fills an empty directory when the object is not there.
    pub fn build<E: From<Error>>(
        &self,
        built: &BuiltObject<'_>,
        meter: &dyn Meter,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        let path = StorePath::of_built(built);
        self.make_once(Existing::Trusted, &path, meter, |temporary| {
            fs::create_dir(temporary)
                .map_err(files::at("create", temporary))
                .map_err(Error::from)?;
            make(temporary)?;
            meter.step("publishing", None);
            close(temporary)?;
            let manifest = FileManifest::of(temporary).map_err(Error::from)?;
            let record = ObjectRecord::of_built(built, manifest.hash());
            let place = self.root().join(path.as_str());
            Ok(self.publish(temporary, &place, &manifest, &record, || ())?)
        })
    }
}

/// Makes everything below `directory` read-only, but not `directory`, which is renamed later.
pub(super) fn close(directory: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(directory).map_err(files::at("read", directory))? {
        let entry = entry.map_err(files::at("read", directory))?;
        let path = entry.path();
        let metadata = fs::symlink_metadata(&path).map_err(files::at("read", &path))?;
        let mode = if metadata.is_symlink() {
            continue;
        } else if metadata.is_dir() {
            close(&path)?;
            // Python adds bytecode later, which is no part of the object.
            if entry.file_name() == BYTECODE {
                0o755
            } else {
                0o555
            }
        } else if metadata.permissions().mode() & 0o111 != 0 {
            0o555
        } else {
            0o444
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .map_err(files::at("write", &path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::fetch::{Progress as _, Silent};

    #[test]
    fn an_object_is_built_once_and_read_only() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path());
        let (name, version) = ("env".parse().unwrap(), "3.12".parse().unwrap());
        let inputs = ["idna 3.10".to_owned()];
        let built = |key| BuiltObject {
            name: &name,
            version: &version,
            recipe: Recipe::Environment,
            key,
            inputs: &inputs,
            is_received: false,
        };
        let meter = Silent.start("x", "making", None);
        let make = |root: &Path| {
            fs::create_dir_all(root.join("lib/deep")).unwrap();
            fs::write(root.join("lib/deep/a.py"), "1").unwrap();
            symlink("/usr/bin/env", root.join("lib/python")).unwrap();
            Ok::<(), Error>(())
        };
        let failed = store.build(&built(b"1"), &*meter, |root| {
            make(root)?;
            Err(Error::Damaged {
                path: "x".to_owned(),
            })
        });
        assert!(failed.is_err());
        let left = fs::read_dir(directory.path().join("store")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(
            left.iter()
                .all(|name| name.to_string_lossy().starts_with('.'))
        );

        let place = store.build(&built(b"1"), &*meter, make).unwrap();
        let again = store.build::<Error>(&built(b"1"), &*meter, |_| panic!("it is there"));
        assert_eq!(again.unwrap(), place);
        assert_ne!(store.build(&built(b"2"), &*meter, make).unwrap(), place);
        let mode = |path: &str| fs::metadata(place.join(path)).unwrap().permissions().mode();
        assert_eq!(mode("lib/deep") & 0o777, 0o555);
        assert_eq!(mode("lib/deep/a.py") & 0o777, 0o444);
        let record = store.verify(&place).unwrap();
        assert_eq!(
            (record.recipe.as_str(), &*record.inputs),
            ("environment", &inputs[..])
        );
        assert!(
            place
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .ends_with("-env-3.12")
        );

        fs::set_permissions(
            place.join("lib/deep/a.py"),
            fs::Permissions::from_mode(0o600),
        )
        .unwrap();
        fs::write(place.join("lib/deep/a.py"), "2").unwrap();
        assert!(matches!(store.verify(&place), Err(Error::Damaged { .. })));
    }
}
