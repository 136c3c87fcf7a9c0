//! Sources as a user meets them: flavours and versions side by side, settings, servers that ask for a
//! password, and errors of sources that have no answer.

use std::fs;

use crate::support::{
    Sandbox, Server, cpython,
    pypi::{serve_tool, serve_tool_on, serve_tool_out},
    rust_dist::serve_release,
};

#[test]
fn pythons_of_several_versions_and_flavours_stand_side_by_side() {
    let server = Server::start();
    cpython::serve_list(
        &server,
        &[
            ("3.12.9", ""),
            ("3.13.4", ""),
            ("3.14.1", ""),
            ("3.14.0", "t"),
        ],
    );
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .env(
            "UV_PYTHON_DOWNLOADS_JSON_URL",
            format!("{}/list.json", server.address()),
        )
        .manifest("[tools]\npython = [\"3.12\", \"3.13\", \"3.14t\"]\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    for (program, version) in [
        ("python", "3.12.9"),
        ("python3", "3.12.9"),
        ("python3.12", "3.12.9"),
        ("python3.13", "3.13.4"),
        ("python3.14t", "3.14.0"),
    ] {
        let run = ["run", "--locked", "--trust", "--", program, "--version"];
        assert_eq!(
            sandbox.devsh(&run).success().stdout,
            format!("Python {version}\n")
        );
    }
    let missing = Sandbox::new().manifest("[tools]\npython = \"3.12t\"\n");
    missing
        .devsh(&["lock", "--trust"])
        .code(1)
        .error(&["devshell.toml:2  python 3.12, free-threaded"]);
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    assert!(
        lockfile.contains("components = [\"freethreaded\"]"),
        "{lockfile}"
    );
}

#[test]
fn offline_lists_every_missing_artifact() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    serve_release(&server, "1.95.0");
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest("[tools]\nruff = \"0.12\"\nrust = \"1.95\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    let outcome = sandbox
        .devsh(&["sync", "--offline", "--trust"])
        .code(1)
        .error(&[
            "error: 4 artifacts are not in the store, and devsh is offline",
            "ruff 0.12.4           127.0.0.1  ",
            "rust 1.95.0 cargo     127.0.0.1",
            "rust 1.95.0 rust-std  127.0.0.1",
            "rust 1.95.0 rustc     127.0.0.1",
            "hint: run `devsh sync` once without `--offline`",
        ]);
    assert!(!outcome.stderr.contains("http"), "{outcome}");
    sandbox.devsh(&["sync", "--trust"]).success();
    let _online = server.requests();
    sandbox.devsh(&["sync", "--offline", "--trust"]).success();
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn recent_releases_are_held_back() {
    // The server released everything on 1 January 2026.
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.3", "0.12.4"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("minimum-release-age = \"520000 weeks\"\nminimum-release-age-exclude = [\"uv\"]\n")
        .manifest("[tools]\nruff = \"0.12\"\n");
    sandbox.devsh(&["lock", "--trust"]).code(1).error(&[
        "no version of `ruff` satisfies every requirement",
        "ruff 0.12.4: held back: out for ",
        "`minimum-release-age` is 3640000 days",
    ]);
    for settings in [
        "minimum-release-age = \"1 hour\"\n",
        "minimum-release-age = \"520000 weeks\"\nminimum-release-age-exclude = [\"pypi\"]\n",
    ] {
        let sandbox = Sandbox::new()
            .served_by(&server)
            .config(settings)
            .manifest("[tools]\nruff = \"0.12\"\n");
        sandbox.devsh(&["lock", "--trust"]).success();
    }
    let held = Sandbox::new()
        .served_by(&server)
        .config("minimum-release-age = \"1 hour\"\n")
        .manifest("[tools]\nruff = \"0.12\"\n");
    serve_tool_out(
        &server,
        "ruff",
        &[("0.12.3", "2026-01-01"), ("0.12.4", "2999-01-01")],
    );
    let outcome = held.devsh(&["lock", "--trust"]).success();
    assert!(
        outcome.stderr.contains(
            "`ruff` 0.12.4 is held back: out for 0 hours, and `minimum-release-age` is 1 hour; 0.12.3 is locked"
        ),
        "{outcome}"
    );
    let wrong = Sandbox::new()
        .config("minimum-release-age = \"soon\"\n")
        .manifest("");
    wrong.devsh(&["sync", "--trust"]).error(&[
        "`soon` in `minimum-release-age` is not a time span",
        "7 days",
    ]);
}

#[test]
fn a_password_reaches_only_its_server() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    server.require("Basic bWU6c2VjcmV0");
    let address = server.address().replace("http://", "http://me:secret@");
    let manifest = "[tools]\nruff = \"0.12\"\n";
    let sandbox = Sandbox::new()
        .config("tools-from = \"managed\"\n")
        .manifest(manifest);
    let sandbox = sandbox.env("UV_DEFAULT_INDEX", format!("{address}/simple"));
    let run = ["run", "-v", "--trust", "--", "ruff", "--version"];
    let outcome = sandbox.devsh(&run).success();
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    assert!(
        !format!("{outcome}{lockfile}").contains("secret"),
        "{outcome}\n{lockfile}"
    );

    // The same from netrc. Without either, the refusal of the server is printed.
    let plain = || {
        let sandbox = Sandbox::new().served_by(&server);
        sandbox
            .config("tools-from = \"managed\"\n")
            .manifest(manifest)
    };
    let sandbox = plain();
    fs::write(
        sandbox.home().join(".netrc"),
        "machine 127.0.0.1 login me password secret\n",
    )
    .unwrap();
    sandbox.devsh(&run).success();
    plain().devsh(&run).error(&["answered 401", "netrc"]);
}

#[test]
fn a_proxy_is_used_where_the_environment_names_one() {
    let proxy = Server::start();
    let sandbox = Sandbox::new()
        .config("tools-from = \"managed\"\n")
        .manifest("[tools]\nruff = \"0.12\"\n")
        .env("UV_DEFAULT_INDEX", "http://index.invalid/simple")
        .env("ALL_PROXY", proxy.address());
    sandbox.devsh(&["lock", "--trust"]).code(1);
    let asked = proxy.requests();
    assert!(
        asked.iter().any(|line| line.contains("index.invalid")),
        "{asked:?}"
    );
    let sandbox = sandbox.env("NO_PROXY", "index.invalid");
    sandbox.devsh(&["lock", "--trust"]).code(1);
    assert_eq!(proxy.requests(), [""; 0]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_wheel_for_a_newer_glibc_is_not_installed() {
    let server = Server::start();
    let platform = format!("manylinux_2_99_{}", std::env::consts::ARCH);
    serve_tool_on(&server, "ruff", "0.12.3", &platform);
    // The settings of a machine that locks for others with a newer glibc.
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n[sources]\nglibc = \"2.99\"\n")
        .manifest("[tools]\nruff = \"0.12\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    let refused = sandbox.devsh(&["sync", "--trust"]).code(1).error(&[
        "cannot get `ruff` 0.12.3",
        "it needs glibc 2.99, and this machine has 2.",
        "set `sources.glibc = \"2.",
    ]);
    assert!(!refused.stderr.contains("0.12.3, and"), "{refused}");
    let objects = fs::read_dir(sandbox.data().join("store"));
    let named = objects.into_iter().flatten().flatten();
    assert_eq!(
        named
            .filter(|entry| entry.file_name().to_string_lossy().contains("ruff"))
            .count(),
        0
    );
}

#[test]
fn lists_that_have_not_changed_are_not_sent_again() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.3"]);
    serve_release(&server, "1.95.0");
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest("[tools]\nruff = \"0.12\"\nrust = \"1\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    let asked = server.requests();
    assert!(
        asked.contains(&"GET /rust/dist/channel-rust-stable.toml".to_owned()),
        "{asked:?}"
    );
    assert_eq!(server.unchanged(), [""; 0]);
    sandbox.devsh(&["lock", "--upgrade", "--trust"]).success();
    // The manifest of rust is named by its digest.
    let asked = server.requests();
    let is_manifest = |request: &String| request.ends_with("channel-rust-stable.toml");
    assert!(!asked.iter().any(is_manifest), "{asked:?}");
    assert_eq!(server.unchanged(), ["/simple/ruff/"]);
    // A short time later no server is asked.
    fs::remove_file(sandbox.project().join("devshell.lock")).unwrap();
    server.requests();
    sandbox.devsh(&["lock", "--trust"]).success();
    let asked = server.requests();
    assert!(
        asked.iter().all(|request| request.starts_with("HEAD ")),
        "{asked:?}"
    );
}

#[test]
fn a_password_in_an_address_without_a_server_is_hidden() {
    for address in [
        "http://me:SEC RET@host/simple",
        "http:///me:SECRET@host/simple",
        "http://me:a#SECRET@host/simple",
    ] {
        let sandbox = Sandbox::new()
            .env("UV_DEFAULT_INDEX", address)
            .manifest("[tools]\nruff = \"0.12\"\n");
        let outcome = sandbox.devsh(&["allow", "--yes"]);
        let shown = outcome.to_string();
        outcome.error(&["`UV_DEFAULT_INDEX`"]);
        assert!(
            !shown.contains("RET") && !shown.contains("//me:"),
            "{shown}"
        );
    }
}
