//! Small archives made in memory, for the tests of the store and of its users.

use std::{
    fmt::Write as _,
    io::{Cursor, Write as _},
};

use base64::Engine as _;
use tar::{Builder, EntryType, Header};

use crate::package::Sha256;

/// Path, kind, mode, and content or target.
pub(crate) type Member<'a> = (&'a str, EntryType, u32, &'a str);

fn header(kind: EntryType, mode: u32, size: usize) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size as u64);
    header.set_mtime(1_700_000_000);
    header
}

/// Makes a tar; unlike the library it does not check or change paths.
pub(crate) fn tar_of(members: &[Member<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, kind, mode, content) in members {
        let link = matches!(kind, EntryType::Symlink | EntryType::Link);
        let data = if link { "" } else { content };
        let mut header = header(*kind, *mode, data.len());
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        if link {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_cksum();
        builder.append(&header, data.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Makes a wheel with a correct `RECORD`, of the package in the name of its `.data` directory, or of `tool` 1.0.
pub(crate) fn wheel(files: &[(&str, &str)]) -> Vec<u8> {
    wheel_with_record(files, str::to_owned)
}

/// Makes a wheel whose `RECORD` was changed by `change`.
pub(crate) fn wheel_with_record(
    files: &[(&str, &str)],
    change: impl FnOnce(&str) -> String,
) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o644);
    let mut record = String::new();
    let data = files.iter().find_map(|(path, _)| path.split_once(".data/"));
    let information = format!("{}.dist-info", data.map_or("tool-1.0", |(stem, _)| stem));
    let about = format!("{information}/WHEEL");
    let own = [(about.as_str(), "Wheel-Version: 1.0\n")];
    for (path, content) in files.iter().chain(&own) {
        zip.start_file(*path, options).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
        let digest = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .encode(Sha256::of(content.as_bytes()).as_bytes());
        writeln!(record, "{path},sha256={digest},{}", content.len()).unwrap();
    }
    let list = format!("{information}/RECORD");
    writeln!(record, "{list},,").unwrap();
    zip.start_file(&list, options).unwrap();
    zip.write_all(change(&record).as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

pub(crate) const FILE: EntryType = EntryType::Regular;
pub(crate) const LINK: EntryType = EntryType::Symlink;

/// The file that says that a build is Python 3.12.4.
pub(crate) const PATCHLEVEL: Member<'_> = (
    "python/include/python3.12/patchlevel.h",
    FILE,
    0o644,
    "/* x */\n#define PY_VERSION \"3.12.4\"\n",
);

pub(crate) fn python() -> Vec<u8> {
    let sysconfig = "build_time_vars = {'prefix': '/install'}\n";
    gz(&tar_of(&[
        ("python/", EntryType::Directory, 0o755, ""),
        (
            "python/bin/python3.12",
            FILE,
            0o755,
            "#!/bin/sh\necho Python 3.12.4\n",
        ),
        ("python/bin/pip", FILE, 0o755, "#!/install/bin/python3.12\n"),
        ("python/lib/python3.12/os.py", FILE, 0o666, "x = 1\n"),
        (
            "python/lib/python3.12/_sysconfigdata__linux_.py",
            FILE,
            0o644,
            sysconfig,
        ),
        PATCHLEVEL,
        ("python/lib/libpython3.so", LINK, 0o777, "libpython3.12.so"),
        ("python/share/terminfo/2/2621A", FILE, 0o644, "A"),
        (
            "python/share/terminfo/2/2621a",
            EntryType::Link,
            0o644,
            "python/share/terminfo/2/2621A",
        ),
    ]))
}

pub(crate) fn component(
    name: &str,
    files: &[(&str, &str)],
    manifest: &str,
    version: &str,
) -> Vec<u8> {
    let top = format!("{name}-1.89.0-x");
    let mut members = vec![
        (
            format!("{top}/rust-installer-version"),
            0o644,
            version.to_owned(),
        ),
        (
            format!("{top}/version"),
            0o644,
            "1.89.0 (29483883e 2025-08-04)\n".to_owned(),
        ),
        (format!("{top}/components"), 0o644, format!("{name}\n")),
        (format!("{top}/install.sh"), 0o755, "exit 1".to_owned()),
        (
            format!("{top}/{name}/manifest.in"),
            0o644,
            manifest.to_owned(),
        ),
    ];
    for (path, content) in files {
        members.push((format!("{top}/{name}/{path}"), 0o755, (*content).to_owned()));
    }
    let members: Vec<_> = members
        .iter()
        .map(|(path, mode, content)| (path.as_str(), FILE, *mode, content.as_str()))
        .collect();
    xz(&tar_of(&members))
}
