//! A conda channel with packages made in memory.

use std::io::{Cursor, Write as _};

use rattler_conda_types::{Shard, ShardedRepodata};
use serde_json::{Map, Value, json};

use super::{
    Server,
    archive::{sha256, tar},
};

/// The name of the channel, below `/conda`.
pub(crate) const CHANNEL: &str = "team";

/// A package of the channel.
#[derive(Clone, Copy)]
pub(crate) struct Package<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) depends: &'a [&'a str],
    /// Files with their content, in which `PREFIX` stands for the place of the environment; those below `bin` are
    /// programs.
    pub(crate) files: &'a [(&'a str, &'a str)],
}

/// How the channel publishes its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Sharded,
    Json,
}

/// Returns the place that packages are built for.
fn placeholder() -> String {
    format!("/{}", "placehold_".repeat(25) + "plac")
}

/// Returns the `.conda` of a package for Linux.
pub(crate) fn archive(package: Package<'_>) -> Vec<u8> {
    let Package {
        name,
        version,
        depends,
        files,
    } = package;
    let texts: Vec<(&str, String, bool)> = files
        .iter()
        .map(|(path, text)| {
            (
                *path,
                text.replace("PREFIX", &placeholder()),
                path.starts_with("bin/"),
            )
        })
        .collect();
    let paths: Vec<Value> = texts
        .iter()
        .map(|(path, text, _)| {
            let mut entry = json!({ "_path": path, "path_type": "hardlink" });
            if text.contains(&placeholder()) {
                entry["prefix_placeholder"] = placeholder().into();
                entry["file_mode"] = if text.contains('\0') {
                    "binary"
                } else {
                    "text"
                }
                .into();
            }
            entry
        })
        .collect();
    let index = json!({
        "name": name, "version": version, "build": "h0_0", "build_number": 0, "depends": depends,
        "subdir": "linux-64",
    });
    let paths = json!({ "paths": paths, "paths_version": 1 });
    let (index, paths) = (index.to_string(), paths.to_string());
    let info = tar(
        &[
            ("info/index.json", index.as_bytes(), false),
            ("info/paths.json", paths.as_bytes(), false),
        ],
        &[],
    );
    let members: Vec<(&str, &[u8], bool)> = texts
        .iter()
        .map(|(path, text, program)| (*path, text.as_bytes(), *program))
        .collect();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let packed = |bytes: &[u8]| zstd::encode_all(bytes, 1).expect("memory");
    for (member, bytes) in [
        (
            "metadata.json".to_owned(),
            br#"{"conda_pkg_format_version": 2}"#.to_vec(),
        ),
        (
            format!("pkg-{name}-{version}-h0_0.tar.zst"),
            packed(&tar(&members, &[])),
        ),
        (format!("info-{name}-{version}-h0_0.tar.zst"), packed(&info)),
    ] {
        zip.start_file(member, stored).expect("memory");
        zip.write_all(&bytes).expect("memory");
    }
    zip.finish().expect("memory").into_inner()
}

/// Serves a channel with these packages for 64-bit Linux.
pub(crate) fn serve_channel(server: &Server, packages: &[Package<'_>], layout: Layout) {
    let place = format!("/conda/{CHANNEL}/linux-64");
    let mut records: Map<String, Value> = Map::new();
    for package in packages {
        let bytes = archive(*package);
        let file = format!("{}-{}-h0_0.conda", package.name, package.version);
        records.insert(
            file.clone(),
            json!({
                "name": package.name, "version": package.version, "build": "h0_0", "build_number": 0,
                "depends": package.depends, "subdir": "linux-64", "size": bytes.len(),
                "sha256": sha256(&bytes),
            }),
        );
        server.serve(&format!("{place}/{file}"), bytes);
    }
    let packed = |bytes: &[u8]| zstd::encode_all(bytes, 1).expect("memory");
    if layout == Layout::Json {
        let index = json!({ "info": { "subdir": "linux-64" }, "packages.conda": records });
        server.serve(&format!("{place}/repodata.json"), index.to_string());
        return;
    }
    let mut shards: Map<String, Value> = Map::new();
    for package in packages {
        let of_name = |(_, record): &(&String, &Value)| record["name"] == package.name;
        let own = records.iter().filter(of_name);
        let own: Map<String, Value> = own
            .map(|(file, record)| (file.clone(), record.clone()))
            .collect();
        let shard: Shard = serde_json::from_value(json!({ "packages": {}, "packages.conda": own }))
            .expect("a shard");
        let bytes = packed(&rmp_serde::to_vec_named(&shard).expect("memory"));
        let digest = sha256(&bytes);
        server.serve(&format!("{place}/shards/{digest}.msgpack.zst"), bytes);
        shards.insert(package.name.to_owned(), digest.into());
    }
    let index = json!({
        "info": { "subdir": "linux-64", "base_url": "", "shards_base_url": "./shards/" },
        "shards": shards,
    });
    let index: ShardedRepodata = serde_json::from_value(index).expect("an index");
    let index = packed(&rmp_serde::to_vec_named(&index).expect("memory"));
    server.serve(&format!("{place}/repodata_shards.msgpack.zst"), index);
}
