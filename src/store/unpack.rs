//! Readers of archive formats. They turn bytes into members; `Tree` decides what may be written.

mod extension;
mod header;
pub(super) mod tar;
pub(super) mod zip;
mod zip_directory;
mod zip_extra;

use std::{
    fs::File,
    io::{self, BufReader, Read},
};

/// Memory that a decompressor may use, in bytes: a window of 128 MiB and its tables.
const MEMORY: u64 = (128 << 20) + (8 << 20);
/// Binary logarithm of the longest zstd window.
const WINDOW_LOG: u32 = 27;

/// Returns the decompressed content of a tar archive, told by its first bytes.
pub(super) fn decompressed(file: &File) -> io::Result<Box<dyn Read + '_>> {
    let mut reader = BufReader::with_capacity(1 << 17, file);
    let magic = {
        use std::io::BufRead as _;
        reader.fill_buf()?.get(..6).unwrap_or_default().to_vec()
    };
    match magic.as_slice() {
        [0x1f, 0x8b, ..] => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(reader))),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            // Reads to the end of the file, so that nothing can hide behind the first stream.
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
        _ => Err(io::Error::other("neither gzip, xz nor zstd")),
    }
}
