//! Environments of wheels that the lockfile names with their addresses.
//!
//! All wheels are downloaded at once, and each is unpacked as soon as it is there. The downloads stay in the cache, because
//! the next version of a lockfile has most of them again.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use super::{
    BuiltObject, Downloads, Error, ObjectRecord, Store, StorePath,
    file_manifest::{BYTECODE, FileManifest, TreeNode},
    free_space,
    install::Existing,
    recipes::{MODIFIED, WheelPlaces, admitted_size, install_wheel},
    tree_builder::{Placed, Tree},
    unpack::ArchiveFile,
};
use crate::{
    fetch::Meter,
    lockfile::Artifact,
    package::{PackageName, Version},
    util::files,
};

/// Wheels that are downloaded at once.
const THREADS: usize = 8;

/// The wheel of one version of a package.
#[derive(Debug, Clone)]
pub struct PackageWheel {
    pub name: PackageName,
    pub version: Version,
    pub artifact: Artifact,
}

/// The Python of an environment.
#[derive(Debug, Clone, Copy)]
pub struct EnvironmentPython<'a> {
    /// Its minor version (`3.12`).
    pub minor: &'a str,
    pub program: &'a Path,
    /// The content of `pyvenv.cfg`.
    pub settings: &'a [u8],
}

impl Store {
    /// Returns the directory of an environment with exactly these wheels, installing them first if it is missing.
    ///
    /// It fails for wheels that do not follow their specification to the letter, or have different files of one name.
    pub fn install_wheels(
        &self,
        built: &BuiltObject<'_>,
        python: EnvironmentPython<'_>,
        wheels: &[PackageWheel],
        downloads: &Downloads<'_>,
        meter: &dyn Meter,
    ) -> Result<PathBuf, Error> {
        let path = StorePath::of_built(built);
        self.make_once(Existing::Trusted, &path, meter, |temporary| {
            fs::create_dir(temporary).map_err(files::at("create", temporary))?;
            let artifacts: Vec<&Artifact> = wheels.iter().map(|wheel| &wheel.artifact).collect();
            free_space::check(built.name, &artifacts, self.root(), downloads)?;
            let mut tree = Tree::new(temporary);
            let links = add_python(python, &mut tree)?;
            unpack_all(python, wheels, downloads, &mut tree, meter)?;
            meter.step("publishing", None);
            let manifest = finish(tree, temporary, links)?;
            let record = ObjectRecord::of_built(built, manifest.hash());
            let place = self.root().join(path.as_str());
            self.publish(temporary, &place, &manifest, &record, || ())
        })
    }
}

/// Adds the settings of an environment, and keeps the places of the links to its Python, which it returns.
fn add_python(
    python: EnvironmentPython<'_>,
    tree: &mut Tree,
) -> Result<Vec<(String, PathBuf)>, Error> {
    tree.admit(python.settings.len() as u64);
    let placed = Placed {
        executable: false,
        mtime: Some(MODIFIED),
    };
    tree.file("pyvenv.cfg", placed, &mut &python.settings[..])?;
    tree.directory("bin")?;
    tree.directory(&format!("lib/python{}/site-packages", python.minor))?;
    let links = vec![
        ("bin/python".to_owned(), python.program.to_owned()),
        ("bin/python3".to_owned(), "python".into()),
        (format!("bin/python{}", python.minor), "python".into()),
    ];
    for (place, _) in &links {
        tree.reserve(place)?;
    }
    Ok(links)
}

/// Downloads the wheels, and unpacks each of them.
fn unpack_all(
    python: EnvironmentPython<'_>,
    wheels: &[PackageWheel],
    downloads: &Downloads<'_>,
    tree: &mut Tree,
    meter: &dyn Meter,
) -> Result<(), Error> {
    let places = WheelPlaces::of(python.minor);
    let (next, left) = (&AtomicUsize::new(0), &AtomicUsize::new(wheels.len()));
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..wheels.len().min(THREADS) {
            let sender = sender.clone();
            scope.spawn(move || {
                while let Some(wheel) = wheels.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let download = downloads.artifact(&wheel.artifact, meter);
                    if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                        meter.step("installing", None);
                    }
                    let failed = download.is_err();
                    // No one receives it after the first failure.
                    if sender.send((wheel, download)).is_err() || failed {
                        next.store(wheels.len(), Ordering::Relaxed);
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (wheel, download) in receiver {
            let download = download?;
            let file = download
                .open()
                .map_err(files::at("read", Path::new(&wheel.artifact.part)))?;
            let size = file.metadata().map_or(0, |metadata| metadata.len());
            tree.admit(admitted_size(size));
            let archive = ArchiveFile::silent(file);
            install_wheel(&wheel.name, &wheel.version, archive, &places, tree).map_err(
                |reason| Error::Unpack {
                    artifact: wheel.artifact.part.clone(),
                    reason: Box::new(reason),
                },
            )?;
        }
        Ok(())
    })
}

/// Adds directories for bytecode and the links, and closes the tree.
fn finish(
    mut tree: Tree,
    temporary: &Path,
    links: Vec<(String, PathBuf)>,
) -> Result<FileManifest, Error> {
    let modules = tree.nodes().map(|(path, _)| path).filter(|path| {
        let is_module = Path::new(path).extension().is_some_and(|end| end == "py");
        is_module && path.starts_with("lib/")
    });
    let bytecode: BTreeSet<String> = modules
        .filter_map(|path| path.rsplit_once('/'))
        .map(|(directory, _)| format!("{directory}/{BYTECODE}"))
        .collect();
    for directory in &bytecode {
        tree.directory(directory)?;
    }
    // Now: later their directory is closed.
    for (place, target) in &links {
        let place = temporary.join(place);
        symlink(target, &place).map_err(files::at("link", &place))?;
    }
    let mut manifest = tree.finish(true)?;
    for (place, target) in links {
        let target = target.to_string_lossy().into_owned();
        manifest.0.insert(place, TreeNode::Link { target });
    }
    for directory in bytecode {
        // Python adds bytecode later, which is no part of the object.
        let place = temporary.join(directory);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&place, mode).map_err(files::at("write", &place))?;
    }
    Ok(manifest)
}
