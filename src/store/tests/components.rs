//! Toolchains share the components that they have in common.

use std::os::unix::fs::MetadataExt as _;

use super::*;

fn rustc() -> Vec<u8> {
    let files = [("bin/rustc", "compiler"), ("lib/a/b", "library")];
    component("rustc", &files, "file:bin/rustc\ndir:lib/a\n", "3\n")
}

fn cargo() -> Vec<u8> {
    component("cargo", &[("bin/cargo", "z")], "file:bin/cargo\n", "3\n")
}

#[test]
fn components_of_another_toolchain_are_linked() {
    let fixture = Fixture::new();
    let compiler = fixture.artifact("rustc", &rustc());
    let first = fixture
        .install_artifacts(Recipe::Rust, std::slice::from_ref(&compiler))
        .unwrap();
    fs::remove_file(compiler.url.to_file_path().unwrap()).unwrap();
    let both = [fixture.artifact("cargo", &cargo()), compiler];
    let second = fixture.install_artifacts(Recipe::Rust, &both).unwrap();
    for path in ["bin/rustc", "lib/a/b"] {
        let inode = |place: &PathBuf| fs::metadata(place.join(path)).unwrap().ino();
        assert_eq!(inode(&first), inode(&second), "{path}");
    }
    let names = fs::read_to_string(second.join("lib/rustlib/components")).unwrap();
    assert_eq!(names, "cargo\nrustc\n");
    fixture.store().verify(&second).unwrap();
    remove_tree(&first).unwrap();
    fixture.store().verify(&second).unwrap();
}

#[test]
fn a_damaged_component_is_downloaded() {
    let fixture = Fixture::new();
    let compiler = fixture.artifact("rustc", &rustc());
    let first = fixture
        .install_artifacts(Recipe::Rust, std::slice::from_ref(&compiler))
        .unwrap();
    let damaged = first.join("lib/a/b");
    fs::set_permissions(&damaged, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&damaged, "forgery").unwrap();
    let both = [fixture.artifact("cargo", &cargo()), compiler];
    let second = fixture.install_artifacts(Recipe::Rust, &both).unwrap();
    assert_eq!(
        fs::read_to_string(second.join("lib/a/b")).unwrap(),
        "library"
    );
    fixture.store().verify(&second).unwrap();
}

#[test]
fn a_component_with_another_digest_is_downloaded() {
    let fixture = Fixture::new();
    fixture
        .install(Recipe::Rust, &[("rustc", rustc())])
        .unwrap();
    let files = [("bin/rustc", "another")];
    let other = component("rustc", &files, "file:bin/rustc\n", "3\n");
    let second = fixture.install(Recipe::Rust, &[("rustc", other)]).unwrap();
    let compiler = fs::read_to_string(second.join("bin/rustc")).unwrap();
    assert_eq!(compiler, "another");
}

#[test]
fn a_toolchain_may_have_only_components_of_another_one() {
    let fixture = Fixture::new();
    let compiler = fixture.artifact("rustc", &rustc());
    let both = [compiler.clone(), fixture.artifact("cargo", &cargo())];
    fixture.install_artifacts(Recipe::Rust, &both).unwrap();
    let alone = fixture
        .install_artifacts(Recipe::Rust, std::slice::from_ref(&compiler))
        .unwrap();
    let names = fs::read_to_string(alone.join("lib/rustlib/components")).unwrap();
    assert_eq!(names, "rustc\n");
    fixture.store().verify(&alone).unwrap();
}
