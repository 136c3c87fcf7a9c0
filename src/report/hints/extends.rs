//! Hints for files to extend that cannot be fetched.

use crate::{extends, manifest, report::failure::Failure};

use super::purpose;

/// Returns the failure for a file that `place` extends.
pub fn extend(error: &extends::Error, place: &manifest::Origin) -> Failure {
    let failure = match error {
        extends::Error::Fetch(error) => Failure::from(error),
        extends::Error::File(error) => Failure::from(error),
        extends::Error::Git { output, .. } => output
            .iter()
            .fold(Failure::new(error.to_string()), Failure::detail),
        extends::Error::Changed {
            expected, received, ..
        } => Failure::new(error.to_string())
            .detail(format!("expected  sha256:{expected}"))
            .detail(format!("received  sha256:{received}"))
            .hint("if that is meant, take it with `devsh lock --upgrade` and review it"),
        extends::Error::NoGit { .. } => {
            Failure::new(error.to_string()).hint("install `git`, or extend an `https://` file")
        }
        extends::Error::Offline { .. } | extends::Error::NoFile { .. } => {
            Failure::new(error.to_string())
        }
    };
    purpose(failure, &format!("because {place} extends it"))
}
