//! Flipped bits: each is found, and the file is repaired from the source.

use super::{
    chance::{Chance, effort},
    *,
};

#[test]
fn every_flipped_bit_is_found_and_repaired() {
    let fixture = Fixture::new();
    let artifact = fixture.artifact("", &python());
    let install = || fixture.install_artifacts(Recipe::Python, std::slice::from_ref(&artifact));
    let place = install().unwrap();
    let store = fixture.store();
    // An object whose record is damaged is removed, since its source is not known.
    let mut files: Vec<PathBuf> = list_files(&place);
    files.retain(|path| !path.ends_with(file_manifest::RECORD));
    assert!(files.len() > 6);
    let (mut chance, rounds, mut repaired) = (Chance(3), effort(300, 10_000), 0);
    for round in 0..rounds {
        let path = &files[chance.below(files.len())];
        let mut bytes = fs::read(path).unwrap();
        if bytes.is_empty() {
            continue;
        }
        let (original, mode) = (bytes.clone(), fs::metadata(path).unwrap().permissions());
        let (at, bit) = (chance.below(bytes.len()), chance.below(8));
        bytes[at] ^= 1 << bit;
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(path, &bytes).unwrap();
        fs::set_permissions(path, mode.clone()).unwrap();
        let verdict = store.examine(&place);
        assert!(
            !verdict.damage.is_empty(),
            "{}: byte {at}, bit {bit}",
            path.display()
        );
        // Every tenth in the long form, every one in the short: a repair is an installation.
        if rounds > 1000 && round % 10 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
            fs::write(path, &original).unwrap();
            fs::set_permissions(path, mode).unwrap();
            continue;
        }
        let cache = fixture.directory.path().join("cache");
        let downloads = Downloads {
            client: &fixture.client,
            config: &fixture.config,
            directory: &cache,
        };
        let repaired_place = store.repair(&verdict, &downloads, &Silent).unwrap();
        assert_eq!(repaired_place.as_deref(), Some(place.as_path()));
        assert_eq!(fs::read(path).unwrap(), original, "{}", path.display());
        assert!(store.examine(&place).damage.is_empty());
        repaired += 1;
    }
    eprintln!(
        "figure: {rounds} flipped bits, all found; {repaired} of {repaired} repaired from the source"
    );
}

fn list_files(place: &Path) -> Vec<PathBuf> {
    let (mut files, mut pending) = (Vec::new(), vec![place.to_owned()]);
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                pending.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}
