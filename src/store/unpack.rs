//! Readers of archive formats, on top of the crates `tar` and `zip`. The tree builder decides what may be written.
//!
//! The SHA-256 of an artifact is verified before any of them sees a byte.

pub(super) mod tar;
pub(super) mod zip;

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read, Seek, SeekFrom},
};

/// Memory that a decompressor may use, in bytes: a window of 128 MiB and its tables.
const MEMORY: u64 = (128 << 20) + (8 << 20);
/// Binary logarithm of the longest zstd window.
pub(super) const WINDOW_LOG: u32 = 27;

/// An open archive that reports how many bytes were read from it.
#[derive(Clone, Copy)]
pub(super) struct ArchiveFile<'a> {
    file: &'a File,
    report: &'a dyn Fn(u64),
}

impl<'a> ArchiveFile<'a> {
    pub(super) const fn new(file: &'a File, report: &'a dyn Fn(u64)) -> Self {
        Self { file, report }
    }

    /// Returns an archive that reports nothing.
    pub(super) const fn silent(file: &'a File) -> Self {
        Self::new(file, &|_| ())
    }

    /// Returns the same archive for a look at it that counts as no progress.
    pub(super) const fn silenced(self) -> Self {
        Self::silent(self.file)
    }
}

impl Read for ArchiveFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        (self.report)(count as u64);
        Ok(count)
    }
}

impl Seek for ArchiveFile<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

/// Returns the decompressed content of a tar archive; the first bytes name the compression.
pub(super) fn decompressed(file: ArchiveFile<'_>) -> io::Result<Box<dyn Read + '_>> {
    let mut reader = BufReader::with_capacity(1 << 17, file);
    let buffered = reader.fill_buf()?;
    let magic = buffered.get(..6).unwrap_or_default().to_vec();
    match magic.as_slice() {
        [0x1f, 0x8b, ..] => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(reader))),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(MEMORY, flags)?;
            Ok(Box::new(liblzma::bufread::XzDecoder::new_stream(
                reader, stream,
            )))
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::Decoder::with_buffer(reader)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Ok(Box::new(decoder))
        }
        [b'B', b'Z', b'h', ..] => Ok(Box::new(bzip2::bufread::MultiBzDecoder::new(reader))),
        _ => Err(io::Error::other("neither gzip, xz, zstd nor bzip2")),
    }
}
