//! Why an image cannot be made.

use std::path::PathBuf;

use crate::{config::ownership::Exposure, util::files};

/// A failure to make an image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    File(#[from] files::Error),
    /// Other users could change a file of the project.
    #[error(transparent)]
    Exposed(#[from] Exposure),
    /// A file has a path of this machine that has no counterpart in the image.
    #[error("`{}` contains `{path}`, a path of this machine", file.display())]
    HostPath { file: PathBuf, path: String },
    /// A path to copy does not exist.
    #[error("`{0}` does not exist in the project")]
    NothingToCopy(String),
    /// A path to copy is one that images leave out.
    #[error("`{0}` is not copied: `.dockerignore` or devsh leaves it out")]
    IgnoredCopy(String),
    /// A symlink to copy leads out of the project.
    #[error("`{0}` is a symlink that leads out of the project")]
    OutsideLink(String),
    /// A directory above a path to copy is a symlink, so that the path says nothing about what is copied.
    #[error("a directory in `{0}` is a symlink")]
    LinkAbove(String),
    /// A file that is neither a file, a directory nor a symlink.
    #[error("`{}` is no regular file", .0.display())]
    Special(PathBuf),
    /// A file whose name is not UTF-8.
    #[error("the name of `{}` is not UTF-8", .0.display())]
    OddName(PathBuf),
    /// A place in the image whose name would remove a file of the layers below.
    #[error(
        "`{0}` cannot be in an image: a name that begins with `.wh.` removes files of the layers below"
    )]
    Whiteout(String),
    /// Two `copy` rules bring a file or symlink, and something below it.
    #[error("`{path}` cannot be in an image together with `{file}`, which is no directory")]
    BelowFile { path: String, file: String },
    /// A line of an ignore file that is no pattern.
    #[error("a pattern is not valid ({}:{line})", file.display())]
    IgnorePattern { file: PathBuf, line: usize },
    /// An ignore file whose patterns are too large together.
    #[error("`{}` has too many patterns", .0.display())]
    IgnoreFile(PathBuf),
    /// A directory for an image with files that devsh did not write.
    #[error("`{}` has other files than an image", .0.display())]
    OtherFiles(PathBuf),
    /// A layout whose images are not only an earlier build of this one.
    #[error("`{}` has another image", .0.display())]
    OtherImage(PathBuf),
    /// A digest that is not a SHA-256.
    #[error("`{0}` is no SHA-256")]
    OtherDigest(String),
    /// A blob of a layout that is absent or has other bytes.
    #[error("the blob `{0}` is damaged")]
    DamagedBlob(String),
}
