//! A Python package index with wheels made in memory.

use std::{collections::BTreeMap, io::Write};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::{
    Server,
    archive::{Member, gzip, script, sha256, tar},
};

/// The platform tag of a wheel for each system that devsh locks for.
const PLATFORMS: [&str; 4] = [
    "manylinux_2_17_aarch64.manylinux2014_aarch64",
    "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "macosx_11_0_arm64",
    "macosx_10_12_x86_64",
];

/// Serves `versions` of a tool with one program, for every system.
pub(crate) fn serve_tool(server: &Server, name: &str, versions: &[&str]) {
    serve_program(server, name, name, versions);
}

/// Serves a version of a tool for one platform only.
pub(crate) fn serve_tool_on(server: &Server, name: &str, version: &str, platform: &str) {
    let content = script(name, version);
    let member = format!("{name}-{version}.data/scripts/{name}");
    let wheel = wheel(name, version, platform, &[(&member, &content, true)]);
    let file = format!("{name}-{version}-py3-none-{platform}.whl");
    serve_page(server, name, &[version], &[entry(server, &file, &wheel)]);
    server.serve(&format!("/files/{file}"), wheel);
}

/// Serves `versions` of a package that has one program of another name, for every system.
pub(crate) fn serve_program(server: &Server, package: &str, program: &str, versions: &[&str]) {
    let mut files = Vec::new();
    let name = package.replace('-', "_");
    for version in versions {
        for platform in PLATFORMS {
            let content = script(program, version);
            let member = format!("{name}-{version}.data/scripts/{program}");
            let wheel = wheel(&name, version, platform, &[(&member, &content, true)]);
            let file = format!("{name}-{version}-py3-none-{platform}.whl");
            files.push(entry(server, &file, &wheel));
            server.serve(&format!("/files/{file}"), wheel);
        }
    }
    serve_page(server, package, versions, &files);
}

/// Serves versions of a tool with one program, each with its release day.
pub(crate) fn serve_tool_out(server: &Server, name: &str, versions: &[(&str, &str)]) {
    let mut files = Vec::new();
    for (version, day) in versions {
        for platform in PLATFORMS {
            let member = format!("{name}-{version}.data/scripts/{name}");
            let content = script(name, version);
            let wheel = wheel(name, version, platform, &[(&member, &content, true)]);
            let file = format!("{name}-{version}-py3-none-{platform}.whl");
            let mut entry = entry(server, &file, &wheel);
            entry["upload-time"] = format!("{day}T00:00:00.000000Z").into();
            files.push(entry);
            server.serve(&format!("/files/{file}"), wheel);
        }
    }
    let versions: Vec<&str> = versions.iter().map(|(version, _)| *version).collect();
    serve_page(server, name, &versions, &files);
}

/// Serves one version of a package whose program has another name, with this content.
pub(crate) fn serve_tool_as(
    server: &Server,
    (package, version): (&str, &str),
    program: &str,
    content: &[u8],
) {
    let name = package.replace('-', "_");
    let place = format!("{name}-{version}.data/scripts/{program}");
    serve_tool_files(server, (package, version), &[(&place, content, true)]);
}

/// Serves one version of a package with these files in its wheel.
pub(crate) fn serve_tool_files(
    server: &Server,
    (package, version): (&str, &str),
    members: &[Member<'_>],
) {
    let mut files = Vec::new();
    let name = package.replace('-', "_");
    for platform in PLATFORMS {
        let wheel = wheel(&name, version, platform, members);
        let file = format!("{name}-{version}-py3-none-{platform}.whl");
        files.push(entry(server, &file, &wheel));
        server.serve(&format!("/files/{file}"), wheel);
    }
    serve_page(server, package, &[version], &files);
}

/// Serves one version of a package as a source distribution only.
pub(crate) fn serve_sdist(
    server: &Server,
    (package, version): (&str, &str),
    members: &[Member<'_>],
) {
    let archive = gzip(&tar(members, &[]));
    let file = format!("{package}-{version}.tar.gz");
    serve_page(
        server,
        package,
        &[version],
        &[entry(server, &file, &archive)],
    );
    server.serve(&format!("/files/{file}"), archive);
}

/// A package of plain Python with one module, which prints its name and version.
pub(crate) struct Pure<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    /// Its requirements.
    pub(crate) needs: &'a [&'a str],
    /// Scripts that call its `main`.
    pub(crate) scripts: &'a [&'a str],
    /// Its `requires-python`.
    pub(crate) python: &'a str,
    /// Its release day.
    pub(crate) day: &'a str,
}

/// Serves packages of plain Python; pass all versions of a name in one call.
pub(crate) fn serve_pure(server: &Server, packages: &[Pure<'_>]) {
    let mut pages: BTreeMap<&str, (Vec<&str>, Vec<Value>)> = BTreeMap::new();
    for package in packages {
        let Pure { name, version, .. } = package;
        let content = pure(package);
        let file = format!("{}-{version}-py3-none-any.whl", name.replace('-', "_"));
        let (versions, files) = pages.entry(name).or_default();
        versions.push(version);
        let mut entry = entry(server, &file, &content);
        entry["requires-python"] = package.python.into();
        entry["upload-time"] = format!("{}T00:00:00.000000Z", package.day).into();
        files.push(entry);
        server.serve(&format!("/files/{file}"), content);
    }
    for (name, (versions, files)) in pages {
        serve_page(server, name, &versions, &files);
    }
}

fn pure(package: &Pure<'_>) -> Vec<u8> {
    let Pure {
        name,
        version,
        needs,
        scripts,
        python,
        ..
    } = package;
    let module = name.replace('-', "_");
    let imports: Vec<String> = needs
        .iter()
        .filter(|one| !one.contains(';'))
        .map(|one| one.split(['=', '<', '>']).next().unwrap_or_default())
        .map(|one| format!("import {}\n", one.replace('-', "_")))
        .collect();
    let code = format!(
        "{}\ndef main():\n    import sys\n    print('{name} {version}', *sys.argv[1:])\n",
        imports.concat()
    );
    let entries: Vec<String> = scripts
        .iter()
        .map(|script| format!("{script} = {module}:main\n"))
        .collect();
    let entries = format!("[console_scripts]\n{}", entries.concat());
    let needs: Vec<String> = needs
        .iter()
        .map(|one| format!("Requires-Dist: {one}\n"))
        .collect();
    let about = format!("{}Requires-Python: {python}\n", needs.concat());
    let path = format!("{module}.py");
    let list = format!("{module}-{version}.dist-info/entry_points.txt");
    let members: &[Member<'_>] = &[
        (&path, code.as_bytes(), false),
        (&list, entries.as_bytes(), false),
    ];
    wheel_about(&module, version, ("any", &about), members)
}

/// Serves one version of a package that has only a wheel with these tags (`cp311-cp311-manylinux_2_17_x86_64`).
pub(crate) fn serve_tagged(server: &Server, (name, version): (&str, &str), tags: &str) {
    let content = wheel(name, version, "any", &[]);
    let file = format!("{name}-{version}-{tags}.whl");
    serve_page(server, name, &[version], &[entry(server, &file, &content)]);
    server.serve(&format!("/files/{file}"), content);
}

/// Serves one version of a package that has only a source archive, which nothing may read.
pub(crate) fn serve_source_archive(server: &Server, name: &str, version: &str) {
    let file = format!("{name}-{version}.tar.gz");
    serve_page(
        server,
        name,
        &[version],
        &[entry(server, &file, b"not an archive")],
    );
}

/// Serves a package whose wheel of `1.0` is for every Python 3, and whose wheel of `1.1` is for Python 2.
pub(crate) fn serve_outdated_wheels(server: &Server, name: &str) {
    let files = ["1.0-py3-none-any.whl", "1.1-py2-none-any.whl", "1.1.tar.gz"];
    let entries: Vec<Value> = files
        .iter()
        .map(|file| entry(server, &format!("{name}-{file}"), b"not an archive"))
        .collect();
    serve_page(server, name, &["1.0", "1.1"], &entries);
}

/// Returns the index entry of one file.
fn entry(server: &Server, file: &str, content: &[u8]) -> Value {
    json!({
        "filename": file,
        "url": format!("{}/files/{file}", server.address()),
        "hashes": { "sha256": sha256(content) },
        "requires-python": ">=3.7",
        "size": content.len(),
        "upload-time": "2026-01-01T00:00:00.000000Z",
        "yanked": false,
    })
}

/// Serves the page of a package.
fn serve_page(server: &Server, name: &str, versions: &[&str], files: &[Value]) {
    let page = json!({
        "name": name,
        "meta": { "api-version": "1.1", "_last-serial": 1 },
        "versions": versions,
        "files": files,
    });
    server.serve(&format!("/simple/{name}/"), page.to_string());
}

/// Returns a valid wheel with these members.
pub(crate) fn wheel(name: &str, version: &str, platform: &str, members: &[Member<'_>]) -> Vec<u8> {
    wheel_about(name, version, (platform, ""), members)
}

/// Returns the same with further lines of metadata.
fn wheel_about(
    name: &str,
    version: &str,
    (platform, more): (&str, &str),
    members: &[Member<'_>],
) -> Vec<u8> {
    let info = format!("{name}-{version}.dist-info");
    let tags = platform.split('.').fold(String::new(), |tags, platform| {
        tags + "Tag: py3-none-" + platform + "\n"
    });
    let about = format!("Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\n{tags}");
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}");
    let (about_path, metadata_path) = (format!("{info}/WHEEL"), format!("{info}/METADATA"));
    let mut all = members.to_vec();
    all.push((&metadata_path, metadata.as_bytes(), false));
    all.push((&about_path, about.as_bytes(), false));
    let mut record = Vec::new();
    for (path, content, _) in &all {
        let digest = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(content));
        let path = if path.contains(',') {
            format!("\"{}\"", path.replace('"', "\"\""))
        } else {
            (*path).to_owned()
        };
        writeln!(record, "{path},sha256={digest},{}", content.len()).expect("memory takes all");
    }
    let record_path = format!("{info}/RECORD");
    writeln!(record, "{record_path},,").expect("memory takes all");
    all.push((&record_path, &record, false));

    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (path, content, program) in all {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .unix_permissions(if program { 0o755 } else { 0o644 });
        writer.start_file(path, options).expect("memory takes all");
        writer.write_all(content).expect("memory takes all");
    }
    writer.finish().expect("memory takes all").into_inner()
}
