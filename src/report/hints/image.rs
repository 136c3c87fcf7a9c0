//! Failures to make a container image.

use crate::{image, report::failure::Failure};

impl From<&image::Error> for Failure {
    fn from(error: &image::Error) -> Self {
        match error {
            image::Error::File(error) => Self::from(error),
            image::Error::Exposed(exposure) => Self::from(exposure),
            image::Error::IgnorePattern { .. } => Self::new(error.to_string())
                .hint("close each `[` and `{`, or write `\\` before them"),
            image::Error::IgnoredCopy(_) => Self::new(error.to_string())
                .hint("`.git`, `.venv`, env files and `devshell.local.toml` never belong into an image; for others change `.dockerignore`"),
            image::Error::LinkAbove(_) => Self::new(error.to_string())
                .hint("name the directory that the symlink leads to"),
            image::Error::OtherFiles(_) | image::Error::OtherImage(_) => Self::new(error.to_string())
                .note("a build replaces only an earlier build of the same image")
                .hint("name a new directory: `-o DIR`"),
            image::Error::OddName(_) | image::Error::Whiteout(_) => Self::new(error.to_string())
                .hint("give it another name, or name it in `.dockerignore`"),
            image::Error::HostPath { .. }
            | image::Error::NothingToCopy(_)
            | image::Error::OutsideLink(_)
            | image::Error::Special(_)
            | image::Error::BelowFile { .. }
            | image::Error::IgnoreFile(_)
            | image::Error::OtherDigest(_)
            | image::Error::DamagedBlob(_) => Self::new(error.to_string()),
        }
    }
}
