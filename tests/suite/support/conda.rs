//! A conda channel with packages made in memory.

use std::io::{Cursor, Read as _, Write as _};

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
    /// Files with their content, in which `PREFIX` means the place of the environment; those below `bin` are
    /// programs.
    pub(crate) files: &'a [(&'a str, &'a str)],
}

/// The form of the channel's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Sharded,
    Json,
}

/// Returns the place that packages are built for.
pub(crate) fn placeholder() -> String {
    format!("/{}", "placehold_".repeat(25) + "plac")
}

/// A file of a package.
#[derive(Clone)]
pub(crate) struct PackageFile {
    pub(crate) path: String,
    pub(crate) content: Vec<u8>,
    pub(crate) executable: bool,
}

/// A package with any files; [`placeholder`] in them means the place of the environment.
#[derive(Clone)]
pub(crate) struct FilePackage {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) depends: Vec<String>,
    pub(crate) files: Vec<PackageFile>,
    /// Symlinks: path, target.
    pub(crate) links: Vec<(String, String)>,
    /// Further keys of `info/index.json`.
    pub(crate) index: Value,
    /// Further files of `info/`.
    pub(crate) info: Vec<(String, String)>,
}

impl FilePackage {
    pub(crate) fn new(name: &str, version: &str, depends: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            depends: depends.iter().map(ToString::to_string).collect(),
            files: Vec::new(),
            links: Vec::new(),
            index: json!({}),
            info: Vec::new(),
        }
    }

    /// Adds a file.
    pub(crate) fn file(
        mut self,
        path: &str,
        content: impl Into<Vec<u8>>,
        executable: bool,
    ) -> Self {
        let (path, content) = (path.to_owned(), content.into());
        self.files.push(PackageFile {
            path,
            content,
            executable,
        });
        self
    }

    /// Returns the members of an archive without the directory at its top, as a package.
    pub(crate) fn of_archive(name: &str, version: &str, archive: &[u8]) -> Self {
        let mut package = Self::new(name, version, &[]);
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(archive));
        for member in tar.entries().expect("an archive") {
            let mut member = member.expect("a member");
            let path = member
                .path()
                .expect("a path")
                .to_string_lossy()
                .into_owned();
            let (_, path) = path.split_once('/').expect("a directory at the top");
            if let Some(target) = member.link_name().expect("a target") {
                let target = target.to_string_lossy().into_owned();
                package.links.push((path.to_owned(), target));
                continue;
            }
            let executable = member.header().mode().expect("a mode") & 0o100 != 0;
            let mut content = Vec::new();
            member.read_to_end(&mut content).expect("memory");
            package = package.file(path, content, executable);
        }
        package
    }
}

impl From<Package<'_>> for FilePackage {
    fn from(package: Package<'_>) -> Self {
        let mut made = Self::new(package.name, package.version, package.depends);
        for (path, text) in package.files {
            let text = text.replace("PREFIX", &placeholder());
            made = made.file(path, text, path.starts_with("bin/"));
        }
        made
    }
}

/// Returns the `.conda` of a package for Linux.
pub(crate) fn archive(package: &FilePackage) -> Vec<u8> {
    let FilePackage {
        name,
        version,
        depends,
        files,
        links,
        ..
    } = package;
    let placeholder = placeholder();
    let has_prefix = |content: &[u8]| {
        let mut windows = content.windows(placeholder.len());
        windows.any(|window| window == placeholder.as_bytes())
    };
    let mut paths: Vec<Value> = files
        .iter()
        .map(|file| {
            let mut entry = json!({ "_path": file.path, "path_type": "hardlink" });
            if has_prefix(&file.content) {
                let binary = file.content.contains(&0);
                entry["prefix_placeholder"] = placeholder.clone().into();
                entry["file_mode"] = if binary { "binary" } else { "text" }.into();
            }
            entry
        })
        .collect();
    let soft = |(path, _): &(String, String)| json!({ "_path": path, "path_type": "softlink" });
    paths.extend(links.iter().map(soft));
    let mut index = json!({
        "name": name, "version": version, "build": "h0_0", "build_number": 0, "depends": depends,
        "subdir": "linux-64",
    });
    for (key, value) in package.index.as_object().into_iter().flatten() {
        index[key] = value.clone();
    }
    let paths = json!({ "paths": paths, "paths_version": 1 });
    let mut own = vec![
        ("info/index.json".to_owned(), index.to_string()),
        ("info/paths.json".to_owned(), paths.to_string()),
    ];
    own.extend(package.info.iter().cloned());
    let own: Vec<(&str, &[u8], bool)> = own
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_bytes(), false))
        .collect();
    let info = tar(&own, &[]);
    let members: Vec<(&str, &[u8], bool)> = files
        .iter()
        .map(|file| (file.path.as_str(), &*file.content, file.executable))
        .collect();
    let links: Vec<(&str, &str)> = links
        .iter()
        .map(|(path, target)| (path.as_str(), target.as_str()))
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
            packed(&tar(&members, &links)),
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
    let packages: Vec<FilePackage> = packages.iter().map(|one| (*one).into()).collect();
    serve_files(server, &packages, layout);
}

/// Serves a channel with these packages for 64-bit Linux.
pub(crate) fn serve_files(server: &Server, packages: &[FilePackage], layout: Layout) {
    let place = format!("/conda/{CHANNEL}/linux-64");
    let mut records: Map<String, Value> = Map::new();
    for package in packages {
        let bytes = archive(package);
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
        shards.insert(package.name.clone(), digest.into());
    }
    let index = json!({
        "info": { "subdir": "linux-64", "base_url": "", "shards_base_url": "./shards/" },
        "shards": shards,
    });
    let index: ShardedRepodata = serde_json::from_value(index).expect("an index");
    let index = packed(&rmp_serde::to_vec_named(&index).expect("memory"));
    server.serve(&format!("{place}/repodata_shards.msgpack.zst"), index);
}
