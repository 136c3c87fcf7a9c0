//! Images of the examples from the public sources, in real containers; run with `DEVSH_TEST_NETWORK=1` only.
//!
//! The base is a real Debian that mmdebstrap makes, served by a registry on loopback. The interpreter is that of this
//! machine in the shape of its publisher's archive, whose host is not reachable from everywhere.

use std::{fs, path::Path, process::Command};

use crate::{
    network::{copy_example, open},
    support::{
        Sandbox, Server,
        containers::{Bundle, Docker, Podman},
        cpython, network,
        registry::{Registry, run},
        require,
    },
};

/// The libraries that the interpreter of this machine takes from Debian.
const LIBRARIES: [&str; 10] = [
    "ca-certificates",
    "dash",
    "coreutils",
    "libbz2-1.0",
    "libffi8",
    "liblzma5",
    "libsqlite3-0",
    "libssl3",
    "libstdc++6",
    "zlib1g",
];
/// The packages with which Rust links.
const LINKER: [&str; 4] = ["coreutils", "dash", "gcc", "libc6-dev"];
/// The answer of the service.
const HEALTHY: &str = "{\"status\":\"ok\"}\n";
/// Starts the command of the image and asks it until it answers.
const ASK: &str = "\"$@\" & python -c '
import time, urllib.request
for attempt in range(200):
    try:
        print(urllib.request.urlopen(\"http://127.0.0.1:8000/health\").read().decode())
        break
    except OSError:
        time.sleep(0.1)
'; kill $!";

/// Returns a registry with `NAME`, a Debian with these packages.
fn debian(name: &str, packages: &[&str]) -> Option<Registry> {
    for tool in ["mmdebstrap", "podman", "runc", "skopeo", "umoci"] {
        require(tool)?;
    }
    let registry = Registry::start("")?;
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("base.tar");
    run(Command::new("mmdebstrap")
        .args(["--quiet", "--variant=extract"])
        .arg(format!("--include=libc6,libgcc-s1,{}", packages.join(",")))
        // No package is configured, and that would make this link.
        .arg("--extract-hook=mkdir -p \"$1/usr/bin\" && ln -sf gcc \"$1/usr/bin/cc\"")
        .arg("bookworm")
        .arg(&archive));
    let layout = directory.path().join("layout");
    let image = format!("{}:base", layout.display());
    run(Command::new("umoci")
        .args(["init", "--layout"])
        .arg(&layout));
    run(Command::new("umoci").args(["new", "--image", &image]));
    run(Command::new("umoci")
        .args(["raw", "add-layer", "--image", &image])
        .arg(&archive));
    registry.push(&layout, "base", name);
    Some(registry)
}

/// Copies an example whose images have the base of a registry.
fn example(sandbox: &Sandbox, name: &str, base: &str, registry: &Registry) {
    copy_example(sandbox, name);
    let path = sandbox.project().join("devshell.toml");
    let text = fs::read_to_string(&path).unwrap();
    let own = format!("base = \"{}/{base}\"", registry.address);
    let known = format!("base = \"{base}\"");
    let text = if text.contains(&known) {
        text.replace(&known, &own)
    } else {
        text.replace("[image]\n", &format!("[image]\n{own}\n"))
    };
    fs::write(path, text).unwrap();
}

/// Serves the interpreter of this machine, and makes the project's lockfile accept it.
fn with_python(sandbox: Sandbox, server: &Server) -> Sandbox {
    let (version, archive) = cpython::repackaged().unwrap();
    cpython::serve(server, &version, &archive);
    cpython::adopt(&sandbox, &version, &archive);
    let mirror = format!("{}/python", server.address());
    sandbox.env("UV_PYTHON_INSTALL_MIRROR", mirror)
}

fn build(sandbox: &Sandbox, name: &[&str], layout: &Path) -> String {
    let output = ["-o", layout.to_str().unwrap()];
    let arguments = [&["image", "build", "--trust"], name, &output[..]].concat();
    let outcome = sandbox.devsh(&arguments).success();
    outcome.stdout.trim().to_owned()
}

#[test]
fn the_fastapi_example_serves_and_is_tested_in_containers() {
    if !network() || cpython::repackaged().is_none() {
        return;
    }
    let Some(registry) = debian("debian:12-slim", &LIBRARIES) else {
        return;
    };
    let server = Server::start();
    let sandbox = open();
    example(&sandbox, "fastapi", "debian:12-slim", &registry);
    let sandbox = with_python(sandbox, &server);
    let service = sandbox.root().join("service");
    let digest = build(&sandbox, &[], &service);
    let tests = sandbox.root().join("tests");
    build(&sandbox, &["test"], &tests);

    let bundle = Bundle::unpack(&tests, &sandbox.root().join("tests-bundle"));
    assert!(bundle.run(&[]).contains("8 passed"));
    assert!(Podman::new().run_layout(&tests, &[]).contains("8 passed"));

    let bundle = Bundle::unpack(&service, &sandbox.root().join("bundle"));
    let command = ["sh", "-c", ASK, "sh"];
    let command = [&command[..], &["uvicorn", "app.main:app"]].concat();
    assert!(bundle.run(&command).ends_with(HEALTHY));
    assert!(
        Podman::new()
            .run_layout(&service, &command)
            .ends_with(HEALTHY)
    );
    // Groups, linters and the installer are not in the image of the service.
    for absent in ["pytest", "ruff", "uv"] {
        assert!(!bundle.has_program(absent), "{absent}");
    }

    // Another user with another home gets the same image.
    let other = open();
    example(&other, "fastapi", "debian:12-slim", &registry);
    fs::copy(
        sandbox.project().join("devshell.lock"),
        other.project().join("devshell.lock"),
    )
    .unwrap();
    let other = other.env(
        "UV_PYTHON_INSTALL_MIRROR",
        format!("{}/python", server.address()),
    );
    assert_eq!(build(&other, &[], &other.root().join("service")), digest);
}

#[test]
fn the_mixed_example_is_tested_in_containers() {
    if !network() || cpython::repackaged().is_none() {
        return;
    }
    let packages = [&LIBRARIES[..], &LINKER].concat();
    let Some(registry) = debian("gcc:13-bookworm", &packages) else {
        return;
    };
    let server = Server::start();
    let sandbox = open();
    example(&sandbox, "mixed", "gcc:13-bookworm", &registry);
    let sandbox = with_python(sandbox, &server);
    let layout = sandbox.root().join("layout");
    build(&sandbox, &[], &layout);
    let bundle = Bundle::unpack(&layout, &sandbox.root().join("bundle"));
    assert!(bundle.run(&[]).contains("2 passed"));
    assert!(Podman::new().run_layout(&layout, &[]).contains("2 passed"));
}

#[test]
fn the_rust_example_is_a_static_program_and_is_tested_in_containers() {
    if !network() {
        return;
    }
    let Some(registry) = debian("gcc:13-bookworm", &LINKER) else {
        return;
    };
    let sandbox = open();
    example(&sandbox, "rust-crate", "gcc:13-bookworm", &registry);
    let compile = [
        "run",
        "--trust",
        "--shell",
        "static",
        "--",
        "cargo",
        "build",
        "--release",
        "--target",
        "x86_64-unknown-linux-musl",
    ];
    sandbox.devsh(&compile).success();
    let program = sandbox.root().join("program");
    build(&sandbox, &[], &program);
    let bundle = Bundle::unpack(&program, &sandbox.root().join("program-bundle"));
    assert_eq!(bundle.run(&["/wordcount"]), "");
    assert_eq!(Podman::new().run_layout(&program, &[]), "");
    // podman takes what `devsh image load` gives it.
    let podman = Podman::new();
    let mut command = sandbox.command("devsh");
    command
        .args(["image", "load", "--trust", "--tag", "wordcount:dev"])
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", sandbox.root().join("bin").display()),
        )
        // A docker without a daemon is no hindrance.
        .env("DOCKER_HOST", "unix:///absent")
        .env("CONTAINERS_STORAGE_CONF", podman.settings());
    let loaded = sandbox.outcome(&mut command).success().stdout;
    assert_eq!(podman.run(loaded.trim(), &[]), "");

    let tests = sandbox.root().join("tests");
    build(&sandbox, &["test"], &tests);
    let bundle = Bundle::unpack(&tests, &sandbox.root().join("tests-bundle"));
    assert!(bundle.run(&[]).contains("test result: ok"));
    assert!(
        Podman::new()
            .run_layout(&tests, &[])
            .contains("test result: ok")
    );

    // docker takes it too, with a daemon of its own.
    let Some(_daemon) = require("dockerd") else {
        return;
    };
    let docker = Docker::start();
    let load = ["image", "load", "--trust", "--tag", "wordcount:dev"];
    let mut command = sandbox.command("devsh");
    command.args(load).env("DOCKER_HOST", docker.host());
    let loaded = sandbox.outcome(&mut command).success().stdout;
    assert_eq!(docker.run(loaded.trim(), &[]), "");
}
