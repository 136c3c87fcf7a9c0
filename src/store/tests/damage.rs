//! Objects that were changed from outside, and stores of other versions.

use super::*;
use crate::store::{
    file_manifest::{FileManifest, MANIFEST, RECORD},
    object::write_read_only,
};

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
fn a_missing_object_is_made_again_and_a_copy_is_used() {
    let fixture = Fixture::new();
    let place = fixture.install(Recipe::Python, &[("", python())]).unwrap();
    let copy = place.with_extension("copy");
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([&place, &copy])
        .status();
    assert!(copied.unwrap().success());
    fs::remove_dir_all(&place).unwrap();
    assert!(!is_published(&place));
    let again = fixture.install(Recipe::Python, &[("", python())]).unwrap();
    assert!(again == place && is_published(&place));
    fs::remove_dir_all(&place).unwrap();
    fs::rename(&copy, &place).unwrap();
    let artifact = fixture.artifact("", &python());
    fs::remove_file(artifact.url.to_file_path().unwrap()).unwrap();
    let again = fixture.install_artifacts(Recipe::Python, &[artifact]);
    assert_eq!(again.unwrap(), place, "used without a download");
    let traces = [".building", ".trash", ".leases/store"].map(|name| {
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
        "a damaged marker is written again"
    );
    assert_eq!(fs::read(&marker).unwrap(), b"1\n");
}

#[test]
fn a_collection_that_was_killed_leaves_nothing_half_removed() {
    let fixture = Fixture::new();
    let place = fixture.install(Recipe::Python, &[("", python())]).unwrap();
    let store = fixture.store();
    let mut collection = store.collect(|| ()).unwrap();
    collection.discard(&place).unwrap();
    collection.discard(&place).unwrap();
    drop(collection);
    assert!(!place.exists());
    let trash = store.root().join(".trash");
    let left: Vec<_> = fs::read_dir(&trash)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(left.len(), 1);
    // The trash of a process that ended is removed by the next one.
    let (name, _) = left[0].to_str().unwrap().rsplit_once('.').unwrap();
    let (name, _) = name.rsplit_once('.').unwrap();
    fs::rename(&left[0], format!("{name}.99999999.1")).unwrap();
    store.sweep();
    assert_eq!(fs::read_dir(&trash).unwrap().count(), 0);
    assert_eq!(
        fixture.install(Recipe::Python, &[("", python())]).unwrap(),
        place
    );
}

#[test]
fn objects_of_another_container_are_left_alone() {
    let fixture = Fixture::new();
    let store = fixture.store();
    fixture.install(Recipe::Python, &[("", python())]).unwrap();
    // The processes are not visible here, but hold their locks.
    let building = ".building/0123.99999999.1";
    fs::create_dir_all(store.root().join(building)).unwrap();
    let maker = crate::util::files::lock(&store.root().join(".locks/0123")).unwrap();
    let user = leases::Lease::take(store.root(), "store/a").unwrap();
    store.sweep();
    assert!(store.root().join(building).exists());
    let data = fixture.directory.path().join("data");
    let leased = || leases::leased(&data).unwrap();
    assert_eq!(leased(), [store.root().join("a")]);
    drop((maker, user));
    store.sweep();
    assert!(!store.root().join(building).exists());
    assert!(leased().is_empty());
}

#[test]
fn an_object_cannot_vouch_for_itself() {
    let fixture = Fixture::new();
    let place = fixture.install(Recipe::Python, &[("", python())]).unwrap();
    let store = fixture.store();
    let mut record = store.verify(&place).unwrap();
    // Everything inside the object is made to fit the changed file.
    for own in [MANIFEST, RECORD] {
        fs::remove_file(place.join(own)).unwrap();
    }
    fs::remove_file(place.join("bin/python3.12")).unwrap();
    fs::write(place.join("bin/python3.12"), "#!/bin/sh\necho other\n").unwrap();
    let manifest = FileManifest::of(&place).unwrap();
    write_read_only(&place.join(MANIFEST), manifest.text().as_bytes()).unwrap();
    record.reseal(manifest.hash());
    write_read_only(&place.join(RECORD), &record.bytes().unwrap()).unwrap();
    let damage = store.examine(&place).damage;
    assert_eq!(damage.len(), 1);
    assert_eq!(
        (damage[0].path.as_str(), damage[0].fault),
        (RECORD, DamageKind::Changed)
    );
}

#[test]
fn an_object_forged_with_its_seal_differs_from_its_artifact() {
    let fixture = Fixture::new();
    let place = fixture.install(Recipe::Python, &[("", python())]).unwrap();
    let store = fixture.store();
    let mut record = store.verify(&place).unwrap();
    for path in [MANIFEST, RECORD, "bin/python3.12"] {
        fs::remove_file(place.join(path)).unwrap();
    }
    fs::write(place.join("bin/python3.12"), "#!/bin/sh\necho other\n").unwrap();
    fs::set_permissions(
        place.join("bin/python3.12"),
        fs::Permissions::from_mode(0o555),
    )
    .unwrap();
    let manifest = FileManifest::of(&place).unwrap();
    write_read_only(&place.join(MANIFEST), manifest.text().as_bytes()).unwrap();
    record.reseal(manifest.hash());
    record.write(&place, &place).unwrap();
    let verdict = store.examine(&place);
    assert_eq!(verdict.damage, []);

    let cache = fixture.directory.path().join("cache");
    let downloads = Downloads {
        client: &fixture.client,
        config: &fixture.config,
        directory: &cache,
    };
    let compare = |from| {
        let compared = store.compare_with_artifacts(&verdict, from, &downloads, &Silent);
        compared.unwrap()
    };
    assert_eq!(compare(ArtifactsFrom::Cache), None);
    let changed = [Damage {
        path: "bin/python3.12".to_owned(),
        fault: DamageKind::Changed,
    }];
    assert_eq!(compare(ArtifactsFrom::Servers).unwrap(), changed);
    // A download that was there already is used and stays.
    let artifact = &record.sources().unwrap()[0];
    let kept = crate::fetch::partial(&cache, &artifact.digest);
    let served = artifact.url.to_file_path().unwrap();
    fs::rename(&served, &kept).unwrap();
    assert_eq!(compare(ArtifactsFrom::Cache).unwrap(), changed);
    fs::copy(&kept, &served).unwrap();
    store
        .repair(&verdict, &downloads, &Silent)
        .unwrap()
        .unwrap();
    assert_eq!(compare(ArtifactsFrom::Servers), Some(Vec::new()));
    assert!(store.examine(&place).damage.is_empty());
}
