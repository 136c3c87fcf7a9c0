//! The caller that waits for a build, which decides what the build may do.

/// The caller that waits for a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildMode {
    /// The user waits: an existing environment is used.
    Foreground,
    /// The user waits, and sources are tried again where host tools replaced them.
    Refresh,
    /// The user waits for a change of the manifest by devsh: a lockfile without the tools whose sources are not reached
    /// is written too.
    Edit,
    /// A prompt does not wait: no file of the project is written.
    Background,
}
