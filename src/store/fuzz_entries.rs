//! The readers of archives on bytes in memory, for the fuzz targets.

use std::{
    fs::File,
    io::{self, Read, Write},
};

use super::{
    recipes::wheel,
    tree_builder::Tree,
    unpack::{self, ArchiveFile, tar, zip::Zip},
};
use crate::package::{PackageName, Version};

/// Longest content that is unpacked, in bytes: here it is about the readers, and not about the disk.
const LIMIT: u64 = 1 << 20;

/// Reads a tar, compressed or not, to its end.
pub fn read_tar(bytes: &[u8]) {
    let consume = |reader: &mut dyn Read| {
        let mut bounded = reader.take(LIMIT);
        let _read = tar::read(&mut bounded, |_, data| {
            let _copied = io::copy(data, &mut io::sink());
            Ok(())
        });
    };
    consume(&mut &*bytes);
    if let Some(file) = file_of(bytes)
        && let Ok(mut reader) = unpack::decompressed(ArchiveFile::silent(&file))
    {
        consume(&mut reader);
    }
}

/// Reads every member of a zip.
pub fn read_zip(bytes: &[u8]) {
    let Some(file) = file_of(bytes) else {
        return;
    };
    let Ok(mut zip) = Zip::open(ArchiveFile::silent(&file)) else {
        return;
    };
    for name in zip.names() {
        let _read = zip.member(&name, |_, data| {
            let _copied = io::copy(&mut data.take(LIMIT), &mut io::sink());
            Ok(())
        });
    }
}

/// Unpacks a wheel into a directory that is removed.
pub fn read_wheel(bytes: &[u8]) {
    let (Some(file), Ok(directory)) = (file_of(bytes), tempfile::tempdir()) else {
        return;
    };
    let (Ok(name), Ok(version)) = ("tool".parse::<PackageName>(), "1.0".parse::<Version>()) else {
        return;
    };
    let mut tree = Tree::new(directory.path());
    tree.admit(LIMIT);
    let _unpacked = wheel::unpack(&name, &version, ArchiveFile::silent(&file), &mut tree);
}

fn file_of(bytes: &[u8]) -> Option<File> {
    let mut file = tempfile::tempfile().ok()?;
    file.write_all(bytes).ok()?;
    io::Seek::rewind(&mut file).ok()?;
    Some(file)
}
