//! Objects that were changed from outside, and stores of other versions.

use super::*;

#[test]
fn damage_is_seen() {
    let fixture = Fixture::new();
    let place = fixture.install(Recipe::Python, &[("", python())]).unwrap();
    fs::create_dir(place.join("lib/python3.12/__pycache__")).unwrap();
    assert!(fixture.store().verify(&place).is_ok());
    let file = place.join("lib/python3.12/os.py");
    fs::remove_file(&file).unwrap();
    fs::write(&file, "x = 2\n").unwrap();
    assert!(matches!(
        fixture.store().verify(&place),
        Err(Error::Damaged { .. })
    ));
}

#[test]
fn a_damaged_object_is_made_anew_and_a_moved_one_sealed_again() {
    let fixture = Fixture::new();
    let place = fixture.install(Recipe::Python, &[("", python())]).unwrap();
    assert!(holds(&place));
    let program = place.join("bin/python3.12");
    let whole = fs::read(&program).unwrap();
    for damage in [
        |path: &Path| fs::write(path, "").unwrap(),
        |path: &Path| fs::remove_file(path).unwrap(),
        |path: &Path| fs::write(path, "#!/bin/sh\necho Python 3.12.5\n").unwrap(),
    ] {
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        damage(&program);
        assert!(!holds(&place));
        let again = fixture.install(Recipe::Python, &[("", python())]).unwrap();
        assert_eq!(again, place);
        assert_eq!(fs::read(&program).unwrap(), whole);
        assert!(holds(&place));
    }
    // A backup brings the bytes back and nothing that only this file system knows.
    let copy = place.with_extension("copy");
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([&place, &copy])
        .status();
    assert!(copied.unwrap().success());
    fs::remove_dir_all(&place).unwrap();
    fs::rename(&copy, &place).unwrap();
    assert!(!holds(&place));
    let artifact = fixture.artifact("", &python());
    fs::remove_file(artifact.url.to_file_path().unwrap()).unwrap();
    let again = fixture
        .install_artifacts(Recipe::Python, &[artifact])
        .unwrap();
    assert!(
        holds(&again),
        "read as a whole and sealed without a download"
    );
    let traces = [".building", ".trash", ".uses"].map(|name| {
        let left = fs::read_dir(fixture.store().root().join(name));
        left.unwrap().count()
    });
    assert_eq!(traces, [0; 3]);
}

#[test]
fn a_store_of_a_newer_devsh_is_read_and_never_written() {
    let fixture = Fixture::new();
    let artifact = fixture.artifact("", &python());
    let install = || fixture.install_artifacts(Recipe::Python, std::slice::from_ref(&artifact));
    let place = install().unwrap();
    let marker = fixture.store().root().join(".format");
    fs::write(&marker, "2\n").unwrap();
    assert_eq!(install().unwrap(), place);
    fs::remove_file(place.join(".devsh-object.json")).unwrap();
    let error = install().unwrap_err();
    assert!(
        matches!(error, Error::Newer { found: 2, known: 1 }),
        "{error}"
    );
    assert_eq!(fs::read(&marker).unwrap(), b"2\n");
    fs::write(&marker, "\0\0").unwrap();
    assert_eq!(
        install().unwrap(),
        place,
        "a damaged marker is written anew"
    );
    assert_eq!(fs::read(&marker).unwrap(), b"1\n");
}

#[test]
fn an_object_that_was_aside_keeps_its_seal() {
    let fixture = Fixture::new();
    let place = fixture.install(Recipe::Python, &[("", python())]).unwrap();
    let store = fixture.store();
    let sift = |collection: &mut Collection<'_>, wanted: &[PathBuf]| {
        let all = || Ok::<_, Error>(vec![place.clone()]);
        let wanted = || {
            // A build that begins meanwhile.
            fixture.store().sweep();
            Ok(wanted.iter().cloned().collect())
        };
        collection.sift(all, wanted).unwrap();
    };
    let mut collection = store.collect(|| ()).unwrap();
    sift(&mut collection, std::slice::from_ref(&place));
    assert!(place.exists() && !sealed_paths(&place).is_empty());
    // A collector that is killed before it removes anything.
    sift(&mut collection, &[]);
    assert!(!place.exists());
    drop(collection);
    let mut collection = store.collect(|| ()).unwrap();
    assert!(place.exists() && !sealed_paths(&place).is_empty());
    sift(&mut collection, &[]);
    collection.finish().unwrap();
    assert!(!place.exists() && sealed_paths(&place).is_empty());
}

#[test]
fn what_a_collector_had_begun_to_remove_does_not_come_back() {
    let fixture = Fixture::new();
    let place = fixture.install(Recipe::Python, &[("", python())]).unwrap();
    let store = fixture.store();
    let mut collection = store.collect(|| ()).unwrap();
    let all = || Ok::<_, Error>(vec![place.clone()]);
    collection
        .sift(all, || Ok(std::collections::BTreeSet::default()))
        .unwrap();
    // It cannot go on when it is to remove things.
    let condemned = fs::read_dir(store.root().join(".condemned")).unwrap();
    let condemned: Vec<_> = condemned.map(|entry| entry.unwrap().path()).collect();
    let trash = store.root().join(".trash");
    fs::remove_dir(&trash).unwrap();
    assert!(collection.finish().is_err());
    fs::create_dir(&trash).unwrap();
    assert!(
        condemned[0].join("bin/python3.12").exists(),
        "nothing is removed in its old place"
    );
    store.collect(|| ()).unwrap().finish().unwrap();
    assert!(store.verify(&place).is_ok());
}

#[test]
fn what_another_container_makes_or_uses_is_left_alone() {
    let fixture = Fixture::new();
    let store = fixture.store();
    fixture.install(Recipe::Python, &[("", python())]).unwrap();
    // Of processes that are not to be seen here, and hold their locks.
    let (building, noted) = (".building/0123.99999999.1", ".uses/99999999.1.x");
    fs::create_dir_all(store.root().join(building)).unwrap();
    fs::create_dir_all(store.root().join(".uses")).unwrap();
    fs::write(store.root().join(noted), "store/a\n").unwrap();
    let maker = crate::util::files::lock(&store.root().join(".locks/0123")).unwrap();
    let user = crate::util::files::lock(&store.root().join(noted)).unwrap();
    store.sweep();
    assert!(store.root().join(building).exists());
    assert!(store.in_use().unwrap().contains(&"store/a".to_owned()));
    drop((maker, user));
    store.sweep();
    assert!(!store.root().join(building).exists() && !store.root().join(noted).exists());
    assert!(!store.in_use().unwrap().contains(&"store/a".to_owned()));
}
