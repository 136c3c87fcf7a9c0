//! The official servers of Node.js and Go: lists, checksums and archives in their formats.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{
    Server,
    archive::{gzip, script, sha256, tar, xz},
};

/// The names of the systems in the list of Node.js, and in the names of its files.
const NODE_SYSTEMS: [(&str, &str); 4] = [
    ("linux-arm64", "linux-arm64"),
    ("linux-x64", "linux-x64"),
    ("osx-arm64-tar", "darwin-arm64"),
    ("osx-x64-tar", "darwin-x64"),
];

/// Serves versions of Node.js below `/node`, newest first, each with the name of its LTS line or an empty text.
pub(crate) fn serve_node(server: &Server, versions: &[(&str, &str)]) {
    let entries: Vec<Value> = versions
        .iter()
        .map(|(version, lts)| {
            let node = script("node", &format!("v{version}"));
            serve_node_archives(server, version, &node);
            let line = if lts.is_empty() { json!(false) } else { json!(lts) };
            json!({
                "version": format!("v{version}"),
                "date": "2024-10-29",
                "files": ["headers", "linux-arm64", "linux-x64", "osx-arm64-tar", "osx-x64-tar", "src"],
                "npm": "10.9.0",
                "lts": line,
                "security": false,
            })
        })
        .collect();
    server.serve("/node/index.json", json!(entries).to_string());
}

/// Serves the archives of one version with this `node`, and their checksums.
pub(crate) fn serve_node_archives(server: &Server, version: &str, node: &[u8]) {
    let mut checksums = String::new();
    for (_, platform) in NODE_SYSTEMS {
        let root = format!("node-v{version}-{platform}");
        let npm = format!("{root}/lib/node_modules/npm/bin/npm-cli.js");
        let corepack = format!("{root}/lib/node_modules/corepack/dist/corepack.js");
        let program = format!("{root}/bin/node");
        let link = |name: &str| format!("{root}/bin/{name}");
        let members = [
            (&*program, node, true),
            (&*npm, b"#!/bin/sh\necho npm 10.9.0\n".as_slice(), true),
            (&*corepack, b"#!/bin/sh\necho corepack 0.29\n", true),
        ];
        let links = [
            (link("npm"), "../lib/node_modules/npm/bin/npm-cli.js"),
            (
                link("corepack"),
                "../lib/node_modules/corepack/dist/corepack.js",
            ),
        ];
        let links: Vec<(&str, &str)> = links.iter().map(|(path, to)| (&**path, *to)).collect();
        let archive = xz(&tar(&members, &links));
        let name = format!("{root}.tar.xz");
        writeln!(checksums, "{}  {name}", sha256(&archive)).expect("text takes all");
        server.serve(&format!("/node/v{version}/{name}"), archive);
    }
    server.serve(&format!("/node/v{version}/SHASUMS256.txt"), checksums);
}

/// Serves versions of Go below `/go`, newest first.
pub(crate) fn serve_go(server: &Server, versions: &[&str]) {
    let entries: Vec<Value> = versions
        .iter()
        .map(|version| {
            let mut files = Vec::new();
            for (os, arch) in [
                ("darwin", "amd64"),
                ("darwin", "arm64"),
                ("linux", "amd64"),
                ("linux", "arm64"),
            ] {
                let name = format!("go{version}.{os}-{arch}.tar.gz");
                let archive = go_archive(version, os);
                files.push(json!({
                    "filename": name, "os": os, "arch": arch, "version": format!("go{version}"),
                    "sha256": sha256(&archive), "size": archive.len(), "kind": "archive",
                }));
                server.serve(&format!("/go/{name}"), archive);
            }
            json!({ "version": format!("go{version}"), "stable": true, "files": files })
        })
        .collect();
    server.serve("/go/", json!(entries).to_string());
}

fn go_archive(version: &str, os: &str) -> Vec<u8> {
    let go = format!(
        "#!/bin/sh\ncase $1 in version) echo \"go version go{version} {os}\" ;; *) echo \"$GOTOOLCHAIN\" ;; esac\n"
    );
    let stamp = format!("go{version}\ntime 2024-05-01T00:00:00Z\n");
    let members = [
        ("go/VERSION", stamp.as_bytes(), false),
        ("go/bin/go", go.as_bytes(), true),
        ("go/bin/gofmt", b"#!/bin/sh\n".as_slice(), true),
    ];
    gzip(&tar(&members, &[]))
}
