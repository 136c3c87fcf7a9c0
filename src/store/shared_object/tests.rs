//! Objects from one store to another.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Path, PathBuf},
};

use super::*;
use crate::{
    fetch::Silent,
    package::{PackageName, Version},
    store::{BuiltObject, Error, Recipe, Store},
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
            is_received: false,
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
