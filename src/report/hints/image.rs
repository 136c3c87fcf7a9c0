//! Failures to make a container image.

use crate::{image, report::failure::Failure};

impl From<&image::Error> for Failure {
    fn from(error: &image::Error) -> Self {
        match error {
            image::Error::File(error) => Self::from(error),
            image::Error::IgnoredCopy(path) => {
                let failure = Self::new(error.to_string());
                failure.hint(format!(
                    "if it belongs into the image, add `!{path}` to `.dockerignore`; `.git` never does"
                ))
            }
            image::Error::HostPath { .. }
            | image::Error::NothingToCopy(_)
            | image::Error::OutsideLink(_)
            | image::Error::Special(_)
            | image::Error::IgnoreFile { .. }
            | image::Error::OtherDigest(_)
            | image::Error::DamagedBlob(_) => Self::new(error.to_string()),
        }
    }
}
