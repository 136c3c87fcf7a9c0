//! Writes one layer: a tar archive with gzip, the same bytes for the same files.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, GzBuilder, write::GzEncoder};
use sha2::{Digest as _, Sha256 as Hasher};
use tar::{EntryType, Header};

use super::{Descriptor, Error, MediaType, digest_of};
use crate::{package::Sha256, util::files};

/// A finished layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLayer {
    pub descriptor: Descriptor,
    /// The digest of the uncompressed archive.
    pub diff_id: String,
    /// The content of the layer, one line.
    pub title: String,
}

/// Writes a layer into a directory of blobs.
pub struct LayerWriter {
    tar: tar::Builder<Hashing<GzEncoder<Hashing<BufWriter<File>>>>>,
    temporary: tempfile::TempPath,
    directory: PathBuf,
    title: String,
}

impl LayerWriter {
    /// Begins a layer below `directory`, which gets a file named by the layer's digest.
    pub fn new(directory: &Path, title: &str) -> Result<Self, Error> {
        let (file, temporary) = tempfile::NamedTempFile::new_in(directory)
            .map_err(files::at("write", directory))?
            .into_parts();
        let compressed = Hashing::new(BufWriter::new(file));
        let gzip = GzBuilder::new()
            .mtime(0)
            .operating_system(255)
            .write(compressed, Compression::default());
        Ok(Self {
            tar: tar::Builder::new(Hashing::new(gzip)),
            temporary,
            directory: directory.to_owned(),
            title: title.to_owned(),
        })
    }

    /// Adds a directory; paths are relative to the root of the image.
    pub fn directory(&mut self, path: &str) -> Result<(), Error> {
        let mut header = header(EntryType::Directory, 0o755, 0);
        self.append(&mut header, &format!("{path}/"), io::empty())
    }

    /// Adds a file of `size` bytes.
    pub fn file(
        &mut self,
        path: &str,
        executable: bool,
        size: u64,
        content: impl Read,
    ) -> Result<(), Error> {
        let mode = if executable { 0o755 } else { 0o644 };
        let mut header = header(EntryType::Regular, mode, size);
        self.append(&mut header, path, content)
    }

    /// Adds a symlink.
    pub fn symlink(&mut self, path: &str, target: &Path) -> Result<(), Error> {
        let mut header = header(EntryType::Symlink, 0o777, 0);
        let written = self.tar.append_link(&mut header, path, target);
        written.map_err(|error| self.failed(error))
    }

    fn append(&mut self, header: &mut Header, path: &str, content: impl Read) -> Result<(), Error> {
        let written = self.tar.append_data(header, path, content);
        written.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> Error {
        files::at("write a layer to", &self.directory)(error).into()
    }

    /// Completes the layer.
    pub fn finish(self) -> Result<ImageLayer, Error> {
        let Self {
            tar,
            temporary,
            directory,
            title,
        } = self;
        let failed = |error| Error::from(files::at("write a layer to", &directory)(error));
        let plain = tar.into_inner().map_err(failed)?;
        let diff_id = plain.digest();
        let compressed = plain.inner.finish().map_err(failed)?;
        let (sha256, size) = (compressed.digest(), compressed.size);
        let file = compressed
            .inner
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        temporary
            .persist(directory.join(sha256.to_string()))
            .map_err(|error| failed(error.error))?;
        Ok(ImageLayer {
            descriptor: Descriptor::new(MediaType::LAYER, &sha256, size),
            diff_id: digest_of(&diff_id),
            title,
        })
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// A writer that computes the digest of what passes.
struct Hashing<W> {
    inner: W,
    hasher: Hasher,
    size: u64,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Hasher::new(),
            size: 0,
        }
    }

    fn digest(&self) -> Sha256 {
        Sha256::from_bytes(self.hasher.clone().finalize().into())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
