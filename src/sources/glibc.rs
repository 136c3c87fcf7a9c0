//! The glibc that wheels of the Python index need, and the one that this machine has.
//!
//! A lockfile is for other machines too. So a wheel that needs more than [`Glibc::FLOOR`] is taken only if no other
//! version fits, and only up to the glibc of this machine or the one in the settings.

use std::path::Path;

use super::{Candidate, Sources};
use crate::{package::Glibc, util::files};

/// Removes the artifacts that need a newer glibc than they may.
pub(super) fn check(candidates: &mut [Candidate], sources: Sources<'_>) {
    let mut limit = None;
    for candidate in candidates {
        for (system, needed) in &candidate.glibc {
            let limit = *limit.get_or_insert_with(|| {
                let of_machine = || of_machine().unwrap_or(Glibc::FLOOR).max(Glibc::FLOOR);
                sources.config.glibc.unwrap_or_else(of_machine)
            });
            if *needed > limit {
                candidate.artifacts.remove(system);
                candidate.glibc_limit = Some(limit);
            }
        }
    }
}

/// Returns the glibc of this machine; nothing if it has none.
pub fn of_machine() -> Option<Glibc> {
    let directories = [
        "/lib/x86_64-linux-gnu",
        "/lib/aarch64-linux-gnu",
        "/lib64",
        "/usr/lib64",
        "/usr/lib",
        "/lib",
    ];
    directories.iter().find_map(|directory| {
        let library = Path::new(directory).join("libc.so.6");
        let bytes = files::read_bounded(&library, LIMIT).ok()??;
        version_of(&bytes)
    })
}

/// Largest accepted library, in bytes.
const LIMIT: u64 = 32 << 20;

/// Returns the version that the bytes of a glibc name.
fn version_of(library: &[u8]) -> Option<Glibc> {
    let mark = b"GNU C Library";
    let at = memchr::memmem::find(library, mark)?;
    let line = library[at..].split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let (_, version) = line.split_once(" version ")?;
    version.trim_end().trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_names_its_version() {
        let library =
            b"\0GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\nCopyright\0";
        assert_eq!(version_of(library), "2.36".parse().ok());
        let library = b"GNU C Library (GNU libc) development release version 2.41.\n";
        assert_eq!(version_of(library), "2.41".parse().ok());
        for none in [&b""[..], b"musl libc", b"GNU C Library\n version 2.36"] {
            assert_eq!(version_of(none), None);
        }
    }
}
