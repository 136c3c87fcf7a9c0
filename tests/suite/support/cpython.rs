//! `CPython` archives in the shape of python-build-standalone: a tiny one, and the local interpreter repackaged.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use devsh::package::System;
use serde_json::{Value, json};

use super::{
    Sandbox, Server,
    archive::{gzip, script, sha256, tar},
    repository, require,
};

/// Serves a list in uv's format with tiny interpreters of these versions and flavours.
pub(crate) fn serve_list(server: &Server, builds: &[(&str, &str)]) {
    let archives = builds
        .iter()
        .map(|(version, variant)| (*version, *variant, tiny_flavour(version, variant)));
    serve_archives(server, &archives.collect::<Vec<_>>());
}

/// Serves a list in uv's format with these versions, flavours and archives.
pub(crate) fn serve_archives(server: &Server, builds: &[(&str, &str, Vec<u8>)]) {
    let system = System::current().expect("tests run where artifacts exist");
    let (arch, os) = system
        .as_str()
        .split_once('-')
        .map_or(("", ""), |(os, arch)| (arch, os));
    let (os, libc) = if os == "macos" {
        ("darwin", "none")
    } else {
        ("linux", "gnu")
    };
    let mut list = serde_json::Map::new();
    for (version, variant, archive) in builds {
        let path = format!("/builds/{version}{variant}.tar.gz");
        let numbers: Vec<u64> = version
            .split('.')
            .map(|part| part.parse().unwrap())
            .collect();
        let variant = (!variant.is_empty()).then_some("freethreaded");
        list.insert(
            path.clone(),
            json!({
                "name": "cpython", "arch": { "family": arch, "variant": null }, "os": os, "libc": libc,
                "major": numbers[0], "minor": numbers[1], "patch": numbers[2], "prerelease": "",
                "url": format!("{}{path}", server.address()), "sha256": sha256(archive),
                "variant": variant, "build": "20260101",
            }),
        );
        server.serve(&path, archive.clone());
    }
    server.serve("/list.json", Value::Object(list).to_string());
}

/// Returns an archive whose interpreter is a shell script that knows its version.
pub(crate) fn tiny(version: &str) -> Vec<u8> {
    tiny_flavour(version, "")
}

/// Returns the same with `flavour` after the interpreter's name: `t` for free-threaded.
pub(crate) fn tiny_flavour(version: &str, flavour: &str) -> Vec<u8> {
    let minor = format!("{}{flavour}", minor(version));
    let program = script("Python", version);
    let path = format!("python/bin/python{minor}");
    let target = format!("python{minor}");
    let header = format!("python/include/python{minor}/patchlevel.h");
    let about = format!("#define PY_VERSION \"{version}\"\n");
    let members = [
        (path.as_str(), program.as_slice(), true),
        ("python/lib/README", b"no library".as_slice(), false),
        (header.as_str(), about.as_bytes(), false),
    ];
    let links = [
        ("python/bin/python3", target.as_str()),
        ("python/bin/python", target.as_str()),
    ];
    gzip(&tar(&members, &links))
}

/// Serves `archive` as `CPython` of `version` for this machine, below `/python`.
///
/// The lockfile has the digest of the real build, so call `adopt` after it is written.
pub(crate) fn serve(server: &Server, version: &str, archive: &[u8]) {
    serve_for(server, own_system(), version, archive);
}

/// Serves `archive` as `CPython` for a system.
pub(crate) fn serve_for(server: &Server, system: System, version: &str, archive: &[u8]) {
    let (url, _) = build(version, system);
    let (_, path) = url.split_once("/download/").expect("a release's address");
    let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    server.serve(&format!("/python/{path}"), archive);
}

/// Replaces the digest of the real build in the project's lockfile by that of `archive`.
pub(crate) fn adopt(sandbox: &Sandbox, version: &str, archive: &[u8]) {
    adopt_for(sandbox, own_system(), version, archive);
}

/// Replaces the digest of the real build for a system.
pub(crate) fn adopt_for(sandbox: &Sandbox, system: System, version: &str, archive: &[u8]) {
    let path = sandbox.project().join("devshell.lock");
    let text = fs::read_to_string(&path).expect("it is locked");
    let (_, digest) = build(version, system);
    assert!(text.contains(&digest), "the real build is locked:\n{text}");
    fs::write(&path, text.replace(&digest, &sha256(archive))).expect("own file");
}

fn own_system() -> System {
    System::current().expect("tests run where artifacts exist")
}

/// Returns the address and digest of the build for a system in the compiled-in index.
fn build(version: &str, system: System) -> (String, String) {
    let text = fs::read(repository().join("src/sources/python-builds.json")).expect("it is there");
    let index: Value = serde_json::from_slice(&text).expect("it is JSON");
    let build = &index["versions"][version][system.triple()];
    let text = |key: &str| build[key].as_str().expect("it is in the index").to_owned();
    (text("url"), text("sha256"))
}

fn minor(version: &str) -> &str {
    version.rsplit_once('.').expect("three numbers").0
}

/// Returns the version of the local interpreter and an archive of it that runs in any directory.
///
/// Only an interpreter in a separate tree can be repackaged, as pyenv builds it.
pub(crate) fn repackaged() -> Option<(String, Vec<u8>)> {
    let (version, prefix) = local()?;
    let archive = repackage(&prefix, minor(&version));
    Some((version, archive))
}

/// Returns the directory of the local interpreter.
pub(crate) fn prefix() -> Option<PathBuf> {
    local().map(|(_, prefix)| prefix)
}

/// Returns version and tree of the local interpreter, if it has a separate tree.
fn local() -> Option<(String, PathBuf)> {
    let python = require("python3")?;
    let output = Command::new(python)
        .args([
            "-c",
            "import sys, platform; print(platform.python_version()); print(sys.base_prefix)",
        ])
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("it prints text");
    let (version, prefix) = text.trim_end().split_once('\n')?;
    let shared = format!("lib/libpython{}.so.1.0", minor(version));
    if prefix == "/usr" || !Path::new(prefix).join(shared).exists() {
        eprintln!("skipped: the python here has no tree of its own to repackage");
        return None;
    }
    Some((version.to_owned(), PathBuf::from(prefix)))
}

fn repackage(prefix: &Path, minor: &str) -> Vec<u8> {
    let mut paths = vec![
        PathBuf::from(format!("bin/python{minor}")),
        PathBuf::from(format!("lib/libpython{minor}.so.1.0")),
    ];
    collect(
        prefix,
        &PathBuf::from(format!("lib/python{minor}")),
        &mut paths,
    );
    collect(
        prefix,
        &PathBuf::from(format!("include/python{minor}")),
        &mut paths,
    );
    paths.sort();
    let files: Vec<_> = paths
        .iter()
        .map(|path| {
            let content = fs::read(prefix.join(path)).expect("a readable interpreter");
            let program =
                path.starts_with("bin") || path.extension().is_some_and(|end| end == "so");
            (
                format!("python/{}", path.display()),
                relocated(prefix, content),
                program,
            )
        })
        .collect();
    let members: Vec<_> = files
        .iter()
        .map(|(path, content, program)| (path.as_str(), content.as_slice(), *program))
        .collect();
    let target = format!("python{minor}");
    let links = [
        ("python/bin/python", target.as_str()),
        ("python/bin/python3", target.as_str()),
    ];
    gzip(&tar(&members, &links))
}

/// Collects the files below `directory` that a dev shell needs.
fn collect(prefix: &Path, directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(prefix.join(directory)).expect("a readable interpreter") {
        let entry = entry.expect("a readable entry");
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let unwanted = matches!(
            &*name,
            "site-packages" | "test" | "tests" | "__pycache__" | "idlelib"
        ) || name.starts_with("config-");
        let path = directory.join(&*name);
        if unwanted {
            continue;
        }
        if prefix.join(&path).is_dir() {
            collect(prefix, &path, paths);
        } else {
            paths.push(path);
        }
    }
}

/// Overwrites the absolute library path of a program with one that begins at the program itself.
///
/// The new one is shorter, so it fits in place; other texts get the prefix that real archives carry.
fn relocated(prefix: &Path, mut content: Vec<u8>) -> Vec<u8> {
    let prefix = prefix.to_str().expect("a text");
    if !content.starts_with(b"\x7fELF") {
        return match String::from_utf8(content) {
            Ok(text) => text.replace(prefix, "/install").into_bytes(),
            Err(error) => error.into_bytes(),
        };
    }
    let old = format!("{prefix}/lib\0");
    let mut new = b"$ORIGIN/../lib".to_vec();
    assert!(
        new.len() < old.len(),
        "{prefix} is too short to be replaced"
    );
    new.resize(old.len(), 0);
    let places: Vec<_> = content
        .windows(old.len())
        .enumerate()
        .filter_map(|(at, window)| (window == old.as_bytes()).then_some(at))
        .collect();
    for at in places {
        content[at..at + old.len()].copy_from_slice(&new);
    }
    content
}
