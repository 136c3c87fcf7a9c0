//! Packages of conda channels: `.conda` (a zip of two tar archives) and `.tar.bz2`.
//!
//! The tree is the package as it was built, with the placeholders of its prefix, so it can be shared and moved. The file
//! `info/index.json` proves its identity.

use std::io::{self, BufReader, Cursor, Read};

use serde::Deserialize;

use super::read_head;
use crate::store::{
    Error, Rule,
    tree_builder::{Placed, Tree, refused},
    unpack::{
        ArchiveFile, WINDOW_LOG,
        tar::{self, TarKind, TarMember},
        zip::Zip,
    },
};

/// Longest accepted text of the package's own, in bytes.
const LIMIT: u64 = 16 << 20;
/// The directory of the package's own files.
const INFO: &str = "info/";
/// The file with the package's name and version.
const INDEX: &str = "info/index.json";
/// Directories in which packages for Linux have names that differ in case alone: the terminfo database, and headers of
/// the kernel.
const CASE_SENSITIVE: [&str; 3] = [
    "share/terminfo",
    "x86_64-conda-linux-gnu/sysroot",
    "aarch64-conda-linux-gnu/sysroot",
];

/// The identity of a package.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct CondaIdentity<'a> {
    pub(in crate::store) name: &'a str,
    pub(in crate::store) version: &'a str,
    /// The name of its file.
    pub(in crate::store) file: &'a str,
}

#[derive(Deserialize)]
struct PackageIndex {
    name: String,
    version: String,
    build: String,
}

#[derive(Deserialize)]
struct FormatVersion {
    conda_pkg_format_version: u64,
}

/// Places the files of a package.
pub(in crate::store) fn unpack(
    identity: CondaIdentity<'_>,
    file: ArchiveFile<'_>,
    tree: &mut Tree,
) -> Result<(), Error> {
    for directory in CASE_SENSITIVE {
        tree.admit_case_below(directory);
    }
    tree.follow_links();
    let index = if identity.file.strip_suffix(".conda").is_some() {
        unpack_zip(file, tree)?
    } else {
        let reader = BufReader::with_capacity(1 << 17, file);
        let mut data = bzip2::bufread::MultiBzDecoder::new(reader);
        unpack_tar(&mut data, Part::Whole, tree)?
    };
    let index = index.ok_or_else(|| refused(INDEX, Rule::NotAsListed))?;
    let index: PackageIndex = serde_json::from_slice(&index).map_err(|error| Error::Archive {
        member: INDEX.to_owned(),
        source: error.into(),
    })?;
    let stem = format!("{}-{}-{}", index.name, index.version, index.build);
    let named = identity.file.strip_prefix(stem.as_str());
    let same = index.name.eq_ignore_ascii_case(identity.name) && index.version == identity.version;
    if !same || !named.is_some_and(|end| matches!(end, ".conda" | ".tar.bz2")) {
        return Err(Error::OtherPackage {
            name: index.name,
            version: format!("{} {}", index.version, index.build),
        });
    }
    Ok(())
}

fn unpack_zip(file: ArchiveFile<'_>, tree: &mut Tree) -> Result<Option<Vec<u8>>, Error> {
    let mut zip = Zip::open(file)?;
    let format: FormatVersion =
        serde_json::from_str(&zip.text("metadata.json", LIMIT)?).map_err(|error| {
            Error::Archive {
                member: "metadata.json".to_owned(),
                source: error.into(),
            }
        })?;
    if format.conda_pkg_format_version != 2 {
        return Err(refused("metadata.json", Rule::OddType));
    }
    let mut found = None;
    // The package's own files first: they name the package.
    for (prefix, part) in [("info-", Part::Info), ("pkg-", Part::Files)] {
        let names = zip.names();
        let mut names = names
            .iter()
            .filter(|name| name.starts_with(prefix) && name.ends_with(".tar.zst"));
        let (Some(name), None) = (names.next(), names.next()) else {
            return Err(refused(prefix, Rule::NotAsListed));
        };
        zip.member(name, |_, data| {
            let decoder = zstd::Decoder::new(data).and_then(|mut decoder| {
                decoder.window_log_max(WINDOW_LOG)?;
                Ok(decoder)
            });
            let mut decoder = decoder.map_err(damaged(name))?;
            let index = unpack_tar(&mut decoder, part, tree)?;
            found = found.take().or(index);
            Ok(())
        })?;
    }
    Ok(found)
}

/// The files that one tar archive of a package has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All files.
    Whole,
    /// The package's own files only.
    Info,
    /// All others.
    Files,
}

/// Places the members of a tar archive, and returns the content of `info/index.json`.
fn unpack_tar(data: &mut dyn Read, part: Part, tree: &mut Tree) -> Result<Option<Vec<u8>>, Error> {
    let mut index = None;
    tar::read(data, |member, data| {
        let own = member.path.starts_with(INFO) || member.path == INFO.trim_end_matches('/');
        if (part == Part::Info && !own) || (part == Part::Files && own) {
            return Err(refused(&member.path, Rule::NotAsListed));
        }
        if member.path != INDEX {
            return place(&member, data, tree);
        }
        let text = read_head(INDEX, data, LIMIT)?;
        place(&member, &mut Cursor::new(&text), tree)?;
        index = Some(text);
        Ok(())
    })?;
    Ok(index)
}

fn place(member: &TarMember, data: &mut dyn Read, tree: &mut Tree) -> Result<(), Error> {
    let placed = |executable| Placed {
        executable,
        // Bytecode of Python names the time of its source.
        mtime: Some(member.mtime),
    };
    match &member.kind {
        TarKind::Directory => tree.directory(&member.path),
        TarKind::File { executable } => tree
            .file(&member.path, placed(*executable), data)
            .map(|_| ()),
        TarKind::Link(target) => tree.link(&member.path, target),
        TarKind::HardLink(original) => tree.copy(&member.path, original, placed(false)),
    }
}

fn damaged(member: &str) -> impl FnOnce(io::Error) -> Error + use<> {
    let member = member.to_owned();
    move |source| Error::Archive { member, source }
}
