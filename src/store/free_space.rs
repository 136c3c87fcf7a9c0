//! Checks the free disk space before an object is made.

use std::{os::unix::fs::MetadataExt, path::Path};

use nix::sys::statvfs::statvfs;

use super::{Downloads, Error};
use crate::{fetch, lockfile::Artifact, package::PackageName, util::files};

/// Checks that there is space for the downloads of these artifacts, and for at least as much unpacked.
///
/// Unknown sizes and unknown free space are no error.
pub(super) fn check(
    package: &PackageName,
    artifacts: &[&Artifact],
    store: &Path,
    downloads: &Downloads<'_>,
) -> Result<(), Error> {
    files::create_private_dir(downloads.directory)?;
    let (mut packed, mut missing) = (0_u64, 0_u64);
    for artifact in artifacts {
        let size = artifact.size.unwrap_or_default();
        let there = fetch::partial(downloads.directory, &artifact.digest).metadata();
        // A lockfile may hold any numbers, also ones whose sum is none.
        packed = packed.saturating_add(size);
        missing = missing.saturating_add(size.saturating_sub(there.map_or(0, |there| there.len())));
    }
    let device = |path: &Path| path.metadata().ok().map(|found| found.dev());
    let same = device(store) == device(downloads.directory);
    let first = if same {
        missing.saturating_add(packed)
    } else {
        missing
    };
    for (place, needed) in [(downloads.directory, first), (store, packed)] {
        if let Some(free) = free(place)
            && free < needed
        {
            return Err(Error::NoRoom {
                package: package.clone(),
                place: place.to_owned(),
                needed,
                free,
            });
        }
    }
    Ok(())
}

/// Returns the bytes that are free for this user, where the file system reports them.
fn free(place: &Path) -> Option<u64> {
    let found = statvfs(place).ok()?;
    // The types differ between systems, so both go through the widest.
    let free = u128::from(found.blocks_available()) * u128::from(found.fragment_size());
    (found.blocks() > 0).then_some(u64::try_from(free).unwrap_or(u64::MAX))
}
